"""What charge models and modifiers look like in the API: one example of each."""

from typing import Any

from monetization.pricing.codec import MODEL_NAMES

_TIERS = [
    {"up_to": "1000", "unit_price": "0.10", "flat_fee": "0"},
    {"up_to": None, "unit_price": "0.08", "flat_fee": "0"},
]

MODEL_EXAMPLES: dict[str, dict[str, Any]] = {
    "flat": {"model": "flat", "amount": "500"},
    "per_unit": {"model": "per_unit", "unit_price": "0.25"},
    "seat": {
        "model": "seat",
        "price": {"model": "per_unit", "unit_price": "30"},
        "mode": "prorate_increments",
        "contracted_minimum": "10",
    },
    "graduated": {"model": "graduated", "tiers": _TIERS, "flat_fee_at_zero": True},
    "volume": {"model": "volume", "tiers": _TIERS, "flat_fee_at_zero": True},
    "stair_step": {
        "model": "stair_step",
        "tiers": [
            {"up_to": "10000", "flat_fee": "99"},
            {"up_to": None, "flat_fee": "249"},
        ],
    },
    "package": {
        "model": "package",
        "size": "1000",
        "package_price": "5",
        "free_units": "2000",
        "at_least_one": False,
    },
    "percentage": {
        "model": "percentage",
        "percent": "2.9",
        "fixed_fee": "0.30",
        "free_events": 100,
        "free_amount": "10000",
        "minimum": "0.50",
        "maximum": "25",
    },
    "graduated_percentage": {
        "model": "graduated_percentage",
        "tiers": [
            {"up_to": "100000", "percent": "2.9"},
            {"up_to": None, "percent": "2.4"},
        ],
    },
    "dynamic": {"model": "dynamic", "multiplier": "1"},
    "cost_plus": {"model": "cost_plus", "markup_percent": "20"},
    "matrix": {
        "model": "matrix",
        "cells": [
            {"match": {"model": ["large"], "region": ["eu", "us"]}, "unit_price": "0.04"},
            {"match": {"model": ["small"]}, "unit_price": "0.01"},
        ],
        "default_unit_price": "0.05",
    },
    "percent_of": {"model": "percent_of", "percent": "15", "item_keys": ["platform"]},
    "time_of_use": {
        "model": "time_of_use",
        "windows": [{"start_minute": 480, "end_minute": 1200, "unit_price": "0.32"}],
        "default_unit_price": "0.18",
    },
    "capacity": {
        "model": "capacity",
        "tiers": [
            {"price": "100", "limits": {"cores": "4", "gigabytes": "100"}},
            {"price": "250", "limits": {"cores": None, "gigabytes": None}},
        ],
        "dimension": "unit",
    },
}

_WHAT = """A charge model; the other fields depend on `model`. Numbers are strings.

- `flat`: `amount` per period. `per_unit`: `unit_price`.
- `seat`: `price` (per_unit, graduated or volume), `mode` (prorate_increments, prorate_all, peak,
  period_start), `contracted_minimum`.
- `graduated`, `volume`, `stair_step`: `tiers` of `up_to` (included; null in the last),
  `unit_price`, `flat_fee`, optional `block_size`; `flat_fee_at_zero`.
- `package`: `size`, `package_price`, `free_units`, `at_least_one`, `whole_only`.
- `percentage` of the money events carry: `percent`, `fixed_fee`, `free_events`, `free_amount`,
  `minimum` and `maximum` per event.
- `graduated_percentage`: `tiers` of `up_to`, `percent`, `flat_fee`.
- `dynamic`: `multiplier`. `cost_plus`: `markup_percent`.
- `matrix`: `cells` of `match` (property to values) and `unit_price`, the first that matches;
  `default_unit_price`; `group_by`.
- `percent_of`: `percent` of the lines in `item_keys`, null for all others.
- `time_of_use`: `windows` of `start_minute`, `end_minute` (of the local week, Monday 00:00 is 0,
  half-open) and `unit_price`; `default_unit_price`.
- `capacity`: `tiers` of `price` and `limits` by unit, null for unlimited; `dimension`."""

CHARGE_MODEL: dict[str, Any] = {
    "type": "object",
    "description": _WHAT,
    "properties": {"model": {"type": "string", "enum": list(MODEL_NAMES)}},
    "required": ["model"],
    "additionalProperties": True,
    "example": MODEL_EXAMPLES["per_unit"],
}

MODIFIERS: dict[str, Any] = {
    "type": "object",
    "description": """What a price says beside its charge model. All fields are optional.

- `conversion` of measured to priced units: `operation` (multiply, divide), `factor`, `rounding`
  (none, up, down, half_up), `precision` in decimal places.
- `included` units before the price begins: `units`, `is_prorated`.
- `accumulation`: per_period, over_contract_year or over_contract: how long tiers run on.
- `discounts` of the line, one of `percent`, `amount` or `free_units` each, with a `label`.
- `cap` and `minimum`: `amount`, `window` (as accumulation), `is_prorated`; a minimum may have an
  `overage_factor` of at least 1.
- `pricing_unit`: the price is in units of its own (`code`), one of which costs `rate`.
- `overage_frequency`: how often seats beyond the contracted minimum are billed.
- `credits` a fee sells: `amount` for each one sold (money: what is paid, if left out), `unit_code`
  (money, if left out), `expires_after_months`, `priority`, `products` they may pay.""",
    "properties": {
        name: {"type": kind}
        for name, kind in (
            ("conversion", "object"),
            ("included", "object"),
            ("accumulation", "string"),
            ("pricing_unit", "object"),
            ("overage_frequency", "string"),
            ("credits", "object"),
            ("discounts", "array"),
            ("minimum", "object"),
            ("cap", "object"),
        )
    },
    "additionalProperties": False,
    "example": {
        "included": {"units": "1000", "is_prorated": False},
        "cap": {"amount": "5000", "window": "per_period"},
    },
}
MODIFIERS["properties"]["discounts"]["items"] = {"type": "object"}
