"""Facts and their traces: one event and one entry each, and only legal steps in the trail."""

from billing.domain import lifecycle as billing
from monetization.config.verify.base import Books, Found, check, compare, violations
from quotes.domain import lifecycle as quotes

Table = dict[str, tuple[set[str], str]]


@check("I19.1", "Every document has exactly one event that says it became true")
def facts_have_events(books: Books) -> Found:
    return compare(
        """
        WITH facts AS (
            SELECT 'invoice/' || id AS subject, 'invoice.issued' AS type FROM billing_invoice
             WHERE status IN ('issued', 'void')
            UNION ALL SELECT 'invoice/' || id, 'invoice.voided' FROM billing_invoice
             WHERE status = 'void'
            UNION ALL SELECT 'credit-note/' || id, 'credit_note.issued' FROM billing_creditnote
            UNION ALL SELECT 'payment/' || id, 'payment.recorded' FROM billing_payment),
        said AS (
            SELECT subject, type, count(*) AS times FROM events_event
             WHERE type IN ('invoice.issued', 'invoice.voided', 'credit_note.issued',
                            'payment.recorded')
             GROUP BY 1, 2)
        SELECT type || ' ' || subject AS subject, type AS unit,
               (f.subject IS NOT NULL)::int AS a, s.times AS b
          FROM facts f FULL JOIN said s USING (subject, type)
        """,
        of="facts",
        sides=("documents", "events"),
    )


@check("I19.2", "Every event that moves money has its journal entry")
def events_have_entries(books: Books) -> Found:
    # An invoice or a credit note that adds up to nothing on every line posts nothing.
    return violations(
        """
        SELECT e.type || ' ' || e.subject || ' has no journal entry'
          FROM events_event e
         WHERE e.type IN ('invoice.issued', 'invoice.voided', 'credit_note.issued',
                          'payment.recorded', 'revenue.recognized')
           AND NOT EXISTS (SELECT FROM ledger_journalentry j WHERE j.event_id = e.id)
           AND NOT EXISTS (SELECT FROM billing_invoice i
                            WHERE e.subject = 'invoice/' || i.id AND i.total_amount = 0)
           AND NOT EXISTS (SELECT FROM billing_creditnote n
                            WHERE e.subject = 'credit-note/' || n.id AND n.total_amount = 0)
        """,
        of="events",
        count="""
        SELECT count(*) FROM events_event
         WHERE type IN ('invoice.issued', 'invoice.voided', 'credit_note.issued',
                        'payment.recorded', 'revenue.recognized')
        """,
    )


def _steps(table: Table) -> set[tuple[str, str]]:
    return {(origin, target) for origins, target in table.values() for origin in origins}


# table -> its legal steps, and the states a row may begin in
LIFECYCLES = {
    "billing_invoice": (_steps(billing.INVOICE), {"in_progress", "draft"}),
    "billing_billingschedule": (_steps(billing.SCHEDULE), {"draft"}),
    "quotes_quoteversion": (_steps(quotes.VERSION), {"draft"}),
}


@check("I19.3", "The trail shows only legal steps, without a gap, and ends where each row is")
def trail_is_legal(books: Books) -> Found:
    tables, befores, afters = [], [], []
    for table, (steps, first) in LIFECYCLES.items():
        for before, after in [*steps, *(("", state) for state in first)]:
            tables.append(table)
            befores.append(before)
            afters.append(after)
    current = " UNION ALL ".join(
        f"SELECT '{table}' AS name, id, status FROM {table}" for table in LIFECYCLES
    )
    return violations(
        f"""
        WITH steps AS (
            SELECT "table" AS name, row_id, at, action,
                   COALESCE(changes -> 'status' ->> 0, '') AS before,
                   COALESCE(changes -> 'status' ->> 1, '') AS after,
                   lag(changes -> 'status' ->> 1) OVER trail AS left_at,
                   lead(at) OVER trail IS NULL AS is_last
              FROM audit_auditentry
             WHERE "table" = ANY (%(known)s) AND changes ? 'status' AND action <> 'DELETE'
            WINDOW trail AS (PARTITION BY "table", row_id ORDER BY at)),
        legal AS (
            SELECT * FROM unnest(%(tables)s::text[], %(befores)s::text[], %(afters)s::text[])
                AS l(name, before, after)),
        current AS ({current})
        SELECT s.name || ' ' || s.row_id || ': from ' || COALESCE(NULLIF(s.before, ''), 'nothing')
               || ' to ' || s.after || ' is no legal step'
          FROM steps s LEFT JOIN legal l USING (name, before, after) WHERE l.name IS NULL
        UNION ALL
        SELECT s.name || ' ' || s.row_id || ': a step is missing between '
               || COALESCE(s.left_at, 'nothing') || ' and ' || s.before
          FROM steps s WHERE s.before <> COALESCE(s.left_at, '')
        UNION ALL
        SELECT c.name || ' ' || c.id || ' is ' || c.status || ', the trail says '
               || COALESCE(s.after, 'nothing')
          FROM current c LEFT JOIN steps s ON s.name = c.name AND s.row_id = c.id AND s.is_last
         WHERE s.after IS DISTINCT FROM c.status
        """,
        parameters={
            "known": list(LIFECYCLES),
            "tables": tables,
            "befores": befores,
            "afters": afters,
        },
        of="steps",
        count="""
        SELECT count(*) FROM audit_auditentry WHERE changes ? 'status'
           AND "table" IN ('billing_invoice', 'billing_billingschedule', 'quotes_quoteversion')
        """,
    )
