"""Which values of a property are numbers that count. Pure."""

import re
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.decimals import NotExact, exact_decimal

# Text that counts as a number. One pattern for Python and Postgres, so that the hourly sums
# and the raw events never disagree; every number an event can carry is stored in this form.
NUMBER = r"-?(0|[1-9][0-9]{0,37})(\.[0-9]{1,12})?"
_NUMBER = re.compile(NUMBER)


def counted_number(value: object) -> Decimal | None:
    """Return what a property's value counts: numbers, and text that is a plain number.

    >>> counted_number("12.50"), counted_number("12e2")
    (Decimal('12.50'), None)
    """
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    try:
        return exact_decimal(value)
    except NotExact:
        return None


def at_twelve_places(value: Fraction) -> Decimal:
    """Return an exact value at 12 places, half away from zero, as Postgres rounds.

    >>> at_twelve_places(Fraction(-2, 3))
    Decimal('-0.666666666667')
    """
    scaled = value * 10**12
    whole = int(abs(scaled) + Fraction(1, 2))
    return Decimal(whole if scaled >= 0 else -whole).scaleb(-12)
