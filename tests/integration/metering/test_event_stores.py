"""Every store of raw events gives the same answers, and those are the reference's."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from metering.domain.aggregation import Sample, aggregate, by_property
from metering.domain.counting import MeterDefinition
from metering.stores.clickhouse import ClickHouseEvents
from metering.stores.port import EventStore, StoredEvent, snapshot_version
from metering.stores.postgres_events import PostgresEvents
from monetization.kernel.ids import uuid7_block
from tests.integration.metering.chdb_engine import ChdbEngine, make_engine

START = datetime(2026, 3, 7, tzinfo=UTC)
ACME, GLOBEX = uuid4(), uuid4()
NOW = "1000:1000:"
AGGREGATIONS = ("count", "sum", "max", "min", "latest", "average", "count_unique")
VALUES = (
    "1",
    "0.000000000001",
    "-7.5",
    "9" * 38,
    "12",
    "12",
    "x",
    "1e3",
    True,
    None,
    "007",
    "é|\\'\n",
)


@pytest.fixture(scope="session")
def engine() -> ChdbEngine:
    return make_engine()


@pytest.fixture(params=["postgres", "clickhouse"])
def store(request: pytest.FixtureRequest, tenant: Any) -> Iterator[EventStore]:
    if request.param == "postgres":
        yield PostgresEvents()
        return
    found = ClickHouseEvents(request.getfixturevalue("engine"), tenant.id)
    found.prepare()
    yield found


def event(hours: float, data: dict[str, Any], **other: Any) -> StoredEvent:
    made = StoredEvent(
        id=UUID(bytes=uuid7_block(1)[0]),
        source="api",
        source_event_id=f"e-{hours}",
        type="call",
        subject="acme",
        customer_id=ACME,
        occurred_at=START + timedelta(hours=hours),
        recorded_at=START,
        xact=100,
        retired_xact=None,
        retired_by=None,
        quarantine="",
        data=_jsonb(data),
    )
    return made._replace(**other)


def _jsonb(data: dict[str, Any]) -> str:
    """Write JSON as Postgres writes a jsonb of one or two short names."""
    parts = [
        f"{orjson.dumps(k).decode()}: {orjson.dumps(v).decode()}" for k, v in sorted(data.items())
    ]
    return "{" + ", ".join(parts) + "}"


def meter(aggregation: str, **other: Any) -> MeterDefinition:
    return replace(MeterDefinition(uuid4(), "call", aggregation, "n", {}), **other)


def many(seed: int) -> list[StoredEvent]:
    draw = random.Random(seed)  # noqa: S311 - the same every time
    return [
        event(
            draw.uniform(0, 72),
            {"n": draw.choice(VALUES), "m": draw.choice(["small", "big", True])},
            customer_id=draw.choice([ACME, GLOBEX]),
            xact=draw.randint(90, 110),
            retired_xact=draw.choice([None, None, None, draw.randint(100, 120)]),
            quarantine=draw.choice(["", "", "", "too old"]),
            type=draw.choice(["call", "call", "other"]),
        )
        for _ in range(150)
    ]


def seen(xact: int, snapshot: str) -> bool:
    low, high, running = snapshot.split(":")
    return xact < int(low) or (xact < int(high) and str(xact) not in running.split(","))


def expected(
    events: list[StoredEvent], of: MeterDefinition, customer: UUID, since: datetime,
    until: datetime, snapshot: str,
) -> tuple[Decimal, int] | None:  # fmt: skip
    samples = []
    for one in events:
        data = orjson.loads(one.data)
        texts = {k: {True: "true", False: "false"}.get(v, v) for k, v in data.items()}
        counts = (
            one.type == of.event_type
            and one.customer_id == customer
            and since <= one.occurred_at < until
            and not one.quarantine
            and seen(one.xact, snapshot)
            and (one.retired_xact is None or not seen(one.retired_xact, snapshot))
            and all(texts.get(name) in allowed for name, allowed in of.filters.items())
        )
        if counts:
            samples.append(Sample({"n": texts["n"]}, one.occurred_at, str(one.id)))
    kind = "sum" if of.aggregation == "average" else of.aggregation
    numbers = [s for s in samples if aggregate("max", [s], by_property("n")) is not None]
    found: Any
    if of.aggregation == "count":
        found, count = Decimal(len(samples)), len(samples)
    elif of.aggregation == "count_unique":
        kept = [s for s in samples if s.data["n"] is not None]
        found, count = aggregate(kind, kept, by_property("n")), len(kept)
    else:
        found, count = aggregate(kind, numbers, by_property("n")), len(numbers)
    return (Decimal(str(found)), count) if count else None


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("snapshot", [NOW, "100:108:102,105"])
def test_every_aggregation_is_the_references(
    store: EventStore, aggregation: str, snapshot: str
) -> None:
    events = many(seed=7)
    store.put(events, version=1)
    of = meter(aggregation, filters={"m": ["small", "true"]})
    edges = [START + timedelta(hours=hours) for hours in (0, 5, 24, 30.5, 72)]
    windows = [
        (number, of.id, customer, since, until, "UTC")
        for number, (customer, (since, until)) in enumerate(
            (customer, span) for customer in (ACME, GLOBEX) for span in pairwise(edges)
        )
    ]
    found = store.measure(of, windows, snapshot)
    for number, _, customer, since, until, _ in windows:
        wanted = expected(events, of, customer, since, until, snapshot)
        assert found.get(number) == wanted, (aggregation, number)


def test_an_event_that_was_taken_back_counts_until_then(store: EventStore) -> None:
    store.put([event(1, {"n": "5"}, xact=100, retired_xact=200)], version=1)
    window = (0, uuid4(), ACME, START, START + timedelta(days=1), "America/New_York")
    of = meter("sum")
    assert store.measure(of, [window], "200:201:200") == {0: (Decimal(5), 1)}
    assert store.measure(of, [window], "201:201:") == {}
    assert store.measure(of, [window], "100:100:") == {}
    [row] = store.page(of, window, snapshot="150:150:", changed=True, after=None, limit=9)
    assert (row.change, row.is_retired) == ("removed", True)


def test_days_are_those_of_the_zone_when_the_clock_changes(store: EventStore) -> None:
    # New York springs forward on 8 March 2026: that day has 23 hours, from 05:00 to 04:00 UTC.
    hours = (28.9, 29, 51.9, 52)
    store.put([event(hour, {"n": "1"}) for hour in hours], version=1)
    window = (0, uuid4(), ACME, START, START + timedelta(days=4), "America/New_York")
    found = store.days(meter("sum"), window, snapshot=None)
    assert found == [
        (date(2026, 3, 7), Decimal(1)),
        (date(2026, 3, 8), Decimal(2)),
        (date(2026, 3, 9), Decimal(1)),
    ]


def test_pages_hold_every_event_once_in_order(store: EventStore) -> None:
    events = [event(hour, {"n": str(hour)}, xact=100 + hour) for hour in range(7)]
    store.put(events, version=1)
    window = (0, uuid4(), ACME, START, START + timedelta(days=1), "America/New_York")
    found: list[Any] = []
    after = None
    while True:
        page = store.page(
            meter("sum"), window, snapshot="105:105:", changed=False, after=after, limit=2
        )
        if not page:
            break
        found += page
        after = page[-1].id
    assert [row.id for row in found] == sorted(one.id for one in events[:5])
    assert found[0].data == {"n": "0"}
    late = store.page(meter("sum"), window, snapshot="105:105:", changed=True, after=None, limit=9)
    assert [row.change for row in late] == ["added", "added"]


def test_an_event_is_replaced_as_a_whole_and_comes_back_as_it_was(store: EventStore) -> None:
    first = event(1, {"n": "5"}, customer_id=None, quarantine="more than 24 hours in the future")
    store.put([first], version=1)
    store.put([first], version=1)
    assert store.get([first.id, uuid4()]) == [first]
    by = UUID(bytes=uuid7_block(1)[0])
    later = first._replace(
        customer_id=ACME, quarantine="", xact=300, retired_xact=301, retired_by=by
    )
    store.put([later], version=2)
    assert store.get([first.id]) == [later]


def test_who_gives_an_event_away_does_not_pay_for_it(store: EventStore) -> None:
    moved = event(1, {"n": "5"})
    store.put([moved], version=1)
    store.put([moved._replace(customer_id=GLOBEX)], version=2)
    window = (0, uuid4(), ACME, START, START + timedelta(days=1), "America/New_York")
    of = meter("max")
    assert store.measure(of, [window], NOW) == {}
    assert store.days(of, window, snapshot=NOW) == []
    assert store.page(of, window, snapshot=NOW, changed=False, after=None, limit=9) == []
    assert store.measure(of, [(*window[:2], GLOBEX, *window[3:])], NOW) == {0: (Decimal(5), 1)}


def test_nobody_elses_events_are_seen(
    store: EventStore,
) -> None:
    mine = event(1, {"n": "5"})
    store.put([mine], version=1)
    if isinstance(store, ClickHouseEvents):
        other = ClickHouseEvents(store.engine, uuid4())
        window = (0, uuid4(), ACME, START, START + timedelta(days=1), "America/New_York")
        assert other.get([mine.id]) == []
        assert other.measure(meter("sum"), [window], NOW) == {}
        assert other.fingerprint(START, START + timedelta(days=1), NOW).events == 0


def test_equal_rows_have_equal_fingerprints_in_both_and_a_changed_one_has_not(
    tenant: Any, engine: ChdbEngine
) -> None:
    stores: list[EventStore] = [PostgresEvents(), ClickHouseEvents(engine, tenant.id)]
    stores[1].prepare()  # type: ignore[attr-defined]
    events = many(seed=3)
    for each in stores:
        each.put(events, version=1)
    span = (START, START + timedelta(days=4), NOW)
    kept, copied = (each.fingerprint(*span) for each in stores)
    assert kept == copied
    assert kept.events == len(events)
    stores[1].put([events[5]._replace(subject="acmf")], version=2)
    assert stores[1].fingerprint(*span) != kept


def test_what_is_older_does_not_replace_what_is_newer(tenant: Any, engine: ChdbEngine) -> None:
    store = ClickHouseEvents(engine, tenant.id)
    store.prepare()
    older = event(1, {"n": "5"})
    newer = older._replace(customer_id=GLOBEX)
    versions = [snapshot_version(one) for one in ("10:20:10,12", "12:20:12", "20:20:", "20:21:20")]
    assert versions == sorted(set(versions))
    store.put([newer], version=versions[2])
    store.put([older], version=versions[1])
    assert store.get([older.id]) == [newer]
