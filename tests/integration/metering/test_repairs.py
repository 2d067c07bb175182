"""What waits is settled by people, with a reason, and the story of an event can be read."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from metering import selectors, services
from metering.domain.events import SUPERSEDES, VOIDS, Correction, Outcome, UsageEvent
from metering.selectors import exploring
from metering.selectors.history import event_history, event_id_of
from monetization.config.verify import verify_tenant
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key
from tests.factories_billing import make_customer

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
OCTOBER, DECEMBER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
SOON = NOW + timedelta(days=2)  # too far in the future to count


def event(id: str, calls: int, **more: Any) -> UsageEvent:
    values = {"source": "app", "type": "api", "subject": "acme", "time": NOW, **more}
    return UsageEvent(**values, id=id, data={"calls": str(calls)})


def send(*events: UsageEvent) -> list[Outcome]:
    return [v.outcome for v in services.record_usage_events(events, now=NOW)]


def ours(*names: str) -> list[Any]:
    return [event_id_of("app", name) for name in names]


@pytest.fixture
def total(tenant: Any) -> Any:
    customer = make_customer()
    meter = services.create_meter(
        key="sum", name="s", event_type="api", aggregation="sum", value_property="calls", now=NOW
    )
    request = selectors.ReadingRequest(customer.id, meter.id, OCTOBER, DECEMBER)
    return lambda: int(selectors.read_usage([request])[0].quantity)


class TestQuarantine:
    def test_released_events_count(self, total: Any) -> None:
        send(event("a", 5, time=SOON), event("b", 7, time=SOON))

        done = services.release_events(event_ids=ours("a"), reason="clock was right", now=NOW)

        assert (done, total()) == (1, 5)
        again = services.release_events(event_ids=ours("a"), reason="twice", now=NOW)
        assert (again, total()) == (0, 5)

    def test_discarded_events_never_count(self, total: Any) -> None:
        send(event("a", 5, time=SOON))

        assert services.discard_events(event_ids=ours("a"), reason="test data", now=NOW) == 1

        assert services.release_events(event_ids=ours("a"), reason="changed", now=NOW) == 0
        assert total() == 0
        assert selectors.list_events(quarantined=True) == []

    def test_what_counts_cannot_be_discarded(self, total: Any) -> None:
        send(event("a", 5))

        assert services.discard_events(event_ids=ours("a"), reason="no", now=NOW) == 0
        assert total() == 5

    def test_a_released_correction_takes_effect_then(self, total: Any) -> None:
        asked = Correction(SUPERSEDES, "app", "a")
        send(event("a", 5), event("b", 2, time=SOON, corrects=asked))
        assert total() == 5

        services.release_events(event_ids=ours("b"), reason="fine", now=NOW)

        assert total() == 2

    def test_a_released_void_counts_nothing_itself(self, total: Any) -> None:
        send(event("a", 5), event("v", 9, time=SOON, corrects=Correction(VOIDS, "app", "a")))

        services.release_events(event_ids=ours("v"), reason="fine", now=NOW)

        assert total() == 0

    def test_a_correction_that_came_too_late_stays_in_quarantine(self, total: Any) -> None:
        first, second = (Correction(SUPERSEDES, "app", "a") for _ in range(2))
        send(event("a", 5), event("b", 2, corrects=first))
        assert send(event("c", 1, corrects=second)) == ["quarantined"]

        assert services.release_events(event_ids=ours("c"), reason="try", now=NOW) == 0
        assert total() == 2

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
    def test_needs_a_reason(self, total: Any, reason: str) -> None:
        with pytest.raises(services.RepairNeedsReason):
            services.release_events(event_ids=[], reason=reason, now=NOW)


class TestConflicts:
    @pytest.fixture
    def conflict(self, total: Any) -> Any:
        send(event("a", 5))
        assert send(event("a", 8)) == ["conflict"]
        return exploring.conflicts_of(ours("a")[0])[0].id

    def test_the_other_content_can_be_accepted(self, total: Any, conflict: Any) -> None:
        done = services.resolve_conflicts(
            conflict_ids=[conflict], accept=True, reason="they fixed it", now=NOW
        )

        assert (done, total()) == (1, 8)
        assert selectors.list_events(conflicting=True) == []

    def test_or_the_first_kept(self, total: Any, conflict: Any) -> None:
        services.resolve_conflicts(conflict_ids=[conflict], accept=False, reason="bug", now=NOW)

        assert total() == 5
        assert selectors.list_events(conflicting=True) == []

    def test_one_whose_event_was_corrected_meanwhile_stays_open(
        self, total: Any, conflict: Any
    ) -> None:
        send(event("b", 1, corrects=Correction(SUPERSEDES, "app", "a")))

        done = services.resolve_conflicts(
            conflict_ids=[conflict], accept=True, reason="late", now=NOW
        )

        assert (done, total()) == (0, 1)
        assert len(selectors.list_events(conflicting=True)) == 1


def test_the_story_of_an_event_is_told_in_order(total: Any) -> None:
    send(event("a", 5))
    send(event("a", 6))
    send(event("b", 2, corrects=Correction(SUPERSEDES, "app", "a")))
    send(event("c", 1, time=SOON))
    services.release_events(event_ids=ours("c"), reason="fine", now=NOW)

    def told(name: str) -> list[str]:
        found = event_history(ours(name)[0], source="app", source_event_id=name)
        return [step.what for step in found]

    assert sorted(told("a")) == ["conflict", "received", "superseded"]
    assert told("b") == ["received", "supersedes"]
    assert told("c") == ["received", "released"]


@pytest.mark.django_db(transaction=True)
def test_the_api_tells_the_story_and_the_books_agree(make_tenant: Any) -> None:
    tenant = make_tenant()
    with tenant_context(tenant.id):
        make_customer()
        services.create_meter(
            key="sum", name="s", event_type="api", aggregation="sum", value_property="n", now=NOW
        )
    key = make_api_key(tenant, "usage:write", "usage:read")
    headers = {"Authorization": f"Bearer {key}"}
    base = {"source": "app", "type": "api", "customer": "acme", "time": timezone.now().isoformat()}
    batch = [
        {**base, "id": "a", "data": {"n": 5}},
        {**base, "id": "b", "data": {"n": 3}, "supersedes": "a"},
        {**base, "id": "v", "voids": {"source": "app", "id": "never-came"}},
    ]
    answer = Client().post(
        "/api/v1/usage-events", json.dumps(batch), content_type="application/json", headers=headers
    )
    assert answer.json()["counts"] == {"created": 3}
    with tenant_context(tenant.id):
        first = event_id_of("app", "a")

    story = Client().get(f"/api/v1/usage-events/{first}", headers=headers).json()

    assert (story["retired"], story["source_event_id"]) == (True, "a")
    assert [step["what"] for step in story["history"]] == ["received", "superseded"]
    nobody = Client().get(f"/api/v1/usage-events/{uuid4()}", headers=headers)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_found")
    report = verify_tenant(tenant.id, tenant.slug)
    assert {o.check.id: o.found.samples for o in report.outcomes if not o.is_ok} == {}
