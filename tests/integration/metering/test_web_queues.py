"""What waits for somebody, on screen: seen, settled with a reason, exported."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from metering.domain.events import UsageEvent
from metering.models import Meter
from metering.selectors import ReadingRequest, list_events, read_usage
from metering.selectors.queues import Held, count_held, open_conflicts
from metering.services import create_meter, record_usage_events
from metering.services.settling import settle_all
from monetization.jobs.services import claim_job, run_next_batch
from monetization.tenancy.context import tenant_context
from tests.factories import make_member, make_tenant
from tests.factories_billing import make_customer

WHY = {"reason": "agreed with the customer"}


@pytest.fixture
def company(db: None) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def inside(company: Any) -> Callable[[], Any]:
    return lambda: tenant_context(company.id, actor="test")


@pytest.fixture
def setting(company: Any, inside: Callable[[], Any]) -> tuple[Any, Meter]:
    with inside():
        meter = create_meter(
            key="calls",
            name="Calls",
            event_type="api",
            aggregation="sum",
            value_property="n",
            now=timezone.now(),
        )
        return make_customer(), meter


def sign_in(company: Any, role: str) -> Client:
    client = Client()
    client.force_login(
        make_member(company, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def send(*ids: str, at: datetime, calls: int = 5, source: str = "gateway") -> None:
    events = [UsageEvent(source, id, "api", "acme", at, {"n": Decimal(calls)}) for id in ids]
    record_usage_events(events, now=timezone.now())


def counted(setting: tuple[Any, Meter]) -> Decimal:
    customer, meter = setting
    span = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    return read_usage([ReadingRequest(customer.id, meter.id, *span)])[0].quantity


@pytest.fixture
def future() -> datetime:
    return timezone.now() + timedelta(days=40)


class TestQuarantine:
    def test_rows_that_were_picked_are_released_and_count(
        self, company: Any, inside: Any, setting: Any, future: datetime
    ) -> None:
        with inside():
            send("a", "b", "c", at=future)
            first, second, _ = [str(event.id) for event in list_events(quarantined=True)]
        client = sign_in(company, "finance")
        page = client.get("/usage/quarantine").content.decode()
        assert "More than 24 hours in the future" in page
        assert "gateway" in page

        answer = client.post(
            "/usage/quarantine", {"action": "released", "id": [first, second], **WHY}, follow=True
        )

        assert "2 events released" in answer.content.decode()
        with inside():
            assert (counted(setting), count_held(Held())) == (10, 1)

    def test_nothing_is_settled_without_a_reason(
        self, company: Any, inside: Any, setting: Any, future: datetime
    ) -> None:
        with inside():
            send("a", at=future)
            (held,) = list_events(quarantined=True)
        client = sign_in(company, "finance")

        for scope in ("selected", "view"):
            answer = client.post(
                "/usage/quarantine",
                {"action": "released", "id": str(held.id), "reason": " ", "scope": scope},
                follow=True,
            )
            assert "give a reason" in answer.content.decode()
        with inside():
            assert counted(setting) == 0

    def test_everything_that_fits_is_discarded_as_a_job_and_the_rest_stays(
        self, company: Any, inside: Any, setting: Any, future: datetime
    ) -> None:
        with inside():
            send("a", "b", at=future)
            send("c", at=future, source="other")

        answer = sign_in(company, "engineer").post(
            "/usage/quarantine?source=gateway", {"action": "discarded", "scope": "view", **WHY}
        )

        assert answer["Location"].startswith("/jobs/")
        with inside():
            job_id = UUID(answer["Location"].rstrip("/").rpartition("/")[2])
            now = timezone.now()
            token = claim_job(job_id=job_id, now=now)
            assert token
            send("d", at=future)  # comes in later: left alone
            while run_next_batch(job_id=job_id, token=token, now=now):
                pass
            assert [event.source_event_id for event in list_events(quarantined=True)] == ["d", "c"]

    def test_many_are_settled_in_parts_and_each_once(
        self, company: Any, inside: Any, setting: Any, future: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr("metering.services.settling.CHUNK", 2)
        with inside():
            send(*"abcde", at=future)
            job = settle_all(action="released", held=Held(), reason="x", now=timezone.now())
            assert job.total == 3
            token = claim_job(job_id=job.id, now=timezone.now())
            assert token
            run_next_batch(job_id=job.id, token=token, now=timezone.now())
            assert counted(setting) == 10
            while run_next_batch(job_id=job.id, token=token, now=timezone.now()):
                pass
            assert counted(setting) == 25

    def test_it_is_exported(
        self, company: Any, inside: Any, setting: Any, future: datetime
    ) -> None:
        with inside():
            send("=a", at=future)
        answer = sign_in(company, "auditor").get("/usage/quarantine.csv")
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        assert "'=a,gateway," in text

    def test_who_may_only_read_settles_nothing(self, company: Any, setting: Any) -> None:
        client = sign_in(company, "auditor")

        assert client.get("/usage/quarantine").status_code == 200
        assert client.post("/usage/quarantine", WHY).status_code == 403
        assert client.post("/usage/conflicts", WHY).status_code == 403


class TestConflicts:
    def conflict(self, inside: Any) -> str:
        now = timezone.now()
        with inside():
            send("a", at=now, calls=5)
            send("a", at=now, calls=8)
            (one,) = open_conflicts()
            assert one.differences == [("n", "5", "8")]
            return str(one.id)

    @pytest.mark.parametrize(("action", "total"), [("keep", 5), ("accept", 8)])
    def test_one_of_the_two_contents_counts(
        self, company: Any, inside: Any, setting: Any, action: str, total: int
    ) -> None:
        wanted = self.conflict(inside)
        client = sign_in(company, "finance")
        assert "gateway" in client.get("/usage/conflicts").content.decode()

        client.post("/usage/conflicts", {"action": action, "id": wanted, **WHY})

        assert "No event says two things" in client.get("/usage/conflicts").content.decode()
        with inside():
            assert counted(setting) == total

    def test_they_are_exported(self, company: Any, inside: Any, setting: Any) -> None:
        self.conflict(inside)
        answer = sign_in(company, "auditor").get("/usage/conflicts.csv")
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        assert ",n,5,8" in text


class TestHealthAndStory:
    def test_health_shows_rates_lag_and_sources(
        self, company: Any, inside: Any, setting: Any
    ) -> None:
        client = sign_in(company, "engineer")
        assert "Nothing came in" in client.get("/usage/health").content.decode()
        with inside():
            send("a", "b", at=timezone.now() - timedelta(seconds=90))

        page = client.get("/usage/health")

        assert page.context["flow"].received == 2
        assert 80 <= page.context["flow"].lags[0] <= 120
        assert [one.source for one in page.context["flow"].sources] == ["gateway"]

    def test_an_events_page_tells_what_happened_to_it(
        self, company: Any, inside: Any, setting: Any, future: datetime
    ) -> None:
        with inside():
            send("a", at=future)
            (event,) = list_events(quarantined=True)
        client = sign_in(company, "finance")
        client.post("/usage/quarantine", {"action": "released", "id": str(event.id), **WHY})

        page = client.get(f"/usage/events/{event.id}").content.decode()

        assert "Put in quarantine" in page or "Received" in page
        assert "Released: agreed with the customer" in page
        assert f"/billing/usage-events/{event.id}/" in page

    def test_hostile_filters_change_nothing(self, company: Any, setting: Any) -> None:
        client = sign_in(company, "finance")
        for query in ("before=x", "source=%00", "reason=%27--", "alias=" + "x" * 300):
            assert client.get(f"/usage/quarantine?{query}").status_code == 200, query
            assert client.get(f"/usage/quarantine.csv?{query}").status_code == 200, query
        assert client.get("/usage/conflicts?before=x").status_code == 200
        assert client.post("/usage/conflicts", {"id": "x", **WHY}).status_code == 302
