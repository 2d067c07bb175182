"""What a price comes to by its definition alone: whole fractions, plain loops, nothing shared."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from math import ceil, floor

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

PLACES = {"JPY": 0, "USD": 2, "KWD": 3, "CLF": 4}  # ISO 4217


def cost(model: ChargeModel, quantity: Decimal) -> Fraction:
    """Return the exact cost of a quantity, read off the rule of each model."""
    units = Fraction(quantity)
    match model:
        case Flat(amount):
            return Fraction(amount)
        case PerUnit(unit_price):
            return units * Fraction(unit_price)
        case Graduated() | GraduatedPercentage() | Volume() | StairStep():
            return _tiered(model, units)
        case Package():
            return _packages(model, units) * Fraction(model.package_price)
        case Seat():
            return cost(model.price, max(quantity, model.contracted_minimum))
        case Percentage():
            return _event(model, units) if units else Fraction(0)
        case Dynamic(multiplier):
            return units * Fraction(multiplier)
        case CostPlus(markup):
            return units + units * Fraction(markup) / 100
        case PercentOf():
            return units * Fraction(model.percent) / 100
        case Matrix() | TimeOfUse():
            return units * Fraction(model.default_unit_price)
        case Capacity():
            holding = [
                tier
                for tier in model.tiers
                if all(limit is None or quantity <= limit for _, limit in tier.limits)
            ]
            return Fraction((holding or [model.tiers[-1]])[0].price)


def _tiered(
    model: Graduated | GraduatedPercentage | Volume | StairStep, units: Fraction
) -> Fraction:
    if not units and not model.flat_fee_at_zero:
        return Fraction(0)
    whole, below = Fraction(0), Fraction(0)
    for tier in model.tiers:
        above = None if tier.up_to is None else Fraction(tier.up_to)
        ends = above is None or units <= above
        if isinstance(model, Volume | StairStep):
            if ends:
                return _tier(tier, units)
        else:
            whole += _tier(tier, (units if ends else Fraction(tier.up_to or 0)) - below)
            if ends:
                return whole
        below = above or below
    raise AssertionError("the last tier has no end")


def _tier(tier: Tier | PercentTier, units: Fraction) -> Fraction:
    if isinstance(tier, PercentTier):
        return units * Fraction(tier.percent) / 100 + Fraction(tier.flat_fee)
    if tier.block_size is not None:
        units = Fraction(ceil(units / Fraction(tier.block_size)))
    return units * Fraction(tier.unit_price) + Fraction(tier.flat_fee)


def _packages(model: Package, units: Fraction) -> int:
    beyond = max(Fraction(0), units - Fraction(model.free_units)) / Fraction(model.size)
    count = floor(beyond) if model.whole_only else ceil(beyond)
    return max(1, count) if model.at_least_one else count


def _event(model: Percentage, amount: Fraction) -> Fraction:
    if model.free_events != 0 and (model.free_events or model.free_amount):
        free = amount if model.free_amount is None else Fraction(model.free_amount)
        amount = max(Fraction(0), amount - free)
        if not amount:
            return Fraction(0)
    price = amount * Fraction(model.percent) / 100 + Fraction(model.fixed_fee)
    if model.minimum is not None:
        price = max(price, Fraction(model.minimum))
    if model.maximum is not None:
        price = min(price, Fraction(model.maximum))
    return price


def rounded(exact: Fraction, currency: str) -> Decimal:
    """Round half away from zero to the currency's minor unit."""
    scale = 10 ** PLACES[currency]
    whole = floor(abs(exact) * scale + Fraction(1, 2)) * (1 if exact >= 0 else -1)
    with localcontext(prec=200, rounding=ROUND_HALF_UP):
        return Decimal(whole) / scale
