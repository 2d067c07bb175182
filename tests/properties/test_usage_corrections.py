"""What counts after corrections is a function of the set of events: every meter, any window."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.domain.aggregation import Sample, aggregate, by_property
from metering.domain.events import SUPERSEDES, VOIDS, Correction, Outcome, UsageEvent
from metering.models import Meter
from metering.selectors import ReadingRequest, read_usage
from metering.services import create_meter, fold_usage, record_usage_events
from tests.factories_billing import make_customer

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BEGIN = datetime(2026, 2, 1, tzinfo=UTC)
KINDS = [kind for kind in Meter.Aggregation.values if kind != "latest"]  # ties: by our own id
FILTERS: tuple[dict[str, list[str]], ...] = ({}, {"zone": ["eu"]})


@st.composite
def histories(draw: st.DrawFn) -> list[UsageEvent]:
    """Draw events of which some correct another one, each event corrected at most once."""
    count = draw(st.integers(1, 10))
    free = list(range(count + 2))  # two that never come
    events: list[UsageEvent] = []
    for n in range(count):
        corrects = None
        targets = [target for target in free if target != n]
        if targets and draw(st.integers(0, 1)) == 0:
            target = draw(st.sampled_from(targets))
            if not _leads_back(events, target, n):
                free.remove(target)
                kind = draw(st.sampled_from([SUPERSEDES, VOIDS]))
                corrects = Correction(kind, "s", f"e{target}")
        at = BEGIN + timedelta(minutes=draw(st.integers(0, 300)))
        zone = draw(st.sampled_from(["eu", "us"]))
        data = {"n": str(draw(st.integers(-5, 9))), "zone": zone}
        events.append(UsageEvent("s", f"e{n}", "api", "acme", at, data, corrects))
    return events


def _leads_back(events: Sequence[UsageEvent], target: int, start: int) -> bool:
    """Say whether corrections would go round in a circle."""
    asked = {event.id: event.corrects.id for event in events if event.corrects}
    place = f"e{target}"
    while place in asked:
        place = asked[place]
        if place == f"e{start}":
            return True
    return False


def living(events: Sequence[UsageEvent]) -> list[UsageEvent]:
    """Say plainly which events count: no voids, nothing corrected, nothing that corrects a void."""
    voids = {event.id for event in events if event.corrects and event.corrects.kind == VOIDS}
    taken = {event.corrects.id for event in events if event.corrects}
    return [
        event
        for event in events
        if event.id not in voids
        and event.id not in taken
        and not (event.corrects and event.corrects.id in voids)
    ]


def plainly(
    events: Sequence[UsageEvent], kind: str, filters: Any, start: datetime, end: datetime
) -> Decimal:
    samples = [
        Sample(event.data, event.time) for event in living(events) if start <= event.time < end
    ]
    found = aggregate(kind, samples, by_property("n"), filters)
    if found is None:
        return Decimal(0)
    if kind == "average":
        exact = Fraction(found)
        return (Decimal(exact.numerator) / exact.denominator).quantize(Decimal("1e-12"))
    return Decimal(str(found))


@pytest.mark.usefixtures("tenant")
class TestCorrections:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
    @given(st.data())
    def test_count_alike_in_any_order_and_any_batches(self, data: st.DataObject) -> None:
        events = data.draw(histories())
        arriving = data.draw(st.permutations(events)) + data.draw(
            st.lists(st.sampled_from(events), max_size=3)
        )
        cuts = sorted(data.draw(st.sets(st.integers(1, len(arriving)), max_size=4)))
        start = BEGIN + timedelta(minutes=data.draw(st.integers(0, 150)))
        end = start + timedelta(minutes=data.draw(st.integers(1, 200)))
        with transaction.atomic():
            customer = make_customer()
            meters = [
                (kind, filters, _meter(kind, filters, place))
                for kind in KINDS
                for place, filters in enumerate(FILTERS)
            ]
            outcomes = []
            for first, last in zip([0, *cuts], [*cuts, len(arriving)], strict=True):
                verdicts = record_usage_events(arriving[first:last], now=NOW)
                outcomes += [verdict.outcome for verdict in verdicts]
                if data.draw(st.booleans()):
                    fold_usage()
            found = read_usage(
                [ReadingRequest(customer.id, meter.id, start, end) for *_, meter in meters]
            )
            transaction.set_rollback(True)

        expected = [plainly(events, kind, filters, start, end) for kind, filters, _ in meters]
        assert [one.quantity for one in found] == expected
        stored = [one for one in outcomes if one in (Outcome.CREATED, Outcome.QUARANTINED)]
        assert len(stored) == len(events)


def _meter(kind: str, filters: dict[str, list[str]], place: int) -> Meter:
    return create_meter(
        key=f"{kind}-{place}",
        name=kind,
        event_type="api",
        aggregation=kind,
        value_property="" if kind == "count" else "n",
        filters=filters,
        now=NOW,
    )
