"""Every price and condition can be read on the order form."""

from datetime import date
from decimal import Decimal as D  # noqa: N817
from typing import Any

import pytest

from monetization.kernel.period import Frequency
from monetization.pricing.prices import (
    Capacity,
    CapacityTier,
    ChargeModel,
    CostPlus,
    Dynamic,
    Flat,
    Graduated,
    GraduatedPercentage,
    Matrix,
    MatrixCell,
    Package,
    Percentage,
    PercentOf,
    PercentTier,
    PerUnit,
    Seat,
    StairStep,
    Tier,
    TimeOfUse,
    Volume,
    Window,
)
from monetization.pricing.quantities import Conversion
from monetization.pricing.terms import (
    CapTerms,
    DiscountTerms,
    IncludedTerms,
    ItemTerms,
    MinimumTerms,
    PhaseTerms,
)
from quotes.templatetags.order_words import Fact, in_currency
from quotes.templatetags.price_words import price_line, price_rows, rate
from quotes.templatetags.term_words import billed, how_many, item_notes, length, phase_rows

TIERS = (Tier(D(1000), D("0.10")), Tier(None, D("0.08"), D(5)))


class TestPrice:
    @pytest.mark.parametrize(
        ("model", "line", "rows"),
        [
            (Flat(D(2400)), "$2,400.00", []),
            (PerUnit(D("0.0125")), "$0.0125 each", []),
            (
                Graduated(TIERS),
                "by tier",
                [("Up to 1,000", "$0.10 each"), ("Over 1,000", "$0.08 each + $5.00")],
            ),
            (
                Volume((Tier(None, D(2)),)),
                "all units at one tier",
                [("All units", "$2.00 each")],
            ),
            (
                StairStep((Tier(D(10), flat_fee=D(99)), Tier(None, flat_fee=D(199)))),
                "one fee by size",
                [("Up to 10", "$99.00"), ("Over 10", "$199.00")],
            ),
            (
                Package(D(10000), D(5), D(50000), at_least_one=True),
                "$5.00 per 10,000, first 50,000 free, at least one",
                [],
            ),
            (
                Percentage(D("2.9"), D("0.30"), maximum=D(10)),
                "2.9% of each amount + $0.30 each",
                [("At most, each", "$10.00")],
            ),
            (
                GraduatedPercentage((PercentTier(D(1000), D(3)), PercentTier(None, D(2)))),
                "by tier",
                [("Up to $1,000.00", "3%"), ("Over $1,000.00", "2%")],
            ),
            (Dynamic(), "as metered", []),
            (CostPlus(D(20)), "cost + 20%", []),
            (
                Matrix((MatrixCell((("region", ("eu", "uk")),), D(2)),), D(1)),
                "by kind of use",
                [("region: eu, uk", "$2.00 each"), ("Anything else", "$1.00 each")],
            ),
            (PercentOf(D(15)), "15% of the other lines", []),
            (
                TimeOfUse((Window(480, 1080, D(2)),), D(1)),
                "by time of use",
                [("Mon 08:00 to Mon 18:00", "$2.00 each"), ("Any other time", "$1.00 each")],
            ),
            (
                Capacity((CapacityTier(D(99), (("seats", D(5)), ("storage", None))),)),
                "one fee by size",
                [("seats: up to 5, storage: unlimited", "$99.00")],
            ),
            (
                Seat(PerUnit(D(60)), "peak", D(25)),
                "$60.00 each, at least 25",
                [("Counted", "the highest number in the period")],
            ),
        ],
    )
    def test_of_every_model_is_said_in_words(
        self, model: ChargeModel, line: str, rows: list[tuple[str, str]]
    ) -> None:
        assert price_line(model, "USD") == line
        assert [(row.label, row.price) for row in price_rows(model, "USD")] == rows

    def test_of_a_currency_without_cents_has_none(self) -> None:
        assert rate(D(2400), "JPY") == "¥2,400"


def item(**changes: Any) -> ItemTerms:
    given: dict[str, Any] = {
        "key": "calls",
        "product_code": "calls",
        "product_name": "API calls",
        "kind": "usage",
        "model": PerUnit(D(1)),
        "frequency": Frequency.MONTHLY,
        "timing": "in_arrears",
        **changes,
    }
    return ItemTerms(**given)


class TestConditions:
    def test_say_when_a_line_is_billed_and_for_how_many(self) -> None:
        once = item(
            kind="fixed", frequency=Frequency.ONE_TIME, timing="in_advance", model=Flat(D(1))
        )

        assert billed(item()) == "Monthly in arrears"
        assert billed(once) == "Once, at the start"
        assert (how_many(item()), how_many(once)) == ("as used", "–")
        assert how_many(item(kind="seat", quantity=D("1200"))) == "1,200"

    def test_say_what_is_included_and_how_units_are_counted(self) -> None:
        line = item(
            included=IncludedTerms(D(1000)),
            accumulation="over_contract_year",
            conversion=Conversion("divide", D(1000), "up"),
        )
        assert item_notes(line, "USD") == (
            "1,000 included a contract year",
            "tiers count a contract year",
            "units are the measured ones ÷ 1,000, rounded up",
        )

    def test_say_discounts_minimums_and_caps_and_what_they_are_on(self) -> None:
        phase = PhaseTerms(
            "p1",
            "Year",
            "standard",
            date(2026, 1, 1),
            date(2026, 7, 1),
            (item(),),
            (
                DiscountTerms(D(10), "Loyalty"),
                DiscountTerms(label="Bonus", item_keys=("calls",), amount=D(5)),
            ),
            MinimumTerms(D(900), Frequency.QUARTERLY),
            (),
            (CapTerms(D(5000), Frequency.MONTHLY, ("calls",)),),
        )
        assert [(row.label, row.price) for row in phase_rows(phase, "USD")] == [
            ("Loyalty", "−10%"),
            ("Bonus on API calls", "−$5.00"),
            ("Minimum usage charges a quarter; less is topped up", "$900.00"),
            ("Most for API calls a month", "$5,000.00"),
        ]
        assert length(phase) == "6 months"


class TestFacts:
    @pytest.mark.parametrize(
        ("value", "kind", "text"),
        [
            (None, "percent", "–"),
            (None, "end", "open-ended"),
            (date(2026, 1, 31), "day", "31 Jan 2026"),
            (0, "days", "at once"),
            (False, "flag", "no"),
            (D(10), "percent", "10%"),
            ("half_yearly", "frequency", "Half-yearly"),
            ("in_advance", "timing", "in advance"),
            (item(), "line", "as used × $1.00 each, monthly in arrears"),
            (IncludedTerms(D(100)), "other", "units 100, is prorated no"),
            ((), "other", "–"),
        ],
    )
    def test_are_read_without_a_program(self, value: Any, kind: str, text: str) -> None:
        assert in_currency(Fact(value, kind), "USD") == text
