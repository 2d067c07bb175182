"""Prices that rise at a renewal. Pure."""

from copy import deepcopy
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from monetization.kernel.decimals import exact_decimal, plain
from monetization.kernel.money import minor_unit

_AMOUNTS = ("amount", "package_price", "flat_fee", "fixed_fee")
_RATES = ("unit_price",)
_RATE_STEP = Decimal("1e-12")


def risen_model(model: Any, percent: Decimal, currency: str) -> Any:
    """Return a stored price with every amount of money raised.

    Amounts are rounded to the currency's minor unit, half away from zero; prices per unit to
    twelve places. Percentages and quantities stay.

    >>> risen_model({"model": "flat", "amount": "500"}, Decimal("2.5"), "USD")
    {'model': 'flat', 'amount': '512.5'}
    """
    if not percent:
        return model
    found = deepcopy(model)
    _raise(found, 1 + percent / 100, minor_unit(currency))
    return found


def _raise(data: Any, factor: Decimal, unit: Decimal) -> None:
    if isinstance(data, list):
        for each in data:
            _raise(each, factor, unit)
        return
    if not isinstance(data, dict):
        return
    for name, value in data.items():
        if name in _AMOUNTS and isinstance(value, str | int):
            data[name] = _times(value, factor, unit)
        elif name in _RATES and isinstance(value, str | int):
            data[name] = _times(value, factor, _RATE_STEP)
        else:
            _raise(value, factor, unit)


def _times(value: Any, factor: Decimal, unit: Decimal) -> str:
    exact = exact_decimal(value) * factor
    return plain(exact.quantize(unit, rounding=ROUND_HALF_UP))
