"""How far below the list a quote is."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from monetization.kernel.period import Frequency
from monetization.pricing.prices import Flat, PerUnit
from monetization.pricing.terms import (
    DiscountTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
)
from quotes.domain.totals import quote_totals

SEATS = ItemTerms(
    key="seats",
    product_code="seats",
    product_name="Seats",
    kind="seat",
    model=PerUnit(Decimal(45)),
    frequency=Frequency.MONTHLY,
    timing="in_advance",
    quantity=Decimal(10),
    price_version_id="list-1",
)
YEAR = PhaseTerms("p1", "Year", "standard", date(2026, 1, 1), date(2027, 1, 1), (SEATS,))
LIST = {"list-1": PerUnit(Decimal(60))}


def terms(*phases: PhaseTerms) -> OrderTerms:
    return OrderTerms(
        title="Deal",
        currency="USD",
        time_zone="UTC",
        start_on=phases[0].start_on,
        end_on=phases[-1].end_on,
        anchor_day=1,
        payment_terms_days=30,
        phases=phases,
    )


class TestQuoteTotals:
    def test_an_agreed_price_is_a_discount_against_the_list(self) -> None:
        totals = quote_totals(terms(YEAR), LIST)

        # 10 seats x 12 months at 45 instead of 60: 5,400 of 7,200.
        assert str(totals.at_list.amount) == "7200.00"
        assert totals.below_list == Decimal("25.00")

    def test_discounts_and_free_months_count_too(self) -> None:
        trial = replace(
            YEAR,
            key="p0",
            kind="trial",
            end_on=date(2026, 2, 1),
            discounts=(DiscountTerms(Decimal(100)),),
        )
        rest = replace(YEAR, start_on=date(2026, 2, 1), discounts=(DiscountTerms(Decimal(10)),))

        # 11 months x 450 less 10 % = 4,455 of 7,200 at list.
        assert quote_totals(terms(trial, rest), LIST).below_list == Decimal("38.13")

    def test_above_the_list_it_is_negative(self) -> None:
        dear = replace(YEAR, items=(replace(SEATS, model=PerUnit(Decimal(66))),))
        totals = quote_totals(terms(dear), LIST)

        assert totals.below_list == Decimal("-10.00")
        assert totals.is_above_list
        assert totals.from_list == Decimal("10.00")

    def test_a_top_up_to_a_minimum_is_not_a_price(self) -> None:
        usage = replace(SEATS, kind="usage", meter="m", timing="in_arrears", recognition="usage")
        phase = replace(YEAR, items=(usage,), minimum=MinimumTerms(Decimal(100), Frequency.MONTHLY))
        totals = quote_totals(terms(phase), LIST)

        assert str(totals.priced.total_contract_value.amount) == "1200.00"
        assert totals.below_list is None  # nothing at list to compare with
        both = quote_totals(terms(replace(phase, items=(usage, replace(SEATS, key="s")))), LIST)
        assert both.below_list == Decimal("25.00")  # the seats' alone

    def test_without_a_list_price_the_agreed_price_is_the_list(self) -> None:
        custom = replace(
            YEAR, items=(replace(SEATS, price_version_id=None, model=Flat(Decimal(1))),)
        )

        assert quote_totals(terms(custom), LIST).below_list == Decimal("0.00")

    def test_years_are_named_by_the_month_they_begin_in(self) -> None:
        second = replace(YEAR, key="p2", start_on=date(2027, 1, 1), end_on=date(2028, 1, 1))
        totals = quote_totals(terms(YEAR, second), LIST)

        assert [(year.label, str(year.amount.amount)) for year in totals.years] == [
            ("Year 1, from Jan 2026", "5400.00"),
            ("Year 2, from Jan 2027", "5400.00"),
        ]


class TestWhatRecursByYear:
    def test_a_ramp_is_worth_what_it_ends_at_and_set_up_does_not_recur(self) -> None:
        setup = replace(
            SEATS, key="setup", kind="fixed", model=Flat(Decimal(900)), frequency=Frequency.ONE_TIME
        )
        first = replace(YEAR, items=(SEATS, setup))
        half = replace(
            YEAR,
            key="p2",
            start_on=date(2027, 1, 1),
            end_on=date(2027, 7, 1),
            items=(replace(SEATS, quantity=Decimal(20)), setup),
        )

        # Half a year of 20 seats at 45 ends it: a whole one is 20 x 45 x 12 = 10,800.
        assert str(quote_totals(terms(first, half), LIST).recurring.amount) == "10800.00"
        # 10 x 45 x 12 = 5,400, without the 900 once.
        assert str(quote_totals(terms(first), LIST).recurring.amount) == "5400.00"

    def test_a_start_between_billing_days_is_still_worth_a_whole_year(self) -> None:
        short = replace(YEAR, start_on=date(2026, 1, 31), end_on=date(2026, 3, 15))

        assert str(quote_totals(terms(short), LIST).recurring.amount) == "5400.00"

    def test_usage_recurs_by_what_is_committed_of_it(self) -> None:
        calls = replace(SEATS, kind="usage", timing="in_arrears", meter="m", recognition="usage")
        calls = replace(calls, expected_quantity=Decimal(500))
        minimum = MinimumTerms(Decimal(250), Frequency.MONTHLY)

        assert not quote_totals(terms(replace(YEAR, items=(calls,))), LIST).recurring
        found = quote_totals(terms(replace(YEAR, items=(calls,), minimum=minimum)), LIST)
        assert str(found.recurring.amount) == "3000.00"


class TestMargin:
    def test_a_product_costs_its_part_of_the_list_however_it_is_sold(self) -> None:
        # Sold for 5,400; 30 % of 7,200 at list is 2,160: 3,240 of 5,400 remain.
        assert quote_totals(terms(YEAR), LIST, {"seats": Decimal(30)}).margin == Decimal("60.00")

    def test_it_is_not_known_where_a_cost_is_not_and_where_nothing_is_charged(self) -> None:
        free = replace(YEAR, discounts=(DiscountTerms(Decimal(100)),))

        assert quote_totals(terms(YEAR), LIST).margin is None
        assert quote_totals(terms(free), LIST, {"seats": Decimal(30)}).margin is None
