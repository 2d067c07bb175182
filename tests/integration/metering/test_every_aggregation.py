"""Meters by every aggregation, from the event to the invoice: amounts worked by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.models import Invoice, InvoiceLine
from billing.services.invoicing import advance_schedule, recalculate_invoices
from metering import selectors, services
from metering.domain.events import UsageEvent
from metering.models import Meter
from monetization.customers.models import Customer
from monetization.kernel.period import Frequency
from monetization.pricing.prices import Matrix, MatrixCell, PerUnit
from monetization.pricing.terms import ItemTerms
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key
from tests.factories_billing import billed, deal, make_customer

NOW = datetime(2026, 2, 1, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 3, tzinfo=UTC)
FEBRUARY = (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))


def item(model: Any) -> ItemTerms:
    return ItemTerms(
        key="use",
        product_code="use",
        product_name="Use",
        kind="usage",
        model=model,
        frequency=Frequency.MONTHLY,
        timing="in_arrears",
        meter="use",
        recognition="usage",
    )


def meter(aggregation: str, **more: Any) -> Meter:
    return services.create_meter(
        key="use", name="Use", event_type="used", aggregation=aggregation, now=NOW, **more
    )


def use(day: int, month: int = 2, **data: Any) -> None:
    at = datetime(2026, month, day, tzinfo=UTC)
    event = UsageEvent("t", f"{month}-{day}-{sorted(data.items())}", "used", "acme", at, data)
    services.record_usage_events([event], now=MARCH)


def february_line(model: Any) -> InvoiceLine:
    schedule = billed(
        deal(item(model), start=date(2026, 2, 1)), now=NOW, customer=Customer.objects.get()
    )
    ids = advance_schedule(schedule_id=schedule.id, now=MARCH)
    recalculate_invoices(invoice_ids=ids, now=MARCH)
    line: InvoiceLine = Invoice.objects.get(schedule=schedule, bill_on=date(2026, 3, 1)).lines.get()
    return line


@pytest.mark.usefixtures("tenant")
class TestBilled:
    def test_a_level_is_billed_by_the_time_it_was_held(self) -> None:
        meter("weighted_sum", value_property="gb")
        make_customer()
        use(1, gb="10")
        use(15, gb="4")  # for 14 of 28 days
        use(22, gb="-8")  # for 7 of 28 days

        line = february_line(PerUnit(Decimal(3)))

        assert line.quantity == 10 + 2 - 2
        assert line.amount == Decimal("30.00")

    def test_a_level_that_goes_on_is_billed_without_an_event_in_the_month(self) -> None:
        meter("prorated_sum", value_property="gb", carries_over=True)
        make_customer()
        use(10, month=1, gb="7")
        use(15, gb="2")  # the day counts: 14 of 28

        line = february_line(PerUnit(Decimal(3)))

        assert line.quantity == 7 + 1
        assert line.amount == Decimal("24.00")
        assert line.reading is not None
        days = selectors.days_of_reading(line.reading, zone="UTC")
        assert len(days) == 28
        assert abs(sum((quantity for _, quantity in days), Decimal(-8))) < Decimal("1e-10")
        assert len(selectors.events_in_reading(line.reading)) == 2

    def test_a_matrix_prices_the_groups_of_a_computed_value(self) -> None:
        meter("sum", expression="(input + 3 * output) / 1000", group_by=["model"])
        make_customer()
        use(2, input="1000", output="1000", model="small")  # 4
        use(3, input="500", output="500", model="large")  # 2
        use(4, input="500", model="large")  # no output: no value, it does not count

        line = february_line(
            Matrix(
                (
                    MatrixCell((("model", ("small",)),), Decimal("0.50")),
                    MatrixCell((("model", ("large",)),), Decimal(2)),
                ),
                Decimal(0),
            )
        )

        assert line.quantity == 6
        assert line.amount == Decimal("6.00")

    def test_numbers_of_thirty_eight_digits_are_measured_and_kept(self) -> None:
        made = meter("sum", value_property="n")
        customer = make_customer()
        use(2, n="9" * 38)
        use(3, n="9" * 38)

        request = selectors.ReadingRequest(customer.id, made.id, *FEBRUARY)
        (reading,) = services.take_readings(requests=[request], now=MARCH)
        reading.refresh_from_db()

        assert reading.quantity == 2 * Decimal("9" * 38)


@pytest.mark.django_db
class TestRest:
    @pytest.fixture
    def company(self, make_tenant: Any) -> Any:
        return make_tenant()

    def test_usage_is_read_by_group(self, company: Any) -> None:
        with tenant_context(company.id, actor="test"):
            meter("max", value_property="n")
            customer = make_customer()
            use(2, n="5", region="eu")
            use(3, n="9", region="us")
            use(4, n="7", region="eu")
            use(5, n="1")
        key = make_api_key(company, "usage:read")
        answer = Client().get(
            "/api/v1/usage",
            {
                "customer": str(customer.id),
                "from": "2026-02-01T00:00:00Z",
                "to": "2026-03-01T00:00:00Z",
                "meter": "use",
                "group_by": "region",
            },
            headers={"Authorization": f"Bearer {key}"},
        )

        assert answer.status_code == 200, answer.content
        assert [(row["group"], row["quantity"]) for row in answer.json()["results"]] == [
            ({"region": "us"}, "9"),
            ({"region": "eu"}, "7"),
            ({"region": None}, "1"),
        ]

    @pytest.mark.parametrize(
        ("asked", "field"),
        [
            ({"group_by": "region"}, "group_by"),
            ({"meter": "other"}, "meter"),
            ({"meter": "use", "group_by": "a,b,c,d,e,f"}, "group_by"),
            ({"time_zone": "Mars"}, "time_zone"),
        ],
    )
    def test_says_what_cannot_be_read(self, company: Any, asked: Any, field: str) -> None:
        with tenant_context(company.id, actor="test"):
            meter("count")
            customer = make_customer()
        key = make_api_key(company, "usage:read")
        span = {"from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
        answer = Client().get(
            "/api/v1/usage",
            {"customer": str(customer.id), **span, **asked},
            headers={"Authorization": f"Bearer {key}"},
        )

        assert answer.status_code == 422
        assert field in answer.content.decode()

    @pytest.mark.parametrize(
        ("definition", "field"),
        [
            ({"aggregation": "sum", "expression": "a +"}, "expression"),
            ({"aggregation": "sum", "expression": "a", "value_property": "b"}, "expression"),
            ({"aggregation": "count", "expression": "a"}, "expression"),
            ({"aggregation": "count_unique", "expression": "a"}, "expression"),
            ({"aggregation": "sum"}, "value_property"),
            ({"aggregation": "count", "carries_over": True}, "carries_over"),
            ({"aggregation": "count", "group_by": ["a", "a"]}, "group_by"),
        ],
    )
    def test_a_definition_that_makes_no_sense_is_refused_at_its_field(
        self, company: Any, definition: Any, field: str
    ) -> None:
        key = make_api_key(company, "catalog:write")
        answer = Client().post(
            "/api/v1/meters",
            {"key": "m", "name": "M", "event_type": "used", **definition},
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "a"},
        )

        assert answer.status_code == 422, answer.content
        assert field in answer.content.decode()

    def test_a_computed_level_is_made_and_read_back(self, company: Any) -> None:
        key = make_api_key(company, "catalog:read", "catalog:write")
        asked = {
            "key": "m",
            "name": "M",
            "event_type": "used",
            "aggregation": "weighted_sum",
            "expression": "gb / 2",
            "group_by": ["region"],
            "carries_over": True,
        }
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "a"}
        made = (
            Client()
            .post("/api/v1/meters", asked, content_type="application/json", headers=headers)
            .json()
        )

        again = Client().get(f"/api/v1/meters/{made['id']}", headers=headers).json()

        assert {name: again[name] for name in asked} == asked
