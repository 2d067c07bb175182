"""The least a recalculation must do: read every quantity at once, rate, and COPY the lines."""

import time
from decimal import Decimal
from typing import Any

from billing.benches.company import Company
from billing.models import InvoiceLine
from billing.selectors.schedules import PERIOD_COLUMNS, PeriodRow, charge_period
from monetization.kernel.ids import uuid7
from monetization.kernel.period import start_instant
from monetization.pricing.estimate import price_periods
from monetization.pricing.terms import terms_from_data
from monetization.tenancy.bulk import bulk_cursor
from monetization.tenancy.context import tenant_context

_READ = """
SELECT meter_id, customer_id, sum(quantity) FROM (
  SELECT meter_id, customer_id, quantity FROM metering_usagerollup
   WHERE hour >= %b AND hour < %b
  UNION ALL
  SELECT meter_id, customer_id, quantity FROM metering_usagedelta
   WHERE hour >= %b AND hour < %b) u GROUP BY 1, 2
"""
_COLUMNS = "id, invoice_id, key, description, quantity, amount, explanation"


def least_seconds(company: Company) -> float:
    """Return the seconds a loop by hand takes for the company's drafts: no diff, no tests."""
    with tenant_context(company.tenant_id, actor="bench"):
        line = InvoiceLine.objects.filter(invoice=company.drafts[0]).first()
        if line is None or line.billing_period is None:
            raise RuntimeError("the drafts are not calculated")
        terms = terms_from_data(line.billing_period.schedule.terms)
        found = line.invoice.periods.order_by("item_key").values_list(*PERIOD_COLUMNS)
        charges = [charge_period(terms, PeriodRow(*row)) for row in found]
        explanation = str(line.explanation).replace("'", '"').replace("None", "null")
        began = time.perf_counter()
        quantities = _read(company)
        rows: list[tuple[Any, ...]] = []
        for customer_id, invoice_id in zip(company.customers, company.drafts, strict=True):
            measured = {
                (key, company.month): quantities.get((meter_id, customer_id), Decimal(0))
                for key, meter_id in company.meters.items()
            }
            rows += [
                (uuid7(), invoice_id, p.key, p.label, p.quantity, p.amount.amount, explanation)
                for p in price_periods(terms, charges, measured)
            ]
        _copy(rows)
        return time.perf_counter() - began


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
