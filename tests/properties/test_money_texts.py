"""Amounts on pages read as the locale writes them, whatever the currency and the size."""

import re
from decimal import Decimal

import pytest
from babel.numbers import format_currency
from hypothesis import given
from hypothesis import strategies as st

from monetization.interface.templatetags.money import LOCALE, TRUE_MINUS, money

CURRENCIES = ("USD", "EUR", "CHF", "JPY", "KWD", "CLF", "SEK", "INR", "XTS", "ABC")


@given(
    st.decimals(
        min_value=Decimal("-1e15"), max_value=Decimal("1e15"), places=4, allow_nan=False
    ).filter(lambda amount: amount != 0 or not amount.is_signed()),
    st.sampled_from(CURRENCIES),
)
def test_an_amount_reads_as_the_locale_writes_it(amount: Decimal, currency: str) -> None:
    written = format_currency(amount, currency, locale=LOCALE, currency_digits=True)
    apart = re.sub("(?<=[A-Z])(?=[0-9])", "\N{NO-BREAK SPACE}", written)  # a code of letters
    assert money(amount, currency) == apart.replace("-", TRUE_MINUS)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1234567.5", "USD", "$1,234,567.50"),
        ("-0.5", "EUR", "−€0.50"),
        ("1500", "JPY", "¥1,500"),
        ("-12.3456", "KWD", "−KWD\N{NO-BREAK SPACE}12.346"),
        ("-0", "USD", "$0.00"),
        ("0.125", "USD", "$0.12"),
    ],
)
def test_amounts_worked_by_hand(amount: str, currency: str, text: str) -> None:
    assert money(Decimal(amount), currency) == text
