"""Changes in the middle of a period: what is credited, what is charged, from when."""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.money import Money
from monetization.kernel.period import Period
from monetization.pricing.proration import instants_factor
from monetization.pricing.recurrence import Cadence, nth_date

WHOLE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Change:
    """What a change costs now; the credit is negative or zero."""

    credit: Money
    charge: Money

    @property
    def net(self) -> Money:
        return self.credit + self.charge


@dataclass(frozen=True, slots=True)
class RuledChange:
    """A change as the contract's rule has it: what it costs now, and from when it holds."""

    change: Change
    effective_on: date
    next_period: Period  # the first whole period at the new price


def change_by_rule(
    rule: str,
    *,
    invoiced: Money,
    new_amount: Decimal,
    period: Period,
    on: date,
    cadence: Cadence,
) -> RuledChange:
    """Apply a contract's rule to a change within a period that was paid ahead.

    ``now_prorated`` credits the unused part of what was invoiced and charges the rest of the
    period at the new price; ``now_full_reset`` credits the same and starts a whole new period
    today; ``at_period_end`` waits and costs nothing now. The day of the change belongs to the
    new state.

    :param invoiced: what was invoiced for the period, after discounts.
    :param cadence: the rhythm of the new price.
    :raises ValueError: for another rule, or a day outside the period.
    """
    if on not in period:
        raise ValueError(f"on: must be within {period.start} to {period.end}")
    code = invoiced.currency
    left = Fraction((period.end - on).days, period.days)
    following = Period(period.end, nth_date(period.end, cadence, 1))
    match rule:
        case "now_prorated":
            change = price_change(invoiced.amount, left, new_amount, left, code)
            return RuledChange(change, on, following)
        case "now_full_reset":
            change = price_change(invoiced.amount, left, new_amount, WHOLE, code)
            return RuledChange(change, on, Period(on, nth_date(on, cadence, 1)))
        case "at_period_end":
            nothing = Change(Money.zero(code), Money.zero(code))
            return RuledChange(nothing, period.end, following)
    raise ValueError("rule: must be now_prorated, now_full_reset or at_period_end")


def prorated(amount: Decimal | Fraction, factor: Fraction, currency: str) -> Money:
    """Return a part of an amount, rounded once, half away from zero."""
    return Money.rounded(Fraction(amount) * factor, currency)


def price_change(
    old: Decimal,
    old_unused: Fraction,
    new: Decimal,
    new_served: Fraction,
    currency: str,
) -> Change:
    """Credit the unused part of what was invoiced and charge the part of the new price served.

    :param old: what was invoiced for the old period, not today's price of it.
    """
    return Change(-prorated(old, old_unused, currency), prorated(new, new_served, currency))


def upgrade_to_bill(
    paid: Decimal, unused: Fraction, new: Decimal, served: Fraction, currency: str
) -> tuple[Money, Money, Money]:
    """Charge a line that was paid ahead for what it now costs beyond what was paid.

    :returns: the new part, the unused part of what was paid, and their difference; a cheaper
        line bills nothing, because giving back is a reviewed credit note of its own.
    """
    charge, credit = prorated(new, served, currency), prorated(paid, unused, currency)
    return charge, credit, max(charge - credit, Money.zero(currency))


def change_with_cycles(
    old: tuple[Decimal, Cadence],
    new: tuple[Decimal, Cadence],
    cycle_start: datetime,
    at: datetime,
    currency: str,
) -> Change:
    """Change a price, or price and rhythm, in the middle of a cycle.

    The same rhythm keeps the cycle and prorates both sides by the time left; another one
    starts its own cycle now and is charged in full.
    """
    cycle_end = step(cycle_start, old[1])
    left = instants_factor((at, cycle_end), (cycle_start, cycle_end))
    served = left if old[1] == new[1] else WHOLE
    return price_change(old[0], left, new[0], served, currency)


def step(start: datetime, cadence: Cadence, number: int = 1) -> datetime:
    """Return a moment moved by whole steps of a rhythm, at the same time of the day."""
    return datetime.combine(nth_date(start.date(), cadence, number), start.timetz())


def midnight(day: date) -> datetime:
    """Return the start of a day without a zone, for spans whose zone does not matter."""
    return datetime.combine(day, time.min)
