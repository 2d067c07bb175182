"""Quantity x price -> charges. Exact: nothing is rounded here."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from monetization.kernel.money import ZERO
from monetization.pricing.arithmetic import (
    ONE,
    exact_sum,
    filled,
    minus,
    percent_of,
    plus,
    started,
    times,
)
from monetization.pricing.memo import by_identity
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


class Charge(NamedTuple):
    """One rated component. ``key`` is stable across recalculations, so drafts can be diffed."""

    key: str
    label: str
    quantity: Decimal  # units
    unit_price: Decimal  # currency per unit
    amount: Decimal  # currency, exact: not yet money


Charges = tuple[Charge, ...]
_charge = partial(tuple.__new__, Charge)  # a third of the time of calling it


def rate(model: ChargeModel, quantity: Decimal) -> Charges:
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
    return RATERS[type(model)](model, quantity)


def rated_amount(model: ChargeModel, quantity: Decimal) -> Decimal:
    """Return the exact amount of a quantity under a charge model."""
    return exact_sum([charge.amount for charge in rate(model, quantity)])


def tier_label(floor: Decimal, tier: Tier | PercentTier) -> str:
    """Describe a tier as people read it: "Up to 1,000", "1,000 to 5,000", "Over 5,000"."""
    if tier.up_to is None:
        return f"Over {floor:,f}" if floor else "All units"
    return f"{floor:,f} to {tier.up_to:,f}" if floor else f"Up to {tier.up_to:,f}"


def _units(key: str, label: str, quantity: Decimal, unit_price: Decimal) -> Charge:
    return _charge((key, label, quantity, unit_price, times(quantity, unit_price)))


def _percent(key: str, label: str, base: Decimal, percent: Decimal) -> Charge:
    return Charge(key, label, base, percent_of(ONE, percent), percent_of(base, percent))


Found = tuple[int, str, str, Decimal, Decimal, Decimal]  # tiers used up; then a charge


class Reach(NamedTuple):
    """A price by quantity made ready: tiers used up cost the same on every line beyond them."""

    full: Charges  # of every bounded tier used up
    find: Callable[[Decimal], Found | None]  # what a quantity comes to beyond them; None: nothing


def reach_of(model: ChargeModel) -> Reach | None:
    """Return a model made ready; None if it is not one charge after tiers used up."""
    return _ready(model) if type(model) in REACHES else None


@by_identity
def _ready(model: ChargeModel) -> Reach:
    return REACHES[type(model)](model)


def _rate_reached(model: ChargeModel, quantity: Decimal) -> Charges:
    full, find = _ready(model)
    found = find(quantity)
    return () if found is None else (*full[: found[0]], _charge(found[1:]))


def _reach_flat(model: Flat) -> Reach:
    found = (0, "flat", "Flat fee", ONE, model.amount, model.amount)
    return Reach((), lambda quantity: found)


def _reach_per_unit(model: PerUnit) -> Reach:
    unit_price = model.unit_price

    def find(quantity: Decimal) -> Found:
        return 0, "unit", "Per unit", quantity, unit_price, times(quantity, unit_price)

    return Reach((), find)


def _reach_graduated(model: Graduated | GraduatedPercentage) -> Reach:
    """Rate each slice at the price of the tier it falls in; ``up_to`` belongs to the lower.

    Worked example (docs/pricing.md, "Graduated"): 1,200 units at 0.10 for the first 1,000 and
    0.08 beyond cost 1,000 x 0.10 + 200 x 0.08 = 116.00.
    """
    bounds, steps = _ladder(model)
    full = tuple(step.used_up(bound) for step, bound in zip(steps, bounds, strict=False))
    at_zero = model.flat_fee_at_zero

    def find(quantity: Decimal) -> Found | None:
        if not quantity and not at_zero:
            return None
        reached = bisect_left(bounds, quantity)
        key, label, floor, unit_price, flat_fee, size = steps[reached]
        units = minus(quantity, floor) if reached else quantity
        if size is not None:
            units = started(units, size)
        amount = times(units, unit_price)
        return reached, key, label, units, unit_price, plus(amount, flat_fee)

    return Reach(full, find)


def _reach_whole(model: Volume | StairStep) -> Reach:
    """Rate the whole quantity at the one tier it falls in."""
    bounds, steps = _ladder(model)
    at_zero = model.flat_fee_at_zero

    def find(quantity: Decimal) -> Found | None:
        if not quantity and not at_zero:
            return None
        key, label, _, unit_price, flat_fee, size = steps[bisect_left(bounds, quantity)]
        units = quantity if size is None else started(quantity, size)
        amount = times(units, unit_price)
        return 0, key, label, units, unit_price, plus(amount, flat_fee)

    return Reach((), find)


class _Step(NamedTuple):
    """A tier ready to be charged."""

    key: str
    label: str
    floor: Decimal
    unit_price: Decimal
    flat_fee: Decimal
    block_size: Decimal | None

    def used_up(self, bound: Decimal) -> Charge:
        units = minus(bound, self.floor)
        if self.block_size is not None:
            units = started(units, self.block_size)
        amount = plus(times(units, self.unit_price), self.flat_fee)
        return Charge(self.key, self.label, units, self.unit_price, amount)


def _ladder(
    model: Graduated | Volume | StairStep | GraduatedPercentage,
) -> tuple[tuple[Decimal, ...], tuple[_Step, ...]]:
    """Return the bounds of every tier but the last, inclusive, and the tiers."""
    tiers = [
        tier
        if isinstance(tier, Tier)
        else Tier(tier.up_to, percent_of(ONE, tier.percent), tier.flat_fee)
        for tier in model.tiers
    ]
    bounds = tuple(tier.up_to for tier in tiers if tier.up_to is not None)
    steps = tuple(
        _Step(
            f"tier-{number}",
            tier_label(floor, tier),
            floor,
            tier.unit_price,
            tier.flat_fee,
            tier.block_size,
        )
        for number, (floor, tier) in enumerate(zip((ZERO, *bounds), tiers, strict=True), start=1)
    )
    return bounds, steps


def _reach_package(model: Package) -> Reach:
    """Rate packages of the units beyond the free ones: started ones, or only full ones."""
    size, price, free = model.size, model.package_price, model.free_units
    label = f"Packages of {size:,f}"
    counted = filled if model.whole_only else started
    least = ONE if model.at_least_one else ZERO

    def find(quantity: Decimal) -> Found:
        billable = minus(quantity, free) if free else quantity
        packages = (counted(billable, size) if billable > ZERO else ZERO) or least
        return 0, "package", label, packages, price, times(packages, price)

    return Reach((), find)


def _reach_seat(model: Seat) -> Reach:
    (full, find), contracted = _ready(model.price), model.contracted_minimum
    return Reach(full, lambda quantity: find(max(quantity, contracted)))


def _rate_percentage(model: Percentage, quantity: Decimal) -> Charges:
    return rate_percentage([quantity] if quantity else [], model)


def _rate_dynamic(model: Dynamic, quantity: Decimal) -> Charges:
    return (_units("dynamic", "Amount of the events", quantity, model.multiplier),)


def _rate_cost_plus(model: CostPlus, quantity: Decimal) -> Charges:
    cost = _units("cost", "Cost", quantity, ONE)
    return (cost, _percent("markup", "Markup", quantity, model.markup_percent))


def _rate_default_cell(model: Matrix, quantity: Decimal) -> Charges:
    return (_units("default", "Other", quantity, model.default_unit_price),)


def _rate_percent_of(model: PercentOf, quantity: Decimal) -> Charges:
    return (_percent("percent", "Percentage of other lines", quantity, model.percent),)


def _rate_other_time(model: TimeOfUse, quantity: Decimal) -> Charges:
    return (_units("default", "Any other time", quantity, model.default_unit_price),)


def _rate_capacity(model: Capacity, quantity: Decimal) -> Charges:
    names = {name for tier in model.tiers for name, _ in tier.limits}
    return rate_capacity(dict.fromkeys(names, quantity), model)


def rate_percentage(amounts: Sequence[Decimal], model: Percentage) -> Charges:
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
        fees = plus(fees, ONE)
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
            charges.append(Charge(key, label, ONE, change, change))
    return tuple(charges)


def rate_capacity(used: dict[str, Decimal], model: Capacity) -> Charges:
    """Rate usage of several units at the first tier that holds all of it."""
    chosen, number = model.tiers[-1], len(model.tiers)
    for position, tier in enumerate(model.tiers, start=1):
        if all(limit is None or used.get(unit, ZERO) <= limit for unit, limit in tier.limits):
            chosen, number = tier, position
            break
    label = f"Capacity {number}"
    return (Charge(f"tier-{number}", label, ONE, chosen.price, chosen.price),)


# Every model of the union is in one of the two; a test says that none is missing.
REACHES: dict[type, Callable[[Any], Reach]] = {
    Flat: _reach_flat,
    PerUnit: _reach_per_unit,
    Graduated: _reach_graduated,
    GraduatedPercentage: _reach_graduated,
    Volume: _reach_whole,
    StairStep: _reach_whole,
    Package: _reach_package,
    Seat: _reach_seat,
}
RATERS: dict[type, Callable[[Any, Decimal], Charges]] = {
    **dict.fromkeys(REACHES, _rate_reached),
    Percentage: _rate_percentage,
    Dynamic: _rate_dynamic,
    CostPlus: _rate_cost_plus,
    Matrix: _rate_default_cell,
    PercentOf: _rate_percent_of,
    TimeOfUse: _rate_other_time,
    Capacity: _rate_capacity,
}
