"""Prices are divided over obligations and months as the standards' own examples divide them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from monetization.config.conformance.revenue import invoice_journal
from monetization.kernel.money import Money
from revrec.domain.allocation import Bundle, allocate_by_ssp, allocate_with_residual
from revrec.domain.recognition import METHODS, earned_by_month

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
MONTHS = ("2026-06", "2026-07", "2026-08", "2026-09", "2026-10")


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


def yen(amount: int) -> Money:
    return Money(Decimal(amount), "JPY")


def decimals(**numbers: str) -> dict[str, Decimal]:
    return {name: Decimal(number) for name, number in numbers.items()}


@pytest.mark.parametrize(
    ("method", "earned"),
    [
        # Four months from noon of 15 June to noon of 13 October, 120 USD: Stripe's settings page.
        ("second", ["15.50", "31.00", "31.00", "30.00", "12.50"]),
        ("day", ["16.00", "31.00", "31.00", "30.00", "12.00"]),
        ("month", ["30.00", "30.00", "30.00", "30.00"]),
        ("month_prorated", ["15.50", "30.67", "30.67", "30.66", "12.50"]),
        # 15.5 of 30 days are more than half of June, 12.5 of 31 less than half of October.
        ("half_month", ["26.67", "26.67", "26.67", "26.66", "13.33"]),
    ],
)
def test_four_months_are_earned_by_the_method_chosen(method: str, earned: list[str]) -> None:
    slices = earned_by_month(usd("120.00"), NOON, datetime(2026, 10, 13, 12, tzinfo=UTC), method)

    assert [str(part.amount.amount) for part in slices] == earned
    assert [f"{part.month:%Y-%m}" for part in slices] == list(MONTHS[: len(earned)])


def test_a_service_within_one_month_is_earned_in_it_by_every_method() -> None:
    for method in METHODS:
        (part,) = earned_by_month(usd("9.99"), NOON, NOON + timedelta(hours=5), method)
        assert part.amount == usd("9.99")


def test_a_month_prorated_at_both_ends_without_any_between_is_earned_by_time() -> None:
    first, second = earned_by_month(
        usd("31.00"),
        datetime(2026, 1, 15, tzinfo=UTC),
        datetime(2026, 2, 15, tzinfo=UTC),
        "month_prorated",
    )

    assert (first.amount, second.amount) == (usd("17.00"), usd("14.00"))


def test_months_that_end_at_midnight_do_not_touch_the_next() -> None:
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    for method in METHODS:
        slices = earned_by_month(usd("100.00"), NOON, new_year, method)
        assert slices[-1].month.isoformat() == "2026-12-01"


@pytest.mark.parametrize(
    ("start", "end", "method", "refusal"),
    [
        (NOON, NOON, "day", "service: must end after it starts"),
        (NOON, NOON + timedelta(1), "weekly", "method: must be one of day, second"),
    ],
)
def test_what_cannot_be_spread_is_refused(
    start: datetime, end: datetime, method: str, refusal: str
) -> None:
    with pytest.raises(ValueError, match=refusal):
        earned_by_month(usd("1.00"), start, end, method)


def test_a_price_is_divided_by_selling_prices() -> None:
    """IFRS 15, Example 33."""
    allocation = allocate_by_ssp(yen(100), decimals(A="50", B="25", C="75"))

    assert allocation.amounts == {"A": yen(33), "B": yen(17), "C": yen(50)}


BUNDLE = (Bundle(("B", "C"), yen(60)),)
OBSERVED = decimals(A="40", B="55", C="45")


@pytest.mark.parametrize(
    ("price", "residual", "rest", "warned"),
    [(100, None, None, False), (130, "D", 30, False), (105, "D", 5, True), (90, "D", -10, True)],
)
def test_the_discount_of_a_bundle_stays_in_it_and_the_rest_goes_to_the_residual(
    price: int, residual: str | None, rest: int | None, *, warned: bool
) -> None:
    """IFRS 15, Example 34, cases A to C: B and C sell together for 60."""
    allocation = allocate_with_residual(yen(price), OBSERVED, residual, BUNDLE)

    expected = {"A": yen(40), "B": yen(33), "C": yen(27)}
    if rest is not None:
        expected["D"] = yen(rest)
    assert allocation.amounts == expected
    assert bool(allocation.warnings) == warned


def test_a_discount_nobody_can_place_is_shared_by_all() -> None:
    allocation = allocate_with_residual(yen(50), OBSERVED, None, BUNDLE)

    assert allocation.amounts == {"A": yen(20), "B": yen(17), "C": yen(13)}


def journal(**given: object) -> Mapping[str, Mapping[str, str]]:
    months = invoice_journal(given)["months"]
    return {
        month: {name: str(money.amount) for name, money in row.items() if money}
        for month, row in months.items()
    }


def test_an_invoice_is_deferred_earned_by_day_and_paid() -> None:
    assert journal(
        **{"from": "2026-01-01", "to": "2026-04-01"},
        invoice="90",
        payments=[{"date": "2026-02-03", "amount": "60"}, {"date": "2026-05-03", "amount": "30"}],
    ) == {
        "2026-01": {"receivable": "90.00", "revenue": "31.00", "deferred": "59.00"},
        "2026-02": {
            "receivable": "-60.00",
            "cash": "60.00",
            "revenue": "28.00",
            "deferred": "-28.00",
        },
        "2026-03": {"revenue": "31.00", "deferred": "-31.00"},
        "2026-05": {"receivable": "-30.00", "cash": "30.00"},
    }


def test_a_credit_note_before_the_service_is_a_discount() -> None:
    rows = journal(
        **{"from": "2026-01-01", "to": "2026-04-01"},
        invoice="120",
        credit_notes=[{"date": "2026-01-01", "amount": "30"}],
    )

    assert rows["2026-01"] == {"receivable": "90.00", "revenue": "31.00", "deferred": "59.00"}
    assert rows["2026-03"] == {"revenue": "31.00", "deferred": "-31.00"}


def test_a_credit_note_later_catches_up_what_was_earned_of_it() -> None:
    """Of 90 for 90 days, 45 are given up after 31 days: 15.50 of them were earned."""
    rows = journal(
        **{"from": "2026-01-01", "to": "2026-04-01"},
        invoice="90",
        payments=[{"date": "2026-01-01", "amount": "90"}],
        credit_notes=[{"date": "2026-02-01", "amount": "45", "refund": "15"}],
    )

    assert rows["2026-02"] == {
        "receivable": "-30.00",  # 45 credited, 15 of it paid out
        "cash": "-15.00",
        "revenue": "-1.50",  # 14.00 earned, 15.50 taken back
        "deferred": "-43.50",
    }
    assert rows["2026-03"] == {"revenue": "15.50", "deferred": "-15.50"}
