"""Our documents in Xero's terms."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import Refused
from integrations.xero.mapping import (
    Accounts,
    ContactDocument,
    InvoiceDocument,
    LineDocument,
    contact_request,
    invoice_request,
)
from integrations.xero.simulated_rules import computed

cents = st.decimals(min_value=-(10**9), max_value=10**9, places=2)


def invoice(*lines: tuple[str, str], currency: str = "USD") -> InvoiceDocument:
    documents = tuple(
        LineDocument(f"Line {i}", "platform", Decimal(net), Decimal(tax))
        for i, (net, tax) in enumerate(lines, start=1)
    )
    net = sum((line.amount for line in documents), Decimal(0))
    tax = sum((line.tax_amount for line in documents), Decimal(0))
    return InvoiceDocument(
        number="NW-INV-000001",
        currency=currency,
        issued_on=date(2026, 3, 3),
        due_on=date(2026, 4, 2),
        reference="PO-7",
        lines=documents,
        subtotal=net,
        tax=tax,
        total=net + tax,
    )


def sent(document: InvoiceDocument, accounts: Accounts | None = None) -> dict[str, Any]:
    return invoice_request(document, contact_id="c-1", accounts=accounts or Accounts())


def test_a_line_is_one_times_its_net_amount_with_our_tax_beside_it() -> None:
    (line,) = sent(invoice(("1234.5000", "246.9000")))["LineItems"]

    assert line == {
        "Description": "Line 1",
        "Quantity": "1",
        "UnitAmount": "1234.50",
        "LineAmount": "1234.50",
        "AccountCode": "200",
        "TaxType": "OUTPUT",
        "TaxAmount": "246.90",
    }


def test_the_invoice_is_approved_and_its_tax_is_on_top() -> None:
    request = sent(invoice(("10", "2")))

    assert {key: request[key] for key in request if key != "LineItems"} == {
        "Type": "ACCREC",
        "Status": "AUTHORISED",
        "Contact": {"ContactID": "c-1"},
        "InvoiceNumber": "NW-INV-000001",
        "Reference": "PO-7",
        "Date": "2026-03-03",
        "DueDate": "2026-04-02",
        "CurrencyCode": "USD",
        "LineAmountTypes": "Exclusive",
    }


def test_three_lines_at_15_percent_owe_what_xero_computes() -> None:
    request = sent(invoice(("25.06", "3.76"), ("25.61", "3.84"), ("25.63", "3.84")))
    untold = {**request, "LineItems": [dict(line) for line in request["LineItems"]]}
    for line in untold["LineItems"]:
        del line["TaxAmount"]

    assert computed(request, decimals=4)["TotalTax"] == Decimal("11.44")
    assert computed(untold, decimals=4)["TotalTax"] == Decimal("11.44")


@given(st.lists(st.tuples(cents, cents), min_size=1, max_size=20))
def test_totals_are_ours_to_the_cent_for_any_lines(lines: list[tuple[Decimal, Decimal]]) -> None:
    document = invoice(*((str(net), str(tax)) for net, tax in lines))
    if document.total < 0:
        with pytest.raises(Refused, match="below zero"):
            sent(document)
        return

    theirs = computed(sent(document), decimals=4)

    assert (theirs["SubTotal"], theirs["TotalTax"], theirs["Total"]) == (
        document.subtotal,
        document.tax,
        document.total,
    )


def test_a_discount_line_stays_negative_and_untaxed_lines_say_so() -> None:
    discount = sent(invoice(("100", "20"), ("-10.00", "0")))["LineItems"][1]

    assert (discount["UnitAmount"], discount["TaxType"]) == ("-10.00", "NONE")


def test_yen_have_no_decimals_to_lose() -> None:
    (line,) = sent(invoice(("1000", "100"), currency="JPY"))["LineItems"]

    assert (line["UnitAmount"], line["TaxAmount"]) == ("1000.00", "100.00")


def test_a_third_decimal_is_refused_not_rounded() -> None:
    with pytest.raises(Refused, match=r"“Line 1” is 1\.234 KWD"):
        sent(invoice(("1.234", "0"), currency="KWD"))


def test_an_amount_that_a_json_number_cannot_carry_is_refused() -> None:
    with pytest.raises(Refused, match="larger than Xero can hold"):
        sent(invoice(("12345678901234.56", "0")))


def test_lines_that_do_not_add_up_are_refused_with_the_figures() -> None:
    document = replace(invoice(("10", "2")), total=Decimal("12.01"))

    with pytest.raises(Refused, match=r"add up to 10\.00 net \+ 2\.00 tax = 12\.00 USD"):
        sent(document)


def test_products_have_accounts_and_others_the_sales_account() -> None:
    accounts = Accounts.from_data({"sales_account": "260", "product_accounts": {"platform": "201"}})

    (line,) = sent(invoice(("1", "0")), accounts)["LineItems"]

    assert line["AccountCode"] == "201"
    assert accounts.account_of("calls") == "260"
    assert Accounts.from_data(accounts.to_data()) == accounts


def test_a_contact_is_found_again_by_our_id() -> None:
    contact = ContactDocument("7c1c", "Acme", "ann@acme.example")

    assert contact_request(contact) == {
        "Name": "Acme",
        "ContactNumber": "7c1c",
        "EmailAddress": "ann@acme.example",
    }


def test_a_name_longer_than_xero_keeps_is_refused() -> None:
    with pytest.raises(Refused, match="255"):
        contact_request(ContactDocument("7c1c", "A" * 256))


def test_a_rate_may_have_a_tax_type_of_its_own() -> None:
    accounts = Accounts.from_data(
        {"tax_type": "OUTPUT2", "tax_types": {"7": "OUTPUT3", "reverse_charge": "ECOUTPUT"}}
    )
    lines = [
        LineDocument("Tool", "tool", Decimal(100), Decimal(19), Decimal("19.000000")),
        LineDocument("Book", "book", Decimal(100), Decimal(7), Decimal("7.000000")),
        LineDocument("Abroad", "tool", Decimal(100), Decimal(0), Decimal(0), "reverse_charge"),
        LineDocument("Cover", "cover", Decimal(100), Decimal(0), Decimal(0), "exempt"),
    ]
    assert [accounts.tax_type_of(line) for line in lines] == [
        "OUTPUT2", "OUTPUT3", "ECOUTPUT", "NONE",
    ]  # fmt: skip
    assert Accounts.from_data(accounts.to_data()) == accounts
