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
