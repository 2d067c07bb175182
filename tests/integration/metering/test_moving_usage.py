"""A company moves from one store to the other while events come in, and nothing is missing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from metering.domain.events import Correction, UsageEvent
from metering.models import Meter, UsageStore
from metering.selectors import (
    ReadingRequest,
    days_of_reading,
    events_in_reading,
    late_events,
    measure,
)
from metering.services import create_meter, record_usage_events, take_readings
from metering.services.moving import StoresDiffer, follow, move_back, move_item, start_move
from metering.stores import routing
from metering.stores.clickhouse import TABLE
from monetization.customers.models import Customer
from monetization.customers.services import map_alias
from monetization.jobs import services as jobs
from monetization.jobs.models import Job
from monetization.tenancy.context import tenant_context
from tests.factories_billing import make_customer
from tests.integration.metering.chdb_engine import ChdbEngine, make_engine

pytestmark = pytest.mark.django_db(transaction=True)
T = datetime(2026, 1, 10, 12, 30, tzinfo=UTC)
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


class Failing:
    """An engine that fails once, as a network does."""

    def __init__(self, engine: ChdbEngine) -> None:
        self.engine, self.fails = engine, 0

    def __getattr__(self, name: str) -> Any:
        if name == "insert" and self.fails:
            self.fails -= 1
            raise ConnectionError("the server went away")
        return getattr(self.engine, name)


@pytest.fixture
def engine(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Failing:
    found = Failing(make_engine())
    settings.CLICKHOUSE_URL = "http://clickhouse.example:8123/usage"
    monkeypatch.setattr(routing, "server", lambda url: found)
    return found


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id, actor="test"):
        make_customer("Acme")
        for aggregation in ("max", "latest", "sum"):
            create_meter(
                key=aggregation, name=aggregation, event_type="call", aggregation=aggregation,
                value_property="n", now=T,
            )  # fmt: skip
    return tenant


def send(tenant: Any, *events: UsageEvent) -> None:
    with tenant_context(tenant.id, actor="test"):
        record_usage_events(events, now=T + timedelta(days=90))


def call(name: str, n: int, days: float = 0, **other: Any) -> UsageEvent:
    at = T + timedelta(days=days)
    return UsageEvent("api", name, "call", "acme", at, {"n": Decimal(n)})._replace(**other)


def requests(tenant: Any) -> list[ReadingRequest]:
    customer = Customer.objects.get(name="Acme")
    return [
        ReadingRequest(customer.id, one.id, START, END) for one in Meter.objects.order_by("key")
    ]


def read(tenant: Any) -> list[Decimal]:
    with tenant_context(tenant.id, actor="test"):
        return [one.quantity for one in measure(requests(tenant))[0]]


def run(tenant: Any, job: Job) -> Job:
    with tenant_context(tenant.id, actor="test"):
        token = jobs.claim_job(job_id=job.id, now=timezone.now())
    while True:
        with tenant_context(tenant.id, actor="test"):
            assert token is not None
            jobs.run_next_batch(job_id=job.id, token=token, now=timezone.now())
        with tenant_context(tenant.id, actor="test"):
            found: Job = Job.objects.get(id=job.id)
            if found.is_finished:
                return found


def move(tenant: Any) -> Job:
    with tenant_context(tenant.id, actor="test"):
        job = start_move(now=timezone.now())
    return run(tenant, job)


def where(tenant: Any) -> str:
    with tenant_context(tenant.id, actor="test"):
        return str(UsageStore.objects.get().reads_from)


def test_a_company_that_moved_reads_the_same_and_misses_nothing_after(
    company: Any, engine: Failing
) -> None:
    send(company, call("a", 5), call("b", 9, 40), call("c", 2, 41), call("u", 50, subject="new"))
    with tenant_context(company.id, actor="test"):
        old = take_readings(requests=requests(company), now=T)
    before = read(company)
    with tenant_context(company.id, actor="test"):
        job = start_move(now=timezone.now())
    send(company, call("d", 7, 42))  # while it moves
    send(company, call("x", 0, 43, corrects=Correction("voids", "api", "b")))
    assert run(company, job).failed == 0
    assert where(company) == "clickhouse"
    assert (before, read(company)) == ([Decimal(2), Decimal(9), Decimal(16)], [7, 7, 14])

    send(company, call("e", 11, 44), call("f", 1, 45))
    send(company, call("g", 3, 46, corrects=Correction("supersedes", "api", "e")))
    with tenant_context(company.id, actor="test"):
        map_alias(customer_id=requests(company)[0].customer_id, alias="new", now=T)
    there = read(company)
    with tenant_context(company.id, actor="test"):
        late = [row.source_event_id for row in late_events(old[1])]
        counted = [row.source_event_id for row in events_in_reading(old[1])]
        days = days_of_reading(old[1], zone="UTC")
        assert follow() > 0
        assert follow() == 0
        move_back(now=timezone.now())
    assert read(company) == there
    with tenant_context(company.id, actor="test"):
        assert [row.source_event_id for row in late_events(old[1])] == late
        assert [row.source_event_id for row in events_in_reading(old[1])] == counted
        assert days_of_reading(old[1], zone="UTC") == days
    assert counted == ["a", "b", "c"]


def test_a_copy_that_was_cut_off_goes_on(company: Any, engine: Failing) -> None:
    send(company, call("a", 5), call("b", 9, 40))
    engine.fails = 1
    job = move(company)
    assert job.failed == 2  # the first month, and so the comparison
    assert where(company) == "postgres"
    with tenant_context(company.id, actor="test"):
        jobs.retry_failed(job_id=job.id)
    assert run(company, job).failed == 0
    assert where(company) == "clickhouse"
    assert read(company) == [9, 9, 14]


def test_a_month_that_is_not_the_same_in_both_is_not_read_there(
    company: Any, engine: Failing
) -> None:
    send(company, call("a", 5), call("b", 9, 40))
    with tenant_context(company.id, actor="test"):
        job = start_move(now=timezone.now())
        for item in job.items.order_by("position").exclude(key="switch"):
            move_item(job, item)
        engine.command(
            f"ALTER TABLE {TABLE} UPDATE subject = 'other' WHERE source_event_id = 'a'"
            " SETTINGS mutations_sync = 1"
        )
        with pytest.raises(StoresDiffer, match="2026-01"):
            move_item(job, job.items.get(key="switch"))
    assert where(company) == "postgres"


def test_the_command_moves_and_moves_back(company: Any, engine: Failing) -> None:
    send(company, call("a", 5))
    said = StringIO()
    call_command("move_usage", tenant=company.slug, to="clickhouse", stdout=said)
    assert "1 events are in both stores" in said.getvalue()
    with pytest.raises(CommandError, match="already"):
        call_command("move_usage", tenant=company.slug, to="clickhouse")
    call_command("move_usage", tenant=company.slug, to="postgres", stdout=said)
    assert where(company) == "postgres"


def test_without_a_second_store_nobody_moves(company: Any, settings: Any) -> None:
    settings.CLICKHOUSE_URL = ""
    with pytest.raises(CommandError, match="CLICKHOUSE_URL"):
        call_command("move_usage", tenant=company.slug, to="clickhouse")


def test_only_the_owner_of_the_tables_prepares_them(company: Any) -> None:
    with pytest.raises(CommandError, match="owner of the tables"):
        call_command("move_usage", prepare=True)
