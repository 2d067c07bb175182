"""Last month beside this month: the changes add up, and the cause is the one that moved money."""

from datetime import date
from decimal import Decimal
from typing import Any

from billing.domain.comparison import ComparedLine, differences, main_cause


def line(key: str, amount: str, tax: str = "0", days: int = 30, **explanation: Any) -> ComparedLine:
    start = date(2026, 1, 1)
    return ComparedLine(
        item_key=key,
        description=key.title(),
        service_start=start,
        service_end=date.fromordinal(start.toordinal() + days),
        quantity=None,
        amount=Decimal(amount),
        tax=Decimal(tax),
        explanation={"model": {"model": "flat"}, "factor": [1, 1], **explanation},
    )


def test_changes_add_up_to_the_difference_of_the_totals() -> None:
    before = [line("platform", "500", "100"), line("calls", "80", "16", is_usage=True)]
    after = [line("platform", "500", "100"), line("calls", "120.50", "24.10", is_usage=True)]
    found = differences(before, after)
    assert sum(each.change for each in found) == Decimal("48.60")
    assert [(each.cause, each.change) for each in found] == [
        ("usage", Decimal("40.50")),
        ("tax", Decimal("8.10")),
    ]
    assert main_cause(found) == "usage"


def test_a_quarterly_line_is_the_billing_rhythm_not_a_lost_product() -> None:
    found = differences([line("revenue", "720", days=91)], [])
    assert [each.cause for each in found] == ["rhythm"]


def test_a_fee_of_one_day_is_one_off() -> None:
    assert [each.cause for each in differences([], [line("setup", "6000", days=1)])] == ["one_off"]


def test_each_reason_is_named() -> None:
    cases = {
        "price": ({"model": {"model": "flat", "amount": "2"}}, "600"),
        "discount": ({"discounts": [{"percent": "10", "label": "x"}]}, "450"),
        "period": ({"factor": [1, 2]}, "250"),
        "quantity": ({"quantity": "12"}, "550"),
    }
    for cause, (explanation, amount) in cases.items():
        found = differences([line("seats", "500")], [line("seats", amount, **explanation)])
        assert [each.cause for each in found] == [cause]


def test_a_minimum_that_is_not_due_any_more_is_the_minimum() -> None:
    topped_up = line("minimum", "220", kind="minimum")
    assert main_cause(differences([topped_up], [])) == "minimum"


def test_equal_invoices_have_no_difference() -> None:
    lines = [line("platform", "500", "100")]
    assert differences(lines, lines) == ()
    assert main_cause(()) == ""
