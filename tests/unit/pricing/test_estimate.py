"""Deals worked by hand: the function that quotes is the function that bills."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from monetization.kernel.money import Money
from monetization.kernel.period import Frequency
from monetization.pricing.estimate import estimate, price_periods, rerate
from monetization.pricing.prices import Flat, Graduated, Package, PerUnit, Tier, Volume
from monetization.pricing.rating import rated_amount
from monetization.pricing.terms import (
    DiscountTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
    terms_from_data,
    terms_hash,
    terms_to_data,
)
from monetization.pricing.timeline import charge_periods

TIERS = (Tier(Decimal(1000), Decimal("0.10")), Tier(None, Decimal("0.08")))


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


def platform(amount: str, **fields: object) -> ItemTerms:
    defaults: dict[str, object] = {
        "key": "platform",
        "product_code": "platform",
        "product_name": "Platform",
        "kind": "fixed",
        "model": Flat(Decimal(amount)),
        "frequency": Frequency.MONTHLY,
        "timing": "in_advance",
    }
    return ItemTerms(**{**defaults, **fields})  # type: ignore[arg-type]


def usage(**fields: object) -> ItemTerms:
    defaults: dict[str, object] = {
        "key": "calls",
        "product_code": "calls",
        "product_name": "API calls",
        "kind": "usage",
        "model": Graduated(TIERS),
        "frequency": Frequency.MONTHLY,
        "timing": "in_arrears",
        "meter": "api_calls",
        "recognition": "usage",
    }
    return ItemTerms(**{**defaults, **fields})  # type: ignore[arg-type]


def order(*phases: PhaseTerms, **fields: object) -> OrderTerms:
    defaults: dict[str, object] = {
        "title": "Deal",
        "currency": "USD",
        "time_zone": "Europe/London",
        "start_on": phases[0].start_on,
        "end_on": phases[-1].end_on,
        "anchor_day": 1,
        "payment_terms_days": 30,
        "phases": phases,
    }
    return OrderTerms(**{**defaults, **fields})  # type: ignore[arg-type]


def phase(start: date, end: date | None, *items: ItemTerms, **fields: object) -> PhaseTerms:
    defaults: dict[str, object] = {"key": f"from-{start}", "name": "Phase", "kind": "standard"}
    return PhaseTerms(start_on=start, end_on=end, items=items, **{**defaults, **fields})  # type: ignore[arg-type]


class TestRate:
    @pytest.mark.parametrize(
        ("model", "quantity", "amount"),
        [
            pytest.param(Graduated(TIERS), "1200", "116.00", id="each slice at its tier"),
            pytest.param(Graduated(TIERS), "1000", "100.00", id="the bound is the lower tier's"),
            pytest.param(Volume(TIERS), "1200", "96.00", id="all units at one tier"),
            pytest.param(Package(Decimal(250), Decimal(10)), "600", "30", id="started packages"),
            pytest.param(Package(Decimal(250), Decimal(10)), "0", "0", id="no package unused"),
            pytest.param(PerUnit(Decimal("0.000001")), "12.5", "0.0000125", id="exact"),
        ],
    )
    def test_prices_a_quantity(self, model: object, quantity: str, amount: str) -> None:
        assert rated_amount(model, Decimal(quantity)) == Decimal(amount)  # type: ignore[arg-type]


class TestEstimate:
    def test_a_year_of_a_monthly_fee_is_twelve_fees(self) -> None:
        deal = order(phase(date(2025, 1, 1), date(2026, 1, 1), platform("500")))

        priced = estimate(deal)

        assert priced.total_contract_value == usd("6000.00")
        assert priced.annual_contract_value == usd("6000.00")
        assert len(priced.lines) == 12

    def test_a_ramp_counts_each_phase_at_its_price(self) -> None:
        deal = order(
            phase(date(2025, 1, 1), date(2026, 1, 1), platform("500")),
            phase(date(2026, 1, 1), date(2027, 1, 1), platform("700"), kind="ramp"),
        )

        priced = estimate(deal)

        assert [str(year) for year in priced.by_year] == ["6000.00 USD", "8400.00 USD"]
        assert priced.annual_contract_value == usd("7200.00")

    def test_a_start_inside_the_month_is_a_stub_of_that_month(self) -> None:
        deal = order(phase(date(2025, 4, 18), date(2025, 6, 1), platform("15")))

        lines = estimate(deal).lines

        # 13 of April's 30 days: 15 x 13/30 = 6.50, as Sequence's published seat example.
        assert [line.amount for line in lines] == [usd("6.50"), usd("15.00")]

    def test_a_minimum_tops_up_what_usage_left_open(self) -> None:
        deal = order(
            phase(
                date(2025, 1, 1),
                date(2025, 2, 1),
                usage(),
                minimum=MinimumTerms(Decimal(100), Frequency.MONTHLY),
                discounts=(DiscountTerms(Decimal(10)),),
            )
        )
        periods = charge_periods(deal)

        lines = price_periods(deal, periods, {("calls", date(2025, 1, 1)): Decimal(900)})

        # 900 x 0.10 = 90.00, less 10 % = 81.00, topped up by 19.00 to 100.00.
        assert [line.amount for line in lines] == [usd("81.00"), usd("19.00")]
        assert [rerate(line.explanation) for line in lines] == [usd("81.00"), usd("19.00")]

    def test_a_phase_change_inside_a_quarter_splits_it_exactly(self) -> None:
        deal = order(
            phase(
                date(2025, 1, 1), date(2025, 2, 1), platform("90", frequency=Frequency.QUARTERLY)
            ),
            phase(
                date(2025, 2, 1), date(2025, 4, 1), platform("90", frequency=Frequency.QUARTERLY)
            ),
        )

        periods = charge_periods(deal)

        assert [period.factor for period in periods] == [Fraction(31, 90), Fraction(59, 90)]
        assert estimate(deal).total == usd("90.00")

    def test_terms_survive_the_journey_through_json(self) -> None:
        deal = order(
            phase(date(2025, 1, 31), None, platform("500"), usage()), anchor_day=31, end_on=None
        )

        again = terms_from_data(terms_to_data(deal))

        assert again == deal
        assert terms_hash(again) == terms_hash(deal)
