"""What was agreed beside prices, in words: billing, discounts, minimums, caps, included units."""

from collections.abc import Mapping

from monetization.interface.templatetags.money import percent, quantity
from monetization.pricing.prices import Flat
from monetization.pricing.terms import (
    CapTerms,
    DiscountTerms,
    ItemTerms,
    MinimumTerms,
    PhaseTerms,
)
from quotes.templatetags.price_words import PriceRow, rate

Names = Mapping[str, str]  # products by the key of their line

FREQUENCIES = {
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
_WINDOWS = {"over_contract_year": "a contract year", "over_contract": "over the whole term"}


def billed(item: ItemTerms) -> str:
    """Say when a line is billed: "Monthly in advance", "Once, at the start"."""
    if item.frequency.value == "one_time":
        return "Once, at the start" if item.timing == "in_advance" else "Once, at the end"
    timing = "in advance" if item.timing == "in_advance" else "in arrears"
    return f"{FREQUENCIES[item.frequency.value]} {timing}"


def how_many(item: ItemTerms) -> str:
    if item.kind == "usage":
        return "as used"
    return "–" if isinstance(item.model, Flat) else quantity(item.quantity)


def item_notes(item: ItemTerms, currency: str) -> tuple[str, ...]:
    """Return what else is agreed about a line; mostly nothing."""
    notes = []
    if item.included:
        per = _WINDOWS.get(item.accumulation) or _PER.get(item.frequency.value, "")
        notes.append(f"{quantity(item.included.units)} included {per}".strip())
    if item.accumulation in _WINDOWS:
        notes.append(f"tiers count {_WINDOWS[item.accumulation]}")
    if item.conversion:
        sign = "×" if item.conversion.operation == "multiply" else "÷"
        text = f"units are the measured ones {sign} {quantity(item.conversion.factor)}"
        if item.conversion.rounding != "none":
            text += f", rounded {item.conversion.rounding.replace('_', ' ')}"
        notes.append(text)
    if item.pricing_unit:
        one = rate(item.pricing_unit.rate, currency)
        notes.append(f"priced in {item.pricing_unit.code}, one is {one}")
    if item.credits:
        sold = item.credits
        held = f"{quantity(sold.amount)} " if sold.amount is not None else ""
        text = f"sells {held}{sold.unit_code or currency} of credits".replace("  ", " ")
        if sold.expires_after_months is not None:
            text += f", good for {sold.expires_after_months} months"
        notes.append(text)
    if item.overage_frequency:
        notes.append(
            f"seats beyond the minimum: {FREQUENCIES[item.overage_frequency.value].lower()}"
        )
    return tuple(notes)


def phase_rows(phase: PhaseTerms, currency: str) -> tuple[PriceRow, ...]:
    """Return the discounts, minimums and caps of a phase."""
    names = {item.key: item.product_name for item in phase.items}
    minimums = [*([phase.minimum] if phase.minimum else []), *phase.further_minimums]
    return (
        *(
            PriceRow(_named(d.label, names, d.item_keys), _off(d, currency))
            for d in phase.discounts
        ),
        *(minimum_row(minimum, currency, names) for minimum in minimums),
        *(cap_row(cap, currency, names) for cap in phase.caps),
    )


def minimum_row(minimum: MinimumTerms, currency: str, names: Names) -> PriceRow:
    what = _scope("Minimum", minimum, names)
    text = f"{what} {_per(minimum)}; less is topped up"
    if minimum.overage_factor is not None:
        text += f", more costs {quantity(minimum.overage_factor)} times"
    return PriceRow(text, rate(minimum.amount, currency))


def cap_row(cap: CapTerms, currency: str, names: Names) -> PriceRow:
    return PriceRow(f"{_scope('Most for', cap, names)} {_per(cap)}", rate(cap.amount, currency))


def _scope(word: str, limit: MinimumTerms | CapTerms, names: Names) -> str:
    if limit.item_keys:
        return f"{word} {', '.join(_names(names, limit.item_keys))}"
    return f"{word} {'charges' if limit.includes_fixed else 'usage charges'}"


def _per(limit: MinimumTerms | CapTerms) -> str:
    return _WINDOWS.get(limit.window) or _PER.get(limit.frequency.value, "once")


def _off(discount: DiscountTerms, currency: str) -> str:
    parts = []
    if discount.percent:
        parts.append(f"−{percent(discount.percent)}")
    if discount.amount:
        parts.append(f"−{rate(discount.amount, currency)}")
    if discount.free_units:
        parts.append(f"{quantity(discount.free_units)} units free")
    return ", ".join(parts) or "–"


def _named(label: str, names: Names, keys: tuple[str, ...] | None) -> str:
    return label if keys is None else f"{label} on {', '.join(_names(names, keys))}"


def _names(names: Names, keys: tuple[str, ...]) -> list[str]:
    return [names.get(key, key) for key in keys]


def length(phase: PhaseTerms) -> str:
    """Say how long a phase is: "12 months", "open-ended"."""
    if phase.end_on is None:
        return "open-ended"
    months = month_count(phase)
    return "1 month" if months == 1 else f"{months} months"


def month_count(phase: PhaseTerms) -> int:
    """Return how long a phase is, at least a month; an open end weighs a year."""
    if phase.end_on is None:
        return 12
    start, end = phase.start_on, phase.end_on
    return max(1, (end.year - start.year) * 12 + end.month - start.month)
