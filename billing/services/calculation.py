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
from billing.services.assertions import check
from billing.services.earlier import EarlierLines, measured_before
from billing.services.measuring import detail_usage
from metering.models import Meter, UsageReading
from metering.selectors import ReadingRequest, measure
from metering.services import take_readings
from monetization.kernel.money import Money, total
from monetization.pricing.estimate import Measured, PricedLine, price_periods
from monetization.pricing.terms import OrderTerms, terms_from_data
from monetization.pricing.timeline import ChargePeriod
from monetization.tenancy.context import current_actor

BATCH = 1000


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
    measured: dict[tuple[str, date], Measured] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one invoice should say, beside what it says."""

    work: _Work
    fresh: dict[str, InvoiceLine]
    manual: list[InvoiceLine]
    stale: list[UUID]  # lines that are replaced or gone
    moved: list[InvoiceLine]  # unchanged, of a newer reading
    changes: tuple[LineChange, ...]
    subtotal: Decimal
    tax: Decimal

    def change(self) -> InvoiceChange:
        invoice = self.work.invoice
        return InvoiceChange(
            invoice.id, invoice.total_amount, self.subtotal + self.tax, self.changes
        )


def calculate(invoices: Sequence[Invoice], *, now: datetime) -> list[InvoiceChange]:
    """Compute locked open invoices and write the differences, a statement per kind of row.

    Every invoice is then tested by the company's assertions, also those nothing changed on.
    """
    works = _load(invoices)
    _measure(works, now)
    outcomes = _outcomes(works)
    found = _write([outcome for outcome in outcomes if outcome.changes])
    InvoiceLine.objects.bulk_update(
        [line for outcome in outcomes for line in outcome.moved], ["reading"], batch_size=BATCH
    )
    Invoice.objects.filter(id__in=[work.invoice.id for work in works]).update(calculated_at=now)
    _remember(found, now)
    check(invoices, now=now)
    return found


def preview(invoices: Sequence[Invoice], *, now: datetime) -> list[InvoiceChange]:
    """Say what ``calculate`` would change, by the same computation. Writes nothing."""
    works = _load(invoices)
    _measure(works, now, keep=False)
    return [outcome.change() for outcome in _outcomes(works) if outcome.changes]


@dataclass(frozen=True, slots=True)
class ComputedInvoice:
    """What an invoice would say now. Its lines are not stored, but for the manual ones."""

    invoice: Invoice
    lines: tuple[InvoiceLine, ...]  # in the order they are printed
    subtotal: Decimal
    tax: Decimal


def compute(
    invoices: Sequence[Invoice], *, now: datetime, waiting: Sequence[BillingPeriod] = ()
) -> list[ComputedInvoice]:
    """Return what open invoices would say now, by the same computation. Writes nothing.

    :param waiting: periods that are on no invoice yet, each assigned to one of ``invoices``
        that need not be stored either.
    """
    works = _load(invoices, waiting)
    _measure(works, now, keep=False)
    return [
        ComputedInvoice(
            outcome.work.invoice,
            (*outcome.fresh.values(), *outcome.manual),
            outcome.subtotal,
            outcome.tax,
        )
        for outcome in _outcomes(works)
    ]


def _load(invoices: Sequence[Invoice], waiting: Sequence[BillingPeriod] = ()) -> list[_Work]:
    parsed: dict[UUID, OrderTerms] = {}
    works = {}
    for invoice in invoices:
        if invoice.schedule is None:
            continue
        if invoice.schedule.id not in parsed:
            parsed[invoice.schedule.id] = terms_from_data(invoice.schedule.terms)
        works[invoice.id] = _Work(invoice, parsed[invoice.schedule.id])
    rows = BillingPeriod.objects.filter(invoice__in=list(works)).select_related("phase")
    for row in [*rows.order_by("service_start", "kind", "item_key"), *waiting]:
        work = works[row.invoice_id]
        work.periods.append(row)
        work.charges.append(charge_period(work.terms, row))
    return list(works.values())


def _measure(works: Sequence[_Work], now: datetime, *, keep: bool = True) -> None:
    """Take every reading the invoices need, together, as of one snapshot.

    :param keep: store the readings; without, the quantities are the same and nothing is kept.
    """
    meters = dict(Meter.objects.values_list("key", "id"))
    requests: list[ReadingRequest] = []
    places: list[tuple[_Work, BillingPeriod, ChargePeriod]] = []
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
            places.append((work, row, charge))
    readings = take_readings(requests=requests, now=now) if keep else _unkept(requests)
    measured = detail_usage(
        [
            (work.terms, charge, read)
            for (work, _, charge), read in zip(places, readings, strict=True)
        ]
    )
    for (work, row, _), reading, units in zip(places, readings, measured, strict=True):
        work.readings[row.item_key, row.service_start] = reading
        work.measured[row.item_key, row.service_start] = units


def _unkept(requests: Sequence[ReadingRequest]) -> list[UsageReading]:
    if not requests:
        return []
    quantities, snapshot = measure(requests)
    meters = Meter.objects.in_bulk({request.meter_id for request in requests})
    return [
        UsageReading(
            meter=meters[request.meter_id],
            meter_version=meters[request.meter_id].version,
            customer_id=request.customer_id,
            window_start=request.window_start,
            window_end=request.window_end,
            quantity=found.quantity,
            event_count=found.event_count,
            snapshot=snapshot,
        )
        for request, found in zip(requests, quantities, strict=True)
    ]


def _outcomes(works: Sequence[_Work]) -> list[_Outcome]:
    existing: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in InvoiceLine.objects.filter(invoice__in=[work.invoice.id for work in works]):
        existing[line.invoice_id].append(line)
    memory = EarlierLines((work.invoice, work.terms) for work in works)
    return [
        _outcome(work, existing[work.invoice.id], memory)
        for work in sorted(works, key=lambda work: (work.invoice.bill_on, work.invoice.id))
    ]


def _outcome(work: _Work, existing: list[InvoiceLine], memory: EarlierLines) -> _Outcome:
    """Compute one invoice's lines and compare; manual ones stay."""
    invoice = work.invoice
    earlier = memory.before(invoice)
    quantities = {**measured_before(work.terms, earlier), **work.measured}
    priced = price_periods(work.terms, work.charges, quantities, earlier)
    memory.remember(invoice, priced)
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
    moved = _newer_readings(existing, fresh, changes)
    subtotal, tax = sums([*fresh.values(), *manual], invoice.currency)
    differing = {change.key for change in changes}
    stale = [line.id for line in existing if not line.is_manual and line.key in differing]
    return _Outcome(work, fresh, manual, stale, moved, changes, subtotal.amount, tax.amount)


