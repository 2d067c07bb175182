"""Usage events in partitioned Postgres tables, written and read in sets.

Row-level security forbids COPY into these tables, so batches go through binary arrays: one
statement claims the identities, one reads what decides about them, one stores the events and
adds the hourly deltas. Each is prepared once per connection: planning them, with a policy and
partitions, would cost as much as storing a hundred events.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.db import connection

from metering.domain.counting import MeterDefinition
from metering.domain.events import UsageEvent
from metering.stores import arrays
from monetization.kernel.ids import uuid7

HOUR = timedelta(hours=1)

# An event counts while it is not in quarantine and nothing has taken it back.
LIVE = "e.quarantine = '' AND e.retired_xact IS NULL"


def as_of(column: str) -> str:
    """Return the condition that a snapshot, the one parameter, sees a transaction.

    What this transaction itself wrote is seen too: the snapshot alone would hide it.
    """
    return (
        f"(pg_visible_in_snapshot({column}, %b::pg_snapshot)"
        f" OR COALESCE({column} = pg_current_xact_id_if_assigned(), false))"
    )


# An event counted as of a snapshot, given twice. What leaves quarantine or finds its customer
# gets a new transaction, so it was not there before.
COUNTED_AS_OF = (
    f"(e.quarantine = '' AND {as_of('e.xact_id')}"
    f" AND (e.retired_xact IS NULL OR NOT {as_of('e.retired_xact')}))"
)


@dataclass(slots=True)
class EventColumns:
    """Rows to write, column by column; ``moments`` in microseconds since 2000."""

    ids: Sequence[bytes]
    sources: Sequence[str]
    names: Sequence[str]  # the senders' ids
    types: Sequence[str]
    subjects: Sequence[str]
    customers: Sequence[bytes | None]
    moments: Sequence[int]
    data: Sequence[bytes]
    quarantine: list[str]


@dataclass(slots=True)
class DeltaColumns:
    """What is added to hourly sums, column by column; ``moments`` as above, of full hours."""

    meters: list[bytes] = field(default_factory=list)  # under which a meter's sums are kept
    customers: list[bytes] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)
    quantities: list[str] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Setting:
    """What decides about a batch, read after its identities are claimed.

    ``fields`` says which field of an event a reason of quarantine is about, if not its time.
    """

    age_limit_days: int | None
    meters: list[MeterDefinition]
    holders: dict[str, list[tuple[bytes, datetime | None, datetime | None]]]
    fields: dict[str, str] = field(default_factory=dict)


def bulk_cursor() -> "psycopg.Cursor[Any]":
    """Return a cursor with server-side binding, for binary arrays, in Django's transaction."""
    connection.ensure_connection()
    return psycopg.Cursor(connection.connection)


# Batches hold this lock shared from before they read meters and aliases until they commit.
# Who changes what batches read takes it alone: all that was read before is then stored.
USAGE_LOCK = "hashtext('usage'), hashtext(current_tenant_id()::text)"


def wait_for_batches() -> None:
    """Wait until every batch that is under way is stored, then let the next ones pass."""
    with bulk_cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock({USAGE_LOCK})")
        cursor.execute(f"SELECT pg_advisory_unlock({USAGE_LOCK})")


def keep_batches_waiting() -> None:
    """Let no batch in until this transaction ends."""
    with bulk_cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({USAGE_LOCK})")


def span_of_type(event_type: str) -> tuple[datetime, datetime] | None:
    """Return the first and the last moment of an event of a type; None without any."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT min(occurred_at), max(occurred_at) FROM metering_usageevent"
            " WHERE tenant_id = current_tenant_id() AND type = %b",
            [event_type],
        )
        row = cursor.fetchone()
        return (row[0], row[1]) if row and row[0] else None


# Every definition that new events are counted by, those being built included.
_METERS = (
    "SELECT id, event_type, aggregation, value_property, filters, rollup_id, expression"
    " FROM metering_meter WHERE tenant_id = current_tenant_id() AND NOT is_archived"
    " UNION ALL"
    " SELECT v.meter_id, v.event_type, v.aggregation, v.value_property, v.filters,"
    " v.rollup_id, v.expression FROM metering_meterversion v"
    " WHERE v.tenant_id = current_tenant_id() AND v.status = 'building'"
)
_SETTING = (
    "SELECT (SELECT event_age_limit_days FROM tenancy_tenant WHERE id = current_tenant_id()),"
    " (SELECT json_agg(json_build_array("
    "  m.id, m.event_type, m.aggregation, m.value_property, m.filters, m.rollup_id,"
    "  m.expression))::text"
    f"  FROM ({_METERS}) m),"
    " (SELECT json_agg(json_build_array("
    "  a.alias, encode(uuid_send(a.customer_id), 'hex'), lower(a.valid), upper(a.valid)))::text"
    "  FROM customers_customeralias a"
    "  WHERE a.tenant_id = current_tenant_id() AND a.alias = ANY(%b::text[]))"
)


def read_setting(aliases: set[str]) -> Setting:
    """Read the tenant's limit, its meters, and who holds the aliases."""
    with bulk_cursor() as cursor:
        cursor.execute(_SETTING, [arrays.texts(list(aliases))], prepare=True)
        limit, meters, held = cursor.fetchone() or (None, None, None)
    holders: dict[str, list[tuple[bytes, datetime | None, datetime | None]]] = {}
    for alias, customer_id, since, until in orjson.loads(held or "[]"):
        holders.setdefault(alias, []).append(
            (bytes.fromhex(customer_id), _moment(since), _moment(until))
        )
    definitions = [
        MeterDefinition(
            UUID(id), kind, aggregation, name, filters, UUID(rollup) if rollup else None, expression
        )
        for id, kind, aggregation, name, filters, rollup, expression in orjson.loads(meters or "[]")
    ]
    return Setting(limit, definitions, holders)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def read_meters(cursor: "psycopg.Cursor[Any] | None" = None) -> list[MeterDefinition]:
    """Return every definition that new events are counted by, those being built included."""
    cursor = cursor or bulk_cursor()
    cursor.execute(_METERS)
    return [
        MeterDefinition(id, type, aggregation, name, _loaded(filters), rollup_id, expression)
        for id, type, aggregation, name, filters, rollup_id, expression in cursor.fetchall()
    ]


