"""An issued invoice that billed too little is charged more on another that refers to it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.domain.manual_lines import EntryInvalid, ManualEntry
from billing.models import Invoice
from billing.services import corrections
from billing.services.approvals import SecondPersonNeeded, approve_invoices
from billing.services.assertions import set_rule
from billing.services.drafts import discard_one_off
from billing.services.electronic import electronic_form
from billing.services.invoicing import issue_invoice
from billing.services.issuing import ServiceNotOver
from billing.services.paper import invoice_context
from billing.services.supplementary import draft_supplementary
from billing.services.templates import recipient_of, template_of
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.documents.services import document_html
from monetization.ledger.selectors import trial_balance
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.factories import make_member, make_tenant
from tests.factories_billing import PLATFORM, billed, deal, make_customer
from tests.integration.api.conftest import Api
from tests.unit.billing.test_electronic import check_ubl

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_3 = date(2026, 3, 3)
ADDRESS = "Kade 2\nDelft"


def original() -> Invoice:
    """February's invoice of 500.00 EUR and 21 % VAT, 105.00."""
    LegalEntity.objects.update(country="FR", tax_id="FR 12 345678901")
    customer = make_customer(
        "Acme", "EUR", address=ADDRESS, country="NL", tax_id="NL123456789B01",
        tax_name="VAT", tax_percent=Decimal(21), purchase_order="PO-7",
    )  # fmt: skip
    schedule = billed(deal(PLATFORM, currency="EUR"), now=NOW, customer=customer)
    draft = schedule.invoices.get(bill_on=date(2026, 2, 1))
    return issue_invoice(invoice_id=draft.id, issued_on=MARCH_3, now=NOW)


def more(invoice: Invoice, amount: str = "80") -> Invoice:
    entries = [ManualEntry("Two seats not counted", amount=Decimal(amount))]
    return draft_supplementary(invoice_id=invoice.id, entries=entries, bill_on=MARCH_3, now=NOW)


def issue(draft: Invoice) -> Invoice:
    return issue_invoice(invoice_id=draft.id, issued_on=MARCH_3, now=NOW)


def test_it_charges_the_difference_for_the_same_period_at_the_same_tax(tenant: Any) -> None:
    invoice = original()
    issued = issue(more(invoice))
    line = issued.lines.get()
    # 21 % of 80.00 is 16.80.
    assert (issued.subtotal_amount, issued.tax_amount) == (Decimal(80), Decimal("16.80"))
    assert (line.service_start, line.service_end) == (date(2026, 2, 1), date(2026, 3, 1))
    assert (issued.purchase_order, issued.supplements_id) == ("PO-7", invoice.id)
    invoice.refresh_from_db()
    assert invoice.total_amount == Decimal("605.00")
    balances = {row.account.value: row.balance for row in trial_balance() if row.balance}
    assert balances["accounts_receivable"] == Decimal("701.80")
    assert balances["revenue"] == Decimal(-80)
    books = Books()
    for id, check in CHECKS.items():
        if id.startswith(("I02", "I03", "I05", "I12", "I17", "I19")):
            assert not check.run(books).differing, (id, check.name)


def test_the_electronic_invoice_and_the_paper_name_the_original(tenant: Any) -> None:
    invoice = original()
    template = template_of(invoice.legal_entity_id)
    for field, value in {
        "street": "Hafen 1", "city": "Hamburg", "postal_code": "20457",
        "endpoint_scheme": "0088", "endpoint_id": "7300010000001",
    }.items():  # fmt: skip
        setattr(template, field, value)
    template.save()
    recipient = recipient_of(invoice.customer)
    recipient.endpoint_scheme, recipient.endpoint_id = "0106", "12345678"
    recipient.city, recipient.postal_code = "Delft", "2611"
    recipient.save()
    issued = issue(more(invoice))
    root = check_ubl(electronic_form(issued, "ubl"))
    reference = root.find("{*}BillingReference/{*}InvoiceDocumentReference")
    assert reference is not None
    assert reference.findtext("{*}ID") == invoice.number
    assert reference.findtext("{*}IssueDate") == "2026-03-03"
    assert b"InvoiceReferencedDocument" in electronic_form(issued, "cii")
    page = document_html("documents/invoice.html", invoice_context(issued))
    assert f"{invoice.number}, " in page


