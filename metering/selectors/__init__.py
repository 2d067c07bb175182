"""Quantities of meters over any window, exact at every moment; and the events behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from metering.models import UsageReading
from metering.selectors.days import days_of_reading, usage_by_day
from metering.selectors.measuring import (
    ReadingRequest,
    UsageQuantity,
    active_meters,
    definition_of_reading,
    measure,
    meter_definition,
    read_usage,
)
from metering.stores.aggregates import counting_sql
from metering.stores.postgres import COUNTED_AS_OF, LIVE, as_of, bulk_cursor

__all__ = (
    "EVENT_COLUMNS",
    "EventRow",
    "ReadingRequest",
    "UnmatchedAlias",
    "UsageQuantity",
    "active_meters",
    "days_of_reading",
    "definition_of_reading",
    "event_conditions",
    "event_row",
    "events_in_reading",
    "find_event",
    "late_events",
    "list_events",
    "measure",
    "meter_definition",
    "read_usage",
    "unmatched_aliases",
    "usage_by_day",
)

MAX_PAGE = 200


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


def event_row(row: Sequence[Any]) -> EventRow:
    """Return an event from ``EVENT_COLUMNS``."""
    values: list[Any] = list(row)
    values[8] = orjson.loads(values[8])
    return EventRow(*values)


EVENT_COLUMNS = (
    "e.id, e.source, e.source_event_id, e.type, e.subject, e.customer_id,"
    " e.occurred_at, e.recorded_at, e.data, e.quarantine,"
    " e.retired_xact IS NOT NULL, e.retired_by"
)


def events_in_reading(
    reading: UsageReading, *, after: UUID | None = None, limit: int = 50
) -> list[EventRow]:
    """Page through exactly the events a reading counted, by id."""
    return _events_of(reading, COUNTED_AS_OF, 2, after=after, limit=limit)


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
    meter = definition_of_reading(reading)
    where, parameters = counting_sql(meter)
    since = None if meter.carries_over else reading.window_start
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT {EVENT_COLUMNS}, CASE WHEN NOT ({LIVE}) THEN 'removed'"
            f" WHEN {as_of('e.xact_id')} THEN '' ELSE 'added' END"
            " FROM metering_usageevent e WHERE e.customer_id = %b"
            " AND e.occurred_at >= COALESCE(%b::timestamptz, '-infinity') AND e.occurred_at < %b"
            f" AND {where} AND {condition} AND (%b::uuid IS NULL OR e.id > %b::uuid)"
            " ORDER BY e.id LIMIT %b",
            [
                reading.snapshot,
                reading.customer_id,
                since,
                reading.window_end,
                *parameters,
                *[reading.snapshot] * snapshots,
                after,
                after,
                min(limit, MAX_PAGE),
            ],
        )
        return [event_row(row) for row in cursor.fetchall()]


# Whoever holds or held the alias has its events, or nobody: both are found by an index.
_OF_ALIAS = (
    "(e.subject = %b AND (e.customer_id IS NULL OR e.customer_id IN ("
    "SELECT a.customer_id FROM customers_customeralias a"
    " WHERE a.tenant_id = current_tenant_id() AND a.alias = %b)))"
)


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
        (_OF_ALIAS, subject or None),
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
            parameters += [value] * condition.count("%b")
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
            f"SELECT {EVENT_COLUMNS} FROM metering_usageevent e"
            f" WHERE {where} ORDER BY e.id DESC LIMIT %b",
            [*parameters, min(limit, MAX_PAGE)],
        )
        return [event_row(row) for row in cursor.fetchall()]


def find_event(event_id: UUID) -> EventRow | None:
    """Return one event, or None."""
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT {EVENT_COLUMNS} FROM metering_usageevent e"
            " WHERE e.tenant_id = current_tenant_id() AND e.id = %b",
            [event_id],
        )
        row = cursor.fetchone()
        return event_row(row) if row else None


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
