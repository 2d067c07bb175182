"""Postgres is killed while invoices are issued: each is issued wholly or not at all, once."""

import sys
import time
from collections.abc import Iterator

import pytest

from tests.faults.machine import Machine, machine

pytestmark = pytest.mark.slow

CUSTOMERS, KILLS = 12, 3
DRAFTS = """
from datetime import UTC, datetime
from monetization.tenancy.context import tenant_context
from quotes.models import QuoteSequence
from tests.factories_billing import PLATFORM, billed, deal, make_customer
with tenant_context("{tenant}", actor="test"):
    for number in range({customers}):
        customer = make_customer(f"Customer {{number}}")
        billed(deal(PLATFORM), now=datetime(2026, 5, 2, tzinfo=UTC), customer=customer)
    # The quotes behind the contracts were numbered by hand.
    QuoteSequence.objects.update_or_create(defaults={{"next_number": {customers} + 1}})
"""
ISSUE = """
import time
from datetime import UTC, date, datetime
from django.db import Error, connection
from billing.models import Invoice
from billing.services.invoicing import InvoiceNotDraft, issue_invoice
from monetization.tenancy.context import tenant_context
NOW, TODAY = datetime(2026, 5, 2, tzinfo=UTC), date(2026, 5, 2)
while True:
    try:
        with tenant_context("{tenant}"):
            drafts = Invoice.objects.filter(status="draft").order_by("bill_on", "id")
            found = list(drafts.values_list("id", flat=True))
        if not found:
            break
        for id in found:
            try:
                with tenant_context("{tenant}", actor="test"):
                    issue_invoice(invoice_id=id, issued_on=TODAY, now=NOW)
            except InvoiceNotDraft:
                pass
            time.sleep(0.05)
    except Error as error:
        print(error)
        connection.close()
        time.sleep(0.2)
"""


@pytest.fixture
def whole() -> Iterator[Machine]:
    with machine() as made:
        yield made


def count(whole: Machine, what: str) -> int:
    with whole.superuser() as connection:
        found = connection.execute(f"SELECT count(*) FROM {what}").fetchone()  # noqa: S608
    assert found is not None
    return int(found[0])


def test_three_kills_leave_every_number_used_once_and_the_books_whole(whole: Machine) -> None:
    tenant = whole.companies[0]["id"]
    whole.shell(DRAFTS.format(tenant=tenant, customers=CUSTOMERS))
    total = count(whole, "billing_invoice WHERE status = 'draft'")
    assert total >= 4 * CUSTOMERS
    for name in ("first", "second"):
        code = ISSUE.format(tenant=tenant)
        whole._start(name, [sys.executable, "manage.py", "shell", "-v", "0", "-c", code], {})
    for kill in range(1, KILLS + 1):
        issued(whole, total * kill // (KILLS + 1))
        whole.kill_postgres()
        whole.start_postgres()
    issued(whole, total)
    with whole.superuser() as connection:
        rows = connection.execute(
            "SELECT number FROM billing_invoice WHERE status = 'issued' ORDER BY number"
        ).fetchall()
    numbers = [int(number[-6:]) for (number,) in rows]
    assert numbers == list(range(1, total + 1))
    assert count(whole, "events_event WHERE type = 'invoice.issued'") == total
    assert count(whole, "ledger_journalentry WHERE rule = 'invoice_issued'") == total
    whole.verify()


def issued(whole: Machine, number: int) -> None:
    until = time.monotonic() + 120
    while count(whole, "billing_invoice WHERE status = 'issued'") < number:
        assert time.monotonic() < until, whole.last_error("first")
        time.sleep(0.05)
