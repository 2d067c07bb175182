"""A price in words: a line for lists, and its numbers for its own page."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from monetization.interface.templatetags.money import percent, quantity, unit_price
from monetization.kernel.money import ZERO
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
    PerUnit,
    Seat,
    StairStep,
    TimeOfUse,
    Volume,
    Window,
)
from monetization.pricing.rating import tier_label
from monetization.pricing.terms import DiscountTerms
from monetization.pricing.terms.modifiers import Commitment, PriceModifiers

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SEAT_MODES = {
    "prorate_increments": "Added seats by the day; removed ones wait for the next period",
    "prorate_all": "Added and removed seats by the day",
    "peak": "The highest number in the period, at full price",
    "period_start": "The number the period starts with",
}
_WINDOWS = {
    "over_contract_year": "per contract year",
    "over_contract": "over the whole term",
}
OF_MONEY = (Percentage, GraduatedPercentage, Dynamic, CostPlus, PercentOf)


@dataclass(frozen=True, slots=True)
class TierRow:
    """A tier as people read it."""

    label: str
    each: str
    flat_fee: Decimal


def summary(model: ChargeModel, currency: str) -> str:
    """Describe a price in a few words: "$0.10 to $0.08 per unit in 2 tiers"."""
    match model:
        case Flat(amount):
            return unit_price(amount, currency)
        case PerUnit(price):
            return f"{unit_price(price, currency)} per unit"
        case Package():
            text = f"{unit_price(model.package_price, currency)} per {quantity(model.size)}"
            return f"{text}, {quantity(model.free_units)} free" if model.free_units else text
        case StairStep(tiers):
            return f"{_range([tier.flat_fee for tier in tiers], currency)} in {_count(tiers)}"
        case Graduated(tiers) | Volume(tiers):
            prices = _range([tier.unit_price for tier in tiers], currency)
            return f"{prices} per unit in {_count(tiers)}"
        case Seat():
            return summary(model.price, currency).replace("per unit", "per seat")
        case Percentage():
            fee = f" + {unit_price(model.fixed_fee, currency)}" if model.fixed_fee else ""
            return f"{percent(model.percent)}{fee} per event"
        case GraduatedPercentage(tiers):
            first, last = percent(tiers[0].percent), percent(tiers[-1].percent)
            return f"{first if first == last else f'{first} to {last}'} in {_count(tiers)}"
        case Dynamic(multiplier):
            times = "" if multiplier == 1 else f", times {quantity(multiplier)}"
            return f"The amounts of the events{times}"
        case CostPlus(markup):
            return f"Cost plus {percent(markup)}"
        case PercentOf(share):
            return f"{percent(share)} of other lines"
        case Matrix() | TimeOfUse():
            count = len(model.cells) if isinstance(model, Matrix) else len(model.windows)
            kind = "properties" if isinstance(model, Matrix) else "time"
            rest = unit_price(model.default_unit_price, currency)
            return f"{count} price{'' if count == 1 else 's'} by {kind}, otherwise {rest}"
        case Capacity(tiers):
            return f"{_range([tier.price for tier in tiers], currency)} by capacity"
        case _:
            assert_never(model)


def _range(prices: Sequence[Decimal], currency: str) -> str:
    first, last = unit_price(prices[0], currency), unit_price(prices[-1], currency)
    return first if first == last else f"{first} to {last}"


def _count(tiers: Sequence[object]) -> str:
    return "1 tier" if len(tiers) == 1 else f"{len(tiers)} tiers"


def tier_rows(model: ChargeModel, currency: str) -> tuple[TierRow, ...]:
    """Return the tiers of a tiered price, in order; nothing for the others."""
    rows, floor = [], ZERO
    if isinstance(model, Seat):
        return tier_rows(model.price, currency)
    if isinstance(model, GraduatedPercentage):
        for step in model.tiers:
            rows.append(TierRow(tier_label(floor, step), percent(step.percent), step.flat_fee))
            floor = step.up_to if step.up_to is not None else floor
    elif isinstance(model, Graduated | Volume | StairStep):
        for tier in model.tiers:
            each = unit_price(tier.unit_price, currency)
            if tier.block_size is not None:
                each = f"{each} per started {quantity(tier.block_size)}"
            rows.append(TierRow(tier_label(floor, tier), each, tier.flat_fee))
            floor = tier.up_to if tier.up_to is not None else floor
    return tuple(rows)


def facts(model: ChargeModel, currency: str, unit: str) -> list[tuple[str, str]]:
    """Return the numbers of a price that has no tiers, or stand beside them, label by label."""
    match model:
        case Flat(amount):
            return [("Amount", f"{unit_price(amount, currency)} per period")]
        case PerUnit(price):
            return [(f"Each of the {unit}", unit_price(price, currency))]
        case Package():
            return _package_facts(model, currency, unit)
        case Seat():
            inner = facts(model.price, currency, unit)
            least = [("At least", f"{quantity(model.contracted_minimum)} {unit}")]
            changes = [("When seats change", _SEAT_MODES[model.mode])]
            return [*inner, *(least if model.contracted_minimum else []), *changes]
        case Percentage():
            return _percentage_facts(model, currency)
        case Matrix():
            cells = [
                (
                    "; ".join(f"{name}: {', '.join(values)}" for name, values in cell.match),
                    unit_price(cell.unit_price, currency),
                )
                for cell in model.cells
            ]
            return [*cells, ("Everything else", unit_price(model.default_unit_price, currency))]
        case TimeOfUse():
            windows = [(span(one), unit_price(one.unit_price, currency)) for one in model.windows]
            return [*windows, ("Any other time", unit_price(model.default_unit_price, currency))]
        case Capacity():
            return [
                (
                    ", ".join(
                        f"{name} up to {quantity(limit) if limit is not None else 'any amount'}"
                        for name, limit in tier.limits
                    ),
                    unit_price(tier.price, currency),
                )
                for tier in model.tiers
            ]
        case Graduated() | Volume() | StairStep() | GraduatedPercentage():
            return []
        case Dynamic() | CostPlus() | PercentOf():
            return [("Price", summary(model, currency))]
        case _:
            assert_never(model)


def modifier_facts(modifiers: PriceModifiers, currency: str, unit: str) -> list[tuple[str, str]]:
    """Return what a price says beside its charge model, label by label."""
    rows: list[tuple[str, str]] = []
    conversion = modifiers.conversion
    if conversion is not None:
        sign = "×" if conversion.operation == "multiply" else "÷"
        text = f"Measured ones {sign} {quantity(conversion.factor)}"
        if conversion.rounding != "none":
            places = f" to {conversion.precision} places" if conversion.precision else ""
            text += f", rounded {conversion.rounding.replace('_', ' ')}{places}"
        rows.append(("Units", text))
    if modifiers.included is not None:
        per = _WINDOWS.get(modifiers.accumulation, "per billing period")
        part = "; a part of a period has a part" if modifiers.included.is_prorated else ""
        rows.append(("Included", f"{quantity(modifiers.included.units)} {unit} {per}{part}"))
    if modifiers.accumulation in _WINDOWS:
        rows.append(("Tiers count", _WINDOWS[modifiers.accumulation]))
    rows += [(one.label, _off(one, currency, unit)) for one in modifiers.discounts]
    for label, rule in (("At most", modifiers.cap), ("At least", modifiers.minimum)):
        if rule is not None:
            rows.append((label, _commitment(rule, currency)))
    if modifiers.pricing_unit is not None:
        own = modifiers.pricing_unit
        rows.append(("Priced in", f"{own.code}; one is {unit_price(own.rate, currency)}"))
    if modifiers.credits is not None:
        sold = modifiers.credits
        held = "" if sold.amount is None else f"{quantity(sold.amount)} "
        lasts = sold.expires_after_months
        until = f", for {lasts} months" if lasts is not None else ""
        rows.append(("Sells credits", f"{held}{sold.unit_code or currency}{until}"))
    if modifiers.overage_frequency is not None:
        rhythm = modifiers.overage_frequency.value.replace("_", "-")
        rows.append(("Beyond the minimum", f"Billed {rhythm}"))
    return rows


def _off(discount: DiscountTerms, currency: str, unit: str) -> str:
    if discount.amount is not None:
        return f"{unit_price(discount.amount, currency)} off"
    if discount.free_units is not None:
        return f"{quantity(discount.free_units)} {unit} free"
    return f"{percent(discount.percent)} off"


def _commitment(rule: Commitment, currency: str) -> str:
    per = _WINDOWS.get(rule.window, "per billing period")
    text = f"{unit_price(rule.amount, currency)} {per}"
    if rule.overage_factor is not None:
        text += f"; beyond it {quantity(rule.overage_factor)} times"
    return text if rule.is_prorated else f"{text}; whole in a part of one"


def _package_facts(model: Package, currency: str, unit: str) -> list[tuple[str, str]]:
    kind = "full" if model.whole_only else "started"
    price = unit_price(model.package_price, currency)
    rows = [("Package", f"{price} per {kind} {quantity(model.size)} {unit}")]
    if model.free_units:
        rows.append(("Free", f"{quantity(model.free_units)} {unit}"))
    if model.at_least_one:
        rows.append(("At least", "One package, without usage too"))
    return rows


def _percentage_facts(model: Percentage, currency: str) -> list[tuple[str, str]]:
    rows = [("Of each event's amount", percent(model.percent))]
    if model.fixed_fee:
        rows.append(("Per event", unit_price(model.fixed_fee, currency)))
    if model.free_events is not None:
        rows.append(("Free", f"{model.free_events:,} events"))
    for label, value in (
        ("Free amount", model.free_amount),
        ("At least, per event", model.minimum),
        ("At most, per event", model.maximum),
    ):
        if value is not None:
            rows.append((label, unit_price(value, currency)))
    return rows


def span(window: Window) -> str:
    return f"{_moment(window.start_minute)} – {_moment(window.end_minute, is_end=True)}"


def _moment(minute: int, *, is_end: bool = False) -> str:
    day, rest = divmod(minute, 24 * 60)
    if is_end and not rest:
        day, rest = day - 1, 24 * 60  # what ends at midnight ends at 24:00 of its day
    return f"{_DAYS[day]} {rest // 60:02d}:{rest % 60:02d}"
