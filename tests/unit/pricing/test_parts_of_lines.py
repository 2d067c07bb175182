"""What the parts of a line are called and counted, worked by hand."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from monetization.kernel.period import Frequency
from monetization.pricing.estimate import Measured, PricedLine, price_periods, rerate
from monetization.pricing.prices import Flat, Graduated, PerUnit, Tier, TimeOfUse, Volume, Window
from monetization.pricing.rating import rate
from monetization.pricing.terms import (
    CapTerms,
    DiscountTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
)
from monetization.pricing.timeline import charge_periods, phase_on
from monetization.pricing.usage import Usage, UsagePart

D = Decimal
START, END = date(2026, 1, 1), date(2026, 3, 1)
TIERS = (Tier(D(1000), D("0.10")), Tier(None, D("0.08")))
CALLS = ItemTerms(
    "calls",
    "calls",
    "API calls",
    "usage",
    Graduated(TIERS),
    Frequency.MONTHLY,
    "in_arrears",
    meter="calls",
    recognition="usage",
    accumulation="over_contract",
)
PHASE = PhaseTerms("p1", "Term", "standard", START, END, (CALLS,))


def order(phase: PhaseTerms = PHASE) -> OrderTerms:
    return OrderTerms("Deal", "USD", "UTC", START, phase.end_on, 1, 30, (phase,))


def lines(terms: OrderTerms, *measured: Measured) -> tuple[PricedLine, ...]:
    periods = charge_periods(terms)
    months = sorted({period.service.start for period in periods})
    used = {("calls", month): units for month, units in zip(months, measured, strict=False)}
    priced = price_periods(terms, periods, used)
    assert all(rerate(line.explanation) == line.amount for line in priced)
    return priced


def parts(line: PricedLine) -> list[tuple[str, str, str]]:
    return [(c.key, f"{c.quantity:f}", f"{c.amount:f}") for c in line.components]


def test_a_month_pays_for_its_own_units_of_every_tier() -> None:
    january, february = lines(order(), D(900), D(200))

    assert parts(january) == [("tier-1", "900", "90.00")]
    assert parts(february) == [("tier-1", "100", "10.00"), ("tier-2", "100", "8.00")]


def test_a_tier_that_was_used_up_before_is_not_shown_again() -> None:
    _, february = lines(order(), D(1000), D(50))

    assert parts(february) == [("tier-2", "50", "4.00")]


def test_units_that_fell_into_a_cheaper_tier_are_taken_back() -> None:
    falling = replace(PHASE, items=(replace(CALLS, model=Volume(TIERS)),))

    _, february = lines(order(falling), D(900), D(200))

    assert parts(february) == [("tier-1", "-900", "-90.00"), ("tier-2", "1100", "88.00")]
    assert february.is_flagged


def test_what_was_used_is_not_prorated_however_short_the_month() -> None:
    short = replace(PHASE, end_on=date(2026, 1, 16))

    (half,) = lines(order(short), D(900))

    assert parts(half) == [("tier-1", "900", "90.00")]


def test_discounts_and_caps_are_counted_from_one_percentages_first() -> None:
    phase = replace(
        PHASE,
        items=(replace(CALLS, accumulation="per_period"),),
        discounts=(
            DiscountTerms(label="Welcome", amount=D(5), item_keys=("calls",)),
            DiscountTerms(D(10), label="Partner"),
        ),
        caps=(CapTerms(D(50), Frequency.MONTHLY, label="At most"),),
    )

    january, _ = lines(order(phase), D(900), D(0))

    assert [(c.key, c.label, f"{c.amount:f}") for c in january.components] == [
        ("tier-1", "Up to 1,000", "90.00"),
        ("discount-2", "Partner 10%", "-9.00"),
        ("discount-1", "Welcome", "-5.00"),
        ("cap-1", "At most", "-26.00"),
    ]


@pytest.mark.parametrize(
    ("charged", "label", "due"),
    [
        (99, "Top-up to the minimum", "1.00"),
        (100, "Top-up to the minimum", "0.00"),
        (110, "Spend beyond the commitment", "5.00"),
    ],
)
def test_a_commitment_that_is_met_exactly_costs_nothing_more(
    charged: int, label: str, due: str
) -> None:
    fee = ItemTerms("fee", "fee", "Fee", "fixed", Flat(D(charged)), Frequency.MONTHLY, "in_arrears")
    least = MinimumTerms(
        amount=D(100),
        frequency=Frequency.MONTHLY,
        includes_fixed=True,
        overage_factor=D("1.5"),
    )

    minimum = next(
        line
        for line in lines(order(replace(PHASE, items=(fee,), minimum=least)))
        if line.kind == "minimum"
    )

    assert (minimum.label, f"{minimum.amount.amount:f}") == (label, due)


def test_the_hour_of_an_event_is_kept_with_the_line_and_without_events_none_is() -> None:
    hours = TimeOfUse((Window(0, 60, D(2)),), D(5))
    phase = replace(PHASE, items=(replace(CALLS, model=hours, accumulation="per_period"),))
    used = Usage.of([UsagePart(D(3), {}, 30), UsagePart(D(1), {}, 61)])

    january, february = lines(order(phase), used, Usage(D(7)))

    assert january.explanation["parts"] == [
        {"quantity": "3", "minute": 0},
        {"quantity": "1"},
    ]
    assert (january.quantity, f"{january.amount.amount:f}") == (D(4), "11.00")
    assert (february.quantity, f"{february.amount.amount:f}") == (D(7), "35.00")


def test_a_tier_in_blocks_is_used_up_with_its_started_block() -> None:
    blocks = Graduated((Tier(D(25), D(3), block_size=D(10)), Tier(None, D(1))))

    assert [(c.quantity, c.amount) for c in rate(blocks, D(27))] == [(3, 9), (2, 2)]


def test_a_phase_begins_on_its_first_day_and_the_first_serves_before_the_contract() -> None:
    second = replace(PHASE, key="p2", start_on=date(2026, 2, 1))
    first = replace(PHASE, end_on=date(2026, 2, 1))
    terms = replace(order(), phases=(first, second))
    days = [date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 1), date(2027, 1, 1)]

    assert [phase_on(terms, day).key for day in days] == ["p1", "p1", "p2", "p2"]


def test_an_open_commitment_is_looked_at_by_contract_years() -> None:
    least = MinimumTerms(amount=D(100), frequency=Frequency.MONTHLY, window="over_contract_year")
    fee = ItemTerms("fee", "fee", "Fee", "fixed", PerUnit(D(1)), Frequency.YEARLY, "in_advance")
    terms = order(replace(PHASE, items=(fee,), minimum=least, end_on=None))

    def years(until: date) -> list[int]:
        found = charge_periods(terms, until=until)
        return [period.service.start.year for period in found if period.kind == "minimum"]

    assert years(date(2027, 1, 1)) == [2026]
    assert years(date(2027, 1, 2)) == [2026, 2027]
