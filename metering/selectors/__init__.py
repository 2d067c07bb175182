"""Quantities of meters over any window, exact at every moment; and the events behind them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from metering.domain.counting import MeterDefinition
from metering.models import Meter, MeterVersion, UsageReading
from metering.stores.postgres import (
    COUNTED_AS_OF,
    HOUR,
    LIVE,
    aggregate_sql,
    as_of,
    bulk_cursor,
    counting_sql,
)

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class ReadingRequest:
    """A meter of a customer over a half-open window of instants."""

    customer_id: UUID
    meter_id: UUID
    window_start: datetime
    window_end: datetime


@dataclass(frozen=True, slots=True)
class UsageQuantity:
    """What a request found. ``event_count`` events are behind ``quantity`` units."""

    quantity: Decimal
    event_count: int


def meter_definition(meter: Meter | MeterVersion) -> MeterDefinition:
    """Return what a meter, or one of its versions, counts."""
    return MeterDefinition(
        id=meter.id,
        event_type=meter.event_type,
        aggregation=meter.aggregation,
        value_property=meter.value_property,
        filters=meter.filters,
        rollup_id=meter.rollup_id,
    )


def active_meters() -> list[MeterDefinition]:
    return [meter_definition(meter) for meter in Meter.objects.filter(is_archived=False)]


def read_usage(requests: Sequence[ReadingRequest]) -> list[UsageQuantity]:
    """Read many quantities at once, as of now. Nothing is stored."""
    return measure(requests)[0]


def measure(requests: Sequence[ReadingRequest]) -> tuple[list[UsageQuantity], str]:
    """Read many quantities as of one snapshot, in one query per meter and kind of read.

    Hourly sums serve whole hours of additive meters; the ragged ends of a window, and
    meters that are not sums, are counted from the raw events visible in the same snapshot.

    :returns: the quantities in the order of the requests, and the snapshot.
    """
    meters = {
        meter.id: meter_definition(meter)
        for meter in Meter.objects.filter(id__in={request.meter_id for request in requests})
    }
    sums: dict[int, list[Decimal | int]] = defaultdict(lambda: [Decimal(0), 0])
    hours, raw = _plan(requests, meters)
    with bulk_cursor() as cursor:
        snapshot = _read_hours(cursor, hours, sums)
        for meter_id, windows in raw.items():
            _read_raw(cursor, meters[meter_id], windows, snapshot, sums)
    quantities = []
    for index, request in enumerate(requests):
        quantity, events = Decimal(sums[index][0]), int(sums[index][1])
        if meters[request.meter_id].aggregation == "average" and events:
            quantity = (quantity / events).quantize(Decimal("1e-12"))
        quantities.append(UsageQuantity(quantity, events))
    return quantities, snapshot


_Window = tuple[int, UUID, UUID, datetime, datetime]


def _plan(
    requests: Sequence[ReadingRequest], meters: dict[UUID, MeterDefinition]
) -> tuple[list[_Window], dict[UUID, list[_Window]]]:
    hours: list[_Window] = []
    raw: dict[UUID, list[_Window]] = defaultdict(list)
    for index, request in enumerate(requests):
        start, end = request.window_start, request.window_end
        key = (index, request.meter_id, request.customer_id)
        first = _hour(start) if start == _hour(start) else _hour(start) + HOUR
        last = _hour(end)
        if not meters[request.meter_id].is_additive or first >= last:
            raw[request.meter_id].append((*key, start, end))
            continue
        rollup = meters[request.meter_id].rollup
        hours.append((index, rollup, request.customer_id, first, last))
        if start < first:
            raw[request.meter_id].append((*key, start, first))
        if last < end:
            raw[request.meter_id].append((*key, last, end))
    return hours, raw


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _columns(windows: Sequence[_Window]) -> list[list[Any]]:
    return [list(column) for column in zip(*windows, strict=True)] or [[], [], [], [], []]


def _read_hours(
    cursor: Any, windows: Sequence[_Window], sums: dict[int, list[Decimal | int]]
) -> str:
    cursor.execute(
        "WITH wanted AS (SELECT * FROM unnest(%b::int[], %b::uuid[], %b::uuid[],"
        " %b::timestamptz[], %b::timestamptz[]) AS w(i, meter_id, customer_id, lo, hi)),"
        " found AS ("
        " SELECT w.i, r.quantity, r.events FROM wanted w JOIN metering_usagerollup r"
        "  ON r.meter_id = w.meter_id AND r.customer_id = w.customer_id"
        "  AND r.hour >= w.lo AND r.hour < w.hi"
        " UNION ALL"
        " SELECT w.i, d.quantity, d.events FROM wanted w JOIN metering_usagedelta d"
        "  ON d.meter_id = w.meter_id AND d.customer_id = w.customer_id"
        "  AND d.hour >= w.lo AND d.hour < w.hi)"
        " SELECT i, sum(quantity), sum(events)::bigint, NULL FROM found GROUP BY i"
        " UNION ALL SELECT -1, 0, 0, pg_current_snapshot()::text",
        _columns(windows),
    )
    snapshot = ""
    for index, quantity, events, taken in cursor.fetchall():
        if index < 0:
            snapshot = taken
        else:
            sums[index][0] += quantity
            sums[index][1] += events
    return snapshot


def _read_raw(
    cursor: Any,
    meter: MeterDefinition,
    windows: Sequence[_Window],
    snapshot: str,
    sums: dict[int, list[Decimal | int]],
) -> None:
    value, value_parameters = aggregate_sql(meter)
    where, parameters = counting_sql(meter)
    columns = _columns(windows)
    cursor.execute(
        f"SELECT w.i, {value}, count(*) FROM unnest(%b::int[], %b::uuid[],"
        " %b::timestamptz[], %b::timestamptz[]) AS w(i, customer_id, lo, hi)"
        " JOIN metering_usageevent e ON e.customer_id = w.customer_id"
        " AND e.occurred_at >= w.lo AND e.occurred_at < w.hi"
        f" WHERE {where} AND {COUNTED_AS_OF} GROUP BY w.i",
        [
            *value_parameters,
            columns[0],
            columns[2],
            columns[3],
            columns[4],
            *parameters,
            snapshot,
            snapshot,
        ],
    )
    for index, quantity, events in cursor.fetchall():
        sums[index][0] += quantity
        sums[index][1] += events


def usage_by_day(
    *, customer_id: UUID, meter_id: UUID, window_start: datetime, window_end: datetime, zone: str
) -> list[tuple[date, Decimal]]:
    """Return a meter's quantity per local day of a zone, days without usage left out."""
    meter = meter_definition(Meter.objects.get(id=meter_id))
    value, value_parameters = aggregate_sql(meter)
    where, parameters = counting_sql(meter)
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT (e.occurred_at AT TIME ZONE %b)::date AS day, {value}"
            " FROM metering_usageevent e WHERE e.customer_id = %b AND e.occurred_at >= %b"
            f" AND e.occurred_at < %b AND {LIVE} AND {where}"
            " GROUP BY day ORDER BY day",
            [zone, *value_parameters, customer_id, window_start, window_end, *parameters],
        )
        return [(day, quantity) for day, quantity in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class EventRow:
    """A stored usage event as people and the API read it."""

    id: UUID
    source: str
    source_event_id: str
    type: str
    subject: str
    customer_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    data: dict[str, Any]
    quarantine: str
    is_retired: bool = False  # corrected by another event, or discarded: it does not count
    retired_by: UUID | None = None  # the event that corrects it
    change: str = ""  # of a late one: "added", or "removed" since the reading


def _event_row(row: Sequence[Any]) -> EventRow:
    values: list[Any] = list(row)
    values[8] = orjson.loads(values[8])
    return EventRow(*values)


_EVENT_COLUMNS = (
    "e.id, e.source, e.source_event_id, e.type, e.subject, e.customer_id,"
    " e.occurred_at, e.recorded_at, e.data, e.quarantine,"
    " e.retired_xact IS NOT NULL, e.retired_by"
)


def definition_of_reading(reading: UsageReading) -> MeterDefinition:
    """Return what the meter counted when the reading was taken."""
    meter = reading.meter
    if reading.meter_version != meter.version:
        kept = meter.versions.filter(number=reading.meter_version).first()
        if kept is not None:
            return replace(meter_definition(kept), id=meter.id)
    return meter_definition(meter)


def events_in_reading(
    reading: UsageReading, *, after: UUID | None = None, limit: int = 50
) -> list[EventRow]:
    """Page through exactly the events a reading counted, by id."""
    return _events_of(reading, COUNTED_AS_OF, 2, after=after, limit=limit)


def days_of_reading(reading: UsageReading, *, zone: str) -> list[tuple[date, Decimal]]:
    """Return the quantity per local day of exactly the events a reading counted."""
    meter = definition_of_reading(reading)
    value, value_parameters = aggregate_sql(meter)
    where, parameters = counting_sql(meter)
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT (e.occurred_at AT TIME ZONE %b)::date AS day, {value}"
            " FROM metering_usageevent e WHERE e.customer_id = %b AND e.occurred_at >= %b"
            f" AND e.occurred_at < %b AND {COUNTED_AS_OF} AND {where}"
            " GROUP BY day ORDER BY day",
            [
                zone,
                *value_parameters,
                reading.customer_id,
                reading.window_start,
                reading.window_end,
                reading.snapshot,
                reading.snapshot,
                *parameters,
            ],
        )
        return [(day, quantity) for day, quantity in cursor.fetchall()]


