"""Whole order forms by hand: years, values per year, and where a contract's lines begin and end."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from monetization.kernel.money import Money
from monetization.kernel.period import Frequency
from monetization.pricing.estimate import (
    Claimed,
    SeatBalances,
    estimate,
    price_charge_period,
    price_minimum,
    price_periods,
    rerate,
    taken_off,
)
from monetization.pricing.prices import Flat, Graduated, PerUnit, Seat, Tier
from monetization.pricing.terms import (
    CapTerms,
    IncludedTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
)
from monetization.pricing.timeline import charge_periods

D = Decimal
FEE = ItemTerms("fee", "fee", "Fee", "fixed", Flat(D(100)), Frequency.MONTHLY, "in_advance")
CALLS = ItemTerms(
    "calls",
    "calls",
    "Calls",
    "usage",
    PerUnit(D(2)),
    Frequency.MONTHLY,
    "in_arrears",
    meter="calls",
    recognition="usage",
)


def deal(start: date, end: date | None, *items: ItemTerms, **fields: object) -> OrderTerms:
    phase = PhaseTerms("p1", "Term", "standard", start, end, items)
    usual: dict[str, object] = {"anchor_day": 1, "payment_terms_days": 30, "phases": (phase,)}
    return OrderTerms("Deal", "USD", "UTC", start, end, **{**usual, **fields})  # type: ignore[arg-type]


def usd(amount: str) -> Money:
    return Money(D(amount), "USD")


@pytest.mark.parametrize(
    ("end", "total", "yearly", "years"),
    [
        pytest.param(date(2026, 2, 1), "100", "1200.00", 1, id="a month is a twelfth of a year"),
        pytest.param(date(2026, 7, 1), "600", "1200.00", 1, id="half a year"),
        pytest.param(date(2027, 7, 1), "1800", "1200.00", 2, id="eighteen months"),
        pytest.param(date(2029, 1, 1), "3600", "1200.00", 3, id="three years"),
        # 14 of 31 days: 45.16; a year has 365 days: 45.16 x 365 / 14 = 1,177.385...
        pytest.param(date(2026, 1, 15), "45.16", "1177.39", 1, id="two weeks"),
        # January and 14 of 28 days: 150.00; 45 days: 150 x 365 / 45 = 1,216.67.
        pytest.param(date(2026, 2, 15), "150", "1216.67", 1, id="a month and a half"),
    ],
)
def test_the_value_of_a_year_is_that_of_the_term_by_its_length(
    end: date, total: str, yearly: str, years: int
) -> None:
    priced = estimate(deal(date(2026, 1, 1), end, FEE))

    assert priced.total_contract_value == usd(total)
    assert priced.annual_contract_value == usd(yearly)
    assert len(priced.by_year) == years


def test_each_contract_year_has_what_is_served_from_its_first_day_on() -> None:
    terms = deal(date(2026, 1, 31), date(2029, 1, 31), FEE, anchor_day=31)

    priced = estimate(terms)

    assert [str(year.amount) for year in priced.by_year] == ["1200.00", "1200.00", "1200.00"]


def test_an_open_contract_is_estimated_over_its_first_twelve_months() -> None:
    priced = estimate(deal(date(2026, 1, 1), None, FEE))

    assert (len(priced.lines), priced.total) == (12, usd("1200.00"))
    assert priced.annual_contract_value == usd("1200.00")


def test_an_open_contract_is_planned_as_far_as_one_asks() -> None:
    terms = deal(date(2026, 1, 1), None, FEE)

    assert len(charge_periods(terms, until=date(2031, 1, 1))) == 60
    assert charge_periods(terms, until=date(2026, 1, 1)) == ()


def test_assumed_usage_is_that_of_a_whole_month_and_of_a_part_its_days() -> None:
    terms = deal(date(2026, 1, 1), date(2026, 2, 15), FEE, replace(CALLS, expected_quantity=D(28)))

    lines = {(line.item_key, line.service.start.month): line for line in estimate(terms).lines}

    assert lines["calls", 1].amount == usd("56.00")
    assert lines["calls", 2].quantity == D(14)  # 14 of February's 28 days
    assert estimate(terms, {"calls": D(10)}).total == usd("180.00")  # 150 + 20 + 10
    assert estimate(terms).total_contract_value == usd("150.00")


def test_a_one_time_fee_serves_its_first_day_unless_it_is_earned_over_the_phase() -> None:
    once = replace(FEE, frequency=Frequency.ONE_TIME, recognition="point_in_time")
    spread = replace(once, key="spread", recognition="straight_line")

    periods = charge_periods(deal(date(2026, 1, 1), date(2026, 3, 1), once, spread))

    assert {period.item_key: (period.service.end, period.factor) for period in periods} == {
        "fee": (date(2026, 1, 2), 1),
        "spread": (date(2026, 3, 1), 1),
    }


def test_a_minimum_of_the_contract_is_shown_in_the_phase_of_its_last_day() -> None:
    first = PhaseTerms("p1", "One", "standard", date(2026, 1, 1), date(2026, 1, 31), (FEE, CALLS))
    last = PhaseTerms("p2", "Two", "standard", date(2026, 1, 31), date(2026, 2, 1), (FEE, CALLS))
    least = MinimumTerms(D(50), Frequency.MONTHLY)
    terms = deal(
        date(2026, 1, 1),
        date(2026, 2, 1),
        phases=(first, last),
        minimums=(least, MinimumTerms(D(80), Frequency.MONTHLY, includes_fixed=True)),
    )
    periods = charge_periods(terms)
    minimums = [period for period in periods if period.kind == "minimum"]

    priced = price_periods(terms, periods, {("calls", date(2026, 1, 1)): D(10)})

    assert [period.phase_key for period in minimums] == ["p2", "p2"]
    # Usage of 20 lacks 30 of 50; with the fee of 100 nothing is missing to 80.
    due = [line.amount for line in priced if line.kind == "minimum"]
    assert due == [usd("30.00"), usd("0.00")]
    assert price_minimum(terms, minimums[0], priced).explanation["committed"] == "50"


def test_a_cap_binds_a_part_of_a_month_in_part_unless_it_is_whole() -> None:
    def capped(*, is_prorated: bool) -> str:
        cap = CapTerms(D(62), Frequency.MONTHLY, is_prorated=is_prorated)
        start, end = date(2026, 1, 1), date(2026, 1, 11)
        phase = PhaseTerms("p1", "Term", "standard", start, end, (CALLS,), caps=(cap,))
        terms = deal(start, end, phases=(phase,))
        (line,) = price_periods(terms, charge_periods(terms), {("calls", start): D(100)})
        assert rerate(line.explanation) == line.amount
        return str(line.amount.amount)

    assert capped(is_prorated=True) == "20.00"  # 62 x 10/31
    assert capped(is_prorated=False) == "62.00"


def test_a_cap_of_a_phase_counts_its_days_and_one_of_the_contract_all_of_them() -> None:
    """A phase change on 11 January: 10 days at 62.00 for the month, then 21 days."""
    cap = CapTerms(D(62), Frequency.MONTHLY)
    start, change, end = date(2026, 1, 1), date(2026, 1, 11), date(2026, 2, 1)
    used = {("calls", start): D(100), ("calls", change): D(100)}

    def lines(of_phase: tuple[CapTerms, ...], of_all: tuple[CapTerms, ...]) -> list[str]:
        first = PhaseTerms("p1", "One", "standard", start, change, (CALLS,), caps=of_phase)
        last = PhaseTerms("p2", "Two", "standard", change, end, (CALLS,), caps=of_phase)
        terms = deal(start, end, phases=(first, last), caps=of_all)
        return [
            str(line.amount.amount) for line in price_periods(terms, charge_periods(terms), used)
        ]

    assert lines((cap,), ()) == ["20.00", "42.00"]
    assert lines((), (cap,)) == ["62.00", "0.00"]


def test_a_cap_of_an_open_contract_holds_in_every_month_of_it() -> None:
    start, march = date(2026, 1, 1), date(2026, 3, 1)
    cap = CapTerms(D(62), Frequency.MONTHLY)
    phase = PhaseTerms("p1", "Term", "standard", start, None, (CALLS,), caps=(cap,))
    terms = deal(start, None, phases=(phase,))
    periods = charge_periods(terms, until=date(2026, 4, 1))

    priced = price_periods(terms, periods, {("calls", start): D(100), ("calls", march): D(100)})

    assert [str(line.amount.amount) for line in priced] == ["62.00", "0.00", "62.00"]


def test_units_are_included_for_the_days_of_the_period_where_that_was_agreed() -> None:
    start, end = date(2026, 1, 1), date(2026, 1, 11)

    def of(*, is_prorated: bool) -> str:
        some = replace(CALLS, included=IncludedTerms(D(31), is_prorated=is_prorated))
        terms = deal(start, end, some)
        (line,) = price_periods(terms, charge_periods(terms), {("calls", start): D(40)})
        return str(line.amount.amount)

    assert of(is_prorated=True) == "60.00"  # 10 of 31 days: 10 included, 30 x 2
    assert of(is_prorated=False) == "18.00"


def test_seats_beyond_the_contracted_ones_are_billed_by_their_own_rhythm() -> None:
    seats = ItemTerms(
        "seats",
        "seats",
        "Seats",
        "seat",
        Seat(Graduated((Tier(None, D(120)),)), mode="peak", contracted_minimum=D(5)),
        Frequency.YEARLY,
        "in_advance",
        quantity=D(5),
        overage_frequency=Frequency.MONTHLY,
    )
    terms = deal(date(2026, 1, 1), date(2027, 1, 1), seats)
    periods = charge_periods(terms)
    held = {("seats+overage", date(2026, 3, 1)): SeatBalances(D(7))}

    lines = [line for line in price_periods(terms, periods, held) if line.amount]

    # A year of 5 seats at 120, and in March 2 more at a twelfth of it.
    assert [(line.item_key, line.quantity, line.amount) for line in lines] == [
        ("seats", D(5), usd("600.00")),
        ("seats+overage", D(7), usd("20.00")),
    ]
    assert all(rerate(line.explanation) == line.amount for line in lines)
    assert "balances" not in lines[0].explanation


def test_a_line_that_takes_off_what_was_claimed_is_nothing_to_look_at() -> None:
    terms = deal(date(2026, 1, 1), date(2026, 2, 1), CALLS)
    (january,) = charge_periods(terms)
    line = price_charge_period(terms, january, D(-3))
    off = taken_off(line, Claimed("INV-1", usd("4.00"), usd("1.00")), key="x")

    assert (line.is_flagged, line.amount) == (True, usd("0.00"))
    assert (off.is_flagged, off.amount) == (False, usd("-3.00"))
