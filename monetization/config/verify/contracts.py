"""Contracts: what was signed is what is billed, once, without gap or overlap."""

from datetime import date, timedelta

from billing.models import BillingPeriod, BillingSchedule
from monetization.config.verify.base import Books, Found, check, listed, rows, violations
from monetization.kernel.period import start_instant
from monetization.pricing.estimate import estimate
from monetization.pricing.terms import OrderTerms, terms_from_data, terms_hash, terms_until
from monetization.pricing.timeline import charge_periods
from quotes.models import OrderForm, QuoteVersion


@check("I06.1", "A quote's contract value is what its frozen terms price to")
def quote_totals(books: Books) -> Found:
    found, count = [], 0
    versions = QuoteVersion.objects.filter(terms__isnull=False).select_related("quote")
    for version in versions.iterator(chunk_size=200):
        count += 1
        priced = estimate(terms_from_data(version.terms))
        for name, stored, again in (
            ("total", version.total_contract_value, priced.total_contract_value),
            ("annual", version.annual_contract_value, priced.annual_contract_value),
        ):
            if stored != again.amount:
                found.append(
                    f"{version.quote.number} v{version.number}: {name} {stored}, priced {again}"
                )
    return listed(found, of="frozen quote versions", compared=count)


@check("I12.1", "The billing periods of a contract are those of its terms")
def periods_follow_terms(books: Books) -> Found:
    rows: dict[object, set[tuple[object, ...]]] = {}
    count = 0
    for schedule_id, *columns in BillingPeriod.objects.values_list(
        "schedule_id", "phase__key", "kind", "item_key", "service_start", "service_end",
        "full_start", "full_end", "bill_on", "starts_at", "ends_at",
    ).iterator(chunk_size=5000):  # fmt: skip
        rows.setdefault(schedule_id, set()).add(tuple(columns))
        count += 1
    found = []
    for schedule in books.schedules:
        stored = rows.pop(schedule.id, set())
        planned = _planned(schedule, books.terms[schedule.id])
        if schedule.ended_on is not None:
            planned = _as_ended(schedule, books.terms[schedule.id], stored)
        missing, extra = len(planned - stored), len(stored - planned)
        if missing or extra:
            found.append(
                f"{schedule.number}: {missing} periods of the terms missing, {extra} not theirs"
            )
    found += [f"periods of an unknown schedule {schedule_id}" for schedule_id in rows]
    return listed(found, of="billing periods", compared=count)


def _as_ended(
    schedule: BillingSchedule, terms: OrderTerms, stored: set[tuple[object, ...]]
) -> set[tuple[object, ...]]:
    """Return the periods of a contract that ended early: cut, but as billed where issued."""
    end = schedule.ended_on or schedule.start_on
    billed = set(
        BillingPeriod.objects.filter(
            schedule=schedule, invoice__status="issued", service_end__gt=end
        ).values_list("phase__key", "kind", "item_key", "service_start")
    )
    horizon = end + timedelta(days=800)
    whole = {row for row in _rows(schedule, terms, horizon) if row[:4] in billed}
    cut = _rows(schedule, terms_until(terms, end), end)
    return {row for row in cut if row[:4] not in billed} | (whole & stored)


def _planned(schedule: BillingSchedule, terms: OrderTerms) -> set[tuple[object, ...]]:
    if schedule.periods_until is None:
        return set()
    return _rows(schedule, terms, schedule.periods_until)


def _rows(schedule: BillingSchedule, terms: OrderTerms, until: date) -> set[tuple[object, ...]]:
    zone = schedule.time_zone
    return {
        (
            period.phase_key, period.kind, period.item_key,
            period.service.start, period.service.end, period.full.start, period.full.end,
            period.bill_on,
            start_instant(period.service.start, zone), start_instant(period.service.end, zone),
        )
        for period in charge_periods(terms, until=until)
    }  # fmt: skip


@check("I12.2", "A contract line is billed for every day of its phases once")
def periods_tile(books: Books) -> Found:
    # A one-time fee has one period, which need not end with its phase.
    return violations(
        """
        WITH ordered AS (
            SELECT s.number, p.kind, p.item_key, p.service_start, p.service_end,
                   h.start_on, h.end_on, s.ended_on, p.phase_id,
                   lag(p.service_end) OVER line AS before,
                   lag(p.phase_id) OVER line AS phase_before,
                   lead(p.phase_id) OVER line AS phase_next,
                   count(*) OVER (PARTITION BY p.schedule_id, p.phase_id, p.kind, p.item_key) AS n
              FROM billing_billingperiod p
              JOIN billing_billingschedule s ON s.id = p.schedule_id
              JOIN billing_phase h ON h.id = p.phase_id
            WINDOW line AS (PARTITION BY p.schedule_id, p.kind, p.item_key
                            ORDER BY p.service_start, p.service_end))
        SELECT number || ' ' || item_key || ' ' || service_start || ': ' || CASE
               WHEN before > service_start THEN 'begins before the one before it ends'
               WHEN phase_before = phase_id AND before < service_start THEN 'days are left out'
               WHEN phase_before IS DISTINCT FROM phase_id AND service_start <> start_on
               THEN 'does not begin with its phase'
               ELSE 'does not end with its phase' END
          FROM ordered
         WHERE before > service_start
            OR (phase_before = phase_id AND before < service_start)
            OR (phase_before IS DISTINCT FROM phase_id AND service_start <> start_on)
            OR (phase_next IS DISTINCT FROM phase_id AND end_on IS NOT NULL AND n > 1
                AND service_end <> end_on AND end_on IS DISTINCT FROM ended_on)
        """,
        of="billing periods",
        count="SELECT count(*) FROM billing_billingperiod",
    )


