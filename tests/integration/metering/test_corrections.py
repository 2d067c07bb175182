"""An event is taken back by another one, in whatever order the two come."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from metering import selectors, services
from metering.domain.events import SUPERSEDES, VOIDS, Correction, Outcome, UsageEvent
from tests.factories_billing import make_customer

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
OCTOBER, NOVEMBER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
MOMENT = datetime(2026, 10, 5, 10, 30, tzinfo=UTC)


def event(id: str, calls: int, *, corrects: tuple[str, str] | None = None, **more: Any) -> Any:
    asked = Correction(corrects[0], "app", corrects[1]) if corrects else None
    values = {"source": "app", "type": "api", "subject": "acme", "time": MOMENT, **more}
    return UsageEvent(**values, id=id, data={"calls": str(calls)}, corrects=asked)


def send(*events: UsageEvent) -> list[Outcome]:
    return [v.outcome for v in services.record_usage_events(events, now=NOW)]


@pytest.fixture
def used(tenant: Any) -> Any:
    """Return what October reads, live and by a recount: they are always the same."""
    customer = make_customer()
    meters = [
        services.create_meter(
            key=kind,
            name=kind,
            event_type="api",
            aggregation=kind,
            value_property="" if kind == "count" else "calls",
            now=NOW,
        )
        for kind in ("sum", "count", "max")
    ]

    def read() -> tuple[int, int, int]:
        whole = [selectors.ReadingRequest(customer.id, m.id, OCTOBER, NOVEMBER) for m in meters]
        ragged = [
            selectors.ReadingRequest(customer.id, m.id, MOMENT, MOMENT + timedelta(minutes=1))
            for m in meters
        ]
        found = [int(one.quantity) for one in selectors.read_usage(whole)]
        assert [int(one.quantity) for one in selectors.read_usage(ragged)] == found
        return found[0], found[1], found[2]

    return read


class TestSupersedes:
    def test_puts_the_new_value_in_place_of_the_old(self, used: Any) -> None:
        assert send(event("a", 5), event("b", 2, corrects=(SUPERSEDES, "a"))) == ["created"] * 2

        assert used() == (2, 1, 2)

    def test_works_across_batches_and_after_folding(self, used: Any) -> None:
        send(event("a", 5), event("z", 1))
        services.fold_usage()

        send(event("b", 2, corrects=(SUPERSEDES, "a")))
        assert used() == (3, 2, 2)
        services.fold_usage()
        assert used() == (3, 2, 2)

    def test_may_move_usage_to_another_hour(self, used: Any) -> None:
        send(event("a", 5))
        later = event("b", 5, corrects=(SUPERSEDES, "a"), time=MOMENT + timedelta(days=27))

        send(later)

        assert used() == (0, 0, 0)  # it happened in November

    def test_a_correction_can_be_corrected(self, used: Any) -> None:
        send(event("a", 5), event("b", 3, corrects=(SUPERSEDES, "a")))

        assert send(event("c", 1, corrects=(SUPERSEDES, "b"))) == ["created"]

        assert used() == (1, 1, 1)

    def test_of_an_event_already_corrected_waits_in_quarantine(self, used: Any) -> None:
        send(event("a", 5), event("b", 3, corrects=(SUPERSEDES, "a")))

        verdict = services.record_usage_events(
            [event("c", 1, corrects=(SUPERSEDES, "a"))], now=NOW
        )[0]

        assert (verdict.outcome, verdict.field) == (Outcome.QUARANTINED, "supersedes")
        assert "already corrected" in verdict.reason
        assert used() == (3, 1, 3)

    def test_sent_again_changes_nothing(self, used: Any) -> None:
        batch = [event("a", 5), event("b", 2, corrects=(SUPERSEDES, "a"))]
        send(*batch)

        assert send(*batch) == ["duplicate"] * 2
        assert used() == (2, 1, 2)

    def test_to_another_target_under_the_same_id_is_a_conflict(self, used: Any) -> None:
        send(event("a", 5), event("x", 7), event("b", 2, corrects=(SUPERSEDES, "a")))

        assert send(event("b", 2, corrects=(SUPERSEDES, "x"))) == ["conflict"]
        assert used() == (9, 2, 7)


class TestVoids:
    def test_takes_the_event_away_and_counts_nothing_itself(self, used: Any) -> None:
        send(event("a", 5), event("z", 1))

        assert send(event("v", 99, corrects=(VOIDS, "a"))) == ["created"]

        assert used() == (1, 1, 1)

    def test_of_a_correction_leaves_neither(self, used: Any) -> None:
        send(event("a", 5), event("b", 2, corrects=(SUPERSEDES, "a")))

        send(event("v", 0, corrects=(VOIDS, "b")))

        assert used() == (0, 0, 0)

    def test_cannot_void_a_void(self, used: Any) -> None:
        send(event("a", 5), event("v", 0, corrects=(VOIDS, "a")))

        assert send(event("w", 0, corrects=(VOIDS, "v"))) == ["quarantined"]
        assert used() == (0, 0, 0)

    def test_of_an_unmatched_event_keeps_it_away_when_its_customer_is_found(
        self, used: Any
    ) -> None:
        send(event("u", 4, subject="later"), event("w", 6, subject="later"))
        send(event("v", 0, corrects=(VOIDS, "u")))
        other = make_customer("Later")

        services.attribute_alias(
            alias="later", customer_id=other.id, valid_from=None, valid_until=None
        )

        meter = selectors.active_meters()[0]
        request = selectors.ReadingRequest(other.id, meter.id, OCTOBER, NOVEMBER)
        assert selectors.read_usage([request])[0].event_count == 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_totals_are_the_same_whatever_comes_first(used: Any, order: tuple[int, ...]) -> None:
    chain = [
        event("a", 5),
        event("b", 3, corrects=(SUPERSEDES, "a")),
        event("c", 1, corrects=(SUPERSEDES, "b")),
    ]

    for place in order:
        send(chain[place])

    assert used() == (1, 1, 1)


@pytest.mark.parametrize("kind", [SUPERSEDES, VOIDS])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_what_corrects_a_void_never_counts_whichever_comes_first(
    used: Any, order: tuple[int, ...], kind: str
) -> None:
    chain = [
        event("a", 5),
        event("v", 0, corrects=(VOIDS, "a")),
        event("w", 3, corrects=(kind, "v")),
    ]

    for place in order:
        send(chain[place])
        services.fold_usage()

    assert used() == (0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_correction_after_a_reading_is_late_usage(make_tenant: Any) -> None:
    from monetization.tenancy.context import tenant_context

    tenant = make_tenant()
    with tenant_context(tenant.id):
        customer = make_customer()
        meter = services.create_meter(
            key="sum",
            name="s",
            event_type="api",
            aggregation="sum",
            value_property="calls",
            now=NOW,
        )
        send(event("a", 5), event("z", 1))
    request = selectors.ReadingRequest(customer.id, meter.id, OCTOBER, NOVEMBER)
    with tenant_context(tenant.id):
        reading = services.take_readings(requests=[request], now=NOW)[0]
    with tenant_context(tenant.id):
        send(event("b", 2, corrects=(SUPERSEDES, "a")))

    with tenant_context(tenant.id):
        late = {(row.source_event_id, row.change) for row in selectors.late_events(reading)}
        counted = {row.source_event_id for row in selectors.events_in_reading(reading)}
    assert late == {("a", "removed"), ("b", "added")}
    assert counted == {"a", "z"}
    assert reading.quantity == Decimal(6)
