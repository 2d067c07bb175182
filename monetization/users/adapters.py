from decimal import FloatOperation, localcontext

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """People are invited by an owner; nobody signs up by themselves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class TwoFactorAdapter(DefaultMFAAdapter):
    """Codes of an app, whose secret is shown as a picture."""

    def build_totp_svg(self, url: str) -> str:
        """Draw the picture; its library mixes floats and decimals, which the books may not."""
        with localcontext() as context:
            context.traps[FloatOperation] = False
            return str(super().build_totp_svg(url))