def _loaded(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value


# Whose rows they are is asked once, not of every row; arrays in a select list are read as they
# are written, those in FROM are copied first. Each was a tenth of the statement.
_EVENTS = (
    "INSERT INTO metering_usageevent (tenant_id, id, source, source_event_id, type,"
    " subject, customer_id, occurred_at, data, quarantine)"
    " SELECT (SELECT current_tenant_id()), u.id, u.source, u.sid, u.type, u.subject, u.customer,"
    " u.at, u.data::jsonb, u.quarantine"
    " FROM (SELECT unnest(%b::uuid[]) AS id, unnest(%b::text[]) AS source,"
    " unnest(%b::text[]) AS sid, unnest(%b::text[]) AS type, unnest(%b::text[]) AS subject,"
    " unnest(%b::uuid[]) AS customer, unnest(%b::timestamptz[]) AS at,"
    " unnest(%b::text[]) AS data, unnest(%b::text[]) AS quarantine) u"
)
_DELTAS = (
    "INSERT INTO metering_usagedelta"
    " (tenant_id, meter_id, customer_id, hour, quantity, events)"
    " SELECT (SELECT current_tenant_id()), u.meter, u.customer, u.hour, u.quantity::numeric,"
    " u.events FROM (SELECT unnest(%b::uuid[]) AS meter, unnest(%b::uuid[]) AS customer,"
    " unnest(%b::timestamptz[]) AS hour, unnest(%b::text[]) AS quantity,"
    " unnest(%b::bigint[]) AS events) u"
)


SLICE = 2_000  # events of one statement: what is on its way to Postgres is held three times


def write_events(rows: EventColumns, deltas: DeltaColumns | None = None) -> None:
    """Store events, and with the first of them what they add to the hourly sums."""
    with bulk_cursor() as cursor:
        for start in range(0, len(rows.ids), SLICE):
            values = _event_values(rows, slice(start, start + SLICE))
            if start or deltas is None or not deltas.meters:
                cursor.execute(_EVENTS, values, prepare=True)
            else:
                both = f"WITH counted AS ({_DELTAS}) {_EVENTS}"
                cursor.execute(both, [*_delta_values(deltas), *values], prepare=True)


def _event_values(rows: EventColumns, part: slice) -> list[Any]:
    return [
        arrays.uuids(rows.ids[part]),
        arrays.texts(rows.sources[part]),
        arrays.distinct_texts(rows.names[part]),
        arrays.texts(rows.types[part]),
        arrays.texts(rows.subjects[part]),
        arrays.uuids(rows.customers[part]),
        arrays.moments(rows.moments[part]),
        arrays.utf8(rows.data[part]),
        arrays.texts(rows.quarantine[part]),
    ]


def write_delta_rows(rows: DeltaColumns) -> None:
    if rows.meters:
        with bulk_cursor() as cursor:
            cursor.execute(_DELTAS, _delta_values(rows), prepare=True)


def _delta_values(rows: DeltaColumns) -> list[Any]:
    return [
        arrays.uuids(rows.meters),
        arrays.uuids(rows.customers),
        arrays.moments(rows.moments),
        arrays.texts(rows.quantities),
        arrays.bigints(rows.events),
    ]


def write_conflicts(rows: Sequence[tuple[UUID, UsageEvent, bytes]]) -> None:
    """Keep what repeats of an identity said differently: first event's id, event, its data."""
    if not rows:
        return
    with bulk_cursor() as cursor:
        cursor.executemany(
            "INSERT INTO metering_usageconflict"
            " (tenant_id, id, event_id, source, source_event_id, data, type, subject, occurred_at)"
            " VALUES (current_tenant_id(), %s, %s, %s, %s, %s::jsonb, %s, %s, %s)",
            [
                (
                    uuid7(),
                    event_id,
                    event.source,
                    event.id,
                    data.decode(),
                    event.type,
                    event.subject,
                    event.time,
                )
                for event_id, event, data in rows
            ],
        )
