"""What a price says beside its charge model, and how a contract line takes it over.

The catalog keeps modifiers with each price version, a quote with each line; both are the data
of one class, so that a line bills by what the list said unless somebody agreed otherwise.
"""

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

from monetization.kernel.decimals import plain
from monetization.kernel.period import Frequency
from monetization.pricing.accumulation import WINDOWS
from monetization.pricing.prices import PriceError
from monetization.pricing.quantities import Conversion
from monetization.pricing.reader import Reader
from monetization.pricing.terms.codec import (
    conversion_from_data,
    conversion_to_data,
    credits_from_data,
    credits_to_data,
)
from monetization.pricing.terms.model import (
    CapTerms,
    CreditsSold,
    DiscountTerms,
    IncludedTerms,
    ItemTerms,
    MinimumTerms,
    PricingUnit,
)


@dataclass(frozen=True, slots=True)
class Commitment:
    """The least or the most a line costs per billing period, or per contract year or term."""

    amount: Decimal  # currency
    window: str = "per_period"
    is_prorated: bool = True
    overage_factor: Decimal | None = None  # of a minimum: what spend beyond it costs


@dataclass(frozen=True, slots=True)
class PriceModifiers:
    """Everything a price says beside its charge model. Nothing, by default."""

    conversion: Conversion | None = None
    included: IncludedTerms | None = None
    accumulation: str = "per_period"
    pricing_unit: PricingUnit | None = None
    overage_frequency: Frequency | None = None  # seats beyond the contracted minimum
    discounts: tuple[DiscountTerms, ...] = ()  # of this line; their scope is left open
    minimum: Commitment | None = None
    cap: Commitment | None = None
    credits: CreditsSold | None = None


NONE = PriceModifiers()
MODIFIER_NAMES = tuple(one.name for one in fields(PriceModifiers))


@dataclass(frozen=True, slots=True)
class LineTerms:
    """A contract line with what its modifiers add to the phase it is in."""

    item: ItemTerms
    discounts: tuple[DiscountTerms, ...] = ()
    minimum: MinimumTerms | None = None
    cap: CapTerms | None = None


def with_modifiers(
    item: ItemTerms, modifiers: PriceModifiers, path: str = "modifiers"
) -> LineTerms:
    """Give a line its modifiers.

    :raises PriceError: naming the field, where a fee that is billed once has a commitment.
    """
    scope = (item.key,)
    for name in ("minimum", "cap"):
        if getattr(modifiers, name) and item.frequency is Frequency.ONE_TIME:
            raise PriceError(f"{path}.{name}: needs a price that is billed every period")
    if modifiers.credits is not None and item.kind == "usage":
        raise PriceError(f"{path}.credits: are sold by a fee; usage is what they pay")
    return LineTerms(
        item=replace(
            item,
            conversion=modifiers.conversion,
            included=modifiers.included,
            accumulation=modifiers.accumulation,
            pricing_unit=modifiers.pricing_unit,
            overage_frequency=modifiers.overage_frequency,
            credits=modifiers.credits,
        ),
        discounts=tuple(replace(one, item_keys=scope) for one in modifiers.discounts),
        minimum=_minimum(modifiers.minimum, item) if modifiers.minimum else None,
        cap=_cap(modifiers.cap, item) if modifiers.cap else None,
    )


def _minimum(rule: Commitment, item: ItemTerms) -> MinimumTerms:
    return MinimumTerms(
        rule.amount,
        item.frequency,
        (item.key,),
        window=rule.window,
        is_prorated=rule.is_prorated,
        overage_factor=rule.overage_factor,
    )


def _cap(rule: Commitment, item: ItemTerms) -> CapTerms:
    return CapTerms(
        rule.amount, item.frequency, (item.key,), window=rule.window, is_prorated=rule.is_prorated
    )


def modifiers_to_data(modifiers: PriceModifiers) -> dict[str, Any]:
    """Write modifiers as JSON-safe data; what is not used is left out."""
    data: dict[str, Any] = {}
    if modifiers.conversion is not None:
        data["conversion"] = conversion_to_data(modifiers.conversion)
    if modifiers.included is not None:
        included = modifiers.included
        data["included"] = {"units": plain(included.units), "is_prorated": included.is_prorated}
    if modifiers.accumulation != "per_period":
        data["accumulation"] = modifiers.accumulation
    if modifiers.pricing_unit is not None:
        unit = modifiers.pricing_unit
        data["pricing_unit"] = {"code": unit.code, "rate": plain(unit.rate)}
    if modifiers.overage_frequency is not None:
        data["overage_frequency"] = modifiers.overage_frequency.value
    if modifiers.discounts:
        data["discounts"] = [_discount_to_data(one) for one in modifiers.discounts]
    for name in ("minimum", "cap"):
        rule: Commitment | None = getattr(modifiers, name)
        if rule is not None:
            data[name] = _commitment_to_data(rule)
    if modifiers.credits is not None:
        data["credits"] = credits_to_data(modifiers.credits)
    return data


