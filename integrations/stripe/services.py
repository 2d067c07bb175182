"""What is owed to Stripe and what it said: payment pages, payments, refunds, payouts.

Stripe itself is called by ``work``, between these transactions.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.db import transaction

from billing.models import Invoice, Payment
from billing.services.collections import PaymentReferenceKnown, open_amount, record_payment
from billing.services.refunds import (
    RefundTooLarge,
    record_payment_fee,
    record_refund,
    record_settlement,
    refundable,
)
from integrations.errors import Refused, Unavailable
from integrations.models import OnlinePayment, Provider
from integrations.stripe import mapping
from integrations.stripe.disputes import OPEN as OPEN_DISPUTE
from integrations.stripe.disputes import record_dispute
from integrations.stripe.mapping import CHECKOUT, PAYMENT, PAYOUT, Facts
from monetization.kernel.errors import Refusal
from monetization.kernel.ids import uuid7
from monetization.kernel.money import Money, MoneyError
from monetization.kernel.period import local_day
from monetization.ledger.services import first_open_day
from monetization.tenancy.context import current_tenant_id
from monetization.tenancy.models import Tenant

MAX_ATTEMPTS = 12
FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(hours=6)
LEASE = timedelta(minutes=3)  # longer than the calls of one attempt with their timeouts
NEXT_LOOK = timedelta(minutes=15)  # at an open page or a payment on its way, if nobody calls
DISPUTE_LOOK = timedelta(hours=6)  # at an open dispute, if nobody calls
METHOD = "card, by Stripe"
OVER = ("complete", "expired", "canceled", "succeeded", "paid", "failed")


class NotPaidOnline(Refusal):
    """Only a payment that arrived through the service is sent back through it."""


def ring() -> None:
    """Have the worker look now, once this is committed."""
    from integrations.tasks import advance_payments

    ask = partial(advance_payments.delay, tenant_id=str(current_tenant_id()))
    transaction.on_commit(ask, robust=True)


# --- Payment pages ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkout:
    """What opening a payment page takes; ``url`` where one is open for the same amount."""

    request: dict[str, object]
    idempotency_key: str
    amount: Money
    url: str = ""


def checkout_for(invoice: Invoice, *, page: str) -> Checkout:
    """Return what to ask for so that a customer pays what an invoice still owes.

    :raises Refused: if Stripe cannot take the amount.
    """
    amount = Money(open_amount(invoice), invoice.currency)
    earlier = OnlinePayment.objects.filter(kind=CHECKOUT, invoice=invoice)
    known = earlier.filter(state="open", amount=amount.amount).order_by("-id").first()
    contact = invoice.customer.contacts.order_by("-is_primary", "id").first()
    wanted = mapping.Wanted(
        tenant_id=current_tenant_id(),
        invoice_id=invoice.id,
        number=invoice.number,
        seller=invoice.legal_entity.name,
        amount=amount,
        email=contact.email if contact else "",
        page=page,
    )
    over = earlier.exclude(state="open").count()
    key = f"checkout/{invoice.id}/{mapping.to_minor(amount)}/{over}"
    url = known.url if known else ""
    return Checkout(mapping.checkout_request(wanted), key, amount, url)


@transaction.atomic
def keep_checkout(
    *, invoice_id: UUID, external_id: str, url: str, amount: Money, now: datetime
) -> None:
    """Keep a page that was opened; looked at again even if Stripe never calls."""
    OnlinePayment.objects.get_or_create(
        provider=Provider.STRIPE,
        external_id=external_id,
        defaults={
            "kind": CHECKOUT,
            "state": "open",
            "invoice_id": invoice_id,
            "currency": amount.currency,
            "amount": amount.amount,
            "url": url,
            "due_at": now + NEXT_LOOK,
        },
    )


# --- Refunds and retries asked for by people --------------------------------------------------


@transaction.atomic
def ask_refund(*, online_payment_id: UUID, amount: Decimal | None, now: datetime) -> OnlinePayment:
    """Send a payment back through Stripe, wholly or in part, within seconds.

    :param amount: of the payment's currency; None sends back all that is left.
    :raises NotPaidOnline: if it is no payment that arrived.
    :raises RefundTooLarge: if less is left of it.
    """
    row: OnlinePayment = OnlinePayment.objects.select_for_update(of=("self",)).get(
        id=online_payment_id
    )
    if row.kind != PAYMENT or row.payment is None:
        raise NotPaidOnline("only a payment that arrived is sent back")
    waiting = sum(
        (mapping.from_minor(each["units"], row.currency).amount for each in row.refunds_wanted),
        Decimal(0),
    )
    left = refundable(row.payment) - waiting
    wanted = left if amount is None else amount
    if not 0 < wanted <= left:
        shown = Money(left, row.currency)
        raise RefundTooLarge(f"amount: must be above zero and at most the {shown} that is left")
    try:
        units = mapping.to_minor(Money(wanted, row.currency))
    except (MoneyError, Refused) as problem:
        raise RefundTooLarge(f"amount: {problem}") from None
    row.refunds_wanted = [*row.refunds_wanted, {"key": f"refund/{uuid7().hex}", "units": units}]
    _due(row, now)
    row.save()
    ring()
    return row


@transaction.atomic
def look_again(*, online_payment_id: UUID, now: datetime) -> OnlinePayment:
    """Ask Stripe anew what became of something."""
    row: OnlinePayment = OnlinePayment.objects.select_for_update(of=("self",)).get(
        id=online_payment_id
    )
    _due(row, now)
    row.save()
    ring()
    return row


def _due(row: OnlinePayment, now: datetime) -> None:
    row.due_at, row.attempts, row.needs_attention, row.last_error = now, 0, False, ""


# --- One attempt ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A row taken for one look: everything the calls need."""

    row_id: UUID
    number: int  # which claim of this row it is; a later one overrules it
    kind: str
    external_id: str
    refunds: tuple[tuple[str, int], ...]  # idempotency key, minor units
    expires: bool  # nothing is owed any more: the page is to be closed


