"""What events add to the hourly sums: rows that commit with the events, folded later."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from metering.domain.counting import Counter, MeterDefinition, counter
from metering.domain.events import UsageEvent
from metering.stores import arrays
from metering.stores.aggregates import counting_sql, value_parameters, value_sql
from metering.stores.postgres import COUNTED_AS_OF, LIVE, bulk_cursor

HOUR_MICROS = 3_600_000_000
Counting = tuple[bytes, int, UsageEvent]  # customer id, microseconds of its time, the event
# Quantity and number of events by customer and hour.
_Sums = dict[tuple[bytes, int], list[Any]]


def write_deltas(
    counted: Iterable[Counting], meters: Sequence[MeterDefinition], *, sign: int = 1
) -> None:
    """Add what events of known customers count, summed per meter, customer and hour.

    :param sign: -1 takes away what was added before.
    """
    by_type: dict[str, list[tuple[Counter, _Sums]]] = {}
    found: list[tuple[bytes, _Sums]] = []
    for meter in meters:
        if meter.is_additive:
            sums: _Sums = {}
            found.append((meter.rollup.bytes, sums))
            by_type.setdefault(meter.event_type, []).append((counter(meter), sums))
    for customer_id, moment, event in counted:
        counters = by_type.get(event.type)
        if counters is None:
            continue
        place = (customer_id, moment // HOUR_MICROS)
        for value_of, sums in counters:
            value = value_of(event.data)
            if value is None:
                continue
            known = sums.get(place)
            if known is None:
                sums[place] = [value, 1]
            else:
                known[0] += value
                known[1] += 1
    rows = [
        (meter_id, customer_id, hour, quantity, events)
        for meter_id, sums in found
        for (customer_id, hour), (quantity, events) in sums.items()
    ]
    if not rows:
        return
    with bulk_cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_usagedelta"
            " (tenant_id, meter_id, customer_id, hour, quantity, events)"
            " SELECT current_tenant_id(), u.meter, u.customer, u.hour, u.quantity::numeric,"
            " u.events"
            " FROM unnest(%b::uuid[], %b::uuid[], %b::timestamptz[], %b::text[], %b::bigint[])"
            " AS u(meter, customer, hour, quantity, events)",
            [
                arrays.uuids([row[0] for row in rows]),
                arrays.uuids([row[1] for row in rows]),
                arrays.moments([row[2] * HOUR_MICROS for row in rows]),
                arrays.texts([str(sign * row[3]) for row in rows]),
                arrays.bigints([sign * row[4] for row in rows]),
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


def forget_rollup(rollup_id: UUID) -> None:
    """Delete what a meter's version counted by the hour."""
    with bulk_cursor() as cursor:
        for table in ("metering_usagedelta", "metering_usagerollup"):
            cursor.execute(
                f"DELETE FROM {table} WHERE tenant_id = current_tenant_id() AND meter_id = %b",
                [rollup_id],
            )


def rebuild_rollup(meter: MeterDefinition) -> None:
    """Count a meter again from the raw events, when no batch is under way."""
    forget_rollup(meter.rollup)
    if meter.is_additive:
        _add_hours(meter, LIVE, [])


def count_again(meter: MeterDefinition, snapshot: str, start: datetime, end: datetime) -> int:
    """Count the events of a span that counted as of a snapshot; return the hours with any."""
    span = f"{COUNTED_AS_OF} AND e.occurred_at >= %b AND e.occurred_at < %b"
    return _add_hours(meter, span, [snapshot, snapshot, start, end])


def _add_hours(meter: MeterDefinition, condition: str, bound: list[Any]) -> int:
    where, parameters = counting_sql(meter)
    with bulk_cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_usagedelta"
            " (tenant_id, meter_id, customer_id, hour, quantity, events)"
            f" SELECT tenant_id, %b, customer_id, date_trunc('hour', occurred_at, 'UTC'),"
            f" sum({value_sql(meter)}), count(*) FROM metering_usageevent e"
            f" WHERE e.tenant_id = current_tenant_id() AND customer_id IS NOT NULL"
            f" AND {condition} AND {where} GROUP BY 1, 3, 4",
            [meter.rollup, *value_parameters(meter), *bound, *parameters],
        )
        return cursor.rowcount
