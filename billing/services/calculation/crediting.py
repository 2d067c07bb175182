"""What credits pay of the invoices being computed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

from billing.domain.credit_use import PLACES, Use, returned_units
from billing.domain.recalculation import LineChange
from billing.domain.tax import line_tax
from billing.models import CreditGrant, Invoice, InvoiceCredit, InvoiceLine
from billing.selectors.schedules import PeriodRow
from billing.services.calculation.loading import Work
from billing.services.credits.planning import (
    CREDIT,
    Bill,
    LineFacts,
    Plans,
    credit_explanation,
    credit_key,
    customers_with_credits,
    plan,
)
from monetization.kernel.money import ZERO, Money
from monetization.kernel.period import Period, start_instant
from monetization.pricing.estimate import PricedLine
from monetization.pricing.terms import ItemTerms


class TaxedLine(NamedTuple):
    """A computed line of a period with its net and its tax."""

    priced: PricedLine
    period: PeriodRow
    net: Money
    tax: Money
    percent: Decimal


_Taxed = Sequence[tuple[Work, Iterable[TaxedLine]]]
_Stored = frozenset[tuple[str, str, bool, Decimal, Decimal]]


def settled(uses: Sequence[Use]) -> Decimal:
    """Return what credits pay of the taxed total."""
    return sum((use.value.amount for use in uses if not use.reduces_base), ZERO)


def at_most(uses: tuple[Use, ...], whole: Money) -> tuple[Use, ...]:
    """Keep what credits settle within a total whose tax was rounded on the whole of a rate."""
    over = settled(uses) - max(whole.amount, ZERO)
    kept = list(uses)
    while over > 0:
        place = max(n for n, use in enumerate(kept) if not use.reduces_base)
        use = kept.pop(place)
        back = min(over, use.value.amount)
        over -= back
        if back < use.value.amount:
            units = use.units - returned_units(use.units, use.value.amount, ZERO, back)
            value = use.value - Money(back, use.value.currency)
            kept.insert(place, replace(use, units=units, value=value))
    return tuple(kept)


def item_of(work: Work, priced: PricedLine) -> ItemTerms | None:
    """Return the contract line behind a priced one; a minimum or a credit has none."""
    if priced.kind in ("minimum", CREDIT):
        return None
    return work.terms.phase(priced.phase_key).item(priced.item_key)


def settlement_change(invoice: Invoice, uses: Sequence[Use]) -> LineChange:
    """Say that credits settle another amount than before."""
    return LineChange("credits", "Paid by credits", invoice.prepaid_amount, settled(uses), CREDIT)


@dataclass(frozen=True, slots=True)
class CreditPlans:
    """What credits pay of each invoice, beside what is stored."""

    plans: Plans
    stored: Mapping[UUID, _Stored]
    grants: Mapping[str, CreditGrant]

    def of(self, invoice: Invoice) -> tuple[Use, ...]:
        return self.plans.get(invoice.id, ())

    def differ(self, invoice: Invoice, uses: Sequence[Use]) -> bool:
        return _as_stored(uses) != self.stored.get(invoice.id, frozenset())

    def lines(
        self, work: Work, priced: Sequence[PricedLine], manual: Sequence[InvoiceLine]
    ) -> Iterator[PricedLine]:
        """Yield the lines by which credits reduce the taxable base."""
        labels = {line.key: (line.label, line.service) for line in priced}
        for row in manual:
            labels[row.key] = (row.description, Period(row.service_start, row.service_end))
        for use in self.of(work.invoice):
            if use.reduces_base:
                label, service = labels[use.line_key]
                grant = self.grants[use.grant_id]
                yield PricedLine(
                    key=credit_key(use),
                    item_key="",
                    phase_key="",
                    kind=CREDIT,
                    label=f"{grant.name}: {label}"[:300],
                    service=service,
                    full=service,
                    bill_on=work.invoice.bill_on,
                    quantity=None,
                    unit_price=None,
                    exact=-use.value.amount,
                    amount=-use.value,
                    components=(),
                    explanation=credit_explanation(use, grant),
                )


def plan_credits(priced: _Taxed, manual: Mapping[UUID, Sequence[InvoiceLine]]) -> CreditPlans:
    """Say what credits pay of invoices that are computed together."""
    holders = customers_with_credits(work.invoice.customer_id for work, _ in priced)
    bills = []
    for work, lines in priced:
        if work.invoice.customer_id in holders:
            work.holds_credits = True
            bills.append(_bill(work, lines, manual.get(work.invoice.id, ())))
    plans = plan(bills)
    stored: dict[UUID, set[Any]] = {}
    if bills:
        for row in InvoiceCredit.objects.filter(invoice__in=list(plans)):
            stored.setdefault(row.invoice_id, set()).add(
                (str(row.grant_id), row.line_key, row.reduces_base, row.units, row.value)
            )
    used = {UUID(use.grant_id) for uses in plans.values() for use in uses}
    grants = CreditGrant.objects.select_related("meter").in_bulk(list(used)) if used else {}
    return CreditPlans(
        plans,
        {key: frozenset(rows) for key, rows in stored.items()},
        {str(key): grant for key, grant in grants.items()},
    )


def _as_stored(uses: Sequence[Use]) -> _Stored:
    return frozenset(
        (use.grant_id, use.line_key, use.reduces_base, use.units, use.value.amount) for use in uses
    )


def _bill(work: Work, lines: Iterable[TaxedLine], manual: Sequence[InvoiceLine]) -> Bill:
    claimed: dict[str, Money] = {}
    for one in work.claimed:
        if one.claimed.stands:
            before = claimed.get(one.key, Money.zero(work.invoice.currency))
            claimed[one.key] = before + one.claimed.stands
    facts = [less_claimed(_facts(work, line), claimed.get(line.priced.key)) for line in lines]
    zone = work.terms.time_zone
    facts += [manual_facts(row, work.invoice.currency, zone) for row in manual]
    return Bill(work.invoice, facts)


def less_claimed(facts: LineFacts, claimed: Money | None) -> LineFacts:
    """Leave of a line what threshold invoices did not claim before; its units in proportion."""
    if claimed is None or facts.net.amount <= 0:
        return facts
    net = facts.net - claimed
    share = Fraction(net.amount) / Fraction(facts.net.amount)
    quantity = facts.quantity
    if quantity is not None:
        quantity = (Fraction(quantity) * max(Fraction(0), share) // Fraction(PLACES)) * PLACES
    return replace(facts, net=net, tax=line_tax(net, facts.percent), quantity=quantity)


def _facts(work: Work, taxed: TaxedLine) -> LineFacts:
    line, row = taxed.priced, taxed.period
    item = item_of(work, line)
    reading = work.readings.get((line.item_key, line.service.start))
    unit = item.pricing_unit if item else None
    return LineFacts(
        key=line.key,
        label=line.label,
        net=taxed.net,
        tax=taxed.tax,
        percent=taxed.percent,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        product_code=item.product_code if item else "",
        price_version_id=UUID(item.price_version_id) if item and item.price_version_id else None,
        meter_id=reading.meter_id if reading else None,
        quantity=_chargeable(line, reading.quantity) if reading else None,
        unit_code=unit.code if unit else "",
        unit_rate=unit.rate if unit else None,
        is_payable=item is None or item.credits is None,
        place=(0, line.kind == "minimum", line.service.start, line.kind, line.item_key),
    )


def _chargeable(line: PricedLine, measured: Decimal) -> Decimal:
    """Return what was measured beyond the units included, which cost nothing to pay."""
    included = line.explanation.get("included")
    if included is None or "conversion" in line.explanation:
        return measured
    return max(ZERO, measured - Decimal(included))


def manual_facts(row: InvoiceLine, currency: str, zone: str) -> LineFacts:
    """Return what credits look at of a line that is not computed with its period's invoice."""
    unit = row.explanation.get("of", {}).get("pricing_unit")
    return LineFacts(
        key=row.key,
        label=row.description,
        net=Money(row.amount, currency),
        tax=Money(row.tax_amount, currency),
        percent=row.tax_percent,
        starts_at=start_instant(row.service_start, zone),
        ends_at=start_instant(row.service_end, zone),
        product_code=row.product_code,
        is_payable=row.kind in ("manual", "progress"),
        unit_code=unit["code"] if unit else "",
        unit_rate=Decimal(unit["rate"]) if unit else None,
        place=(1, row.position, row.key),
    )
