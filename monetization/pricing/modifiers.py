"""What happens to an amount after it is rated: discounts, cap, minimum. Exact fractions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, overload

from monetization.kernel.money import ZERO
from monetization.pricing.arithmetic import (
    HUNDREDTH,
    Exact,
    add,
    as_decimal,
    less,
    negated,
    scaled,
)
from monetization.pricing.prices import Graduated as GraduatedPrice
from monetization.pricing.prices import PriceError, Tier, Volume

NOTHING = Fraction(0)
DISCOUNT_ORDERS = ("percentage_then_fixed", "fixed_then_percentage", "as_listed")


@dataclass(frozen=True, slots=True)
class PercentOff:
    percent: Decimal  # 0 to 100, of what the discounts before left


@dataclass(frozen=True, slots=True)
class AmountOff:
    amount: Decimal | Fraction  # currency


Discount = PercentOff | AmountOff


class Change(NamedTuple):
    """What follows the rating of a line: a discount, a cap, a minimum."""

    key: str
    label: str
    of: Callable[[Exact], Exact]  # of the amount so far; signed, zero for nothing


def percent_change(percent: Decimal) -> Callable[[Exact], Exact]:
    """Take a percentage off. Off a negative amount too: a correction takes it back."""
    share = negated(scaled(percent, HUNDREDTH))
    return lambda amount: scaled(amount, share)


def amount_change(amount: Exact) -> Callable[[Exact], Exact]:
    """Take an amount off, but at most what is left; the rest of it is lost."""
    return lambda left: negated(min(left, amount)) if left > ZERO else ZERO


def cap_change(cap: Exact) -> Callable[[Exact], Exact]:
    """Come down to a cap."""
    return lambda amount: less(cap, amount) if amount > cap else ZERO


def minimum_change(minimum: Exact) -> Callable[[Exact], Exact]:
    """Come up to a minimum."""
    return lambda amount: less(minimum, amount) if amount < minimum else ZERO


@overload
def discount_steps(
    amount: Fraction, discounts: Sequence[Discount], order: str = ...
) -> tuple[Fraction, ...]: ...


@overload
def discount_steps(
    amount: Exact, discounts: Sequence[Discount], order: str = ...
) -> tuple[Exact, ...]: ...


def discount_steps(
    amount: Exact, discounts: Sequence[Discount], order: str = "percentage_then_fixed"
) -> tuple[Exact, ...]:
    """Return what each discount takes off, in the order given, each on the running total.

    Two percentages compound: 10 % and 25 % take 32.5 %. A fixed amount takes at most what is
    left; the rest of it is lost.

    :param order: in which they are applied; the answer keeps the order of ``discounts``.

    >>> [str(off) for off in discount_steps(Fraction(100), [AmountOff(Decimal(20)),
    ...                                                     PercentOff(Decimal(10))])]
    ['20', '10']
    """
    if order not in DISCOUNT_ORDERS:
        raise PriceError(f"order: must be one of {', '.join(DISCOUNT_ORDERS)}")
    places: Sequence[int] = range(len(discounts))
    if order != "as_listed" and len(places) > 1:
        first = PercentOff if order == "percentage_then_fixed" else AmountOff
        places = sorted(places, key=lambda place: not isinstance(discounts[place], first))
    nothing = _nothing_like(amount)
    taken = [nothing] * len(discounts)
    left = amount
    for place in places:
        discount = discounts[place]
        if isinstance(discount, PercentOff):  # a negative amount too: a correction takes it back
            taken[place] = scaled(scaled(left, discount.percent), HUNDREDTH)
        elif left > 0:
            taken[place] = min(left, add(_nothing_like(left), discount.amount))
        left = less(left, taken[place])
    return tuple(taken)


@overload
def over_cap(amount: Fraction, cap: Fraction, before: Fraction = ...) -> Fraction: ...


@overload
def over_cap(amount: Exact, cap: Exact, before: Exact = ...) -> Exact: ...


def over_cap(amount: Exact, cap: Exact, before: Exact = ZERO) -> Exact:
    """Return how much of an amount lies over a cap, some of which was used before.

    >>> str(over_cap(Fraction(50), Fraction(100), before=Fraction(70)))
    '20'
    """
    reached = add(before, amount) if before else amount
    if reached <= cap or amount <= 0:
        return _nothing_like(amount)
    return min(amount, less(reached, cap))


@overload
def true_up(amount: Fraction, minimum: Fraction) -> Fraction: ...


@overload
def true_up(amount: Exact, minimum: Exact) -> Exact: ...


def true_up(amount: Exact, minimum: Exact) -> Exact:
    """Return what is missing to a minimum; nothing if it is reached."""
    return less(minimum, amount) if amount < minimum else _nothing_like(amount)


def _nothing_like(amount: Exact) -> Exact:
    """Return zero in the amount's own kind, so that a fraction stays one."""
    return ZERO if isinstance(amount, Decimal) else NOTHING


def committed_charge(
    amount: Fraction, minimum: Fraction, overage_factor: Fraction = Fraction(1), *, tops_up: bool
) -> Fraction:
    """Return the charge under a commitment: spend beyond it costs its factor.

    :param tops_up: charge the whole commitment even if less was used.

    >>> str(committed_charge(Fraction(140), Fraction(100), Fraction(3, 2), tops_up=True))
    '160'
    """
    within = min(amount, minimum)
    due = minimum if tops_up else within
    return due + (amount - within) * overage_factor


def commitment_first(
    charges: Sequence[Fraction], minimum: Fraction
) -> tuple[tuple[Fraction, ...], Fraction]:
    """Charge a commitment with the first usage; usage counts against it until it is used up.

    :returns: what each charge becomes, and what is due at the period's end (the whole
        commitment if nothing was used, else nothing).
    """
    billed = []
    charged = NOTHING
    used = NOTHING
    for charge in charges:
        used += charge
        now = max(minimum, used)
        billed.append(now - charged)
        charged = now
    return tuple(billed), NOTHING if charges else minimum


def commitment_last(
    charges: Sequence[Fraction], minimum: Fraction
) -> tuple[tuple[Fraction, ...], Fraction]:
    """Charge usage as it comes, and what is missing to the commitment at the period's end."""
    return tuple(charges), true_up(sum(charges, start=NOTHING), minimum)


def scheduled_discount(
    list_price: Decimal, tiers: Sequence[tuple[Decimal | None, Discount]], kind: str
) -> Volume | GraduatedPrice:
    """Turn a discount schedule over a list price into tiers.

    :param tiers: (up to, off the list price of a unit) ascending, the last without a bound.
    :param kind: ``range``: every unit at the discount of the tier the quantity falls in;
        ``slab``: each slice at its own.
    """
    priced = tuple(
        Tier(up_to, as_decimal(less(list_price, discount_steps(list_price, [off])[0])))
        for up_to, off in tiers
    )
    match kind:
        case "range":
            return Volume(priced)
        case "slab":
            return GraduatedPrice(priced)
    raise PriceError("kind: must be range or slab")
