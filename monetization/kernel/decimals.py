"""Exact decimals: the context money is computed in, and the only door from text."""

import decimal
import re
from decimal import Decimal

PRECISION = 60
MAX_DIGITS = 38
MAX_PLACES = 12

_PATTERN = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


class NotExact(ValueError):
    """Text that is not a plain decimal number within 38 digits and 12 places."""


def configure() -> None:
    """Set precision 60 and refuse floats, for this thread and every later one.

    The default of 28 digits silently cuts products of long decimals; comparing or mixing a
    float with a decimal raises instead of being nearly right.
    """
    for context in (decimal.DefaultContext, decimal.getcontext()):
        context.prec = PRECISION
        context.traps[decimal.FloatOperation] = True
        context.traps[decimal.InvalidOperation] = True


def exact_decimal(value: object) -> Decimal:
    """Read a number exactly as somebody sent it: a string, an int or a Decimal.

    :raises NotExact: for NaN, infinities, underscores, non-ASCII digits, signs or spaces in
        odd places, more than 38 digits or 12 decimal places, booleans and floats.

    >>> exact_decimal("1234567890.123456789012")
    Decimal('1234567890.123456789012')
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise NotExact("must be a decimal number")
    text = str(value)
    if len(text) > 60 or not _PATTERN.fullmatch(text):
        raise NotExact("must be a plain decimal number, for example 12.5")
    number = Decimal(text)
    _, digits, exponent = number.as_tuple()
    places = max(0, -int(exponent))
    whole = max(0, len(digits) + int(exponent))
    if places > MAX_PLACES:
        normal = number.normalize()
        if max(0, -int(normal.as_tuple().exponent)) > MAX_PLACES:
            raise NotExact(f"must have at most {MAX_PLACES} decimal places")
        number, places = normal, MAX_PLACES
    if whole + places > MAX_DIGITS:
        raise NotExact(f"must have at most {MAX_DIGITS} digits")
    return number if number else Decimal(0)


def plain(number: Decimal) -> str:
    """Write a decimal without exponent or trailing zeros: the one spelling we hash.

    >>> plain(Decimal("1E+3")), plain(Decimal("2.500"))
    ('1000', '2.5')
    """
    if not number:
        return "0"
    text = str(number)
    if "E" in text:
        text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
