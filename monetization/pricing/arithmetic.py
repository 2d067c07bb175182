"""Products and sums of decimals that are never cut, and fractions on their way to money."""

import decimal
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.money import ZERO

# A 38-digit quantity times a 38-digit price has 76 digits; sums of tiers stay far below 200.
_EXACT = decimal.Context(
    prec=400, traps=[decimal.InvalidOperation, decimal.FloatOperation, decimal.Inexact]
)
times = _EXACT.multiply
plus = _EXACT.add
minus = _EXACT.subtract


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add up decimals without losing a digit."""
    result = ZERO
    for amount in amounts:
        result = plus(result, amount)
    return result


def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    """Return a percentage of an amount, exactly."""
    return times(times(amount, percent), _HUNDREDTH)


_HUNDREDTH = Decimal("0.01")


def started(units: Decimal, size: Decimal) -> Decimal:
    """Return how many blocks of a size are started by a quantity: the ceiling of the quotient.

    >>> started(Decimal("100.5"), Decimal(100))
    Decimal('2')
    """
    return Decimal(-((-Fraction(units)) // Fraction(size)))


def filled(units: Decimal, size: Decimal) -> Decimal:
    """Return how many blocks of a size are full: the floor of the quotient."""
    return Decimal(Fraction(units) // Fraction(size))


def as_decimal(value: Fraction) -> Decimal:
    """Return a fraction as a decimal, at the context's 60 digits where it does not end."""
    return Decimal(value.numerator) / Decimal(value.denominator)


def fraction(value: Any) -> Fraction:
    """Return a decimal or its text as an exact fraction."""
    return Fraction(value) if isinstance(value, (Decimal, Fraction, int)) else Fraction(str(value))
