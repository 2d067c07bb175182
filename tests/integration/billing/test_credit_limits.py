"""Several small credits need a second person as one large credit does."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.models import CreditNote, CreditRequest, Invoice
from billing.services import corrections, credit_limits, credit_requests
from billing.services.approvals import SecondPersonNeeded
from billing.services.assertions import set_rule
from billing.services.invoicing import issue_invoice
from monetization.tenancy.context import tenant_context
from tests.factories import make_member, make_tenant
from tests.factories_billing import PLATFORM, billed, deal
from tests.integration.api.conftest import Api

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_3 = date(2026, 3, 3)


def limits(limit: str, customer_limit: str = "") -> None:
    set_rule(
        kind="second_person_credits",
        is_enabled=True,
        parameters={"limit": limit, "customer_limit": customer_limit},
        now=NOW,
    )


def issued(customer: Any = None, count: int = 1, on: date = MARCH_3) -> list[Invoice]:
    """Invoices of 500.00 without tax, of January on."""
    schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
    drafts = schedule.invoices.order_by("bill_on")[:count]
    return [issue_invoice(invoice_id=each.id, issued_on=on, now=NOW) for each in drafts]


def credit(invoice: Invoice, amount: str, now: datetime = NOW) -> CreditNote:
    return corrections.credit_lines(
        invoice_id=invoice.id,
        amounts={invoice.lines.get().id: Decimal(amount)},
        reason="outage",
        issued_on=MARCH_3,
        now=now,
    )


def test_two_small_credits_of_an_invoice_count_together(tenant: Any) -> None:
    limits("100")
    (invoice,) = issued()
    credit(invoice, "60")
    with pytest.raises(SecondPersonNeeded, match=r"50\.00 USD with the 60\.00 USD before"):
        credit(invoice, "50")
    credit(invoice, "40")  # 100.00 in all is not above
    with pytest.raises(SecondPersonNeeded):
        credit(invoice, "0.01")


def test_what_a_second_person_approved_does_not_count(tenant: Any) -> None:
    limits("100")
    (invoice,) = issued()
    with tenant_context(tenant.id, actor="ann@example.com"):
        asked = credit_requests.credit_or_ask(
            invoice_id=invoice.id,
            amounts={invoice.lines.get().id: Decimal(300)},
            reason="outage",
            issued_on=MARCH_3,
            now=NOW,
        )
        assert isinstance(asked, CreditRequest)
    with tenant_context(tenant.id, actor="bob@example.com"):
        credit_requests.approve_credit(request_id=asked.id, now=NOW)
    credit(invoice, "100")
    with pytest.raises(SecondPersonNeeded):
        credit(invoice, "0.01")


def test_credits_of_a_customer_count_together_for_thirty_days(tenant: Any) -> None:
    limits("100", "150")
    first, second, third = issued(count=3)
    credit(first, "100")
    with pytest.raises(
        SecondPersonNeeded, match=r"the 100\.00 USD credited or voided in 30 days is above"
    ):
        credit(second, "50.01")
    note = credit(second, "50")
    with pytest.raises(SecondPersonNeeded, match=r"limit of 150\.00 USD a customer"):
        credit(third, "1")
    assert credit(third, "1", note.created_at + timedelta(days=30, seconds=1))


def test_a_date_long_ago_on_the_credit_note_does_not_help(tenant: Any) -> None:
    limits("100", "100")
    first, second = issued(count=2, on=date(2026, 1, 5))
    corrections.credit_lines(
        invoice_id=first.id,
        amounts={first.lines.get().id: Decimal(80)},
        reason="dated back",
        issued_on=date(2026, 1, 5),
        now=NOW,
    )
    with pytest.raises(SecondPersonNeeded):
        credit(second, "80")


def test_without_a_limit_of_customers_only_invoices_have_one(tenant: Any) -> None:
    limits("100")
    for invoice in issued(count=3):
        credit(invoice, "100")
    room = credit_limits.credit_room(invoice, now=NOW)
    assert room is not None
    assert (room.customer_limit, str(room.left)) == (None, "0.00 USD")


def test_a_limit_between_minor_units_counts_whole_ones(tenant: Any) -> None:
    limits("100.999")
    (invoice,) = issued()
    with pytest.raises(SecondPersonNeeded):
        credit(invoice, "101.00")
    assert credit(invoice, "100.99")


def test_the_page_says_how_much_is_left_and_asks_beyond_it(db: None) -> None:
    company = make_tenant("Pages")
    ann = make_member(company, role="finance")
    with tenant_context(company.id, actor="setup"):
        limits("100", "120")
        first, second = issued(count=2)
        credit(first, "70")
    client = Client()
    client.force_login(ann)
    rules = client.get(reverse("billing:assertions")).content.decode()
    assert 'value="120"' in rules
    page = client.get(reverse("billing:invoice-credit", args=[second.id])).content.decode()
    assert "You may credit $50.00 alone" in page
    assert "$70.00 to Acme in the last 30 days" in page
    with tenant_context(company.id):
        line = second.lines.get().id
    said = client.post(
        reverse("billing:invoice-credit", args=[second.id]),
        {f"line-{line}": "50.01", "reason": "outage", "issued_on": "2026-03-03"},
        follow=True,
    )
    assert b"a second person was asked" in said.content
    with tenant_context(company.id):
        assert CreditNote.objects.count() == 1
        assert CreditRequest.objects.get().total_amount == Decimal("50.01")


def test_rest_says_how_much_may_be_credited_alone(db: None) -> None:
    company = make_tenant("Rest")
    api = Api(company)
    with tenant_context(company.id, actor="setup"):
        limits("100")
        (invoice,) = issued()
        credit(invoice, "30")
    shown = api.get(f"invoices/{invoice.id}/creditable").json()
    assert (shown["currency"], shown["alone"]) == ("USD", "70.00")
    assert [line["amount_left"] for line in shown["lines"]] == ["470.00"]
    refused = api.post(
        f"invoices/{invoice.id}/credit",
        {"reason": "r", "lines": [{"line": shown["lines"][0]["line"], "amount": "70.01"}]},
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "second_person_needed")


@pytest.mark.django_db(transaction=True)
def test_two_credits_of_a_customer_at_once_do_not_both_fit() -> None:
    company = make_tenant("Racers")
    with tenant_context(company.id, actor="setup"):
        limits("100", "100")
        invoices = issued(count=2)
    outcomes: list[str] = []

    def one(invoice: Invoice) -> None:
        try:
            with tenant_context(company.id, actor="ann"):
                credit(invoice, "100")
            outcomes.append("credited")
        except SecondPersonNeeded:
            outcomes.append("asked")
        finally:
            connection.close()

    threads = [Thread(target=one, args=[invoice]) for invoice in invoices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["asked", "credited"]