def _write(outcomes: Sequence[_Outcome]) -> list[InvoiceChange]:
    """Replace the computed lines that differ, and the totals over them."""
    found = [outcome.change() for outcome in outcomes]
    stale = [line_id for outcome in outcomes for line_id in outcome.stale]
    InvoiceLine.objects.filter(id__in=stale).delete()
    InvoiceLine.objects.bulk_create(
        (
            outcome.fresh[change.key]
            for outcome in outcomes
            for change in outcome.changes
            if change.key in outcome.fresh
        ),
        batch_size=BATCH,
    )
    for outcome in outcomes:
        set_totals(outcome.work.invoice, outcome.subtotal, outcome.tax)
    Invoice.objects.bulk_update(
        [outcome.work.invoice for outcome in outcomes], TOTALS, batch_size=BATCH
    )
    return found


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


def _newer_readings(
    existing: list[InvoiceLine],
    fresh: dict[str, InvoiceLine],
    changes: Sequence[LineChange],
) -> list[InvoiceLine]:
    """Point unchanged lines to their newer readings: they saw more events, of the same sum."""
    changed = {change.key for change in changes}
    moved = []
    for line in existing:
        new = fresh.get(line.key)
        if line.is_manual or new is None or line.key in changed:
            continue
        if new.reading_id != line.reading_id:
            line.reading_id = new.reading_id
            moved.append(line)
    return moved


def sums(lines: Sequence[InvoiceLine], currency: str) -> tuple[Money, Money]:
    """Return the net and the tax of lines."""
    return (
        total((Money(line.amount, currency) for line in lines), currency),
        total((Money(line.tax_amount, currency) for line in lines), currency),
    )


TOTALS = ["subtotal_amount", "tax_amount", "total_amount"]


def set_totals(invoice: Invoice, subtotal: Decimal, tax: Decimal) -> None:
    """Put the totals on an invoice; the caller saves ``TOTALS``."""
    invoice.subtotal_amount, invoice.tax_amount = subtotal, tax
    invoice.total_amount = subtotal + tax


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