@check("I12.3", "A billing period is on at most one live invoice, of its contract and date")
def periods_billed_once(books: Books) -> Found:
    return violations(
        """
        SELECT s.number || ' ' || p.item_key || ' ' || p.service_start || ' is on an invoice that '
               || CASE WHEN i.status = 'void' THEN 'is void'
                       WHEN i.schedule_id IS DISTINCT FROM p.schedule_id
                       THEN 'belongs to another contract' ELSE 'is billed another day' END
          FROM billing_billingperiod p
          JOIN billing_billingschedule s ON s.id = p.schedule_id
          JOIN billing_invoice i ON i.id = p.invoice_id
         WHERE i.status = 'void' OR i.schedule_id IS DISTINCT FROM p.schedule_id
            OR i.bill_on <> p.bill_on
               AND NOT EXISTS (SELECT FROM billing_draftchange c  -- people merged the drafts
                                WHERE c.kind = 'merge' AND c.periods ? p.id::text)
        UNION ALL
        SELECT s.number || ' ' || p.item_key || ' ' || p.service_start || ' is billed by '
               || count(*) || ' lines of live invoices'
          FROM billing_invoiceline l
          JOIN billing_invoice i ON i.id = l.invoice_id AND i.status <> 'void'
          JOIN billing_billingperiod p ON p.id = l.billing_period_id
          JOIN billing_billingschedule s ON s.id = p.schedule_id
         GROUP BY s.id, p.id HAVING count(*) > 1
        UNION ALL
        SELECT COALESCE(NULLIF(i.number, ''), i.id::text) || ' ' || l.key
               || ' bills a period that is not on its invoice'
          FROM billing_invoiceline l
          JOIN billing_invoice i ON i.id = l.invoice_id AND i.status <> 'void'
          JOIN billing_billingperiod p ON p.id = l.billing_period_id
         WHERE p.invoice_id IS DISTINCT FROM l.invoice_id
        UNION ALL
        SELECT i.number || ' leaves out ' || p.item_key || ' ' || p.service_start
          FROM billing_billingperiod p
          JOIN billing_invoice i ON i.id = p.invoice_id AND i.status = 'issued'
         WHERE NOT EXISTS (SELECT FROM billing_invoiceline l
                            WHERE l.billing_period_id = p.id AND l.invoice_id = i.id)
        """,
        of="billing periods",
        count="SELECT count(*) FROM billing_billingperiod",
    )


@check("I12.4", "A usage line measures its customer over exactly its billing period")
def readings_match_periods(books: Books) -> Found:
    return violations(
        """
        SELECT COALESCE(NULLIF(i.number, ''), i.id::text) || ' ' || l.key
               || ': its reading is of another customer or window'
          FROM billing_invoiceline l
          JOIN billing_invoice i ON i.id = l.invoice_id
          JOIN metering_usagereading r ON r.id = l.reading_id
          JOIN billing_billingperiod p ON p.id = l.billing_period_id
         WHERE (r.customer_id, r.window_start, r.window_end)
               IS DISTINCT FROM (i.customer_id, p.starts_at, p.ends_at)
        """,
        of="measured lines",
        count="SELECT count(*) FROM billing_invoiceline WHERE reading_id IS NOT NULL",
    )


@check("I12.5", "A completed contract has left no billing period without an invoice")
def completed_contracts_are_billed(books: Books) -> Found:
    due = rows(
        """
        SELECT count(*) FROM billing_billingperiod p
          JOIN billing_billingschedule s ON s.id = p.schedule_id AND s.status = 'active'
         WHERE p.invoice_id IS NULL AND p.bill_on <= current_date
        """
    )[0][0]
    return violations(
        """
        SELECT s.number || ' is completed, but ' || p.item_key || ' ' || p.service_start
               || ' is on no invoice'
          FROM billing_billingperiod p
          JOIN billing_billingschedule s ON s.id = p.schedule_id AND s.status = 'completed'
         WHERE p.invoice_id IS NULL
        """,
        of="periods of completed contracts",
        count="""
        SELECT count(*) FROM billing_billingperiod p
          JOIN billing_billingschedule s ON s.id = p.schedule_id AND s.status = 'completed'
        """,
        notes=[f"{due:,} periods of active contracts are due and not drafted yet"] if due else [],
    )


@check("I17.2", "The terms billed are the terms signed, and still have the hash that was signed")
def terms_unchanged(books: Books) -> Found:
    found, count = [], 0
    for form in OrderForm.objects.select_related("version").iterator(chunk_size=200):
        count += 1
        if terms_hash(terms_from_data(form.terms)) != form.terms_sha256:
            found.append(f"order form {form.number}: its terms do not have the signed hash")
        if form.version.terms_sha256 not in ("", form.terms_sha256):
            found.append(f"order form {form.number}: the quote shown had other terms")
    for schedule in books.schedules:
        count += 1
        signed = schedule.order_form.terms_sha256 if schedule.order_form else schedule.terms_sha256
        if not terms_hash(books.terms[schedule.id]) == schedule.terms_sha256 == signed:
            found.append(f"schedule {schedule.number}: its terms are not the signed ones")
    for version in QuoteVersion.objects.exclude(terms_sha256="").select_related("quote"):
        count += 1
        if terms_hash(terms_from_data(version.terms)) != version.terms_sha256:
            found.append(
                f"{version.quote.number} v{version.number}: its terms changed after it was sent"
            )
    return listed(found, of="order forms, schedules and sent versions", compared=count)
