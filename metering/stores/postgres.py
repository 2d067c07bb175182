"""Usage events in partitioned Postgres tables, written and read in sets.

Row-level security forbids COPY into these tables, so batches go through binary arrays: one
statement claims the identities, one stores the events, one adds the hourly deltas.
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

    ids: list[bytes]
    events: list[UsageEvent]
    customers: list[bytes | None]
    moments: list[int]
    data: list[bytes]
    quarantine: list[str]


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


def wait_briefly() -> None:
    """Let no lock keep this transaction waiting for longer than its sender would."""
    with bulk_cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', '10s', true)")


def keep_batches_waiting() -> None:
    """Let no batch in until this transaction ends."""
    with bulk_cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({USAGE_LOCK})")


def current_snapshot() -> str:
    """Return what is committed now, as a condition for later reads."""
    with bulk_cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        row = cursor.fetchone()
        return str(row[0]) if row else ""


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


def claim_identities(
    keys: Sequence[bytes], payloads: Sequence[bytes], ids: Sequence[bytes]
) -> tuple[set[bytes], dict[bytes, tuple[bytes, bytes]]]:
    """Claim keys, sorted, with payload hash and event id; the unique key decides who was first.

    :returns: the keys claimed now, and for the others what is known under them; an empty
        payload hash is a reservation by a correction.
    """
    with bulk_cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_usagekey (tenant_id, key_hash, payload_hash, event_id)"
            " SELECT current_tenant_id(), * FROM unnest(%b::uuid[], %b::bytea[], %b::uuid[])"
            f" WHERE (SELECT pg_advisory_xact_lock_shared({USAGE_LOCK})::text) IS NOT NULL"
            " ON CONFLICT DO NOTHING RETURNING uuid_send(key_hash)",
            [arrays.uuids(keys), arrays.blobs(payloads), arrays.uuids(ids)],
            binary=True,
        )
        claimed = {row[0] for row in cursor.fetchall()}
        if len(claimed) == len(keys):
            return claimed, {}
    return claimed, known_identities([key for key in keys if key not in claimed])


def known_identities(keys: Sequence[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
    """Return payload hash and event id of those keys that are known."""
    with bulk_cursor() as cursor:
        # The limit makes Postgres look up key by key. Without it, it reads all keys of a company
        # it has no statistics about yet: it takes them for few.
        cursor.execute(
            "SELECT uuid_send(u.key), k.payload_hash, uuid_send(k.event_id)"
            " FROM unnest(%b::uuid[]) AS u(key) CROSS JOIN LATERAL ("
            " SELECT payload_hash, event_id FROM metering_usagekey"
            " WHERE tenant_id = current_tenant_id() AND key_hash = u.key LIMIT 1) k",
            [arrays.uuids(keys)],
            binary=True,
        )
        return {row[0]: (row[1], row[2]) for row in cursor.fetchall()}


def read_setting(aliases: set[str]) -> Setting:
    """Read the tenant's limit, its meters, and who holds the aliases."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT t.event_age_limit_days FROM tenancy_tenant t WHERE t.id = current_tenant_id()"
        )
        limit = cursor.fetchone()
        meters = read_meters(cursor)
        cursor.execute(
            "SELECT alias, uuid_send(customer_id), lower(valid), upper(valid)"
            " FROM customers_customeralias"
            " WHERE tenant_id = current_tenant_id() AND alias = ANY(%b::text[])",
            [arrays.texts(list(aliases))],
            binary=True,
        )
        holders: dict[str, list[tuple[bytes, datetime | None, datetime | None]]] = {}
        for alias, *held in cursor.fetchall():
            holders.setdefault(alias, []).append((held[0], held[1], held[2]))
    return Setting(limit[0] if limit else None, meters, holders)


def read_meters(cursor: "psycopg.Cursor[Any] | None" = None) -> list[MeterDefinition]:
    """Return every definition that new events are counted by, those being built included."""
    cursor = cursor or bulk_cursor()
    cursor.execute(
        "SELECT id, event_type, aggregation, value_property, filters, rollup_id,"
        " expression FROM metering_meter WHERE tenant_id = current_tenant_id() AND NOT is_archived"
        " UNION ALL"
        " SELECT v.meter_id, v.event_type, v.aggregation, v.value_property, v.filters,"
        " v.rollup_id, v.expression FROM metering_meterversion v"
        " WHERE v.tenant_id = current_tenant_id() AND v.status = 'building'"
    )
    return [
        MeterDefinition(id, type, aggregation, name, _loaded(filters), rollup_id, expression)
        for id, type, aggregation, name, filters, rollup_id, expression in cursor.fetchall()
    ]


def _loaded(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value


def write_events(rows: EventColumns) -> None:
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
                arrays.uuids(rows.ids),
                arrays.texts([event.source for event in rows.events]),
                arrays.texts([event.id for event in rows.events]),
                arrays.texts([event.type for event in rows.events]),
                arrays.texts([event.subject for event in rows.events]),
                arrays.uuids(rows.customers),
                arrays.moments(rows.moments),
                arrays.utf8(rows.data),
                arrays.texts(rows.quarantine),
            ],
        )


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
