"""What happens to an amount after it is rated: discounts, cap, minimum. Exact fractions."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from monetization.pricing.arithmetic import as_decimal
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


def discount_steps(
    amount: Fraction, discounts: Sequence[Discount], order: str = "percentage_then_fixed"
) -> tuple[Fraction, ...]:
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
    first = PercentOff if order == "percentage_then_fixed" else AmountOff
    places = list(range(len(discounts)))
    if order != "as_listed":
        places.sort(key=lambda place: not isinstance(discounts[place], first))
    taken = [NOTHING] * len(discounts)
    left = amount
    for place in places:
        match discounts[place]:
            case PercentOff(percent):  # of a negative amount too: a correction takes it back
                taken[place] = left * Fraction(percent) / 100
            case AmountOff(fixed):
                taken[place] = min(max(NOTHING, left), Fraction(fixed))
        left -= taken[place]
    return tuple(taken)


def over_cap(amount: Fraction, cap: Fraction, before: Fraction = NOTHING) -> Fraction:
    """Return how much of an amount lies over a cap, some of which was used before.

    >>> str(over_cap(Fraction(50), Fraction(100), before=Fraction(70)))
    '20'
    """
    return min(max(NOTHING, amount), max(NOTHING, before + amount - cap))


def true_up(amount: Fraction, minimum: Fraction) -> Fraction:
    """Return what is missing to a minimum; nothing if it is reached."""
    return max(NOTHING, minimum - amount)


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
    whole = Fraction(list_price)
    priced = tuple(
        Tier(up_to, as_decimal(whole - discount_steps(whole, [off])[0])) for up_to, off in tiers
    )
    match kind:
        case "range":
            return Volume(priced)
        case "slab":
            return GraduatedPrice(priced)
    raise PriceError("kind: must be range or slab")
