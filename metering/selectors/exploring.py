"""What the usage pages show: the flow of events, and an event's story."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from metering.models import Meter
from metering.selectors import EventRow, meter_definition
from metering.stores.aggregates import counting_sql, value_parameters, value_sql
from metering.stores.postgres import bulk_cursor

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Health:
    """How ingestion does. ``by_hour``: events received in each of the last 24 hours, in order."""

    by_hour: tuple[tuple[datetime, int], ...]
    today: int
    unmatched: int
    quarantined: int
    conflicts: int


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest id an event received at or after a moment can have (ids carry time)."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80)


def health(*, now: datetime, day_start: datetime) -> Health:
    """Return what came in lately and what does not count yet.

    :param day_start: when today began where the reader is, at most 24 hours ago.
    """
    first = now.replace(minute=0, second=0, microsecond=0) - 23 * HOUR
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc('hour', e.recorded_at, 'UTC'), count(*),"
            " count(*) FILTER (WHERE e.recorded_at >= %b) FROM metering_usageevent e"
            " WHERE e.tenant_id = current_tenant_id() AND e.id >= %b GROUP BY 1",
            [day_start, first_id_at(min(first, day_start) - timedelta(minutes=5))],
        )
        received = {row[0].astimezone(UTC): (int(row[1]), int(row[2])) for row in cursor.fetchall()}
        cursor.execute(
            "SELECT (SELECT count(*) FROM metering_usageevent"
            " WHERE tenant_id = current_tenant_id() AND customer_id IS NULL),"
            " (SELECT count(*) FROM metering_usageevent"
            " WHERE tenant_id = current_tenant_id() AND quarantine <> '' AND retired_xact IS NULL),"
            " (SELECT count(*) FROM metering_usageconflict WHERE tenant_id = current_tenant_id()"
            " AND resolution = '')"
        )
        unmatched, quarantined, conflicts = cursor.fetchone() or (0, 0, 0)
    hours = [first + HOUR * number for number in range(24)]
    return Health(
        by_hour=tuple((hour, received.get(hour, (0, 0))[0]) for hour in hours),
        today=sum(today for _, today in received.values()),
        unmatched=unmatched,
        quarantined=quarantined,
        conflicts=conflicts,
    )


@dataclass(frozen=True, slots=True)
class Counted:
    """A meter that counts an event, and with which value."""

    meter: Meter
    value: str


def counted_by(event: EventRow) -> list[Counted]:
    """Return the meters an event counts in, by the conditions readings use."""
    if event.customer_id is None or event.quarantine or event.is_retired:
        return []
    found = []
    meters = Meter.objects.filter(event_type=event.type, is_archived=False).order_by("name")
    with bulk_cursor() as cursor:
        for meter in meters:
            where, parameters = counting_sql(meter_definition(meter))
            unique = meter.aggregation == Meter.Aggregation.COUNT_UNIQUE
            value = "e.data ->> %b" if unique else value_sql(meter_definition(meter))
            named = value_parameters(meter_definition(meter))
            cursor.execute(
                f"SELECT ({value})::text FROM metering_usageevent e"
                f" WHERE e.tenant_id = current_tenant_id() AND e.id = %b AND {where}",
                [*named, event.id, *parameters],
            )
            row = cursor.fetchone()
            if row is not None:
                found.append(Counted(meter, row[0]))
    return found


@dataclass(frozen=True, slots=True)
class Conflict:
    """What a repeat of an event said differently."""

    recorded_at: datetime
    data: dict[str, Any]
    id: UUID
    resolution: str  # empty while it is open, else accepted or kept_first


def conflicts_of(event_id: UUID) -> list[Conflict]:
    """Return the contents that were refused because the event's first one is kept."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT recorded_at, data, id, resolution FROM metering_usageconflict"
            " WHERE tenant_id = current_tenant_id() AND event_id = %b ORDER BY id LIMIT 50",
            [event_id],
        )
        return [
            Conflict(at, orjson.loads(data), id, resolution)
            for at, data, id, resolution in cursor.fetchall()
        ]


def count_unmatched(alias: str) -> int:
    """Return how many stored events carry an alias and belong to nobody."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM metering_usageevent WHERE tenant_id = current_tenant_id()"
            " AND subject = %b AND customer_id IS NULL",
            [alias],
        )
        row = cursor.fetchone()
        return int(row[0]) if row else 0