@transaction.atomic
def claim(*, row_id: UUID, now: datetime) -> Claim | None:
    """Take a due row for one look; None if it is not due, or another worker has it."""
    row: OnlinePayment | None = (
        OnlinePayment.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(id=row_id, due_at__lte=now)
        .first()
    )
    if row is None or (row.lease_until is not None and row.lease_until > now):
        return None
    row.attempts, row.claims, row.lease_until = row.attempts + 1, row.claims + 1, now + LEASE
    row.save(update_fields=["attempts", "claims", "lease_until"])
    refunds = tuple((each["key"], each["units"]) for each in row.refunds_wanted)
    owes_nothing = row.invoice is not None and (
        row.invoice.status != Invoice.Status.ISSUED or open_amount(row.invoice) != row.amount
    )
    expires = row.kind == CHECKOUT and row.state == "open" and owes_nothing
    return Claim(row.id, row.claims, row.kind, row.external_id, refunds, expires)


@transaction.atomic
def record(*, claim: Claim, facts: Facts, now: datetime) -> None:
    """Write down what Stripe says, and book what follows. True whoever finds out: no fence."""
    row: OnlinePayment = OnlinePayment.objects.select_for_update(of=("self",)).get(id=claim.row_id)
    row.state, row.response, row.checked_at = facts.state, facts.response, now
    row.attempts, row.lease_until, row.last_error = 0, None, ""
    row.needs_attention = False
    sent = {key for key, _ in claim.refunds}
    row.refunds_wanted = [each for each in row.refunds_wanted if each["key"] not in sent]
    is_over = row.state in OVER and not row.refunds_wanted
    row.due_at = None if is_over else now + NEXT_LOOK
    if row.kind == CHECKOUT:
        _record_checkout(row, facts, now)
    elif row.kind == PAYMENT:
        _record_payment(row, facts, now)
    elif row.kind == PAYOUT:
        _record_payout(row, facts, now)
    row.save()


def _record_checkout(row: OnlinePayment, facts: Facts, now: datetime) -> None:
    if facts.payment_id and row.invoice_id is not None:
        OnlinePayment.objects.get_or_create(
            provider=Provider.STRIPE,
            external_id=facts.payment_id,
            defaults={"kind": PAYMENT, "invoice_id": row.invoice_id, "due_at": now},
        )


