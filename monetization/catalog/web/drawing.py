"""A price drawn by quantity, and one quantity step by step. The amounts come from rating."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from monetization.interface.templatetags.money import quantity
from monetization.kernel.money import ZERO, Money
from monetization.pricing.prices import (
    ChargeModel,
    Graduated,
    GraduatedPercentage,
    Package,
    PercentTier,
    Seat,
    StairStep,
    Tier,
    Volume,
)
from monetization.pricing.rating import Charge, rate, rated_amount

POINTS = 40
MAX_ROWS = 16
_UNIT_PLACES = 6  # significant digits of an effective unit price


@dataclass(frozen=True, slots=True)
class Point:
    """What a quantity costs in total, and on average per unit."""

    quantity: Decimal
    total: Decimal
    per_unit: Decimal | None  # none at zero


@dataclass(frozen=True, slots=True)
class Step:
    """One charge of a calculation."""

    label: str
    units: Decimal
    unit_price: Decimal
    flat_fee: Decimal
    amount: Decimal  # exact


@dataclass(frozen=True, slots=True)
class Calculation:
    """A quantity under a price: the exact steps, and the amount an invoice would say."""

    quantity: Decimal
    steps: tuple[Step, ...]
    exact: Decimal
    total: Decimal
    per_unit: Decimal | None

    @property
    def has_flat_fee(self) -> bool:
        return any(step.flat_fee for step in self.steps)


def calculate(model: ChargeModel, units: Decimal, currency: str) -> Calculation:
    """Rate a quantity and show how it adds up."""
    charges = rate(model, units)
    exact = sum((charge.amount for charge in charges), start=ZERO)
    return Calculation(
        quantity=units,
        steps=tuple(_step(charge) for charge in charges),
        exact=exact,
        total=Money.rounded(exact, currency).amount,
        per_unit=_per_unit(exact, units),
    )


def _step(charge: Charge) -> Step:
    flat_fee = charge.amount - charge.quantity * charge.unit_price
    return Step(charge.label, charge.quantity, charge.unit_price, flat_fee, charge.amount)


def _per_unit(exact: Decimal, units: Decimal) -> Decimal | None:
    if not units:
        return None
    value = exact / units
    if not value:
        return ZERO
    return value.quantize(Decimal(1).scaleb(max(value.adjusted() - _UNIT_PLACES + 1, -12)))


def default_range(model: ChargeModel) -> Decimal:
    """Return how far to draw: half as far again as the last bound of a tier or ten packages."""
    match model:
        case Seat():
            return default_range(model.price)
        case Graduated() | Volume() | StairStep() | GraduatedPercentage():
            bounds = _bounds(model.tiers)
            return (
                (bounds[-1] * 3 / 2).to_integral_value(ROUND_CEILING) if bounds else Decimal(1000)
            )
        case Package():
            return (model.free_units + model.size * 10).to_integral_value(ROUND_CEILING)
        case _:
            return Decimal(1000)


def _bounds(tiers: Sequence[Tier | PercentTier]) -> list[Decimal]:
    return [tier.up_to for tier in tiers if tier.up_to is not None]


def even_points(model: ChargeModel, up_to: Decimal, currency: str) -> tuple[Point, ...]:
    """Return points at even distances from zero, whole units where the range allows."""
    step = up_to / POINTS
    if up_to >= POINTS:
        step = step.to_integral_value(ROUND_CEILING)
    return tuple(_point(model, step * number, currency) for number in range(POINTS + 1))


def table_points(model: ChargeModel, up_to: Decimal, currency: str) -> tuple[Point, ...]:
    """Return the quantities worth reading: round ones, and both sides of every bound."""
    wanted = {ZERO, up_to, *(up_to * part / 4 for part in (1, 2, 3))}
    model = model.price if isinstance(model, Seat) else model
    if isinstance(model, Graduated | Volume | StairStep | GraduatedPercentage):
        bounds = [bound for bound in _bounds(model.tiers) if bound <= up_to]
        wanted = {ZERO, up_to}
        for bound in bounds[: MAX_ROWS // 2 - 1]:
            wanted |= {bound, bound + 1}
    return tuple(_point(model, units, currency) for units in sorted(wanted))


def _point(model: ChargeModel, units: Decimal, currency: str) -> Point:
    exact = rated_amount(model, units)
    return Point(units, Money.rounded(exact, currency).amount, _per_unit(exact, units))


def charts(points: Sequence[Point], currency: str, unit: str) -> tuple[dict[str, Any], ...]:
    """Return what the two charts draw: the total, and the average price of a unit."""
    labels = [quantity(point.quantity) for point in points]
    total = {"name": f"Total, {currency}", "values": [str(point.total) for point in points]}
    average = {
        "name": f"{currency} per unit of {unit}",
        "values": [None if one.per_unit is None else str(one.per_unit) for one in points],
    }
    return (
        {"type": "line", "labels": labels, "series": [total]},
        {"type": "line", "labels": labels, "series": [average]},
    )
