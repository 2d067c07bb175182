"""Contracts whose invoices go out by themselves, unless something speaks against it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.domain.manual_lines import ManualEntry
from billing.models import BillingSchedule, Invoice
from billing.services.assertions import AssertionsFailed
from billing.services.automatic import advance_automatically, due_automatically, set_automatic
from billing.services.drafts import add_manual_line
from billing.services.invoicing import GracePeriodRunning
from metering.services import create_meter
from monetization.customers.models import BillingContact
from monetization.mail.models import OutgoingMail
from tests.factories import make_member
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

pytestmark = pytest.mark.usefixtures("tenant")
NOW = datetime(2026, 2, 2, 12, tzinfo=UTC)
TODAY = date(2026, 2, 2)


def contract(*items: Any, issue: bool = True, send: bool = True) -> BillingSchedule:
    customer = make_customer()
    BillingContact.objects.create(
        customer=customer, name="Ann", email="ann@example.com", is_primary=True
    )
    made = billed(deal(*items), now=NOW, customer=customer)
    return set_automatic(schedule_id=made.id, issue=issue, send=send, now=NOW)


def run() -> None:
    for invoice_id in due_automatically(today=TODAY):
        advance_automatically(invoice_id=invoice_id, today=TODAY, now=NOW)


def test_what_is_due_is_issued_and_sent_once_and_what_runs_is_not() -> None:
    contract(PLATFORM)
    run()
    run()
    found = Invoice.objects.order_by("bill_on").values_list("number", "status")
    assert list(found) == [
        ("NW-INV-000001", "issued"),
        ("NW-INV-000002", "issued"),
        ("", "in_progress"),
    ]
    assert OutgoingMail.objects.count() == 2
    assert due_automatically(today=TODAY) == []


def test_a_contract_that_says_nothing_waits_for_a_person() -> None:
    contract(PLATFORM, issue=False, send=False)
    assert due_automatically(today=TODAY) == []


def test_what_a_person_issued_is_sent() -> None:
    schedule = contract(PLATFORM, send=False)
    run()
    assert OutgoingMail.objects.count() == 0
    set_automatic(schedule_id=schedule.id, issue=False, send=True, now=NOW)
    run()
    assert OutgoingMail.objects.count() == 2


def test_a_draft_that_fails_a_test_waits() -> None:
    contract(PLATFORM)
    february = Invoice.objects.get(bill_on="2026-02-01")
    add_manual_line(invoice_id=february.id, entry=ManualEntry("Back", amount=Decimal(-5)), now=NOW)
    assert february.id not in due_automatically(today=TODAY)
    with pytest.raises(AssertionsFailed):
        advance_automatically(invoice_id=february.id, today=TODAY, now=NOW)


def test_while_late_usage_is_awaited_nothing_goes_out() -> None:
    create_meter(
        key="calls", name="Calls", event_type="api", aggregation="sum", value_property="n", now=NOW
    )
    contract(PLATFORM, CALLS)
    february = Invoice.objects.get(bill_on="2026-02-01")
    early = datetime(2026, 2, 1, 9, tzinfo=UTC)  # usage of January may come until the 2nd
    with pytest.raises(GracePeriodRunning):
        advance_automatically(invoice_id=february.id, today=date(2026, 2, 1), now=early)


def test_it_is_switched_on_the_schedules_page(tenant: Any, client: Client) -> None:
    schedule = contract(PLATFORM, issue=False, send=False)
    client.force_login(make_member(tenant, "finance"))
    address = reverse("billing:schedule-action", args=[schedule.id])
    client.post(address, {"action": "automatic", "auto_issue": "on"})
    schedule.refresh_from_db()
    assert (schedule.auto_issue, schedule.auto_send) == (True, False)
    page = client.get(reverse("billing:schedule-detail", args=[schedule.id]))
    assert "Issued by itself" in page.content.decode()
