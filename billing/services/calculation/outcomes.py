"""One invoice computed: what it should say, beside what it says."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from billing.domain.credit_use import Use
from billing.domain.recalculation import LineChange, LineState, changed_lines
from billing.domain.tax import TAX_INCLUDED, line_tax, tax_lines
from billing.models import InvoiceLine
from billing.selectors import LineView, as_printed
from billing.selectors.claimed import billed_key
from billing.selectors.schedules import PeriodRow
from billing.services.calculation.crediting import (
    CreditPlans,
    TaxedLine,
    at_most,
    item_of,
    plan_credits,
    settled,
    settlement_change,
)
from billing.services.calculation.loading import Work
from billing.services.credits.planning import PREPAID
from billing.services.earlier import EarlierLines, measured_before
from billing.services.taxing import LineRate, Rates
from metering.models import UsageReading
from monetization.kernel.decimals import plain
from monetization.kernel.ids import uuid7
from monetization.kernel.money import ZERO, Money, total
from monetization.pricing.estimate import PricedLine, price_periods, taken_off
from monetization.pricing.terms import ItemTerms
from monetization.tenancy.bulk import bulk_cursor

EXACT = Decimal("1e-30")
# What a computed line is written with: every column but the tenant and what a person writes.
LINE_NAMES = (
    "id", "invoice_id", "key", "position", "kind", "item_key", "product_code", "description",
    "service_start", "service_end", "quantity", "unit_price", "exact_amount", "amount",
    "tax_percent", "tax_amount", "tax_name", "tax_treatment", "explanation", "price_version_id",
    "reading_id", "billing_period_id", "is_flagged",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InvoiceChange:
    """What a recalculation changed on one invoice."""

    invoice_id: UUID
    total_before: Decimal
    total_after: Decimal
    changes: tuple[LineChange, ...]


class StoredLine(NamedTuple):
    """A computed line as it is stored."""

    id: UUID
    key: str
    description: str
    amount: Decimal
    tax_amount: Decimal
    quantity: Decimal | None
    explanation: dict[str, Any]
    reading_id: UUID | None
    position: int
    is_flagged: bool


@dataclass(frozen=True, slots=True)
class FreshLine:
    """A line as it should be, before it is a row."""

    position: int
    priced: PricedLine
    period: PeriodRow | None  # None: it takes off what was billed before, or credits pay
    net: Decimal
    tax: Decimal
    rate: LineRate
    has_tax_inside: bool = False

    @property
    def explanation(self) -> dict[str, Any]:
        """Return how the line came about; a price that contains tax says which."""
        found = self.priced.explanation
        if not self.has_tax_inside:
            return found
        return {**found, TAX_INCLUDED: plain(self.rate.percent)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one invoice should say, beside what it says."""

    work: Work
    before: Decimal  # the total it says
    fresh: dict[str, FreshLine]
    manual: list[InvoiceLine]
    stale: dict[str, UUID]  # stored lines that are rewritten or gone, by key
    kept: dict[str, StoredLine]  # those that stay as they are
    moved: list[tuple[UUID, UUID]]  # unchanged lines, each with its newer reading
    changes: tuple[LineChange, ...]
    subtotal: Decimal
    tax: Decimal
    uses: tuple[Use, ...] = ()  # what credits pay
    new_uses: bool = False  # they differ from what is stored

    @property
    def prepaid(self) -> Decimal:
        """What credits settle: those that do not reduce the taxable base."""
        return settled(self.uses)

    def change(self) -> InvoiceChange:
        return InvoiceChange(
            self.work.invoice.id, self.before, self.subtotal + self.tax, self.changes
        )

    def lines(self) -> Iterator[InvoiceLine]:
        """Yield every computed line as a row, in the order they are printed."""
        for line in self.fresh.values():
            row = InvoiceLine(**dict(zip(LINE_NAMES, self.values(uuid7(), line), strict=True)))
            row.reading = self._reading(line)  # of a figure that is not kept, the only copy
            yield row

    def views(self) -> list[LineView]:
        """Return every line as comparisons and tests look at it, in the order they are printed."""
        computed = [self._view(line, self.kept.get(key)) for key, line in self.fresh.items()]
        return sorted([*computed, *map(_view_by_hand, self.manual)], key=as_printed)

    def _view(self, line: FreshLine, kept: StoredLine | None) -> LineView:
        """Return a line as it is stored: one that is kept has its place, and what it measured."""
        priced = line.priced
        has_reading = kept is not None and kept.reading_id is not None
        return LineView(
            priced.key,
            priced.item_key,
            priced.label,
            priced.service.start,
            priced.service.end,
            priced.quantity,
            line.net,
            line.tax,
            line.explanation,
            is_manual=False,
            is_usage=has_reading or self._reading(line) is not None,
            is_flagged=kept.is_flagged if kept else priced.is_flagged,
            position=kept.position if kept else line.position,
            kind=_kind(item_of(self.work, priced), priced),
        )

    @property
    def gone(self) -> list[UUID]:
        """Return the stored lines there is no more reason for."""
        return [line_id for key, line_id in self.stale.items() if key not in self.fresh]

    def new_lines(self) -> Iterator[FreshLine]:
        """Yield the lines to insert."""
        for change in self.changes:
            if change.key in self.fresh and change.key not in self.stale:
                yield self.fresh[change.key]

    def rewritten_lines(self) -> Iterator[tuple[Any, ...]]:
        """Yield the stored lines that say something else now, as values of ``LINE_NAMES``."""
        for key, line_id in self.stale.items():
            if key in self.fresh:
                yield self.values(line_id, self.fresh[key])

    def _reading(self, line: FreshLine) -> UsageReading | None:
        if line.period is None:
            return None
        return self.work.readings.get((line.priced.item_key, line.priced.service.start))

    def values(self, line_id: UUID, line: FreshLine) -> tuple[Any, ...]:
        """Return a line as values of ``LINE_NAMES``."""
        work, priced, period = self.work, line.priced, line.period
        item = item_of(work, priced)
        reading = self._reading(line)
        version = item.price_version_id if item else None
        return (
            line_id,
            work.invoice.id,
            priced.key,
            line.position,
            _kind(item, priced),
            priced.item_key,
            item.product_code if item else "",
            priced.label,
            priced.service.start,
            priced.service.end,
            priced.quantity,
            priced.unit_price,
            priced.exact.quantize(EXACT),
            line.net,
            line.rate.percent,
            line.tax,
            line.rate.name,
            line.rate.treatment,
            line.explanation,
            UUID(version) if version else None,
            reading.id if reading else None,
            period.id if period else None,
            priced.is_flagged,
        )


