"""A price or quantity that rises year by year. Pure."""

from decimal import ROUND_HALF_UP, Decimal

from monetization.kernel.money import minor_unit


def risen_price(price: Decimal, percent: Decimal, years: int, currency: str) -> Decimal:
    """Return a price after so many yearly rises, compounded, rounded once at the end.

    :param percent: the rise a year, e.g. 5 for 5 %.
    :returns: rounded half up to the currency's minor unit, or to the places the price itself
        has where those are finer (0.0125 a call stays a price with four places).

    >>> risen_price(Decimal("36000"), Decimal("5"), 2, "USD")
    Decimal('39690.00')
    >>> risen_price(Decimal("0.0125"), Decimal("10"), 1, "USD")
    Decimal('0.0138')
    """
    step = min(minor_unit(currency), _step(price))
    return _risen(price, percent, years).quantize(step, rounding=ROUND_HALF_UP)


def risen_quantity(quantity: Decimal, percent: Decimal, years: int) -> Decimal:
    """Return a quantity after so many yearly rises; whole quantities stay whole.

    >>> risen_quantity(Decimal(45), Decimal(10), 1)
    Decimal('50')
    """
    step = min(Decimal(1), _step(quantity))
    return _risen(quantity, percent, years).quantize(step, rounding=ROUND_HALF_UP)


def _risen(value: Decimal, percent: Decimal, years: int) -> Decimal:
    return value * (1 + percent / 100) ** years


def _step(value: Decimal) -> Decimal:
    """Return the place value of the last digit given: 0.01 for 12.50, at most 1."""
    return Decimal(1).scaleb(min(0, int(value.as_tuple().exponent)))
