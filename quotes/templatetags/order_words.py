"""What was agreed, in the words of an order form. Shared by pages and by the printed document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import template

from monetization.interface.templatetags.money import (
    day,
    money,
    percent,
    period,
    quantity,
    unit_price,
)
from monetization.kernel.money import Money, MoneyError
from monetization.pricing.codec import price_from_data
from monetization.pricing.prices import (
    ChargeModel,
    Flat,
    Graduated,
    Package,
    PerUnit,
    PriceError,
    StairStep,
    Tier,
    Volume,
)
from monetization.pricing.terms import DiscountTerms, ItemTerms, PhaseTerms

register = template.Library()

_FREQUENCIES = {
    "one_time": "Once",
    "weekly": "Weekly",
    "monthly": "Monthly",
    "quarterly": "Quarterly",
    "half_yearly": "Half-yearly",
    "yearly": "Yearly",
}
_PER = {
    "weekly": "a week",
    "monthly": "a month",
    "quarterly": "a quarter",
    "half_yearly": "a half-year",
    "yearly": "a year",
}
_EVENTS = {
    "quote.created": "Quote created",
    "quote.sent": "Sent for signature",
    "quote.viewed": "Opened by the signer",
    "quote.accepted": "Accepted",
    "quote.declined": "Declined",
    "quote.expired": "Expired without a signature",
    "order_form.signed": "Order form signed",
}


@register.filter
def rate(value: Any, currency: str) -> str:
    """Write a price: as money where it is whole minor units, else with all its places."""
    if value is None or value == "":
        return "–"
    try:
        return money(Money(Decimal(value), currency))
    except MoneyError:
        return unit_price(value, currency)


@register.filter
def frequency_words(value: Any) -> str:
    """Say how often something is billed: "Monthly"."""
    return _FREQUENCIES.get(str(value), str(value))


@register.filter
def per_period(value: Any) -> str:
    """Say the period of a minimum: "a month"."""
    return _PER.get(str(value), "once")


@register.filter
def billed_words(item: ItemTerms) -> str:
    """Say when a line is billed: "Monthly in advance", "Once, at the start"."""
    if item.frequency.value == "one_time":
        return "Once, at the start" if item.timing == "in_advance" else "Once, at the end"
    timing = "in advance" if item.timing == "in_advance" else "in arrears"
    return f"{frequency_words(item.frequency.value)} {timing}"


@register.filter
def quantity_words(item: ItemTerms) -> str:
    if item.kind == "usage":
        return "as used"
    return "–" if isinstance(item.model, Flat) else quantity(item.quantity)


@register.filter
def price_words(model: ChargeModel, currency: str) -> str:
    """Say a price in one line: "$60.00 each", "$5.00 per 10,000, first 50,000 free"."""
    match model:
        case Flat(amount):
            return rate(amount, currency)
        case PerUnit(price):
            return f"{rate(price, currency)} each"
        case Graduated():
            return "by tier"
        case Volume():
            return "all units at one tier"
        case StairStep():
            return "one fee by tier"
        case Package(size, package_price, free_units, at_least_one):
            text = f"{rate(package_price, currency)} per {quantity(size)}"
            if free_units:
                text += f", first {quantity(free_units)} free"
            return f"{text}, at least one" if at_least_one else text
        case _:
            return "as in the price list"


@dataclass(frozen=True, slots=True)
class TierRow:
    """A tier as the document shows it."""

    label: str
    price: str


_TIERED = (Graduated, Volume, StairStep)


@register.filter
def tier_rows(model: ChargeModel, currency: str) -> tuple[TierRow, ...]:
    """Return the tiers of a price in words; none for a price without tiers."""
    tiers: tuple[Tier, ...] = model.tiers if isinstance(model, _TIERED) else ()
    rows, floor = [], Decimal(0)
    for tier in tiers:
        rows.append(TierRow(_tier_label(floor, tier.up_to), _tier_price(model, tier, currency)))
        floor = tier.up_to or floor
    return tuple(rows)


def _tier_label(floor: Decimal, up_to: Decimal | None) -> str:
    if up_to is None:
        return f"Over {quantity(floor)}" if floor else "All units"
    return f"{quantity(floor)} to {quantity(up_to)}" if floor else f"Up to {quantity(up_to)}"


def _tier_price(model: ChargeModel, tier: Tier, currency: str) -> str:
    if isinstance(model, StairStep):
        return rate(tier.flat_fee, currency)
    text = f"{rate(tier.unit_price, currency)} each"
    return f"{text} + {rate(tier.flat_fee, currency)}" if tier.flat_fee else text


@register.filter
def discount_words(discount: DiscountTerms, phase: PhaseTerms) -> str:
    """Name a discount and what it applies to."""
    if discount.item_keys is None:
        return discount.label
    names = [item.product_name for item in phase.items if item.key in discount.item_keys]
    return f"{discount.label} on {', '.join(names)}"


@register.filter
def event_words(event_type: str) -> str:
    return _EVENTS.get(event_type, event_type.replace(".", " ").replace("_", " ").capitalize())


@register.filter
def of_phase(amounts: Mapping[str, Any], phase: PhaseTerms) -> Any:
    return amounts.get(phase.key)


@register.filter
def months_words(phase: PhaseTerms) -> str:
    """Say how long a phase is: "12 months", "open-ended"."""
    if phase.end_on is None:
        return "open-ended"
    start, end = phase.start_on, phase.end_on
    months = (end.year - start.year) * 12 + end.month - start.month
    return "1 month" if months == 1 else f"{months} months"


@register.filter
def month_count(phase: PhaseTerms) -> int:
    """Return how long a phase is, at least a month; an open end weighs a year."""
    if phase.end_on is None:
        return 12
    start, end = phase.start_on, phase.end_on
    return max(1, (end.year - start.year) * 12 + end.month - start.month)


_PHASE_KINDS = {"standard": "Standard", "trial": "Trial", "ramp": "Ramp"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One side of a change, waiting for the currency its amounts are in."""

    value: Any
    kind: str


