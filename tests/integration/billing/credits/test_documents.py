"""What credits paid: on paper, in the electronic form, on screen, on the statement of account."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import DocumentRecipient, Invoice
from billing.selectors import statement
from billing.services.corrections import credit_lines
from billing.services.electronic import electronic_form
from billing.services.paper import credit_note_context, invoice_context, statement_context
from monetization.documents.models import DocumentTemplate
from monetization.documents.services import document_html
from tests.factories import make_member
from tests.factories_credits import MARCH, MARCH_3, books, fresh, give, issue, on
from tests.integration.billing.test_paper_settings import BUYER, SELLER
from tests.unit.billing.test_electronic import check_ubl


@pytest.fixture
def invoice(march: Any, acme: Any) -> Invoice:
    """110.00 with tax, of which two grants settle 80.00."""
    give(acme, "20", name="Gift", priority=1, expires_at=datetime(2026, 4, 1, tzinfo=UTC))
    give(acme, "60", name="Pack")
    give(acme, "5", name="Later", effective_at=datetime(2026, 5, 1, tzinfo=UTC))
    invoice = issue(fresh(on(march, date(2026, 3, 1))))
    acme.country = "NL"
    acme.save()
    entity = invoice.legal_entity
    entity.tax_id, entity.email = "US123", "ar@northwind.example"
    entity.save()
    DocumentTemplate.objects.update_or_create(legal_entity=entity, defaults=SELLER)
    DocumentRecipient.objects.update_or_create(
        customer=acme, defaults=BUYER | {"street": "2 Side St"}
    )
    return Invoice.objects.get(id=invoice.id)


def sums(document: Any, syntax: str) -> dict[str, str]:
    root = ElementTree.fromstring(electronic_form(document, syntax))  # noqa: S314
    tag = {
        "ubl": "LegalMonetaryTotal",
        "cii": "SpecifiedTradeSettlementHeaderMonetarySummation",
    }[syntax]
    found = root.find(f".//{{*}}{tag}")
    assert found is not None
    return {row.tag.partition("}")[2]: row.text or "" for row in found}


def credited(invoice: Invoice) -> Any:
    """55.00 of 110.00 credited: 30.00 were open, so 25.00 go back to credits."""
    line = invoice.lines.get()
    return credit_lines(
        invoice_id=invoice.id, amounts={line.id: Decimal(50)}, reason="less",
        issued_on=MARCH_3, now=MARCH,
    )  # fmt: skip


def test_what_credits_settled_is_prepaid_and_only_the_rest_payable(invoice: Invoice) -> None:
    check_ubl(electronic_form(invoice, "ubl"))
    ubl, cii = sums(invoice, "ubl"), sums(invoice, "cii")

    assert (ubl["TaxInclusiveAmount"], ubl["PrepaidAmount"]) == ("110.00", "80.00")
    assert ubl["PayableAmount"] == cii["DuePayableAmount"] == "30.00"
    assert (cii["GrandTotalAmount"], cii["TotalPrepaidAmount"]) == ("110.00", "80.00")
    paper = invoice_context(invoice)
    assert (paper["paid_by_credits"], paper["due_after_credits"]) == (Decimal(80), Decimal(30))


def test_an_issued_invoice_says_what_it_said_after_a_credit_note_gave_credits_back(
    tenant: Any, client: Client, invoice: Invoice
) -> None:
    before = (
        electronic_form(invoice, "ubl"),
        document_html("documents/invoice.html", invoice_context(invoice)),
    )
    credited(invoice)
    invoice = Invoice.objects.get(id=invoice.id)

    assert invoice.prepaid_amount == Decimal(55)
    assert before == (
        electronic_form(invoice, "ubl"),
        document_html("documents/invoice.html", invoice_context(invoice)),
    )
    client.force_login(make_member(tenant, "finance"))
    page = client.get(reverse("billing:invoice-detail", args=[invoice.id])).content.decode()
    due = page[page.index("Due after credits") :]
    assert "30.00" in due[: due.index("</tr>")]


def test_a_credit_note_owes_only_what_did_not_go_back_to_credits(invoice: Invoice) -> None:
    note = credited(invoice)

    check_ubl(electronic_form(note, "ubl"))
    found = sums(note, "ubl")

    assert (found["TaxInclusiveAmount"], found["PrepaidAmount"], found["PayableAmount"]) == (
        "55.00",
        "25.00",
        "30.00",
    )
    html = document_html("documents/credit_note.html", credit_note_context(note))
    assert "Of it given back as credits" in html
    assert "25.00" in html


def test_credits_that_lowered_the_base_are_in_the_total_already(
    march: Any, acme: Any, invoice: Invoice
) -> None:
    give(acme, "10", taxed_at="grant")
    draft = fresh(on(march, date(2026, 2, 1)))

    assert invoice_context(draft)["due_after_credits"] == draft.total_amount


def test_the_statement_has_credits_used_and_given_back_and_closes_at_what_is_owed(
    acme: Any, invoice: Invoice
) -> None:
    def account(until: date) -> Any:
        return statement(
            customer_id=acme.id, currency="USD", since=date(2026, 3, 1), until=until, today=MARCH_3
        )

    found = account(MARCH_3)
    assert [(row.text, row.amount, row.balance) for row in found.entries] == [
        (f"Invoice {invoice.number}", Decimal(110), Decimal(110)),
        (f"Credits used {invoice.number}", Decimal(-80), Decimal(30)),
    ]
    assert found.closing == books()["accounts_receivable"] == Decimal(30)
    # What is left of the grants: nothing of two, all of the one that begins in May.
    assert [(one.grant.name, one.units, one.ends_on) for one in found.held] == [
        ("Later", Decimal(5), None)
    ]

    note = credited(invoice)
    found = account(MARCH_3)
    assert [(row.text, row.amount) for row in found.entries[2:]] == [
        (f"Credit note {note.number} for {invoice.number}", Decimal(-55)),
        (f"Credits given back {note.number}", Decimal(25)),
    ]
    assert found.closing == Decimal(0) == books().get("accounts_receivable", Decimal(0))
    assert [(one.grant.name, one.units) for one in found.held] == [
        ("Gift", Decimal(20)),
        ("Pack", Decimal(5)),
        ("Later", Decimal(5)),
    ]
    html = document_html("billing/statement_print.html", statement_context(acme, found, MARCH_3))
    for words in (f"Credits used {invoice.number}", "Credits held", "1 Apr 2026"):
        assert words in html
    assert account(date(2025, 12, 31)).held == ()
