"""Terms as JSON-safe data and back, and the one spelling that is hashed.

What a contract does not use is left out of its data, so that terms signed before a feature
existed keep their hash.
"""

import hashlib
import json
from datetime import date
from typing import Any

from monetization.kernel.decimals import plain
from monetization.kernel.period import Frequency
from monetization.pricing.codec import Reader, price_from_data, price_to_data
from monetization.pricing.prices import PriceError
from monetization.pricing.quantities import Conversion
from monetization.pricing.terms.model import (
    CapTerms,
    ChangeTerms,
    CreditsSold,
    DiscountTerms,
    IncludedTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
    PricingUnit,
)
from monetization.pricing.terms.parties import (
    seller_from_data,
    seller_to_data,
    tax_from_data,
    tax_to_data,
)


def terms_to_data(terms: OrderTerms) -> dict[str, Any]:
    """Write terms as JSON-safe data: numbers as plain strings, dates as ISO."""
    data: dict[str, Any] = {
        "schema": 1,
        "title": terms.title,
        "currency": terms.currency,
        "time_zone": terms.time_zone,
        "start_on": terms.start_on.isoformat(),
        "end_on": terms.end_on.isoformat() if terms.end_on else None,
        "anchor_day": terms.anchor_day,
        "payment_terms_days": terms.payment_terms_days,
        "auto_renew": terms.auto_renew,
        "phases": [_phase_to_data(phase) for phase in terms.phases],
    }
    if terms.minimums:
        data["minimums"] = [_minimum_to_data(minimum) for minimum in terms.minimums]
    if terms.caps:
        data["caps"] = [_cap_to_data(cap) for cap in terms.caps]
    if terms.changes is not None:
        changes = terms.changes
        data["changes"] = {
            "upgrade": changes.upgrade,
            "downgrade": changes.downgrade,
            "quantity_increase": changes.quantity_increase,
            "quantity_decrease": changes.quantity_decrease,
        }
    if terms.seller is not None:
        data["seller"] = seller_to_data(terms.seller)
    if terms.purchase_order:
        data["purchase_order"] = terms.purchase_order
    if terms.tax is not None:
        data["tax"] = tax_to_data(terms.tax)
    return data


def _phase_to_data(phase: PhaseTerms) -> dict[str, Any]:
    data: dict[str, Any] = {
        "key": phase.key,
        "name": phase.name,
        "kind": phase.kind,
        "start_on": phase.start_on.isoformat(),
        "end_on": phase.end_on.isoformat() if phase.end_on else None,
        "items": [_item_to_data(item) for item in phase.items],
        "discounts": [_discount_to_data(discount) for discount in phase.discounts],
        "minimum": None if phase.minimum is None else _minimum_to_data(phase.minimum),
    }
    if phase.further_minimums:
        data["further_minimums"] = [_minimum_to_data(row) for row in phase.further_minimums]
    if phase.caps:
        data["caps"] = [_cap_to_data(cap) for cap in phase.caps]
    return data


def _discount_to_data(discount: DiscountTerms) -> dict[str, Any]:
    data: dict[str, Any] = {
        "percent": plain(discount.percent),
        "label": discount.label,
        "item_keys": _scope_to_data(discount.item_keys),
    }
    if discount.amount is not None:
        data["amount"] = plain(discount.amount)
    if discount.free_units is not None:
        data["free_units"] = plain(discount.free_units)
    return data


def _minimum_to_data(minimum: MinimumTerms) -> dict[str, Any]:
    data = _window_to_data(minimum)
    if minimum.overage_factor is not None:
        data["overage_factor"] = plain(minimum.overage_factor)
    return data


def _cap_to_data(cap: CapTerms) -> dict[str, Any]:
    return {**_window_to_data(cap), "label": cap.label}


def _window_to_data(rule: MinimumTerms | CapTerms) -> dict[str, Any]:
    data: dict[str, Any] = {
        "amount": plain(rule.amount),
        "frequency": rule.frequency.value,
        "item_keys": _scope_to_data(rule.item_keys),
        "includes_fixed": rule.includes_fixed,
    }
    if rule.window != "per_period":
        data["window"] = rule.window
    if not rule.is_prorated:
        data["is_prorated"] = False
    return data


def _scope_to_data(keys: tuple[str, ...] | None) -> list[str] | None:
    return None if keys is None else sorted(keys)


def _item_to_data(item: ItemTerms) -> dict[str, Any]:
    data: dict[str, Any] = {
        "key": item.key,
        "product_code": item.product_code,
        "product_name": item.product_name,
        "description": item.description,
        "kind": item.kind,
        "model": price_to_data(item.model),
        "quantity": plain(item.quantity),
        "meter": item.meter,
        "frequency": item.frequency.value,
        "timing": item.timing,
        "proration": item.proration,
        "price_version_id": item.price_version_id,
        "list_unit_price": None if item.list_unit_price is None else plain(item.list_unit_price),
        "recognition": item.recognition,
        "expected_quantity": None
        if item.expected_quantity is None
        else plain(item.expected_quantity),
    }
    if item.conversion is not None:
        data["conversion"] = conversion_to_data(item.conversion)
    if item.included is not None:
        data["included"] = {
            "units": plain(item.included.units),
            "is_prorated": item.included.is_prorated,
        }
    if item.accumulation != "per_period":
        data["accumulation"] = item.accumulation
    if item.pricing_unit is not None:
        unit = item.pricing_unit
        data["pricing_unit"] = {"code": unit.code, "rate": plain(unit.rate)}
    if item.overage_frequency is not None:
        data["overage_frequency"] = item.overage_frequency.value
    if item.credits is not None:
        data["credits"] = credits_to_data(item.credits)
    return data


