"""Credits: what was granted is used, expired, withdrawn or still held; the books agree."""

from django.db.models import Sum

from billing.domain.credit_use import liability
from billing.models import CreditGrant, CreditTransaction
from billing.selectors.credits import balances_of
from monetization.config.verify.base import Books, Found, check, compare, listed, violations
from monetization.kernel.money import ZERO, Money

_BY_KIND = """
    SELECT grant_id, COALESCE(sum(units), 0) AS balance,
           COALESCE(sum(units) FILTER (WHERE kind = 'granted'), 0) AS granted,
           -COALESCE(sum(units) FILTER (WHERE kind IN
               ('burned', 'returned', 'covering', 'covered')), 0) AS burned,
           -COALESCE(sum(units) FILTER (WHERE kind = 'expired'), 0) AS expired,
           -COALESCE(sum(units) FILTER (WHERE kind IN ('voided', 'rolled_over')), 0) AS withdrawn
      FROM billing_credittransaction GROUP BY 1
"""


@check("I08.1", "Credits granted are used, expired, withdrawn or still held; each grant as agreed")
def credits_conserve(books: Books) -> Found:
    return compare(
        f"""
        SELECT c.name || ': ' || g.name AS subject,
               COALESCE(NULLIF(g.unit_code, ''), g.kind || ' ' || g.currency) AS unit,
               g.amount AS a, t.burned + t.expired + t.withdrawn + t.balance AS b
          FROM billing_creditgrant g
          JOIN customers_customer c ON c.id = g.customer_id
          LEFT JOIN ({_BY_KIND}) AS t ON t.grant_id = g.id
        """,
        of="grants",
        sides=("granted", "used, expired, withdrawn and held"),
    )


@check("I08.2", "No grant is below zero, unless it may be; what ended holds nothing")
def balances_are_allowed(books: Books) -> Found:
    return violations(
        f"""
        SELECT g.name || ' holds ' || t.balance || ' ' || g.unit_code
          FROM billing_creditgrant g JOIN ({_BY_KIND}) AS t ON t.grant_id = g.id
         WHERE (t.balance < 0 AND NOT g.allows_overdraft)
            OR (t.balance > 0 AND g.ended_at IS NOT NULL)
        """,
        of="grants",
        count="SELECT count(*) FROM billing_creditgrant",
    )


@check("I08.3", "What credits settle of an invoice is what they burned on it, less what went back")
def settled_is_burned(books: Books) -> Found:
    return compare(
        """
        SELECT i.number AS subject, i.currency AS unit, i.prepaid_amount AS a, t.value AS b
          FROM billing_invoice i
          LEFT JOIN (SELECT t.invoice_id, sum(t.value) AS value
                       FROM billing_credittransaction t
                       JOIN billing_invoicecredit p ON p.invoice_id = t.invoice_id
                        AND p.grant_id = t.grant_id AND p.line_key = t.line_key
                      WHERE t.kind IN ('burned', 'returned') AND NOT p.reduces_base
                      GROUP BY 1) AS t ON t.invoice_id = i.id
         WHERE i.status IN ('issued', 'void')
        """,
        of="invoices",
        sides=("settled", "burned"),
    )


@check("I08.4", "The ledger owes a customer for each grant what its balance was sold for")
def liability_is_balance(books: Books) -> Found:
    return compare(
        """
        WITH ledger AS (
            SELECT item_key, currency, -sum(amount) AS amount FROM ledger_posting
             WHERE account = 'customer_credits' GROUP BY 1, 2),
        grants AS (
            SELECT 'grant:' || g.id AS item_key, g.currency, c.name || ': ' || g.name AS subject,
                   -COALESCE((SELECT sum(t.released) FROM billing_credittransaction t
                               WHERE t.grant_id = g.id), 0) AS amount
              FROM billing_creditgrant g
              JOIN customers_customer c ON c.id = g.customer_id)
        SELECT COALESCE(g.subject, item_key) AS subject, currency AS unit,
               l.amount AS a, g.amount AS b
          FROM ledger l FULL JOIN grants g USING (item_key, currency)
        """,
        of="grants",
        sides=("ledger", "sold and not released"),
    )


@check("I08.5", "What is still owed for a grant is what its balance was sold for, rounded once")
def released_is_share(books: Books) -> Found:
    held = balances_of(CreditGrant.objects.values_list("id", flat=True))
    sums = dict(
        CreditTransaction.objects.values("grant")
        .annotate(total=Sum("released"))
        .values_list("grant", "total")
    )
    found, count = [], 0
    for grant in CreditGrant.objects.iterator():
        count += 1
        cost = Money(grant.cost_amount, grant.currency)
        should = liability(cost, grant.amount, held.get(grant.id, ZERO)).amount
        is_owed = -sums.get(grant.id, ZERO)
        if should != is_owed:
            found.append(f"{grant.name}: {is_owed} is owed, its balance was sold for {should}")
    return listed(found, of="grants", compared=count)


@check("I08.6", "Nothing is given back that was not used, nor more of it")
def returns_fit(books: Books) -> Found:
    return violations(
        """
        SELECT 'use ' || b.id || ' of ' || -b.units || ' was given back ' || sum(r.units)
          FROM billing_credittransaction r JOIN billing_credittransaction b ON b.id = r.returns_id
         GROUP BY b.id
        HAVING sum(r.units) > -b.units OR -sum(r.value) > b.value
            OR bool_or(r.grant_id <> b.grant_id OR b.kind <> 'burned')
        """,
        of="uses given back",
        count="SELECT count(DISTINCT returns_id) FROM billing_credittransaction",
    )


@check("I08.7", "What covers an overdraft is what was overdrawn, unit for unit")
def covers_fit(books: Books) -> Found:
    return violations(
        """
        SELECT 'event ' || event_id || ' covers ' || sum(units) || ' more than it takes'
          FROM billing_credittransaction WHERE kind IN ('covering', 'covered')
         GROUP BY event_id HAVING sum(units) <> 0
        """,
        of="moves of credits",
        count="SELECT count(*) FROM billing_credittransaction",
    )
