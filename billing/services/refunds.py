"""Money that goes back to a customer, fees of who collected it, and its way to the bank."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from billing.domain import posting_rules
from billing.models import Invoice, Payment, PaymentRefund
from billing.services.collections import entity_paid
from billing.services.invoicing import payment_status
from monetization.events.services import append_event
from monetization.kernel.decimals import plain
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.ledger.services import first_open_day, post_entry
from monetization.tenancy.models import LegalEntity

ZERO = Decimal(0)


class RefundTooLarge(Refusal):
    """More would go back than is left of the payment."""


def refundable(payment: Payment) -> Decimal:
    """Return what of a payment did not go back yet."""
    refunded: Decimal = payment.refunds.aggregate(sum=Sum("amount"))["sum"] or ZERO
    return payment.amount - refunded


@transaction.atomic
def record_refund(
    *, payment_id: UUID, amount: Decimal, refunded_on: date, reference: str, now: datetime
) -> PaymentRefund:
    """Record money that went back: first what no invoice took, then from invoices, latest first.

    Those are owed again by as much. The same reference again changes nothing.

    :raises RefundTooLarge: if less than ``amount`` is left of the payment.
    """
    payment = (
        Payment.objects.select_for_update(of=("self",))
        .select_related("customer")
        .get(id=payment_id)
    )
    known: PaymentRefund | None = payment.refunds.filter(reference=reference).first()
    if known is not None:
        return known
    left = refundable(payment)
    if not 0 < amount <= left:
        raise RefundTooLarge(
            f"amount: must be above zero and at most the {Money(left, payment.currency)} that is"
            f" left of payment {payment.reference}"
        )
    paid = Invoice.objects.filter(allocations__payment=payment)
    entity_id = entity_paid(payment.customer, paid)  # as when it came in
    released = _release(payment, amount, left)
    refund = PaymentRefund.objects.create(
        payment=payment, amount=amount, refunded_on=refunded_on, reference=reference
    )
    event = append_event(
        type="payment.refunded",
        subject=f"payment/{payment.id}",
        data={"payment_id": str(payment.id), "amount": plain(amount), "reference": reference},
        occurred_at=now,
    )
    post_entry(
        event=event,
        rule="payment_refunded",
        entry_date=first_open_day(refunded_on),
        legal_entity_id=entity_id,
        legs=posting_rules.payment_refunded(
            payment.customer_id,
            Money(amount, payment.currency),
            {key: Money(part, payment.currency) for key, part in released.items()},
        ),
        memo=f"Refund {reference} of payment {payment.reference}",
    )
    return refund


def _release(payment: Payment, amount: Decimal, left: Decimal) -> dict[UUID, Decimal]:
    """Take a refund off what the payment settled; returns by invoice how much."""
    rows = list(payment.allocations.order_by("-invoice__due_on", "-id"))
    invoices = {
        row.id: row
        for row in Invoice.objects.select_for_update(of=("self",))
        .filter(id__in=[each.invoice_id for each in rows])
        .order_by("id")
    }
    rest = amount - (left - sum((each.amount for each in rows), ZERO))  # beyond the unallocated
    released: dict[UUID, Decimal] = {}
    for row in rows:
        part = min(rest, row.amount)
        if part <= 0:
            break
        rest -= part
        released[row.invoice_id] = part
        if part == row.amount:
            row.delete()
        else:
            row.amount -= part
            row.save(update_fields=["amount"])
        invoice = invoices[row.invoice_id]
        invoice.paid_amount -= part
        invoice.payment_status = payment_status(invoice)
        invoice.save(update_fields=["paid_amount", "payment_status"])
    return released


@transaction.atomic
def record_payment_fee(
    *,
    payment_id: UUID,
    fee: Decimal,
    currency: str,
    charged_on: date,
    reference: str,
    now: datetime,
) -> None:
    """Record what a provider kept of a payment; once per provider's reference.

    :param currency: of the fee; the provider's account may be in another than the payment.
    :raises IntegrityError: if the reference was recorded before.
    """  # fmt: skip
    payment = Payment.objects.select_related("customer").get(id=payment_id)
    event = append_event(
        type="payment.fee_charged",
        subject=f"payment/{payment.id}",
        data={"payment_id": str(payment.id), "amount": plain(fee), "currency": currency},
        occurred_at=now,
        source="payment-provider",
        source_event_id=f"fee/{reference}",
    )
    post_entry(
        event=event,
        rule="payment_fee_charged",
        entry_date=first_open_day(charged_on),
        legal_entity_id=payment.customer.legal_entity_id,
        legs=posting_rules.payment_fee_charged(payment.customer_id, Money(fee, currency)),
        memo=f"Fee of payment {payment.reference}",
    )


@transaction.atomic
def record_settlement(
    *, amount: Decimal, currency: str, settled_on: date, reference: str, now: datetime
) -> None:
    """Record what a provider paid out to the bank; negative where it took money back.

    :raises IntegrityError: if the reference was recorded before.
    """
    entity = LegalEntity.objects.get(is_default=True)
    event = append_event(
        type="payment.settled",
        subject=f"settlement/{reference}",
        data={"reference": reference, "amount": plain(amount), "currency": currency},
        occurred_at=now,
        source="payment-provider",
        source_event_id=f"settlement/{reference}",
    )
    post_entry(
        event=event,
        rule="payments_settled",
        entry_date=first_open_day(settled_on),
        legal_entity_id=entity.id,
        legs=posting_rules.payments_settled(Money(amount, currency)),
        memo=f"Settlement {reference}",
    )
