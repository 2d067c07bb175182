"""What every app stands on: references, numbers, files, deliveries, jobs, mail."""

from collections import defaultdict

from django.apps import apps

from monetization.config.verify.base import (
    Books,
    Found,
    check,
    compare,
    listed,
    rows,
    violations,
)
from monetization.kernel.money import minor_unit
from monetization.tenancy.models import TenantModel
from monetization.tenancy.operations import tenant_foreign_keys

# References that the ORM does not know as such: (table, column, table it points to).
PLAIN_REFERENCES = (
    ("ledger_posting", "customer_id", "customers_customer"),
    ("ledger_posting", "invoice_id", "billing_invoice"),
    ("ledger_posting", "contract_id", "billing_billingschedule"),
    ("billing_invoiceline", "price_version_id", "catalog_priceversion"),
    ("metering_usageevent", "customer_id", "customers_customer"),
    ("metering_usagerollup", "customer_id", "customers_customer"),
    ("metering_usagerollup", "meter_id", "rollups_of_meters"),
    ("metering_usageday", "customer_id", "customers_customer"),
    ("metering_usageday", "meter_id", "rollups_of_meters"),
    ("metering_usagedelta", "customer_id", "customers_customer"),
    ("metering_usagedelta", "meter_id", "rollups_of_meters"),
)
# Hourly sums belong to a version of a meter.
_ROLLUPS = """
    WITH rollups_of_meters AS (
        SELECT tenant_id, COALESCE(rollup_id, id) AS id FROM metering_meter
        UNION SELECT tenant_id, rollup_id FROM metering_meterversion)
"""


@check("I21.1", "Every row points to rows of its own tenant that exist")
def references_hold(books: Books) -> Found:
    # Row-level security hides other tenants: a reference that leaves the tenant finds nothing.
    references = [
        (model._meta.db_table, key.column, key.remote_field.model._meta.db_table)
        for model in apps.get_models()
        if issubclass(model, TenantModel) and model._meta.managed
        for key in tenant_foreign_keys(model)
    ]
    known = _tables()
    wanted = [ref for ref in (*references, *PLAIN_REFERENCES) if ref[0] in known]
    counted, found = 0, []
    for table, column, target in wanted:
        total, lost = rows(
            f"{_ROLLUPS} SELECT count(*), count(*) FILTER (WHERE t.id IS NULL)"
            f' FROM "{table}" s'
            f' LEFT JOIN "{target}" t ON t.tenant_id = s.tenant_id AND t.id = s."{column}"'
            f' WHERE s."{column}" IS NOT NULL'
        )[0]
        counted += total
        if lost:
            found.append(f"{lost} rows of {table} point with {column} to no {target} of theirs")
    return listed(found, of="references", compared=counted, notes=[f"{len(wanted)} columns"])


_NO_NUMBERS = "'NaN', 'Infinity', '-Infinity'"


@check("I07.1", "No number is NaN or infinite")
def numbers_are_numbers(books: Books) -> Found:
    columns: dict[str, list[str]] = defaultdict(list)
    for table, column in rows(
        """
        SELECT c.relname, a.attname FROM pg_class c
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relnamespace = 'public'::regnamespace AND a.atttypid = 'numeric'::regtype
           AND EXISTS (SELECT FROM pg_attribute t
                        WHERE t.attrelid = c.oid AND t.attname = 'tenant_id')
         ORDER BY 1, 2
        """
    ):
        columns[table].append(column)
    found, count = [], 0
    for table, names in columns.items():
        sums = ", ".join(
            f'count("{name}"), count(*) FILTER (WHERE "{name}" IN ({_NO_NUMBERS}))'
            for name in names
        )
        numbers = rows(f'SELECT {sums} FROM "{table}"')[0]
        for name, total, bad in zip(names, numbers[::2], numbers[1::2], strict=True):
            count += total
            if bad:
                found.append(f"{bad} rows of {table} have a {name} that is no number")
    return listed(found, of="numbers", compared=count)


