"""Which readings would be different if they were taken now."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from metering.models import Meter
from metering.selectors import ReadingRequest, measure, meter_definition
from metering.selectors.measuring import whole_hour
from metering.stores.postgres import bulk_cursor

# What the roll-up has whole: additive meters over whole hours. An average is rolled up, but a
# reading keeps it divided.
_READINGS = """
WITH meters AS (
  SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::int[], %b::bool[])
      AS m(id, rollup, version, is_summed)),
readings AS (
  SELECT r.*, m.rollup, m.version,
         m.is_summed AND r.window_start = date_trunc('hour', r.window_start, 'UTC')
                     AND r.window_end = date_trunc('hour', r.window_end, 'UTC') AS is_rolled_up
    FROM metering_usagereading r JOIN meters m ON m.id = r.meter_id WHERE r.id = ANY(%b))
"""
# Days (UTC) from the first to the last; the hours before and after at the ends.
_DIFFERENT = f"""{_READINGS}
SELECT r.id, r.is_rolled_up OR r.meter_version <> r.version FROM (
  SELECT r.*, greatest(first, date_trunc('day', r.window_end, 'UTC')) AS last FROM (
    SELECT r.*, least(r.window_end,
                      date_trunc('day', r.window_start + interval '23 hours', 'UTC')) AS first
      FROM readings r) r) r
  JOIN LATERAL (
    SELECT COALESCE(sum(x.quantity), 0) AS quantity, COALESCE(sum(x.events), 0) AS events FROM (
      SELECT u.quantity, u.events FROM metering_usageday u
       WHERE r.is_rolled_up AND u.meter_id = r.rollup AND u.customer_id = r.customer_id
         AND u.day >= r.first AND u.day < r.last
      UNION ALL
      SELECT u.quantity, u.events FROM metering_usagerollup u
       WHERE r.is_rolled_up AND r.window_start < r.first
         AND u.meter_id = r.rollup AND u.customer_id = r.customer_id
         AND u.hour >= r.window_start AND u.hour < r.first
      UNION ALL
      SELECT u.quantity, u.events FROM metering_usagerollup u
       WHERE r.is_rolled_up AND r.last < r.window_end
         AND u.meter_id = r.rollup AND u.customer_id = r.customer_id
         AND u.hour >= r.last AND u.hour < r.window_end
      UNION ALL
      SELECT d.quantity, d.events FROM metering_usagedelta d
       WHERE r.is_rolled_up AND d.meter_id = r.rollup AND d.customer_id = r.customer_id
         AND d.hour >= r.window_start AND d.hour < r.window_end) x) now ON true
 WHERE r.meter_version <> r.version OR NOT r.is_rolled_up
    OR now.events <> r.event_count OR now.quantity <> r.quantity
"""
_OTHERS = f"""{_READINGS}
SELECT r.id, r.customer_id, r.meter_id, r.window_start, r.window_end, r.time_zone, r.quantity,
       r.event_count
  FROM readings r
"""


def stale_readings(reading_ids: Sequence[UUID]) -> set[UUID]:
    """Return the readings whose window holds other events now, or adds up to something else.

    What the roll-up has is compared in one statement; the rest is measured again.
    """
    if not reading_ids:
        return set()
    meters = [(meter, meter_definition(meter)) for meter in Meter.objects.all()]
    parameters = [
        [meter.id for meter, _ in meters],
        [of.rollup for _, of in meters],
        [meter.version for meter, _ in meters],
        [of.is_additive and of.aggregation != "average" for _, of in meters],
        list(reading_ids),
    ]
    with bulk_cursor() as cursor:
        cursor.execute(_DIFFERENT, parameters)
        found_now = cursor.fetchall()
        stale = {reading for reading, is_known in found_now if is_known}
        unknown = [reading for reading, is_known in found_now if not is_known]
        others = []
        if unknown:
            cursor.execute(_OTHERS, [*parameters[:-1], unknown])
            others = cursor.fetchall()
    if others:
        found = measure([ReadingRequest(*row[1:6]) for row in others])[0]
        stale |= {
            row[0]
            for row, now in zip(others, found, strict=True)
            if (row[6], row[7]) != (now.quantity, now.event_count)
        }
    return stale


def folded_usage_is_as_seen(customer: str, start: str, end: str, seen: str, seen_by: str) -> str:
    """Return the condition that usage read from roll-ups is as it was; it may be without, too.

    Months are noted whole: what changed outside the window counts as well. What waits to be
    folded is ``waiting_usage``.

    :param customer: columns of the caller's statement, as the others: of a window, and of the
        snapshot (as text) it was read after, and of the transaction that did.
    """
    return f"""NOT EXISTS (
     SELECT FROM metering_usagemonth m
      WHERE m.customer_id = {customer} AND m.month >= date_trunc('month', {start}, 'UTC')
        AND m.month < {end}
        AND (m.changed = {seen_by}
             OR NOT pg_visible_in_snapshot(m.changed::text::xid8, {seen}::pg_snapshot)))"""


def waiting_usage() -> dict[UUID, tuple[datetime, datetime]]:
    """Return the first and last hour of what waits to be folded, by customer.

    By itself: within a larger statement it was scanned again for every row.
    """
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT customer_id, min(hour), max(hour) FROM metering_usagedelta GROUP BY 1"
        )
        return {customer: (first, last) for customer, first, last in cursor.fetchall()}


def is_summed(meter: Meter, start: datetime, end: datetime) -> bool:
    """Say whether the roll-up has a window of a meter whole, as a reading keeps it."""
    of = meter_definition(meter)
    ragged = any(moment.astimezone(UTC) != whole_hour(moment) for moment in (start, end))
    return of.is_additive and of.aggregation != "average" and not ragged
