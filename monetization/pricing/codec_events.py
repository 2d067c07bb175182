"""Charge models that look at events, or at other lines, as JSON-safe data and back."""

from typing import Any

from monetization.kernel.decimals import plain
from monetization.pricing.prices import (
    Capacity,
    CapacityTier,
    ChargeModel,
    CostPlus,
    Dynamic,
    GraduatedPercentage,
    Matrix,
    MatrixCell,
    Percentage,
    PercentOf,
    PercentTier,
    PriceError,
    TimeOfUse,
    Window,
)
from monetization.pricing.reader import Reader

EVENT_MODEL_NAMES = (
    "percentage",
    "graduated_percentage",
    "dynamic",
    "cost_plus",
    "matrix",
    "percent_of",
    "time_of_use",
    "capacity",
)


def event_model_to(model: ChargeModel) -> dict[str, Any]:
    """Write a model of this module; fields that are not set are left out."""
    match model:
        case Percentage():
            data: dict[str, Any] = {"percent": plain(model.percent)}
            data["fixed_fee"] = plain(model.fixed_fee)
            data["free_events"] = model.free_events
            for name in ("free_amount", "minimum", "maximum"):
                value = getattr(model, name)
                data[name] = None if value is None else plain(value)
            return {"model": "percentage", **data}
        case GraduatedPercentage(tiers, at_zero):
            rows = [
                {
                    "up_to": None if tier.up_to is None else plain(tier.up_to),
                    "percent": plain(tier.percent),
                    "flat_fee": plain(tier.flat_fee),
                }
                for tier in tiers
            ]
            return {"model": "graduated_percentage", "tiers": rows, "flat_fee_at_zero": at_zero}
        case Dynamic(multiplier):
            return {"model": "dynamic", "multiplier": plain(multiplier)}
        case CostPlus(markup):
            return {"model": "cost_plus", "markup_percent": plain(markup)}
        case PercentOf(percent, item_keys):
            keys = None if item_keys is None else sorted(item_keys)
            return {"model": "percent_of", "percent": plain(percent), "item_keys": keys}
        case Matrix():
            return _matrix_to(model)
        case TimeOfUse():
            return _time_of_use_to(model)
        case Capacity():
            return _capacity_to(model)
    raise AssertionError(f"no data for {type(model).__name__}")


def _matrix_to(model: Matrix) -> dict[str, Any]:
    return {
        "model": "matrix",
        "cells": [
            {
                "match": {name: list(values) for name, values in cell.match},
                "unit_price": plain(cell.unit_price),
            }
            for cell in model.cells
        ],
        "default_unit_price": plain(model.default_unit_price),
        "group_by": list(model.group_by),
    }


def _time_of_use_to(model: TimeOfUse) -> dict[str, Any]:
    return {
        "model": "time_of_use",
        "windows": [
            {
                "start_minute": window.start_minute,
                "end_minute": window.end_minute,
                "unit_price": plain(window.unit_price),
            }
            for window in model.windows
        ],
        "default_unit_price": plain(model.default_unit_price),
    }


def _capacity_to(model: Capacity) -> dict[str, Any]:
    return {
        "model": "capacity",
        "tiers": [
            {
                "price": plain(tier.price),
                "limits": {
                    unit: None if limit is None else plain(limit) for unit, limit in tier.limits
                },
            }
            for tier in model.tiers
        ],
        "dimension": model.dimension,
    }


def event_model_from(name: str, reader: Reader) -> ChargeModel | None:
    """Read a model of this module; None for any other name."""
    match name:
        case "percentage":
            return Percentage(
                reader.number("percent"),
                reader.number("fixed_fee", "0"),
                _count(reader, "free_events"),
                reader.optional_number("free_amount"),
                reader.optional_number("minimum"),
                reader.optional_number("maximum"),
            )
        case "graduated_percentage":
            return GraduatedPercentage(
                tuple(_percent_tier(row) for row in reader.rows("tiers")),
                reader.flag("flat_fee_at_zero", default=True),
            )
        case "dynamic":
            return Dynamic(reader.number("multiplier", "1"))
        case "cost_plus":
            return CostPlus(reader.number("markup_percent"))
        case "percent_of":
            return PercentOf(reader.number("percent"), _optional_texts(reader, "item_keys"))
        case "matrix":
            return Matrix(
                tuple(_cell(row) for row in reader.rows("cells")),
                reader.number("default_unit_price"),
                _optional_texts(reader, "group_by", keep_order=True) or (),
            )
        case "time_of_use":
            return TimeOfUse(
                tuple(_window(row) for row in reader.rows("windows")),
                reader.number("default_unit_price"),
            )
        case "capacity":
            return Capacity(
                tuple(_capacity_tier(row) for row in reader.rows("tiers")),
                reader.text("dimension", "unit"),
            )
    return None


def _count(reader: Reader, name: str) -> int | None:
    if reader.raw(name, None) is None:
        return None
    count = reader.integer(name)
    if count < 0:
        raise PriceError(f"{reader.at(name)}: must not be negative")
    return count


def _percent_tier(row: Reader) -> PercentTier:
    tier = PercentTier(
        row.optional_number("up_to"), row.number("percent"), row.number("flat_fee", "0")
    )
    row.done()
    return tier


def _cell(row: Reader) -> MatrixCell:
    match = row.raw("match")
    if not isinstance(match, dict):
        raise PriceError(f"{row.at('match')}: must be an object of dimensions and their values")
    places = Reader(match, row.at("match"))
    cell = MatrixCell(
        tuple((name, _texts(places, name, keep_order=True)) for name in sorted(match)),
        row.number("unit_price"),
    )
    row.done()
    return cell


def _window(row: Reader) -> Window:
    window = Window(
        row.integer("start_minute"), row.integer("end_minute"), row.number("unit_price")
    )
    row.done()
    return window


def _capacity_tier(row: Reader) -> CapacityTier:
    limits = row.raw("limits")
    if not isinstance(limits, dict):
        raise PriceError(f"{row.at('limits')}: must be an object of units and their limits")
    places = Reader(limits, row.at("limits"))
    tier = CapacityTier(
        row.number("price"),
        tuple((unit, places.optional_number(unit)) for unit in sorted(limits)),
    )
    row.done()
    return tier


def _optional_texts(
    reader: Reader, name: str, *, keep_order: bool = False
) -> tuple[str, ...] | None:
    if reader.raw(name, None) is None:
        return None
    return _texts(reader, name, keep_order=keep_order)


def _texts(reader: Reader, name: str, *, keep_order: bool = False) -> tuple[str, ...]:
    value = reader.raw(name)
    if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) for text in value):
        raise PriceError(f"{reader.at(name)}: must be a list of texts")
    return tuple(value) if keep_order else tuple(sorted(value))
