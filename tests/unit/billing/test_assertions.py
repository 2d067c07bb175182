"""The rules drafts must pass, each on both sides of its limit."""

from dataclasses import replace
from decimal import Decimal

import pytest

from billing.domain.assertions import (
    KINDS,
    InvoiceFacts,
    LineFacts,
    ParameterInvalid,
    Rule,
    default_rules,
    evaluate,
    read_parameters,
)

FEE = LineFacts("platform", "Platform", Decimal(500), Decimal(1), is_usage=False)
CALLS = LineFacts("calls", "API calls", Decimal(80), Decimal(800), is_usage=True)
GOOD = InvoiceFacts(
    currency="USD",
    subtotal=Decimal(580),
    tax=Decimal(116),
    total=Decimal(696),
    lines=(FEE, CALLS),
    previous_total=Decimal(600),
    previous_lines=(FEE, CALLS),
    customer_tax_percent=Decimal(20),
)


def failing(facts: InvoiceFacts, kind: str, **parameters: str) -> str:
    found = evaluate([Rule(kind, parameters)], facts)
    return found[0].detail if found else ""


def test_an_ordinary_invoice_passes_every_rule() -> None:
    assert evaluate([Rule(kind) for kind in KINDS], GOOD) == ()


@pytest.mark.parametrize(
    ("usage", "fails"), [("312", False), ("312.01", True), ("0", False), ("-153", True)]
)
def test_a_change_over_the_share_needs_a_note(usage: str, fails: bool) -> None:
    # 580.00 before; 40 % of it are 232.00.
    facts = replace(GOOD, lines=(FEE, CALLS._replace(amount=Decimal(usage))))
    assert bool(failing(facts, "change_without_note", percent="40")) is fails
    assert not failing(replace(facts, change_note="New site"), "change_without_note")


def test_a_quarterly_fee_that_is_not_due_every_month_needs_no_note() -> None:
    quarterly = LineFacts("support", "Support", Decimal(5000), Decimal(1), False, days=91)
    assert not failing(replace(GOOD, lines=(FEE, CALLS, quarterly)), "change_without_note")
    assert not failing(replace(GOOD, previous_lines=(FEE, CALLS, quarterly)), "change_without_note")
    dearer = quarterly._replace(amount=Decimal(9000))
    both = replace(GOOD, lines=(FEE, CALLS, dearer), previous_lines=(FEE, CALLS, quarterly))
    assert failing(both, "change_without_note")


def test_something_after_nothing_needs_a_note_and_a_first_invoice_does_not() -> None:
    assert failing(replace(GOOD, previous_lines=()), "change_without_note")
    assert not failing(replace(GOOD, previous_lines=(), previous_total=None), "change_without_note")


def test_a_negative_line_is_named() -> None:
    refund = FEE._replace(description="Refund", amount=Decimal(-1))
    facts = replace(GOOD, lines=(FEE, refund))
    assert failing(facts, "no_negative_line") == "Refund: below zero"


def test_a_meter_that_measured_last_time_and_is_silent_now_is_named() -> None:
    silent = replace(GOOD, lines=(FEE, CALLS._replace(quantity=Decimal(0))))
    assert "API calls: no usage" in failing(silent, "usage_still_arrives")
    gone = replace(GOOD, lines=(FEE,))
    assert "is not on this invoice" in failing(gone, "usage_still_arrives")
    never = replace(silent, previous_lines=(FEE, CALLS._replace(quantity=Decimal(0))))
    assert not failing(never, "usage_still_arrives")


def test_the_limit_itself_is_allowed() -> None:
    assert not failing(GOOD, "total_within_limit", limit="696")
    assert failing(GOOD, "total_within_limit", limit="695.99") == "696.00 USD is more than 695.99"


def test_a_taxable_customer_without_tax_fails_and_an_exempt_one_does_not() -> None:
    untaxed = replace(GOOD, tax=Decimal(0))
    assert "taxed at 20 %" in failing(untaxed, "tax_present")
    assert not failing(replace(untaxed, tax_treatment="reverse_charge"), "tax_present")
    unset = replace(untaxed, customer_tax_percent=Decimal(0), customer_country="DE")
    assert not failing(unset, "tax_present")
    assert failing(unset, "tax_present", countries="FR, de")


def test_a_purchase_order_is_asked_for_where_the_customer_requires_one() -> None:
    facts = replace(GOOD, requires_purchase_order=True)
    assert failing(facts, "purchase_order_present")
    assert not failing(replace(facts, purchase_order="4711"), "purchase_order_present")


def test_a_flagged_line_fails() -> None:
    assert failing(replace(GOOD, lines=(CALLS._replace(is_flagged=True),)), "nothing_flagged")


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("change_without_note", "percent", "much"),
        ("change_without_note", "percent", "-1"),
        ("change_without_note", "share", "10"),
        ("total_within_limit", "limit", "0"),
        ("tax_present", "countries", "Germany"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(kind: str, name: str, text: str) -> None:
    with pytest.raises(ParameterInvalid, match=f"^{name}: "):
        read_parameters(kind, {name: text})


def test_the_defaults_are_valid() -> None:
    for rule, _ in default_rules():
        read_parameters(rule.kind, rule.parameters)
