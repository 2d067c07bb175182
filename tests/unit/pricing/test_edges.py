"""The edges of time and caps: the day, the cent and the month that decide."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from monetization.kernel.period import Frequency, Period
from monetization.pricing.accumulation import still_to_bill
from monetization.pricing.arithmetic import as_decimal
from monetization.pricing.estimate import price_periods
from monetization.pricing.prices import Flat, Graduated, Tier
from monetization.pricing.proration import instants_factor, prorate_factor
from monetization.pricing.quantities import Conversion
from monetization.pricing.rating import rate
from monetization.pricing.recurrence import CADENCES, calendar_anchor
from monetization.pricing.terms import ItemTerms, MinimumTerms, OrderTerms, PhaseTerms
from monetization.pricing.terms.model import CapTerms
from monetization.pricing.timeline import charge_periods, period_share

JANUARY = Period(date(2026, 1, 1), date(2026, 2, 1))
START, END = date(2026, 1, 1), date(2026, 7, 1)
FEE = ItemTerms("fee", "fee", "Fee", "fixed", Flat(Decimal(91)), Frequency.MONTHLY, "in_advance")
PHASE = PhaseTerms("p1", "Term", "standard", START, END, (FEE,))


def order(phase: PhaseTerms) -> OrderTerms:
    return OrderTerms("Deal", "USD", "UTC", START, END, 1, 30, (phase,))


def test_a_price_that_is_not_prorated_costs_the_whole_for_a_day() -> None:
    assert prorate_factor(Period(date(2026, 1, 31), date(2026, 2, 1)), JANUARY, "none") == 1


@pytest.mark.parametrize(
    ("first", "after", "days"),
    [
        (date(2026, 1, 15), date(2026, 1, 31), 15),
        (date(2026, 1, 31), date(2026, 2, 1), 1),
        (date(2026, 1, 30), date(2026, 2, 1), 1),
    ],
)
def test_no_month_has_a_thirty_first_of_thirty_days(first: date, after: date, days: int) -> None:
    factor = prorate_factor(Period(first, after), JANUARY, "thirty_day_month")

    assert factor == Fraction(days, 30)


def test_a_full_period_may_be_a_day_but_not_nothing() -> None:
    midnight, noon = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC)
    tomorrow = datetime(2026, 1, 2, tzinfo=UTC)

    assert instants_factor((midnight, noon), (midnight, tomorrow)) == Fraction(1, 2)
    assert instants_factor((midnight, noon), (midnight, noon)) == 1
    with pytest.raises(ValueError, match="period: must end after it starts"):
        instants_factor((midnight, noon), (noon, noon))


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [
        (Frequency.MONTHLY, Frequency.YEARLY, Fraction(1, 12)),
        (Frequency.YEARLY, Frequency.QUARTERLY, Fraction(4)),
        (Frequency.WEEKLY, Frequency.WEEKLY, Fraction(1)),
        (Frequency.WEEKLY, Frequency.MONTHLY, 7 / Fraction(1461, 48)),  # 365.25 days a year
        (Frequency.YEARLY, Frequency.WEEKLY, Fraction(1461, 28)),
    ],
)
def test_a_rhythm_is_a_part_of_another(part: Frequency, whole: Frequency, share: Fraction) -> None:
    assert period_share(part, whole) == share


@pytest.mark.parametrize(("cap", "amount"), [("90.50", "90.50"), ("91", "91"), ("90.99", "90.99")])
def test_a_cap_takes_off_cents_too(cap: str, amount: str) -> None:
    rule = CapTerms(Decimal(cap), Frequency.MONTHLY, ("fee",), includes_fixed=True)
    terms = order(replace(PHASE, caps=(rule,)))

    lines = price_periods(terms, charge_periods(terms), {})

    assert {line.amount.amount for line in lines} == {Decimal(amount)}


def test_a_minimum_over_the_contract_year_ends_with_the_contract() -> None:
    rule = MinimumTerms(Decimal(1000), Frequency.YEARLY, window="over_contract_year")
    terms = order(replace(PHASE, minimum=rule))

    (minimum,) = (period for period in charge_periods(terms) if period.kind == "minimum")

    assert (minimum.service, minimum.bill_on) == (Period(START, END), END)
    assert minimum.full == Period(START, date(2027, 1, 1))
    assert minimum.factor == Fraction(181, 365)


@pytest.mark.parametrize(
    ("recognition", "after"), [("straight_line", END), ("point_in_time", date(2026, 1, 2))]
)
def test_a_one_time_fee_serves_its_phase_or_its_first_day(recognition: str, after: date) -> None:
    setup = replace(FEE, frequency=Frequency.ONE_TIME, recognition=recognition)

    (period,) = charge_periods(order(replace(PHASE, items=(setup,))))

    assert (period.service, period.bill_on) == (Period(START, after), START)


@pytest.mark.parametrize(
    ("rated", "billed", "rest"), [("5", "1", "4"), ("5", "5", "0"), ("80", "150", "-70")]
)
def test_late_usage_bills_what_is_new_and_credits_what_got_cheaper(
    rated: str, billed: str, rest: str
) -> None:
    assert still_to_bill(Decimal(rated), Decimal(billed)) == Decimal(rest)


def test_an_explanation_says_each_step_in_plain_numbers() -> None:
    line = price_periods(order(PHASE), charge_periods(order(PHASE)), {})[0]

    assert line.explanation["steps"] == [
        {
            "key": "flat",
            "label": "Flat fee",
            "quantity": "1",
            "unit_price": "91",
            "exact": "91",
            "amount": "91.00",
        }
    ]
    assert (line.explanation["exact"], line.explanation["amount"]) == ("91", "91.00")


def test_an_open_contract_is_planned_until_a_day_and_not_without_one() -> None:
    rule = MinimumTerms(Decimal(1000), Frequency.YEARLY, window="over_contract_year")
    phase = replace(PHASE, end_on=None, minimum=rule)
    terms = replace(order(PHASE), end_on=None, phases=(phase,))

    periods = charge_periods(terms, until=date(2027, 3, 1))

    fees = [period.service.start for period in periods if period.kind == "item"]
    years = [period.service for period in periods if period.kind == "minimum"]
    assert (fees[0], fees[-1], len(fees)) == (START, date(2027, 2, 1), 14)
    assert years == [
        Period(START, date(2027, 1, 1)),
        Period(date(2027, 1, 1), date(2028, 1, 1)),
    ]
    with pytest.raises(ValueError, match="until"):
        charge_periods(terms)


def test_a_fraction_becomes_the_decimal_it_is() -> None:
    assert as_decimal(Fraction(-5, 4)) == Decimal("-1.25")


def test_a_rounded_conversion_multiplies() -> None:
    assert Conversion("multiply", Decimal("0.25"), "up").convert(Decimal(9)) == 3


def test_tiers_are_named_as_people_read_them() -> None:
    tiers = (Tier(Decimal(1000)), Tier(Decimal(5000)), Tier(None))

    names = [charge.label for charge in rate(Graduated(tiers), Decimal(6000))]

    assert names == ["Up to 1,000", "1,000 to 5,000", "Over 5,000"]
    assert [charge.label for charge in rate(Graduated(tiers[2:]), Decimal(1))] == ["All units"]


@pytest.mark.parametrize(
    ("rhythm", "start"),
    [
        ("monthly", date(2026, 11, 1)),
        ("quarterly", date(2026, 10, 1)),
        ("half_yearly", date(2026, 7, 1)),
        ("yearly", date(2026, 1, 1)),
        ("biennial", date(2026, 1, 1)),
        ("weekly", date(2026, 11, 16)),
    ],
)
def test_the_calendar_begins_its_periods_on_its_own_days(rhythm: str, start: date) -> None:
    assert calendar_anchor(date(2026, 11, 21), CADENCES[rhythm]) == start
