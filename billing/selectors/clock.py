"""Which schedules the clock has something to do for: of twenty thousand, on most days, few."""

from datetime import datetime, timedelta
from uuid import UUID

from monetization.tenancy.bulk import bulk_cursor

HORIZON = timedelta(days=400)  # how far ahead the periods of open-ended contracts exist
_OPEN = "SELECT FROM billing_invoice i WHERE i.schedule_id = s.id AND i.status = 'in_progress'"
_WAITING = "SELECT FROM billing_billingperiod p WHERE p.schedule_id = s.id AND p.invoice_id IS NULL"
# One condition for every step of ``advance_schedule``, each by the schedule's own day.
_DUE = f"""
SELECT s.id FROM billing_billingschedule s
 CROSS JOIN LATERAL (SELECT (%b::timestamptz AT TIME ZONE s.time_zone)::date AS today) t
 WHERE s.tenant_id = current_tenant_id() AND (
       s.status = 'pending' AND s.start_on <= t.today
    OR s.status = 'active' AND (
       s.periods_until IS NULL
    OR s.periods_until < coalesce(s.end_on, greatest(t.today, s.start_on) + %b::int) - %b::int
    OR EXISTS ({_OPEN} AND i.bill_on <= t.today)
    OR EXISTS ({_WAITING} AND p.bill_on <= t.today)
    OR EXISTS ({_WAITING}) AND NOT EXISTS ({_OPEN})
    OR s.end_on <= t.today AND NOT EXISTS ({_WAITING})))
 ORDER BY s.id
"""  # noqa: S608  (put together from constants)


def schedules_to_advance(*, now: datetime) -> list[UUID]:
    """Return the schedules whose invoices or periods are not up to date at a moment."""
    with bulk_cursor() as cursor:
        cursor.execute(_DUE, [now, HORIZON.days, HORIZON.days // 2])
        return [row[0] for row in cursor.fetchall()]
