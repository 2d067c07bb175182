"""Usage: nothing vanishes, the roll-up is what the events say, readings can be taken again."""

from collections.abc import Iterator
from dataclasses import replace

from metering.domain.counting import MeterDefinition
from metering.models import Meter
from metering.selectors import meter_definition
from metering.stores.aggregates import Span, aggregate_sql, counting_sql, partial_sql, reach_sql
from metering.stores.postgres import LIVE, bulk_cursor
from monetization.config.verify.base import SAMPLES, Books, Found, check, listed, rows, violations


@check("I10.1", "The roll-up and its deltas are a recount of the events, hour by hour")
def rollup_is_recount(books: Books) -> Found:
    samples, compared, differing, notes = [], 0, 0, []
    for meter in _meters():
        if not meter.is_additive:
            continue
        hours, counted, off = _recount_hours(meter)
        compared += hours
        notes.append(f"{meter.value_property or meter.event_type}: {counted:,} events counted")
        differing += len(off)
        samples += off
    return Found(
        compared, "meter hours", differing, samples=tuple(samples[:SAMPLES]), notes=tuple(notes)
    )


def _recount_hours(meter: MeterDefinition) -> tuple[int, int, list[str]]:
    value, value_parameters = partial_sql(meter)
    where, parameters = counting_sql(meter)
    pairs = f"""
        WITH kept AS (
            SELECT customer_id, hour, sum(quantity) AS quantity, sum(events) AS events FROM (
                SELECT customer_id, hour, quantity, events FROM metering_usagerollup
                 WHERE meter_id = %b
                UNION ALL
                SELECT customer_id, hour, quantity, events FROM metering_usagedelta
                 WHERE meter_id = %b) AS both_tables
             GROUP BY 1, 2),
        recount AS (
            SELECT customer_id, date_trunc('hour', occurred_at, 'UTC') AS hour,
                   {value} AS quantity, count(*) AS events
              FROM metering_usageevent e
             WHERE customer_id IS NOT NULL AND {LIVE} AND {where}
             GROUP BY 1, 2),
        pairs AS (
            SELECT customer_id, hour, COALESCE(k.quantity, 0) AS kept, COALESCE(k.events, 0) AS n,
                   COALESCE(r.quantity, 0) AS again, COALESCE(r.events, 0) AS m
              FROM kept k FULL JOIN recount r USING (customer_id, hour))
    """
    bound = [meter.rollup, meter.rollup, *value_parameters, *parameters]
    with bulk_cursor() as cursor:
        cursor.execute(f"{pairs} SELECT count(*), COALESCE(sum(m), 0) FROM pairs", bound)
        total = cursor.fetchone() or (0, 0)
        cursor.execute(
            f"{pairs} SELECT customer_id, hour, kept, n, again, m FROM pairs"
            " WHERE kept <> again OR n <> m ORDER BY hour LIMIT 1000",
            bound,
        )
        off = [
            f"customer {row[0]} {row[1]:%Y-%m-%d %H} h: roll-up {row[2]} of {row[3]} events,"
            f" recount {row[4]} of {row[5]}"
            for row in cursor.fetchall()
        ]
    return int(total[0]), int(total[1]), off


def _meters() -> Iterator[MeterDefinition]:
    """Yield the meters that count; an archived one takes no deltas any more."""
    for meter in Meter.objects.filter(is_archived=False).order_by("key"):
        yield meter_definition(meter)


_DAYS = """
    WITH days AS (
        SELECT meter_id, customer_id, date_trunc('day', hour, 'UTC') AS day,
               sum(quantity) AS quantity, sum(events) AS events
          FROM metering_usagerollup GROUP BY 1, 2, 3),
    pairs AS (
        SELECT customer_id, day, COALESCE(k.quantity, 0) AS kept, COALESCE(k.events, 0) AS n,
               COALESCE(h.quantity, 0) AS again, COALESCE(h.events, 0) AS m
          FROM metering_usageday k FULL JOIN days h USING (meter_id, customer_id, day))
"""