_AMOUNTS = """
    SELECT 'posting ' || id AS subject, currency, amount FROM ledger_posting
    UNION ALL SELECT 'invoice ' || id, currency, a FROM billing_invoice,
        unnest(ARRAY[subtotal_amount, tax_amount, total_amount, paid_amount, credited_amount,
                     prepaid_amount]) AS a
    UNION ALL SELECT 'credits ' || t.id, g.currency, a FROM billing_credittransaction t
        JOIN billing_creditgrant g ON g.id = t.grant_id, unnest(ARRAY[t.value, t.released]) AS a
    UNION ALL SELECT 'line ' || l.id, i.currency, a FROM billing_invoiceline l
        JOIN billing_invoice i ON i.id = l.invoice_id, unnest(ARRAY[l.amount, l.tax_amount]) AS a
    UNION ALL SELECT 'credit note line ' || c.id, n.currency, a FROM billing_creditnoteline c
        JOIN billing_creditnote n ON n.id = c.credit_note_id,
        unnest(ARRAY[c.amount, c.tax_amount]) AS a
    UNION ALL SELECT 'payment ' || id, currency, amount FROM billing_payment
    UNION ALL SELECT 'obligation ' || id, currency, transaction_price
        FROM revrec_performanceobligation
    UNION ALL SELECT 'revenue month ' || r.id, o.currency, r.amount FROM revrec_revenueslice r
        JOIN revrec_performanceobligation o ON o.id = r.obligation_id
"""


@check("I07.2", "Every amount is a whole number of its currency's minor units")
def amounts_are_payable(books: Books) -> Found:
    used = rows(f"SELECT currency, count(*) FROM ({_AMOUNTS}) AS amounts GROUP BY currency")
    found = []
    for currency, _ in used:
        found += [
            f"{subject}: {amount.normalize():f} {currency}"
            for subject, amount in rows(
                f"SELECT subject, amount FROM ({_AMOUNTS}) AS amounts"
                " WHERE currency = %s AND amount %% %s <> 0 LIMIT 1000",
                [currency, minor_unit(currency)],
            )
        ]
    return listed(found, of="amounts", compared=sum(row[1] for row in used))


@check("I17.3", "Every stored document has the SHA-256 it was stored with")
def documents_unchanged(books: Books) -> Found:
    return violations(
        """
        SELECT filename || ' (' || id || ') does not have its hash' FROM documents_document
         WHERE encode(sha256(content), 'hex') <> sha256
        UNION ALL
        SELECT 'order form ' || f.number || ': its document is not the one that was signed'
          FROM quotes_orderform f JOIN documents_document d ON d.id = f.document_id
         WHERE f.document_sha256 <> d.sha256
        UNION ALL
        SELECT 'quote version ' || v.id || ': its document is not the one that was sent'
          FROM quotes_quoteversion v JOIN documents_document d ON d.id = v.document_id
         WHERE v.document_sha256 <> d.sha256
        """,
        of="documents",
        count="SELECT count(*) FROM documents_document",
    )


@check("I20.1", "Every event was delivered, is due, or waits for a person with its error")
def events_are_delivered(books: Books) -> Found:
    delivered, due, waiting = rows(
        """
        SELECT count(*) FILTER (WHERE delivered_at IS NOT NULL),
               count(*) FILTER (WHERE delivered_at IS NULL AND next_attempt_at IS NOT NULL),
               count(*) FILTER (WHERE delivered_at IS NULL AND next_attempt_at IS NULL)
          FROM events_eventdelivery
        """
    )[0]
    return violations(
        """
        SELECT d.handler || ' of ' || e.type || ' ' || e.id || ': neither delivered nor due,'
               || ' and no error says why'
          FROM events_eventdelivery d JOIN events_event e ON e.id = d.event_id
         WHERE d.delivered_at IS NULL AND d.next_attempt_at IS NULL AND d.last_error = ''
        UNION ALL
        SELECT d.handler || ' of ' || e.type || ' ' || e.id || ': delivered, and still due'
          FROM events_eventdelivery d JOIN events_event e ON e.id = d.event_id
         WHERE d.delivered_at IS NOT NULL AND d.next_attempt_at IS NOT NULL
        """,
        of="deliveries",
        count="SELECT count(*) FROM events_eventdelivery",
        notes=[f"{delivered:,} delivered, {due:,} due, {waiting:,} wait for a person"],
    )


