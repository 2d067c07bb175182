"""Pages about usage, seen through a signed-in browser."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from metering import selectors, services
from metering.domain.events import UsageEvent
from metering.models import Meter
from monetization.customers.models import Customer, CustomerAlias
from monetization.tenancy.context import tenant_context
from tests.factories import make_member
from tests.factories_billing import make_customer

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    return make_tenant("Northwind Software")


def signed_in(tenant: Any, role: str = "finance") -> Client:
    client = Client()
    client.force_login(
        make_member(tenant, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def sent(id: str = "e1", subject: str = "acme", **changes: Any) -> UsageEvent:
    return UsageEvent(
        source=changes.pop("source", "app"),
        id=id,
        type=changes.pop("type", "api.called"),
        subject=subject,
        time=changes.pop("time", timezone.now() - timedelta(hours=2)),
        data=changes.pop("data", {"calls": Decimal(5), "region": "eu-1"}),
    )


def received(tenant: Any, *events: UsageEvent) -> None:
    with tenant_context(tenant.id, actor="test"):
        services.record_usage_events(list(events), now=timezone.now())


def customer_of(tenant: Any, name: str = "Acme", **details: Any) -> Customer:
    with tenant_context(tenant.id, actor="test"):
        return make_customer(name, **details)


def meter_of(tenant: Any, **changes: Any) -> Meter:
    with tenant_context(tenant.id, actor="test"):
        return services.create_meter(
            **{
                "key": "calls",
                "name": "API calls",
                "unit": "calls",
                "event_type": "api.called",
                "aggregation": "sum",
                "value_property": "calls",
                "now": timezone.now(),
                **changes,
            }
        )


def shown(answer: Any) -> list[str]:
    return [event.source_event_id for event, _ in answer.context["events"]]


class TestExplorer:
    def test_shows_whose_each_event_is_and_what_does_not_count(self, company: Any) -> None:
        customer_of(company)
        ahead = timezone.now() + timedelta(days=2)
        received(company, sent("a"), sent("b", "nobody"), sent("c", time=ahead))

        answer = signed_in(company).get("/usage/")

        health = answer.context["health"]
        assert shown(answer) == ["b", "a"]
        assert "Unmatched" in answer.content.decode()
        assert (health.today, health.unmatched, health.quarantined) == (3, 1, 1)
        assert sum(count for _, count in health.by_hour) == 3

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            ({"customer": "acme"}, ["a"]),
            ({"alias": "nobody"}, ["b"]),
            ({"type": "file.stored"}, ["d"]),
            ({"show": "unmatched"}, ["b"]),
            ({"show": "quarantined"}, ["c"]),
            ({"show": "conflicting"}, ["a"]),
            ({"since": "2020-01-01", "until": "2020-01-31"}, ["old"]),
            ({"since": "1980-01-01"}, []),
            ({"since": "2026-02-01", "until": "2026-01-01"}, []),
            ({"customer": "Nobody Inc"}, []),
            ({"before": "nonsense"}, []),
            ({"alias": "\x00"}, []),
        ],
    )
    def test_filters_by_what_the_address_says(
        self, company: Any, query: dict[str, str], ids: list[str]
    ) -> None:
        customer_of(company)
        received(
            company,
            sent("a"),
            sent("b", "nobody"),
            sent("c", time=timezone.now() + timedelta(days=2)),
            sent("a", data={"calls": Decimal(6)}),
        )
        with tenant_context(company.id):
            other = customer_of(company, "Globex")
        received(
            company,
            sent("d", "globex", type="file.stored"),
            sent("old", "globex", time=datetime(2020, 1, 5, tzinfo=UTC)),
        )
        assert other.name == "Globex"

        answer = signed_in(company).get("/usage/", query)

        assert answer.status_code == 200
        assert shown(answer) == ids

    def test_pages_backwards_without_gaps_or_repeats(self, company: Any) -> None:
        customer_of(company)
        received(company, *(sent(f"e{n:03d}") for n in range(120)))
        client = signed_in(company)
        seen: list[str] = []
        query: dict[str, str] = {}

        while True:
            answer = client.get("/usage/", query)
            seen += shown(answer)
            if not answer.context["next"]:
                break
            query = {"before": str(answer.context["next"])}

        assert seen == [f"e{n:03d}" for n in reversed(range(120))]

    def test_the_chart_counts_each_event_on_its_local_day(self, make_tenant: Any) -> None:
        tenant = make_tenant("Tokyo", time_zone="Asia/Tokyo")
        customer_of(tenant)
        received(tenant, sent("a", time=datetime(2026, 1, 4, 16, tzinfo=UTC)))

        chart = (
            signed_in(tenant)
            .get("/usage/", {"since": "2026-01-04", "until": "2026-01-06", "by": "day"})
            .context["chart"]
        )

        assert chart["labels"] == ["4 Jan 2026", "5 Jan 2026", "6 Jan 2026"]
        assert chart["series"][0]["values"] == [0, 1, 0]

    def test_costs_the_same_queries_for_fifty_events_as_for_one(self, company: Any) -> None:
        customer_of(company)
        received(company, sent("first"))
        client = signed_in(company)
        client.get("/usage/")
        with CaptureQueriesContext(connection) as few:
            client.get("/usage/")
        for number in range(10):
            customer_of(company, f"Other {number}")
            received(company, *(sent(f"e{number}-{n}", f"other {number}") for n in range(6)))
        with CaptureQueriesContext(connection) as many:
            client.get("/usage/")
        assert len(few) == len(many) <= 15

    def test_events_that_are_scripts_and_formulas_are_only_text(self, company: Any) -> None:
        received(company, sent("=1+1", HOSTILE, data={HOSTILE: HOSTILE}))
        client = signed_in(company)

        page = client.get("/usage/")
        event = page.context["events"][0][0]
        for path in ("", f"events/{event.id}", "unmatched", "?alias=%3Cscript%3Ealert(1)"):
            assert HOSTILE not in client.get(f"/usage/{path}").content.decode()
        export = b"".join(client.get("/usage/export.csv")).decode("utf-8-sig")
        assert ",'=1+1," in export

    def test_the_export_has_the_events_of_the_filters(self, company: Any) -> None:
        customer_of(company)
        received(company, *(sent(f"e{n}") for n in range(450)), sent("other", "nobody"))
        client = signed_in(company)
        lines = b"".join(client.get("/usage/export.csv?customer=Acme")).decode().splitlines()
        assert len(lines) == 451


class TestEvent:
    def test_tells_the_story_of_an_event(self, company: Any) -> None:
        customer = customer_of(company)
        calls, files = meter_of(company), meter_of(company, key="f", name="Files", event_type="f")
        unique = meter_of(
            company,
            key="regions",
            name="Regions",
            aggregation="count_unique",
            value_property="region",
        )
        us = meter_of(company, key="us", name="US calls", filters={"region": ["us-1"]})
        received(company, sent("a"), sent("a", data={"calls": Decimal(99)}))
        with tenant_context(company.id):
            event = selectors.list_events()[0]

        answer = signed_in(company).get(f"/usage/events/{event.id}")

        assert answer.context["customer"] == customer
        counted = {one.meter.id: one.value for one in answer.context["counted"]}
        assert counted == {calls.id: "5", unique.id: "eu-1"}
        assert files.id not in counted
        assert us.id not in counted
        assert [one.data for one in answer.context["conflicts"]] == [{"calls": "99"}]

    def test_an_event_of_nobody_is_counted_by_nothing(self, company: Any) -> None:
        meter_of(company)
        received(company, sent("a", "nobody"))
        with tenant_context(company.id):
            event = selectors.list_events()[0]
        page = signed_in(company).get(f"/usage/events/{event.id}").content.decode()
        assert "No meter counts it until somebody holds its alias." in page

    def test_another_companys_usage_does_not_exist(
        self, company: Any, make_tenant: Callable[..., Any]
    ) -> None:
        other = make_tenant("Contoso")
        customer, meter = customer_of(other), meter_of(other)
        received(other, sent("a"))
        with tenant_context(other.id):
            event = selectors.list_events()[0]
        client = signed_in(company, "owner")
        for path in (
            f"events/{event.id}",
            f"events/{uuid4()}",
            f"meters/{meter.id}",
            f"meters/{meter.id}/customers.csv",
            f"customers/{customer.id}",
        ):
            assert client.get(f"/usage/{path}").status_code == 404
        assert shown(client.get("/usage/")) == []
        assert client.get("/usage/").context["health"].today == 0


class TestUnmatched:
    def test_mapping_an_alias_says_how_many_events_follow(self, company: Any) -> None:
        customer = customer_of(company)
        received(company, sent("a", "acct_9"), sent("b", "acct_9"), sent("c", "other"))
        client = signed_in(company)

        answer = client.post(
            "/usage/unmatched", {"alias": "acct_9", "customer": "ACME"}, follow=True
        )

        assert "acct_9 belongs to Acme. 2 stored events are being attributed." in (
            answer.content.decode()
        )
        with tenant_context(company.id):
            assert CustomerAlias.objects.get(alias="acct_9").customer_id == customer.id

    @pytest.mark.parametrize(
        ("name", "message"),
        [("", "required"), ("Nobody", "No customer has this name"), ("Twin", "Several customers")],
    )
    def test_says_at_the_row_whom_it_cannot_map_to(
        self, company: Any, name: str, message: str
    ) -> None:
        received(company, sent("a", "acct_9"))
        with tenant_context(company.id):
            make_customer("Twin", external_id="T-1")
            twin = Customer.objects.get()
            Customer.objects.create(name="Twin", currency="USD", legal_entity=twin.legal_entity)
        answer = signed_in(company).post("/usage/unmatched", {"alias": "acct_9", "customer": name})
        assert answer.status_code == 422
        assert message in answer.content.decode()

    def test_many_aliases_are_mapped_at_once_or_none(self, company: Any) -> None:
        customer = customer_of(company)
        received(company, *(sent(f"e{n}", f"acct_{n % 3}") for n in range(6)))
        client = signed_in(company)
        with tenant_context(company.id, actor="test"):
            other = customer_of(company, "Globex")
            CustomerAlias.objects.create(customer=other, alias="held", valid=(None, None))

        refused = client.post("/usage/unmatched", {"alias": ["acct_0", "held"], "customer": "Acme"})
        picked = {"alias": ["acct_0", "acct_1", "\x00"], "customer": "Acme"}
        answer = client.post("/usage/unmatched", picked, follow=True)

        assert "is held by Globex" in refused.content.decode()
        assert "2 aliases belong to Acme. 4 stored events are being attributed." in (
            answer.content.decode()
        )
        with tenant_context(company.id):
            held = CustomerAlias.objects.filter(customer=customer, alias__startswith="acct")
            assert set(held.values_list("alias", flat=True)) == {"acct_0", "acct_1"}
        nothing = client.post("/usage/unmatched", {"customer": "Acme"})
        assert "Pick at least one alias" in nothing.content.decode()

    def test_the_list_is_exported(self, company: Any) -> None:
        received(company, sent("a", "acct_9"), sent("b", "acct_9"), sent("c", "=other"))

        answer = signed_in(company, "engineer").get("/usage/unmatched.csv")

        lines = b"".join(answer).decode("utf-8-sig").splitlines()
        assert [line.split(",")[:2] for line in lines] == [
            ["Alias", "Events"],
            ["acct_9", "2"],
            ["'=other", "1"],
        ]

    def test_twins_are_told_apart_in_the_list(self, company: Any) -> None:
        received(company, sent("a", "acct_9"))
        with tenant_context(company.id):
            first = make_customer("Twin", external_id="T-1")
            Customer.objects.create(
                name="Twin", currency="USD", external_id="T-2", legal_entity=first.legal_entity
            )
        client = signed_in(company)
        assert "Twin (T-2)" in client.get("/usage/unmatched").content.decode()
        client.post("/usage/unmatched", {"alias": "acct_9", "customer": "Twin (T-2)"})
        with tenant_context(company.id):
            assert CustomerAlias.objects.get(alias="acct_9").customer.external_id == "T-2"

    def test_engineers_see_the_list_and_do_not_map(self, company: Any) -> None:
        received(company, sent("a", "acct_9"))
        client = signed_in(company, "engineer")
        assert "acct_9" in client.get("/usage/unmatched").content.decode()
        assert client.post("/usage/unmatched", {}).status_code == 403