def credits_to_data(sold: CreditsSold) -> dict[str, Any]:
    """Write credits a line sells as JSON-safe data."""
    data: dict[str, Any] = {"priority": sold.priority}
    if sold.amount is not None:
        data["amount"] = plain(sold.amount)
    if sold.unit_code:
        data["unit_code"] = sold.unit_code
    if sold.expires_after_months is not None:
        data["expires_after_months"] = sold.expires_after_months
    if sold.products:
        data["products"] = list(sold.products)
    return data


def credits_from_data(data: Any, path: str = "credits") -> CreditsSold:
    """Read credits a line sells; missing fields take their defaults.

    :raises PriceError: naming the field.
    """
    reader = Reader(data, path)
    products = reader.raw("products", ())
    if not isinstance(products, (list, tuple)) or not all(isinstance(p, str) for p in products):
        raise PriceError(f"{reader.at('products')}: must be a list of product codes")
    sold = CreditsSold(
        amount=reader.optional_number("amount"),
        unit_code=reader.text("unit_code", "").strip(),
        expires_after_months=_whole(reader, "expires_after_months", None, 1, 1200),
        priority=_whole(reader, "priority", 50, 0, 1000) or 0,
        products=tuple(sorted(products)),
    )
    reader.done()
    if sold.amount is not None and sold.amount <= 0:
        raise PriceError(f"{reader.at('amount')}: must be above zero")
    if sold.unit_code and sold.amount is None:
        raise PriceError(f"{reader.at('amount')}: is needed: how many {sold.unit_code} are sold")
    if len(sold.unit_code) > 60:
        raise PriceError(f"{reader.at('unit_code')}: has at most 60 characters")
    return sold


def _whole(reader: Reader, name: str, default: int | None, least: int, most: int) -> int | None:
    if reader.raw(name, None) is None:
        return default
    value = reader.integer(name)
    if not least <= value <= most:
        raise PriceError(f"{reader.at(name)}: must be from {least} to {most}")
    return value


def conversion_to_data(conversion: Conversion) -> dict[str, Any]:
    """Write a conversion as JSON-safe data."""
    return {
        "operation": conversion.operation,
        "factor": plain(conversion.factor),
        "rounding": conversion.rounding,
        "precision": conversion.precision,
    }


def conversion_from_data(data: Any, path: str = "conversion") -> Conversion:
    """Read a conversion; missing fields take their defaults."""
    reader = Reader(data, path)
    precision = reader.integer("precision") if reader.raw("precision", None) is not None else 0
    try:
        conversion = Conversion(
            reader.text("operation", "multiply"),
            reader.number("factor", "1"),
            reader.text("rounding", "none"),
            precision,
        )
    except PriceError as error:
        message = str(error)
        raise PriceError(message if message.startswith(path) else f"{path}.{message}") from None
    reader.done()
    return conversion


def terms_from_data(data: Any) -> OrderTerms:
    """Read terms.

    :raises PriceError: naming the field, for anything missing, unknown or contradictory.
    """
    reader = Reader(data)
    if reader.integer("schema") != 1:
        raise PriceError("schema: this release reads version 1")
    changes, seller, tax = (_sub(reader, name) for name in ("changes", "seller", "tax"))
    terms = OrderTerms(
        title=reader.text("title"),
        currency=reader.text("currency"),
        time_zone=reader.text("time_zone"),
        start_on=_day(reader, "start_on"),
        end_on=_optional_day(reader, "end_on"),
        anchor_day=reader.integer("anchor_day"),
        payment_terms_days=reader.integer("payment_terms_days"),
        auto_renew=reader.flag("auto_renew", default=False),
        phases=tuple(_phase_from(row) for row in reader.rows("phases")),
        minimums=tuple(_minimum_from(row) for row in _rows(reader, "minimums")),
        caps=tuple(_cap_from(row) for row in _rows(reader, "caps")),
        changes=None if changes is None else _changes_from(changes),
        seller=None if seller is None else seller_from_data(seller),
        purchase_order=reader.text("purchase_order", ""),
        tax=None if tax is None else tax_from_data(tax),
    )
    reader.done()
    return terms


def _rows(reader: Reader, name: str) -> list[Reader]:
    return [] if reader.raw(name, None) is None else reader.rows(name)


def _sub(reader: Reader, name: str) -> Reader | None:
    value = reader.raw(name, None)
    return None if value is None else Reader(value, reader.at(name))


