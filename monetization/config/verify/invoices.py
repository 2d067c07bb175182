"""Invoices and credit notes by themselves: they add up, explain themselves, have not changed."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db.models import Prefetch
from django.utils import timezone

from billing.domain.tax import included_tax, line_tax, without_tax
from billing.models import CalculationMark, Invoice, InvoiceLine, SeatBalance
from billing.selectors.claimed import BILLED, PROGRESS
from billing.services.calculation import Seen, hashed_the_same, preview, surely_current
from billing.services.invoicing import OPEN_STATES, content_hash
from monetization.config.verify.base import Books, Found, check, compare, listed, violations
from monetization.kernel.decimals import plain
from monetization.kernel.money import Money
from monetization.kernel.period import Period
from monetization.pricing.codec import price_to_data
from monetization.pricing.estimate import rerate
from monetization.pricing.estimate.items import discount_data
from monetization.pricing.prices import PercentOf, Seat
from monetization.pricing.proration import prorate_factor
from monetization.pricing.terms import ItemTerms, OrderTerms
from monetization.pricing.timeline import ChargePeriod, minimum_of

CHUNK = 1000


@check("I03.1", "The subtotal of an invoice is the sum of its lines")
def subtotal_is_lines(books: Books) -> Found:
    return compare(_against_lines("subtotal_amount", "amount"), of="invoices", sides=_LINES)


@check("I03.2", "The tax of an invoice is the sum of its lines' tax")
def tax_is_lines(books: Books) -> Found:
    return compare(_against_lines("tax_amount", "tax_amount"), of="invoices", sides=_LINES)


_LINES = ("invoices", "lines")


def _against_lines(of_invoice: str, of_line: str) -> str:
    return f"""
        SELECT COALESCE(NULLIF(i.number, ''), i.status || ' ' || i.id) AS subject,
               i.currency AS unit, i.{of_invoice} AS a, sum(l.{of_line}) AS b
          FROM billing_invoice i LEFT JOIN billing_invoiceline l ON l.invoice_id = i.id
         GROUP BY i.id
        """


@check("I03.3", "The total of a document is its subtotal plus its tax")
def total_is_subtotal_plus_tax(books: Books) -> Found:
    return compare(
        """
        SELECT COALESCE(NULLIF(number, ''), id::text) AS subject, currency AS unit,
               total_amount AS a, subtotal_amount + tax_amount AS b FROM billing_invoice
        UNION ALL
        SELECT number, currency, total_amount, subtotal_amount + tax_amount FROM billing_creditnote
        """,
        of="documents",
        sides=("totals", "subtotals plus tax"),
    )


@check("I03.8", "An invoice stands beside the total of its contract's invoice before")
def stands_beside_the_one_before(books: Books) -> Found:
    return compare(
        """
        SELECT COALESCE(NULLIF(i.number, ''), i.status || ' ' || i.id) AS subject,
               i.currency AS unit, i.previous_amount AS a,
               (SELECT b.total_amount FROM billing_invoice b
                 WHERE b.schedule_id = i.schedule_id AND b.bill_on < i.bill_on
                   AND b.status <> 'void' AND b.threshold_number IS NULL
                 ORDER BY b.bill_on DESC, b.part LIMIT 1) AS b
          FROM billing_invoice i
         WHERE i.schedule_id IS NOT NULL AND i.threshold_number IS NULL AND i.status <> 'void'
        """,
        of="invoices",
        sides=("kept", "before"),
    )


@check("I03.4", "The tax of a line is its rate on its rounded net or inside its price, once")
def line_tax_follows(books: Books) -> Found:
    found, count = [], 0
    settings = ("invoice__tax_method", "invoice__prices_include_tax")
    for line in _lines("amount", "tax_percent", "tax_amount", *settings):
        if line["invoice__tax_method"] != "per_line":
            continue
        count += 1
        currency, percent = line["invoice__currency"], line["tax_percent"]
        net, tax = Money(line["amount"], currency), Money(line["tax_amount"], currency)
        contained = line["invoice__prices_include_tax"]
        should = included_tax(net + tax, percent) if contained else line_tax(net, percent)
        if should != tax:
            found.append(f"{_name(line)}: tax {line['tax_amount']}, should be {should}")
    return listed(found, of="lines", compared=count)


@check("I03.9", "Where tax is rounded by category, it is each rate on the sum of its lines")
def category_tax_follows(books: Books) -> Found:
    sums: dict[tuple[Any, Any, str], list[Decimal]] = {}
    names: dict[Any, str] = {}
    for line in _lines("amount", "tax_percent", "tax_amount", "invoice_id", "invoice__tax_method"):
        if line["invoice__tax_method"] == "per_category":
            key = line["invoice_id"], line["tax_percent"], line["invoice__currency"]
            names[line["invoice_id"]] = _name(line)
            net, tax = sums.get(key, [Decimal(0), Decimal(0)])
            sums[key] = [net + line["amount"], tax + line["tax_amount"]]
    found = []
    for (invoice_id, percent, currency), (net, tax) in sums.items():
        should = line_tax(Money(net, currency), percent)
        if should.amount != tax:
            found.append(f"{names[invoice_id]} at {percent} %: tax {tax}, should be {should}")
    return listed(found, of="rates", compared=len(sums))


@check("I03.5", "A credit note is the sum of its lines")
def credit_note_is_lines(books: Books) -> Found:
    return compare(
        """
        SELECT n.number AS subject, n.currency AS unit,
               n.total_amount AS a, sum(l.amount + l.tax_amount) AS b
          FROM billing_creditnote n LEFT JOIN billing_creditnoteline l ON l.credit_note_id = n.id
         GROUP BY n.id
        """,
        of="credit notes",
        sides=("totals", "lines"),
    )


@check("I03.6", "What an invoice was credited is what its credit notes say")
def credited_is_notes(books: Books) -> Found:
    return compare(
        """
        SELECT COALESCE(NULLIF(i.number, ''), i.id::text) AS subject, i.currency AS unit,
               i.credited_amount AS a, sum(n.total_amount) AS b
          FROM billing_invoice i
          LEFT JOIN billing_creditnote n ON n.invoice_id = i.id AND n.currency = i.currency
         GROUP BY i.id
        """,
        of="invoices",
        sides=("credited", "credit notes"),
    )


@check("I03.7", "Credit notes take back no more of a line, or of its tax, than was invoiced")
def credits_fit(books: Books) -> Found:
    return violations(
        """
        SELECT i.number || ' ' || l.key || ': ' || l.amount || ' + ' || l.tax_amount
               || ' invoiced, ' || sum(c.amount) || ' + ' || sum(c.tax_amount) || ' credited'
          FROM billing_creditnoteline c
          JOIN billing_invoiceline l ON l.id = c.invoice_line_id
          JOIN billing_invoice i ON i.id = l.invoice_id
         GROUP BY i.id, l.id
        HAVING sum(c.amount) NOT BETWEEN LEAST(l.amount, 0) AND GREATEST(l.amount, 0)
            OR sum(c.tax_amount) NOT BETWEEN LEAST(l.tax_amount, 0) AND GREATEST(l.tax_amount, 0)
        UNION ALL
        SELECT n.number || ' credits a line of another invoice'
          FROM billing_creditnoteline c
          JOIN billing_creditnote n ON n.id = c.credit_note_id
          JOIN billing_invoiceline l ON l.id = c.invoice_line_id
         WHERE l.invoice_id <> n.invoice_id
        """,
        of="credited lines",
        count="SELECT count(*) FROM billing_creditnoteline",
    )


@check("I16.1", "Every line rates again to the same amount from its stored inputs")
def lines_rerate(books: Books) -> Found:
    found, count = [], 0
    for line in _lines("amount", "explanation", computed=True):
        count += 1
        currency = line["invoice__currency"]
        again = rerate(line["explanation"])
        stored = line["explanation"].get("amount")
        net = without_tax(line["explanation"], again)
        if net != Money(line["amount"], currency) or stored != str(again.amount):
            found.append(f"{_name(line)}: {line['amount']} stored, {again} rated again")
    return listed(found, of="lines", compared=count)


@check("I16.2", "Every line is priced as signed: model, quantity, part of the period, discounts")
def lines_priced_as_signed(books: Books) -> Found:
    found, count = [], 0
    said = set(SeatBalance.objects.values_list("schedule_id", "item_key"))
    for line in _lines(
        "explanation",
        "item_key",
        "kind",
        "invoice__status",
        "billing_period__schedule_id",
        "billing_period__phase__key",
        *(f"billing_period__{name}" for name in _SPANS),
        computed=True,
    ):
        if line["kind"] in (PROGRESS, BILLED):
            continue  # parts of lines that are priced as signed
        if line["billing_period__schedule_id"] is None and line["invoice__status"] == "void":
            continue  # its contract ended early: the period is cut, or gone
        count += 1
        terms = books.terms.get(line["billing_period__schedule_id"])
        if terms is None:
            found.append(f"{_name(line)} has no billing period")
            continue
        stored = line["explanation"]
        for name, agreed in _agreed(terms, line, said).items():
            if stored.get(name) != agreed:
                found.append(f"{_name(line)}: {name} is {stored.get(name)}, signed {agreed}")
    return listed(found, of="lines", compared=count)


_SPANS = ("service_start", "service_end", "full_start", "full_end")


def _agreed(terms: OrderTerms, line: dict[str, Any], said: set[tuple[Any, str]]) -> dict[str, Any]:
    """Return what the explanation of a line must say, by the signed terms alone.

    :param said: the contracts, and their lines, whose seats were said since.
    """
    phase = terms.phase(line["billing_period__phase__key"])
    service_start, service_end, full_start, full_end = (
        line[f"billing_period__{name}"] for name in _SPANS
    )
    service, full = Period(service_start, service_end), Period(full_start, full_end)
    agreed: dict[str, Any] = {
        "currency": terms.currency,
        "kind": "item" if line["kind"] == "prepaid" else line["kind"],
        "service": [service.start.isoformat(), service.end.isoformat()],
    }
    if line["kind"] == "minimum":
        period = ChargePeriod(
            phase.key, line["item_key"], "minimum", service, full, service.end, Fraction(1)
        )
        minimum, _ = minimum_of(terms, period)
        factor = prorate_factor(service, full, "daily") if minimum.is_prorated else Fraction(1)
        agreed["committed"] = plain(minimum.amount)
    else:
        item = phase.item(line["item_key"])
        factor = prorate_factor(service, full, item.proration)
        agreed["model"] = price_to_data(item.model)
        agreed["is_usage"] = item.kind == "usage"
        agreed["discounts"] = [
            discount_data(discount)
            for discount in phase.discounts
            if discount.item_keys is None or item.key in discount.item_keys
        ]
        quantity = _agreed_quantity(item, line, said)
        if quantity is not None:
            agreed["quantity"] = plain(quantity)
    agreed["factor"] = [factor.numerator, factor.denominator]
    return agreed


def _agreed_quantity(
    item: ItemTerms, line: dict[str, Any], said: set[tuple[Any, str]]
) -> Decimal | None:
    """Return the quantity that was signed; None where it is measured or said later."""
    if item.kind == "usage" or isinstance(item.model, PercentOf):
        return None
    if isinstance(item.model, Seat):
        if item.overage_frequency is not None and line["item_key"] == item.key:
            return item.model.contracted_minimum
        if (line["billing_period__schedule_id"], item.key) in said:
            return None
    return item.quantity


@check("I16.3", "A usage line bills the quantity of its reading; nothing below zero")
def usage_is_reading(books: Books) -> Found:
    found, count = [], 0
    for line in _lines("quantity", "explanation", "reading__quantity", computed=True):
        if not line["explanation"].get("is_usage"):
            continue
        count += 1
        estimate = line["explanation"].get("estimate")
        read = (
            Decimal(estimate["quantity"]) if estimate else line["reading__quantity"] or Decimal(0)
        )
        billed = Decimal(line["explanation"]["quantity"])
        if billed != max(read, Decimal(0)) or line["quantity"] != billed:
            found.append(f"{_name(line)}: bills {plain(billed)}, its reading says {plain(read)}")
    return listed(found, of="usage lines", compared=count)


@check("I16.4", "An open invoice that is passed over as untouched has not changed")
def untouched_is_unchanged(books: Books) -> Found:
    marked = CalculationMark.objects.values("invoice")
    rows = Invoice.objects.filter(status__in=OPEN_STATES, id__in=marked)
    known = {row.id: row for row in rows.select_related("customer", "schedule").order_by("id")}
    if not known:
        return listed([], of="invoices passed over", compared=0)
    seen, now = Seen.now(), timezone.now()
    passed = surely_current(list(known), now=now)
    computed = set(  # these have no hash
        CalculationMark.objects.filter(invoice__in=passed, mark="").values_list(
            "invoice", flat=True
        )
    )
    changed = passed - computed - hashed_the_same(list(passed), seen, now=now).keys()
    changed |= {
        change.invoice_id for change in preview([known[each] for each in computed], now=now)
    }
    found = [
        f"{known[each].customer.name}, {known[each].bill_on}: a recalculation would change it"
        for each in sorted(changed)
    ]
    return listed(found, of="invoices passed over", compared=len(passed))


@check("I17.1", "An issued invoice says what it said when it was issued")
def invoices_unchanged(books: Books) -> Found:
    invoices = (
        Invoice.objects.filter(status__in=[Invoice.Status.ISSUED, Invoice.Status.VOID])
        .prefetch_related(
            Prefetch(
                "lines",
                queryset=InvoiceLine.objects.order_by("position", "key").defer("explanation"),
            )
        )
        .order_by("id")
    )
    found, count = [], 0
    for invoice in invoices.iterator(chunk_size=CHUNK):
        count += 1
        if content_hash(invoice, list(invoice.lines.all())) != invoice.content_sha256:
            found.append(f"{invoice.number}: its content does not have the hash of its issue")
    return listed(found, of="issued invoices", compared=count)


@check("I18.1", "Numbers have no gap and no double, per legal entity and series")
def numbers_are_gapless(books: Books) -> Found:
    return violations(
        """
        WITH documents AS (
            SELECT legal_entity_id, 'invoice' AS series, number FROM billing_invoice
             WHERE number <> ''
            UNION ALL
            SELECT legal_entity_id, 'credit_note', number FROM billing_creditnote
            UNION ALL
            SELECT legal_entity_id, 'schedule', number FROM billing_billingschedule),
        used AS (
            SELECT legal_entity_id, series, count(*) AS documents,
                   count(DISTINCT substring(number FROM '[0-9]+$')::bigint) AS numbers,
                   min(substring(number FROM '[0-9]+$')::bigint) AS first,
                   max(substring(number FROM '[0-9]+$')::bigint) AS last
              FROM documents GROUP BY 1, 2)
        SELECT COALESCE(e.code, legal_entity_id::text) || ' ' || series || ': '
               || COALESCE(u.documents, 0) || ' documents, ' || COALESCE(u.numbers, 0)
               || ' numbers from ' || COALESCE(u.first, 0) || ' to ' || COALESCE(u.last, 0)
               || ', next number ' || COALESCE(s.next_number::text, 'unknown')
          FROM used u FULL JOIN billing_documentsequence s USING (legal_entity_id, series)
          LEFT JOIN tenancy_legalentity e ON e.id = legal_entity_id
         WHERE (COALESCE(u.documents, 0), COALESCE(u.numbers, 0), COALESCE(u.last, 0))
               IS DISTINCT FROM (s.next_number - 1::bigint, s.next_number - 1::bigint,
                                 s.next_number - 1::bigint)
            OR u.first > 1
        UNION ALL
        SELECT 'quotes: ' || documents || ' quotes, ' || numbers || ' numbers up to ' || last
               || ', next number ' || next
          FROM (SELECT count(*) AS documents, count(DISTINCT number) AS numbers,
                       COALESCE(max(substring(number FROM '[0-9]+$')::bigint), 0) AS last,
                       (SELECT COALESCE(max(next_number), 1) FROM quotes_quotesequence) AS next
                  FROM quotes_quote) AS quotes
         WHERE NOT (documents = numbers AND documents = last AND documents = next - 1)
        """,
        of="numbered documents",
        count="""
        SELECT (SELECT count(*) FROM billing_invoice WHERE number <> '')
             + (SELECT count(*) FROM billing_creditnote)
             + (SELECT count(*) FROM billing_billingschedule) + (SELECT count(*) FROM quotes_quote)
        """,
    )


def _lines(*names: str, computed: bool = False) -> Iterator[dict[str, Any]]:
    """Stream lines; ``computed`` leaves out what people wrote, and what credits pay."""
    lines = InvoiceLine.objects.all()
    if computed:
        lines = lines.filter(is_manual=False).exclude(kind="credit")
    columns = ("key", "invoice_id", "invoice__number", "invoice__currency", *names)
    return lines.values(*columns).iterator(chunk_size=CHUNK)


def _name(line: dict[str, Any]) -> str:
    return f"{line['invoice__number'] or line['invoice_id']} {line['key']}"
