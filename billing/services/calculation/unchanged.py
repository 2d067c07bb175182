"""Which invoices need not even be looked at: nothing they come from was touched since.

Whatever an invoice is computed from notes its changes, by database triggers, with the number of
the transaction. What was kept with the invoice says which transactions could be seen when its
inputs were read. Another may not matter all the same: then the marks decide.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from metering.selectors.staleness import folded_usage_is_as_seen, waiting_usage
from monetization.tenancy.bulk import bulk_cursor

# So long is a mark believed without asking, and so long are notes kept; nothing takes as long as
# the difference.
_ASKED_FOR = "interval '1 day'"
_KEPT_FOR = "interval '2 days'"

# A change is known if it was seen, or was our own and came before the end: a snapshot may take its
# own transaction for one that has ended. In a cluster whose transactions were counted anew,
# nothing is known.
UNSEEN = "NOT pg_visible_in_snapshot(c.xact::text::xid8, {k}.seen::pg_snapshot)"
SUBJECTS = "ARRAY[i.id, i.schedule_id, i.customer_id]"
_AS_SEEN = folded_usage_is_as_seen(
    "i.customer_id", "i.usage_from", "i.usage_until", "i.seen", "i.kept_by"
)
# Those that were asked for, by themselves: else the rest is asked of the whole company. Looked up
# one by one (the limits): where Postgres has no statistics of a new company yet, it takes its rows
# for few and compares all of them with all that was asked for.
_UNTOUCHED = f"""
WITH i AS MATERIALIZED (
  SELECT i.id, i.schedule_id, i.customer_id, k.mark = '' AS looks_back, k.seen, k.seen_from,
         k.kept_by, k.kept_change, k.usage_from, k.usage_until
    FROM unnest(%b::uuid[]) AS w(id)
    CROSS JOIN LATERAL (
      SELECT * FROM billing_calculationmark k WHERE k.invoice_id = w.id LIMIT 1) k
    CROSS JOIN LATERAL (
      SELECT i.id, i.schedule_id, i.customer_id FROM billing_invoice i WHERE i.id = w.id LIMIT 1) i
   WHERE k.company = %b AND k.kept_at > now() - {_ASKED_FOR} AND k.is_summed
     AND (k.next_start IS NULL OR k.next_start > %b))
SELECT i.id, CASE WHEN i.looks_back THEN i.schedule_id END, {{window}}
  FROM i
 WHERE pg_snapshot_xmax(i.seen::pg_snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
   AND (
     SELECT c.id FROM billing_inputchange c
      WHERE c.subject_id = ANY ({SUBJECTS}) AND c.xact >= i.seen_from
        AND CASE WHEN c.xact = i.kept_by THEN c.id > i.kept_change
                 ELSE {UNSEEN.format(k="i")} END
      LIMIT 1) IS NULL
   AND {_AS_SEEN}
"""  # noqa: S608 - from above
_ALL = _UNTOUCHED.format(window="NULL, NULL, NULL")
_WITH_WINDOWS = _UNTOUCHED.format(window="i.customer_id, i.usage_from, i.usage_until")


def seen_from(snapshot: str) -> int:
    """Return the oldest transaction that a snapshot may not see.

    >>> seen_from("10:20:10,14")
    10
    """
    return int(snapshot.split(":", 1)[0])


def _waits(
    hours: tuple[datetime, datetime] | None, start: datetime | None, end: datetime | None
) -> bool:
    """Say whether usage that waits to be folded may be within a window."""
    if hours is None or start is None or end is None:
        return False
    return hours[0] < end and hours[1] >= start


def untouched(invoice_ids: Sequence[UUID], *, company: str, now: datetime) -> set[UUID]:
    """Return invoices nothing has happened to since they were computed; there may be others.

    :param company: the hash of what all invoices depend on.
    """
    waiting = waiting_usage()  # first: what is folded meanwhile is noted by then
    with bulk_cursor() as cursor:
        sql = _WITH_WINDOWS if waiting else _ALL
        cursor.execute(sql, [list(invoice_ids), company, now], binary=True)
        rows = cursor.fetchall()
        if waiting:
            rows = [row for row in rows if not _waits(waiting.get(row[2]), *row[3:])]
        found = {row[0] for row in rows}
        backward = {row[0]: row[1] for row in rows if row[1] is not None}
        if not backward:
            return found
        # What comes before them may come out otherwise in the same run.
        others = [each for each in invoice_ids if each not in found]
        cursor.execute("SELECT schedule_id FROM billing_invoice WHERE id = ANY(%b)", [others])
        moving = {row[0] for row in cursor.fetchall()}
    return found - {each for each, schedule in backward.items() if schedule in moving}


def forget_noted() -> int:
    """Delete the notes nothing asks for any more; return how many."""
    with bulk_cursor() as cursor:
        cursor.execute(f"DELETE FROM billing_inputchange WHERE at < now() - {_KEPT_FOR}")  # noqa: S608
        return int(cursor.rowcount)
