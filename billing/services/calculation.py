"""Compute what invoices should say and write the difference: load, decide, record, in sets."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from billing.domain.recalculation import LineChange, LineState, changed_lines
from billing.domain.tax import line_tax, percent_for
from billing.models import BillingPeriod, Invoice, InvoiceLine, Recalculation
from billing.selectors import charge_period
from metering.models import Meter, UsageReading
from metering.selectors import ReadingRequest
from metering.services import take_readings
from monetization.kernel.money import Money, total
from monetization.pricing.estimate import PricedLine, price_periods
from monetization.pricing.terms import OrderTerms, terms_from_data
from monetization.pricing.timeline import ChargePeriod
from monetization.tenancy.context import current_actor


@dataclass(frozen=True, slots=True)
class InvoiceChange:
    """What a recalculation changed on one invoice."""

    invoice_id: UUID
    total_before: Decimal
    total_after: Decimal
    changes: tuple[LineChange, ...]


@dataclass(slots=True)
class _Work:
    """One invoice being computed."""

    invoice: Invoice
    terms: OrderTerms
    periods: list[BillingPeriod] = field(default_factory=list)
    charges: list[ChargePeriod] = field(default_factory=list)
    readings: dict[tuple[str, date], UsageReading] = field(default_factory=dict)


def calculate(invoices: Sequence[Invoice], *, now: datetime) -> list[InvoiceChange]:
    """Compute locked open invoices; one query per kind of row, however many there are."""
    works = _load(invoices)
    _measure(works, now)
    existing: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in InvoiceLine.objects.filter(invoice__in=[work.invoice.id for work in works]):
        existing[line.invoice_id].append(line)
    found = []
    for work in works:
        change = _write(work, existing[work.invoice.id], now)
        if change is not None:
            found.append(change)
    Invoice.objects.filter(id__in=[work.invoice.id for work in works]).update(calculated_at=now)
    _remember(found, now)
    return found


def _load(invoices: Sequence[Invoice]) -> list[_Work]:
    parsed: dict[UUID, OrderTerms] = {}
    works = {}
    for invoice in invoices:
        if invoice.schedule is None:
            continue
        if invoice.schedule.id not in parsed:
            parsed[invoice.schedule.id] = terms_from_data(invoice.schedule.terms)
        works[invoice.id] = _Work(invoice, parsed[invoice.schedule.id])
    rows = BillingPeriod.objects.filter(invoice__in=list(works)).select_related("phase")
    for row in rows.order_by("service_start", "kind", "item_key"):
        work = works[row.invoice_id]
        work.periods.append(row)
        work.charges.append(charge_period(work.terms, row))
    return list(works.values())


def _measure(works: Sequence[_Work], now: datetime) -> None:
    """Take every reading the invoices need, together, as of one snapshot."""
    meters = dict(Meter.objects.values_list("key", "id"))
    requests: list[ReadingRequest] = []
    places: list[tuple[_Work, BillingPeriod]] = []
    for work in works:
        for row, charge in zip(work.periods, work.charges, strict=True):
            if row.kind != BillingPeriod.Kind.ITEM:
                continue
            item = work.terms.phase(charge.phase_key).item(charge.item_key)
            if item.kind != "usage" or item.meter not in meters or row.starts_at > now:
                continue
            requests.append(
                ReadingRequest(
                    work.invoice.customer_id, meters[item.meter], row.starts_at, row.ends_at
                )
            )
            places.append((work, row))
    readings = take_readings(requests=requests, now=now)
    for (work, row), reading in zip(places, readings, strict=True):
        work.readings[row.item_key, row.service_start] = reading


def _write(work: _Work, existing: list[InvoiceLine], now: datetime) -> InvoiceChange | None:
    """Replace the computed lines that differ; manual ones stay. None if nothing differs."""
    invoice = work.invoice
    quantities = {place: reading.quantity for place, reading in work.readings.items()}
    priced = price_periods(work.terms, work.charges, quantities)
    rows = {(row.kind, row.item_key, row.service_start): row for row in work.periods}
    percent = percent_for(invoice.tax_treatment, invoice.tax_percent)
    fresh = {}
    for position, line in enumerate(priced, start=1):
        row = rows[line.kind, line.item_key, line.service.start]
        fresh[line.key] = _line(work, line, row, percent, position)
    manual = [line for line in existing if line.is_manual]
    before = {line.key: _state(line) for line in existing if not line.is_manual}
    after = {key: _state(line) for key, line in fresh.items()}
    changes = changed_lines(before=before, after=after)
    _keep_reading(existing, fresh, changes)
    if not changes:
        return None
    stale = [change.key for change in changes]
    InvoiceLine.objects.filter(invoice=invoice, key__in=stale, is_manual=False).delete()
    InvoiceLine.objects.bulk_create(fresh[key] for key in stale if key in fresh)
    total_before = invoice.total_amount
    _total(invoice, [*fresh.values(), *manual])
    return InvoiceChange(invoice.id, total_before, invoice.total_amount, changes)


def _line(
    work: _Work, line: PricedLine, row: BillingPeriod, percent: Decimal, position: int
) -> InvoiceLine:
    item = None if line.kind == "minimum" else work.terms.phase(line.phase_key).item(line.item_key)
    return InvoiceLine(
        invoice=work.invoice,
        key=line.key,
        position=position,
        kind=line.kind,
        item_key=line.item_key,
        product_code=item.product_code if item else "",
        description=line.label,
        service_start=line.service.start,
        service_end=line.service.end,
        quantity=line.quantity,
        unit_price=line.unit_price,
        exact_amount=line.exact.quantize(Decimal("1e-30")),
        amount=line.amount.amount,
        tax_percent=percent,
        tax_amount=line_tax(line.amount, percent).amount,
        explanation=line.explanation,
        price_version_id=UUID(item.price_version_id) if item and item.price_version_id else None,
        reading=work.readings.get((line.item_key, line.service.start)),
        billing_period=row,
        is_flagged=line.is_flagged,
    )


def _state(line: InvoiceLine) -> LineState:
    explanation = line.explanation
    return LineState(
        description=line.description,
        amount=line.amount,
        tax=line.tax_amount,
        quantity=line.quantity,
        model=explanation.get("model"),
        discounts=explanation.get("discounts"),
        explanation=explanation,
    )


def _keep_reading(
    existing: list[InvoiceLine],
    fresh: dict[str, InvoiceLine],
    changes: Sequence[LineChange],
) -> None:
    """Let an unchanged line point to the newer reading: it saw more events, of the same sum."""
    changed = {change.key for change in changes}
    moved = []
    for line in existing:
        new = fresh.get(line.key)
        if line.is_manual or new is None or line.key in changed:
            continue
        if new.reading_id != line.reading_id:
            line.reading_id = new.reading_id
            moved.append(line)
    InvoiceLine.objects.bulk_update(moved, ["reading"])


def _total(invoice: Invoice, lines: Sequence[InvoiceLine]) -> None:
    currency = invoice.currency
    subtotal = total((Money(line.amount, currency) for line in lines), currency)
    tax = total((Money(line.tax_amount, currency) for line in lines), currency)
    invoice.subtotal_amount, invoice.tax_amount = subtotal.amount, tax.amount
    invoice.total_amount = (subtotal + tax).amount
    invoice.save(update_fields=["subtotal_amount", "tax_amount", "total_amount"])


def _remember(found: Sequence[InvoiceChange], now: datetime) -> None:
    Recalculation.objects.bulk_create(
        Recalculation(
            invoice_id=change.invoice_id,
            at=now,
            actor=current_actor(),
            total_before=change.total_before,
            total_after=change.total_after,
            changes=[_jsonable(line) for line in change.changes],
        )
        for change in found
    )


def _jsonable(change: LineChange) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in asdict(change).items()}
