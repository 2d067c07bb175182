"""Correct what was issued: by withdrawing it, or by a credit note. Nothing is edited."""

from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from billing.domain import lifecycle, posting_rules
from billing.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine
from billing.services.invoicing import document_of, line_amounts, locked_positions
from billing.services.numbering import next_number
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money, total
from monetization.ledger.services import first_open_day, post_entry


class InvoiceNotIssued(Refusal):
    """Only an issued invoice can be corrected."""


class InvoiceIsSettled(Refusal):
    """Money or credit was already applied; a credit note is the way."""


class NothingToCredit(Refusal):
    """Everything on the invoice was credited before."""


@transaction.atomic
def void_invoice(*, invoice_id: UUID, reason: str, now: datetime) -> Invoice:
    """Withdraw an issued invoice nobody has paid; its periods can be billed again.

    The number stays used. The reversing entry is dated in the invoice's month, or in the
    first open month after it.

    :raises InvoiceNotIssued: if it is not issued.
    :raises InvoiceIsSettled: if a payment or credit note touches it.
    """
    invoice = _locked(invoice_id)
    if invoice.status != Invoice.Status.ISSUED or invoice.issued_on is None:
        raise InvoiceNotIssued("only an issued invoice can be voided")
    if invoice.paid_amount or invoice.credited_amount:
        raise InvoiceIsSettled(f"{invoice.number} is paid or credited in part; credit the rest")
    lines = list(invoice.lines.order_by("position"))
    positions = locked_positions(invoice)
    invoice.status = lifecycle.next_state(lifecycle.INVOICE, invoice.status, "void")
    invoice.voided_at, invoice.void_reason = now, reason
    invoice.save(update_fields=["status", "voided_at", "void_reason"])
    invoice.periods.update(invoice=None)
    event = append_event(
        type="invoice.voided",
        subject=f"invoice/{invoice.id}",
        data={"invoice_id": str(invoice.id), "number": invoice.number, "reason": reason},
        occurred_at=now,
    )
    day = first_open_day(invoice.issued_on)
    post_entry(
        event=event,
        rule="invoice_voided",
        entry_date=day,
        legal_entity_id=invoice.legal_entity_id,
        legs=posting_rules.invoice_voided(
            document_of(invoice),
            line_amounts(lines, invoice.currency),
            Money(invoice.tax_amount, invoice.currency),
            positions,
        ),
        memo=f"Void {invoice.number}",
        period_of_origin=invoice.issued_on if day != invoice.issued_on else None,
    )
    return invoice


@transaction.atomic
def credit_invoice(*, invoice_id: UUID, reason: str, issued_on: date, now: datetime) -> CreditNote:
    """Credit everything on an invoice that was not credited before, line by line.

    :raises InvoiceNotIssued: if it is not issued.
    :raises NothingToCredit: if nothing is left.
    """
    invoice = _locked(invoice_id)
    if invoice.status != Invoice.Status.ISSUED:
        raise InvoiceNotIssued("only an issued invoice can be credited")
    open_lines = _uncredited(invoice)
    if not open_lines:
        raise NothingToCredit(f"everything on {invoice.number} was credited before")
    positions = locked_positions(invoice)
    net = total((amount for _, amount, _ in open_lines), invoice.currency)
    tax = total((line_tax for _, _, line_tax in open_lines), invoice.currency)
    note = CreditNote.objects.create(
        invoice=invoice,
        customer_id=invoice.customer_id,
        legal_entity_id=invoice.legal_entity_id,
        number=next_number(invoice.legal_entity, "credit_note"),
        reason=reason,
        currency=invoice.currency,
        issued_on=issued_on,
        subtotal_amount=net.amount,
        tax_amount=tax.amount,
        total_amount=(net + tax).amount,
    )
    CreditNoteLine.objects.bulk_create(
        CreditNoteLine(
            credit_note=note,
            invoice_line=line,
            position=position,
            description=line.description,
            item_key=line.item_key,
            amount=amount.amount,
            tax_amount=line_tax.amount,
        )
        for position, (line, amount, line_tax) in enumerate(open_lines, start=1)
    )
    invoice.credited_amount += note.total_amount
    invoice.payment_status = payment_status(invoice)
    invoice.save(update_fields=["credited_amount", "payment_status"])
    _post_credit(invoice, note, open_lines, positions, now)
    return note


_OpenLine = tuple[InvoiceLine, Money, Money]


def _post_credit(
    invoice: Invoice,
    note: CreditNote,
    open_lines: list[_OpenLine],
    positions: dict[str, posting_rules.Position],
    now: datetime,
) -> None:
    event = append_event(
        type="credit_note.issued",
        subject=f"credit-note/{note.id}",
        data={
            "credit_note_id": str(note.id),
            "invoice_id": str(invoice.id),
            "number": note.number,
        },
        occurred_at=now,
    )
    post_entry(
        event=event,
        rule="credit_note_issued",
        entry_date=note.issued_on,
        legal_entity_id=invoice.legal_entity_id,
        legs=posting_rules.credit_note_issued(
            document_of(invoice),
            [posting_rules.LineAmount(line.item_key, amount) for line, amount, _ in open_lines],
            Money(note.tax_amount, note.currency),
            positions,
        ),
        memo=f"Credit note {note.number} for {invoice.number}",
    )


def _uncredited(invoice: Invoice) -> list[_OpenLine]:
    credited = {
        row["invoice_line"]: (row["net"], row["tax"])
        for row in CreditNoteLine.objects.filter(invoice_line__invoice=invoice)
        .values("invoice_line")
        .annotate(net=Sum("amount"), tax=Sum("tax_amount"))
    }
    rest = []
    for line in invoice.lines.order_by("position"):
        net, tax = credited.get(line.id, (0, 0))
        amount = Money(line.amount - net, invoice.currency)
        line_tax = Money(line.tax_amount - tax, invoice.currency)
        if amount or line_tax:
            rest.append((line, amount, line_tax))
    return rest


def payment_status(invoice: Invoice) -> str:
    """Say how far an invoice is settled by payments and credits."""
    settled = invoice.paid_amount + invoice.credited_amount
    if settled >= invoice.total_amount:
        return Invoice.PaymentStatus.PAID
    return Invoice.PaymentStatus.PARTIALLY_PAID if settled > 0 else Invoice.PaymentStatus.UNPAID


def _locked(invoice_id: UUID) -> Invoice:
    invoice: Invoice = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("legal_entity")
        .get(id=invoice_id)
    )
    return invoice
