"""Between our words and Stripe's. Pure: our values to requests, Stripe's answers to facts.

Amounts are whole minor units at Stripe; how many a currency has there is not always ISO 4217.
Source: https://docs.stripe.com/currencies, "Zero-decimal" and "Three-decimal currencies".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from integrations.errors import Refused
from monetization.kernel.money import Money, MoneyError

REFERENCE, TENANT = "throughline_invoice", "throughline_tenant"
PAYMENT, CHECKOUT, PAYOUT = "payment", "checkout", "payout"
EVENTS = {
    "checkout.session.completed": "Paid on the payment page",
    "checkout.session.async_payment_succeeded": "A slow payment arrived",
    "checkout.session.async_payment_failed": "A slow payment failed",
    "checkout.session.expired": "The payment page expired",
    "payment_intent.succeeded": "Paid",
    "payment_intent.processing": "On its way",
    "payment_intent.payment_failed": "A payment failed",
    "payment_intent.canceled": "A payment was canceled",
    "charge.refunded": "Refunded",
    "charge.updated": "The fee is known",
    "charge.dispute.created": "The payer disputes it",
    "charge.dispute.updated": "The dispute went on",
    "charge.dispute.funds_withdrawn": "The disputed money was taken back",
    "charge.dispute.funds_reinstated": "The disputed money was given back",
    "charge.dispute.closed": "The dispute is over",
    "refund.failed": "A refund failed",
    "payout.paid": "Paid out to the bank",
    "payout.failed": "A payout failed",
}
_ZERO_DECIMAL = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
     "XOF", "XPF")
)  # fmt: skip
_THREE_DECIMAL = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))


def _places(currency: str) -> int:
    return 0 if currency in _ZERO_DECIMAL else 3 if currency in _THREE_DECIMAL else 2


def to_minor(amount: Money) -> int:
    """Return an amount in Stripe's minor units.

    :raises Refused: if Stripe cannot take it: a third decimal must be 0 there.

    >>> to_minor(Money(Decimal("605.00"), "EUR")), to_minor(Money(Decimal(500), "JPY"))
    (60500, 500)
    """
    places = _places(amount.currency)
    units = amount.amount.scaleb(places)
    if units != int(units) or (places == 3 and int(units) % 10):
        raise Refused(f"Stripe cannot take {amount}: it has more decimals than Stripe allows")
    return int(units)


def from_minor(units: Any, currency: Any) -> Money:
    """Return an amount of Stripe's as ours.

    :raises Refused: if it is not a whole number of our minor units.

    >>> str(from_minor(60500, "eur")), str(from_minor(500, "jpy"))
    ('605.00 EUR', '500 JPY')
    """
    code = str(currency).upper()
    try:
        return Money(Decimal(int(units)).scaleb(-_places(code)), code)
    except MoneyError as problem:
        raise Refused(f"Stripe says {units} {code}, which cannot be booked: {problem}") from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An invoice to be paid on Stripe's page."""

    tenant_id: UUID
    invoice_id: UUID
    number: str
    seller: str
    amount: Money
    email: str
    page: str  # ours; the customer comes back to it


def checkout_request(wanted: Wanted) -> dict[str, Any]:
    """Return the body that opens a payment page for exactly the open amount."""
    ours = {REFERENCE: str(wanted.invoice_id), TENANT: str(wanted.tenant_id)}
    request: dict[str, Any] = {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": wanted.amount.currency.lower(),
                    "unit_amount": to_minor(wanted.amount),
                    "product_data": {"name": f"{wanted.seller}, {wanted.number}"[:250]},
                },
            }
        ],
        "client_reference_id": str(wanted.invoice_id),
        "metadata": ours,
        "payment_intent_data": {"metadata": ours, "description": wanted.number},
        "success_url": f"{wanted.page}?paid=1",
        "cancel_url": wanted.page,
    }
    if wanted.email:
        request["customer_email"] = wanted.email
    return request


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """Money that went back."""

    id: str
    amount: Money
    at: datetime


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """A payment the payer disputes at their bank."""

    id: str
    amount: Money
    status: str  # in Stripe's words: needs_response, under_review, won, lost, warning_...
    reason: str
    at: datetime
    answer_by: datetime | None  # until when evidence is taken
    withdrawn: bool  # the money was taken from the account; of an inquiry it is not
    reinstated: bool  # and given back
    fee: Money  # what the bank charged for it, less what it gave back


@dataclass(frozen=True, slots=True)
class Facts:
    """What Stripe says of a payment, a payment page or a payout, when asked."""

    state: str
    response: dict[str, Any]
    amount: Money | None = None  # received, or paid out
    at: datetime | None = None
    invoice_id: UUID | None = None  # ours; None: it is not about our invoices
    tenant_id: UUID | None = None
    payment_id: str = ""  # of a payment page that was used
    fee: Money | None = None
    refunds: tuple[RefundFacts, ...] = ()
    disputes: tuple[DisputeFacts, ...] = ()


