"""How fast the grid's server answers behind many invoices, through the whole stack."""

import gc
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.benches.company import Company
from billing.benches.timing import timed
from billing.models import Invoice
from monetization.kernel.ids import uuid7
from monetization.kernel.period import add_months
from monetization.tenancy.context import tenant_context
from monetization.users.models import Membership, User

LIMIT_MS = 150  # what a person takes for at once
ROUNDS = 12
MOST_MONTHS = 60

_INVOICES = """
INSERT INTO billing_invoice (id, tenant_id, customer_id, legal_entity_id, schedule_id, status,
  number, currency, bill_on, period_start, period_end, subtotal_amount, tax_amount, total_amount,
  paid_amount, credited_amount, written_off_amount, prepaid_amount, payment_status,
  tax_treatment, tax_name, tax_percent, payment_terms_days, purchase_order, memo, change_note,
  failing_assertions,
  content_sha256, void_reason, write_off_reason, created_at)
SELECT gen_random_uuid(), tenant_id, customer_id, legal_entity_id, schedule_id, 'draft',
  '', currency, %(bill_on)s, %(bill_on)s, %(bill_on)s + 1, subtotal_amount, tax_amount,
  total_amount, 0, 0, 0, 0, 'unpaid', tax_treatment, tax_name, tax_percent, payment_terms_days, '',
  '', '', 0, '', '', '', now()
  FROM billing_invoice WHERE bill_on = %(like)s ORDER BY id LIMIT %(most)s
"""
_LINES = """
INSERT INTO billing_invoiceline (id, tenant_id, invoice_id, key, position, kind, item_key,
  product_code, description, service_start, service_end, quantity, unit_price, exact_amount,
  amount, tax_percent, tax_amount, explanation, is_manual, edited_by, is_flagged, note)
SELECT gen_random_uuid(), l.tenant_id, n.id, l.key, l.position, l.kind, l.item_key,
  l.product_code, l.description, l.service_start, l.service_end, l.quantity, l.unit_price,
  l.exact_amount, l.amount, l.tax_percent, l.tax_amount, l.explanation, false, '', false, ''
  FROM billing_invoice n
  JOIN billing_invoice o ON o.schedule_id = n.schedule_id AND o.bill_on = %(like)s
  JOIN billing_invoiceline l ON l.invoice_id = o.id
 WHERE n.bill_on = %(bill_on)s
"""
_ISSUE = """
UPDATE billing_invoice SET status = 'issued', issued_on = bill_on, due_on = bill_on + 30,
  number = 'OLD-' || replace(id::text, '-', '') WHERE bill_on = %(bill_on)s
"""


def grid(company: Company, invoices: int) -> Iterator[dict[str, Any]]:
    """Yield the times of what people ask the grid for, with so many invoices behind it."""
    count = _fill(company, invoices)
    client = _signed_in(company)
    month = f"month={company.bill_on:%Y-%m}"
    asked = {
        "the month": month,
        "page 3": f"{month}&page=3",
        "largest change first": f"{month}&sort=-change",
        "drafts that fail": f"{month}&status=draft&assertions=failed",
        "search": f"{month}&q=000123",
        "grouped": f"{month}&group=entity",
        "every month": "sort=-bill_on",
        "every month, largest change first": "sort=-change",
        "every month, what rose": "changed=up&sort=-change",
    }
    everything: list[float] = []
    _get(client, f"{reverse('billing:invoice-list')}?{month}")  # loads what is loaded once
    gc.collect()
    gc.freeze()  # as a web process does, see monetization/config/garbage.py
    for name, query in asked.items():
        address = f"{reverse('billing:invoice-list')}?{query}"
        took = sorted(1000 * timed(partial(_get, client, address)) for _ in range(ROUNDS))
        everything += took
        yield _figure(f"{count:,} invoices: {name}, median", took[len(took) // 2], len(took))
    everything.sort()
    p95 = everything[len(everything) * 95 // 100]
    yield _figure(f"{count:,} invoices: grid, p95", p95, len(everything))


def _figure(name: str, value: float, count: int) -> dict[str, Any]:
    return {
        "name": f"month_end: {name}",
        "value": round(value, 1),
        "unit": "ms",
        "limit": LIMIT_MS,
        "ratio": round(value / LIMIT_MS, 3),
        "n": count,
    }


def _get(client: Client, address: str) -> None:
    answer = client.get(address, HTTP_HX_REQUEST="true")
    if answer.status_code != 200:
        raise RuntimeError(f"{address}: {answer.status_code}")


def _signed_in(company: Company) -> Client:
    user = User.objects.create_user(f"{uuid7().hex}@example.com", uuid7().hex, name="Bench")
    with tenant_context(company.tenant_id):
        Membership.objects.create(user=user, tenant_id=company.tenant_id, role="finance")
    host = next((name for name in settings.ALLOWED_HOSTS if "*" not in name), "localhost")
    client = Client(SERVER_NAME=host.lstrip("."))
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return client


def _fill(company: Company, invoices: int) -> int:
    """Write earlier months like the present one, until there are so many."""
    for back in range(2, MOST_MONTHS):
        with tenant_context(company.tenant_id, actor="bench"):
            missing = invoices - Invoice.objects.count()
            if missing <= 0:
                break
            values: dict[str, Any] = {
                "bill_on": add_months(company.bill_on, -back, anchor_day=1),
                "like": company.bill_on,
                "most": missing,
            }
            with connection.cursor() as cursor:
                for statement in (_INVOICES, _LINES, _ISSUE):
                    cursor.execute(statement, values)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE billing_invoice, billing_invoiceline")
    with tenant_context(company.tenant_id):
        return Invoice.objects.count()
