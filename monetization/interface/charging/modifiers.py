"""What a price says beside its charge model, from what was typed, and back."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from monetization.interface.charging.models import Row, Typed, TypedWrong
from monetization.pricing.prices import PriceError
from monetization.pricing.terms.modifiers import modifiers_from_data, modifiers_to_data

_PLACES = {
    "conversion": "factor",
    "conversion.operation": "convert",
    "conversion.rounding": "round",
    "conversion.precision": "precision",
    "included": "included_units",
    "included.units": "included_units",
    "included.is_prorated": "included_prorated",
    "pricing_unit.code": "unit_code",
    "pricing_unit.rate": "unit_rate",
    "minimum": "min_amount",
    "minimum.amount": "min_amount",
    "minimum.window": "min_window",
    "minimum.overage_factor": "min_factor",
    "cap": "cap_amount",
    "cap.amount": "cap_amount",
    "cap.window": "cap_window",
    "credits": "credits_sold",
    "credits.amount": "credits_sold",
    "credits.unit_code": "credits_unit",
    "credits.expires_after_months": "credits_months",
    "credits.priority": "credits_priority",
    "credits.products": "credits_products",
}


def modifiers_from_typed(values: Mapping[str, Any], discounts: Sequence[Row]) -> dict[str, Any]:
    """Return modifiers as data from fields that have been read one by one.

    :param values: by field: plain numbers as text, flags as booleans; None where empty.
    :raises TypedWrong: naming the field, and the row of a discount.
    """
    data: dict[str, Any] = {}
    if values.get("convert"):
        data["conversion"] = {
            "operation": values["convert"],
            "factor": _needed(values, "factor", "is needed: by how much"),
            "rounding": values.get("round") or "none",
            "precision": _whole(values.get("precision")),
        }
    if values.get("included_units") is not None:
        prorated = bool(values.get("included_prorated"))
        data["included"] = {"units": values["included_units"], "is_prorated": prorated}
    data["accumulation"] = values.get("accumulation") or "per_period"
    if values.get("unit_code") or values.get("unit_rate") is not None:
        data["pricing_unit"] = {
            "code": _needed(values, "unit_code", "is needed: what the units are called"),
            "rate": _needed(values, "unit_rate", "is needed: what one unit costs"),
        }
    if values.get("overage_frequency"):
        data["overage_frequency"] = values["overage_frequency"]
    for name, short in (("minimum", "min"), ("cap", "cap")):
        if values.get(f"{short}_amount") is not None:
            data[name] = {
                "amount": values[f"{short}_amount"],
                "window": values.get(f"{short}_window") or "per_period",
                "is_prorated": not values.get(f"{short}_whole"),
            }
    if values.get("sells_credits"):
        data["credits"] = _credits(values)
    if "minimum" in data and values.get("min_factor") is not None:
        data["minimum"]["overage_factor"] = values["min_factor"]
    data["discounts"] = [
        {row.get("kind") or "percent": row.get("value"), "label": row.get("label") or "Discount"}
        for row in discounts
    ]
    try:
        return modifiers_to_data(modifiers_from_data(data, ""))
    except PriceError as error:
        path, _, message = str(error).partition(": ")
        name, row = modifier_place(path)
        raise TypedWrong(name, message or str(error), row) from None


def _credits(values: Mapping[str, Any]) -> dict[str, Any]:
    sold: dict[str, Any] = {
        "unit_code": values.get("credits_unit") or "",
        "products": [
            code for code in re.split(r"[,\s]+", values.get("credits_products") or "") if code
        ],
    }
    if values.get("credits_sold") is not None:
        sold["amount"] = values["credits_sold"]
    for name, field in (("expires_after_months", "months"), ("priority", "priority")):
        text = str(values.get(f"credits_{field}") or "").strip()
        if text:
            if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII):
                raise TypedWrong(f"credits_{field}", "must be a whole number")
            sold[name] = int(text)
    return sold


def _needed(values: Mapping[str, Any], name: str, message: str) -> Any:
    value = values.get(name)
    if value in (None, ""):
        raise TypedWrong(name, message)
    return value


def _whole(value: Any) -> int:
    text = str(value or "0").strip()
    if not re.fullmatch(r"-?[0-9]{1,2}", text, re.ASCII):
        raise TypedWrong("precision", "must be a whole number such as 0, 2 or -2")
    return int(text)


def modifier_place(path: str) -> tuple[str, int | None]:
    """Return the field, and the row of a discount, that a path inside modifiers is about."""
    path = path.removeprefix("modifiers.")
    found = re.match(r"discounts\[(\d+)\]", path)
    if found:
        return "value", int(found[1])
    return _PLACES.get(path, path), None


def typed_modifiers(data: Any) -> Typed:
    """Return modifiers as they would be typed."""
    found = modifiers_to_data(modifiers_from_data(data))
    values: dict[str, str] = {"accumulation": found.get("accumulation", "per_period")}
    if conversion := found.get("conversion"):
        values |= {
            "convert": conversion["operation"],
            "factor": conversion["factor"],
            "round": conversion["rounding"],
            "precision": str(conversion["precision"] or ""),
        }
    if included := found.get("included"):
        values["included_units"] = included["units"]
        values["included_prorated"] = "on" if included["is_prorated"] else ""
    if unit := found.get("pricing_unit"):
        values |= {"unit_code": unit["code"], "unit_rate": unit["rate"]}
    values["overage_frequency"] = found.get("overage_frequency", "")
    for name, short in (("minimum", "min"), ("cap", "cap")):
        if rule := found.get(name):
            values |= {f"{short}_amount": rule["amount"], f"{short}_window": rule["window"]}
            values[f"{short}_whole"] = "" if rule["is_prorated"] else "on"
            if "overage_factor" in rule:
                values["min_factor"] = rule["overage_factor"]
    if sold := found.get("credits"):
        values |= {
            "sells_credits": "on",
            "credits_sold": sold.get("amount", ""),
            "credits_unit": sold.get("unit_code", ""),
            "credits_months": str(sold.get("expires_after_months", "")),
            "credits_priority": str(sold["priority"]),
            "credits_products": ", ".join(sold.get("products", ())),
        }
    rows = [
        {"kind": kind, "value": row[kind], "label": row["label"]}
        for row in found.get("discounts", ())
        for kind in ("percent", "amount", "free_units")
        if kind in row
    ]
    return Typed(values, rows)
