"""Quantities of meters over any window, exact at every moment."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from metering.domain.counting import MeterDefinition
from metering.domain.numbers import at_twelve_places
from metering.models import Meter, MeterVersion, UsageReading
from metering.stores.port import Window
from metering.stores.postgres import HOUR, bulk_cursor
from metering.stores.routing import raw_events

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReadingRequest:
    """A meter of a customer over a half-open window of instants."""

    customer_id: UUID
    meter_id: UUID
    window_start: datetime
    window_end: datetime
    time_zone: str = "UTC"  # whose days a level weighted by days counts


@dataclass(frozen=True, slots=True)
class UsageQuantity:
    """What a request found. ``event_count`` events are behind ``quantity`` units."""

    quantity: Decimal
    event_count: int


def meter_definition(meter: Meter | MeterVersion) -> MeterDefinition:
    """Return what a meter, or one of its versions, counts."""
    return MeterDefinition(
        id=meter.id,
        event_type=meter.event_type,
        aggregation=meter.aggregation,
        value_property=meter.value_property,
        filters=meter.filters,
        rollup_id=meter.rollup_id,
        expression=meter.expression,
        group_by=tuple(meter.group_by),
        carries_over=meter.carries_over,
    )


def active_meters() -> list[MeterDefinition]:
    return [meter_definition(meter) for meter in Meter.objects.filter(is_archived=False)]


def read_usage(requests: Sequence[ReadingRequest]) -> list[UsageQuantity]:
    """Read many quantities at once, as of now. Nothing is stored."""
    return measure(requests)[0]


def measure(requests: Sequence[ReadingRequest]) -> tuple[list[UsageQuantity], str]:
    """Read many quantities as of one snapshot, in one query per meter and kind of read.

    Sums by day and by hour serve whole hours of additive meters; the ragged ends of a window,
    and meters that are not sums, are counted from the raw events visible in the same snapshot.

    :returns: the quantities in the order of the requests, and the snapshot.
    """
    meters = {
        meter.id: meter_definition(meter)
        for meter in Meter.objects.filter(id__in={request.meter_id for request in requests})
    }
    sums: dict[int, list[Decimal | int]] = defaultdict(lambda: [Decimal(0), 0])
    hours, raw = _plan(requests, meters)
    with bulk_cursor() as cursor:
        snapshot = _read_sums(cursor, hours, sums)
    for meter_id, windows in raw.items():
        meter = meters[meter_id]
        for index, (found, events) in raw_events(meter).measure(meter, windows, snapshot).items():
            sums[index][0] += found
            sums[index][1] += events
    quantities = []
    for index, request in enumerate(requests):
        quantity, count = Decimal(sums[index][0]), int(sums[index][1])
        if meters[request.meter_id].aggregation == "average" and count:
            quantity = at_twelve_places(Fraction(quantity) / count)
        quantities.append(UsageQuantity(quantity, count))
    return quantities, snapshot


_Window = tuple[int, UUID, UUID, datetime, datetime]


def _plan(
    requests: Sequence[ReadingRequest], meters: dict[UUID, MeterDefinition]
) -> tuple[list[_Window], dict[UUID, list[Window]]]:
    hours: list[_Window] = []
    raw: dict[UUID, list[Window]] = defaultdict(list)
    for index, request in enumerate(requests):
        start, end, zone = request.window_start, request.window_end, request.time_zone
        key = (index, request.meter_id, request.customer_id)
        begun, last = whole_hour(start), whole_hour(end)
        first = begun if start == begun else begun + HOUR
        if not meters[request.meter_id].is_additive or first >= last:
            raw[request.meter_id].append((*key, start, end, zone))
            continue
        rollup = meters[request.meter_id].rollup
        hours.append((index, rollup, request.customer_id, first, last))
        if start < first:
            raw[request.meter_id].append((*key, start, first, zone))
        if last < end:
            raw[request.meter_id].append((*key, last, end, zone))
    return hours, raw


def whole_hour(moment: datetime) -> datetime:
    """Return the hour (UTC) a moment is in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _columns(windows: Sequence[_Window]) -> list[list[Any]]:
    return [list(column) for column in zip(*windows, strict=True)] or [[], [], [], [], []]


def _by_days(windows: Sequence[_Window]) -> tuple[list[_Window], list[_Window]]:
    """Split windows of whole hours into their days (UTC) and the hours left at their ends."""
    days: list[_Window] = []
    hours: list[_Window] = []
    for index, meter_id, customer_id, start, end in windows:
        key = (index, meter_id, customer_id)
        first, last = _day(start), _day(end)
        if first < start:
            first += DAY
        if first >= last:
            hours.append((*key, start, end))
            continue
        days.append((*key, first, last))
        if start < first:
            hours.append((*key, start, first))
        if last < end:
            hours.append((*key, last, end))
    return days, hours


def _day(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


_WANTED = (
    "(SELECT * FROM unnest(%b::int[], %b::uuid[], %b::uuid[], %b::timestamptz[],"
    " %b::timestamptz[]) AS w(i, meter_id, customer_id, lo, hi))"
)
# Window by window, so that many rows are never sorted, nor a whole table read.
_SUMMED = """
 SELECT w.i, s.quantity, s.events FROM {wanted} w CROSS JOIN LATERAL (
  SELECT sum(r.quantity) AS quantity, sum(r.events)::bigint AS events FROM {table} r
   WHERE r.meter_id = w.meter_id AND r.customer_id = w.customer_id
     AND r.{column} >= w.lo AND r.{column} < w.hi) s
"""
_SUMS = f"""
WITH found AS (
{_SUMMED.format(wanted=_WANTED, table="metering_usageday", column="day")}
 UNION ALL {_SUMMED.format(wanted=_WANTED, table="metering_usagerollup", column="hour")}
 UNION ALL
 SELECT w.i, d.quantity, d.events FROM {_WANTED} w JOIN metering_usagedelta d
     ON d.meter_id = w.meter_id AND d.customer_id = w.customer_id
    AND d.hour >= w.lo AND d.hour < w.hi)
SELECT i, coalesce(sum(quantity), 0), coalesce(sum(events), 0)::bigint, NULL FROM found GROUP BY i
 UNION ALL SELECT -1, 0, 0, pg_current_snapshot()::text
"""


def _read_sums(
    cursor: Any, windows: Sequence[_Window], sums: dict[int, list[Decimal | int]]
) -> str:
    days, hours = _by_days(windows)
    cursor.execute(_SUMS, [*_columns(days), *_columns(hours), *_columns(windows)], binary=True)
    snapshot = ""
    for index, quantity, events, taken in cursor.fetchall():
        if index < 0:
            snapshot = taken
        else:
            sums[index][0] += quantity
            sums[index][1] += events
    return snapshot


def definition_of_reading(reading: UsageReading) -> MeterDefinition:
    """Return what the meter counted when the reading was taken."""
    meter = reading.meter
    if reading.meter_version != meter.version:
        kept = meter.versions.filter(number=reading.meter_version).first()
        if kept is not None:
            return replace(meter_definition(kept), id=meter.id)
    return meter_definition(meter)
