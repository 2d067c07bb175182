"""How one company's documents look and read: colours, language, dates, numbers. No database."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal, format_percent

from monetization.documents.words import LANGUAGES, WORDS
from monetization.kernel.money import minor_unit

NUMBER_FORMATS = {
    "en_US": "$1,234.56",
    "en_GB": "£1,234.56",
    "de_DE": "1.234,56 €",
    "de_AT": "€ 1.234,56",
    "de_CH": "CHF 1’234.56",
    "fr_FR": "1 234,56 €",
    "fr_CH": "1 234.56 CHF",
    "nl_NL": "€ 1.234,56",
}
DATE_STYLES = {
    "short": "21 Nov 2026",
    "long": "21 November 2026",
    "numeric": "11/21/2026, 21.11.2026",
    "iso": "2026-11-21",
}
# How the pricing core labels steps: tiers by their bounds, and a few fixed words.
_NUMBER = r"([\d,]+(?:\.\d+)?)"
_STEPS = (
    (re.compile(f"Up to {_NUMBER}"), "up_to"),
    (re.compile(f"Over {_NUMBER}"), "over"),
    (re.compile(f"{_NUMBER} to {_NUMBER}"), "between"),
)
_FIXED_STEPS = {
    "All units": "all_units",
    "Flat fee": "flat_fee",
    "Per unit": "per_unit",
    "Top-up to the minimum": "minimum",
}
PAGE_SIZES = {"A4": "A4", "Letter": "US Letter"}
ACCENT = "#101828"
TRUE_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Stationery:
    """What every document of a legal entity shares."""

    language: str = "en"
    number_format: str = "en_US"
    date_style: str = "short"
    accent_color: str = ACCENT
    page_size: str = "A4"
    logo: str = ""  # a data: address

    @property
    def words(self) -> Mapping[str, str]:
        return WORDS[self.language]

    def in_language(self, language: str) -> "Stationery":
        """Return the same look in another language; an unknown one changes nothing."""
        return replace(self, language=language) if language in LANGUAGES else self

    def money(self, amount: Any, currency: str) -> str:
        """Write an amount with its currency's own decimals."""
        if amount is None or amount == "":
            return "–"
        text = format_currency(
            Decimal(amount), currency, locale=self.number_format, currency_digits=True
        )
        return _spaced(text.replace("-", TRUE_MINUS))

    def rate(self, amount: Any, currency: str) -> str:
        """Write a unit price with all its places, at least the currency's own."""
        if amount is None or amount == "":
            return "–"
        value = Decimal(amount)
        own = -int(minor_unit(currency).as_tuple().exponent)
        places = max(own, -int(value.normalize().as_tuple().exponent))
        pattern = _currency_pattern(self.number_format)
        wanted = pattern.replace("0.00", f"0.{'0' * places}" if places else "0")
        text = format_currency(
            value, currency, format=wanted, locale=self.number_format, currency_digits=False
        )
        return _spaced(text.replace("-", TRUE_MINUS))

    def quantity(self, value: Any) -> str:
        """Write a quantity without trailing zeros, grouped."""
        if value is None or value == "":
            return "–"
        text = format_decimal(
            Decimal(value),
            format="#,##0.############",
            locale=self.number_format,
            decimal_quantization=False,
        )
        return text.replace("-", TRUE_MINUS)

    def percent(self, value: Any) -> str:
        if value is None or value == "":
            return "–"
        return format_percent(
            Decimal(value) / 100, locale=self.number_format, decimal_quantization=False
        )

    def day(self, value: date | None) -> str:
        if not value:
            return "–"
        if self.date_style == "iso":
            return value.isoformat()
        if self.date_style == "numeric":
            pattern = _numeric_pattern(self.number_format)
            return format_date(value, format=pattern, locale=self.number_format)
        if self.date_style == "long":
            return format_date(value, format="long", locale=_date_locale(self.language))
        text = format_skeleton("yMMMd", value, locale=_date_locale(self.language))
        return text.replace("Sept ", "Sep ")

    def step(self, label: str) -> str:
        """Write the label of a pricing step, as the core writes it, in the language."""
        if label in _FIXED_STEPS:
            return self.words[_FIXED_STEPS[label]]
        for pattern, word in _STEPS:
            found = pattern.fullmatch(label)
            if found:
                bounds = (Decimal(part.replace(",", "")) for part in found.groups())
                return self.words[word].format(*map(self.quantity, bounds))
        return label

    def period(self, start: date, end: date | None) -> str:
        """Write a half-open period as people say it, both days included."""
        if end is None:
            return f"{self.words['from']} {self.day(start)}"
        last = end - timedelta(days=1)
        if start == last:
            return self.day(start)
        return f"{self.day(start)} – {self.day(last)}"


def _spaced(text: str) -> str:
    """Part letters of a currency from its figures: KWD 1.500, as CLDR asks for."""
    return re.sub(r"([A-Z])(\d)", "\\1\u00a0\\2", text)


def _date_locale(language: str) -> str:
    return "en_GB" if language == "en" else language


@lru_cache(maxsize=16)
def _currency_pattern(locale: str) -> str:
    return str(Locale.parse(locale).currency_formats["standard"].pattern)


@lru_cache(maxsize=16)
def _numeric_pattern(locale: str) -> str:
    pattern = str(Locale.parse(locale).date_formats["short"].pattern)
    return pattern if "yyyy" in pattern else pattern.replace("yy", "y")


PLAIN = Stationery()