def _record_payment(row: OnlinePayment, facts: Facts, now: datetime) -> None:
    if facts.tenant_id != current_tenant_id() or facts.amount is None or facts.at is None:
        row.due_at = None  # of somebody else's shop on the same account
        return
    invoice = Invoice.objects.select_related("customer").filter(id=facts.invoice_id).first()
    if invoice is None:
        row.due_at, row.needs_attention = None, True
        row.last_error = "It names an invoice we do not have; nothing was booked."
        return
    row.invoice, row.currency, row.amount = invoice, facts.amount.currency, facts.amount.amount
    if facts.state != "succeeded" or not facts.amount:
        return
    if row.payment is None:
        row.payment = _booked(row, invoice, facts.amount, facts.at, now)
        _close_other_pages(invoice, now)
    day = _day(facts.at)
    if facts.fee is None:
        row.due_at = now + NEXT_LOOK  # Stripe settles the charge within minutes
    elif row.fee_amount is None:
        row.fee_amount, row.fee_currency = facts.fee.amount, facts.fee.currency
        if facts.fee:
            record_payment_fee(
                payment_id=row.payment.id,
                fee=facts.fee.amount,
                currency=facts.fee.currency,
                charged_on=day,
                reference=row.external_id,
                now=now,
            )
    for refund in facts.refunds:
        record_refund(
            payment_id=row.payment.id,
            amount=refund.amount.amount,
            refunded_on=first_open_day(_day(refund.at)),
            reference=refund.id,
            now=now,
        )
    for dispute in facts.disputes:
        record_dispute(row, dispute, day_of=_day, now=now)
    if row.dispute_status in OPEN_DISPUTE:
        row.due_at = now + DISPUTE_LOOK


def _booked(
    row: OnlinePayment, invoice: Invoice, amount: Money, at: datetime, now: datetime
) -> Payment:
    """Record the money: it settles its invoice as far as that is open; the rest is credit."""
    try:
        return record_payment(
            customer_id=invoice.customer_id,
            currency=amount.currency,
            amount=amount.amount,
            received_on=first_open_day(_day(at)),
            reference=row.external_id,
            method=METHOD,
            only_invoice=invoice.id,
            now=now,
        )
    except PaymentReferenceKnown:  # somebody wrote it down by hand, with Stripe's reference
        found: Payment = Payment.objects.get(
            customer=invoice.customer_id, reference=row.external_id
        )
        return found


def _close_other_pages(invoice: Invoice, now: datetime) -> None:
    """Have pages on which more than is owed could still be paid closed at once."""
    pages = OnlinePayment.objects.filter(kind=CHECKOUT, state="open", invoice=invoice)
    if pages.update(due_at=now):
        ring()


def _record_payout(row: OnlinePayment, facts: Facts, now: datetime) -> None:
    if facts.amount is None or facts.at is None:
        return
    row.currency, row.amount = facts.amount.currency, facts.amount.amount
    settled, reference = facts.amount.amount, row.external_id
    if facts.state == "paid" and not row.is_posted:
        row.is_posted = True
    elif facts.state in ("failed", "canceled") and row.is_posted:
        row.is_posted, settled, reference = False, -settled, f"{reference}/returned"
    else:
        return
    record_settlement(
        amount=settled,
        currency=row.currency,
        settled_on=_day(facts.at),
        reference=reference,
        now=now,
    )


@transaction.atomic
def record_trouble(*, claim: Claim, reason: Exception, now: datetime) -> None:
    """Try again later, ever more slowly, or keep the reason for a person."""
    row: OnlinePayment = OnlinePayment.objects.select_for_update(of=("self",)).get(id=claim.row_id)
    if row.claims != claim.number:
        return
    row.lease_until, row.last_error = None, str(reason)[:2000]
    wait = getattr(reason, "retry_after", None)
    if isinstance(reason, Unavailable) and (wait is not None or row.attempts < MAX_ATTEMPTS):
        row.due_at = now + (wait or min(FIRST_RETRY * 2 ** (row.attempts - 1), LONGEST_RETRY))
    else:
        row.due_at, row.needs_attention = None, True
        sent = {key for key, _ in claim.refunds}  # what was refused is not tried for ever
        row.refunds_wanted = [each for each in row.refunds_wanted if each["key"] not in sent]
    row.save()


def _day(at: datetime) -> date:
    tenant = Tenant.objects.get(id=current_tenant_id())
    return local_day(at, tenant.time_zone)
