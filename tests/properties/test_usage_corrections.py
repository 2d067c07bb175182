"""What counts after corrections is a function of the set of events: every meter, any window."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.domain.aggregation import (
    DayDelta,
    Delta,
    Sample,
    aggregate,
    by_property,
    passes,
    prorated_sum,
    weighted_sum,
)
from metering.domain.counting import WEIGHTED
from metering.domain.events import SUPERSEDES, VOIDS, Correction, Outcome, UsageEvent
from metering.domain.expressions import parse
from metering.domain.numbers import at_twelve_places, counted_number
from metering.models import Meter
from metering.selectors import ReadingRequest, meter_definition, read_usage, usage_by_day
from metering.selectors.meters import by_group
from metering.services import create_meter, fold_usage, record_usage_events
from monetization.kernel.period import local_day
from tests.factories_billing import make_customer

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BEGIN = datetime(2026, 2, 1, tzinfo=UTC)
KINDS = [kind for kind in Meter.Aggregation.values if kind != "latest"]  # ties: by our own id


@dataclass(frozen=True)
class Spec:
    """A meter to be counted in both ways."""

    kind: str
    filters: dict[str, list[str]] = field(default_factory=dict)
    expression: str = ""
    carries_over: bool = False


LEVELS = [Spec("weighted_sum")]
RATE = "if(n > 0, (n + 1) / 3, n / n)"  # no value where n is 0
SPECS = [
    *(Spec(kind) for kind in KINDS),
    *(Spec(kind, {"zone": ["eu"]}) for kind in KINDS),
    *(Spec(kind, expression=RATE) for kind in KINDS if kind not in ("count", "count_unique")),
    *(Spec(kind, carries_over=True) for kind in sorted(WEIGHTED)),
]


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


ZONE = "America/New_York"  # its midnight is 05:00: the days of a level begin inside the span


def plainly(events: Sequence[UsageEvent], spec: Spec, start: datetime, end: datetime) -> Decimal:
    alive = [event for event in living(events) if event.time < end]
    read = parse(spec.expression).decimal if spec.expression else by_property("n")
    if spec.kind in WEIGHTED:
        return _level(alive, spec, read, start, end)
    inside = [Sample(event.data, event.time) for event in alive if event.time >= start]
    found = aggregate(spec.kind, inside, read, spec.filters)
    return Decimal(0) if found is None else at_twelve_places(Fraction(found))


def _level(
    events: Sequence[UsageEvent], spec: Spec, read: Any, start: datetime, end: datetime
) -> Decimal:
    counted = [
        (event.time, value)
        for event in events
        if passes(spec.filters, event.data)
        and (event.time >= start or spec.carries_over)
        and (value := counted_number(read(event.data))) is not None
    ]
    if spec.kind == "weighted_sum":
        return at_twelve_places(weighted_sum(start, end, [Delta(*one) for one in counted]))
    first, last = local_day(start, ZONE), local_day(end - timedelta(microseconds=1), ZONE)
    until = last + timedelta(days=1)
    deltas = [DayDelta(local_day(at, ZONE), value) for at, value in counted]
    return at_twelve_places(prorated_sum(first, until, deltas, days_in_full=(until - first).days))


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
            meters = [_meter(spec, place) for place, spec in enumerate(SPECS)]
            outcomes = []
            for first, last in zip([0, *cuts], [*cuts, len(arriving)], strict=True):
                verdicts = record_usage_events(arriving[first:last], now=NOW)
                outcomes += [verdict.outcome for verdict in verdicts]
                if data.draw(st.booleans()):
                    fold_usage()
            found = read_usage(
                [ReadingRequest(customer.id, meter.id, start, end, ZONE) for meter in meters]
            )
            weighted = next(m for m, spec in zip(meters, SPECS, strict=True) if spec in LEVELS)
            days = usage_by_day(
                customer_id=customer.id,
                meter_id=weighted.id,
                window_start=start,
                window_end=end,
                zone=ZONE,
            )
            groups = by_group(
                meter_definition(meters[0]), ["zone"], start=start, end=end, zone=ZONE
            )
            transaction.set_rollback(True)

        expected = [plainly(events, spec, start, end) for spec in SPECS]
        assert [one.quantity for one in found] == expected
        whole = expected[SPECS.index(LEVELS[0])]
        assert abs(sum(quantity for _, quantity in days) - whole) <= Decimal("1e-12")
        assert SPECS[0].kind == "count"
        assert sum(one.quantity for one in groups) == expected[0]
        stored = [one for one in outcomes if one in (Outcome.CREATED, Outcome.QUARANTINED)]
        assert len(stored) == len(events)


def _meter(spec: Spec, place: int) -> Any:
    has_property = spec.kind != "count" and not spec.expression
    return create_meter(
        key=f"m{place}",
        name=f"m{place}",
        event_type="api",
        aggregation=spec.kind,
        value_property="n" if has_property else "",
        expression=spec.expression,
        filters=spec.filters,
        carries_over=spec.carries_over,
        now=NOW,
    )
