"""What an offer would bill and earn by month, and what an amendment changes of it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from monetization.kernel.money import Money
from monetization.kernel.period import Frequency
from monetization.pricing.prices import Flat, PerUnit
from monetization.pricing.terms import ItemTerms, MinimumTerms, OrderTerms, PhaseTerms
from revrec.domain.preview import EffectMonth, amendment_effect, revenue_preview

PLATFORM = ItemTerms(
    key="platform",
    product_code="platform",
    product_name="Platform",
    kind="fixed",
    model=Flat(Decimal(3650)),
    frequency=Frequency.YEARLY,
    timing="in_advance",
)
CALLS = replace(
    PLATFORM,
    key="calls",
    kind="usage",
    model=PerUnit(Decimal("0.10")),
    frequency=Frequency.MONTHLY,
    timing="in_arrears",
    meter="calls",
    recognition="usage",
    expected_quantity=Decimal(1000),
)


def contract(
    *items: ItemTerms,
    start: date = date(2027, 1, 1),
    end: date | None = date(2028, 1, 1),
    minimum: MinimumTerms | None = None,
) -> OrderTerms:
    return OrderTerms(
        title="Deal",
        currency="USD",
        time_zone="UTC",
        start_on=start,
        end_on=end,
        anchor_day=1,
        payment_terms_days=30,
        phases=(PhaseTerms("p1", "Year", "standard", start, end, items, minimum=minimum),),
    )


def usd(text: str) -> Money:
    return Money(Decimal(text), "USD")


class TestAnOffer:
    def test_a_year_paid_ahead_is_deferred_and_earned_by_day(self) -> None:
        months = revenue_preview(contract(PLATFORM))

        # 3,650 over 365 days: 310 in January, 280 in February; 3,340, then 3,060 left over.
        assert [(one.billed, one.earned, one.balance) for one in months[:2]] == [
            (usd("3650.00"), usd("310.00"), usd("3340.00")),
            (usd("0.00"), usd("280.00"), usd("3060.00")),
        ]
        assert len(months) == 12
        assert not months[-1].balance

    def test_usage_is_earned_in_its_month_and_billed_after_it(self) -> None:
        minimum = MinimumTerms(Decimal(130), Frequency.MONTHLY)
        months = revenue_preview(contract(CALLS, minimum=minimum, end=date(2027, 2, 1)))

        # 1,000 calls at 0.10 and 30 up to the minimum, billed on 1 February.
        assert [(one.billed, one.committed, one.expected, one.balance) for one in months] == [
            (usd("0.00"), usd("0.00"), usd("130.00"), usd("-130.00")),
            (usd("130.00"), usd("0.00"), usd("0.00"), usd("0.00")),
        ]

    def test_an_open_end_is_looked_at_for_a_year(self) -> None:
        terms = contract(replace(PLATFORM, frequency=Frequency.MONTHLY), end=None)

        assert len(revenue_preview(terms)) == 12


class TestAnAmendment:
    BEFORE = contract(replace(PLATFORM, model=Flat(Decimal(300)), frequency=Frequency.MONTHLY))
    AFTER = contract(
        replace(PLATFORM, model=Flat(Decimal(360)), frequency=Frequency.MONTHLY),
        start=date(2027, 7, 1),
    )

    def test_the_rest_of_the_term_earns_the_new_price_by_day(self) -> None:
        months = amendment_effect(self.BEFORE, self.AFTER)

        assert sum(one.before.amount for one in months) == 3600
        assert sum(one.after.amount for one in months) == 1800 + 2160
        # 2,160 over the 184 days from July on: 31 of them 363.91. Before: 31 of 365 of 3,600,
        # 305.75 with the cents that are left over.
        july = months[6]
        assert july.month == date(2027, 7, 1)
        assert abs(july.after.amount - Decimal("363.91")) <= Decimal("0.01")
        assert abs(july.before.amount - Decimal("305.75")) <= Decimal("0.01")

    def test_recognized_months_stay_and_what_they_differ_by_is_caught_up(self) -> None:
        plain = amendment_effect(self.BEFORE, self.AFTER)
        caught = amendment_effect(self.BEFORE, self.AFTER, first_open=date(2027, 5, 1))

        def gap(months: tuple[EffectMonth, ...]) -> Money:
            return sum((one.difference for one in months), start=usd("0.00"))

        # January to June earn 1,800 over 181 days instead of their share of the year: 307.x
        # instead of 305.75 in January. April and before are closed, so May earns the rest.
        assert all(not one.difference for one in caught[:4])
        assert caught[4].difference == gap(plain[:5])
        assert gap(caught) == gap(plain)
