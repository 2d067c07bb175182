"""Tell DRF whom the tenant middleware found."""

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from monetization.users.permissions import Principal


class ApiKeyUser:
    """A machine, where DRF expects a user."""

    is_authenticated = True
    is_active = True
    is_staff = False
    pk = None

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    def __str__(self) -> str:
        return self.principal.label


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        principal: Principal | None = getattr(request._request, "principal", None)
        if principal is None or principal.api_key_id is None:
            return None
        return ApiKeyUser(principal), principal

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class MemberSessionAuthentication(SessionAuthentication):
    """A signed-in member in a browser; unsafe calls need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        principal: Principal | None = getattr(request._request, "principal", None)
        if principal is None or principal.user_id is None:
            return None
        return super().authenticate(request)
