"""A whole order form priced for assumed usage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.money import Money, total
from monetization.kernel.period import add_months
from monetization.pricing.arithmetic import as_decimal
from monetization.pricing.estimate.lines import PricedLine
from monetization.pricing.estimate.periods import price_periods
from monetization.pricing.terms import ItemTerms, OrderTerms
from monetization.pricing.timeline import ChargePeriod, charge_periods


@dataclass(frozen=True, slots=True)
class Estimate:
    """A whole order form priced for assumed usage."""

    currency: str
    lines: tuple[PricedLine, ...]
    by_phase: dict[str, Money]
    by_year: tuple[Money, ...]  # contract years, by start of service
    by_bill_date: dict[date, Money]
    total: Money
    total_contract_value: Money  # what is committed: without assumed usage
    annual_contract_value: Money


def estimate(terms: OrderTerms, usage: Mapping[str, Decimal] | None = None) -> Estimate:
    """Price an order form over its term; open-ended terms over their first twelve months.

    :param usage: assumed units per full billing period by item key; the terms' own
        ``expected_quantity`` where not given.

    The total contract value counts fixed and seat lines, one-time fees and minimums in full,
    as billed with no usage at all. The annual contract value is that divided by the years of
    the term: months / 12 for whole months, else days / 365.
    """
    until = terms.end_on or add_months(terms.start_on, 12, anchor_day=terms.start_on.day)
    periods = charge_periods(terms, until=until)
    lines = price_periods(terms, periods, _assumed(terms, periods, usage))
    committed = total((line.amount for line in price_periods(terms, periods, {})), terms.currency)
    years = _years(terms.start_on, until)
    by_year = [
        Money.zero(terms.currency) for _ in range(max(1, -(-years.numerator // years.denominator)))
    ]
    by_phase = {phase.key: Money.zero(terms.currency) for phase in terms.phases}
    by_bill_date: dict[date, Money] = {}
    for line in lines:
        by_phase[line.phase_key] = by_phase[line.phase_key] + line.amount
        year = _year_of(terms.start_on, line.service.start, len(by_year))
        by_year[year] = by_year[year] + line.amount
        before = by_bill_date.get(line.bill_on, Money.zero(terms.currency))
        by_bill_date[line.bill_on] = before + line.amount
    return Estimate(
        currency=terms.currency,
        lines=lines,
        by_phase=by_phase,
        by_year=tuple(by_year),
        by_bill_date=dict(sorted(by_bill_date.items())),
        total=total((line.amount for line in lines), terms.currency),
        total_contract_value=committed,
        annual_contract_value=Money.rounded(Fraction(committed.amount) / years, terms.currency),
    )


def first_invoice(terms: OrderTerms) -> tuple[PricedLine, ...]:
    """Return the lines of the first invoice that costs something, as billed without any usage.

    None within the term, or the first twelve months of an open end: nothing is committed.
    """
    until = terms.end_on or add_months(terms.start_on, 12, anchor_day=terms.start_on.day)
    by_date: dict[date, list[ChargePeriod]] = {}
    for period in charge_periods(terms, until=until):
        by_date.setdefault(period.bill_on, []).append(period)
    earlier: list[PricedLine] = []
    for _, periods in sorted(by_date.items()):
        lines = price_periods(terms, periods, {}, earlier)
        if any(line.amount for line in lines):
            return lines
        earlier.extend(lines)
    return ()


def _assumed(
    terms: OrderTerms, periods: Sequence[ChargePeriod], usage: Mapping[str, Decimal] | None
) -> dict[tuple[str, date], Decimal]:
    assumed: dict[tuple[str, date], Decimal] = {}
    for period in periods:
        if period.kind != "item":
            continue
        item: ItemTerms = terms.phase(period.phase_key).item(period.item_key)
        if item.kind != "usage":
            continue
        per_period = (usage or {}).get(item.key, item.expected_quantity)
        if per_period is not None:
            share = Fraction(period.service.days, period.full.days)
            assumed[period.item_key, period.service.start] = as_decimal(
                Fraction(per_period) * share
            ).quantize(Decimal("1e-12"))
    return assumed


def _years(start: date, end: date) -> Fraction:
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and add_months(start, months, anchor_day=start.day) == end:
        return Fraction(months, 12)
    return Fraction((end - start).days, 365)


def _year_of(start: date, day: date, years: int) -> int:
    for year in range(years - 1, 0, -1):
        if day >= add_months(start, 12 * year, anchor_day=start.day):
            return year
    return 0
