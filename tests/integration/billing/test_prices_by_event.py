"""Prices that look at events bill each event by what it carries and when it happened."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.models import InvoiceLine
from billing.services.invoicing import recalculate_invoices
from metering.domain.events import UsageEvent
from metering.services import create_meter, record_usage_events
from monetization.customers.models import Customer
from monetization.kernel.period import Frequency
from monetization.pricing.estimate import rerate
from monetization.pricing.prices import (
    Capacity,
    CapacityTier,
    ChargeModel,
    Dynamic,
    Matrix,
    MatrixCell,
    Percentage,
    TimeOfUse,
    Window,
)
from monetization.pricing.terms import ItemTerms
from tests.factories_billing import billed, deal, make_customer

D = Decimal
MARCH = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = 60


@pytest.fixture(autouse=True)
def _meter(tenant: Any) -> None:
    create_meter(
        key="energy",
        name="Energy",
        event_type="energy",
        aggregation="sum",
        value_property="n",
        now=MARCH,
    )
    make_customer()


def use(units: int | str, at: datetime, **properties: str) -> None:
    event = UsageEvent(
        "test", f"{at.isoformat()}-{units}", "energy", "acme", at, {"n": D(units), **properties}
    )
    record_usage_events([event], now=at + timedelta(minutes=1))


def line_for(model: ChargeModel, zone: str = "UTC") -> InvoiceLine:
    """The line of February under a price."""
    item = ItemTerms(
        key="energy",
        product_code="energy",
        product_name="Energy",
        kind="usage",
        model=model,
        frequency=Frequency.MONTHLY,
        timing="in_arrears",
        meter="energy",
        recognition="usage",
    )
    terms = replace(deal(item), time_zone=zone)
    schedule = billed(terms, now=MARCH, customer=Customer.objects.get())
    return InvoiceLine.objects.get(
        invoice__schedule=schedule, billing_period__service_start=date(2026, 2, 1)
    )


def feb(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 2, day, hour, minute, tzinfo=UTC)


class TestMatrix:
    def test_charges_each_event_at_the_cell_of_its_properties(self) -> None:
        use(100, feb(2), region="eu", tier="gold")
        use(50, feb(3), region="us")
        use(10, feb(4), region="ap")
        use(5, feb(5))
        use(7, feb(28, 23, 59), region="us")
        use(1000, datetime(2026, 3, 1, tzinfo=UTC), region="eu", tier="gold")
        model = Matrix(
            (
                MatrixCell((("region", ("eu",)), ("tier", ("gold", "silver"))), D("0.50")),
                MatrixCell((("region", ("us",)),), D("0.20")),
            ),
            default_unit_price=D("1"),
        )

        line = line_for(model)

        # 100 x 0.50 + 57 x 0.20 + 15 x 1 = 50 + 11.40 + 15 = 76.40.
        assert line.amount == D("76.40")
        assert line.quantity == D(172)
        steps = {step["key"]: step["amount"] for step in line.explanation["steps"]}
        assert steps == {"cell-1": "50.00", "cell-2": "11.40", "default": "15.00"}
        assert rerate(line.explanation).amount == line.amount

    def test_events_that_come_later_wait_for_the_recalculation_that_counts_them(self) -> None:
        use(100, feb(2), region="eu")
        model = Matrix((MatrixCell((("region", ("eu",)),), D("0.50")),), D(1))
        line = line_for(model)
        use(10, feb(20), region="eu")

        recalculate_invoices(invoice_ids=[line.invoice_id], now=MARCH)

        fresh = InvoiceLine.objects.get(invoice=line.invoice_id, key=line.key)
        assert (line.amount, fresh.amount) == (D(50), D(55))


class TestTimeOfUse:
    def test_charges_by_the_clock_of_the_contract(self) -> None:
        # 07:30 UTC is 08:30 in Paris: within Monday's window, which begins at 08:00 there.
        use(10, feb(2, 7, 30))
        use(10, feb(2, 6, 59))  # 07:59 in Paris: before it
        use(10, feb(2, 17, 0))  # 18:00 in Paris: the window is half-open
        model = TimeOfUse((Window(8 * HOUR, 18 * HOUR, D("0.30")),), D("0.10"))

        line = line_for(model, "Europe/Paris")

        # 10 x 0.30 + 20 x 0.10 = 5.00.
        assert line.amount == D("5.00")
        assert rerate(line.explanation).amount == D("5.00")


class TestMoneyOfEvents:
    def test_a_fee_per_event_is_charged_for_every_event(self) -> None:
        for day in (2, 3, 4):
            use("100", feb(day))

        line = line_for(Percentage(D("2.9"), fixed_fee=D("0.30"), free_events=1))

        # The first is free: 2 x (2.90 + 0.30) = 6.40.
        assert line.amount == D("6.40")
        assert rerate(line.explanation).amount == D("6.40")

    def test_a_percentage_without_fees_needs_the_sum_alone(self) -> None:
        for day in (2, 3):
            use("100", feb(day))

        line = line_for(Percentage(D("2.9"), free_amount=D(50)))

        assert line.amount == D("4.35")  # 2.9 % of 150
        assert "parts" not in line.explanation

    def test_dynamic_prices_pass_on_the_money_of_the_events(self) -> None:
        use("12.34", feb(2))

        assert line_for(Dynamic(D("1.5"))).amount == D("18.51")


class TestCapacity:
    def test_the_first_tier_that_holds_every_unit_decides(self) -> None:
        use(8, feb(2), unit="cores")
        use(100, feb(3), unit="gigabytes")
        small = CapacityTier(D(50), (("cores", D(4)), ("gigabytes", D(200))))
        large = CapacityTier(D(90), (("cores", D(16)), ("gigabytes", D(200))))

        assert line_for(Capacity((small, large))).amount == D(90)


def test_corrections_beyond_what_was_used_charge_nothing_and_are_flagged() -> None:
    use(5, feb(2), region="eu")
    use(-9, feb(3), region="eu")

    line = line_for(Matrix((MatrixCell((("region", ("eu",)),), D(2)),), D(1)))

    assert (line.amount, line.is_flagged) == (D(0), True)
