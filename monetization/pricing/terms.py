"""What was agreed: the one structure that quotes sign, billing bills and revenue recognizes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from monetization.kernel.decimals import plain
from monetization.kernel.money import MoneyError, minor_unit
from monetization.kernel.period import Frequency, time_zones
from monetization.pricing.codec import Reader, price_from_data, price_to_data
from monetization.pricing.prices import ChargeModel, PriceError
from monetization.pricing.proration import METHODS

KINDS = ("fixed", "seat", "usage")
PHASE_KINDS = ("standard", "trial", "ramp")
TIMINGS = ("in_advance", "in_arrears")
RECOGNITIONS = ("straight_line", "usage", "point_in_time")


@dataclass(frozen=True, slots=True)
class MinimumTerms:
    """Spend committed per period; usage below it is topped up at the period's end."""

    amount: Decimal  # currency per full period
    frequency: Frequency
    item_keys: tuple[str, ...] | None = None  # None: every usage line of the phase
    includes_fixed: bool = False  # None-scope counts fixed and seat lines too


@dataclass(frozen=True, slots=True)
class DiscountTerms:
    """A percentage off, on its lines' running totals, in the order of the phase's list."""

    percent: Decimal  # 0 to 100
    label: str = "Discount"
    item_keys: tuple[str, ...] | None = None  # None: every line of the phase


@dataclass(frozen=True, slots=True)
class ItemTerms:
    """One price in one phase. ``key`` names the same contract line in every phase."""

    key: str
    product_code: str
    product_name: str
    kind: str  # fixed, seat, usage
    model: ChargeModel
    frequency: Frequency
    timing: str  # in_advance, in_arrears
    description: str = ""
    quantity: Decimal = Decimal(1)  # fixed and seat; usage is measured
    meter: str | None = None  # key of the meter that measures usage
    proration: str = "daily"
    price_version_id: str | None = None
    list_unit_price: Decimal | None = None
    recognition: str = "straight_line"
    expected_quantity: Decimal | None = None  # assumed usage per full billing period


@dataclass(frozen=True, slots=True)
class PhaseTerms:
    """A stretch of the contract with the same prices."""

    key: str
    name: str
    kind: str
    start_on: date
    end_on: date | None  # exclusive; None only in the last phase
    items: tuple[ItemTerms, ...]
    discounts: tuple[DiscountTerms, ...] = ()
    minimum: MinimumTerms | None = None

    def item(self, key: str) -> ItemTerms:
        return next(item for item in self.items if item.key == key)


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """The terms of an order form. Equal terms have equal hashes, however they were written."""

    title: str
    currency: str
    time_zone: str
    start_on: date
    end_on: date | None  # exclusive
    anchor_day: int  # 1-31: the day of the month periods begin
    payment_terms_days: int
    phases: tuple[PhaseTerms, ...]
    auto_renew: bool = False

    def __post_init__(self) -> None:
        _validate(self)

    def phase(self, key: str) -> PhaseTerms:
        return next(phase for phase in self.phases if phase.key == key)


def _validate(terms: OrderTerms) -> None:
    try:
        minor_unit(terms.currency)
    except MoneyError as error:
        raise PriceError(f"currency: {error}") from None
    if terms.time_zone not in time_zones():
        raise PriceError(f"time_zone: {terms.time_zone!r} is not an IANA time zone")
    if not 1 <= terms.anchor_day <= 31:
        raise PriceError("anchor_day: must be from 1 to 31")
    if terms.payment_terms_days < 0:
        raise PriceError("payment_terms_days: must not be negative")
    if not terms.phases:
        raise PriceError("phases: at least one is needed")
    expected: date | None = terms.start_on
    for position, phase in enumerate(terms.phases):
        path = f"phases[{position}]"
        if phase.start_on != expected:
            raise PriceError(f"{path}.start_on: must be {expected}, where the one before ends")
        if phase.end_on is None and position < len(terms.phases) - 1:
            raise PriceError(f"{path}.end_on: only the last phase may be open-ended")
        if phase.end_on is not None and phase.end_on <= phase.start_on:
            raise PriceError(f"{path}.end_on: must be after {phase.start_on}")
        expected = phase.end_on
        _validate_phase(phase, path)
    if expected != terms.end_on:
        raise PriceError(f"end_on: must be {expected}, where the last phase ends")
    if len({phase.key for phase in terms.phases}) != len(terms.phases):
        raise PriceError("phases: every phase needs its own key")


def _validate_phase(phase: PhaseTerms, path: str) -> None:
    if phase.kind not in PHASE_KINDS:
        raise PriceError(f"{path}.kind: must be one of {', '.join(PHASE_KINDS)}")
    keys = [item.key for item in phase.items]
    for position, item in enumerate(phase.items):
        at = f"{path}.items[{position}]"
        if keys.count(item.key) > 1:
            raise PriceError(f"{at}.key: {item.key!r} appears twice in the phase")
        _validate_item(item, at)
    for position, discount in enumerate(phase.discounts):
        if not 0 <= discount.percent <= 100:
            raise PriceError(f"{path}.discounts[{position}].percent: must be from 0 to 100")
        _validate_scope(discount.item_keys, keys, f"{path}.discounts[{position}].item_keys")
    if phase.minimum is not None:
        if phase.minimum.amount < 0:
            raise PriceError(f"{path}.minimum.amount: must not be negative")
        if phase.minimum.frequency is Frequency.ONE_TIME:
            raise PriceError(f"{path}.minimum.frequency: must be a recurring one")
        _validate_scope(phase.minimum.item_keys, keys, f"{path}.minimum.item_keys")


