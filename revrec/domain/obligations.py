"""From signed terms to performance obligations and the revenue each month earns. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby

from monetization.kernel.money import Money, allocate, total
from monetization.kernel.period import Period
from monetization.pricing.estimate import PricedLine, price_periods
from monetization.pricing.terms import ItemTerms, OrderTerms
from monetization.pricing.terms.model import OVERAGE_SUFFIX
from monetization.pricing.timeline import charge_periods


@dataclass(frozen=True, slots=True)
class RevenueSlice:
    """Revenue to recognize for the days of one calendar month."""

    month: date  # its first day
    amount: Money


@dataclass(frozen=True, slots=True)
class Obligation:
    """A promise to the customer with its price and the months in which it is earned."""

    item_key: str
    run: int  # a change of quantity starts the next run
    product_code: str
    name: str
    method: str  # straight_line, point_in_time, usage
    period: Period
    price: Money  # zero for usage: it is earned as invoiced
    slices: tuple[RevenueSlice, ...]


def straight_line(price: Money, service_period: Period) -> tuple[RevenueSlice, ...]:
    """Recognize a price evenly by day over its service period, summed per month.

    For stand-ready obligations such as a platform subscription, where the customer receives
    the benefit evenly.

    :param price: net of discount and tax.
    :returns: one slice per calendar month touched, in order; slices add up to ``price``.

    Source: IFRS 15 paragraphs 39 and B18; ASC 606-10-25-31.

    >>> year = Period(date(2025, 1, 15), date(2026, 1, 15))
    >>> slices = straight_line(Money(Decimal("1200.00"), "USD"), year)
    >>> [str(s.amount.amount) for s in slices][:2], len(slices)
    (['55.89', '92.05'], 13)
    """
    months = tuple(service_period.calendar_months())
    amounts = allocate(price, [Decimal(month.days) for month in months])
    return tuple(
        RevenueSlice(month.start.replace(day=1), amount)
        for month, amount in zip(months, amounts, strict=True)
    )


def plan_obligations(terms: OrderTerms, *, until: date) -> tuple[Obligation, ...]:
    """Plan the obligations of a contract.

    A contract line with the same quantity over consecutive phases is one stand-ready series:
    its price over all of them is earned evenly by day, so that a trial or a price ramp does
    not shift revenue (ASC 606-10-25-14(b), 606-10-32-18). Another quantity is another set of
    distinct services and starts the next run. Usage is earned as it is used (606-10-55-18).

    :param until: how far open-ended contracts are planned; their periods are earned one by
        one, since each renewal is a contract of its own.
    """
    lines: dict[tuple[str, str], list[PricedLine]] = {}
    for line in planned_lines(terms, until=until):
        lines.setdefault((line.phase_key, line.item_key), []).append(line)
    planned = []
    for key in _item_keys(terms):
        for run, stretch in enumerate(_runs(terms, key), start=1):
            obligation = _obligation(terms, key, run, stretch, lines)
            if obligation is not None:
                planned.append(obligation)
    return tuple(planned)


def planned_lines(terms: OrderTerms, *, until: date) -> tuple[PricedLine, ...]:
    """Price what signing fixes, period by period; usage is zero until it is measured."""
    periods = [p for p in charge_periods(terms, until=until) if p.kind == "item"]
    # Together: a percentage looks at other lines, and a cap over fixed lines lowers them.
    return price_periods(terms, periods, {})


def _item_keys(terms: OrderTerms) -> list[str]:
    items = [item for phase in terms.phases for item in phase.items]
    return list(dict.fromkeys(key for item in items for key in _keys_of(item)))


def _keys_of(item: ItemTerms) -> tuple[str, ...]:
    """Return what a line is billed under; seats beyond its minimum may have their own rhythm."""
    if item.overage_frequency is None:
        return (item.key,)
    return item.key, item.key + OVERAGE_SUFFIX


_Stretch = list[tuple[str, ItemTerms]]


def _runs(terms: OrderTerms, key: str) -> list[_Stretch]:
    """Group the phases that have a line into runs of equal quantity, without gaps."""
    present: list[tuple[int, str, ItemTerms]] = [
        (position, phase.key, item)
        for position, phase in enumerate(terms.phases)
        for item in phase.items
        if key in _keys_of(item)
    ]
    numbered = [
        (position - order, row) for order, row in enumerate(present) for position in [row[0]]
    ]
    return [
        [(phase_key, item) for _, (_, phase_key, item) in rows]
        for _, rows in groupby(numbered, key=lambda pair: (pair[0], pair[1][2].quantity))
    ]


def _obligation(
    terms: OrderTerms,
    key: str,
    run: int,
    stretch: _Stretch,
    lines: dict[tuple[str, str], list[PricedLine]],
) -> Obligation | None:
    priced = [line for phase_key, _ in stretch for line in lines.get((phase_key, key), [])]
    if not priced:
        return None
    item = stretch[0][1]
    if item.credits is not None:  # owed until they are used; earned by what they pay
        return None
    period = Period(
        min(line.service.start for line in priced), max(line.service.end for line in priced)
    )
    zero = Money.zero(terms.currency)
    if item.kind == "usage":
        price, slices = zero, tuple[RevenueSlice, ...]()
    else:
        price = total((line.amount for line in priced), terms.currency)
        slices = _slices(terms, item, price, period, priced)
    return Obligation(
        item_key=key,
        run=run,
        product_code=item.product_code,
        name=item.product_name,
        method=item.recognition,
        period=period,
        price=price,
        slices=slices,
    )


def _slices(
    terms: OrderTerms,
    item: ItemTerms,
    price: Money,
    period: Period,
    priced: Sequence[PricedLine],
) -> tuple[RevenueSlice, ...]:
    if item.recognition == "point_in_time":
        return tuple(
            RevenueSlice(line.service.start.replace(day=1), line.amount) for line in priced
        )
    if terms.end_on is not None:
        return straight_line(price, period)
    months: dict[date, Money] = {}
    for line in priced:
        for part in straight_line(line.amount, line.service):
            before = months.get(part.month, Money.zero(terms.currency))
            months[part.month] = before + part.amount
    return tuple(RevenueSlice(month, amount) for month, amount in sorted(months.items()))
