"""Give up claims nobody will pay, and claim them again when somebody does."""

from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from billing.domain import posting_rules
from billing.models import Invoice
from billing.services.collections import open_amount
from billing.services.corrections import InvoiceNotIssued, refuse_before
from billing.services.invoicing import document_of, payment_status
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.ledger.services import post_entry


class NothingToWriteOff(Refusal):
    """The invoice owes nothing."""


class NotWrittenOff(Refusal):
    """The invoice was not written off."""


@transaction.atomic
def write_off_invoice(
    *, invoice_id: UUID, reason: str, written_off_on: date, now: datetime
) -> Invoice:
    """Give up what an issued invoice still owes: it becomes bad debt, the claim is gone.

    The whole open amount, tax included; relief of the tax is claimed from the authority on its
    own and is not booked here.

    :raises InvoiceNotIssued: if it is not issued.
    :raises NothingToWriteOff: if it is settled or written off already.
    :raises DatedBeforeInvoice: if the date is before the invoice's.
    :raises PeriodClosed: if the month of the date is closed.
    """
    invoice = _issued(invoice_id)
    refuse_before(invoice, written_off_on)
    amount = Money(open_amount(invoice), invoice.currency)
    if amount.amount <= 0:
        raise NothingToWriteOff(f"{invoice.number} owes nothing")
    invoice.written_off_amount = amount.amount
    invoice.write_off_reason = reason
    invoice.payment_status = payment_status(invoice)
    invoice.save(update_fields=["written_off_amount", "write_off_reason", "payment_status"])
    event = append_event(
        type="invoice.written_off",
        subject=f"invoice/{invoice.id}",
        data={
            "invoice_id": str(invoice.id),
            "number": invoice.number,
            "amount": str(amount.amount),
            "reason": reason,
        },
        occurred_at=now,
    )
    post_entry(
        event=event,
        rule="invoice_written_off",
        entry_date=written_off_on,
        legal_entity_id=invoice.legal_entity_id,
        legs=posting_rules.invoice_written_off(document_of(invoice), amount),
        memo=f"Write-off of {invoice.number}",
    )
    return invoice


@transaction.atomic
def reinstate_invoice(*, invoice_id: UUID, reinstated_on: date, now: datetime) -> Invoice:
    """Claim again what was written off, for example because it is paid after all.

    :raises NotWrittenOff: if it was not.
    :raises PeriodClosed: if the month of the date is closed.
    """
    invoice = _issued(invoice_id)
    if not invoice.written_off_amount:
        raise NotWrittenOff(f"{invoice.number} was not written off")
    amount = Money(invoice.written_off_amount, invoice.currency)
    invoice.written_off_amount, invoice.write_off_reason = 0, ""
    invoice.payment_status = payment_status(invoice)
    invoice.save(update_fields=["written_off_amount", "write_off_reason", "payment_status"])
    event = append_event(
        type="invoice.reinstated",
        subject=f"invoice/{invoice.id}",
        data={
            "invoice_id": str(invoice.id),
            "number": invoice.number,
            "amount": str(amount.amount),
        },
        occurred_at=now,
    )
    post_entry(
        event=event,
        rule="write_off_reversed",
        entry_date=reinstated_on,
        legal_entity_id=invoice.legal_entity_id,
        legs=posting_rules.write_off_reversed(document_of(invoice), amount),
        memo=f"Write-off of {invoice.number} taken back",
    )
    return invoice


def _issued(invoice_id: UUID) -> Invoice:
    invoice: Invoice = Invoice.objects.select_for_update(of=("self",)).get(id=invoice_id)
    if invoice.status != Invoice.Status.ISSUED:
        raise InvoiceNotIssued("only an issued invoice is written off")
    return invoice
