"""What customers owe: the ledger against the documents."""

from monetization.config.verify.base import Books, Found, check, compare, violations


@check("I02.1", "Receivables per customer are open invoices less credits and unallocated money")
def receivable_per_customer(books: Books) -> Found:
    return compare(
        """
        WITH ledger AS (
            SELECT customer_id, currency, sum(amount) AS amount FROM ledger_posting
             WHERE account = 'accounts_receivable' GROUP BY 1, 2),
        documents AS (
            SELECT customer_id, currency, sum(amount) AS amount FROM (
                SELECT customer_id, currency,
                       total_amount - paid_amount - credited_amount - prepaid_amount
                         - written_off_amount AS amount
                  FROM billing_invoice WHERE status = 'issued'
                UNION ALL
                SELECT p.customer_id, p.currency,
                       COALESCE((SELECT sum(a.amount) FROM billing_paymentallocation a
                                  WHERE a.payment_id = p.id), 0) - p.amount
                     + COALESCE((SELECT sum(r.amount) FROM billing_paymentrefund r
                                  WHERE r.payment_id = p.id), 0)
                  FROM billing_payment p) AS parts
             GROUP BY 1, 2)
        SELECT COALESCE(c.name, 'customer ' || j.customer_id) AS subject, j.currency AS unit, a, b
          FROM (SELECT customer_id, currency, l.amount AS a, d.amount AS b
                  FROM ledger l FULL JOIN documents d USING (customer_id, currency)) AS j
          LEFT JOIN customers_customer c ON c.id = j.customer_id
        """,
        of="customers",
        sides=("ledger", "documents"),
    )


@check("I02.2", "Receivables per invoice are its total less payments and credits")
def receivable_per_invoice(books: Books) -> Found:
    return compare(
        """
        WITH ledger AS (
            SELECT invoice_id, currency, sum(amount) AS amount FROM ledger_posting
             WHERE account = 'accounts_receivable' AND invoice_id IS NOT NULL GROUP BY 1, 2),
        invoices AS (
            SELECT id AS invoice_id, currency, number,
                   CASE status WHEN 'issued'
                        THEN total_amount - paid_amount - credited_amount - prepaid_amount
                             - written_off_amount
                        ELSE 0 END AS amount
              FROM billing_invoice WHERE status IN ('issued', 'void'))
        SELECT COALESCE(i.number, 'invoice ' || invoice_id) AS subject, currency AS unit,
               l.amount AS a, i.amount AS b
          FROM ledger l FULL JOIN invoices i USING (invoice_id, currency)
        """,
        of="invoices",
        sides=("ledger", "documents"),
    )


@check("I02.3", "Cash and fees in the ledger are the payments recorded less refunds")
def cash_is_payments(books: Books) -> Found:
    return compare(
        """
        WITH ledger AS (
            SELECT customer_id, currency, sum(amount) AS amount FROM ledger_posting
             WHERE account IN ('cash_clearing', 'payment_fees') AND customer_id IS NOT NULL
             GROUP BY 1, 2 HAVING sum(amount) <> 0),
        payments AS (
            SELECT customer_id, currency, sum(amount) AS amount FROM (
                SELECT customer_id, currency, amount FROM billing_payment
                UNION ALL
                SELECT p.customer_id, p.currency, -r.amount
                  FROM billing_paymentrefund r JOIN billing_payment p ON p.id = r.payment_id
                ) AS parts
             GROUP BY 1, 2 HAVING sum(amount) <> 0)
        SELECT COALESCE(c.name, 'customer ' || j.customer_id) AS subject, j.currency AS unit, a, b
          FROM (SELECT customer_id, currency, l.amount AS a, p.amount AS b
                  FROM ledger l FULL JOIN payments p USING (customer_id, currency)) AS j
          LEFT JOIN customers_customer c ON c.id = j.customer_id
        """,
        of="customers",
        sides=("ledger", "payments"),
    )


