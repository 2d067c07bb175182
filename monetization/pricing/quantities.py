"""What happens to a quantity before it is priced: conversion, rounding, included units."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.decimals import MAX_PLACES
from monetization.kernel.money import ZERO
from monetization.pricing.arithmetic import times
from monetization.pricing.prices import PriceError

ROUNDINGS = ("none", "up", "down", "half_up")
OPERATIONS = ("multiply", "divide")


@dataclass(frozen=True, slots=True)
class Conversion:
    """From measured to priced units: bytes to gigabytes, tokens to thousands of tokens."""

    operation: str = "multiply"
    factor: Decimal = Decimal(1)
    rounding: str = "none"
    precision: int = 0  # decimal places kept; -2 rounds to hundreds

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise PriceError(f"operation: must be one of {', '.join(OPERATIONS)}")
        if self.factor <= 0:
            raise PriceError("factor: must be more than zero")
        if self.rounding not in ROUNDINGS:
            raise PriceError(f"rounding: must be one of {', '.join(ROUNDINGS)}")
        if not -MAX_PLACES <= self.precision <= MAX_PLACES:
            raise PriceError(f"precision: must be from -{MAX_PLACES} to {MAX_PLACES}")

    def convert(self, quantity: Decimal) -> Decimal:
        """Convert and round. A quotient that does not end is kept at the context's 60 digits.

        >>> Conversion("divide", Decimal(1000), "up").convert(Decimal(1400))
        Decimal('2')
        """
        if self.rounding == "none":
            if self.operation == "multiply":
                return times(quantity, self.factor)
            return quantity / self.factor
        exact = Fraction(quantity)
        factor = Fraction(self.factor)
        exact = exact * factor if self.operation == "multiply" else exact / factor
        return round_units(exact, self.rounding, self.precision)


def round_units(value: Decimal | Fraction, rounding: str, precision: int = 0) -> Decimal:
    """Round a quantity to a number of decimal places.

    :param rounding: ``up`` away from smaller (ceiling), ``down`` (floor), ``half_up`` halves
        away from zero, ``none`` as it is.
    :param precision: places kept; negative ones round to tens, hundreds, ...

    >>> round_units(Decimal("123.456"), "half_up", 2), round_units(Decimal("123.456"), "up", -2)
    (Decimal('123.46'), Decimal('200'))
    """
    if rounding == "none":
        return value if isinstance(value, Decimal) else _ended(value)
    scaled = Fraction(value) * Fraction(10) ** precision
    match rounding:
        case "up":
            whole = -(-scaled // 1)
        case "down":
            whole = scaled // 1
        case "half_up":
            whole = int(abs(scaled) + Fraction(1, 2)) * (1 if scaled >= 0 else -1)
        case _:
            raise PriceError(f"rounding: must be one of {', '.join(ROUNDINGS)}")
    return _ended(Fraction(whole) / Fraction(10) ** precision)


def _ended(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


@dataclass(frozen=True, slots=True)
class Included:
    """A quantity after included units: what is left to price, and what was given."""

    billable: Decimal
    billable_before: Decimal  # of the quantity already billed earlier in the window
    included: Decimal  # units given now


def apply_allowance(quantity: Decimal, free: Decimal, before: Decimal = ZERO) -> Included:
    """Take included units off a quantity; those used up earlier in the window are gone.

    :param before: units of the same window that came before these.

    >>> apply_allowance(Decimal(15), Decimal(10), before=Decimal(5)).billable
    Decimal('10')
    """
    left = max(ZERO, free - before)
    included = min(quantity, left)
    return Included(quantity - included, max(ZERO, before - free), included)