@check("I10.3", "The roll-up by day is the sum of its hours")
def days_are_their_hours(books: Books) -> Found:
    counted = rows(f"{_DAYS} SELECT count(*) FROM pairs")[0][0]
    off = [
        f"customer {customer} {day:%Y-%m-%d}: kept {kept} of {n} events, its hours {again} of {m}"
        for customer, day, kept, n, again, m in rows(
            f"{_DAYS} SELECT * FROM pairs WHERE kept <> again OR n <> m ORDER BY day LIMIT 1000"
        )
    ]
    return listed(off, of="meter days", compared=int(counted))


@check("I10.2", "Every reading, measured again as of its snapshot, gives the same quantity")
def readings_measure_again(books: Books) -> Found:
    compared, off = 0, []
    for meter in Meter.objects.order_by("key"):
        for version, definition in _definitions(meter).items():
            counted, different = _recount_readings(definition, version)
            compared += counted
            off += [f"{meter.key}: {sentence}" for sentence in different]
    return listed(off, of="readings", compared=compared)


def _definitions(meter: Meter) -> dict[int, MeterDefinition]:
    """Return what a meter counted by version; a reading is taken by the one of its time."""
    found = {
        version.number: replace(meter_definition(version), id=meter.id)
        for version in meter.versions.all()
    }
    return found | {meter.version: meter_definition(meter)}


def _seen_by_reading(column: str) -> str:
    """Return the condition that the snapshot of reading ``r`` sees a transaction."""
    return (
        f"(pg_visible_in_snapshot({column}, r.snapshot::pg_snapshot)"
        f" OR COALESCE({column} = pg_current_xact_id_if_assigned(), false))"
    )


def _recount_readings(meter: MeterDefinition, version: int) -> tuple[int, list[str]]:
    span = Span("r.window_start", "r.window_end", "r.time_zone")
    value, value_parameters = aggregate_sql(meter, span)
    where, parameters = counting_sql(meter)
    pairs = f"""
        WITH recount AS (
            SELECT r.id, {value} AS again, count(*) AS m
              FROM metering_usagereading r
              JOIN metering_usageevent e ON e.customer_id = r.customer_id
               AND {reach_sql(meter, span)}
             WHERE r.meter_id = %b AND r.meter_version = %b AND e.quarantine = '' AND {where}
               AND {_seen_by_reading("e.xact_id")}
               AND (e.retired_xact IS NULL OR NOT {_seen_by_reading("e.retired_xact")})
             GROUP BY r.id),
        pairs AS (
            SELECT r.id, r.window_start, r.quantity, r.event_count AS n,
                   COALESCE(again, 0) AS again, COALESCE(m, 0) AS m
              FROM metering_usagereading r LEFT JOIN recount USING (id)
             WHERE r.meter_id = %b AND r.meter_version = %b)
    """
    bound = [*value_parameters, meter.id, version, *parameters, meter.id, version]
    with bulk_cursor() as cursor:
        cursor.execute(f"{pairs} SELECT count(*) FROM pairs", bound)
        count = cursor.fetchone() or (0,)
        cursor.execute(
            f"{pairs} SELECT id, window_start, quantity, n, again, m FROM pairs"
            " WHERE quantity <> again OR n <> m ORDER BY window_start LIMIT 1000",
            bound,
        )
        off = [
            f"reading {row[0]} from {row[1]:%Y-%m-%d}: {row[2].normalize():f} of {row[3]} events,"
            f" again {row[4]:f} of {row[5]}"
            for row in cursor.fetchall()
        ]
    return int(count[0]), off


