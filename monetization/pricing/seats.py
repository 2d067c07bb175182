"""Seats: a price on an absolute balance that changes within the period. Exact fractions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.money import ZERO
from monetization.kernel.period import Period
from monetization.pricing.prices import Graduated, PerUnit, Seat, Tier, Volume
from monetization.pricing.rating import rated_amount

SeatPrice = PerUnit | Graduated | Volume


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """The number of seats held from a day on; the day itself belongs to the new number."""

    on: date
    balance: Decimal


@dataclass(frozen=True, slots=True)
class SeatStep:
    """A balance and the part of the full period it was charged for."""

    seats: Decimal
    factor: Fraction
    since: date


@dataclass(frozen=True, slots=True)
class SeatCharge:
    """What seats cost in a period, exactly, and why."""

    steps: tuple[SeatStep, ...]
    exacts: tuple[Fraction, ...]  # currency, prorated: one per step
    flat_fees: Fraction  # currency, whole: of the tiers the highest balance reaches

    @property
    def exact(self) -> Fraction:
        return sum(self.exacts, start=self.flat_fees)


def rate_seats(
    model: Seat,
    service: Period,
    full: Period,
    opening: Decimal,
    changes: Sequence[BalanceChange] = (),
) -> SeatCharge:
    """Rate a balance over the part of a period that was served.

    Prices per seat follow the balance through the tiers by the day; flat fees are due whole,
    for the highest balance charged. The last of several changes of one day counts.

    :param opening: seats held at the start of the service.
    :param changes: in any order; those outside the service are left out, except that the
        last one before it replaces the opening balance.
    """
    steps = tuple(_charged(model, _segments(service, full, opening, changes), service, full))
    without_fees = unit_part(model.price)
    exacts = tuple(Fraction(rated_amount(without_fees, step.seats)) * step.factor for step in steps)
    peak = max(step.seats for step in steps)
    return SeatCharge(steps, exacts, flat_part(model.price, peak))


def _segments(
    service: Period, full: Period, opening: Decimal, changes: Sequence[BalanceChange]
) -> tuple[SeatStep, ...]:
    days = {service.start: opening}
    for change in sorted(changes, key=lambda change: change.on):
        if change.on < service.end:
            days[max(change.on, service.start)] = change.balance
    ends = [*sorted(days)[1:], service.end]
    return tuple(
        SeatStep(days[start], Fraction((end - start).days, full.days), start)
        for start, end in zip(sorted(days), ends, strict=True)
    )


def _charged(
    model: Seat, held: Sequence[SeatStep], service: Period, full: Period
) -> Iterator[SeatStep]:
    """Turn balances held into balances charged, by the mode."""
    whole = Fraction(service.days, full.days)
    least = model.contracted_minimum
    match model.mode:
        case "prorate_all":
            yield from (SeatStep(max(step.seats, least), step.factor, step.since) for step in held)
        case "prorate_increments":
            paid = least
            for step in held:
                paid = max(paid, step.seats)
                yield SeatStep(paid, step.factor, step.since)
        case "peak":
            yield SeatStep(max(least, *(step.seats for step in held)), whole, service.start)
        case "period_start":
            yield SeatStep(max(least, held[0].seats), whole, service.start)
        case _:
            raise AssertionError("the model validates its mode")


def walk_levels(
    price: SeatPrice, steps: Sequence[tuple[Decimal, Fraction]]
) -> tuple[Fraction, Fraction]:
    """Price changes one by one: each moves the level through the tiers for its part of the time.

    A removal releases the highest tier first.

    :param steps: (change, part of the period it counts for), in order.
    :returns: the prorated unit part, and the whole flat fees of the highest level.
    """
    without_fees = unit_part(price)
    level, peak, units = ZERO, ZERO, Fraction(0)
    for change, factor in steps:
        following = max(ZERO, level + change)
        moved = rated_amount(without_fees, following) - rated_amount(without_fees, level)
        units += Fraction(moved) * factor
        level = following
        peak = max(peak, level)
    return units, flat_part(price, peak)


def unit_part(price: SeatPrice) -> SeatPrice:
    """Return a price without its flat fees."""
    if isinstance(price, PerUnit):
        return price
    tiers = tuple(Tier(tier.up_to, tier.unit_price, ZERO, tier.block_size) for tier in price.tiers)
    return type(price)(tiers, price.flat_fee_at_zero)


def flat_part(price: SeatPrice, seats: Decimal) -> Fraction:
    """Return the flat fees a balance owes, whatever part of the period it was held."""
    if isinstance(price, PerUnit):
        return Fraction(0)
    return Fraction(rated_amount(price, seats)) - Fraction(rated_amount(unit_part(price), seats))


def advance_charges(
    price: SeatPrice, opening: Decimal, balances: Sequence[Decimal]
) -> tuple[Fraction, ...]:
    """Bill seats in advance, at full price, and every increase beyond what was already paid.

    Decreases give nothing back, and growing again up to the paid number costs nothing.

    :returns: one charge for the opening balance and one per following balance.
    """
    paid, charges = opening, [Fraction(rated_amount(price, opening))]
    for balance in balances:
        following = max(paid, balance)
        charges.append(seat_change(price, paid, following))
        paid = following
    return tuple(charges)


def seat_change(price: SeatPrice, old: Decimal, new: Decimal) -> Fraction:
    """Return what a change of the balance adds to, or takes off, a full period."""
    return Fraction(rated_amount(price, new)) - Fraction(rated_amount(price, old))