@check("I02.4", "Tax payable per invoice is the tax it charged less the tax credited")
def tax_is_documents(books: Books) -> Found:
    return compare(
        """
        WITH ledger AS (
            SELECT invoice_id, currency, -sum(amount) AS amount FROM ledger_posting
             WHERE account = 'tax_payable' GROUP BY 1, 2),
        documents AS (
            SELECT invoice_id, currency, sum(amount) AS amount FROM (
                SELECT id AS invoice_id, currency, tax_amount AS amount
                  FROM billing_invoice WHERE status = 'issued'
                UNION ALL
                SELECT invoice_id, currency, -tax_amount FROM billing_creditnote) AS parts
             GROUP BY 1, 2)
        SELECT COALESCE(i.number, 'invoice ' || j.invoice_id) AS subject, j.currency AS unit, a, b
          FROM (SELECT invoice_id, currency, l.amount AS a, d.amount AS b
                  FROM ledger l FULL JOIN documents d USING (invoice_id, currency)) AS j
          LEFT JOIN billing_invoice i ON i.id = j.invoice_id
        """,
        of="invoices",
        sides=("ledger", "documents"),
    )


@check("I02.5", "What an invoice was paid is what payments allocate to it")
def paid_is_allocated(books: Books) -> Found:
    return compare(
        """
        SELECT COALESCE(NULLIF(i.number, ''), i.id::text) AS subject, i.currency AS unit,
               i.paid_amount AS a, sum(p.amount) AS b
          FROM billing_invoice i LEFT JOIN billing_paymentallocation p ON p.invoice_id = i.id
         GROUP BY i.id
        """,
        of="invoices",
        sides=("paid", "allocated"),
    )


@check("I02.6", "Payments settle invoices of their customer and currency, never more than received")
def allocations_fit(books: Books) -> Found:
    return violations(
        """
        SELECT 'payment ' || p.reference || ' of ' || p.amount || ' settles ' || sum(a.amount)
          FROM billing_payment p JOIN billing_paymentallocation a ON a.payment_id = p.id
         GROUP BY p.id
        HAVING sum(a.amount) > p.amount - COALESCE(
            (SELECT sum(r.amount) FROM billing_paymentrefund r WHERE r.payment_id = p.id), 0)
        UNION ALL
        SELECT 'payment ' || p.reference || ' settles ' || COALESCE(NULLIF(i.number, ''), i.status)
               || ', which is of another customer or currency, or was not issued'
          FROM billing_paymentallocation a
          JOIN billing_payment p ON p.id = a.payment_id
          JOIN billing_invoice i ON i.id = a.invoice_id
         WHERE (i.customer_id, i.currency) IS DISTINCT FROM (p.customer_id, p.currency)
            OR i.status <> 'issued'
        """,
        of="allocations",
        count="SELECT count(*) FROM billing_paymentallocation",
    )


@check("I02.7", "Paid, partially paid and unpaid say what payments and credits say")
def payment_status_follows(books: Books) -> Found:
    return violations(
        """
        SELECT i.number || ' is ' || i.payment_status || ', but ' || i.paid_amount || ' paid and '
               || i.credited_amount || ' credited of ' || i.total_amount
          FROM billing_invoice i
         WHERE i.status = 'issued' AND i.payment_status <> 'uncollectible'
           AND i.paid_amount + i.credited_amount + i.prepaid_amount <> 0
           AND i.payment_status <> CASE
               WHEN i.paid_amount + i.credited_amount + i.prepaid_amount >= i.total_amount
                    THEN 'paid'
               WHEN i.paid_amount + i.credited_amount + i.prepaid_amount > 0
                    THEN 'partially_paid'
               ELSE 'unpaid' END
        UNION ALL
        SELECT i.number || ' is ' || i.payment_status || ' without a payment or a credit'
          FROM billing_invoice i
         WHERE i.payment_status IN ('paid', 'partially_paid') AND i.total_amount > 0
           AND i.status = 'issued'
           AND i.paid_amount + i.credited_amount + i.prepaid_amount = 0
        """,
        of="issued invoices",
        count="SELECT count(*) FROM billing_invoice WHERE status = 'issued'",
    )