@check("I13.1", "Every event has one identity, and every identity one event")
def identities_are_events(books: Books) -> Found:
    # The identity as metering.domain.events computes it: a hash of source and id, behind the
    # time that an id of version 7 begins with.
    hashed = """
        (CASE WHEN e.source_event_id ~ '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7'
              THEN substr(e.source_event_id, 1, 8) || substr(e.source_event_id, 10, 4) ||
                   substr(h.hash, 1, 20)
              ELSE substr(h.hash, 1, 32) END)::uuid
    """
    return violations(
        f"""
        SELECT 'event ' || e.source || ' ' || e.source_event_id || ' has no identity of its own'
          FROM metering_usageevent e
         CROSS JOIN LATERAL (SELECT encode(sha256(convert_to(length(e.source) || ':' ||
                             e.source || e.source_event_id, 'UTF8')), 'hex')) AS h(hash)
          LEFT JOIN metering_usagekey k ON k.key_hash = {hashed} AND k.event_id = e.id
         WHERE k.event_id IS NULL
        UNION ALL
        SELECT 'identity ' || k.key_hash || ' has no event' FROM metering_usagekey k
         WHERE NOT EXISTS (SELECT FROM metering_usageevent e WHERE e.id = k.event_id)
        UNION ALL
        SELECT 'event ' || e.source || ' ' || e.source_event_id || ' is stored '
               || count(*) || ' times'
          FROM metering_usageevent e GROUP BY e.source, e.source_event_id HAVING count(*) > 1
        UNION ALL
        SELECT 'conflict ' || c.source || ' ' || c.source_event_id || ' is with no such event'
          FROM metering_usageconflict c
         WHERE NOT EXISTS (SELECT FROM metering_usageevent e WHERE e.id = c.event_id
                              AND e.source = c.source AND e.source_event_id = c.source_event_id)
        """,
        of="identities",
        count="SELECT count(*) FROM metering_usagekey",
    )


@check(
    "I15.1",
    "Events received = attributed + unmatched + quarantined + taken back; none waits by mistake",
)
def events_are_accounted_for(books: Books) -> Found:
    received, attributed, unmatched, quarantined, retired = rows(
        f"""
        SELECT (SELECT count(*) FROM metering_usagekey WHERE payload_hash <> ''),
               count(*) FILTER (WHERE {LIVE} AND customer_id IS NOT NULL),
               count(*) FILTER (WHERE {LIVE} AND customer_id IS NULL),
               count(*) FILTER (WHERE quarantine <> '' AND retired_xact IS NULL),
               count(*) FILTER (WHERE retired_xact IS NOT NULL)
          FROM metering_usageevent e
        """
    )[0]
    off = []
    if received != attributed + unmatched + quarantined + retired:
        off.append(
            f"{received} received, {attributed} attributed, {unmatched} unmatched,"
            f" {quarantined} in quarantine, {retired} corrected or discarded"
        )
    # An alias that was just mapped waits for its delivery.
    off += [
        f"{row[1]} events of {row[0]!r} have no customer although somebody holds that alias"
        for row in rows(
            """
            SELECT e.subject, count(*) FROM metering_usageevent e
              JOIN customers_customeralias a ON a.alias = e.subject AND a.valid @> e.occurred_at
             WHERE e.customer_id IS NULL
               AND NOT EXISTS (SELECT FROM events_eventdelivery d JOIN events_event f
                                  ON f.id = d.event_id AND f.type = 'customer.alias_mapped'
                                WHERE d.delivered_at IS NULL
                                  AND f.data ->> 'alias_id' = a.id::text)
             GROUP BY e.subject
            """
        )
    ]
    note = (
        f"{attributed:,} attributed, {unmatched:,} unmatched, {quarantined:,} in quarantine,"
        f" {retired:,} corrected or discarded"
    )
    return listed(off, of="events", compared=received, notes=[note, *_late_note()])


def _late_note() -> list[str]:
    """Count what arrived after the readings of issued invoices: listed there, not yet billed."""
    late = 0
    for meter in Meter.objects.order_by("key"):
        where, parameters = counting_sql(meter_definition(meter))
        with bulk_cursor() as cursor:
            cursor.execute(
                f"""
                SELECT count(*) FROM billing_invoiceline l
                  JOIN billing_invoice i ON i.id = l.invoice_id AND i.status = 'issued'
                  JOIN metering_usagereading r ON r.id = l.reading_id AND r.meter_id = %b
                  JOIN metering_usageevent e ON e.customer_id = r.customer_id
                   AND e.occurred_at >= r.window_start AND e.occurred_at < r.window_end
                 WHERE {LIVE} AND {where} AND NOT {_seen_by_reading("e.xact_id")}
                """,
                [meter.id, *parameters],
            )
            late += int((cursor.fetchone() or (0,))[0])
    return [f"{late:,} arrived after their invoice was issued"] if late else []
