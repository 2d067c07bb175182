"""Usage billed before its period is over, by hand: claimed, credited, taken off, computed again."""

from datetime import date
from decimal import Decimal

from monetization.kernel.money import Money
from monetization.kernel.period import Frequency
from monetization.pricing.estimate import (
    Claimed,
    price_charge_period,
    price_progress,
    rerate,
    taken_off,
)
from monetization.pricing.prices import PerUnit
from monetization.pricing.terms import ItemTerms, OrderTerms, PhaseTerms
from monetization.pricing.timeline import charge_periods

START, END = date(2026, 1, 1), date(2026, 2, 1)
CALLS = ItemTerms(
    "calls",
    "calls",
    "API calls",
    "usage",
    PerUnit(Decimal("0.5")),
    Frequency.MONTHLY,
    "in_arrears",
    meter="calls",
    recognition="usage",
)
TERMS = OrderTerms(
    "Deal",
    "USD",
    "UTC",
    START,
    END,
    1,
    30,
    (PhaseTerms("p1", "Term", "standard", START, END, (CALLS,)),),
)
(JANUARY,) = charge_periods(TERMS)


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


def test_an_invoice_on_the_way_claims_what_was_not_claimed_before() -> None:
    line = price_charge_period(TERMS, JANUARY, Decimal(700))
    claimed = [
        Claimed("INV-1", usd("100.00"), usd("0.00")),
        Claimed("INV-2", usd("120.00"), usd("20.00")),
    ]

    progress = price_progress(line.explanation, label="Until 20 January", claimed=claimed)

    assert progress.amount == usd("150.00") == rerate(progress.explanation)
    assert progress.explanation["cumulative"] == "350.00"
    steps = progress.explanation["steps"]
    assert [(step["key"], step["quantity"], step["amount"]) for step in steps] == [
        ("used", "700", "350.00"),
        ("billed", None, "-100.00"),
        ("billed", None, "-120.00"),
        ("credited", None, "20.00"),
    ]


def test_the_invoice_of_the_period_takes_off_what_stands() -> None:
    line = price_charge_period(TERMS, JANUARY, Decimal(700))

    off = taken_off(line, Claimed("INV-2", usd("120.00"), usd("20.00")), key="calls:INV-2")

    assert (off.amount, off.quantity, off.kind) == (usd("-100.00"), None, "billed")
    assert off.amount == -Claimed("INV-2", usd("120.00"), usd("20.00")).stands
    assert rerate(off.explanation) == off.amount
    assert off.label == "API calls: INV-2"