@check("I20.2", "The counters of a job are its items")
def jobs_count_items(books: Books) -> Found:
    return compare(
        """
        WITH counted AS (
            SELECT j.id, j.title, j.total, j.done, j.failed,
                   j.up_to_date + count(i.id) AS items,
                   j.up_to_date
                   + count(i.id) FILTER (WHERE i.status IN ('done', 'skipped')) AS finished,
                   count(i.id) FILTER (WHERE i.status = 'failed') AS failures
              FROM jobs_job j LEFT JOIN jobs_jobitem i ON i.job_id = j.id GROUP BY j.id)
        SELECT title || ' ' || id AS subject, 'items' AS unit, total AS a, items AS b FROM counted
        UNION ALL SELECT title || ' ' || id, 'done', done, finished FROM counted
        UNION ALL SELECT title || ' ' || id, 'failed', failed, failures FROM counted
        """,
        of="counters",
        sides=("counted", "rows"),
    )


@check("I20.3", "A job that has ended has nothing left to do, and one that has not has no end")
def jobs_end(books: Books) -> Found:
    return violations(
        """
        SELECT j.title || ' ' || j.id || ' is ' || j.status || ', but '
               || count(i.id) FILTER (WHERE i.status = 'pending') || ' items are pending and '
               || count(i.id) FILTER (WHERE i.status = 'failed') || ' failed'
          FROM jobs_job j LEFT JOIN jobs_jobitem i ON i.job_id = j.id
         GROUP BY j.id
        HAVING (j.status IN ('succeeded', 'attention')
                AND count(i.id) FILTER (WHERE i.status = 'pending') > 0)
            OR (j.status = 'succeeded' AND count(i.id) FILTER (WHERE i.status = 'failed') > 0)
            OR (j.status IN ('queued', 'running')) = (j.finished_at IS NOT NULL)
        """,
        of="jobs",
        count="SELECT count(*) FROM jobs_job",
    )


@check("I20.4", "A mail is sent, due, or failed with its error; every sending has its mail")
def mail_is_owed_once(books: Books) -> Found:
    elsewhere = rows(
        """
        SELECT count(*) FROM billing_invoice i WHERE i.sent_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM events_event e
                            WHERE e.type = 'invoice.sent' AND e.subject = 'invoice/' || i.id)
        """
    )[0][0]
    return violations(
        """
        SELECT 'mail to ' || "to" || ' (' || subject || ') is ' || status || ' and '
               || CASE WHEN status = 'queued' THEN 'never due' ELSE 'lacks its time or error' END
          FROM mail_outgoingmail
         WHERE (status = 'queued' AND next_attempt_at IS NULL)
            OR (status = 'sent' AND sent_at IS NULL)
            OR (status = 'failed' AND last_error = '')
        UNION ALL
        SELECT e.subject || ' was sent, but ' || CASE WHEN i.sent_at IS NULL
               THEN 'does not say so' ELSE 'no mail is on record' END
          FROM events_event e LEFT JOIN billing_invoice i ON e.subject = 'invoice/' || i.id
         WHERE e.type = 'invoice.sent'
           AND (i.sent_at IS NULL OR NOT EXISTS (
                SELECT FROM mail_outgoingmail m WHERE m.dedupe_key = e.subject))
        """,
        of="mails",
        count="SELECT count(*) FROM mail_outgoingmail",
        notes=[f"{elsewhere:,} invoices were sent by another system"] if elsewhere else [],
    )


def _tables() -> set[str]:
    return {row[0] for row in rows("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')")}
