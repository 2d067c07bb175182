"""Usage by local day; of what counts now, or of exactly what a reading counted."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from metering.domain.counting import MeterDefinition
from metering.models import Meter, UsageReading
from metering.selectors.measuring import definition_of_reading, meter_definition
from metering.stores.aggregates import Span, aggregate_sql, counting_sql, reach_sql
from metering.stores.postgres import COUNTED_AS_OF, LIVE, bulk_cursor
from metering.stores.routing import raw_events
from monetization.kernel.period import local_day, start_instant

Days = list[tuple[date, Decimal]]
_BY_DAY = Span("d.lo", "d.hi", "w.zone", "w.lo", "w.hi")


def usage_by_day(
    *, customer_id: UUID, meter_id: UUID, window_start: datetime, window_end: datetime, zone: str
) -> Days:
    """Return a meter's quantity per local day of a zone, days without usage left out.

    The days of a level weighted by time are what each adds to the whole window.
    """
    meter = meter_definition(Meter.objects.get(id=meter_id))
    return _days(meter, customer_id, window_start, window_end, zone, None)


def days_of_reading(reading: UsageReading, *, zone: str) -> Days:
    """Return the quantity per local day of exactly the events a reading counted."""
    return _days(
        definition_of_reading(reading),
        reading.customer_id,
        reading.window_start,
        reading.window_end,
        zone,
        reading.snapshot,
    )


def _days(
    meter: MeterDefinition,
    customer_id: UUID,
    start: datetime,
    end: datetime,
    zone: str,
    snapshot: str | None,
) -> Days:
    if meter.is_weighted:
        condition, bound = (LIVE, ()) if snapshot is None else (COUNTED_AS_OF, (snapshot,) * 2)
        return _weighted_days(meter, customer_id, start, end, zone, condition, bound)
    window = (0, meter.id, customer_id, start, end, zone)
    return raw_events(meter).days(meter, window, snapshot=snapshot)


def _weighted_days(
    meter: MeterDefinition,
    customer_id: UUID,
    start: datetime,
    end: datetime,
    zone: str,
    condition: str,
    bound: Sequence[Any],
) -> Days:
    value, value_parameters = aggregate_sql(meter, _BY_DAY)
    where, parameters = counting_sql(meter)
    first, last = local_day(start, zone), local_day(end - timedelta(microseconds=1), zone)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    edges = [start, *(start_instant(day, zone) for day in days[1:]), end]
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT d.day, {value} FROM unnest(%b::date[], %b::timestamptz[], %b::timestamptz[])"
            " AS d(day, lo, hi)"
            " CROSS JOIN (SELECT %b::timestamptz AS lo, %b::timestamptz AS hi, %b::text AS zone) w"
            f" JOIN metering_usageevent e ON e.customer_id = %b AND {reach_sql(meter, _BY_DAY)}"
            f" WHERE {condition} AND {where} GROUP BY d.day ORDER BY d.day",
            [
                *value_parameters,
                *(days, edges[:-1], edges[1:]),
                *(start, end, zone, customer_id),
                *bound,
                *parameters,
            ],
        )
        return [(day, quantity) for day, quantity in cursor.fetchall() if quantity]
