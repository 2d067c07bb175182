"""Every charge model in words: one line for the price, and rows for what the line leaves out."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, assert_never

from monetization.interface.templatetags.money import money, percent, quantity, unit_price
from monetization.kernel.money import Money, MoneyError
from monetization.pricing.prices import (
    Capacity,
    CapacityTier,
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
    PerUnit,
    Seat,
    StairStep,
    Tier,
    TimeOfUse,
    Volume,
    Window,
)

_SEAT_MODES = {
    "prorate_increments": "added seats are charged for the days left",
    "prorate_all": "seats are charged by the day",
    "peak": "the highest number in the period",
    "period_start": "the number at the start of the period",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A part of a price as the document shows it: a tier, a kind of use, a limit."""

    label: str
    price: str


def rate(value: Any, currency: str) -> str:
    """Write a price: as money where it is whole minor units, else with all its places."""
    if value is None or value == "":
        return "–"
    try:
        return money(Money(Decimal(value), currency))
    except MoneyError:
        return unit_price(value, currency)


def price_line(model: ChargeModel, currency: str) -> str:
    """Say a price in one line: "$60.00 each", "$5.00 per 10,000, first 50,000 free"."""
    match model:
        case Flat(amount):
            return rate(amount, currency)
        case PerUnit(price):
            return f"{rate(price, currency)} each"
        case Graduated() | GraduatedPercentage():
            return "by tier"
        case Volume():
            return "all units at one tier"
        case StairStep() | Capacity():
            return "one fee by size"
        case Package():
            return _package(model, currency)
        case Percentage():
            fee = f" + {rate(model.fixed_fee, currency)} each" if model.fixed_fee else ""
            return f"{percent(model.percent)} of each amount{fee}"
        case Dynamic(multiplier):
            return "as metered" if multiplier == 1 else f"{quantity(multiplier)} × as metered"
        case CostPlus(markup):
            return f"cost + {percent(markup)}"
        case Matrix() | TimeOfUse():
            return "by kind of use" if isinstance(model, Matrix) else "by time of use"
        case PercentOf(share, keys):
            return f"{percent(share)} of {', '.join(keys) if keys else 'the other lines'}"
        case Seat():
            least = model.contracted_minimum
            at_least = f", at least {quantity(least)}" if least else ""
            return price_line(model.price, currency) + at_least
        case _:
            assert_never(model)


def _package(model: Package, currency: str) -> str:
    text = f"{rate(model.package_price, currency)} per {quantity(model.size)}"
    if model.whole_only:
        text += " complete"
    if model.free_units:
        text += f", first {quantity(model.free_units)} free"
    return f"{text}, at least one" if model.at_least_one else text


def price_rows(model: ChargeModel, currency: str) -> tuple[PriceRow, ...]:
    """Return what the one line leaves out; nothing for a price that needs no more."""
    match model:
        case Graduated() | Volume() | StairStep():
            return _tiers(model, currency)
        case GraduatedPercentage():
            floors = [Decimal(0), *(tier.up_to or Decimal(0) for tier in model.tiers)]
            return tuple(
                PriceRow(
                    _span(floor, tier.up_to, currency),
                    percent(tier.percent) + _plus(tier.flat_fee, currency),
                )
                for floor, tier in zip(floors, model.tiers, strict=False)
            )
        case Percentage():
            return _percentage_rows(model, currency)
        case Matrix():
            cells = [
                PriceRow(
                    "; ".join(f"{name}: {', '.join(values)}" for name, values in cell.match),
                    f"{rate(cell.unit_price, currency)} each",
                )
                for cell in model.cells
            ]
            other = f"{rate(model.default_unit_price, currency)} each"
            return (*cells, PriceRow("Anything else", other))
        case TimeOfUse():
            windows = [
                PriceRow(_window(window), f"{rate(window.unit_price, currency)} each")
                for window in model.windows
            ]
            other = f"{rate(model.default_unit_price, currency)} each"
            return (*windows, PriceRow("Any other time", other))
        case Capacity():
            return tuple(
                PriceRow(_limits(tier), rate(tier.price, currency)) for tier in model.tiers
            )
        case Seat():
            counted = PriceRow("Counted", _SEAT_MODES.get(model.mode, model.mode))
            return (*price_rows(model.price, currency), counted)
        case _:
            return ()


def _tiers(model: Graduated | Volume | StairStep, currency: str) -> tuple[PriceRow, ...]:
    rows, floor = [], Decimal(0)
    for tier in model.tiers:
        rows.append(PriceRow(_span(floor, tier.up_to), _tier_price(model, tier, currency)))
        floor = tier.up_to or floor
    if rows and model.tiers[0].flat_fee and not model.flat_fee_at_zero:
        rows.append(PriceRow("Nothing used", rate(Decimal(0), currency)))
    return tuple(rows)


def _tier_price(model: Graduated | Volume | StairStep, tier: Tier, currency: str) -> str:
    if isinstance(model, StairStep):
        return rate(tier.flat_fee, currency)
    unit = f"per {quantity(tier.block_size)}" if tier.block_size else "each"
    return f"{rate(tier.unit_price, currency)} {unit}{_plus(tier.flat_fee, currency)}"


def _plus(fee: Decimal, currency: str) -> str:
    return f" + {rate(fee, currency)}" if fee else ""


def _span(floor: Decimal, up_to: Decimal | None, currency: str = "") -> str:
    def write(bound: Decimal) -> str:
        return rate(bound, currency) if currency else quantity(bound)

    if up_to is None:
        return f"Over {write(floor)}" if floor else "All units"
    return f"{write(floor)} to {write(up_to)}" if floor else f"Up to {write(up_to)}"


def _percentage_rows(model: Percentage, currency: str) -> tuple[PriceRow, ...]:
    found = (
        ("Free, whichever ends first: events", model.free_events and quantity(model.free_events)),
        (
            "Free, whichever ends first: amount",
            model.free_amount and rate(model.free_amount, currency),
        ),
        ("At least, each", model.minimum and rate(model.minimum, currency)),
        ("At most, each", model.maximum and rate(model.maximum, currency)),
    )
    return tuple(PriceRow(label, str(text)) for label, text in found if text)


def _window(window: Window) -> str:
    return f"{_moment(window.start_minute)} to {_moment(window.end_minute)}"


def _moment(minute: int) -> str:
    day, rest = divmod(minute, 1440)
    if day == 7:
        return "Sun 24:00"
    return f"{_DAYS[day]} {rest // 60:02d}:{rest % 60:02d}"


def _limits(tier: CapacityTier) -> str:
    return ", ".join(
        f"{unit}: up to {quantity(limit)}" if limit is not None else f"{unit}: unlimited"
        for unit, limit in tier.limits
    )
