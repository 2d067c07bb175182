"""Revenue: allocation of a price and its months."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from monetization.config.conformance.registry import adapter, currency, number, result
from monetization.kernel.money import Money, allocate

Case = Mapping[str, Any]


@adapter("revrec.allocate_ssp")
def allocate_ssp(given: Case) -> Mapping[str, Any]:
    price = Money.rounded(number(given["transaction_price"]), currency(given))
    weights = [Fraction(number(row["ssp"])) for row in given["obligations"]]
    parts = allocate(price, weights)
    names = [str(row["id"]) for row in given["obligations"]]
    return result(allocation=dict(zip(names, parts, strict=True)))
