"""Documents read as their language and country write them."""

from datetime import date
from decimal import Decimal
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.mail_texts import KINDS, checked, days_in_words, merged, merged_body
from monetization.documents.stationery import DATE_STYLES, NUMBER_FORMATS, Stationery
from monetization.documents.words import LANGUAGES, WORDS

DAY = date(2026, 9, 2)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("number_format", "money", "rate", "quantity"),
    [
        ("en_US", "−€1,234.50", "€0.00125", "1,234,567.125"),
        ("en_GB", "−€1,234.50", "€0.00125", "1,234,567.125"),
        ("de_DE", "−1.234,50 €", "0,00125 €", "1.234.567,125"),
        ("de_CH", "EUR−1’234.50", "EUR 0.00125", "1’234’567.125"),
        ("fr_FR", "−1 234,50 €", "0,00125 €", "1 234 567,125"),
        ("nl_NL", "€ −1.234,50", "€ 0,00125", "1.234.567,125"),
    ],
)
def test_numbers_are_written_as_the_country_does(
    number_format: str, money: str, rate: str, quantity: str
) -> None:
    paper = Stationery(number_format=number_format)

    assert plain(paper.money("-1234.5", "EUR")) == money
    assert plain(paper.rate("0.00125", "EUR")) == rate
    assert plain(paper.quantity("1234567.1250")) == quantity


def test_a_yen_has_no_decimals_and_a_dinar_three() -> None:
    paper = Stationery()
    assert plain(paper.money("1234", "JPY")) == "¥1,234"
    assert plain(paper.money("1.5", "KWD")) == "KWD 1.500"


@pytest.mark.parametrize(
    ("language", "number_format", "style", "text"),
    [
        ("en", "en_US", "short", "2 Sep 2026"),
        ("en", "en_US", "numeric", "9/2/2026"),
        ("de", "de_DE", "long", "2. September 2026"),
        ("de", "de_DE", "numeric", "02.09.2026"),
        ("fr", "fr_FR", "long", "2 septembre 2026"),
        ("nl", "nl_NL", "numeric", "02-09-2026"),
        ("nl", "nl_NL", "iso", "2026-09-02"),
    ],
)
def test_dates_are_written_in_the_language(
    language: str, number_format: str, style: str, text: str
) -> None:
    assert Stationery(language, number_format, style).day(DAY) == text


def test_steps_of_a_price_are_translated_and_a_customers_own_words_are_not() -> None:
    paper = Stationery("de", "de_DE")
    assert paper.step("Up to 1,000") == "Bis 1.000"
    assert paper.step("1,000 to 5,000.5") == "1.000 bis 5.000,5"
    assert paper.step("Over 5,000") == "Über 5.000"
    assert paper.step("Three-year commitment 12%") == "Three-year commitment 12%"


@given(
    st.sampled_from(sorted(LANGUAGES)),
    st.sampled_from(sorted(NUMBER_FORMATS)),
    st.sampled_from(sorted(DATE_STYLES)),
    st.decimals(-(10**12), 10**12, places=12),
    st.dates(date(1970, 1, 1), date(2199, 12, 31)),
    st.text(max_size=30),
)
def test_every_look_writes_every_value(
    language: str, number_format: str, style: str, value: Decimal, day: date, label: str
) -> None:
    paper = Stationery(language, number_format, style)
    for text in (
        paper.money(value, "EUR"),
        paper.rate(abs(value), "JPY"),
        paper.quantity(value),
        paper.percent(value),
        paper.day(day),
    ):
        assert text
        assert "None" not in text
    assert isinstance(paper.step(label), str)


def test_every_word_takes_the_same_places_in_every_language() -> None:
    for key, english in WORDS["en"].items():
        places = len(list(Formatter().parse(english)))
        for language in LANGUAGES:
            assert WORDS[language][key], (language, key)
            assert len(list(Formatter().parse(WORDS[language][key]))) >= places - 1


def test_our_own_mails_pass_the_rules_for_everybodys() -> None:
    for kind, text in KINDS.items():
        for language in LANGUAGES:
            checked(kind, text.subject[language], text.body[language])


@given(st.text(), st.text())
def test_what_a_value_says_is_never_looked_at_again(number: str, name: str) -> None:
    values = {"number": number, "customer_name": name}

    assert merged("{{ number }}|{{customer_name}}", values) == f"{number}|{name}"
    assert merged("{{ number }}", {"number": "{{ number }}{{7*7}}"}) == "{{ number }}{{7*7}}"


def test_a_paragraph_of_empty_fields_is_left_out() -> None:
    text = "Hello {{ contact_name }}\n\nPay to {{ bank_details }}\n\nBye"
    assert merged_body(text, {"contact_name": "Ann"}) == "Hello Ann\n\nBye"
    assert days_in_words(1, "de") == "1 Tag"
    assert days_in_words(2, "de") == "2 Tagen"
