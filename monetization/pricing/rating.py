"""Quantity x price -> charges. Exact: nothing is rounded here."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from monetization.kernel.money import ZERO
from monetization.pricing.arithmetic import exact_sum, filled, percent_of, plus, started, times
from monetization.pricing.prices import (
    Capacity,
    ChargeModel,
    CostPlus,
    Dynamic,
    Flat,
    Graduated,
    GraduatedPercentage,
    Matrix,
    Package,
    Percentage,
    PercentOf,
    PercentTier,
    PerUnit,
    Seat,
    StairStep,
    Tier,
    TimeOfUse,
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

    Models that look at events (percentage, matrix, time of use, capacity) take a bare quantity
    as one event without properties; ``rating_events.rate_usage`` rates the events themselves.

    :param quantity: units of the billing period; not negative. An amount of money for
        percentage, graduated percentage, dynamic, cost plus and percent of.
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
            return (_units("unit", "Per unit", quantity, unit_price),)
        case Graduated(tiers, at_zero):
            return _rate_graduated(quantity, tiers, flat_fee_at_zero=at_zero)
        case Volume(tiers, at_zero) | StairStep(tiers, at_zero):
            return _rate_whole(quantity, tiers, flat_fee_at_zero=at_zero)
        case Package():
            return _rate_package(quantity, model)
        case Percentage():
            return rate_percentage([quantity] if quantity else [], model)
        case GraduatedPercentage():
            return _rate_graduated_percentage(quantity, model)
        case Dynamic(multiplier):
            return (_units("dynamic", "Amount of the events", quantity, multiplier),)
        case CostPlus(markup):
            cost = _units("cost", "Cost", quantity, Decimal(1))
            return (cost, _percent("markup", "Markup", quantity, markup))
        case Matrix():
            return (_units("default", "Other", quantity, model.default_unit_price),)
        case PercentOf(percent):
            return (_percent("percent", "Percentage of other lines", quantity, percent),)
        case TimeOfUse():
            return (_units("default", "Any other time", quantity, model.default_unit_price),)
        case Capacity(tiers):
            names = {name for tier in tiers for name, _ in tier.limits}
            return rate_capacity(dict.fromkeys(names, quantity), model)
        case Seat(price, _, contracted_minimum):
            return rate(price, max(quantity, contracted_minimum))
        case _:
            assert_never(model)


def rated_amount(model: ChargeModel, quantity: Decimal) -> Decimal:
    """Return the exact amount of a quantity under a charge model."""
    return exact_sum(charge.amount for charge in rate(model, quantity))


def tier_label(floor: Decimal, tier: Tier | PercentTier) -> str:
    """Describe a tier as people read it: "Up to 1,000", "1,000 to 5,000", "Over 5,000"."""
    if tier.up_to is None:
        return f"Over {floor:,f}" if floor else "All units"
    return f"{floor:,f} to {tier.up_to:,f}" if floor else f"Up to {tier.up_to:,f}"


def _units(key: str, label: str, quantity: Decimal, unit_price: Decimal) -> Charge:
    return Charge(key, label, quantity, unit_price, times(quantity, unit_price))


def _percent(key: str, label: str, base: Decimal, percent: Decimal) -> Charge:
    return Charge(key, label, base, percent_of(Decimal(1), percent), percent_of(base, percent))


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
        charges.append(_tier_charge(number, floor, tier, ceiling - floor))
        floor = ceiling
        if tier.up_to is None or quantity <= tier.up_to:
            break
    return tuple(charges)


def _tier_charge(number: int, floor: Decimal, tier: Tier, units: Decimal) -> Charge:
    if tier.block_size is not None:
        units = started(units, tier.block_size)
    amount = plus(times(units, tier.unit_price), tier.flat_fee)
    label = tier_label(floor, tier)
    return Charge(f"tier-{number}", label, units, tier.unit_price, amount)


def _rate_whole(
    quantity: Decimal, tiers: Sequence[Tier], *, flat_fee_at_zero: bool
) -> tuple[Charge, ...]:
    """Rate the whole quantity at the one tier it falls in."""
    if not quantity and not flat_fee_at_zero:
        return ()
    floor = ZERO
    for number, tier in enumerate(tiers, start=1):
        if tier.up_to is None or quantity <= tier.up_to:
            return (_tier_charge(number, floor, tier, quantity),)
        floor = tier.up_to
    raise AssertionError("the last tier is unbounded")


def _rate_package(quantity: Decimal, model: Package) -> tuple[Charge, ...]:
    """Rate packages of the units beyond the free ones: started ones, or only full ones."""
    billable = max(ZERO, quantity - model.free_units)
    packages = (filled if model.whole_only else started)(billable, model.size)
    if model.at_least_one:
        packages = max(packages, Decimal(1))
    return (_units("package", f"Packages of {model.size:,f}", packages, model.package_price),)


def _rate_graduated_percentage(amount: Decimal, model: GraduatedPercentage) -> tuple[Charge, ...]:
    tiers = tuple(
        Tier(tier.up_to, percent_of(Decimal(1), tier.percent), tier.flat_fee)
        for tier in model.tiers
    )
    return _rate_graduated(amount, tiers, flat_fee_at_zero=model.flat_fee_at_zero)


def rate_percentage(amounts: Sequence[Decimal], model: Percentage) -> tuple[Charge, ...]:
    """Rate the money of single events, in the order they happened.

    :param amounts: one per event; negative ones count as nothing.
    :returns: the percentage, the fees, and what the bounds per event add or take off.
    """
    events_left = model.free_events or 0
    amount_left = model.free_amount
    is_free = bool(model.free_events or model.free_amount)
    charged, fees, raised, lowered = ZERO, ZERO, ZERO, ZERO
    for amount in amounts:
        rest = max(ZERO, amount)
        if is_free and (model.free_events is None or events_left):
            events_left -= 1
            covered = rest if amount_left is None else min(rest, amount_left)
            amount_left = None if amount_left is None else amount_left - covered
            is_free = amount_left is None or amount_left > 0
            rest -= covered
            if not rest:
                continue
        price = plus(percent_of(rest, model.percent), model.fixed_fee)
        charged = plus(charged, rest)
        fees = plus(fees, Decimal(1))
        if model.minimum is not None:
            raised = plus(raised, max(ZERO, model.minimum - price))
        if model.maximum is not None:
            lowered = plus(lowered, min(ZERO, model.maximum - price))
    charges = [_percent("percentage", "Percentage", charged, model.percent)]
    if model.fixed_fee:
        charges.append(_units("fee", "Fee per event", fees, model.fixed_fee))
    for key, label, change in (
        ("event-minimum", "Up to the minimum per event", raised),
        ("event-maximum", "Down to the maximum per event", lowered),
    ):
        if change:
            charges.append(Charge(key, label, Decimal(1), change, change))
    return tuple(charges)


def rate_capacity(used: dict[str, Decimal], model: Capacity) -> tuple[Charge, ...]:
    """Rate usage of several units at the first tier that holds all of it."""
    chosen, number = model.tiers[-1], len(model.tiers)
    for position, tier in enumerate(model.tiers, start=1):
        if all(limit is None or used.get(unit, ZERO) <= limit for unit, limit in tier.limits):
            chosen, number = tier, position
            break
    label = f"Capacity {number}"
    return (Charge(f"tier-{number}", label, Decimal(1), chosen.price, chosen.price),)