def late_events(
    reading: UsageReading, *, after: UUID | None = None, limit: int = 50
) -> list[EventRow]:
    """Page through what changed in a reading's window since it was taken.

    ``change`` says of each event whether it was added or, being corrected, removed.
    """
    return _events_of(
        reading, f"({LIVE}) IS DISTINCT FROM {COUNTED_AS_OF}", 2, after=after, limit=limit
    )


def _events_of(
    reading: UsageReading, condition: str, snapshots: int, *, after: UUID | None, limit: int
) -> list[EventRow]:
    where, parameters = counting_sql(definition_of_reading(reading))
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT {_EVENT_COLUMNS}, CASE WHEN NOT ({LIVE}) THEN 'removed'"
            f" WHEN {as_of('e.xact_id')} THEN '' ELSE 'added' END"
            " FROM metering_usageevent e WHERE e.customer_id = %b"
            " AND e.occurred_at >= %b AND e.occurred_at < %b"
            f" AND {where} AND {condition} AND (%b::uuid IS NULL OR e.id > %b::uuid)"
            " ORDER BY e.id LIMIT %b",
            [
                reading.snapshot,
                reading.customer_id,
                reading.window_start,
                reading.window_end,
                *parameters,
                *[reading.snapshot] * snapshots,
                after,
                after,
                min(limit, MAX_PAGE),
            ],
        )
        return [_event_row(row) for row in cursor.fetchall()]


