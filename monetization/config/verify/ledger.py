"""The journal by itself: entries balance, months that are closed stay closed."""

from monetization.config.verify.base import Books, Found, check, compare, violations
from monetization.ledger.accounts import Account


@check("I01.1", "Every journal entry balances in every currency")
def entries_balance(books: Books) -> Found:
    return compare(
        """
        SELECT e.rule || ' ' || e.entry_date || ' ' || e.id AS subject, p.currency AS unit,
               sum(p.amount) FILTER (WHERE p.amount > 0) AS a,
               -sum(p.amount) FILTER (WHERE p.amount < 0) AS b
          FROM ledger_posting p JOIN ledger_journalentry e ON e.id = p.entry_id
         GROUP BY e.id, e.rule, e.entry_date, p.currency
        """,
        of="entries",
        sides=("debits", "credits"),
    )


@check("I01.2", "The trial balance is zero in every currency")
def trial_balance_is_zero(books: Books) -> Found:
    return compare(
        """
        SELECT 'trial balance' AS subject, currency AS unit,
               sum(amount) FILTER (WHERE amount > 0) AS a,
               -sum(amount) FILTER (WHERE amount < 0) AS b
          FROM ledger_posting GROUP BY currency
        """,
        of="currencies",
        sides=("debits", "credits"),
    )


@check("I01.3", "Every entry has postings, to accounts of the chart")
def entries_have_postings(books: Books) -> Found:
    return violations(
        """
        SELECT 'entry ' || e.id || ' (' || e.rule || ') has no postings'
          FROM ledger_journalentry e
         WHERE NOT EXISTS (SELECT FROM ledger_posting p WHERE p.entry_id = e.id)
        UNION ALL
        SELECT 'posting ' || id || ' is to ' || account || ', which is no account'
          FROM ledger_posting WHERE account <> ALL (%s)
        """,
        parameters=[[account.value for account in Account]],
        of="entries",
        count="SELECT count(*) FROM ledger_journalentry",
    )


@check("I01.4", "A reversal takes back exactly what it reverses")
def reversals_mirror(books: Books) -> Found:
    return compare(
        """
        SELECT 'reversal ' || r.id || ' ' || account AS subject, currency AS unit,
               sum(amount) FILTER (WHERE p.entry_id = r.reverses_id) AS a,
               -sum(amount) FILTER (WHERE p.entry_id = r.id) AS b
          FROM ledger_journalentry r
          JOIN ledger_posting p ON p.entry_id IN (r.id, r.reverses_id)
         WHERE r.reverses_id IS NOT NULL
         GROUP BY r.id, account, currency
        """,
        of="accounts of reversed entries",
        sides=("posted", "taken back"),
    )


@check("I05.1", "No entry was added to a month after its books were closed")
def closed_months_stay_closed(books: Books) -> Found:
    # Ids count up with time, and the closing event is written last in its transaction.
    return violations(
        """
        WITH closing AS (
            SELECT to_char(p.month, 'YYYY-MM') AS name, p.month,
                   (SELECT max(e.id::text)::uuid FROM events_event e
                     WHERE e.type = 'accounting_period.closed'
                       AND e.subject = 'accounting-period/' || to_char(p.month, 'YYYY-MM')) AS event
              FROM ledger_accountingperiod p WHERE p.status = 'closed')
        SELECT c.name || ' is closed, but no event says so' FROM closing c WHERE c.event IS NULL
        UNION ALL
        SELECT c.name || ': entry ' || e.id || ' (' || e.rule || ') came after it was closed'
          FROM closing c JOIN ledger_journalentry e
            ON e.entry_date >= c.month AND e.entry_date < c.month + interval '1 month'
         WHERE e.id > c.event
        """,
        of="entries of closed months",
        count="""
        SELECT count(*) FROM ledger_journalentry e JOIN ledger_accountingperiod p
            ON p.status = 'closed' AND date_trunc('month', e.entry_date) = p.month
        """,
    )
