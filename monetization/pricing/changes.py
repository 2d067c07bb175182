"""Changes in the middle of a period: what is credited, what is charged, from when."""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.money import Money
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
