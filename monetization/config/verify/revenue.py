"""Revenue: what is earned, billed ahead and earned ahead adds up to what was billed."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from billing.models import BillingSchedule
from monetization.config.verify.base import (
    SAMPLES,
    Books,
    Figure,
    Found,
    check,
    compare,
    rows,
    violations,
)
from revrec.selectors import month_end, recognized, should_be_recognized

_LINES = """
    SELECT COALESCE(contract_id, '00000000-0000-0000-0000-000000000000') AS contract_id, item_key,
           currency,
           -COALESCE(sum(amount) FILTER (WHERE account = 'revenue'), 0) AS recognized,
           -COALESCE(sum(amount) FILTER (WHERE account = 'deferred_revenue'), 0) AS deferred,
           COALESCE(sum(amount) FILTER (WHERE account = 'unbilled_receivable'), 0) AS unbilled
      FROM ledger_posting
     WHERE account IN ('revenue', 'deferred_revenue', 'unbilled_receivable')
     GROUP BY 1, 2, 3
"""


_BILLED = """
    SELECT COALESCE(schedule_id, '00000000-0000-0000-0000-000000000000') AS contract_id,
           item_key, currency, sum(amount) AS amount FROM (
        SELECT i.schedule_id, l.item_key, i.currency, l.amount
          FROM billing_invoiceline l
          JOIN billing_invoice i ON i.id = l.invoice_id AND i.status = 'issued'
         WHERE l.kind NOT IN ('credit', 'prepaid')
        UNION ALL
        SELECT i.schedule_id, c.item_key, i.currency, -c.amount
          FROM billing_creditnoteline c
          JOIN billing_creditnote n ON n.id = c.credit_note_id
          JOIN billing_invoiceline l ON l.id = c.invoice_line_id
               AND l.kind NOT IN ('credit', 'prepaid')
          JOIN billing_invoice i ON i.id = n.invoice_id) AS parts
     GROUP BY 1, 2, 3