def _discount_to_data(discount: DiscountTerms) -> dict[str, str]:
    for name in ("amount", "free_units"):
        value = getattr(discount, name)
        if value is not None:
            return {name: plain(value), "label": discount.label}
    return {"percent": plain(discount.percent), "label": discount.label}


def _commitment_to_data(rule: Commitment) -> dict[str, Any]:
    data: dict[str, Any] = {
        "amount": plain(rule.amount),
        "window": rule.window,
        "is_prorated": rule.is_prorated,
    }
    if rule.overage_factor is not None:
        data["overage_factor"] = plain(rule.overage_factor)
    return data


def modifiers_from_data(data: Any, path: str = "modifiers") -> PriceModifiers:
    """Read modifiers; None and an empty object mean none.

    :raises PriceError: naming the field, for anything unknown or contradictory.

    >>> modifiers_from_data({"included": {"units": "1000"}}).included.units
    Decimal('1000')
    """
    if data is None:
        return NONE
    reader = Reader(data, path)
    conversion = reader.raw("conversion", None)
    unit, included = _sub(reader, "pricing_unit"), _sub(reader, "included")
    minimum, cap = _sub(reader, "minimum"), _sub(reader, "cap")
    sold = reader.raw("credits", None)
    found = PriceModifiers(
        conversion=None
        if conversion is None
        else conversion_from_data(conversion, reader.at("conversion")),
        included=None if included is None else _included(included),
        accumulation=_choice(reader, "accumulation", WINDOWS, "per_period"),
        pricing_unit=None if unit is None else _unit(unit),
        overage_frequency=_frequency(reader),
        discounts=tuple(_discount(row) for row in _rows(reader)),
        minimum=None if minimum is None else _commitment(minimum, has_factor=True),
        cap=None if cap is None else _commitment(cap, has_factor=False),
        credits=None if sold is None else credits_from_data(sold, reader.at("credits")),
    )
    reader.done()
    return found


def _sub(reader: Reader, name: str) -> Reader | None:
    value = reader.raw(name, None)
    return None if value is None else Reader(value, reader.at(name))


def _rows(reader: Reader) -> list[Reader]:
    return [] if reader.raw("discounts", None) is None else reader.rows("discounts")


def _choice(reader: Reader, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = reader.text(name, default)
    if value not in allowed:
        raise PriceError(f"{reader.at(name)}: must be one of {', '.join(allowed)}")
    return value


def _included(row: Reader) -> IncludedTerms:
    included = IncludedTerms(row.number("units"), row.flag("is_prorated", default=False))
    row.done()
    return included


def _unit(row: Reader) -> PricingUnit:
    unit = PricingUnit(row.text("code"), row.number("rate"))
    if not unit.code.strip():
        raise PriceError(f"{row.at('code')}: is needed, e.g. AI credits")
    row.done()
    return unit


def _frequency(reader: Reader) -> Frequency | None:
    text = reader.optional_text("overage_frequency")
    if text is None:
        return None
    allowed = tuple(one.value for one in Frequency if one is not Frequency.ONE_TIME)
    return Frequency(_choice(reader, "overage_frequency", allowed, text))


def _discount(row: Reader) -> DiscountTerms:
    given = [
        (name, value)
        for name in ("percent", "amount", "free_units")
        if (value := row.optional_number(name)) is not None
    ]
    if len(given) != 1:
        raise PriceError(f"{row.path}: give one of a percentage, an amount or free units")
    name, value = given[0]
    if name == "percent" and value > 100:
        raise PriceError(f"{row.at('percent')}: must be from 0 to 100")
    label = row.text("label", "Discount")
    row.done()
    match name:
        case "percent":
            return DiscountTerms(percent=value, label=label)
        case "amount":
            return DiscountTerms(label=label, amount=value)
        case _:
            return DiscountTerms(label=label, free_units=value)


def _commitment(row: Reader, *, has_factor: bool) -> Commitment:
    factor = row.optional_number("overage_factor") if has_factor else None
    if factor is not None and factor < 1:
        raise PriceError(f"{row.at('overage_factor')}: must be at least 1")
    rule = Commitment(
        row.number("amount"),
        _choice(row, "window", WINDOWS, "per_period"),
        row.flag("is_prorated", default=True),
        factor,
    )
    row.done()
    return rule
