"""What people write on open invoices: lines, notes, orders. Recalculation leaves it alone."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from billing.domain.manual_lines import EntryInvalid, ManualEntry, price_entry
from billing.domain.tax import TAX_INCLUDED, tax_lines
from billing.models import BillingSchedule, CreditSale, Invoice, InvoiceLine
from billing.selectors.parts import locked_with_parts
from billing.services.approvals import withdraw_approvals
from billing.services.assertions import check
from billing.services.calculation import TOTALS, set_totals, settle_stored, sums
from billing.services.credits.planning import customers_with_credits
from billing.services.invoicing import OPEN_STATES, recalculate_invoices
from billing.services.taxing import Rates, share_tax, tax_fields_of
from monetization.catalog.models import Product
from monetization.customers.models import Customer
from monetization.events.services import append_event
from monetization.kernel.decimals import plain
from monetization.kernel.errors import Refusal
from monetization.kernel.ids import uuid7
from monetization.kernel.period import Period
from monetization.tenancy.context import current_actor

FIRST_POSITION = 10_001  # after every computed line
MOST_LINES = 500


class InvoiceNotOpen(Refusal):
    """What was issued is never edited."""


class LineNotManual(Refusal):
    """A computed line follows the contract; an adjustment is a line of its own."""


class InvoiceHasSchedule(Refusal):
    """An invoice of a contract is not discarded: its periods are owed."""


@transaction.atomic
def add_manual_line(*, invoice_id: UUID, entry: ManualEntry, now: datetime) -> InvoiceLine:
    """Write a line on an open invoice; it survives every recalculation, marked as manual.

    :raises InvoiceNotOpen: if it is issued or void.
    :raises EntryInvalid: naming the field.
    """
    invoice = _open(invoice_id)
    if invoice.lines.filter(is_manual=True).count() >= MOST_LINES:
        raise EntryInvalid(f"description: an invoice has at most {MOST_LINES} manual lines")
    line = _build(invoice, entry, now)
    line.save(force_insert=True)
    _after(invoice, line, "invoice.line_added", now)
    return line


@transaction.atomic
def change_manual_line(
    *, invoice_id: UUID, line_id: UUID, entry: ManualEntry, now: datetime
) -> InvoiceLine:
    """Write a manual line anew.

    :raises InvoiceNotOpen: if the invoice is issued or void.
    :raises LineNotManual: for a computed line.
    :raises EntryInvalid: naming the field.
    """
    invoice = _open(invoice_id)
    old = _manual(invoice, line_id)
    line = _build(invoice, entry, now)
    line.id, line.key, line.position, line.kind = old.id, old.key, old.position, old.kind
    line.save(force_update=True)
    _after(invoice, line, "invoice.line_changed", now)
    return line


@transaction.atomic
def remove_manual_line(*, invoice_id: UUID, line_id: UUID, now: datetime) -> Invoice:
    """Take a manual line off an open invoice.

    :raises InvoiceNotOpen: if the invoice is issued or void.
    :raises LineNotManual: for a computed line.
    """
    invoice = _open(invoice_id)
    line = _manual(invoice, line_id)
    InvoiceLine.objects.filter(id=line.id).delete()
    CreditSale.objects.filter(invoice=invoice, line_key=line.key).delete()
    _after(invoice, line, "invoice.line_removed", now)
    return invoice


@transaction.atomic
def edit_invoice(
    *,
    invoice_id: UUID,
    now: datetime,
    memo: str | None = None,
    purchase_order: str | None = None,
    change_note: str | None = None,
) -> Invoice:
    """Edit what is printed on an open invoice, and the note that says why it changed.

    The note is for colleagues and may be written at any time; None leaves a field as it is.

    :raises InvoiceNotOpen: for the memo or the purchase order of an issued invoice.
    """
    invoice = _locked(invoice_id)
    wanted = {"memo": memo, "purchase_order": purchase_order, "change_note": change_note}
    changed = {
        name: value.strip()
        for name, value in wanted.items()
        if value is not None and value.strip() != getattr(invoice, name)
    }
    if not changed:
        return invoice
    if {"memo", "purchase_order"} & changed.keys():
        _refuse_closed(invoice)
    for name, value in changed.items():
        setattr(invoice, name, value)
    invoice.save(update_fields=list(changed))
    append_event(
        type="invoice.edited",
        subject=f"invoice/{invoice.id}",
        data={"invoice_id": str(invoice.id), "fields": ", ".join(sorted(changed))},
        occurred_at=now,
    )
    if invoice.status in OPEN_STATES:
        check([invoice], now=now)
    return invoice


@transaction.atomic
def create_one_off(
    *,
    customer_id: UUID,
    bill_on: date,
    entries: Sequence[ManualEntry],
    now: datetime,
    currency: str = "",
    memo: str = "",
    purchase_order: str = "",
) -> Invoice:
    """Draft an invoice without a contract, for what was delivered once.

    :param currency: the customer's by default.
    :raises EntryInvalid: naming the line and its field.
    """
    customer = Customer.objects.get(id=customer_id)
    if not entries:
        raise EntryInvalid("lines: an invoice needs a line")
    services = [entry.service for entry in entries if entry.service is not None]
    invoice = Invoice.objects.create(
        customer=customer,
        legal_entity_id=customer.legal_entity_id,
        status=Invoice.Status.DRAFT,
        currency=currency or customer.currency,
        bill_on=bill_on,
        period_start=min([service.start for service in services], default=bill_on),
        period_end=max([service.end for service in services], default=bill_on + timedelta(days=1)),
        **tax_fields_of(customer, customer.legal_entity_id),
        payment_terms_days=customer.payment_terms_days,
        purchase_order=purchase_order.strip() or customer.purchase_order,
        memo=memo.strip(),
        calculated_at=now,
    )
    write_entries(invoice, entries, now)
    return invoice


def write_entries(invoice: Invoice, entries: Sequence[ManualEntry], now: datetime) -> None:
    """Put the first lines on a draft that bills no contract, and say that it is there.

    :raises EntryInvalid: naming the line and its field.
    """
    append_event(
        type="invoice.drafted",
        subject=f"invoice/{invoice.id}",
        data={"invoice_id": str(invoice.id), "customer_id": str(invoice.customer_id)},
        occurred_at=now,
    )
    lines = []
    for number, entry in enumerate(entries):
        try:
            line = _build(invoice, entry, now)
        except EntryInvalid as refusal:
            raise EntryInvalid(f"lines[{number}].{refusal}") from None
        line.position = FIRST_POSITION + number
        lines.append(line)
    InvoiceLine.objects.bulk_create(lines)
    total_draft(invoice, now)


@transaction.atomic
def discard_one_off(*, invoice_id: UUID) -> None:
    """Delete a draft that bills no contract, or bills one ahead at a threshold it had.

    :raises InvoiceNotOpen: if it is issued or void.
    :raises InvoiceHasSchedule: if a contract bills with it.
    """
    invoice = _open(invoice_id)
    schedule = invoice.schedule
    if schedule is not None and invoice.threshold_number is not None:
        _refuse_returning(schedule)
    elif schedule is not None:
        raise InvoiceHasSchedule("this invoice bills a contract; suspend or cancel the schedule")
    invoice.delete()
    if schedule is not None:
        waiting = schedule.invoices.filter(status__in=OPEN_STATES)
        recalculate_invoices(invoice_ids=waiting.values_list("id", flat=True), now=timezone.now())


def _refuse_returning(schedule: BillingSchedule) -> None:
    if schedule.threshold_amount is not None:
        raise InvoiceHasSchedule(
            f"take the threshold off {schedule.number} first, or this draft comes back"
        )


def entry_of(line: InvoiceLine) -> ManualEntry:
    """Return a manual line as it was written."""
    by_price = line.quantity is not None
    return ManualEntry(
        description=line.description,
        amount=None if by_price else _as_written(line),
        quantity=line.quantity,
        unit_price=line.unit_price,
        product_code=line.product_code,
        service=Period(line.service_start, line.service_end),
        note=line.note,
    )


def _as_written(line: InvoiceLine) -> Decimal:
    """Return the amount somebody typed; where prices contain tax, it contained it."""
    return line.amount + line.tax_amount if TAX_INCLUDED in line.explanation else line.amount


def copy_manual_lines(old: Invoice, new: Invoice, now: datetime) -> None:
    """Write the manual lines of one invoice on another."""
    copy_lines(list(old.lines.filter(is_manual=True).order_by("position")), new, now)


def copy_lines(lines: Sequence[InvoiceLine], new: Invoice, now: datetime) -> None:
    """Write manual lines on another invoice, as they were written, taxed as it is."""
    copies = [_copied(line, new, now) for line in lines]
    for copy, line in zip(copies, lines, strict=True):
        copy.edited_by, copy.edited_at = line.edited_by, line.edited_at
    InvoiceLine.objects.bulk_create(copies)


def _copied(line: InvoiceLine, invoice: Invoice, now: datetime) -> InvoiceLine:
    copy = _build(invoice, entry_of(line), now)
    copy.key, copy.position = line.key, line.position
    return copy


def _build(invoice: Invoice, entry: ManualEntry, now: datetime) -> InvoiceLine:
    priced = price_entry(entry, invoice.currency)
    if entry.product_code and not Product.objects.filter(code=entry.product_code).exists():
        raise EntryInvalid(f"product_code: there is no product {entry.product_code!r}")
    service = entry.service or Period(invoice.period_start, invoice.period_end)
    rate = Rates.load([invoice.customer_id]).of(invoice, entry.product_code, service.end)
    # A category's tax is shared out once all lines are known, see ``total_draft``.
    taxed = tax_lines(
        [("", priced.amount, rate.percent)],
        currency=invoice.currency,
        inclusive=invoice.prices_include_tax,
    )[""]
    last = invoice.lines.filter(is_manual=True).aggregate(last=Max("position"))["last"]
    return InvoiceLine(
        invoice=invoice,
        key=f"manual:{uuid7().hex}",
        position=max(last or 0, FIRST_POSITION - 1) + 1,
        kind="manual",
        product_code=entry.product_code,
        description=entry.description.strip()[:300],
        service_start=service.start,
        service_end=service.end,
        quantity=entry.quantity,
        unit_price=entry.unit_price,
        exact_amount=priced.exact.quantize(Decimal("1e-30")),
        amount=taxed.net.amount,
        tax_percent=rate.percent,
        tax_amount=taxed.tax.amount,
        tax_name=rate.name,
        tax_treatment=rate.treatment,
        explanation={TAX_INCLUDED: plain(rate.percent)} if invoice.prices_include_tax else {},
        is_manual=True,
        edited_by=current_actor(),
        edited_at=now,
        note=entry.note.strip()[:300],
    )


def _after(invoice: Invoice, line: InvoiceLine, fact: str, now: datetime) -> None:
    """Bring the totals and the assertions up to date, and put the edit on the stream."""
    total_draft(invoice, now)
    data = {
        "invoice_id": str(invoice.id),
        "line": line.key,
        "description": line.description,
        "amount": str(line.amount),
    }
    append_event(type=fact, subject=f"invoice/{invoice.id}", data=data, occurred_at=now)
    if invoice.schedule_id is not None and customers_with_credits([invoice.customer_id]):
        recalculate_invoices(invoice_ids=[invoice.id], now=now)  # credits pay it, or less, too
        invoice.refresh_from_db()


def total_draft(invoice: Invoice, now: datetime) -> None:
    """Add an open invoice up from its lines, and test it again."""
    lines = list(invoice.lines.order_by("position", "key"))
    if invoice.tax_method == "per_category":
        InvoiceLine.objects.bulk_update(share_tax(invoice, lines), ["tax_amount"])
    subtotal, tax = sums(lines, invoice.currency)
    set_totals(invoice, subtotal.amount, tax.amount)
    invoice.save(update_fields=TOTALS)
    if invoice.schedule_id is None:
        settle_stored(invoice, zone=invoice.customer.time_zone)
    withdraw_approvals([invoice.id])
    check([invoice], now=now)


def _manual(invoice: Invoice, line_id: UUID) -> InvoiceLine:
    line: InvoiceLine = invoice.lines.get(id=line_id)
    if not line.is_manual:
        raise LineNotManual(f"{line.description} follows the contract; add a line that adjusts it")
    return line


def _open(invoice_id: UUID) -> Invoice:
    """Lock an open draft; with it the parts it was split into, which are computed with it."""
    invoice = locked_with_parts([invoice_id])[invoice_id]
    _refuse_closed(invoice)
    return invoice


def _refuse_closed(invoice: Invoice) -> None:
    if invoice.status not in OPEN_STATES:
        shown = invoice.get_status_display().lower()
        raise InvoiceNotOpen(f"{invoice.number} is {shown}: it never changes; credit or void it")


def _locked(invoice_id: UUID) -> Invoice:
    invoice: Invoice = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("customer")
        .get(id=invoice_id)
    )
    return invoice