def payment_facts(
    answer: Mapping[str, Any],
    refunds: list[dict[str, Any]],
    disputes: Sequence[dict[str, Any]] = (),
) -> Facts:
    """Read a payment intent whose charge and balance transaction were asked for with it."""
    metadata = answer.get("metadata") or {}
    charge = answer.get("latest_charge")
    balance = charge.get("balance_transaction") if isinstance(charge, dict) else None
    fee = None
    if isinstance(balance, dict) and balance.get("fee") is not None:
        fee = from_minor(balance["fee"], balance["currency"])
    done = [each for each in refunds if each.get("status") == "succeeded"]
    return Facts(
        state=str(answer["status"]),
        response={**_plain(answer), "refunds": refunds, "disputes": list(disputes)},
        amount=from_minor(answer.get("amount_received") or 0, answer["currency"]),
        at=_moment(charge.get("created") if isinstance(charge, dict) else answer["created"]),
        invoice_id=_uuid(metadata.get(REFERENCE)),
        tenant_id=_uuid(metadata.get(TENANT)),
        fee=fee,
        refunds=tuple(
            RefundFacts(
                str(each["id"]),
                from_minor(each["amount"], each["currency"]),
                _moment(each["created"]),
            )
            for each in sorted(done, key=lambda each: (each["created"], each["id"]))
        ),
        disputes=tuple(
            _dispute(each)
            for each in sorted(disputes, key=lambda each: (each["created"], each["id"]))
        ),
    )


def _dispute(each: Mapping[str, Any]) -> DisputeFacts:
    """Read a dispute; its balance transactions say whether money moved.

    Source: https://docs.stripe.com/api/disputes/object, ``balance_transactions``: negative when
    funds are withdrawn, positive when they are reinstated.
    """
    moves = each.get("balance_transactions") or []
    currency = moves[0]["currency"] if moves else each["currency"]
    until = (each.get("evidence_details") or {}).get("due_by")
    return DisputeFacts(
        id=str(each["id"]),
        amount=from_minor(each["amount"], each["currency"]),
        status=str(each["status"]),
        reason=str(each.get("reason") or ""),
        at=_moment(each["created"]),
        answer_by=_moment(until) if until else None,
        withdrawn=any(move["amount"] < 0 for move in moves),
        reinstated=any(move["amount"] > 0 for move in moves),
        fee=from_minor(sum(move.get("fee") or 0 for move in moves), currency),
    )


def checkout_facts(answer: Mapping[str, Any]) -> Facts:
    """Read a payment page: open, complete or expired, and the payment it led to."""
    payment = answer.get("payment_intent")
    metadata = answer.get("metadata") or {}
    return Facts(
        state=str(answer["status"]),
        response=_plain(answer),
        invoice_id=_uuid(metadata.get(REFERENCE)),
        tenant_id=_uuid(metadata.get(TENANT)),
        payment_id=str(payment.get("id") if isinstance(payment, dict) else payment or ""),
    )


def payout_facts(answer: Mapping[str, Any]) -> Facts:
    """Read a payout to the bank."""
    return Facts(
        state=str(answer["status"]),
        response=_plain(answer),
        amount=from_minor(answer["amount"], answer["currency"]),
        at=_moment(answer["arrival_date"]),
    )


@dataclass(frozen=True, slots=True)
class Notice:
    """What a webhook event is about. It is a hint to ask, no fact."""

    id: str
    type: str
    at: datetime
    kind: str  # payment, checkout, payout; empty: nothing we follow
    external_id: str
    is_ours: bool  # it names an invoice of the tenant, or a payout of its account
    payload: dict[str, Any]


class NotANotice(Exception):
    """The body is no event of Stripe's."""


def read_notice(payload: Any, tenant_id: UUID) -> Notice:
    """Read an event whose signature was verified.

    :raises NotANotice: if it lacks what every event has.
    """
    try:
        about = payload["data"]["object"]
        kind, external_id = _named(about)
        metadata = about.get("metadata") or {}
        return Notice(
            id=str(payload["id"])[:64],
            type=str(payload["type"])[:60],
            at=_moment(payload["created"]),
            kind=kind,
            external_id=external_id[:80],
            is_ours=kind == PAYOUT or metadata.get(TENANT) == str(tenant_id),
            payload=payload,
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError):
        raise NotANotice("the body is no event of Stripe's") from None


def _named(about: dict[str, Any]) -> tuple[str, str]:
    match about["object"]:
        case "payment_intent":
            return PAYMENT, str(about["id"])
        case "charge" | "refund" | "dispute":
            return (
                (PAYMENT, str(about["payment_intent"])) if about.get("payment_intent") else ("", "")
            )
        case "checkout.session":
            return CHECKOUT, str(about["id"])
        case "payout":
            return PAYOUT, str(about["id"])
        case _:
            return "", ""


def _plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Keep an answer without what opens a payment: nobody reads secrets in a log."""
    return {key: value for key, value in answer.items() if key != "client_secret"}


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), tz=UTC)


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
