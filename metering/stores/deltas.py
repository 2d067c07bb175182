"""What events add to the hourly sums: rows that commit with the events, folded later."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import compress
from typing import Any
from uuid import UUID

from metering.domain.counting import MeterDefinition, values_of
from metering.domain.events import UsageEvent
from metering.stores.aggregates import counting_sql, value_parameters, value_sql
from metering.stores.postgres import (
    COUNTED_AS_OF,
    LIVE,
    DeltaColumns,
    bulk_cursor,
    write_delta_rows,
)

HOUR_MICROS = 3_600_000_000
Counting = tuple[bytes, int, UsageEvent]  # customer id, microseconds of its time, the event
Data = Mapping[str, Any]


def write_deltas(
    counted: Sequence[Counting], meters: Sequence[MeterDefinition], *, sign: int = 1
) -> None:
    """Add what events of known customers count, summed per meter, customer and hour.

    :param sign: -1 takes away what was added before.
    """
    if counted:
        customers, moments, events = zip(*counted, strict=True)
        types, data = [event.type for event in events], [event.data for event in events]
        write_delta_rows(deltas_of(customers, moments, types, data, meters, sign=sign))


def deltas_of(
    customers: Sequence[bytes],
    moments: Sequence[int],
    types: Sequence[str],
    data: Sequence[Data],
    meters: Sequence[MeterDefinition],
    *,
    sign: int = 1,
) -> DeltaColumns:
    """Return what events of known customers add to the sums of additive meters.

    :param moments: of the events, in microseconds since 2000.
    """
    rows = DeltaColumns()
    slots: defaultdict[tuple[bytes, int], int] = defaultdict()
    slots.default_factory = slots.__len__  # every customer and hour gets the next number
    hours = [moment // HOUR_MICROS for moment in moments]
    slot = [slots[place] for place in zip(customers, hours, strict=True)]
    places, kinds = list(slots), set(types)
    for meter in meters:
        if not meter.is_additive or meter.event_type not in kinds:
            continue
        own, measured = slot, data
        if len(kinds) > 1:
            is_own = list(map(meter.event_type.__eq__, types))
            own, measured = list(compress(slot, is_own)), list(compress(data, is_own))
        quantities: list[Any] = [0] * len(places)
        events = [0] * len(places)
        for number, value in zip(own, values_of(meter, measured), strict=True):
            if value is not None:
                quantities[number] += value
                events[number] += 1
        counted = [number for number, count in enumerate(events) if count]
        rows.meters += [meter.rollup.bytes] * len(counted)
        rows.customers += [places[number][0] for number in counted]
        rows.moments += [places[number][1] * HOUR_MICROS for number in counted]
        rows.quantities += [str(sign * quantities[number]) for number in counted]
        rows.events += [sign * events[number] for number in counted]
    return rows


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
            "WITH gone AS (DELETE FROM metering_usagedelta WHERE ctid = ANY(ARRAY("
            "  SELECT ctid FROM metering_usagedelta"
            "  WHERE tenant_id = current_tenant_id() LIMIT %b))"
            "  AND tenant_id = current_tenant_id() RETURNING *),"
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
    """Delete what a meter's version counted by the hour and the day."""
    with bulk_cursor() as cursor:
        # The days last: the hours' triggers take what goes out of them first.
        for table in ("metering_usagedelta", "metering_usagerollup", "metering_usageday"):
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
