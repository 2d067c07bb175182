"""Quantities of meters over any window, exact at every moment; and the events behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from metering.domain.counting import MeterDefinition
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
from metering.stores.port import EventRow, event_row
from metering.stores.postgres import LIVE, bulk_cursor
from metering.stores.postgres_events import EVENT_COLUMNS
from metering.stores.routing import raw_events

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


def events_in_reading(
    reading: UsageReading, *, after: UUID | None = None, limit: int = 50
) -> list[EventRow]:
    """Page through exactly the events a reading counted, by id."""
    return _events_of(reading, changed=False, after=after, limit=limit)


def late_events(
    reading: UsageReading, *, after: UUID | None = None, limit: int = 50
) -> list[EventRow]:
    """Page through what changed in a reading's window since it was taken.

    ``change`` says of each event whether it was added or, being corrected, removed.
    """
    return _events_of(reading, changed=True, after=after, limit=limit)


def _events_of(
    reading: UsageReading, *, changed: bool, after: UUID | None, limit: int
) -> list[EventRow]:
    meter = definition_of_reading(reading)
    start, end = reading.window_start, reading.window_end
    return raw_events(meter).page(
        meter,
        (0, reading.meter_id, reading.customer_id, start, end, reading.time_zone),
        snapshot=reading.snapshot,
        changed=changed,
        after=after,
        limit=min(limit, MAX_PAGE),
    )


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
    data: Mapping[str, Sequence[str]] | None = None,
    meter: MeterDefinition | None = None,
) -> tuple[str, list[Any]]:
    """Return the SQL condition on events ``e`` of some filters, with its parameters.

    :param data: properties, each with the values it may have.
    :param meter: only what counts in it, or would if it were not unmatched, quarantined or in
        conflict, where those are asked for.
    """
    conditions = ["e.tenant_id = current_tenant_id()"]
    parameters: list[Any] = []
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
    for name, values in (data or {}).items():
        conditions.append("e.data ->> %b = ANY(%b::text[])")
        parameters += [name, list(values)]
    if meter is not None:
        counting, bound = counting_sql(meter)
        conditions.append(counting)
        parameters += bound
        if not (unmatched or quarantined or conflicting):
            conditions.append(f"{LIVE} AND e.customer_id IS NOT NULL")
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
