"""The least a recalculation must do, by hand: no tests, no jobs, no marks, one contract for all.

One limit reads every quantity at once, rates, and copies the lines into a bare table; one copies
all that a recalculation leaves, ready as it is, into plain tables with the same indexes. The last
leaves those rows in the tables themselves, with their keys and guards.
"""

import time
from contextlib import ExitStack
from decimal import Decimal
from tempfile import TemporaryFile
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.benches.company import TAX, Company
from billing.domain.tax import line_tax
from billing.models import Invoice, InvoiceLine, Recalculation
from billing.selectors.schedules import PERIOD_COLUMNS, PeriodRow, charge_period
from metering.benches.limits import scratch_schema
from metering.models import UsageReading
from metering.services import READING_NAMES
from monetization.kernel.ids import uuid7
from monetization.kernel.period import start_instant
from monetization.pricing.estimate import price_periods
from monetization.pricing.terms import OrderTerms, terms_from_data
from monetization.pricing.timeline import ChargePeriod
from monetization.tenancy.bulk import bulk_cursor, insert_records, update_records
from monetization.tenancy.context import tenant_context

_READ = """
SELECT meter_id, customer_id, sum(quantity) FROM (
  SELECT meter_id, customer_id, quantity FROM metering_usagerollup
   WHERE hour >= %b AND hour < %b
  UNION ALL
  SELECT meter_id, customer_id, quantity FROM metering_usagedelta
   WHERE hour >= %b AND hour < %b) u GROUP BY 1, 2
"""
_SCHEMA = "month_end_limit"
EXACT = Decimal("1e-30")
# What a recalculation leaves of drafts, by its table; the latest of what is kept of every one.
_LEFT = {
    "billing_invoice": "SELECT * FROM billing_invoice WHERE id = ANY(%b)",
    "billing_invoiceline": "SELECT * FROM billing_invoiceline WHERE invoice_id = ANY(%b)",
    "billing_calculationmark": "SELECT * FROM billing_calculationmark WHERE invoice_id = ANY(%b)",
    "billing_invoicecomparison": (
        "SELECT * FROM billing_invoicecomparison WHERE invoice_id = ANY(%b)"
    ),
    "billing_recalculation": (
        "SELECT DISTINCT ON (invoice_id) * FROM billing_recalculation"
        " WHERE invoice_id = ANY(%b) ORDER BY invoice_id, at DESC"
    ),
    "metering_usagereading": (
        "SELECT * FROM metering_usagereading WHERE id IN"
        " (SELECT reading_id FROM billing_invoiceline WHERE invoice_id = ANY(%b))"
    ),
}
_PIECE = 1024 * 1024
_LINE = ("id", "quantity", "exact_amount", "amount", "tax_amount", "explanation", "reading_id")
_TOTALS = ("id", "subtotal_amount", "tax_amount", "total_amount")
_CHANGE = ("id", "invoice_id", "at", "actor", "total_before", "total_after", "changes")
_COLUMNS = "id, invoice_id, key, description, quantity, amount, explanation"


def least_seconds(company: Company) -> float:
    """Return the seconds a loop by hand takes for the company's drafts: no diff, no tests."""
    with tenant_context(company.tenant_id, actor="bench"):
        terms, charges = _contract(company)
        line = InvoiceLine.objects.filter(invoice=company.drafts[0])[0]
        explanation = str(line.explanation).replace("'", '"').replace("None", "null")
        began = time.perf_counter()
        quantities = _read(company)
        rows: list[tuple[Any, ...]] = []
        for customer_id, invoice_id in zip(company.customers, company.drafts, strict=True):
            measured = _measured(company, customer_id, quantities)
            rows += [
                (uuid7(), invoice_id, p.key, p.label, p.quantity, p.amount.amount, explanation)
                for p in price_periods(terms, charges, measured)
            ]
        _copy(rows)
        return time.perf_counter() - began


def copying_seconds(company: Company) -> float:
    """Return the seconds it takes to read, rate, and copy what a recalculation left.

    The rows are taken out before; nothing is compared, checked or written by Python.
    """
    with ExitStack() as stack:
        files = {table: stack.enter_context(TemporaryFile()) for table in _LEFT}
        with tenant_context(company.tenant_id, actor="bench"), bulk_cursor() as cursor:
            for table, query in _LEFT.items():
                with cursor.copy(
                    f"COPY ({query}) TO STDOUT (FORMAT binary)", [company.drafts]
                ) as out:
                    files[table].writelines(out)
                files[table].seek(0)
        stack.enter_context(scratch_schema(_SCHEMA, tuple(_LEFT)))
        owner = stack.enter_context(psycopg.connect(settings.DATABASE_OWNER_URL))
        with tenant_context(company.tenant_id, actor="bench"):
            terms, charges = _contract(company)
            began = time.perf_counter()
            quantities = _read(company)
            for customer_id in company.customers:
                price_periods(terms, charges, _measured(company, customer_id, quantities))
        for table, rows in files.items():
            statement = f"COPY {_SCHEMA}.{table} FROM STDIN (FORMAT binary)"
            with owner.cursor() as cursor, cursor.copy(statement) as copy:
                while piece := rows.read(_PIECE):
                    copy.write(piece)
        owner.commit()
        return time.perf_counter() - began


