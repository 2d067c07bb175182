"""Usage events in partitioned Postgres tables, written and read in sets.

Row-level security forbids COPY into these tables, so batches go through arrays: one
statement claims the identities, one stores the events, one adds the hourly deltas.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.db import connection

from metering.domain.counting import NUMBER, MeterDefinition, counted_value
from metering.domain.events import UsageEvent, jsonable

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row to write."""

    id: UUID
    key_hash: UUID
    payload_hash: bytes
    event: UsageEvent
    customer_id: UUID | None
    quarantine: str


def bulk_cursor() -> "psycopg.Cursor[Any]":
    """Return a cursor with server-side binding, for binary arrays, in Django's transaction."""
    connection.ensure_connection()
    return psycopg.Cursor(connection.connection)


def claim_identities(
    keys: Sequence[tuple[UUID, bytes, UUID]],
) -> tuple[set[UUID], dict[UUID, tuple[bytes, UUID]]]:
    """Claim (key hash, payload hash, event id); the unique key decides who was first.

    :returns: the hashes claimed now, and for the others what is known under them.
    """
    ordered = sorted(keys)  # one order for every batch, so that two batches never deadlock
    with bulk_cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_usagekey (tenant_id, key_hash, payload_hash, event_id)"
            " SELECT current_tenant_id(), * FROM unnest(%b::uuid[], %b::bytea[], %b::uuid[])"
            " ON CONFLICT DO NOTHING RETURNING key_hash",
            [[key[0] for key in ordered], [key[1] for key in ordered], [key[2] for key in ordered]],
        )
        claimed = {row[0] for row in cursor.fetchall()}
        others = [key[0] for key in ordered if key[0] not in claimed]
        if not others:
            return claimed, {}
        cursor.execute(
            "SELECT key_hash, payload_hash, event_id FROM metering_usagekey"
            " WHERE tenant_id = current_tenant_id() AND key_hash = ANY(%b)",
            [others],
        )
        return claimed, {row[0]: (bytes(row[1]), row[2]) for row in cursor.fetchall()}


def write_events(rows: Sequence[StoredEvent]) -> None:
    if not rows:
        return
    with bulk_cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_usageevent (tenant_id, id, source, source_event_id, type,"
            " subject, customer_id, occurred_at, data, quarantine)"
            " SELECT current_tenant_id(), u.id, u.source, u.sid, u.type, u.subject, u.customer,"
            " u.at, u.data::jsonb, u.quarantine"
            " FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::uuid[],"
            " %b::timestamptz[], %b::text[], %b::text[])"
            " AS u(id, source, sid, type, subject, customer, at, data, quarantine)",
            [
                [row.id for row in rows],
                [row.event.source for row in rows],
                [row.event.id for row in rows],
                [row.event.type for row in rows],
                [row.event.subject for row in rows],
                [row.customer_id for row in rows],
                [row.event.time for row in rows],
                [_data_json(row.event) for row in rows],
                [row.quarantine for row in rows],
            ],
        )


def _data_json(event: UsageEvent) -> str:
    return orjson.dumps({key: jsonable(value) for key, value in event.data.items()}).decode()


def write_conflicts(rows: Sequence[tuple[UUID, UUID, UsageEvent]]) -> None:
    """Keep what a repeat of an identity said differently: (row id, first event's id, event)."""
    if not rows:
        return
    with bulk_cursor() as cursor:
        cursor.executemany(
            "INSERT INTO metering_usageconflict"
            " (tenant_id, id, event_id, source, source_event_id, data)"
            " VALUES (current_tenant_id(), %s, %s, %s, %s, %s::jsonb)",
            [
                (row_id, event_id, event.source, event.id, _data_json(event))
                for row_id, event_id, event in rows
            ],
        )


_Sums = dict[tuple[UUID, datetime], tuple[Decimal, int]]  # by customer and hour


def write_deltas(
    counted: Iterable[tuple[UUID, UsageEvent]], meters: Sequence[MeterDefinition]
) -> None:
    """Add what events of known customers count, summed per meter, customer and hour."""
    by_type: dict[str, list[tuple[MeterDefinition, _Sums]]] = defaultdict(list)
    found: list[tuple[UUID, _Sums]] = []
    for meter in meters:
        if meter.is_additive:
            found.append((meter.id, {}))
            by_type[meter.event_type].append((meter, found[-1][1]))
    for customer_id, event in counted:
        place = (customer_id, event.time.replace(minute=0, second=0, microsecond=0))
        for meter, of_meter in by_type.get(event.type, ()):
            value = counted_value(meter, event)
            if value is not None:
                known = of_meter.get(place)
                of_meter[place] = (known[0] + value, known[1] + 1) if known else (value, 1)
    sums = {(meter_id, *place): both for meter_id, part in found for place, both in part.items()}
    if not sums:
        return
    with bulk_cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_usagedelta"
            " (tenant_id, meter_id, customer_id, hour, quantity, events)"
            " SELECT current_tenant_id(), * FROM unnest(%b::uuid[], %b::uuid[],"
            " %b::timestamptz[], %b::numeric[], %b::bigint[])",
            [
                [key[0] for key in sums],
                [key[1] for key in sums],
                [key[2] for key in sums],
                [value[0] for value in sums.values()],
                [value[1] for value in sums.values()],
            ],
        )


