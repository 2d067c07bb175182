"""A price drawn by quantity, and one quantity step by step. The amounts come from rating."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from monetization.catalog.web.sampling import Sample
from monetization.interface.templatetags.money import quantity
from monetization.kernel.money import ZERO
from monetization.pricing.arithmetic import exact_sum
from monetization.pricing.estimate import Component
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
    """One part of a calculation: a tier, a discount, what a minimum adds."""

    label: str
    units: Decimal | None
    unit_price: Decimal | None
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


def calculate(sample: Sample, units: Decimal) -> Calculation:
    """Price a quantity and show how it adds up."""
    lines = [line for line in sample.priced(units) if line.kind == "item" or line.amount]
    exact = exact_sum(line.exact for line in lines)
    in_currency = sample.modifiers.pricing_unit is None
    return Calculation(
        quantity=units,
        steps=tuple(
            _step(part, in_currency=in_currency) for line in lines for part in line.components
        ),
        exact=exact,
        total=exact_sum(line.amount.amount for line in lines),
        per_unit=_per_unit(exact, units),
    )


def _step(part: Component, *, in_currency: bool) -> Step:
    flat_fee = ZERO
    if part.key.startswith("tier-") and in_currency and part.unit_price is not None:
        flat_fee = part.exact - (part.quantity or ZERO) * part.unit_price
    return Step(part.label, part.quantity, part.unit_price, flat_fee, part.exact)


def _per_unit(exact: Decimal, units: Decimal) -> Decimal | None:
    if not units:
        return None
    value = exact / units
    if not value:
        return ZERO
    return value.quantize(Decimal(1).scaleb(max(value.adjusted() - _UNIT_PLACES + 1, -12)))


def default_range(model: ChargeModel, included: Decimal = ZERO) -> Decimal:
    """Return how far to draw: half as far again as the last bound of a tier or ten packages.

    :param included: units that are included before the price begins; they come on top.
    """
    if included:
        return included + default_range(model)
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


def even_points(sample: Sample, up_to: Decimal) -> tuple[Point, ...]:
    """Return points at even distances from zero, whole units where the range allows."""
    step = up_to / POINTS
    if up_to >= POINTS:
        step = step.to_integral_value(ROUND_CEILING)
    return tuple(_point(sample, step * number) for number in range(POINTS + 1))


def table_points(sample: Sample, up_to: Decimal) -> tuple[Point, ...]:
    """Return the quantities worth reading: round ones, and both sides of every bound."""
    wanted = {ZERO, up_to, *(up_to * part / 4 for part in (1, 2, 3))}
    model = sample.model.price if isinstance(sample.model, Seat) else sample.model
    if isinstance(model, Graduated | Volume | StairStep | GraduatedPercentage):
        bounds = [bound for bound in _bounds(model.tiers) if bound <= up_to]
        wanted = {ZERO, up_to}
        for bound in bounds[: MAX_ROWS // 2 - 1]:
            wanted |= {bound, bound + 1}
    return tuple(_point(sample, units) for units in sorted(wanted))


def _point(sample: Sample, units: Decimal) -> Point:
    lines = sample.priced(units)
    exact = exact_sum(line.exact for line in lines)
    return Point(units, exact_sum(line.amount.amount for line in lines), _per_unit(exact, units))


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
