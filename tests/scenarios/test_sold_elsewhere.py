"""A customer in dollars buys in euros from the second company: from the builder to the books.

Every amount is worked by hand in the comment above it.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.models import Invoice
from billing.services.collections import record_payment
from billing.services.credits.granting import CreditWords, grant_credits
from billing.services.issuing import issue_invoice
from billing.services.refunds import record_refund
from billing.services.taxing import set_customer_tax, set_tax_method, set_tax_rate
from crm.selectors import export_rows
from monetization.catalog.models import Product
from monetization.ledger.models import JournalEntry
from monetization.pricing.terms import TaxTerms, terms_from_data
from monetization.tenancy.models import LegalEntity
from quotes.models import QuoteReference
from tests.factories_billing import make_customer
from tests.scenarios.deals import Deal, line, make_products, phase, sell

D = Decimal
NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
START = date(2027, 1, 1)


@pytest.fixture
def gmbh(tenant: Any) -> LegalEntity:
    """The second company, in Germany: 19% on what is standard there, 7% on books."""
    make_products()
    Product.objects.filter(code="support").update(name="Handbook", tax_category="books")
    entity: LegalEntity = LegalEntity.objects.create(
        name="Northwind GmbH", code="DE", country="DE", tax_id="DE111222333"
    )
    for category, percent in (("standard", D(19)), ("books", D(7))):
        set_tax_rate(
            legal_entity_id=entity.id,
            category=category,
            country="DE",
            treatment="taxable",
            name="VAT",
            percent=percent,
            now=NOW,
        )
    return entity


def in_euros(entity: LegalEntity, **customer: Any) -> Deal:
    """450 a month, ten seats at 55, a set-up of 900 and a handbook of 100, from January 2027."""
    return sell(
        phase(
            line("platform", "450"),
            line("crm", "55", quantity="10"),
            line("setup", "900", frequency="one_time"),
            line("support", "100", frequency="one_time"),
        ),
        start=START,
        customer=make_customer(currency="USD", **{"country": "DE", **customer}),
        currency="EUR",
        legal_entity=str(entity.id),
        purchase_order="PO-77",
    )


def sell_terms(deal: Deal) -> TaxTerms:
    tax = terms_from_data(deal.schedule.terms).tax
    assert tax is not None
    return tax


def first_invoice(deal: Deal) -> Invoice:
    deal.invoices(START)
    [invoice] = deal.schedule.invoices.filter(bill_on=START)
    return issue_invoice(invoice_id=invoice.id, issued_on=START, now=NOW, ignore_grace=True)


def test_the_first_invoice_is_the_one_that_was_signed(gmbh: LegalEntity) -> None:
    deal = in_euros(gmbh)
    terms, tax = terms_from_data(deal.form.terms), sell_terms(deal)

    # Signed: 12 x (450 + 550) + 900 + 100 = 13,000 euros. First invoice: 450 + 550 + 900 at 19%
    # are 361.00 (85.50 + 104.50 + 171.00), 100 at 7% are 7.00: 2,000 + 368 = 2,368.
    assert (deal.value, terms.currency) == (D(13000), "EUR")
    assert terms.seller is not None
    assert (terms.seller.name, terms.seller.tax_id) == ("Northwind GmbH", "DE111222333")
    assert terms.purchase_order == "PO-77"
    said = [(row.percent, row.base, row.tax, row.products) for row in tax.shares]
    assert said == [
        (D(19), D(1900), D(361), ("Platform", "Crm", "Setup")),
        (D(7), D(100), D(7), ("Handbook",)),
    ]
    assert (tax.bill_on, tax.total) == (START, D(2368))

    invoice = first_invoice(deal)

    assert (invoice.subtotal_amount, invoice.tax_amount) == (tax.net, tax.tax)
    assert (invoice.total_amount, invoice.currency) == (D(2368), "EUR")
    assert invoice.legal_entity_id == gmbh.id
    assert str(invoice.number).startswith("DE-INV-")
    assert invoice.purchase_order == "PO-77"
    assert deal.schedule.number.startswith("DE-SCH-")


def test_the_books_of_the_second_company_have_all_of_it(gmbh: LegalEntity) -> None:
    deal = in_euros(gmbh)
    invoice = first_invoice(deal)
    payment = record_payment(
        customer_id=deal.form.customer_id,
        currency="EUR",
        amount=D(2368),
        received_on=START,
        method="transfer",
        reference="pay-1",
        now=NOW,
    )
    record_refund(
        payment_id=payment.id, amount=D(68), refunded_on=START, reference="back-1", now=NOW
    )
    grant = grant_credits(
        words=CreditWords(
            customer_id=deal.form.customer_id,
            schedule_id=deal.schedule.id,
            name="Goodwill",
            kind="money",
            amount=D(50),
        ),
        now=NOW,
    )

    rules = {"invoice_issued", "payment_received", "payment_refunded"}
    found = JournalEntry.objects.filter(rule__in=rules)
    assert {entry.rule for entry in found} == rules
    assert {entry.legal_entity_id for entry in found} == {gmbh.id}
    assert {
        posting.currency for entry in JournalEntry.objects.all() for posting in entry.postings.all()
    } == {"EUR"}
    assert (grant.legal_entity_id, grant.currency) == (gmbh.id, "EUR")
    invoice.refresh_from_db()
    assert invoice.paid_amount == D(2300)


def test_the_crm_reads_who_sells_and_in_what(gmbh: LegalEntity) -> None:
    deal = in_euros(gmbh)
    QuoteReference.objects.create(object=deal.version.quote, source="crm", external_id="q-1")

    [row] = export_rows("quotes", "crm")

    assert {"DE", "EUR", "13000.00", "PO-77"} <= set(row)


@pytest.mark.parametrize(
    ("customer", "setting", "net", "tax"),
    [
        # Who accounts for the tax, or is exempt, pays none on anything.
        ({"tax_treatment": "reverse_charge", "tax_id": "DE999"}, {}, D(2000), D(0)),
        ({"tax_treatment": "exempt"}, {}, D(2000), D(0)),
        # The customer's own rate goes before the company's standard one: 1,900 at 16% and 7.
        ({"tax_name": "GST", "tax_percent": D(16)}, {}, D(2000), D(311)),
        # Nothing is set for France.
        ({"country": "FR"}, {}, D(2000), D(0)),
        # Inside the prices: 450 / 1.19 leaves 378.15, 550 462.18, 900 756.30; 100 / 1.07 93.46.
        ({}, {"prices_include_tax": True}, D("1690.09"), D("309.91")),
        ({}, {"method": "per_category"}, D(2000), D(368)),
    ],
)
def test_however_the_customer_is_taxed_the_quote_says_what_the_invoice_charges(
    gmbh: LegalEntity, customer: dict[str, Any], setting: dict[str, Any], net: D, tax: D
) -> None:
    if setting:
        usual = {"method": "per_line", "prices_include_tax": False}
        set_tax_method(legal_entity_id=gmbh.id, now=NOW, **{**usual, **setting})
    deal = in_euros(gmbh, **customer)
    said = sell_terms(deal)

    assert (said.net, said.tax) == (net, tax)
    assert said.is_included == bool(setting.get("prices_include_tax"))
    assert said.treatment == customer.get("tax_treatment", "taxable")
    invoice = first_invoice(deal)
    assert (invoice.subtotal_amount, invoice.tax_amount) == (net, tax)


def test_what_a_customer_is_taxed_at_from_a_day_on_is_what_the_quote_says(
    gmbh: LegalEntity,
) -> None:
    customer = make_customer(name="Exempt from 2027", currency="USD", country="DE")
    set_customer_tax(
        customer_id=customer.id,
        treatment="exempt",
        name="VAT",
        percent=D(0),
        valid_from=START,
        now=NOW,
    )
    deal = sell(
        phase(line("platform", "450")),
        start=START,
        customer=customer,
        currency="EUR",
        legal_entity=str(gmbh.id),
    )

    said = sell_terms(deal)
    assert (said.treatment, said.net, said.tax) == ("exempt", D(450), D(0))
    assert first_invoice(deal).tax_amount == 0


def test_a_free_trial_is_not_the_first_invoice_it_says(gmbh: LegalEntity) -> None:
    free = phase(line("platform", "450"), months=1, kind="trial", discount_percent="100")
    deal = sell(
        free,
        phase(line("platform", "450")),
        start=START,
        customer=make_customer(country="DE"),
        currency="EUR",
        legal_entity=str(gmbh.id),
    )

    # February: 450 at 19% are 85.50.
    tax = sell_terms(deal)
    assert (tax.bill_on, tax.net, tax.tax) == (date(2027, 2, 1), D(450), D("85.50"))


def test_usage_alone_has_its_rate_and_no_amount(gmbh: LegalEntity) -> None:
    deal = sell(
        phase(line("calls", "0.10")),
        start=START,
        customer=make_customer(country="DE"),
        currency="EUR",
        legal_entity=str(gmbh.id),
    )

    tax = sell_terms(deal)
    assert tax.bill_on is None
    assert [(row.percent, row.base) for row in tax.shares] == [(D(19), D(0))]
