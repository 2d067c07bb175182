"""Stripe through its official SDK. Called between transactions, never inside one.

The SDK is imported where it is used: it takes a second, and only some processes need it. Its own
retries are off: a row that waits is tried again by the worker, with the same idempotency key.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from integrations.errors import Refused, Unavailable
from integrations.stripe import mapping
from integrations.stripe.mapping import Facts

TIMEOUT = (5.0, 20.0)  # seconds to connect, seconds to answer
AUTHORISATION_PAUSE = timedelta(minutes=5)
DEFAULT_WAIT = timedelta(seconds=30)  # after a 429 that does not say

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account's secret key, and the secrets its webhook events are signed with."""

    secret_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)  # newest first; two at most

    def to_json(self) -> str:
        return json.dumps({"secret_key": self.secret_key, "webhook": list(self.webhook_secrets)})

    @classmethod
    def from_json(cls, text: str | None) -> "Credentials":
        data = json.loads(text or "{}")
        return cls(data.get("secret_key", ""), tuple(data.get("webhook", ())))


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    name: str
    is_live: bool


class Gateway:
    """One tenant's line to Stripe.

    Every method may raise ``Refused`` (a person must look) or ``Unavailable`` (try later).
    """

    def __init__(self, *, base_url: str, credentials: Credentials) -> None:
        import stripe

        self._client = stripe.StripeClient(
            credentials.secret_key,
            base_addresses={"api": base_url},
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=TIMEOUT),
        )
        self._is_live = "_live_" in credentials.secret_key

    def account(self) -> Account:
        """Return whose account the key opens."""
        answer = self._call(self._client.v1.accounts.retrieve_current)
        profile = answer.get("business_profile") or {}
        name = profile.get("name") or answer.get("email") or answer["id"]
        return Account(str(answer["id"]), str(name), self._is_live)

    def listen_at(self, url: str) -> str:
        """Have events sent to an address and return the secret they are signed with.

        An endpoint of the same address is replaced: Stripe shows a secret only once.
        """
        endpoints = self._client.v1.webhook_endpoints
        for known in self._call(endpoints.list, {"limit": 100})["data"]:
            if known.get("url") == url:
                self._call(endpoints.delete, known["id"])
        wanted = {"url": url, "enabled_events": sorted(mapping.EVENTS)}
        return str(self._call(endpoints.create, wanted)["secret"])

    def open_checkout(self, request: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """Open a payment page; the same key again returns the same page."""
        return self._call(
            self._client.v1.checkout.sessions.create, request, {"idempotency_key": idempotency_key}
        )

    def checkout(self, session_id: str) -> Facts:
        return mapping.checkout_facts(
            self._call(self._client.v1.checkout.sessions.retrieve, session_id)
        )

    def expire_checkout(self, session_id: str) -> None:
        """Close a payment page; one that was used or closed meanwhile is left as it is."""
        try:
            self._call(self._client.v1.checkout.sessions.expire, session_id)
        except Refused:  # only an open one can be closed; what it is, the next look says
            return

    def payment(self, payment_id: str) -> Facts:
        """Return what became of a payment, with its fee, refunds and disputes."""
        answer = self._call(
            self._client.v1.payment_intents.retrieve,
            payment_id,
            {"expand": ["latest_charge.balance_transaction"]},
        )
        refunds = self._call(
            self._client.v1.refunds.list, {"payment_intent": payment_id, "limit": 100}
        )
        return mapping.payment_facts(answer, list(refunds["data"]), self._disputes(payment_id))

    def _disputes(self, payment_id: str) -> list[dict[str, Any]]:
        """Return the disputes of a payment; none to a key that may not read them.

        Restricted keys from before disputes were followed lack that permission.
        """
        import stripe

        try:
            answer = self._client.v1.disputes.list({"payment_intent": payment_id, "limit": 100})
        except stripe.PermissionError:
            return []
        except stripe.StripeError as error:
            raise _judged(error) from None
        found: list[dict[str, Any]] = json.loads(str(answer))["data"]
        return found

    def refund(self, payment_id: str, units: int, *, idempotency_key: str) -> None:
        """Send part of a payment back; the same key again sends nothing more."""
        self._call(
            self._client.v1.refunds.create,
            {"payment_intent": payment_id, "amount": units},
            {"idempotency_key": idempotency_key},
        )

    def payout(self, payout_id: str) -> Facts:
        return mapping.payout_facts(self._call(self._client.v1.payouts.retrieve, payout_id))

    def _call(self, ask: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        import stripe

        try:
            answer = ask(*arguments)
        except stripe.StripeError as error:
            raise _judged(error) from None
        found: dict[str, Any] = json.loads(str(answer))
        return found


def _judged(error: Any) -> Exception:
    """Say what an error of the SDK means for us."""
    status, words = error.http_status or 0, str(error.user_message or error)[:500]
    if status == 429:
        return Unavailable("Stripe's limit of calls", retry_after=_retry_after(error))
    if status in (401, 403):
        return Unavailable(
            f"Stripe does not let this connection in ({status}): {words}; connect again",
            retry_after=AUTHORISATION_PAUSE,
        )
    if status == 409 or status >= 500 or not status:
        return Unavailable(f"Stripe answered {status or 'nothing'}: {words}")
    return Refused(f"Stripe refused: {words}", response=dict(error.json_body or {}))


def _retry_after(error: Any) -> timedelta:
    seconds = str((error.headers or {}).get("Retry-After", ""))
    return timedelta(seconds=max(1, int(seconds))) if seconds.isdigit() else DEFAULT_WAIT