def test_a_large_one_needs_a_second_person_as_every_invoice(tenant: Any) -> None:
    with tenant_context(tenant.id, actor="ann"):
        draft = more(original())
        set_rule(kind="second_person", is_enabled=True, parameters={"limit": "50"}, now=NOW)
        approve_invoices(invoice_ids=[draft.id], now=NOW)
        with pytest.raises(SecondPersonNeeded):
            issue(draft)
    with tenant_context(tenant.id, actor="bob"):
        assert issue(draft).number


def test_what_is_supplemented_is_not_voided_before_its_supplement(tenant: Any) -> None:
    invoice = original()
    void: dict[str, Any] = {"invoice_id": invoice.id, "reason": "r", "now": NOW}
    draft = more(invoice)
    with pytest.raises(corrections.InvoiceIsSupplemented, match="discard its supplementary draft"):
        corrections.void_invoice(**void)
    discard_one_off(invoice_id=draft.id)
    issued = issue(more(invoice))
    with pytest.raises(corrections.InvoiceIsSupplemented, match=f"void {issued.number} first"):
        corrections.void_invoice(**void)
    corrections.void_invoice(invoice_id=issued.id, reason="r", now=NOW)
    assert corrections.void_invoice(**void).status == "void"


def test_only_an_issued_invoice_is_supplemented_and_only_for_what_was_delivered(
    tenant: Any,
) -> None:
    invoice = original()
    assert invoice.schedule is not None
    march = invoice.schedule.invoices.get(bill_on=date(2026, 3, 1))
    with pytest.raises(corrections.InvoiceNotIssued, match="write a line on a draft"):
        more(march)
    with pytest.raises(ServiceNotOver, match="issue it then, or write a line on the contract"):
        issue(more(issue(march)))
    with pytest.raises(EntryInvalid, match=r"lines\[0\]\.amount"):
        more(invoice, "0.001")


def test_finance_charges_more_on_the_page(db: None) -> None:
    company = make_tenant("Pages")
    client = Client()
    client.force_login(make_member(company, role="finance"))
    with tenant_context(company.id, actor="setup"):
        invoice = original()
    page = reverse("billing:invoice-detail", args=[invoice.id])
    assert b"Charge more" in client.get(page).content
    to = reverse("billing:invoice-supplement", args=[invoice.id])
    assert b"Charge more for" in client.get(to).content
    wrong = client.post(to, {"description": "", "amount": "x", "bill_on": "2026-03-03"})
    assert wrong.status_code == 422
    form = {"description": "Two seats", "amount": "80", "bill_on": "2026-03-03"}
    shown = client.post(to, form, follow=True)
    assert b"Charges more for" in shown.content
    assert b"Supplemented by" in client.get(page).content


def test_a_program_charges_more_over_rest(db: None) -> None:
    company = make_tenant("Rest")
    api = Api(company)
    with tenant_context(company.id, actor="setup"):
        invoice = original()
    body = {"lines": [{"description": "Two seats", "quantity": "2", "unit_price": "40"}]}
    made = api.made(f"invoices/{invoice.id}/supplement", body)
    assert (made["supplements"], made["total_amount"]) == (str(invoice.id), "96.80")
    found = api.get("invoices", {"supplements": str(invoice.id)}).json()["results"]
    assert [row["id"] for row in found] == [made["id"]]
    void = api.post(f"invoices/{invoice.id}/void", {"reason": "r"})
    assert void.json()["code"] == "invoice_is_supplemented"
