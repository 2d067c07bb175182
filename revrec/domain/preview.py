"""What terms would bill and earn month by month, before anybody signed them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from monetization.kernel.money import Money
from monetization.kernel.period import add_months
from monetization.pricing.estimate import estimate
from monetization.pricing.terms import OrderTerms, terms_until
from revrec.domain.obligations import plan_obligations, straight_line

Amounts = dict[date, Money]  # by the first day of the month


@dataclass(frozen=True, slots=True)
class RevenueMonth:
    """A month of a contract as offered; net of tax."""

    month: date
    billed: Money  # by the date on the invoice, with expected usage
    committed: Money  # earned by what is agreed
    expected: Money  # earned by expected usage, and topped up to minimums
    balance: Money  # billed less earned so far: deferred, or unbilled where negative

    @property
    def earned(self) -> Money:
        return self.committed + self.expected


@dataclass(frozen=True, slots=True)
class EffectMonth:
    """What a month earns of fixed fees with and without an amendment."""

    month: date
    before: Money
    after: Money

    @property
    def difference(self) -> Money:
        return self.after - self.before


def revenue_preview(terms: OrderTerms) -> tuple[RevenueMonth, ...]:
    """Return what a contract would bill and earn, by the plan that signing it makes.

    Open-ended terms are looked at for their first twelve months. Credits that are sold are
    owed until they are used, so nothing is earned by selling them.
    """
    until = terms.end_on or add_months(terms.start_on, 12, anchor_day=terms.start_on.day)
    zero = Money.zero(terms.currency)
    committed, expected, billed = planned(terms, until), Amounts(), Amounts()
    for line in estimate(terms).lines:
        _add(billed, line.bill_on, line.amount)
        if line.kind == "minimum":  # topped up once the period is over
            _add(expected, line.service.end - timedelta(days=1), line.amount)
        elif terms.phase(line.phase_key).item(line.item_key).kind == "usage":
            for part in straight_line(line.amount, line.service):
                _add(expected, part.month, part.amount)
    found, balance = [], zero
    for month in _span(committed, expected, billed):
        due, fixed, used = (each.get(month, zero) for each in (billed, committed, expected))
        balance = balance + due - fixed - used
        found.append(RevenueMonth(month, due, fixed, used, balance))
    return tuple(found)


def amendment_effect(
    before: OrderTerms, after: OrderTerms, *, first_open: date | None = None
) -> tuple[EffectMonth, ...]:
    """Return what fixed fees earn with and without an amendment, month by month.

    The contract is planned anew over the days it runs, the amendment from its first day on;
    what was billed ahead and given back is the same days on both, and cancels out.

    :param after: the amendment's terms, from its first day on.
    :param first_open: the first month that is not recognized yet; what earlier months would
        differ by is caught up in it.
    """
    start = after.start_on
    horizon = max(
        (terms.end_on or add_months(start, 12, anchor_day=start.day) for terms in (before, after)),
    )
    old = planned(before, before.end_on or horizon)
    new = planned(terms_until(before, start), start)
    for month, amount in planned(after, after.end_on or horizon).items():
        _add(new, month, amount)
    if first_open is not None:
        _catch_up(old, new, first_open)
    zero = Money.zero(after.currency)
    return tuple(
        EffectMonth(month, old.get(month, zero), new.get(month, zero)) for month in _span(old, new)
    )


def _catch_up(old: Amounts, new: Amounts, first_open: date) -> None:
    """Leave recognized months as they are; what they would differ by is earned in the next."""
    if not new:
        return
    zero = Money.zero(next(iter(new.values())).currency)
    for month in sorted({*old, *new}):
        if month >= first_open:
            break
        gap = new.get(month, zero) - old.get(month, zero)
        new[month] = old.get(month, zero)
        _add(new, first_open, gap)


def planned(terms: OrderTerms, until: date) -> Amounts:
    """Return what the obligations of terms plan to earn, by month."""
    sums: Amounts = {}
    for obligation in plan_obligations(terms, until=until):
        for part in obligation.slices:
            _add(sums, part.month, part.amount)
    return sums


def _add(sums: Amounts, day: date, amount: Money) -> None:
    month = day.replace(day=1)
    sums[month] = sums.get(month, Money.zero(amount.currency)) + amount


def _span(*sums: Mapping[date, Money]) -> list[date]:
    """Return every month from the first to the last that anything has."""
    touched = [month for each in sums for month in each]
    if not touched:
        return []
    months, last = [min(touched)], max(touched)
    while months[-1] < last:
        months.append(add_months(months[-1], 1, anchor_day=1))
    return months
