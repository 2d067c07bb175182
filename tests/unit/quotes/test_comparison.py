"""What changed between two versions of a quote."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monetization.kernel.money import Money
from monetization.kernel.period import Frequency
from monetization.pricing.prices import Flat, PerUnit
from monetization.pricing.terms import (
    DiscountTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
)
from quotes.domain.comparison import VersionFacts, compare_versions
from quotes.domain.differences import money_rows
from quotes.domain.totals import quote_totals

SEATS = ItemTerms(
    key="seats",
    product_code="seats",
    product_name="Seats",
    kind="seat",
    model=PerUnit(Decimal(60)),
    frequency=Frequency.MONTHLY,
    timing="in_advance",
    quantity=Decimal(10),
)
PLATFORM = replace(SEATS, key="platform", product_name="Platform", model=Flat(Decimal(500)))


def phase(name: str, start: date, end: date, *items: ItemTerms, **more: Any) -> PhaseTerms:
    return PhaseTerms(name, name, "standard", start, end, items, **more)


def facts(*phases: PhaseTerms, value: str = "100", **more: Any) -> VersionFacts:
    terms = OrderTerms(
        title="Deal",
        currency="USD",
        time_zone="UTC",
        start_on=phases[0].start_on,
        end_on=phases[-1].end_on,
        anchor_day=1,
        payment_terms_days=30,
        phases=phases,
    )
    more.setdefault("expires_on", date(2026, 1, 31))
    return VersionFacts(terms=terms, value=Money(Decimal(value), "USD"), **more)


YEAR_1 = phase("Year 1", date(2026, 1, 1), date(2027, 1, 1), PLATFORM, SEATS)
YEAR_2 = phase("Year 2", date(2027, 1, 1), date(2028, 1, 1), PLATFORM, SEATS)


def told(before: VersionFacts, after: VersionFacts) -> list[tuple[str, str, Any, Any]]:
    return [(c.where, c.what, c.before, c.after) for c in compare_versions(before, after)]


class TestCompareVersions:
    def test_equal_versions_differ_in_nothing(self) -> None:
        assert compare_versions(facts(YEAR_1, YEAR_2), facts(YEAR_1, YEAR_2)) == ()

    def test_names_the_phase_and_product_whose_price_and_quantity_changed(self) -> None:
        dearer = replace(SEATS, model=PerUnit(Decimal(55)), quantity=Decimal(12))
        after = facts(replace(YEAR_1, items=(PLATFORM, dearer)), YEAR_2)

        assert told(facts(YEAR_1, YEAR_2), after) == [
            ("Year 1 · Seats", "Price", PerUnit(Decimal(60)), PerUnit(Decimal(55))),
            ("Year 1 · Seats", "Quantity", Decimal(10), Decimal(12)),
        ]

    def test_a_phase_put_in_front_leaves_the_others_unchanged_but_for_their_dates(self) -> None:
        trial = phase("Trial", date(2026, 1, 1), date(2026, 2, 1), PLATFORM)
        moved = replace(YEAR_1, start_on=date(2026, 2, 1), end_on=date(2027, 2, 1))

        found = told(facts(YEAR_1), facts(trial, moved))

        assert [(where, what) for where, what, _, _ in found] == [
            ("", "End"),
            ("Trial", "Phase"),
            ("Year 1", "Period"),
        ]

    def test_a_renamed_phase_is_the_same_phase(self) -> None:
        renamed = replace(YEAR_2, name="Renewal")

        assert told(facts(YEAR_1, YEAR_2), facts(YEAR_1, renamed)) == [
            ("Renewal", "Name", "Year 2", "Renewal")
        ]

    def test_tells_of_a_line_and_a_phase_that_went_away(self) -> None:
        after = facts(replace(YEAR_1, items=(PLATFORM,)))

        assert [row[:2] for row in told(facts(YEAR_1, YEAR_2), after)] == [
            ("", "End"),
            ("Year 1 · Seats", "Line"),
            ("Year 2", "Phase"),
        ]

    def test_tells_of_discounts_of_the_phase_and_of_the_line_and_of_the_minimum(self) -> None:
        after = replace(
            YEAR_1,
            discounts=(
                DiscountTerms(Decimal(5), "Discount", ("seats",)),
                DiscountTerms(Decimal(10), "Loyalty"),
            ),
            minimum=MinimumTerms(Decimal(900), Frequency.MONTHLY),
        )

        assert told(facts(YEAR_1), facts(after)) == [
            ("Year 1", "Minimum", None, Decimal(900)),
            ("Year 1", "Discount", None, Decimal(10)),
            ("Year 1 · Seats", "Discount", None, Decimal(5)),
        ]

    def test_tells_what_the_agreement_is_worth_and_who_signs(self) -> None:
        found = told(
            facts(YEAR_1, value="100"), facts(YEAR_1, value="90", signer="Ann <a@x.example>")
        )

        assert [row[1] for row in found] == ["Total contract value", "Signer"]

    @given(st.permutations(range(4)), st.permutations(range(4)))
    def test_read_backwards_it_says_the_same_with_the_sides_exchanged(
        self, one: list[int], other: list[int]
    ) -> None:
        items = [replace(SEATS, key=f"k{n}", quantity=Decimal(n + 1)) for n in range(4)]
        before = facts(replace(YEAR_1, items=tuple(items[n] for n in one[:3])))
        after = facts(replace(YEAR_1, items=tuple(items[n] for n in other[:3])))

        forward = {(c.where, c.what, c.before, c.after) for c in compare_versions(before, after)}
        back = {(c.where, c.what, c.after, c.before) for c in compare_versions(after, before)}

        assert forward == back


class TestDiscountsOfALine:
    def test_each_is_compared_under_its_own_name(self) -> None:
        rule = DiscountTerms(Decimal(10), "Two years", ("seats",))
        own = DiscountTerms(Decimal(5), "Discount", ("seats",))
        before = facts(replace(YEAR_1, discounts=(own,)))
        after = facts(replace(YEAR_1, discounts=(rule, replace(own, percent=Decimal(7)))))

        assert told(before, after) == [
            ("Year 1 · Seats", "Discount “Two years”", None, Decimal(10)),
            ("Year 1 · Seats", "Discount", Decimal(5), Decimal(7)),
        ]


class TestInMoney:
    def test_sums_stand_side_by_side_and_a_new_year_is_all_difference(self) -> None:
        one = quote_totals(facts(YEAR_1).terms, {})
        two = quote_totals(facts(YEAR_1, YEAR_2).terms, {})

        # 12 x (500 + 10 x 60) = 13,200 a year.
        rows = {row.label: row for row in money_rows(one, two)}
        value = rows["Contract value"]
        assert [
            str(one.amount) for one in (value.before, value.after, value.difference) if one
        ] == [
            "13200.00",
            "26400.00",
            "13200.00",
        ]
        assert rows["Recurring (ARR)"].is_same
        assert rows["Year 2, with usage"].before is None
        assert str(rows["Year 2, with usage"].difference) == "13200.00 USD"
        back = {row.label: row for row in money_rows(two, one)}
        assert str(back["Year 2, with usage"].difference) == "-13200.00 USD"

    def test_across_currencies_there_is_no_difference(self) -> None:
        one = quote_totals(facts(YEAR_1).terms, {})
        two = quote_totals(replace(facts(YEAR_1).terms, currency="EUR"), {})

        assert money_rows(one, two)[0].difference is None
