"""What a prospect would be billed, told from months they had before. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from monetization.kernel.money import Money, total
from monetization.kernel.period import Period, add_months
from monetization.pricing.arithmetic import as_decimal
from monetization.pricing.estimate import PricedLine, price_periods
from monetization.pricing.terms import OrderTerms
from monetization.pricing.timeline import charge_periods

History = Mapping[str, Sequence[Decimal]]  # units by meter, a month each, all as long


@dataclass(frozen=True, slots=True)
class Spread:
    """The tenth, middle and ninetieth of a hundred outcomes, by nearest rank."""

    p10: Money
    p50: Money
    p90: Money


@dataclass(frozen=True, slots=True)
class Expectation:
    """What would be billed on each date and over the term."""

    by_bill_date: dict[date, Spread]
    term: Spread
    months: int  # of history


def expected_bills(terms: OrderTerms, history: History) -> Expectation:
    """Price the contract once for every month of history it could begin with, as billing prices.

    In the n-th outcome the contract's months have the units of history's n-th, (n+1)-th, ... month,
    from the start again after the last, all meters together. So each date sees every month of
    history once, and the term sees them in their order. An open end is looked at for a year.

    :param history: at least one month; a meter that is not in it has no usage.
    """
    until = terms.end_on or add_months(terms.start_on, 12, anchor_day=terms.start_on.day)
    periods = charge_periods(terms, until=until)
    length = max(len(units) for units in history.values())
    starts = [terms.start_on]
    while starts[-1] < until:
        starts.append(add_months(terms.start_on, len(starts), anchor_day=terms.start_on.day))
    months = [Period(*pair) for pair in pairwise(starts)]
    outcomes = []
    for shift in range(length):
        used = {}
        for period in periods:
            if period.kind != "item":
                continue
            item = terms.phase(period.phase_key).item(period.item_key)
            if item.kind == "usage" and item.meter in history:
                units = _units(history[item.meter or ""], months, period.service, shift)
                used[period.item_key, period.service.start] = units
        outcomes.append(_by_date(price_periods(terms, periods, used), terms.currency))
    dates = sorted({day for outcome in outcomes for day in outcome})
    zero = Money.zero(terms.currency)
    return Expectation(
        by_bill_date={day: _spread([one.get(day, zero) for one in outcomes]) for day in dates},
        term=_spread([total(one.values(), terms.currency) for one in outcomes]),
        months=length,
    )


def _units(
    history: Sequence[Decimal], months: Sequence[Period], service: Period, shift: int
) -> Decimal:
    """Return the units of a stretch of service: of each month of the contract the part in it."""
    found = Fraction(0)
    for number, month in enumerate(months):
        first, last = max(month.start, service.start), min(month.end, service.end)
        if first < last:
            share = Fraction((last - first).days, month.days)
            found += Fraction(history[(number + shift) % len(history)]) * share
    return as_decimal(found).quantize(Decimal("1e-12"))


def _by_date(lines: Sequence[PricedLine], currency: str) -> dict[date, Money]:
    sums: dict[date, Money] = {}
    for line in lines:
        sums[line.bill_on] = sums.get(line.bill_on, Money.zero(currency)) + line.amount
    return sums


def _spread(amounts: Sequence[Money]) -> Spread:
    ordered = sorted(amounts)
    return Spread(*(ordered[nearest_rank(len(ordered), percent)] for percent in (10, 50, 90)))


def nearest_rank(count: int, percent: int) -> int:
    """Return the place, from 0, of the smallest value that a percentage of all do not exceed.

    >>> [nearest_rank(10, percent) for percent in (10, 50, 90)]
    [0, 4, 8]
    >>> [nearest_rank(1, percent) for percent in (10, 50, 90)]
    [0, 0, 0]
    """
    return max(0, -(-count * percent // 100) - 1)