def _kind(item: ItemTerms | None, priced: PricedLine) -> str:
    return PREPAID if item and item.credits else priced.kind


def _view_by_hand(row: InvoiceLine) -> LineView:
    return LineView(
        row.key,
        row.item_key,
        row.description,
        row.service_start,
        row.service_end,
        row.quantity,
        row.amount,
        row.tax_amount,
        row.explanation,
        row.is_manual,
        row.reading_id is not None,
        row.is_flagged,
        row.position,
        row.kind,
    )


def outcomes_of(works: Sequence[Work]) -> list[Outcome]:
    """Compute invoices in the order they are billed, so that later ones know the earlier."""
    ids = [work.invoice.id for work in works]
    existing = _existing(ids)
    manual: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in InvoiceLine.objects.filter(invoice__id__any=ids, is_manual=True).order_by(
        "position"
    ):
        manual[line.invoice_id].append(line)
    memory = EarlierLines((work.invoice, work.terms) for work in works)
    rates = Rates.load({work.invoice.customer_id for work in works})
    ordered = sorted(works, key=lambda work: (work.invoice.bill_on, work.invoice.id))
    taxed = [
        (work, _taxed(work, _priced(work, memory), manual[work.invoice.id], rates))
        for work in ordered
    ]
    plans = plan_credits([(work, _payable(work, fresh)) for work, fresh in taxed], manual)
    return [
        _outcome(work, fresh, existing[work.invoice.id], manual[work.invoice.id], plans)
        for work, fresh in taxed
    ]


