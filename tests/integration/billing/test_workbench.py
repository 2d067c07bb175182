"""One invoice at the desk: who is told, what a line was measured from, what its form lacks."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Invoice
from billing.services.comments import add_comment, correct_comment
from billing.services.invoicing import issue_invoice, recalculate_invoices
from billing.services.paper import recipient_of
from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from monetization.customers.models import Customer
from monetization.documents.models import DocumentTemplate
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.factories import make_member, make_tenant
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer
from tests.integration.config import books

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 10, 12, tzinfo=UTC)


@pytest.fixture
def company(db: None) -> Any:
    return make_tenant("Desk")


class TestMentions:
    def test_who_is_named_is_mailed_once_with_a_link(self, company: Any, settings: Any) -> None:
        settings.PUBLIC_BASE_URL = "https://bill.example.com"
        ann, bob = (make_member(company, "finance", f"{n}@example.com") for n in ("ann", "bob"))
        outsider = "eve@elsewhere.example"
        with tenant_context(company.id, actor=ann.email):
            billed(deal(PLATFORM), now=NOW)
            invoice = Invoice.objects.get(bill_on="2026-03-01")
            text = f"@bob, @ann: is this right? cc @{outsider} and @nobody"
            comment = add_comment(invoice_id=invoice.id, text=text, now=NOW)
            mail = OutgoingMail.objects.get()
            assert mail.to == bob.email
            assert f"https://bill.example.com/billing/invoices/{invoice.id}/" in mail.text
            correct_comment(
                invoice_id=invoice.id, comment_id=comment.id, text="@bob@example.com ?", now=NOW
            )
            assert OutgoingMail.objects.count() == 1

    def test_the_link_is_the_address_of_the_page(self, company: Any) -> None:
        with tenant_context(company.id, actor="x"):
            billed(deal(PLATFORM), now=NOW)
            invoice = Invoice.objects.get(bill_on="2026-03-01")
        path = reverse("billing:invoice-detail", args=[invoice.id])
        assert path == f"/billing/invoices/{invoice.id}/"


class TestEvents:
    @pytest.fixture
    def line(self, company: Any) -> Any:
        """A line measured from 60 events."""
        with tenant_context(company.id, actor="test"):
            books.make_catalog()
            make = [
                UsageEvent("t", f"e{n:02d}", "api", "acme", FEBRUARY, {"n": Decimal(1)})
                for n in range(60)
            ]
            schedule = billed(deal(CALLS), now=datetime(2026, 2, 2, tzinfo=UTC))
            record_usage_events(make, now=NOW)
            draft = schedule.invoices.get(bill_on="2026-03-01")
            recalculate_invoices(invoice_ids=[draft.id], now=NOW)
            return draft.lines.get(reading__isnull=False)

    def test_they_are_paged_and_exported_exactly(self, company: Any, line: Any) -> None:
        client = Client()
        client.force_login(make_member(company, "finance"))
        first = client.get(
            reverse("billing:invoice-explain", args=[line.invoice_id, line.id])
        ).content.decode()
        assert ">e49<" in first
        assert ">e50<" not in first
        [more] = re.findall(r'hx-get="([^"]+after=[^"]+)"', first)
        second = client.get(more).content.decode()
        assert ">e50<" in second
        assert "e59" in second
        answer = client.get(
            reverse("billing:invoice-line-events-file", args=[line.invoice_id, line.id])
        )
        rows = b"".join(answer).decode().strip().splitlines()
        assert len(rows) == 61  # with its header


def test_what_an_electronic_invoice_lacks_is_known_before_it_is_issued(company: Any) -> None:
    with tenant_context(company.id, actor="test"):
        entity = LegalEntity.objects.get(is_default=True)
        customer = make_customer(country="DE")
        billed(deal(PLATFORM), now=NOW, customer=customer)
        draft = Invoice.objects.get(bill_on="2026-03-01")
        assert not draft.failures.filter(kind="electronic_complete").exists()
        DocumentTemplate.objects.update_or_create(
            legal_entity=entity, defaults={"electronic_format": "ubl"}
        )
        recalculate_invoices(invoice_ids=[draft.id], now=NOW)
        [failure] = draft.failures.filter(kind="electronic_complete")
        assert "the seller's street" in failure.detail
        before = failure.detail
        recipient = recipient_of(Customer.objects.get(id=customer.id))
        recipient.city, recipient.street, recipient.postal_code = "Berlin", "Allee 1", "10115"
        recipient.buyer_reference = "04011000-12345-03"
        recipient.save()
        recalculate_invoices(invoice_ids=[draft.id], now=NOW)
        [failure] = draft.failures.filter(kind="electronic_complete")
        assert failure.detail != before


def test_what_goes_out_by_itself_is_set_over_rest(company: Any) -> None:
    with tenant_context(company.id, actor="test"):
        schedule = billed(deal(PLATFORM), now=NOW)
    client = Client()
    client.force_login(make_member(company, "finance"))
    path = f"/api/v1/schedules/{schedule.id}/automatic"
    answer = client.put(
        path,
        {"issue": True, "send": False},
        content_type="application/json",
        headers={"Idempotency-Key": "a"},
    )
    assert answer.status_code == 200, answer.content
    assert (answer.json()["auto_issue"], answer.json()["auto_send"]) == (True, False)
    bad = client.put(
        path, {"issue": "x"}, content_type="application/json", headers={"Idempotency-Key": "b"}
    )
    assert bad.status_code in (400, 422)


def test_what_is_owed_by_age_is_read_over_rest(company: Any) -> None:
    with tenant_context(company.id, actor="test"):
        billed(deal(PLATFORM), now=NOW)
        for month in ("01", "02"):
            draft = Invoice.objects.get(bill_on=f"2026-{month}-01")
            issue_invoice(invoice_id=draft.id, issued_on=draft.bill_on, now=NOW)
    client = Client()
    client.force_login(make_member(company, "finance"))
    [row] = client.get("/api/v1/receivables/aging").json()["results"]
    assert row["total"] == "1000.00"
    assert row["currency"] == "USD"
    parts = (row[name] for name in ("current", "to_30", "to_60", "over_60"))
    assert sum(map(Decimal, parts)) == Decimal(1000)


def test_signing_out_wears_the_look_of_signing_in(company: Any) -> None:
    client = Client()
    client.force_login(make_member(company, "finance"))
    page = client.get(reverse("account_logout")).content.decode()
    assert "btn-primary" in page
    assert "Sign out?" in page
