"""A meter over its customers and by its groups: now, or before it is saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from metering.domain.counting import MeterDefinition
from metering.domain.numbers import at_twelve_places
from metering.selectors import EVENT_COLUMNS, EventRow, event_row
from metering.stores.aggregates import (
    aggregate_sql,
    counting_sql,
    reach_sql,
    value_parameters,
    value_sql,
)
from metering.stores.postgres import LIVE, bulk_cursor

MAX_GROUPS = 1000


@dataclass(frozen=True, slots=True)
class MeterUsage:
    """A quantity and the number of events behind it; of one customer or of all."""

    quantity: Decimal
    events: int
    customer_id: UUID | None = None
    group: tuple[str | None, ...] = ()  # values of the properties it is told apart by


NOTHING = MeterUsage(Decimal(0), 0)


def _quantity(meter: MeterDefinition, quantity: Decimal, events: int) -> Decimal:
    if meter.aggregation == "average" and events:
        return at_twelve_places(Fraction(quantity) / events)
    return quantity


_HOURS = (
    "(SELECT meter_id, customer_id, hour, quantity, events FROM metering_usagerollup"
    " WHERE tenant_id = current_tenant_id() AND meter_id = ANY(%b) AND hour >= %b AND hour < %b"
    " UNION ALL SELECT meter_id, customer_id, hour, quantity, events FROM metering_usagedelta"
    " WHERE tenant_id = current_tenant_id() AND meter_id = ANY(%b) AND hour >= %b AND hour < %b) h"
)


def totals(
    meters: Sequence[MeterDefinition], *, start: datetime, end: datetime
) -> dict[UUID, MeterUsage]:
    """Return each meter's quantity over all customers, in at most two queries.

    :param start, end: whole hours; sums are kept by the hour.
    """
    kept = {meter.rollup: meter for meter in meters if meter.is_additive}
    found = dict.fromkeys((meter.id for meter in meters), NOTHING)
    with bulk_cursor() as cursor:
        if kept:
            window = [list(kept), start, end]
            cursor.execute(
                f"SELECT meter_id, sum(quantity), sum(events)::bigint FROM {_HOURS} GROUP BY 1",
                [*window, *window],
            )
            for rollup, quantity, events in cursor.fetchall():
                value = _quantity(kept[rollup], quantity, events)
                found[kept[rollup].id] = MeterUsage(value, events)
        parts, parameters = [], []
        for meter in meters:
            if not meter.is_additive:
                sql, values = _raw_total(meter, start, end)
                parts.append(sql)
                parameters += values
        if parts:
            cursor.execute(" UNION ALL ".join(parts), parameters)
            for meter_id, quantity, events in cursor.fetchall():
                found[meter_id] = MeterUsage(quantity, events)
    return found


_IN_WINDOW = (
    " FROM (SELECT %b::timestamptz AS lo, %b::timestamptz AS hi, %b::text AS zone) w"
    " JOIN metering_usageevent e ON e.tenant_id = current_tenant_id()"
    " AND e.customer_id IS NOT NULL"
)


def _raw_total(meter: MeterDefinition, start: datetime, end: datetime) -> tuple[str, list[Any]]:
    value, named = aggregate_sql(meter)
    where, parameters = counting_sql(meter)
    return (
        f"SELECT %b::uuid, {value}, count(*){_IN_WINDOW} AND {reach_sql(meter)}"
        f" WHERE {LIVE} AND {where}",
        [meter.id, *named, start, end, "UTC", *parameters],
    )


def try_meter(meter: MeterDefinition, *, start: datetime, end: datetime) -> MeterUsage:
    """Return what a meter that is not saved yet would count, from the raw events."""
    sql, parameters = _raw_total(meter, start, end)
    with bulk_cursor() as cursor:
        cursor.execute(sql, parameters)
        _, quantity, events = cursor.fetchone() or (None, Decimal(0), 0)
    return MeterUsage(quantity, events)


def by_group(
    meter: MeterDefinition,
    names: Sequence[str],
    *,
    start: datetime,
    end: datetime,
    customer_id: UUID | None = None,
    zone: str = "UTC",
    limit: int = MAX_GROUPS,
) -> list[MeterUsage]:
    """Return a meter's quantity per combination of values of some properties, largest first.

    Each group is aggregated by itself, from the raw events; None where an event has no value.
    """
    value, named = aggregate_sql(meter)
    where, parameters = counting_sql(meter)
    columns = "".join(", e.data ->> %b" for _ in names)
    places = ", ".join(str(place) for place in range(3, 3 + len(names)))
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT {value}, count(*){columns}{_IN_WINDOW} AND {reach_sql(meter)}"
            " AND (%b::uuid IS NULL OR e.customer_id = %b::uuid)"
            f" WHERE {LIVE} AND {where} GROUP BY {places} ORDER BY 1 DESC, {places} LIMIT %b",
            [
                *named,
                *names,
                *(start, end, zone, customer_id, customer_id),
                *parameters,
                limit,
            ],
        )
        return [MeterUsage(row[0], row[1], customer_id, row[2:]) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Tried:
    """A recent event, and what each of some meters counts of it; None: it does not count.

    What is counted is a quantity, or a text where different values are counted.
    """

    event: EventRow
    values: tuple[Decimal | str | None, ...]


def try_events(meters: Sequence[MeterDefinition], *, limit: int) -> list[Tried]:
    """Return the events received last of the types that meters count, with what each counts."""
    columns, parameters = [], []
    for meter in meters:
        where, bound = counting_sql(meter)
        unique = meter.aggregation == "count_unique"
        value = "e.data ->> %b" if unique else value_sql(meter)
        columns.append(f", CASE WHEN {LIVE} AND {where} THEN {value} END")
        parameters += [*bound, *([meter.value_property] if unique else value_parameters(meter))]
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT {EVENT_COLUMNS}{''.join(columns)} FROM metering_usageevent e"
            " WHERE e.tenant_id = current_tenant_id() AND e.type = ANY(%b::text[])"
            " ORDER BY e.id DESC LIMIT %b",
            [*parameters, [meter.event_type for meter in meters], limit],
        )
        rows = cursor.fetchall()
    count = len(meters)
    return [Tried(event_row(row[:-count]), row[-count:]) for row in rows]


def by_customer(
    meter: MeterDefinition, *, start: datetime, end: datetime, limit: int
) -> list[MeterUsage]:
    """Return a meter's quantity per customer, largest first.

    :param start, end: whole hours.
    """
    with bulk_cursor() as cursor:
        if meter.is_additive:
            window = [[meter.rollup], start, end]
            cursor.execute(
                f"SELECT customer_id, sum(quantity), sum(events)::bigint FROM {_HOURS}"
                " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %b",
                [*window, *window, limit],
            )
        else:
            value, named = aggregate_sql(meter)
            where, parameters = counting_sql(meter)
            cursor.execute(
                f"SELECT e.customer_id, {value}, count(*){_IN_WINDOW} AND {reach_sql(meter)}"
                f" WHERE {LIVE} AND {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %b",
                [*named, start, end, "UTC", *parameters, limit],
            )
        return [
            MeterUsage(_quantity(meter, quantity, events), events, customer_id)
            for customer_id, quantity, events in cursor.fetchall()
        ]


def by_day(meter: MeterDefinition, *, start: datetime, end: datetime) -> dict[date, Decimal]:
    """Return a sum's or count's quantity over all customers per day of UTC, from hourly sums."""
    window = [[meter.rollup], start, end]
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT (h.hour AT TIME ZONE 'UTC')::date, sum(h.quantity) FROM {_HOURS} GROUP BY 1",
            [*window, *window],
        )
        return dict(cursor.fetchall())