def _existing(invoice_ids: Sequence[UUID]) -> dict[UUID, list[StoredLine]]:
    found: list[list[StoredLine]] = [[] for _ in invoice_ids]
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT w.place, l.* FROM unnest(%b::uuid[]) WITH ORDINALITY AS w(id, place)"
            " CROSS JOIN LATERAL (SELECT id, key, description, amount, tax_amount, quantity,"
            " explanation::text, reading_id, position, is_flagged FROM billing_invoiceline"
            " WHERE invoice_id = w.id AND NOT is_manual OFFSET 0) l",
            [invoice_ids],
            binary=True,
        )
        for place, id, key, text, amount, tax, quantity, why, *rest in cursor:
            line = StoredLine(id, key, text, amount, tax, quantity, orjson.loads(why), *rest)
            found[place - 1].append(line)
    return dict(zip(invoice_ids, found, strict=True))


def _priced(work: Work, memory: EarlierLines) -> tuple[PricedLine, ...]:
    earlier = memory.before(work.invoice)
    quantities = {**measured_before(work.terms, earlier), **work.measured}
    priced = price_periods(work.terms, work.charges, quantities, earlier)
    memory.remember(work.invoice, priced)
    return tuple(_as_estimated(work, line) for line in priced)


def _payable(work: Work, fresh: Mapping[str, FreshLine]) -> Iterator[TaxedLine]:
    """Yield what credits look at, if there are any: the lines of periods, each with its tax."""
    currency = work.invoice.currency
    for one in fresh.values():
        if one.period is not None:
            yield TaxedLine(
                one.priced, one.period, Money(one.net, currency), Money(one.tax, currency),
                one.rate.percent,
            )  # fmt: skip


def _with_credits(
    work: Work, fresh: dict[str, FreshLine], manual: Sequence[InvoiceLine], plans: CreditPlans
) -> dict[str, FreshLine]:
    """Add the lines by which credits reduce the taxable base, at the tax of what they pay."""
    invoice = work.invoice
    lines = list(plans.lines(work, [one.priced for one in fresh.values()], manual))
    if not lines:
        return fresh
    rates = {key: one.rate for key, one in fresh.items()}
    rates |= {row.key: LineRate(row.tax_percent) for row in manual}
    found = dict(fresh)
    for line in lines:
        rate = rates[line.explanation["pays"]]
        tax = line_tax(line.amount, rate.percent).amount
        found[line.key] = FreshLine(len(found) + 1, line, None, line.amount.amount, tax, rate)
    if invoice.tax_method != "per_category":
        return found
    shares = tax_lines(
        [(key, Money(one.net, invoice.currency), one.rate.percent) for key, one in found.items()],
        currency=invoice.currency,
        method=invoice.tax_method,
        settled=_by_hand(manual, invoice.currency),
    )
    return {key: replace(one, tax=shares[key].tax.amount) for key, one in found.items()}


def _by_hand(lines: Sequence[InvoiceLine], currency: str) -> list[tuple[Money, Decimal, Money]]:
    return [
        (Money(line.amount, currency), line.tax_percent, Money(line.tax_amount, currency))
        for line in lines
    ]


def _outcome(
    work: Work,
    fresh: dict[str, FreshLine],
    existing: list[StoredLine],
    manual: list[InvoiceLine],
    plans: CreditPlans,
) -> Outcome:
    """Compare one invoice's lines with what it says; manual ones stay."""
    invoice = work.invoice
    fresh = _with_credits(work, fresh, manual, plans)
    known = {line.key: line for line in existing}
    differing = {key for key in {*known, *fresh} if not _is_same(known.get(key), fresh.get(key))}
    changes = changed_lines(
        before={key: _stored(known[key]) for key in differing if key in known},
        after={key: _computed(fresh[key]) for key in differing if key in fresh},
    )
    stale = {line.key: line.id for line in existing if line.key in differing}
    kept = {key: line for key, line in known.items() if key not in differing}
    subtotal, taxes_by_hand = sums(manual, invoice.currency)
    subtotal += Money(sum((line.net for line in fresh.values()), ZERO), invoice.currency)
    tax = taxes_by_hand + Money(sum((line.tax for line in fresh.values()), ZERO), invoice.currency)
    whole = subtotal + tax
    uses = at_most(plans.of(invoice), whole)
    new_uses = plans.differ(invoice, uses)
    if new_uses and invoice.prepaid_amount != settled(uses):
        changes = (*changes, settlement_change(invoice, uses))
    return Outcome(
        work,
        invoice.total_amount,
        fresh,
        manual,
        stale,
        kept,
        _newer_readings(work, existing, fresh, differing),
        changes,
        subtotal.amount,
        tax.amount,
        uses,
        new_uses,
    )