def fold_deltas(limit: int = 200_000) -> int:
    """Move deltas into the roll-up, once: one folder per tenant; a live read adds both."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock("
            " hashtext('fold'), hashtext(current_tenant_id()::text))"
        )
        row = cursor.fetchone()
        if not row or not row[0]:
            return 0
        cursor.execute(
            "WITH gone AS (DELETE FROM metering_usagedelta WHERE (tenant_id, id) IN ("
            "  SELECT tenant_id, id FROM metering_usagedelta"
            "  WHERE tenant_id = current_tenant_id() ORDER BY id LIMIT %b) RETURNING *),"
            " folded AS (SELECT tenant_id, meter_id, customer_id, hour,"
            "  sum(quantity) AS quantity, sum(events)::bigint AS events FROM gone"
            "  GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4),"
            " kept AS (INSERT INTO metering_usagerollup AS r SELECT * FROM folded"
            "  ON CONFLICT (tenant_id, meter_id, customer_id, hour) DO UPDATE SET"
            "  quantity = r.quantity + excluded.quantity, events = r.events + excluded.events)"
            " SELECT count(*) FROM gone",
            [limit],
        )
        moved = cursor.fetchone()
        return int(moved[0]) if moved else 0


def rebuild_rollup(meter: MeterDefinition) -> None:
    """Count a meter again from the raw events, e.g. when it is new."""
    with bulk_cursor() as cursor:
        for table in ("metering_usagedelta", "metering_usagerollup"):
            cursor.execute(f"DELETE FROM {table} WHERE meter_id = %b", [meter.id])
        if not meter.is_additive:
            return
        where, parameters = counting_sql(meter)
        cursor.execute(
            "INSERT INTO metering_usagedelta"
            " (tenant_id, meter_id, customer_id, hour, quantity, events)"
            f" SELECT tenant_id, %b, customer_id, date_trunc('hour', occurred_at, 'UTC'),"
            f" sum({value_sql(meter)}), count(*) FROM metering_usageevent e"
            f" WHERE customer_id IS NOT NULL AND quarantine = '' AND {where}"
            " GROUP BY 1, 3, 4",
            [meter.id, *_value_parameters(meter), *parameters],
        )


_IS_NUMBER = f"^{NUMBER}$"


def value_sql(meter: MeterDefinition) -> str:
    """Return SQL of an event's value; its parameters come from ``_value_parameters``."""
    return "1::numeric" if meter.aggregation == "count" else "(e.data ->> %b)::numeric"


def _value_parameters(meter: MeterDefinition) -> list[Any]:
    return [] if meter.aggregation == "count" else [meter.value_property]


def counting_sql(meter: MeterDefinition) -> tuple[str, list[Any]]:
    """Return the condition under which an event counts, with its parameters."""
    conditions = ["e.type = %b"]
    parameters: list[Any] = [meter.event_type]
    for name, allowed in meter.filters.items():
        conditions.append("e.data ->> %b = ANY(%b::text[])")
        parameters += [name, [str(value) for value in allowed]]
    if meter.aggregation == "count_unique":
        conditions.append("e.data ->> %b IS NOT NULL")
        parameters.append(meter.value_property)
    elif meter.aggregation != "count":
        conditions.append("e.data ->> %b ~ %b")
        parameters += [meter.value_property, _IS_NUMBER]
    return " AND ".join(conditions), parameters


def aggregate_sql(meter: MeterDefinition) -> tuple[str, list[Any]]:
    """Return SQL of a meter's quantity over raw events ``e``, with its parameters."""
    value = "(e.data ->> %b)::numeric"
    name = meter.value_property
    match meter.aggregation:
        case "count":
            return "count(*)::numeric", []
        case "sum" | "average":  # an average is divided by the reader, from exact sums
            return f"COALESCE(sum({value}), 0)", [name]
        case "max" | "min":
            return f"COALESCE({meter.aggregation}({value}), 0)", [name]
        case "latest":
            return f"COALESCE((array_agg({value} ORDER BY e.occurred_at DESC, e.id DESC))[1], 0)", [
                name
            ]
        case "count_unique":
            return "count(DISTINCT e.data ->> %b)::numeric", [name]
    raise ValueError(f"unknown aggregation {meter.aggregation}")


def attribute(
    alias: str, customer_id: UUID, valid_from: datetime | None, valid_until: datetime | None
) -> list[UsageEvent]:
    """Set the customer of stored events of an alias; return those that count from now on."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE metering_usageevent SET customer_id = %b, xact_id = pg_current_xact_id()"
            " WHERE tenant_id = current_tenant_id() AND subject = %b AND customer_id IS NULL"
            " AND (%b::timestamptz IS NULL OR occurred_at >= %b::timestamptz)"
            " AND (%b::timestamptz IS NULL OR occurred_at < %b::timestamptz)"
            " RETURNING source, source_event_id, type, subject, occurred_at, data, quarantine",
            [customer_id, alias, valid_from, valid_from, valid_until, valid_until],
        )
        return [
            UsageEvent(row[0], row[1], row[2], row[3], row[4], orjson.loads(row[5]))
            for row in cursor.fetchall()
            if not row[6]
        ]