def _changes_from(row: Reader) -> ChangeTerms:
    usual = ChangeTerms()
    changes = ChangeTerms(
        row.text("upgrade", usual.upgrade),
        row.text("downgrade", usual.downgrade),
        row.text("quantity_increase", usual.quantity_increase),
        row.text("quantity_decrease", usual.quantity_decrease),
    )
    row.done()
    return changes


def _phase_from(reader: Reader) -> PhaseTerms:
    minimum = _sub(reader, "minimum")
    phase = PhaseTerms(
        key=reader.text("key"),
        name=reader.text("name"),
        kind=reader.text("kind"),
        start_on=_day(reader, "start_on"),
        end_on=_optional_day(reader, "end_on"),
        items=tuple(_item_from(row) for row in reader.rows("items")),
        discounts=tuple(_discount_from(row) for row in reader.rows("discounts")),
        minimum=None if minimum is None else _minimum_from(minimum),
        further_minimums=tuple(_minimum_from(row) for row in _rows(reader, "further_minimums")),
        caps=tuple(_cap_from(row) for row in _rows(reader, "caps")),
    )
    reader.done()
    return phase


def _discount_from(row: Reader) -> DiscountTerms:
    discount = DiscountTerms(
        row.number("percent", "0"),
        row.text("label", "Discount"),
        _scope(row),
        row.optional_number("amount"),
        row.optional_number("free_units"),
    )
    row.done()
    return discount


def _minimum_from(row: Reader) -> MinimumTerms:
    minimum = MinimumTerms(
        row.number("amount"),
        _frequency(row),
        _scope(row),
        row.flag("includes_fixed", default=False),
        row.text("window", "per_period"),
        row.flag("is_prorated", default=True),
        row.optional_number("overage_factor"),
    )
    row.done()
    return minimum


def _cap_from(row: Reader) -> CapTerms:
    cap = CapTerms(
        row.number("amount"),
        _frequency(row),
        _scope(row),
        row.flag("includes_fixed", default=False),
        row.text("window", "per_period"),
        row.flag("is_prorated", default=True),
        row.text("label", "Cap"),
    )
    row.done()
    return cap


def _item_from(reader: Reader) -> ItemTerms:
    conversion = reader.raw("conversion", None)
    included, unit = _sub(reader, "included"), _sub(reader, "pricing_unit")
    overage = reader.raw("overage_frequency", None)
    sold = reader.raw("credits", None)
    item = ItemTerms(
        key=reader.text("key"),
        product_code=reader.text("product_code"),
        product_name=reader.text("product_name"),
        description=reader.text("description", ""),
        kind=reader.text("kind"),
        model=price_from_data(reader.raw("model"), reader.at("model")),
        quantity=reader.number("quantity", "1"),
        meter=reader.optional_text("meter"),
        frequency=_frequency(reader),
        timing=reader.text("timing"),
        proration=reader.text("proration", "daily"),
        price_version_id=reader.optional_text("price_version_id"),
        list_unit_price=reader.optional_number("list_unit_price"),
        recognition=reader.text("recognition", "straight_line"),
        expected_quantity=reader.optional_number("expected_quantity"),
        conversion=None
        if conversion is None
        else conversion_from_data(conversion, reader.at("conversion")),
        included=None if included is None else _included_from(included),
        accumulation=reader.text("accumulation", "per_period"),
        pricing_unit=None if unit is None else _unit_from(unit),
        overage_frequency=None if overage is None else _frequency(reader, "overage_frequency"),
        credits=None if sold is None else credits_from_data(sold, reader.at("credits")),
    )
    reader.done()
    return item


def _included_from(row: Reader) -> IncludedTerms:
    included = IncludedTerms(row.number("units"), row.flag("is_prorated", default=False))
    row.done()
    return included


def _unit_from(row: Reader) -> PricingUnit:
    unit = PricingUnit(row.text("code"), row.number("rate"))
    row.done()
    return unit


def _scope(reader: Reader) -> tuple[str, ...] | None:
    value = reader.raw("item_keys", None)
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not all(isinstance(key, str) for key in value):
        raise PriceError(f"{reader.at('item_keys')}: must be a list of line keys")
    return tuple(sorted(value))


def _frequency(reader: Reader, name: str = "frequency") -> Frequency:
    try:
        return Frequency(reader.text(name))
    except ValueError:
        names = ", ".join(frequency.value for frequency in Frequency)
        raise PriceError(f"{reader.at(name)}: must be one of {names}") from None


def _day(reader: Reader, name: str) -> date:
    try:
        return date.fromisoformat(reader.text(name))
    except ValueError:
        raise PriceError(f"{reader.at(name)}: must be a date like 2026-01-31") from None


def _optional_day(reader: Reader, name: str) -> date | None:
    return None if reader.raw(name, None) is None else _day(reader, name)


def canonical_json(terms: OrderTerms) -> bytes:
    """Return the one spelling of the terms: sorted keys, no spaces, plain numbers, UTF-8."""
    return json.dumps(
        terms_to_data(terms), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def terms_hash(terms: OrderTerms) -> str:
    """Return the SHA-256 of the canonical terms in hex: what a signature covers."""
    return hashlib.sha256(canonical_json(terms)).hexdigest()
