"""Amounts, quantities and dates as people read them."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from django import template
from django.utils.text import Truncator

from monetization.kernel.decimals import plain
from monetization.kernel.money import Money, minor_unit

register = template.Library()

LOCALE = "en_US"
TRUE_MINUS = "\N{MINUS SIGN}"


@register.filter
def money(amount: Any, currency: str = "") -> str:
    """Write an amount with its currency's own decimals: ``{{ total|money:"JPY" }}``."""
    if amount is None or amount == "":
        return "–"
    if isinstance(amount, Money):
        amount, currency = amount.amount, amount.currency
    value = Decimal(amount)
    if not value.is_finite() or value.adjusted() > _LARGEST:
        return _apart(format_currency(value, currency, locale=LOCALE, currency_digits=True))
    places, above, below = _around(currency)
    before, after = below if value < 0 else above
    return f"{before}{abs(value):,.{places}f}{after}"


_LARGEST = 20  # digits before the point that are written out here


@lru_cache(maxsize=512)
def _around(currency: str) -> tuple[int, tuple[str, str], tuple[str, str]]:
    """Return a currency's places, and what stands around a figure above and below zero.

    The locale's pattern is read once per currency: pages show hundreds of amounts.
    """
    places, sides = 0, []
    for sample in (Decimal(1), Decimal(-1)):
        text = format_currency(sample, currency, locale=LOCALE, currency_digits=True)
        before, _, after = _apart(text).partition("1")
        if after.startswith("."):
            figure = len(after) - len(after[1:].lstrip("0"))
            places, after = figure - 1, after[figure:]
        sides.append((before, after))
    return places, sides[0], sides[1]


def _apart(text: str) -> str:
    """Set a code of letters apart from its figure, as the locale does: CHF 12.50, but $12.50."""
    return _CODE_MEETS_FIGURE.sub("\N{NO-BREAK SPACE}", text).replace("-", TRUE_MINUS)


_CODE_MEETS_FIGURE = re.compile(r"(?<=[A-Za-z])(?=[0-9])")


@register.filter
def unit_price(amount: Any, currency: str = "") -> str:
    """Write a rate with all its places, at least the currency's own."""
    if amount is None or amount == "":
        return "–"
    value = Decimal(amount)
    own = -int(minor_unit(currency).as_tuple().exponent) if currency else 2
    places = max(own, -int(value.normalize().as_tuple().exponent))
    text = format_currency(
        value,
        currency,
        locale=LOCALE,
        currency_digits=False,
        format=f"¤#,##0.{'0' * places}" if places else "¤#,##0",
    )
    return _apart(text)


@register.filter
def quantity(value: Any) -> str:
    """Write a quantity without trailing zeros, grouped by thousands."""
    if value is None or value == "":
        return "–"
    whole, _, places = plain(Decimal(value)).partition(".")
    text = format_decimal(int(whole or 0), locale=LOCALE)
    if whole.startswith("-") and not text.startswith("-"):
        text = f"-{text}"
    return (f"{text}.{places}" if places else text).replace("-", TRUE_MINUS)


@register.filter
def measured(value: Any) -> str:
    """Write what an event measured: a quantity, or the beginning of a text."""
    return quantity(value) if isinstance(value, Decimal) else Truncator(value).chars(40)


@register.filter
def negated(amount: Decimal) -> Decimal:
    """Turn a credit, which is negative in the ledger, into the figure of a credit column."""
    return -amount


@register.filter
def percent(value: Any) -> str:
    return "–" if value is None or value == "" else f"{plain(Decimal(value))}%"


@register.filter
def day(value: Any) -> str:
    """Write a date: 21 Nov 2026."""
    return _day(value) if value else "–"


@lru_cache(maxsize=4096)
def _day(value: Any) -> str:
    return format_date(value, format="d MMM y", locale="en_GB").replace("Sept", "Sep")


@register.filter
def moment(value: datetime | None, zone: str = "UTC") -> str:
    """Write an instant in a zone: 21 Nov 2026, 14:05."""
    if not value:
        return "–"
    return format_datetime(
        value.astimezone(ZoneInfo(zone)), "d MMM y, HH:mm", locale="en_GB"
    ).replace("Sept", "Sep")


@register.simple_tag
def period(start: date, end: date | None) -> str:
    """Write a half-open period as people say it, both days included."""
    if end is None:
        return f"from {day(start)}"
    last = end - timedelta(days=1)
    if start == last:
        return day(start)
    if start.year == last.year:
        first = format_date(start, format="d MMM", locale="en_GB").replace("Sept", "Sep")
        return f"{first} – {day(last)}"
    return f"{day(start)} – {day(last)}"
