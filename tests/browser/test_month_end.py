"""A month closed as finance closes it, in a real browser: the clicks are counted."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from billing.benches.company import Company, make_company
from billing.models import AssertionFailure, Invoice
from billing.services.invoicing import issue_invoice, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from monetization.customers.models import Customer
from monetization.kernel.period import add_months, start_instant
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant
from tests.factories import make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SEATS, LATE = "Customer 000001", "Customer 000002"
MOST_CLICKS = 26
LONG = 600_000  # milliseconds


class Hands:
    """What a person does on a page: every click is counted."""

    def __init__(self, page: Any) -> None:
        self.page, self.clicks = page, 0

    def click(self, what: Any) -> None:
        what.click()
        self.clicks += 1

    def link(self, name: str) -> None:
        self.click(self.page.get_by_role("link", name=name).first)

    def button(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name).first)

    def step(self, name: str) -> None:
        """Go home and follow a line of the checklist."""
        self.click(self.page.get_by_role("link", name="Home").first)
        self.link(name)

    def everything(self, count: int) -> None:
        # A long view is a grid, whose box in the head takes all of it.
        self.click(self.page.get_by_label(re.compile("Select all (on this page|in this view)")))

    def in_bulk(self, action: str, count: int) -> None:
        self.click(self.page.locator(f".bulkbar button:has-text('{action}')").last)
        self.page.locator("main form button.btn-primary").first.wait_for()

    def confirm(self, count: int) -> None:
        # The job runs within the request here, so the click takes as long as the job.
        self.page.locator("main form button.btn-primary").first.click(timeout=LONG)
        self.clicks += 1
        self.page.get_by_text(f"{count} of {count} done").wait_for(timeout=LONG)


def a_book(customers: int) -> Company:
    """Contracts of five lines; the month before is issued, last month's usage is not complete."""
    company = make_company(customers)
    now = timezone.now()
    with tenant_context(company.tenant_id, actor="test"):
        aliases = list(Customer.objects.order_by("name").values_list("name", flat=True))
    for back in (1, 0):
        month = add_months(company.month, -back, anchor_day=1)
        at = start_instant(month, "UTC") + timedelta(days=9)
        with tenant_context(company.tenant_id, actor="test"):
            record_usage_events(
                [
                    UsageEvent("api", f"{alias}-{month}", "api.tokens", alias, at,
                               {"units": Decimal(400_000)})
                    for alias in aliases
                ],
                now=now,
            )  # fmt: skip
    with tenant_context(company.tenant_id, actor="test"):
        recalculate_invoices(invoice_ids=company.previous, now=now)
        for invoice_id in company.previous:
            issue_invoice(
                invoice_id=invoice_id, issued_on=company.month, now=now, ignore_grace=True
            )
        Invoice.objects.filter(id__in=company.previous).update(sent_at=now)
        recalculate_invoices(invoice_ids=company.drafts, now=now)
    return company


def late_file(folder: Path, company: Company) -> Path:
    """A file of last month's usage that came too late for one customer."""
    at = datetime.combine(company.month, datetime.min.time(), UTC) + timedelta(days=20)
    rows = [f"late-{n},{LATE},{(at + timedelta(hours=n)).isoformat()},api.tokens,1000000"
            for n in range(5)]  # fmt: skip
    path = folder / "late.csv"
    path.write_text("\n".join(["id,customer,time,type,units", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    "customers",
    [8, pytest.param(200, marks=pytest.mark.slow)],
    ids=["8", "200"],
)
def test_finance_closes_the_month(
    customers: int, sign_in: Callable[[Any], Any], tmp_path: Path
) -> None:
    company = a_book(customers)
    page = sign_in(make_member(Tenant.objects.get(id=company.tenant_id), "finance"))
    hands, began = Hands(page), time.monotonic()

    # A usage file came late: bring it in.
    hands.link("Usage")
    hands.link("Import")
    page.locator("input[type=file]").set_input_files(late_file(tmp_path, company))
    hands.button("Next: columns")
    hands.button("Start import")
    page.get_by_text("1 of 1").first.wait_for()

    # Recalculate every draft; the late usage is on its invoice.
    hands.step("Review and issue drafts")
    hands.everything(customers)
    hands.in_bulk("Recalculate", customers)
    hands.confirm(customers)
    rows = page.locator("tbody tr, .tabulator-row")  # a short view is a table
    rows.filter(has_text=LATE).get_by_text("1 failed").wait_for()

    # One customer gave two seats back, and the contract does not say so yet.
    hands.link(SEATS)
    hands.link("Add line")
    page.locator("#id_description").fill("Two seats given back")
    page.locator("#id_quantity").fill("-2")
    page.locator("#id_unit_price").fill("29.90")
    hands.click(page.locator("main form button.btn-primary").first)
    page.get_by_text("Two seats given back").first.wait_for()

    # Both fail a test now: the large change is the file, the negative line is the seats.
    hands.step("Fix or waive failed assertions")
    assert page.locator("tbody tr[data-href]").count() == 2
    hands.link(LATE)
    page.get_by_text("against last time, and no note says why").first.wait_for()

    # Issue all, the two with a reason.
    hands.step("Review and issue drafts")
    hands.everything(customers)
    hands.in_bulk("Issue", customers)
    hands.click(page.locator("#waive"))
    page.locator("#waive-reason").fill("Late file of the 21st; two seats given back")
    hands.confirm(customers)

    # Send all.
    hands.step("Send invoices")
    hands.everything(customers)
    hands.in_bulk("Send", customers)
    hands.confirm(customers)

    seconds = time.monotonic() - began
    print(f"\n{customers} invoices: {hands.clicks} clicks, {seconds:.0f} s")  # noqa: T201
    assert hands.clicks <= MOST_CLICKS + (3 if customers > 50 else 0)
    assert_closed(company, customers)


def assert_closed(company: Company, customers: int) -> None:
    with tenant_context(company.tenant_id):
        rows = Invoice.objects.filter(id__in=company.drafts)
        assert rows.filter(status="issued", sent_at__isnull=False).count() == customers
        assert len(set(rows.values_list("number", flat=True))) == customers
        assert OutgoingMail.objects.filter(subject__startswith="Invoice").count() == customers
        waived = set(AssertionFailure.objects.values_list("waive_reason", flat=True))
        assert waived == {"Late file of the 21st; two seats given back"}
        # 500 + 90 + 12 x 29.90 + 100,000 x 0.0005 + 300,000 x 0.0003 = 1,088.80, less 59.80 of
        # seats; the late 5,000,000 come on top: 1,088.80 + 600,000 x 0.0003 + 4,400,000 x 0.0002.
        net = dict(rows.values_list("customer__name", "subtotal_amount"))
        assert net.pop(SEATS) == Decimal("1029.00")
        assert net.pop(LATE) == Decimal("2148.80")
        assert set(net.values()) == {Decimal("1088.80")}
