"""Last month beside this month: the changes add up, and the cause is the one that moved money."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from billing.domain import comparison
from billing.domain.comparison import (
    ComparedLine,
    by_cause,
    differences,
    main_cause,
    unexplained,
)
from monetization.pricing.estimate import rerate


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
    cases: dict[str, tuple[dict[str, Any], str]] = {
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


GRADUATED = {
    "model": "graduated",
    "tiers": [
        {"up_to": "1000", "unit_price": "0.10"},
        {"up_to": None, "unit_price": "0.05"},
    ],
}


def priced(quantity: str, *, phase: str = "p1", **explanation: Any) -> ComparedLine:
    """A line whose amount is what its inputs price to."""
    inputs = {
        "kind": "item",
        "currency": "USD",
        "model": GRADUATED,
        "quantity": quantity,
        "is_usage": True,
        "factor": [1, 1],
        "discounts": [],
        **explanation,
    }
    amount = rerate(inputs).amount
    return ComparedLine(
        item_key="calls",
        description="Calls",
        service_start=date(2026, 1, 1),
        service_end=date(2026, 2, 1),
        quantity=Decimal(quantity),
        amount=amount,
        tax=Decimal(0),
        explanation=inputs,
        phase=phase,
    )


def test_more_usage_at_a_better_tier_is_volume_less_tier() -> None:
    [found] = differences([priced("1000")], [priced("3000")], "USD")
    # 2,000 more at the 0.10 of before are 200.00; the second tier gives 100.00 of it back.
    assert dict(found.parts) == {"usage": Decimal(200), "tier": Decimal(-100)}
    assert (found.cause, found.change) == ("usage", Decimal(100))


def test_usage_price_and_discount_changes_are_told_apart_and_add_up() -> None:
    flat = {"model": "per_unit", "unit_price": "0.20"}
    off = [{"percent": "10", "label": "Loyal"}]
    after = priced("2000", model=flat, discounts=off)
    [found] = differences([priced("1000")], [after], "USD")
    # 1,000 more at 0.10: +100, of which the tier takes 50; 2,000 at 0.20 instead: +250; -10 %.
    assert dict(found.parts) == {
        "usage": Decimal(100),
        "tier": Decimal(-50),
        "price": Decimal(250),
        "discount": Decimal(-40),
    }
    assert sum(dict(found.parts).values()) == found.change == Decimal(260)


def test_what_a_new_phase_agreed_is_the_phase_and_not_the_price() -> None:
    seats: dict[str, Any] = {"model": {"model": "per_unit", "unit_price": "50"}, "is_usage": False}
    ramped: dict[str, Any] = {"model": {"model": "per_unit", "unit_price": "45"}, "is_usage": False}
    [found] = differences([priced("10", **seats)], [priced("20", phase="p2", **ramped)], "USD")
    assert dict(found.parts) == {"phase": Decimal(400)}


def test_added_seats_are_seats() -> None:
    seats: dict[str, Any] = {"model": {"model": "per_unit", "unit_price": "50"}, "is_usage": False}
    [found] = differences([priced("10", **seats)], [priced("12", **seats)], "USD")
    assert dict(found.parts) == {"quantity": Decimal(100)}


def test_a_line_written_by_hand_is_manual() -> None:
    by_hand = replace(line("manual:1", "-50", days=1), is_manual=True)
    assert [each.cause for each in differences([], [by_hand], "USD")] == ["manual"]


def test_a_unit_worth_more_is_the_exchange_rate() -> None:
    units: list[Any] = [{"code": "credits", "rate": rate} for rate in ("0.5", "0.6")]
    was, now = (priced("100", pricing_unit=unit) for unit in units)
    [found] = differences([was], [now], "USD")
    assert dict(found.parts) == {"fx": Decimal(1)}  # 100 x 0.10 are 10 credits, at 0.50 and 0.60


def test_seats_taken_in_the_middle_are_seats() -> None:
    seat = {"model": "seat", "price": {"model": "per_unit", "unit_price": "30"}}
    held = [{"opening": "10", "changes": []}, {"opening": "10", "changes": [["2026-01-16", "12"]]}]
    old, new = (priced("10", model=seat, is_usage=False, balances=each, **SPAN) for each in held)
    [found] = differences([old], [new], "USD")
    assert dict(found.parts) == {"quantity": new.amount - old.amount}
    assert found.change > 0


def test_late_usage_and_credits_are_causes_of_their_own() -> None:
    late, credit = line("calls-late", "12", kind="late"), line("credits", "-40", kind="credit")
    found = differences([], [late, credit], "USD")
    assert by_cause(found) == {"late": Decimal(12), "credit": Decimal(-40)}


def test_what_the_contract_or_a_note_says_is_not_unexplained() -> None:
    moved = {"usage": Decimal(-30), "phase": Decimal(400), "quantity": Decimal(20)}
    assert unexplained(moved) == Decimal(50)  # ups and downs do not cancel out
    assert unexplained(moved, note="Seats given back, as agreed") == 0


SPAN: dict[str, Any] = {
    "service": ["2026-01-01", "2026-02-01"],
    "full": ["2026-01-01", "2026-02-01"],
}
QUANTITIES = st.integers(0, 5000).map(str)
MODELS = st.sampled_from([GRADUATED, {"model": "per_unit", "unit_price": "0.37"}])
DISCOUNTS = st.sampled_from([[], [{"percent": "7", "label": "x"}]])


MORE = st.fixed_dictionaries(
    {},
    optional={
        "pricing_unit": st.sampled_from([{"code": "c", "rate": r} for r in ("0.5", "1.25")]),
        "included": st.integers(1, 900).map(str),
        "before": st.integers(0, 2000).map(str),
        "caps": st.sampled_from([[{"label": "cap", "room": r}] for r in ("20", "45/2")]),
    },
)


@given(QUANTITIES, QUANTITIES, MODELS, MODELS, DISCOUNTS, DISCOUNTS, MORE, MORE, st.booleans())
def test_causes_always_add_up_to_the_change(
    before: str,
    after: str,
    was: Any,
    now: Any,
    off: Any,
    then: Any,
    more: Any,
    less: Any,
    ramp: bool,
) -> None:
    old = priced(before, model=was, discounts=off, **more)
    new = priced(after, model=now, discounts=then, phase="p2" if ramp else "p1", **less)
    found = differences([old], [new], "USD")
    assert sum(by_cause(found).values()) == new.amount - old.amount
    # What the last step comes to is known; pricing it again must tell the same.
    with patch.object(comparison, "_DECIDED", frozenset()):
        assert differences([old], [new], "USD") == found
