"""Drafts issued together: each as if alone, with a statement per kind of row."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import AssertionFailure, Invoice
from billing.services.assertions import AssertionsFailed
from billing.services.issuing import InvoiceNotDraft, issue_invoice, issue_invoices
from monetization.events.models import Event, EventDelivery
from monetization.events.services import append_event
from monetization.kernel.money import Money
from monetization.ledger.accounts import Account, Leg
from monetization.ledger.models import JournalEntry
from monetization.ledger.selectors import trial_balance
from monetization.ledger.services import PeriodClosed, close_period, post_entry
from tests.factories_billing import PLATFORM, billed, deal, make_customer

pytestmark = pytest.mark.usefixtures("tenant")
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
TODAY = date(2026, 3, 3)


def drafts_of(name: str) -> list[Invoice]:
    """January, February and March of a customer with one fee of 500."""
    schedule = billed(deal(PLATFORM), now=NOW, customer=make_customer(name))
    return list(schedule.invoices.filter(status="draft").order_by("bill_on"))


def balances() -> dict[str, Decimal]:
    return {row.account.value: row.balance for row in trial_balance() if row.balance}


def together(rows: list[Invoice], **options: Any) -> dict[UUID, Any]:
    ids = [row.id for row in rows]
    return issue_invoices(invoice_ids=ids, issued_on=TODAY, now=NOW, **options)


def test_numbers_follow_the_order_they_were_asked_in_and_a_refusal_leaves_no_gap() -> None:
    first, second, third = drafts_of("Acme")
    other = drafts_of("Beta")[0]
    issue_invoice(invoice_id=second.id, issued_on=TODAY, now=NOW)

    made = together([other, third, second, first])

    assert isinstance(made[second.id], InvoiceNotDraft)
    numbers = [made[row.id].number for row in (other, third, first)]
    assert numbers == ["NW-INV-000002", "NW-INV-000003", "NW-INV-000004"]
    stored = Invoice.objects.get(id=third.id)
    assert (stored.status, stored.number, stored.due_on) == (
        "issued", "NW-INV-000003", date(2026, 4, 2),
    )  # fmt: skip
    assert stored.content_sha256 == made[third.id].content_sha256 != ""


def test_two_invoices_of_one_contract_do_not_settle_the_same_earnings() -> None:
    """600 earned ahead: the first 500 settle it, then 100, and the rest is deferred."""
    rows = drafts_of("Acme")
    customer, contract = rows[0].customer_id, rows[0].schedule_id
    earned = append_event(
        type="meter.created",
        subject="test",
        data={"meter_id": str(uuid4()), "key": "k"},
        occurred_at=NOW,
    )
    about: dict[str, Any] = {
        "customer_id": customer, "contract_id": contract, "item_key": "platform",
    }  # fmt: skip
    post_entry(
        event=earned,
        rule="earned",
        entry_date=TODAY,
        legal_entity_id=rows[0].legal_entity_id,
        legs=[
            Leg(Account.UNBILLED_RECEIVABLE, Money(Decimal(600), "USD"), **about),
            Leg(Account.REVENUE, Money(Decimal(-600), "USD"), **about),
        ],
    )

    together(rows)

    assert balances() == {
        "accounts_receivable": Decimal(1500),
        "deferred_revenue": Decimal(-900),
        "revenue": Decimal(-600),
    }


def test_each_has_its_event_its_entry_and_its_deliveries() -> None:
    rows = drafts_of("Acme")
    together(rows)
    events = Event.objects.filter(type="invoice.issued")
    assert {event.data["invoice_id"] for event in events} == {str(row.id) for row in rows}
    assert {entry.event_id for entry in JournalEntry.objects.all()} == {e.id for e in events}
    handlers = EventDelivery.objects.filter(event__in=events, handler="integrations.push_invoice")
    assert handlers.count() == len(rows)


def test_in_bulk_what_fails_a_rule_stays_a_draft_and_stops_no_other() -> None:
    passing, failing, _ = drafts_of("Acme")
    AssertionFailure.objects.create(invoice=failing, kind="x", detail="no note", found_at=NOW)
    Invoice.objects.filter(id=failing.id).update(failing_assertions=1)

    made = together([failing, passing], only_passing=True)

    assert isinstance(made[failing.id], AssertionsFailed)
    assert "no note" in str(made[failing.id])
    assert made[passing.id].number == "NW-INV-000001"
    assert Invoice.objects.get(id=failing.id).status == "draft"


def test_a_closed_month_takes_none_of_them() -> None:
    rows = drafts_of("Acme")
    close_period(month=TODAY, now=NOW)
    with pytest.raises(PeriodClosed):
        together(rows)
    assert not Invoice.objects.filter(status="issued").exists()
    assert not JournalEntry.objects.exists()


def test_issuing_five_takes_no_more_statements_than_issuing_two() -> None:
    rows = [drafts_of(f"Customer {n}")[0] for n in range(8)]
    together(rows[:1])  # begins the series

    def statements(some: list[Invoice]) -> int:
        with CaptureQueriesContext(connection) as seen:
            together(some)
        return len(seen)

    assert statements(rows[3:]) <= statements(rows[1:3])
