"""The explorer: any filter, any grouping, in any zone; every event counted, none sampled."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from metering import services
from metering.domain.events import UsageEvent
from metering.models import Meter
from monetization.tenancy.context import tenant_context
from tests.factories import make_member
from tests.factories_billing import make_customer

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = {"since": "2026-02-10", "until": "2026-02-11"}


def sent(id: str, alias: str, tokens: str, model: str | None, **more: Any) -> UsageEvent:
    data: dict[str, Any] = {"tokens": Decimal(tokens)} | ({"model": model} if model else {})
    given = {"source": "gw", "type": "chat", "occurred_at": NOON, **more}
    source, type, at = given["source"], given["type"], given["occurred_at"]
    return UsageEvent(source, id, type, alias, at, data)


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    """Acme and Globex chat with two models at noon, and Acme once more a day later."""
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id, actor="test"):
        make_customer("Acme")
        make_customer("Globex")
        services.create_meter(
            key="tokens",
            name="Tokens",
            unit="tokens",
            event_type="chat",
            aggregation="sum",
            value_property="tokens",
            now=NOW,
        )
        events = [
            sent("a", "acme", "100", "small"),
            sent("b", "acme", "7.5", "large", occurred_at=NOON + timedelta(days=1)),
            sent("c", "globex", "30", "small", source="edge"),
            sent("d", "nobody", "1000", "large"),
            sent("e", "globex", "1", None, occurred_at=NOON + timedelta(hours=1)),
            sent("f", "globex", "5", "small", type="other"),
        ]
        services.record_usage_events(events, now=NOW)
    return tenant


@pytest.fixture
def client(company: Any) -> Client:
    found = Client()
    found.force_login(
        make_member(company, "engineer"), backend="django.contrib.auth.backends.ModelBackend"
    )
    return found


def page(client: Client, **query: str) -> Any:
    answer = client.get("/usage/", {**DAYS, **query})
    assert answer.status_code == 200
    return answer.context


def ids(context: Any) -> str:
    return "".join(sorted(event.source_event_id for event, _ in context["events"]))


def series(context: Any) -> dict[str, list[Any]]:
    return {one["name"]: one["values"] for one in context["chart"]["series"]}


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({}, "abcdef"),
            ({"source": "edge"}, "c"),
            ({"where": "model: large"}, "bd"),
            ({"where": "model: large, small; tokens: 30, 100"}, "ac"),
            ({"meter": "tokens"}, "abce"),
            ({"meter": "tokens", "where": "model: small", "customer": "Acme"}, "a"),
            ({"meter": "tokens", "show": "unmatched"}, "d"),
            ({"zone": "Pacific/Auckland", "until": "2026-02-10"}, ""),
            ({"zone": "America/New_York", "until": "2026-02-10"}, "acdef"),
            ({"zone": "Asia/Tokyo", "since": "2026-02-11"}, "b"),
        ],
    )
    def test_find_what_they_say(self, client: Client, query: dict[str, str], found: str) -> None:
        assert ids(page(client, **query)) == found

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ({"meter": "gone"}, "Counted by"),
            ({"where": "model"}, "Where: Condition 1: write property: value, value."),
            ({"where": "a: 1; b"}, "Where: Condition 2"),
            ({"where": "a: 1; a: 2"}, "a is there twice"),
            ({"zone": "Mars"}, "Time zone: Write a zone such as Europe/Paris."),
            ({"by": "minute"}, "Chart by"),
            ({"by": "hour", "since": "2026-01-01"}, "at most 31 days"),
            ({"group": "\x00"}, "Group by"),
        ],
    )
    def test_say_what_is_wrong_and_show_nothing(
        self, client: Client, query: dict[str, str], said: str
    ) -> None:
        answer = client.get("/usage/", {**DAYS, **query})

        assert said in answer.content.decode()
        assert answer.context["events"] == []
        for file in ("table", "export"):
            lines = b"".join(client.get(f"/usage/{file}.csv", {**DAYS, **query})).splitlines()
            assert len(lines) == 1


class TestGroups:
    def test_of_a_property_are_stacked_and_add_up(self, client: Client) -> None:
        found = page(client, group="model", by="day")

        assert series(found) == {"small": [3, 0], "large": [1, 1], "without": [1, 0]}
        assert found["chart"]["stacked"]
        assert [(name, one.events) for name, one in found["groups"]] == [
            ("small", 3),
            ("large", 2),
            ("without", 1),
        ]
        assert (found["total"].events, found["group_count"]) == (6, 3)

    def test_of_a_meter_are_told_in_its_quantity(self, client: Client) -> None:
        found = page(client, group="Customer", meter="tokens", by="day")

        assert series(found) == {"Acme": ["100", "7.5"], "Globex": ["31", "0"]}
        assert (found["total"].quantity, found["total"].events) == (Decimal("138.5"), 4)

    def test_by_the_hour_have_every_hour_of_the_days(self, client: Client) -> None:
        found = page(client, group="source", until="2026-02-10")

        assert len(found["chart"]["labels"]) == 24
        hours = series(found)
        assert (hours["gw"][12:14], hours["edge"][12:14]) == ([3, 1], [1, 0])
        assert sum(map(sum, hours.values())) == 5

    def test_beyond_the_seventh_are_drawn_together_and_listed_apart(
        self, company: Any, client: Client
    ) -> None:
        with tenant_context(company.id, actor="test"):
            services.record_usage_events(
                [sent(f"m{n}", "acme", "1", f"m{n:02d}") for n in range(20)], now=NOW
            )

        found = page(client, group="model", by="day")

        assert len(found["chart"]["series"]) == 8
        assert series(found)["16 others"] == [16, 0]
        assert found["group_count"] == len(found["groups"]) == 23

    @pytest.mark.parametrize(
        ("aggregation", "total", "small"),
        [("max", "100", "100"), ("average", "34.625", "65"), ("count_unique", "4", "2")],
    )
    def test_of_what_does_not_add_up_are_counted_each_by_itself(
        self, company: Any, client: Client, aggregation: str, total: str, small: str
    ) -> None:
        with tenant_context(company.id, actor="test"):
            meter = Meter.objects.get()
            services.create_meter(
                key="other",
                name="Other",
                event_type=meter.event_type,
                aggregation=aggregation,
                value_property="tokens",
                now=NOW,
            )

        found = page(client, group="model", meter="other", by="day")

        quantities = {name: one.quantity for name, one in found["groups"]}
        assert (found["total"].quantity, quantities["small"]) == (Decimal(total), Decimal(small))
        assert (found["chart"]["type"], found["chart"]["stacked"]) == ("line", False)
        assert series(found)["small"] == [small, None]

    def test_a_level_weighted_by_time_is_told_by_its_events(
        self, company: Any, client: Client
    ) -> None:
        with tenant_context(company.id, actor="test"):
            services.create_meter(
                key="level",
                name="Level",
                event_type="chat",
                aggregation="weighted_sum",
                value_property="tokens",
                now=NOW,
            )

        answer = client.get("/usage/", {**DAYS, "meter": "level"})

        assert "weighs a level by time" in answer.content.decode()
        assert answer.context["total"].quantity == 4

    def test_days_without_a_midnight_keep_their_events(self, company: Any, client: Client) -> None:
        morning = datetime(2026, 4, 23, 22, 30, tzinfo=UTC)  # 01:30, half an hour after 23:59
        with tenant_context(company.id, actor="test"):
            late = [sent("cairo", "acme", "1", "small", occurred_at=morning)]
            services.record_usage_events(late, now=datetime(2026, 5, 1, tzinfo=UTC))

        days = {"since": "2026-04-23", "until": "2026-04-25"}
        for by, values in (("day", [0, 1, 0]), ("hour", None)):
            found = page(client, **days, zone="Africa/Cairo", by=by)
            (drawn,) = series(found).values()
            assert sum(drawn) == 1
            assert values is None or drawn == values


class TestTable:
    def rows(self, client: Client, **query: str) -> list[list[str]]:
        answer = client.get("/usage/table.csv", {**DAYS, **query})
        text = b"".join(answer).decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text)))

    def test_has_each_day_of_each_group(self, client: Client) -> None:
        assert self.rows(client, group="model", meter="tokens", by="day") == [
            ["Day", "model", "Tokens", "Events"],
            ["2026-02-10", "small", "130", "2"],
            ["2026-02-10", "without", "1", "1"],
            ["2026-02-11", "large", "7.5", "1"],
        ]

    def test_has_hours_with_their_offset(self, client: Client) -> None:
        rows = self.rows(client, zone="Asia/Kolkata", by="hour")

        assert rows[1] == ["2026-02-10T17:00:00+05:30", "", "4", "4"]
        assert sum(int(row[3]) for row in rows[1:]) == 6