def _validate_scope(scope: tuple[str, ...] | None, keys: Sequence[str], path: str) -> None:
    for key in scope or ():
        if key not in keys:
            raise PriceError(f"{path}: {key!r} is not a line of the phase")


def _validate_item(item: ItemTerms, path: str) -> None:
    for name, value, allowed in (
        ("kind", item.kind, KINDS),
        ("timing", item.timing, TIMINGS),
        ("proration", item.proration, METHODS),
        ("recognition", item.recognition, RECOGNITIONS),
    ):
        if value not in allowed:
            raise PriceError(f"{path}.{name}: must be one of {', '.join(allowed)}")
    if not item.key or ":" in item.key:
        raise PriceError(f"{path}.key: must be a name without a colon")
    if item.quantity < 0:
        raise PriceError(f"{path}.quantity: must not be negative")
    if item.kind == "usage":
        if item.timing != "in_arrears":
            raise PriceError(f"{path}.timing: usage is billed in arrears")
        if not item.meter:
            raise PriceError(f"{path}.meter: usage needs a meter")
        if item.frequency is Frequency.ONE_TIME:
            raise PriceError(f"{path}.frequency: usage is billed per recurring period")
    if (item.kind == "usage") != (item.recognition == "usage"):
        raise PriceError(f"{path}.recognition: usage, and only usage, is recognized as used")


def terms_to_data(terms: OrderTerms) -> dict[str, Any]:
    """Write terms as JSON-safe data: numbers as plain strings, dates as ISO."""
    return {
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


def _phase_to_data(phase: PhaseTerms) -> dict[str, Any]:
    minimum = phase.minimum
    return {
        "key": phase.key,
        "name": phase.name,
        "kind": phase.kind,
        "start_on": phase.start_on.isoformat(),
        "end_on": phase.end_on.isoformat() if phase.end_on else None,
        "items": [_item_to_data(item) for item in phase.items],
        "discounts": [
            {
                "percent": plain(discount.percent),
                "label": discount.label,
                "item_keys": _scope_to_data(discount.item_keys),
            }
            for discount in phase.discounts
        ],
        "minimum": None
        if minimum is None
        else {
            "amount": plain(minimum.amount),
            "frequency": minimum.frequency.value,
            "item_keys": _scope_to_data(minimum.item_keys),
            "includes_fixed": minimum.includes_fixed,
        },
    }


def _scope_to_data(keys: tuple[str, ...] | None) -> list[str] | None:
    return None if keys is None else sorted(keys)


def _item_to_data(item: ItemTerms) -> dict[str, Any]:
    return {
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


def terms_from_data(data: Any) -> OrderTerms:
    """Read terms.

    :raises PriceError: naming the field, for anything missing, unknown or contradictory.
    """
    reader = Reader(data)
    if reader.integer("schema") != 1:
        raise PriceError("schema: this release reads version 1")
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
    )
    reader.done()
    return terms


def _phase_from(reader: Reader) -> PhaseTerms:
    discounts = []
    for row in reader.rows("discounts"):
        discounts.append(
            DiscountTerms(row.number("percent"), row.text("label", "Discount"), _scope(row))
        )
        row.done()
    minimum = None
    if reader.raw("minimum", None) is not None:
        row = Reader(reader.raw("minimum"), reader.at("minimum"))
        minimum = MinimumTerms(
            row.number("amount"),
            _frequency(row),
            _scope(row),
            row.flag("includes_fixed", default=False),
        )
        row.done()
    phase = PhaseTerms(
        key=reader.text("key"),
        name=reader.text("name"),
        kind=reader.text("kind"),
        start_on=_day(reader, "start_on"),
        end_on=_optional_day(reader, "end_on"),
        items=tuple(_item_from(row) for row in reader.rows("items")),
        discounts=tuple(discounts),
        minimum=minimum,
    )
    reader.done()
    return phase


def _item_from(reader: Reader) -> ItemTerms:
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
    )
    reader.done()
    return item


def _scope(reader: Reader) -> tuple[str, ...] | None:
    value = reader.raw("item_keys", None)
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not all(isinstance(key, str) for key in value):
        raise PriceError(f"{reader.at('item_keys')}: must be a list of line keys")
    return tuple(sorted(value))


def _frequency(reader: Reader) -> Frequency:
    try:
        return Frequency(reader.text("frequency"))
    except ValueError:
        names = ", ".join(frequency.value for frequency in Frequency)
        raise PriceError(f"{reader.at('frequency')}: must be one of {names}") from None


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