@register.filter
def fact(value: Any, kind: str) -> Fact:
    return Fact(value, kind)


@register.filter
def in_currency(side: Fact, currency: str) -> str:
    """Write one side of a change as people read it; a dash where it is not there."""
    value = side.value
    if side.kind == "end":
        return day(value) if value else "open-ended"
    if value is None or value == "":
        return "–"
    write = _WRITERS.get(side.kind)
    return write(value, currency) if write else str(value)


def _line_words(item: ItemTerms, currency: str) -> str:
    price = "; ".join(
        [price_words(item.model, currency)]
        + [f"{row.label}: {row.price}" for row in tier_rows(item.model, currency)]
    )
    return f"{quantity_words(item)} × {price}, {billed_words(item).lower()}"


def _price_facts(model: ChargeModel, currency: str) -> str:
    rows = [f"{row.label}: {row.price}" for row in tier_rows(model, currency)]
    return "; ".join([price_words(model, currency), *rows])


def _phase_words(phase: PhaseTerms, currency: str) -> str:
    names = ", ".join(item.product_name for item in phase.items) or "no products"
    return f"{months_words(phase)}: {names}"


_WRITERS: dict[str, Callable[[Any, str], str]] = {
    "money": lambda value, currency: money(value),
    "amount": lambda value, currency: rate(value, currency),
    "day": lambda value, currency: day(value),
    "days": lambda value, currency: f"{value} days" if value else "at once",
    "flag": lambda value, currency: "yes" if value else "no",
    "percent": lambda value, currency: percent(value),
    "quantity": lambda value, currency: quantity(value),
    "price": _price_facts,
    "frequency": lambda value, currency: frequency_words(value),
    "timing": lambda value, currency: str(value).replace("_", " "),
    "kind": lambda value, currency: _PHASE_KINDS.get(value, value),
    "period": lambda value, currency: period(*value),
    "phase": _phase_words,
    "line": _line_words,
}


@register.filter
def list_words(data: Any, currency: str) -> str:
    """Say a stored list price in one line; nothing for one that cannot be read."""
    try:
        return price_words(price_from_data(data), currency)
    except PriceError:
        return ""