def _measured(company: Company, customer_id: UUID, found: dict[Any, Decimal]) -> Any:
    """Return a customer's quantities of the month as prices ask for them."""
    return {
        (key, company.month): found.get((meter_id, customer_id), Decimal(0))
        for key, meter_id in company.meters.items()
    }


def _contract(company: Company) -> tuple[OrderTerms, list[ChargePeriod]]:
    """Return the terms and the periods of a draft; those of all the others are equal."""
    draft = Invoice.objects.select_related("schedule").get(id=company.drafts[0])
    if draft.schedule is None or not draft.lines.exists():
        raise RuntimeError("the drafts are not calculated")
    terms = terms_from_data(draft.schedule.terms)
    found = draft.periods.order_by("item_key").values_list(*PERIOD_COLUMNS)
    return terms, [charge_period(terms, PeriodRow(*row)) for row in found]


def rewriting_seconds(company: Company) -> float:
    """Return the seconds it takes to read, rate, compare, and write what differs; undone after.

    Written are the readings, the lines, the totals with their trail, and what changed.
    """
    with tenant_context(company.tenant_id, actor="bench"), transaction.atomic():
        terms, charges = _contract(company)
        began = time.perf_counter()
        quantities, stored, now = _read(company), _stored(company.drafts), timezone.now()
        readings, lines, totals, changes = [], [], [], []
        start, end = (start_instant(day, "UTC") for day in (company.month, company.bill_on))
        for customer_id, invoice_id in zip(company.customers, company.drafts, strict=True):
            ids = {key: uuid7() for key in company.meters}
            found = {key: quantities[id, customer_id] for key, id in company.meters.items()}
            readings += [
                (ids[key], company.tenant_id, id, 1, customer_id, start, end, "UTC", found[key], 1,
                 "1:1:", now)
                for key, id in company.meters.items()
            ]  # fmt: skip
            measured = {(key, company.month): units for key, units in found.items()}
            subtotal = taxes = Decimal(0)
            changed = []
            for p in price_periods(terms, charges, measured):
                line_id, amount, why = stored[invoice_id, p.key]
                tax = line_tax(p.amount, TAX).amount
                subtotal, taxes = subtotal + p.amount.amount, taxes + tax
                if amount != p.amount.amount or orjson.loads(why) != p.explanation:
                    exact = p.exact.quantize(EXACT)
                    lines.append((line_id, p.quantity, exact, p.amount.amount, tax, p.explanation,
                                  ids.get(p.item_key)))  # fmt: skip
                    changed.append({"key": p.key, "before": str(amount), "after": str(p.amount)})
            totals.append((invoice_id, subtotal, taxes, subtotal + taxes, now))
            changes.append((uuid7(), invoice_id, now, "bench", 0, subtotal + taxes, changed))
        insert_records(UsageReading, READING_NAMES, readings)
        update_records(InvoiceLine, _LINE, lines)
        update_records(Invoice, (*_TOTALS, "calculated_at"), totals)
        insert_records(Recalculation, _CHANGE, changes)
        took = time.perf_counter() - began
        transaction.set_rollback(True)
    return took


def _stored(invoice_ids: list[UUID]) -> dict[tuple[UUID, str], tuple[UUID, Decimal, str]]:
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT invoice_id, key, id, amount, explanation::text FROM billing_invoiceline"
            " WHERE tenant_id = current_tenant_id() AND invoice_id = ANY(%b)",
            [invoice_ids],
        )
        return {row[:2]: row[2:] for row in cursor}


def _read(company: Company) -> dict[Any, Decimal]:
    window = [start_instant(company.month, "UTC"), start_instant(company.bill_on, "UTC")]
    with bulk_cursor() as cursor:
        cursor.execute(_READ, [*window, *window])
        return {(meter, customer): quantity for meter, customer, quantity in cursor}


def _copy(rows: list[tuple[Any, ...]]) -> None:
    with bulk_cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE least (id uuid, invoice_id uuid, key text, description text,"
            " quantity numeric, amount numeric, explanation text, PRIMARY KEY (invoice_id, key))"
        )
        with cursor.copy(f"COPY least ({_COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute("DROP TABLE least")