def event_conditions(
    *,
    subject: str = "",
    type: str = "",
    customer_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    unmatched: bool = False,
    quarantined: bool = False,
    conflicting: bool = False,
    quarantine: str = "",
    source: str = "",
    before: UUID | None = None,
) -> tuple[str, list[Any]]:
    """Return the SQL condition on events ``e`` of some filters, with its parameters."""
    conditions, parameters = ["e.tenant_id = current_tenant_id()"], []
    for condition, value in (
        ("e.subject = %b", subject or None),
        ("e.type = %b", type or None),
        ("e.customer_id = %b", customer_id),
        ("e.occurred_at >= %b", since),
        ("e.occurred_at < %b", until),
        ("e.quarantine = %b", quarantine or None),
        ("e.source = %b", source or None),
        ("e.id < %b", before),
    ):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    if unmatched:
        conditions.append("e.customer_id IS NULL")
    if quarantined:
        conditions.append("e.quarantine <> '' AND e.retired_xact IS NULL")
    if conflicting:
        conditions.append(
            "e.id IN (SELECT c.event_id FROM metering_usageconflict c"
            " WHERE c.tenant_id = current_tenant_id() AND c.resolution = '')"
        )
    return " AND ".join(conditions), parameters


def list_events(*, limit: int = 50, **filters: Any) -> list[EventRow]:
    """List events, last received first; pass the last id as ``before`` for the next page.

    :param filters: of ``event_conditions``.
    """
    where, parameters = event_conditions(**filters)
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT {_EVENT_COLUMNS} FROM metering_usageevent e"
            f" WHERE {where} ORDER BY e.id DESC LIMIT %b",
            [*parameters, min(limit, MAX_PAGE)],
        )
        return [_event_row(row) for row in cursor.fetchall()]


def find_event(event_id: UUID) -> EventRow | None:
    """Return one event, or None."""
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT {_EVENT_COLUMNS} FROM metering_usageevent e"
            " WHERE e.tenant_id = current_tenant_id() AND e.id = %b",
            [event_id],
        )
        row = cursor.fetchone()
        return _event_row(row) if row else None


@dataclass(frozen=True, slots=True)
class UnmatchedAlias:
    """An alias events carry that nobody holds."""

    alias: str
    events: int
    first_at: datetime
    last_at: datetime


def unmatched_aliases(limit: int = 200) -> list[UnmatchedAlias]:
    """List aliases without a customer, most events first."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT subject, count(*), min(occurred_at), max(occurred_at)"
            " FROM metering_usageevent WHERE tenant_id = current_tenant_id()"
            " AND customer_id IS NULL AND retired_xact IS NULL"
            " GROUP BY subject ORDER BY 2 DESC LIMIT %b",
            [limit],
        )
        return [UnmatchedAlias(*row) for row in cursor.fetchall()]