def _as_estimated(work: Work, line: PricedLine) -> PricedLine:
    """Say of a line that its quantity is an estimate, where it is one."""
    assumed = work.assumed.get((line.item_key, line.service.start))
    if assumed is None or line.kind != "item":
        return line
    explanation = {**line.explanation, "estimate": assumed}
    return replace(line, label=f"{line.label} (estimated)", explanation=explanation)


def _taxed(
    work: Work, priced: Sequence[PricedLine], manual: Sequence[InvoiceLine], rates: Rates
) -> dict[str, FreshLine]:
    """Tax every computed line at the rate of its product; manual lines keep what they have."""
    invoice = work.invoice
    periods = {(row.kind, row.item_key, row.service_start): row for row in work.periods}
    places: list[tuple[str, PricedLine, PeriodRow | None, LineRate]] = [
        (
            line.key,
            line,
            periods[line.kind, line.item_key, line.service.start],
            rates.of(invoice, _product_of(work, line), line.service.end),
        )
        for line in priced
    ]
    places += [(line.key, line, None, rate) for line, rate in _taken_off(work, priced)]
    taxed = tax_lines(
        [(key, line.amount, rate.percent) for key, line, _, rate in places],
        currency=invoice.currency,
        method=invoice.tax_method,
        inclusive=invoice.prices_include_tax,
        settled=_by_hand(manual, invoice.currency),
    )
    return {
        key: FreshLine(
            position,
            line,
            period,
            taxed[key].net.amount,
            taxed[key].tax.amount,
            rate,
            invoice.prices_include_tax,
        )
        for position, (key, line, period, rate) in enumerate(places, start=1)
    }


def _product_of(work: Work, line: PricedLine) -> str:
    if line.kind == "minimum":
        return ""
    return work.terms.phase(line.phase_key).item(line.item_key).product_code


def _taken_off(work: Work, priced: Sequence[PricedLine]) -> list[tuple[PricedLine, LineRate]]:
    """Return the lines that take off what threshold invoices claimed, at the tax of their own."""
    whole = {line.key: line for line in priced}
    return [
        (
            taken_off(whole[one.key], one.claimed, key=billed_key(one.key, one.threshold_number)),
            LineRate(one.tax_percent, one.tax_name, one.tax_treatment),
        )
        for one in work.claimed
        if one.key in whole and one.claimed.stands
    ]


def _is_same(line: StoredLine | None, new: FreshLine | None) -> bool:
    """Say whether a stored line says what was computed: the fields of ``LineState``."""
    return (
        line is not None
        and new is not None
        and line.amount == new.net
        and line.tax_amount == new.tax
        and line.quantity == new.priced.quantity
        and line.description == new.priced.label
        and line.explanation == new.explanation
    )


def _stored(line: StoredLine) -> LineState:
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


def _computed(line: FreshLine) -> LineState:
    explanation = line.explanation
    return LineState(
        description=line.priced.label,
        amount=line.net,
        tax=line.tax,
        quantity=line.priced.quantity,
        model=explanation.get("model"),
        discounts=explanation.get("discounts"),
        explanation=explanation,
    )


def _newer_readings(
    work: Work,
    existing: list[StoredLine],
    fresh: dict[str, FreshLine],
    differing: set[str],
) -> list[tuple[UUID, UUID]]:
    """Point unchanged lines to their newer readings: they saw more events, of the same sum."""
    moved = []
    for line in existing:
        new = fresh.get(line.key)
        if new is None or new.period is None or line.key in differing:
            continue
        reading = work.readings.get((new.priced.item_key, new.priced.service.start))
        if reading is not None and reading.id != line.reading_id:
            moved.append((line.id, reading.id))
    return moved


def sums(lines: Sequence[InvoiceLine], currency: str) -> tuple[Money, Money]:
    """Return the net and the tax of lines."""
    return (
        total((Money(line.amount, currency) for line in lines), currency),
        total((Money(line.tax_amount, currency) for line in lines), currency),
    )
