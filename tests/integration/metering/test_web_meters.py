"""Meters and a customer's usage, seen through a signed-in browser."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from metering.models import Meter
from metering.web.customers import months
from monetization.tenancy.context import tenant_context
from tests.integration.metering.test_web import (
    company,
    customer_of,
    meter_of,
    received,
    sent,
    signed_in,
)

__all__ = ["company"]


class TestMeters:
    def test_counts_the_last_thirty_days_of_every_meter(self, company: Any) -> None:
        customer_of(company)
        calls = meter_of(company)
        largest = meter_of(company, key="max", name="Largest", aggregation="max")
        average = meter_of(company, key="avg", name="Average", aggregation="average")
        received(
            company,
            sent("a"),
            sent("b", data={"calls": Decimal(8)}),
            sent("old", time=timezone.now() - timedelta(days=40)),
        )

        found = {
            meter.id: (usage.quantity, usage.events)
            for meter, usage in signed_in(company).get("/usage/meters").context["rows"]
        }

        assert found == {
            calls.id: (13, 2),
            largest.id: (8, 2),
            average.id: (Decimal("6.5"), 2),
        }

    def test_the_list_costs_the_same_for_many_meters(self, company: Any) -> None:
        client = signed_in(company)
        meter_of(company)
        meter_of(company, key="m", aggregation="max")
        client.get("/usage/meters")
        with CaptureQueriesContext(connection) as few:
            client.get("/usage/meters")
        for number in range(5):
            meter_of(company, key=f"a{number}")
            meter_of(company, key=f"b{number}", aggregation="count_unique")
        with CaptureQueriesContext(connection) as many:
            client.get("/usage/meters")
        assert len(few) == len(many) <= 12

    @pytest.mark.parametrize("aggregation", ["sum", "max"])
    def test_shows_who_uses_it_most(self, company: Any, aggregation: str) -> None:
        customer_of(company)
        customer_of(company, "Globex")
        meter = meter_of(company, aggregation=aggregation)
        received(company, sent("a"), sent("b", "globex", data={"calls": Decimal(9)}))
        client = signed_in(company)

        top = client.get(f"/usage/meters/{meter.id}").context["top"]
        export = b"".join(client.get(f"/usage/meters/{meter.id}/customers.csv")).decode()

        assert [(who.name, usage.quantity) for who, usage in top] == [("Globex", 9), ("Acme", 5)]
        assert "Globex,,9,1," in export

    def test_adds_a_meter_that_counts_what_is_there(self, company: Any) -> None:
        customer_of(company)
        received(
            company,
            sent("a"),
            sent("b", data={"calls": Decimal(3), "region": "us-1"}),
            sent("nobody", "nobody"),
        )
        details = {
            "name": "EU calls",
            "unit": "calls",
            "event_type": "api.called",
            "aggregation": "sum",
            "value_property": "calls",
            "filters": "region: eu-1, eu-2",
        }
        client = signed_in(company)

        tried = client.post("/usage/meters/new", {**details, "action": "try"})
        with tenant_context(company.id):
            assert not Meter.objects.exists()
        client.post("/usage/meters/new", {**details, "action": "save"})
        values = {one.event.source_event_id: one.values for one in tried.context["recent"]}
        assert values == {"a": (5,), "b": (None,), "nobody": (5,)}
        assert tried.content.decode().count("once mapped") == 1

        assert (tried.context["tried"].quantity, tried.context["tried"].events) == (5, 1)
        with tenant_context(company.id):
            meter = Meter.objects.get()
        assert (meter.key, meter.filters) == ("eu-calls", {"region": ["eu-1", "eu-2"]})
        page = client.get(f"/usage/meters/{meter.id}")
        assert page.context["total"].quantity == 5

    @pytest.mark.parametrize(
        ("aggregation", "shown"), [("sum", ["1,234,567.5"]), ("count_unique", ["release 1.20"])]
    )
    def test_trying_writes_quantities_as_such_and_texts_as_they_are(
        self, company: Any, aggregation: str, shown: list[str]
    ) -> None:
        data = {"sum": Decimal("1234567.50"), "count_unique": "release 1.20"}
        customer_of(company)
        received(company, sent("a", data={"calls": data[aggregation]}))
        asked = {
            "name": "Calls",
            "unit": "calls",
            "event_type": "api.called",
            "aggregation": aggregation,
            "value_property": "calls",
            "action": "try",
        }
        page = signed_in(company).post("/usage/meters/new", asked).content.decode()
        assert re.findall(r'<td class="n">([^<]+)</td>', page) == shown

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": ""}, "name"),
            ({"value_property": ""}, "value_property"),
            ({"event_type": "two words"}, "event_type"),
            ({"aggregation": "median"}, "aggregation"),
            ({"filters": "region"}, "filters"),
            ({"filters": "region: a\nregion: b"}, "filters"),
            ({"key": "calls"}, "key"),
        ],
    )
    def test_says_what_is_wrong_at_the_field(
        self, company: Any, changes: dict[str, str], field: str
    ) -> None:
        meter_of(company)
        answer = signed_in(company).post(
            "/usage/meters/new",
            {
                "name": "Calls again",
                "unit": "calls",
                "event_type": "api.called",
                "aggregation": "sum",
                "value_property": "calls",
                **changes,
            },
        )
        assert answer.status_code == 422
        assert field in answer.context["form"].errors

    @pytest.mark.parametrize("role", ["engineer", "auditor"])
    def test_some_look_and_do_not_define(self, company: Any, role: str) -> None:
        client = signed_in(company, role)
        assert client.get("/usage/meters").status_code == 200
        assert client.get("/usage/meters/new").status_code == 403
        assert client.post("/usage/meters/new").status_code == 403


class TestCustomerUsage:
    def test_compares_this_month_with_the_same_days_of_the_last(self, company: Any) -> None:
        customer = customer_of(company, time_zone="America/New_York")
        meter_of(company)
        span = months(timezone.now(), "America/New_York")
        just_after, just_before = timedelta(seconds=1), -timedelta(seconds=1)
        received(
            company,
            sent("now", time=span.this_start + just_after),
            sent("then", time=span.last_start + just_after, data={"calls": Decimal(2)}),
            sent("later", time=span.this_start + just_before, data={"calls": Decimal(7)}),
        )

        answer = signed_in(company).get(f"/usage/customers/{customer.id}")

        [row] = answer.context["rows"]
        assert (row.this_month, row.last_month) == (5, 9)
        assert row.same_stretch in (2, 9)  # 9 on the last day of a longer month
        assert "<html" not in answer.content.decode()

    def test_months_follow_the_customers_zone(self) -> None:
        found = months(datetime(2026, 3, 1, 2, tzinfo=UTC), "America/New_York")
        assert found.this_start == datetime(2026, 2, 1, 5, tzinfo=UTC)
        assert found.same_until == datetime(2026, 1, 29, 2, tzinfo=UTC)

    def test_the_end_of_a_long_month_is_compared_with_the_whole_short_one(self) -> None:
        found = months(datetime(2026, 3, 31, 12, tzinfo=UTC), "UTC")
        assert found.same_until == found.this_start

    def test_draws_the_meter_asked_for(self, company: Any) -> None:
        customer = customer_of(company)
        meter_of(company)
        meter_of(company, key="files", name="Files", aggregation="count", value_property="")
        received(company, sent("a"))
        client = signed_in(company)

        chart = client.get(f"/usage/customers/{customer.id}?meter=files").context["chart"]

        assert chart["series"][0]["name"] == "Files, calls"
        assert sum(int(value) for value in chart["series"][0]["values"]) == 1