"""


@check("I05.2", "Recognized + deferred - unbilled = billed - credited, per contract line")
def earned_is_billed(books: Books) -> Found:
    return compare(
        f"""
        WITH ledger AS ({_LINES}),
        documents AS ({_BILLED})
        SELECT COALESCE(s.number, contract_id::text) || ' ' || item_key AS subject,
               j.currency AS unit, a, b
          FROM (SELECT contract_id, item_key, currency,
                       recognized + deferred - unbilled AS a, d.amount AS b
                  FROM ledger l FULL JOIN documents d USING (contract_id, item_key, currency)) AS j
          LEFT JOIN billing_billingschedule s ON s.id = contract_id
        """,
        of="contract lines",
        sides=("ledger", "documents"),
    )


@check("I05.3", "A contract line is billed ahead or earned ahead, never both, never below zero")
def positions_are_one_sided(books: Books) -> Found:
    return violations(
        f"""
        WITH ledger AS ({_LINES})
        SELECT COALESCE(s.number, contract_id::text) || ' ' || item_key || ': deferred '
               || deferred || ', unbilled ' || unbilled || ' ' || l.currency
          FROM ledger l LEFT JOIN billing_billingschedule s ON s.id = contract_id
         WHERE (deferred < 0 AND item_key <> '')  -- a credit by hand waits for its month
            OR unbilled < 0 OR (deferred > 0 AND unbilled > 0)
        """,
        of="contract lines",
        count=f"SELECT count(*) FROM ({_LINES}) AS lines",
    )


@check("I05.4", "The months of an obligation add up to its price, within its days")
def slices_add_up(books: Books) -> Found:
    found = compare(
        """
        SELECT s.number || ' ' || o.item_key || ' ' || o.run AS subject, o.currency AS unit,
               o.transaction_price AS a, sum(r.amount) AS b
          FROM revrec_performanceobligation o
          JOIN billing_billingschedule s ON s.id = o.schedule_id
          LEFT JOIN revrec_revenueslice r ON r.obligation_id = o.id
         GROUP BY s.id, o.id
        """,
        of="obligations",
        sides=("prices", "months"),
    )
    outside = rows(
        """
        SELECT s.number || ' ' || o.item_key || ': ' || to_char(r.month, 'YYYY-MM')
               || ' is outside its days'
          FROM revrec_revenueslice r
          JOIN revrec_performanceobligation o ON o.id = r.obligation_id
          JOIN billing_billingschedule s ON s.id = o.schedule_id
         WHERE r.month < date_trunc('month', o.start_on) OR r.month >= o.end_on
        """
    )
    return Found(
        found.compared,
        found.of,
        found.differing + len(outside),
        found.sides,
        found.figures,
        found.samples + tuple(row[0] for row in outside[:SAMPLES]),
    )


@dataclass(frozen=True, slots=True)
class _LastRun:
    """The last month that was recognized, and the event that says so."""

    month: date
    event_id: UUID


@check("I05.5", "Revenue posted is what was earned by the last month recognized")
def posted_is_earned(books: Books) -> Found:
    last = _last_run()
    if last is None:
        return Found(0, "contract lines", notes=("no month has been recognized yet",))
    schedules = [s for s in books.schedules if _earns_by(s, month_end(last.month))]
    should = should_be_recognized(schedules, last.month)
    posted = recognized(schedule.id for schedule in schedules)
    moved = _moved_since(last.event_id)
    numbers = {schedule.id: schedule.number for schedule in schedules}
    sums: dict[str, list[Decimal]] = {}
    samples, waiting = [], 0
    for place in sorted({*should, *posted}):
        known = should[place] if place in should else posted[place]
        earned = should[place].amount if place in should else Decimal(0)
        booked = posted[place].amount if place in posted else Decimal(0)
        if earned != booked and place[0] in moved:
            waiting += 1
            continue
        total = sums.setdefault(known.currency, [Decimal(0), Decimal(0), Decimal(0)])
        total[0], total[1], total[2] = total[0] + 1, total[1] + booked, total[2] + earned
        if earned != booked:
            samples.append(f"{numbers[place[0]]} {place[1]}: posted {booked}, earned {earned}")
    notes = [f"by the end of {last.month:%B %Y}"]
    if waiting:
        notes.append(f"{waiting} lines changed since and wait for the next month's run")
    return Found(
        compared=len({*should, *posted}) - waiting,
        of="contract lines",
        differing=len(samples),
        sides=("posted", "earned"),
        figures=tuple(
            Figure(currency, int(count), booked, earned)
            for currency, (count, booked, earned) in sorted(sums.items())
        ),
        samples=tuple(samples[:SAMPLES]),
        notes=tuple(notes),
    )


def _last_run() -> _LastRun | None:
    found = rows(
        """
        SELECT to_date(right(subject, 7), 'YYYY-MM') AS month, id FROM events_event
         WHERE type IN ('revenue.recognized', 'accounting_period.closed')
         ORDER BY month DESC, id DESC LIMIT 1
        """
    )
    return _LastRun(found[0][0], found[0][1]) if found else None


def _earns_by(schedule: BillingSchedule, end: date) -> bool:
    return schedule.activated_at is not None and schedule.start_on < end


def _moved_since(event_id: UUID) -> set[UUID]:
    """Return the contracts with a fact after an event: what they earn is posted next time."""
    return {
        row[0]
        for row in rows(
            """
            SELECT id FROM billing_billingschedule s WHERE EXISTS (
                SELECT FROM events_event e WHERE e.id > %(event)s
                   AND e.subject = 'schedule/' || s.id)
            UNION
            SELECT i.schedule_id FROM billing_invoice i JOIN billing_recalculation r
                ON r.invoice_id = i.id AND r.id > %(event)s
            UNION
            SELECT i.schedule_id FROM billing_invoice i JOIN events_event e
                ON e.id > %(event)s AND e.subject = 'invoice/' || i.id
            UNION
            SELECT i.schedule_id FROM billing_invoice i JOIN billing_creditnote n
                ON n.invoice_id = i.id AND n.id > %(event)s
            """,
            {"event": event_id},
        )
    }


@check("I05.6", "A contract that is over and billed has earned exactly what it billed")
def finished_contracts_earned(books: Books) -> Found:
    last = _last_run()
    if last is None:
        return Found(0, "finished contract lines", notes=("no month has been recognized yet",))
    return compare(
        f"""
        WITH ledger AS ({_LINES}), documents AS ({_BILLED})
        SELECT s.number || ' ' || item_key AS subject, j.currency AS unit, a, b
          FROM (SELECT contract_id, item_key, currency, l.recognized AS a, d.amount AS b
                  FROM ledger l FULL JOIN documents d USING (contract_id, item_key, currency)) AS j
          JOIN billing_billingschedule s ON s.id = contract_id
         WHERE s.status = 'completed' AND s.end_on <= %s AND s.id <> ALL (%s)
           AND NOT EXISTS (SELECT FROM billing_invoice i WHERE i.schedule_id = s.id
                              AND i.status IN ('in_progress', 'draft') AND i.subtotal_amount <> 0)
           -- It ended early and did not give back days it had billed: they are earned as they pass.
           AND NOT EXISTS (SELECT FROM billing_invoiceline v JOIN billing_invoice i
                               ON i.id = v.invoice_id
                            WHERE i.schedule_id = s.id AND i.status = 'issued'
                              AND v.service_end > %s)
        """,
        parameters=[
            month_end(last.month),
            [id for id in _moved_since(last.event_id) if id],
            month_end(last.month),
        ],
        of="finished contract lines",
        sides=("recognized", "billed"),
    )
