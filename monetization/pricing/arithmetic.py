"""Products and sums of decimals that are never cut, and fractions on their way to money."""

import decimal
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.money import ZERO

ONE = Decimal(1)
HUNDREDTH = Decimal("0.01")

# A 38-digit quantity times a 38-digit price has 76 digits; sums of tiers stay far below 200.
_EXACT = decimal.Context(
    prec=400, traps=[decimal.InvalidOperation, decimal.FloatOperation, decimal.Inexact]
)
times = _EXACT.multiply
plus = _EXACT.add
minus = _EXACT.subtract

# The context refuses a fraction, and a result of more digits than it has: then fractions go on.
_NOT_BOTH_DECIMAL = (TypeError, decimal.Inexact)
Exact = Decimal | Fraction  # an amount before it is money; a fraction after proration


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add up decimals without losing a digit."""
    result = ZERO
    for amount in amounts:
        result = plus(result, amount)
    return result


def add(one: Exact, other: Exact) -> Exact:
    try:
        return plus(one, other)  # type: ignore[arg-type]
    except _NOT_BOTH_DECIMAL:
        return Fraction(one) + Fraction(other)


def less(one: Exact, other: Exact) -> Exact:
    try:
        return minus(one, other)  # type: ignore[arg-type]
    except _NOT_BOTH_DECIMAL:
        return Fraction(one) - Fraction(other)


def scaled(amount: Exact, factor: Exact) -> Exact:
    try:
        return times(amount, factor)  # type: ignore[arg-type]
    except _NOT_BOTH_DECIMAL:
        return Fraction(amount) * Fraction(factor)


def negated(amount: Exact) -> Exact:
    return less(ZERO, amount)


def total_of(amounts: Sequence[Exact]) -> Exact:
    """Add up exact amounts: decimals to a decimal, and to a fraction if there is one."""
    result = ZERO
    try:
        for amount in amounts:
            result = plus(result, amount)  # type: ignore[arg-type]
    except _NOT_BOTH_DECIMAL:
        return sum((Fraction(part) for part in amounts), start=Fraction(0))
    return result


def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    """Return a percentage of an amount, exactly."""
    return times(times(amount, percent), HUNDREDTH)


def started(units: Decimal, size: Decimal) -> Decimal:
    """Return how many blocks of a size are started by a quantity: the ceiling of the quotient.

    >>> started(Decimal("100.5"), Decimal(100))
    Decimal('2')
    """
    whole, rest = _EXACT.divmod(units, size)  # towards zero
    return plus(whole, ONE) if rest > 0 else whole


def filled(units: Decimal, size: Decimal) -> Decimal:
    """Return how many blocks of a size are full: the floor of the quotient."""
    whole, rest = _EXACT.divmod(units, size)
    return minus(whole, ONE) if rest < 0 else whole


def as_decimal(value: Exact) -> Decimal:
    """Return an exact amount as a decimal, at the context's 60 digits where it does not end."""
    if isinstance(value, Decimal):
        return +value
    return Decimal(value.numerator) / Decimal(value.denominator)


def fraction(value: Any) -> Fraction:
    """Return a decimal or its text as an exact fraction."""
    return Fraction(value) if isinstance(value, (Decimal, Fraction, int)) else Fraction(str(value))
