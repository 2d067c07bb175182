"""Correct what was issued: by withdrawing it, or by a credit note. Nothing is edited."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

from django.db import transaction

from billing.domain import lifecycle, posting_rules
from billing.domain.credit_notes import LineCredit, MoreThanInvoiced, credit_line
from billing.models import (
    BillingSchedule,
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    UnusedTime,
)
from billing.selectors.claimed import issued_period_of
from billing.services.credit_limits import refuse_alone
from billing.services.credits.burning import unwind, unwind_all
from billing.services.credits.planning import CREDIT, PREPAID
from billing.services.credits.selling import credit_sold, withdraw_sold
from billing.services.ending import cut_periods, drop_periods
from billing.services.invoicing import document_of, line_amounts, locked_positions, payment_status
from billing.services.numbering import next_number
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money, MoneyError, total
from monetization.ledger.accounts import Leg
from monetization.ledger.services import first_open_day, post_entry


class InvoiceNotIssued(Refusal):
    """Only an issued invoice can be corrected."""


class InvoiceIsSettled(Refusal):
    """Money or credit was already applied; a credit note is the way."""


class TakenOffElsewhere(Refusal):
    """The invoice of the period, which is issued, takes off what this one billed."""


class InvoiceIsSupplemented(Refusal):
    """Another invoice charges more for this one and refers to it."""


class UnusedTimeGivenBack(Refusal):
    """Days it bills were taken off another invoice when its contract was amended."""


class DatedBeforeInvoice(Refusal):
    """What takes something of an invoice back is dated before the invoice."""


class LineNotOnInvoice(Refusal):
    """A credit names a line of another invoice."""


class NothingToCredit(Refusal):
    """Everything on the invoice was credited before."""


OpenLine = tuple[InvoiceLine, Money, Money]  # with net and tax to credit


@transaction.atomic
def void_invoice(
    *, invoice_id: UUID, reason: str, now: datetime, is_reissued: bool = False
) -> Invoice:
    """Withdraw an issued invoice nobody has paid; its periods can be billed again.

    A contract that was completed is not any more, until they are. The number stays used. The
    reversing entry is dated in the invoice's month, or in the first open month after it.

    :param is_reissued: the caller puts its periods on another draft.
    :raises InvoiceNotIssued: if it is not issued.
    :raises InvoiceIsSettled: if a payment or credit note touches it.
    :raises TakenOffElsewhere: for a threshold invoice whose period is issued.
    :raises InvoiceIsSupplemented: if another invoice charges more for it.
    :raises UnusedTimeGivenBack: if an amendment took days of it off another invoice.
    :raises SecondPersonNeeded: above what one person may withdraw unasked.
    """
    invoice = voidable(invoice_id)
    refuse_alone(invoice, Money(invoice.total_amount, invoice.currency), now=now, is_void=True)
    lines = list(invoice.lines.order_by("position"))
    positions = locked_positions(invoice)
    invoice.status = lifecycle.next_state(lifecycle.INVOICE, invoice.status, "void")
    invoice.voided_at, invoice.void_reason, invoice.prepaid_amount = now, reason, Decimal(0)
    invoice.save(update_fields=["status", "voided_at", "void_reason", "prepaid_amount"])
    if invoice.periods.update(invoice=None):
        _bill_again(invoice, is_reissued=is_reissued)
    event = append_event(
        type="invoice.voided",
        subject=f"invoice/{invoice.id}",
        data={"invoice_id": str(invoice.id), "number": invoice.number, "reason": reason},
        occurred_at=now,
    )
    issued_on = cast(date, invoice.issued_on)
    day = first_open_day(issued_on)
    post_entry(
        event=event,
        rule="invoice_voided",
        entry_date=day,
        legal_entity_id=invoice.legal_entity_id,
        legs=[
            *_void_legs(invoice, lines, positions),
            *withdraw_sold(invoice, document_of(invoice), event=event, now=now),
            *unwind_all(invoice, document_of(invoice), event=event, now=now),
        ],
        memo=f"Void {invoice.number}",
        period_of_origin=issued_on if day != issued_on else None,
    )
    return invoice


def _bill_again(invoice: Invoice, *, is_reissued: bool) -> None:
    """Let the clock bill a completed contract again, up to its end; it completes it again."""
    schedule = BillingSchedule.objects.select_for_update(of=("self",)).get(id=invoice.schedule_id)
    if schedule.ended_on is not None:  # what was issued had stayed whole
        drop_periods(schedule, schedule.ended_on)
        cut_periods(schedule, schedule.ended_on)
    if schedule.status == BillingSchedule.Status.COMPLETED and not is_reissued:
        schedule.status = lifecycle.next_state(lifecycle.SCHEDULE, schedule.status, "reopen")
        schedule.save(update_fields=["status"])


def voidable(invoice_id: UUID) -> Invoice:
    """Lock an invoice and return it if it can be voided, apart from who may do so.

    :raises InvoiceNotIssued: if it is not issued.
    :raises InvoiceIsSettled: if a payment or credit note touches it.
    :raises TakenOffElsewhere: for a threshold invoice whose period is issued.
    :raises InvoiceIsSupplemented: if another invoice charges more for it.
    :raises UnusedTimeGivenBack: if an amendment took days of it off another invoice.
    """
    invoice = _locked(invoice_id)
    if invoice.status != Invoice.Status.ISSUED:
        raise InvoiceNotIssued("only an issued invoice can be voided")
    if invoice.written_off_amount:
        raise InvoiceIsSettled(f"{invoice.number} is written off; take that back first")
    if invoice.paid_amount or invoice.credited_amount:
        raise InvoiceIsSettled(f"{invoice.number} is paid or credited in part; credit the rest")
    if invoice.threshold_number is not None and (whole := issued_period_of(invoice)):
        raise TakenOffElsewhere(
            f"{invoice.number} was taken off {whole.number}; void that first, or credit this one"
        )
    _refuse_supplemented(invoice)
    if UnusedTime.objects.filter(invoice_line__invoice=invoice).exists():
        raise UnusedTimeGivenBack(
            f"{invoice.number} bills days that were given back when its contract was amended;"
            " credit what is left of it instead"
        )
    return invoice


def _refuse_supplemented(invoice: Invoice) -> None:
    more = invoice.supplementary.exclude(status=Invoice.Status.VOID).order_by("number").last()
    if more is not None:
        do = f"void {more.number}" if more.number else "discard its supplementary draft"
        raise InvoiceIsSupplemented(f"another invoice refers to {invoice.number}: {do} first")


def _void_legs(
    invoice: Invoice, lines: list[InvoiceLine], positions: dict[str, posting_rules.Position]
) -> tuple[Leg, ...]:
    facts = (
        document_of(invoice),
        line_amounts(lines, invoice.currency),
        Money(invoice.tax_amount, invoice.currency),
    )
    if invoice.schedule_id is None:
        return posting_rules.one_off_voided(*facts)
    return posting_rules.invoice_voided(*facts, positions)


@transaction.atomic
def credit_invoice(*, invoice_id: UUID, reason: str, issued_on: date, now: datetime) -> CreditNote:
    """Credit everything on an invoice that was not credited before, line by line.

    :raises InvoiceNotIssued: if it is not issued.
    :raises InvoiceIsSettled: if it is written off.
    :raises NothingToCredit: if nothing is left.
    :raises DatedBeforeInvoice: if the note would be older than the invoice.
    :raises SecondPersonNeeded: above what one person may credit unasked.
    """
    invoice = creditable(invoice_id)
    return _issue_note(invoice, lines_to_credit(invoice, None), reason, issued_on, now)


@transaction.atomic
def credit_lines(
    *,
    invoice_id: UUID,
    amounts: Mapping[UUID, Decimal],
    reason: str,
    issued_on: date,
    now: datetime,
) -> CreditNote:
    """Credit parts of an invoice: net amounts by line, each with its share of the tax.

    The credit that uses a line up takes the tax that is left, so that all credits of a line
    add up to it.

    :param amounts: line id to net amount; zero credits nothing of the line.
    :raises InvoiceNotIssued: if it is not issued.
    :raises InvoiceIsSettled: if it is written off.
    :raises NothingToCredit: if no amount is given.
    :raises MoreThanInvoiced: if a line has less left.
    :raises DatedBeforeInvoice: if the note would be older than the invoice.
    :raises SecondPersonNeeded: above what one person may credit unasked.
    """
    invoice = creditable(invoice_id)
    return _issue_note(invoice, lines_to_credit(invoice, amounts), reason, issued_on, now)


def creditable(invoice_id: UUID) -> Invoice:
    """Lock an invoice and return it if it can be credited.

    :raises InvoiceNotIssued: if it is not issued.
    :raises InvoiceIsSettled: if it is written off.
    """
    invoice = _locked(invoice_id)
    if invoice.status != Invoice.Status.ISSUED:
        raise InvoiceNotIssued("only an issued invoice can be credited")
    if invoice.written_off_amount:
        raise InvoiceIsSettled(f"{invoice.number} is written off; take that back first")
    return invoice


def refuse_before(invoice: Invoice, day: date) -> None:
    """Refuse a credit note or a write-off that would be older than what it takes back.

    :raises DatedBeforeInvoice: if it would.
    """
    if invoice.issued_on is not None and day < invoice.issued_on:
        raise DatedBeforeInvoice(
            f"{invoice.number} is dated {invoice.issued_on:%d %B %Y}; nothing of it is taken back"
            " before that day"
        )


def lines_to_credit(invoice: Invoice, amounts: Mapping[UUID, Decimal] | None) -> list[OpenLine]:
    """Return what would be credited of each line, with its tax.

    :param amounts: line id to net amount; None takes everything that is left.
    """
    positions = credit_positions(invoice)
    if amounts is None:
        left = [(each.line, each.net_left, each.tax_left) for each in positions]
        chosen = [each for each in left if each[1] or each[2]]
        if not chosen:
            raise NothingToCredit(f"everything on {invoice.number} was credited before")
        return chosen
    known = {each.line.id: each for each in positions}
    chosen = []
    for line_id, amount in amounts.items():
        if line_id not in known:
            raise LineNotOnInvoice(f"lines: a line is not on {invoice.number}")
        if amount:
            chosen.append(_part(known[line_id], amount, invoice.currency))
    if not chosen:
        raise NothingToCredit("lines: give an amount for at least one line")
    return sorted(chosen, key=lambda each: each[0].position)


def _part(position: "CreditPosition", amount: Decimal, currency: str) -> OpenLine:
    try:
        wanted = Money(amount, currency)
    except MoneyError:
        raise MoreThanInvoiced(
            f"lines: {position.line.description}: more decimals than {currency} has"
        ) from None
    try:
        part = credit_line(position.net, position.tax, position.credited, wanted)
    except MoreThanInvoiced as refusal:
        raise MoreThanInvoiced(f"lines: {position.line.description}: {refusal}") from None
    return position.line, part.net, part.tax


def credited_total(lines: Sequence[OpenLine], invoice: Invoice) -> Money:
    """Return what a credit of these lines comes to, with tax."""
    return total((net + tax for _, net, tax in lines), invoice.currency)


def _issue_note(
    invoice: Invoice, lines: list[OpenLine], reason: str, issued_on: date, now: datetime
) -> CreditNote:
    refuse_before(invoice, issued_on)
    positions = locked_positions(invoice)
    net = total((amount for _, amount, _ in lines), invoice.currency)
    tax = total((line_tax for _, _, line_tax in lines), invoice.currency)
    if (net + tax).amount <= 0:
        raise NothingToCredit("what is credited must come to more than nothing")
    refuse_alone(invoice, net + tax, now=now)
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
        for position, (line, amount, line_tax) in enumerate(lines, start=1)
    )
    invoice.credited_amount += note.total_amount
    back = _settled_back(invoice)
    invoice.prepaid_amount -= back
    invoice.payment_status = payment_status(invoice)
    invoice.save(update_fields=["credited_amount", "prepaid_amount", "payment_status"])
    _post_credit(invoice, note, lines, positions, back, now)
    return note


def _settled_back(invoice: Invoice) -> Decimal:
    """Return how much of what credits settled a credit note makes too much.

    What is still open goes first; only beyond it do credits return to their grants.
    """
    settled = invoice.paid_amount + invoice.credited_amount + invoice.prepaid_amount
    return max(Decimal(0), min(invoice.prepaid_amount, settled - invoice.total_amount))


def _post_credit(
    invoice: Invoice,
    note: CreditNote,
    open_lines: list[OpenLine],
    positions: dict[str, posting_rules.Position],
    back: Decimal,
    now: datetime,
) -> None:
    document = document_of(invoice)
    reduced = {
        f"{line.explanation['grant']}:{line.explanation['pays']}": -amount.amount
        for line, amount, _ in open_lines
        if line.kind == CREDIT
    }
    sold = {line.key: amount.amount for line, amount, _ in open_lines if line.kind == PREPAID}
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
        legs=[
            *posting_rules.credit_note_issued(
                document,
                [
                    posting_rules.LineAmount(line.item_key, amount)
                    for line, amount, _ in open_lines
                    if line.kind not in (CREDIT, PREPAID)
                ],
                Money(note.tax_amount, note.currency),
                positions,
            ),
            *credit_sold(invoice, document, sold, note, event=event, now=now),
            *unwind(invoice, document, reduced, back, note, event=event, now=now),
        ],
        memo=f"Credit note {note.number} for {invoice.number}",
    )


@dataclass(frozen=True, slots=True)
class CreditPosition:
    """What of an issued line was credited, and what is left."""

    line: InvoiceLine
    net: Money
    tax: Money
    credited: tuple[LineCredit, ...]

    @property
    def net_left(self) -> Money:
        return self.net - total((each.net for each in self.credited), self.net.currency)

    @property
    def tax_left(self) -> Money:
        return self.tax - total((each.tax for each in self.credited), self.net.currency)


def credit_positions(invoice: Invoice) -> list[CreditPosition]:
    """Return the lines of an issued invoice with what earlier credit notes gave back of them."""
    currency = invoice.currency
    credited: dict[UUID, list[LineCredit]] = defaultdict(list)
    for row in CreditNoteLine.objects.filter(invoice_line__invoice=invoice):
        credited[row.invoice_line_id].append(
            LineCredit(Money(row.amount, currency), Money(row.tax_amount, currency))
        )
    return [
        CreditPosition(
            line,
            Money(line.amount, currency),
            Money(line.tax_amount, currency),
            tuple(credited[line.id]),
        )
        for line in invoice.lines.order_by("position")
    ]


def _locked(invoice_id: UUID) -> Invoice:
    invoice: Invoice = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("legal_entity")
        .get(id=invoice_id)
    )
    return invoice
