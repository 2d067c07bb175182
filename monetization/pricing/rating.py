"""Quantity x price -> charges. Exact: nothing is rounded here."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from monetization.kernel.money import ZERO
from monetization.pricing.prices import (
    ChargeModel,
    Flat,
    Graduated,
    Package,
    PerUnit,
    StairStep,
    Tier,
    Volume,
)


@dataclass(frozen=True, slots=True)
class Charge:
    """One rated component. ``key`` is stable across recalculations, so drafts can be diffed."""

    key: str
    label: str
    quantity: Decimal  # units
    unit_price: Decimal  # currency per unit
    amount: Decimal  # currency, exact: not yet money


def rate(model: ChargeModel, quantity: Decimal) -> tuple[Charge, ...]:
    """Rate a quantity under any charge model.

    :param quantity: units of the billing period; not negative.
    :returns: the charges, one per tier reached; they add up to the exact amount.
    :raises ValueError: if the quantity is negative; corrections are clamped by the caller.

    >>> from monetization.pricing.prices import PerUnit
    >>> [str(c.amount) for c in rate(PerUnit(Decimal("0.25")), Decimal(10))]
    ['2.50']
    """
    if quantity < 0:
        raise ValueError(f"cannot rate {quantity} units")
    match model:
        case Flat(amount):
            return (Charge("flat", "Flat fee", Decimal(1), amount, amount),)
        case PerUnit(unit_price):
            return (Charge("unit", "Per unit", quantity, unit_price, quantity * unit_price),)
        case Graduated(tiers, at_zero):
            return _rate_graduated(quantity, tiers, flat_fee_at_zero=at_zero)
        case Volume(tiers, at_zero):
            return _rate_whole(quantity, tiers, flat_fee_at_zero=at_zero)
        case StairStep(tiers, at_zero):
            return _rate_whole(quantity, tiers, flat_fee_at_zero=at_zero)
        case Package():
            return _rate_package(quantity, model)
        case _:
            assert_never(model)


def rated_amount(model: ChargeModel, quantity: Decimal) -> Decimal:
    """Return the exact amount of a quantity under a charge model."""
    return sum((charge.amount for charge in rate(model, quantity)), start=ZERO)


def tier_label(floor: Decimal, tier: Tier) -> str:
    """Describe a tier as people read it: "Up to 1,000", "1,000 to 5,000", "Over 5,000"."""
    if tier.up_to is None:
        return f"Over {floor:,f}" if floor else "All units"
    return f"{floor:,f} to {tier.up_to:,f}" if floor else f"Up to {tier.up_to:,f}"


def _rate_graduated(
    quantity: Decimal, tiers: Sequence[Tier], *, flat_fee_at_zero: bool
) -> tuple[Charge, ...]:
    """Rate each slice at the price of the tier it falls in; ``up_to`` belongs to the lower.

    Worked example (docs/pricing.md, "Graduated"): 1,200 units at 0.10 for the first 1,000 and
    0.08 beyond cost 1,000 x 0.10 + 200 x 0.08 = 116.00.
    """
    charges: list[Charge] = []
    floor = ZERO
    for number, tier in enumerate(tiers, start=1):
        ceiling = quantity if tier.up_to is None else min(quantity, tier.up_to)
        entered = ceiling > floor or (number == 1 and flat_fee_at_zero)
        if not entered:
            break
        units = ceiling - floor
        amount = units * tier.unit_price + tier.flat_fee
        charges.append(
            Charge(f"tier-{number}", tier_label(floor, tier), units, tier.unit_price, amount)
        )
        floor = ceiling
        if tier.up_to is None or quantity <= tier.up_to:
            break
    return tuple(charges)


def _rate_whole(
    quantity: Decimal, tiers: Sequence[Tier], *, flat_fee_at_zero: bool
) -> tuple[Charge, ...]:
    """Rate the whole quantity at the one tier it falls in."""
    if not quantity and not flat_fee_at_zero:
        return ()
    floor = ZERO
    for number, tier in enumerate(tiers, start=1):
        if tier.up_to is None or quantity <= tier.up_to:
            amount = quantity * tier.unit_price + tier.flat_fee
            label = tier_label(floor, tier)
            return (Charge(f"tier-{number}", label, quantity, tier.unit_price, amount),)
        floor = tier.up_to
    raise AssertionError("the last tier is unbounded")


def _rate_package(quantity: Decimal, model: Package) -> tuple[Charge, ...]:
    """Rate started packages: ceil((quantity - free units) / size), at least one if asked."""
    billable = max(ZERO, quantity - model.free_units)
    whole, rest = divmod(billable, model.size)
    packages = whole + (1 if rest else 0)
    if model.at_least_one:
        packages = max(packages, Decimal(1))
    amount = packages * model.package_price
    label = f"Packages of {model.size:,f}"
    return (Charge("package", label, packages, model.package_price, amount),)
