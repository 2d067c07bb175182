"""Charge models from what was typed, and back."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monetization.interface.charging.fields import columns_of, fields_of, labels, seat_price
from monetization.pricing.codec import price_from_data, price_to_data
from monetization.pricing.prices import PriceError

DAY = 24 * 60
_DAYS = {"daily": tuple(range(7)), "weekdays": tuple(range(5)), "weekend": (5, 6)}
_RENAMED = {"event_minimum": "minimum", "event_maximum": "maximum"}
_TIERED = ("graduated", "volume", "stair_step", "graduated_percentage")
Row = Mapping[str, Any]


class TypedWrong(ValueError):
    """What was typed makes no price; says where: a field, or a field of a row."""

    def __init__(self, name: str, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.name, self.message, self.row = name, message, row


@dataclass(slots=True)
class Typed:
    """A charge model as it would be typed."""

    values: dict[str, str]
    rows: list[dict[str, str]] = field(default_factory=list)


def model_from_typed(model: str, values: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    """Return a charge model as data from fields that have been read one by one.

    :param values: by field: plain numbers as text, flags as booleans; None where empty.
    :raises TypedWrong: naming the field, and its row.
    """
    data: dict[str, Any] = {"model": model}
    match model:
        case "seat":
            inner = seat_price(values)
            data["price"] = model_from_typed(inner, values, rows)
            data["mode"] = values.get("mode") or "prorate_increments"
            data["contracted_minimum"] = values.get("contracted_minimum") or "0"
        case "matrix":
            data |= _matrix(values, rows)
        case "time_of_use":
            windows = _windows(rows)
            data["windows"] = [window for _, window in windows]
            data["default_unit_price"] = values.get("default_unit_price")
        case "capacity":
            data |= _capacity(values, rows)
        case "percent_of":
            data["percent"] = values.get("percent")
            data["item_keys"] = sorted(labels(values.get("item_keys"))) or None
        case _:
            for spec in fields_of(model, values):
                value = values.get(spec.name)
                if value is not None:
                    data[_RENAMED.get(spec.name, spec.name)] = value
            if isinstance(free := data.get("free_events"), str):
                if not (free.isascii() and free.isdigit() and len(free) <= 18):
                    raise TypedWrong("free_events", "must be a whole number")
                data["free_events"] = int(free)
            if model in _TIERED:
                data["tiers"] = [_tier(model, row) for row in rows]
    try:
        return price_to_data(price_from_data({k: v for k, v in data.items() if v is not None}))
    except PriceError as error:
        path, _, message = str(error).partition(": ")
        name, row = place_of(model, path, values, rows)
        raise TypedWrong(name, _kindly(message or str(error)), row) from None


def _tier(model: str, row: Row) -> dict[str, Any]:
    tier: dict[str, Any] = {"up_to": row.get("up_to")}
    for spec in columns_of(model, {})[1:]:
        value = row.get(spec.name)
        if value is not None or spec.name != "block_size":
            tier[spec.name] = value if value is not None else "0"
    return tier


def _kindly(message: str) -> str:
    if "must be unbounded" in message:
        return "leave it empty: the last tier has no upper bound"
    if "only the last tier" in message:
        return "say where the tier ends; only the last one is open"
    return message


def _matrix(values: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    names = labels(values.get("dimensions"))
    cells = []
    for number, row in enumerate(rows):
        match = {
            name: chosen
            for at, name in enumerate(names)
            if (chosen := labels(row.get(f"value_{at}")))
        }
        if not match:
            raise TypedWrong(
                "value_0", "say at least one value; the rest is everything else", number
            )
        cells.append({"match": match, "unit_price": row.get("unit_price")})
    return {
        "cells": cells,
        "default_unit_price": values.get("default_unit_price"),
        "group_by": labels(values.get("group_by")),
    }


def _capacity(values: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    names = labels(values.get("units"))
    tiers = [
        {
            "price": row.get("price"),
            "limits": {name: row.get(f"value_{at}") for at, name in enumerate(names)},
        }
        for row in rows
    ]
    return {"tiers": tiers, "dimension": values.get("dimension") or "unit"}


def _windows(rows: Sequence[Row]) -> list[tuple[int, dict[str, Any]]]:
    """Return the windows of the week in order, each with the row it comes from."""
    found = []
    for number, row in enumerate(rows):
        start, end = clock(row.get("start"), "start", number), clock(row.get("end"), "end", number)
        if start in (DAY, end):
            raise TypedWrong("end", "must be another time than the start", number)
        chosen = str(row.get("days", ""))
        days = _DAYS.get(chosen) or (int(chosen) if chosen.isdigit() else 0,)
        for day in days:
            parts = [(day, start, end)] if end > start else [(day, start, DAY)]
            if 0 < end < start:
                parts.append(((day + 1) % 7, 0, end))  # past midnight is the next day
            for on, begins, ends in parts:
                window = {"start_minute": on * DAY + begins, "end_minute": on * DAY + ends}
                found.append((number, {**window, "unit_price": row.get("unit_price")}))
    return sorted(found, key=lambda pair: pair[1]["start_minute"])


def clock(text: Any, name: str, row: int) -> int:
    """Return the minute of the day of a time like 08:30; 24:00 is the end of the day."""
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", str(text or "").strip(), re.ASCII)
    minute = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else DAY + 1
    if minute > DAY:
        raise TypedWrong(name, "must be a time like 08:30, at most 24:00", row)
    return minute


def place_of(
    model: str, path: str, values: Mapping[str, Any], rows: Sequence[Row]
) -> tuple[str, int | None]:
    """Return the field, and its row, that a path inside a charge model is about."""
    path = path.removeprefix("price.")
    found = re.fullmatch(r"(tiers|cells|windows)\[(\d+)\]\.(\w+)(?:\.(.+))?", path)
    if found is None:
        renamed = {data: typed for typed, data in _RENAMED.items()}
        return renamed.get(path, path), None
    group, number, name = found[1], int(found[2]), found[3]
    if group == "windows":
        row = _windows(rows)[number][0] if rows else None
        return {"start_minute": "start", "end_minute": "end"}.get(name, name), row
    if name in ("match", "limits"):
        inside = labels(values.get("dimensions" if group == "cells" else "units"))
        at = inside.index(found[4]) if found[4] in inside else 0
        return f"value_{at}", number
    return name, number


def typed_model(data: Any) -> Typed | None:
    """Return a charge model as it would be typed; None where it cannot be typed exactly."""
    try:
        model = price_to_data(price_from_data(data))
    except PriceError:
        return None
    typed = _typed(model)
    try:
        again = model_from_typed(model["model"], _read(typed.values), list(map(_read, typed.rows)))
    except TypedWrong:
        return None
    return typed if again == model else None


def _read(values: Mapping[str, str]) -> dict[str, Any]:
    flags = ("flat_fee_at_zero", "at_least_one", "whole_only")
    return {
        name: value == "on" if name in flags else value or None for name, value in values.items()
    }


def _typed(model: Mapping[str, Any]) -> Typed:
    name = model["model"]
    match name:
        case "seat":
            inner = _typed(model["price"])
            own = {
                "mode": model["mode"],
                "contracted_minimum": _or_empty(model, "contracted_minimum"),
            }
            return Typed({**inner.values, **own, "seat_price": model["price"]["model"]}, inner.rows)
        case "matrix":
            return _typed_matrix(model)
        case "time_of_use":
            rows = _typed_windows(model["windows"])
            return Typed({"default_unit_price": model["default_unit_price"]}, rows)
        case "capacity":
            units = list(dict.fromkeys(unit for tier in model["tiers"] for unit in tier["limits"]))
            values = {"units": ", ".join(units), "dimension": model["dimension"]}
            return Typed(values, [_typed_limits(tier, units) for tier in model["tiers"]])
        case "percent_of":
            return Typed(
                {"percent": model["percent"], "item_keys": ", ".join(model["item_keys"] or ())}
            )
    values = {}
    for spec in fields_of(name, {}):
        value = model.get(_RENAMED.get(spec.name, spec.name))
        if spec.kind == "flag":
            values[spec.name] = "on" if value else ""
        else:
            values[spec.name] = (
                "" if value is None or (value == "0" and not spec.is_required) else str(value)
            )
    rows = [
        {spec.name: _or_empty(tier, spec.name) for spec in columns_of(name, {})}
        for tier in model.get("tiers", ())
    ]
    return Typed(values, rows)


def _or_empty(data: Mapping[str, Any], name: str) -> str:
    """Write a number that may be left out; nothing for a zero that says nothing."""
    value = data.get(name)
    return "" if value is None or (value == "0" and name != "unit_price") else str(value)


def _typed_matrix(model: Mapping[str, Any]) -> Typed:
    names = list(dict.fromkeys(name for cell in model["cells"] for name in cell["match"]))
    rows = [
        {f"value_{at}": ", ".join(cell["match"].get(name, ())) for at, name in enumerate(names)}
        | {"unit_price": cell["unit_price"]}
        for cell in model["cells"]
    ]
    values = {
        "dimensions": ", ".join(names),
        "default_unit_price": model["default_unit_price"],
        "group_by": ", ".join(model["group_by"]),
    }
    return Typed(values, rows)


def _typed_limits(tier: Mapping[str, Any], units: Sequence[str]) -> dict[str, str]:
    limits = {f"value_{at}": tier["limits"].get(unit) or "" for at, unit in enumerate(units)}
    return {**limits, "price": tier["price"]}


def _typed_windows(windows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Gather windows at the same hours and price into one row where they are usual days."""
    by_hours: dict[tuple[int, int, str], list[int]] = {}
    for window in windows:
        day, start = divmod(window["start_minute"], DAY)
        end = window["end_minute"] - day * DAY
        by_hours.setdefault((start, end, window["unit_price"]), []).append(day)
    rows = []
    for (start, end, price), days in by_hours.items():
        usual = next((name for name, group in _DAYS.items() if list(group) == days), None)
        for chosen in [usual] if usual else map(str, days):
            hours = {"start": _clock(start), "end": _clock(end)}
            rows.append({"days": chosen, **hours, "unit_price": price})
    return rows


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
