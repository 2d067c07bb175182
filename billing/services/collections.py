"""Money received, and which invoices it settles."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing.domain import posting_rules
from billing.models import Invoice, Payment, PaymentAllocation
from billing.services.invoicing import payment_status
from monetization.customers.models import Customer
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.ledger.services import post_entry


class PaymentReferenceKnown(Refusal):
    """A payment of this customer with this reference was recorded before."""


class AllocationTooLarge(Refusal):
    """More is allocated than was paid, or than an invoice still owes."""


class PaymentNotPositive(Refusal):
    """A payment is an amount above zero."""


@transaction.atomic
def record_payment(
    *,
    customer_id: UUID,
    currency: str,
    amount: Decimal,
    received_on: date,
    reference: str,
    now: datetime,
    method: str = "bank transfer",
    allocations: Mapping[UUID, Decimal] | None = None,
    only_invoice: UUID | None = None,
) -> Payment:
    """Record money from a customer and settle invoices with it, the oldest due first.

    What no invoice takes stays the customer's credit.

    :param allocations: invoice id to amount; oldest first when not given.
    :param only_invoice: settle this one as far as it is open, and no other.
    :raises PaymentReferenceKnown: if this payment was recorded before.
    :raises AllocationTooLarge: if the allocations exceed the payment or an invoice.
    """
    if amount <= 0:
        raise PaymentNotPositive("a payment is an amount above zero")
    customer = Customer.objects.get(id=customer_id)
    if Payment.objects.filter(customer=customer, reference=reference).exists():
        raise PaymentReferenceKnown(f"payment {reference!r} of {customer.name} is recorded already")
    paid = Money(amount, currency)
    invoices = _owing(customer, currency)
    if only_invoice is not None:
        parts = _oldest_first(paid, [one for one in invoices if one.id == only_invoice])
    else:
        parts = _oldest_first(paid, invoices) if allocations is None else dict(allocations)
    _check(parts, invoices, amount)
    payment = Payment.objects.create(
        customer=customer,
        currency=currency,
        amount=amount,
        received_on=received_on,
        method=method,
        reference=reference,
    )
    _allocate(payment, parts, invoices)
    event = append_event(
        type="payment.recorded",
        subject=f"payment/{payment.id}",
        data={"payment_id": str(payment.id), "customer_id": str(customer.id)},
        occurred_at=now,
    )
    post_entry(
        event=event,
        rule="payment_received",
        entry_date=received_on,
        legal_entity_id=entity_paid(customer, [one for one in invoices if one.id in parts]),
        legs=posting_rules.payment_received(
            customer.id, paid, {key: Money(part, currency) for key, part in parts.items()}
        ),
        memo=f"Payment {reference}",
    )
    return payment


def entity_paid(customer: Customer, invoices: Iterable[Invoice]) -> UUID:
    """Return in whose books a payment is: who issued what it pays, if that is one company."""
    issuers = {invoice.legal_entity_id for invoice in invoices}
    found: UUID = issuers.pop() if len(issuers) == 1 else customer.legal_entity_id
    return found


def open_amount(invoice: Invoice) -> Decimal:
    """Return what an invoice still owes."""
    settled = invoice.paid_amount + invoice.credited_amount + invoice.written_off_amount
    return invoice.total_amount - settled - invoice.prepaid_amount


def _owing(customer: Customer, currency: str) -> list[Invoice]:
    """Lock and return what a customer still owes in a currency, the oldest due first."""
    settled = [Invoice.PaymentStatus.PAID, Invoice.PaymentStatus.UNCOLLECTIBLE]
    return list(
        Invoice.objects.select_for_update(of=("self",))
        .filter(customer=customer, currency=currency, status=Invoice.Status.ISSUED)
        .exclude(payment_status__in=settled)
        .order_by("due_on", "number")
    )


def _oldest_first(paid: Money, invoices: list[Invoice]) -> dict[UUID, Decimal]:
    rest, parts = paid.amount, {}
    for invoice in invoices:
        part = min(rest, open_amount(invoice))
        if part > 0:
            parts[invoice.id] = part
            rest -= part
    return parts


def _check(parts: Mapping[UUID, Decimal], invoices: list[Invoice], amount: Decimal) -> None:
    known = {invoice.id: invoice for invoice in invoices}
    for invoice_id, part in parts.items():
        invoice = known.get(invoice_id)
        if invoice is None or part <= 0 or part > open_amount(invoice):
            shown = invoice.number if invoice else "an invoice that is not open"
            raise AllocationTooLarge(f"cannot allocate {part} to {shown}")
    if sum(parts.values()) > amount:
        raise AllocationTooLarge("more is allocated than was paid")


def _allocate(payment: Payment, parts: Mapping[UUID, Decimal], invoices: list[Invoice]) -> None:
    for invoice in invoices:
        part = parts.get(invoice.id)
        if part is None:
            continue
        PaymentAllocation.objects.create(payment=payment, invoice=invoice, amount=part)
        invoice.paid_amount += part
        invoice.payment_status = payment_status(invoice)
        invoice.save(update_fields=["paid_amount", "payment_status"])
