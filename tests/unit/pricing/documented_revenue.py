"""Runs the examples of docs/pricing.md about revenue."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from monetization.kernel.money import Money
from revrec.domain.allocation import Bundle, allocate_by_ssp, allocate_with_residual
from revrec.domain.recognition import earned_by_month

Example = Mapping[str, str]


def _money(text: str) -> Money:
    amount, currency = text.split()
    return Money(Decimal(amount), currency)


def run_earned(example: Example) -> None:
    start, end = map(datetime.fromisoformat, example["service"].split(" to "))

    slices = earned_by_month(_money(example["price"]), start, end, example["method"])

    said = ", ".join(f"{part.month:%Y-%m} {part.amount.amount}" for part in slices)
    assert said == example["months"]


def run_allocation(example: Example) -> None:
    price = _money(example["price"])
    selling_prices = {
        name: Decimal(text) for name, text in json.loads(example["obligations"]).items()
    }
    if "residual" in example:
        row = json.loads(example["bundle"])
        bundle = Bundle(tuple(row["names"]), Money(Decimal(row["price"]), price.currency))
        found = allocate_with_residual(price, selling_prices, example["residual"], (bundle,))
    else:
        found = allocate_by_ssp(price, selling_prices)

    said = ", ".join(f"{name} {money.amount}" for name, money in found.amounts.items())
    assert said == example["allocation"]
    assert list(found.warnings) == ([example["warning"]] if "warning" in example else [])
