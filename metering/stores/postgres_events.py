"""The store of raw events in Postgres' partitioned tables, where every batch writes them first."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from metering.domain.counting import MeterDefinition
from metering.stores.aggregates import aggregate_sql, counting_sql, partial_sql, reach_sql
from metering.stores.port import (
    EventRow,
    Fingerprint,
    Found,
    StoredEvent,
    Window,
    event_row,
)
from metering.stores.postgres import COUNTED_AS_OF, LIVE, as_of, bulk_cursor

EVENT_COLUMNS = (
    "e.id, e.source, e.source_event_id, e.type, e.subject, e.customer_id,"
    " e.occurred_at, e.recorded_at, e.data, e.quarantine,"
    " e.retired_xact IS NOT NULL, e.retired_by"
)
STORED_COLUMNS = (
    "e.id, e.source, e.source_event_id, e.type, e.subject, e.customer_id, e.occurred_at,"
    " e.recorded_at, e.xact_id::text::bigint, e.retired_xact::text::bigint, e.retired_by,"
    " e.quarantine, e.data::text"
)
# One text per row of every column that decides anything; the same text in every store.
_ROW_TEXT = (
    "concat_ws('|', e.id, COALESCE(e.customer_id::text, ''), e.source, e.source_event_id, e.type,"
    " e.subject, (extract(epoch FROM e.occurred_at) * 1000000)::bigint, e.xact_id,"
    " COALESCE(e.retired_xact::text, ''), e.quarantine, e.data::text)"
)
_MINE = "e.tenant_id = current_tenant_id()"


class PostgresEvents:
    """Raw events of the bound tenant."""

    def answers(self, meter: MeterDefinition) -> bool:
        return True

    def put(self, events: Sequence[StoredEvent], *, version: int) -> None:
        if not events:
            return
        with bulk_cursor() as cursor:
            cursor.execute(
                f"DELETE FROM metering_usageevent e WHERE {_MINE} AND e.id = ANY(%b)",
                [[event.id for event in events]],
            )
            cursor.executemany(
                "INSERT INTO metering_usageevent (tenant_id, id, source, source_event_id, type,"
                " subject, customer_id, occurred_at, recorded_at, xact_id, retired_xact,"
                " retired_by, quarantine, data) VALUES (current_tenant_id(), %s, %s, %s, %s, %s,"
                " %s, %s, %s, %s::text::xid8, %s::text::xid8, %s, %s, %s::jsonb)",
                [
                    (
                        *event[:8],
                        str(event.xact),
                        None if event.retired_xact is None else str(event.retired_xact),
                        *event[10:],
                    )
                    for event in events
                ],
            )

    def get(self, ids: Sequence[UUID]) -> list[StoredEvent]:
        with bulk_cursor() as cursor:
            cursor.execute(
                f"SELECT {STORED_COLUMNS} FROM metering_usageevent e"
                f" WHERE {_MINE} AND e.id = ANY(%b) ORDER BY e.id",
                [list(ids)],
            )
            return [StoredEvent(*row) for row in cursor.fetchall()]

    def measure(self, meter: MeterDefinition, windows: Sequence[Window], snapshot: str) -> Found:
        if not windows:
            return {}
        value, value_parameters = partial_sql(meter) if meter.is_additive else aggregate_sql(meter)
        where, parameters = counting_sql(meter)
        index, _, customers, low, high, zones = map(list, zip(*windows, strict=True))
        with bulk_cursor() as cursor:
            cursor.execute(
                f"SELECT w.i, {value}, count(*) FROM unnest(%b::int[], %b::uuid[],"
                " %b::timestamptz[], %b::timestamptz[], %b::text[])"
                " AS w(i, customer_id, lo, hi, zone)"
                " JOIN metering_usageevent e ON e.customer_id = w.customer_id"
                f" AND {reach_sql(meter)}"
                f" WHERE {where} AND {COUNTED_AS_OF} GROUP BY w.i",
                [
                    *value_parameters,
                    index,
                    customers,
                    low,
                    high,
                    zones,
                    *parameters,
                    snapshot,
                    snapshot,
                ],
            )
            return {row[0]: (row[1], row[2]) for row in cursor.fetchall()}

    def days(
        self, meter: MeterDefinition, window: Window, *, snapshot: str | None
    ) -> list[tuple[date, Decimal]]:
        value, value_parameters = aggregate_sql(meter)
        where, parameters = counting_sql(meter)
        counted, seen = (LIVE, []) if snapshot is None else (COUNTED_AS_OF, [snapshot, snapshot])
        _, _, customer_id, start, end, zone = window
        with bulk_cursor() as cursor:
            cursor.execute(
                f"SELECT (e.occurred_at AT TIME ZONE %b)::date AS day, {value}"
                " FROM metering_usageevent e WHERE e.customer_id = %b AND e.occurred_at >= %b"
                f" AND e.occurred_at < %b AND {counted} AND {where}"
                " GROUP BY day ORDER BY day",
                [zone, *value_parameters, customer_id, start, end, *seen, *parameters],
            )
            return [(day, quantity) for day, quantity in cursor.fetchall()]

    def page(
        self,
        meter: MeterDefinition,
        window: Window,
        *,
        snapshot: str,
        changed: bool,
        after: UUID | None,
        limit: int,
    ) -> list[EventRow]:
        where, parameters = counting_sql(meter)
        chosen = f"({LIVE}) IS DISTINCT FROM {COUNTED_AS_OF}" if changed else COUNTED_AS_OF
        _, _, customer_id, start, end, _ = window
        since = None if meter.carries_over else start
        with bulk_cursor() as cursor:
            cursor.execute(
                f"SELECT {EVENT_COLUMNS}, CASE WHEN NOT ({LIVE}) THEN 'removed'"
                f" WHEN {as_of('e.xact_id')} THEN '' ELSE 'added' END"
                " FROM metering_usageevent e WHERE e.customer_id = %b"
                " AND e.occurred_at >= COALESCE(%b::timestamptz, '-infinity')"
                " AND e.occurred_at < %b"
                f" AND {where} AND {chosen} AND (%b::uuid IS NULL OR e.id > %b::uuid)"
                " ORDER BY e.id LIMIT %b",
                [
                    snapshot,
                    customer_id,
                    since,
                    end,
                    *parameters,
                    snapshot,
                    snapshot,
                    after,
                    after,
                    limit,
                ],
            )
            return [event_row(row) for row in cursor.fetchall()]

    def fingerprint(self, since: datetime, until: datetime, snapshot: str) -> Fingerprint:
        with bulk_cursor() as cursor:
            cursor.execute(
                "SELECT count(*), COALESCE(sum(('x' || left(md5("
                f"{_ROW_TEXT}), 14))::bit(56)::bigint), 0)::text FROM metering_usageevent e"
                f" WHERE {_MINE} AND e.occurred_at >= %b AND e.occurred_at < %b"
                f" AND {as_of('e.xact_id')}"
                f" AND (e.retired_xact IS NULL OR {as_of('e.retired_xact')})",
                [since, until, snapshot, snapshot],
            )
            row = cursor.fetchone()
            return Fingerprint(row[0], int(row[1])) if row else Fingerprint(0, 0)


def changed_events(
    known: str, *, since: datetime, until: datetime, after: UUID | None, limit: int
) -> tuple[list[StoredEvent], str]:
    """Return events that were made or changed since a snapshot, by id, and the present snapshot.

    What is not committed is left out; it comes with a later call.

    :param known: the snapshot whose events are known; an empty text knows nothing.
    """
    base = known or "1:1:"
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT {STORED_COLUMNS}, pg_current_snapshot()::text"
            " FROM (SELECT pg_snapshot_xmin(%b::pg_snapshot) AS low) b"
            " CROSS JOIN metering_usageevent e"
            f" WHERE {_MINE} AND e.occurred_at >= %b AND e.occurred_at < %b"
            "  AND (e.xact_id >= b.low OR e.retired_xact >= b.low)"
            "  AND (NOT pg_visible_in_snapshot(e.xact_id, %b::pg_snapshot)"
            "   OR (e.retired_xact IS NOT NULL"
            "    AND NOT pg_visible_in_snapshot(e.retired_xact, %b::pg_snapshot)))"
            "  AND e.xact_id IS DISTINCT FROM pg_current_xact_id_if_assigned()"
            "  AND (e.retired_xact IS NULL"
            "   OR e.retired_xact IS DISTINCT FROM pg_current_xact_id_if_assigned())"
            "  AND (%b::uuid IS NULL OR e.id > %b::uuid) ORDER BY e.id LIMIT %b",
            [base, since, until, base, base, after, after, limit],
        )
        rows = cursor.fetchall()
        if rows:
            return [StoredEvent(*row[:-1]) for row in rows], rows[0][-1]
        cursor.execute("SELECT pg_current_snapshot()::text")
        row = cursor.fetchone()
        return [], row[0] if row else base
