"""Electronic invoices: the XML, read again, obeys EN 16931 to the cent."""

from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.cii import cii
from billing.domain.electronic import (
    REASONS,
    Allowance,
    ElectronicDocument,
    ElectronicLine,
    Party,
    TaxSubtotal,
    complete,
    contradictions,
    priced,
)
from billing.domain.electronic_addresses import wrong_endpoint
from billing.domain.ubl import ubl
from billing.domain.xml_writing import clean, put

D = Decimal
CENT = D("0.01")
NS = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
SELLER = Party(
    name="Northwind GmbH", country="DE", street="Hafen 1", city="Hamburg", postal_code="20457",
    tax_id="DE123456789", endpoint_scheme="9930", endpoint_id="DE123456789",
    contact_name="Kai", contact_phone="+49 40 1", contact_email="kai@northwind.example",
)  # fmt: skip
BUYER = Party(
    name="Acme BV", country="NL", street="Kade 2", city="Delft", postal_code="2611",
    tax_id="NL123456789B01", endpoint_scheme="0106", endpoint_id="12345678",
)  # fmt: skip


def line(net: str, percent: str = "19", category: str = "S", **more: Any) -> ElectronicLine:
    quantity, price, base = priced(D(net), more.pop("quantity", None), more.pop("unit_price", None))
    values: dict[str, Any] = {
        "id": "1", "name": "Platform", "net": D(net), "quantity": quantity, "price": price,
        "base_quantity": base, "category": category, "percent": D(percent),
        "start": date(2026, 1, 1), "end": date(2026, 1, 31),
    }  # fmt: skip
    return ElectronicLine(**{**values, **more})


def document(*lines: ElectronicLine, **more: Any) -> ElectronicDocument:
    """A document whose taxes are rounded per category."""
    numbered = tuple(replace(each, id=str(n)) for n, each in enumerate(lines, start=1))
    bases: dict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for each in numbered:
        bases[each.category, each.percent] += each.net
    taxes = tuple(
        TaxSubtotal(
            category, percent, base, (base * percent / 100).quantize(CENT, ROUND_HALF_UP),
            *reversed(REASONS.get(category, ("", ""))),
        )
        for (category, percent), base in bases.items()
    )  # fmt: skip
    net = sum((each.net for each in numbered), D(0))
    tax = sum((each.tax for each in taxes), D(0))
    values: dict[str, Any] = {
        "kind": "invoice", "number": "NW-1", "issued_on": date(2026, 2, 1),
        "due_on": date(2026, 3, 3), "currency": "EUR", "places": 2, "seller": SELLER,
        "buyer": BUYER, "lines": numbered, "taxes": taxes, "net": net, "tax": tax,
        "total": net + tax, "start": date(2026, 1, 1), "end": date(2026, 1, 31),
        "purchase_order": "PO-7", "terms": "30 days net", "iban": "DE02120300000000202051",
    }  # fmt: skip
    return ElectronicDocument(**{**values, **more})


def parsed(xml: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(xml)  # noqa: S314 - what we wrote ourselves


def number(node: ElementTree.Element, path: str) -> Decimal:
    return D(node.findtext(path, "0", NS))


def check_ubl(xml: bytes) -> ElementTree.Element:
    """The arithmetic of EN 16931 and the mandatory fields of Peppol, on the XML alone."""
    root = parsed(xml)
    kind = root.tag.rpartition("}")[2]
    sums = root.find("cac:LegalMonetaryTotal", NS)
    assert sums is not None
    net = number(sums, "cbc:LineExtensionAmount")
    lines = root.findall(f"cac:{kind}Line", NS)
    assert net == sum((number(each, "cbc:LineExtensionAmount") for each in lines), D(0))  # BR-CO-10
    assert number(sums, "cbc:TaxExclusiveAmount") == net  # BR-CO-13
    tax = number(root, "cac:TaxTotal/cbc:TaxAmount")
    subtotals = root.findall("cac:TaxTotal/cac:TaxSubtotal", NS)
    assert tax == sum((number(each, "cbc:TaxAmount") for each in subtotals), D(0))  # BR-CO-14
    assert number(sums, "cbc:TaxInclusiveAmount") == net + tax  # BR-CO-15
    assert number(sums, "cbc:PayableAmount") == (
        net + tax - number(sums, "cbc:PrepaidAmount") + number(sums, "cbc:PayableRoundingAmount")
    )  # BR-CO-16
    for each in subtotals:
        category = each.findtext("cac:TaxCategory/cbc:ID", "", NS)
        percent = number(each, "cac:TaxCategory/cbc:Percent")
        base = number(each, "cbc:TaxableAmount")
        assert number(each, "cbc:TaxAmount") == (base * percent / 100).quantize(
            CENT, ROUND_HALF_UP
        )  # BR-CO-17
        own = [
            row for row in lines
            if row.findtext("cac:Item/cac:ClassifiedTaxCategory/cbc:ID", "", NS) == category
            and number(row, "cac:Item/cac:ClassifiedTaxCategory/cbc:Percent") == percent
        ]  # fmt: skip
        assert base == sum((number(row, "cbc:LineExtensionAmount") for row in own), D(0))  # S-08
        reason = each.find("cac:TaxCategory/cbc:TaxExemptionReason", NS)
        assert (reason is not None) == (category not in ("S", "Z"))  # BR-E-10 and its kin
    for row in lines:
        quantity = number(row, "cbc:InvoicedQuantity") + number(row, "cbc:CreditedQuantity")
        price = number(row, "cac:Price/cbc:PriceAmount")
        base_quantity = D(row.findtext("cac:Price/cbc:BaseQuantity", "1", NS))
        off = sum((number(a, "cbc:Amount") for a in row.findall("cac:AllowanceCharge", NS)), D(0))
        assert price >= 0  # BR-27
        exact = quantity * price / base_quantity - off
        assert abs(exact - number(row, "cbc:LineExtensionAmount")) <= CENT  # R120
        assert row.findtext("cac:Item/cbc:Name", "", NS)  # BR-25
    for path in (
        "cbc:CustomizationID", "cbc:ProfileID", "cbc:ID", "cbc:IssueDate", f"cbc:{kind}TypeCode",
        "cbc:DocumentCurrencyCode",
        "cac:AccountingSupplierParty/cac:Party/cbc:EndpointID",
        "cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
        "cac:AccountingSupplierParty/cac:Party/cac:PostalAddress/cac:Country/"
        "cbc:IdentificationCode",
        "cac:AccountingCustomerParty/cac:Party/cbc:EndpointID",
        "cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
        "cac:AccountingCustomerParty/cac:Party/cac:PostalAddress/cac:Country/"
        "cbc:IdentificationCode",
    ):  # fmt: skip
        assert root.findtext(path, "", NS), path
    for node in root.iter():  # PEPPOL-EN16931-R008
        assert len(node) or (node.text or "").strip(), node.tag
    return root


amounts = st.decimals(D("-99999.99"), D("999999.99"), places=2).filter(bool)
rates = st.sampled_from(["19", "7", "5.5", "21"])


class TestUbl:
    @given(st.lists(st.tuples(amounts, rates), min_size=1, max_size=12))
    def test_sums_tie_to_the_cent_whatever_the_lines(self, rows: Any) -> None:
        made = document(*(line(str(net), percent) for net, percent in rows))

        assert contradictions(made) == []
        check_ubl(ubl(made))

    @given(
        st.decimals(D("0.01"), D(100000), places=2),
        st.decimals(D("0.001"), D(1000), places=3),
        st.decimals(D(0), D(1000), places=6),
    )
    def test_quantity_times_price_is_the_line(self, net: D, quantity: D, unit_price: D) -> None:
        found, price, base = priced(net, quantity, unit_price)

        assert abs(found * price / base - net) <= D("0.005")

    @pytest.mark.parametrize(
        ("category", "code"),
        [("E", None), ("AE", "VATEX-EU-AE"), ("K", "VATEX-EU-IC"), ("G", "VATEX-EU-G")],
    )
    def test_what_bears_no_tax_says_why(self, category: str, code: str | None) -> None:
        made = document(line("100.00", "0", category))

        root = check_ubl(ubl(made))

        found = root.find("cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory", NS)
        assert found is not None
        assert found.findtext("cbc:TaxExemptionReasonCode", None, NS) == code
        assert found.findtext("cbc:Percent", None, NS) == "0"
        assert complete(made, peppol=True) == []

    def test_zero_rated_gives_no_reason(self) -> None:
        check_ubl(ubl(document(line("100.00", "0", "Z"))))

    def test_outside_the_scope_there_is_neither_rate_nor_vat_id(self) -> None:
        root = check_ubl(ubl(document(line("100.00", "0", "O"))))

        assert root.find(".//cac:PartyTaxScheme", NS) is None  # BR-O-02
        assert root.find(".//cbc:Percent", NS) is None  # BR-O-05
        assert contradictions(document(line("1.00", "0", "O"), line("1.00"))) == ["BR-O-11"]

    def test_a_supply_to_another_member_state_says_where_to(self) -> None:
        root = check_ubl(ubl(document(line("100.00", "0", "K"))))

        path = "cac:Delivery/cac:DeliveryLocation/cac:Address/cac:Country/cbc:IdentificationCode"
        assert root.findtext(path, "", NS) == "NL"  # BR-IC-12

    def test_a_discount_is_an_allowance_of_its_line(self) -> None:
        quantity, price, base = priced(D("90.00"), None, None, D("10.00"))
        row = line(
            "90.00", allowances=(Allowance("Launch 10%", D("10.00")),), quantity=quantity,
        )  # fmt: skip
        made = document(replace(row, price=price, base_quantity=base, quantity=quantity))

        root = check_ubl(ubl(made))

        assert root.findtext(".//cbc:AllowanceChargeReason", "", NS) == "Launch 10%"
        assert root.findtext(".//cbc:PriceAmount", "", NS) == "100"

    def test_what_was_paid_and_rounded_is_taken_from_what_is_payable(self) -> None:
        made = document(line("100.00"), paid=D("19.00"), rounding=D("-0.05"))

        root = check_ubl(ubl(made))

        assert root.findtext(".//cbc:PayableAmount", "", NS) == "99.95"

    def test_a_credit_note_names_the_invoice_and_has_no_due_date(self) -> None:
        made = document(
            line("100.00"), kind="credit_note", corrects="NW-0",
            corrects_issued_on=date(2026, 1, 2), due_on=None,
        )  # fmt: skip
        root = check_ubl(ubl(made))

        assert root.tag.endswith("CreditNote")
        assert root.findtext("cbc:CreditNoteTypeCode", "", NS) == "381"
        reference = "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"
        assert root.findtext(reference, "", NS) == "NW-0"
        assert root.find("cbc:DueDate", NS) is None
        assert root.find("cac:CreditNoteLine/cbc:CreditedQuantity", NS) is not None

    def test_elements_stand_in_the_order_of_the_schema(self) -> None:
        root = parsed(ubl(document(line("1.00", note="n", product_code="p"))))

        assert [node.tag.rpartition("}")[2] for node in root] == [
            "CustomizationID", "ProfileID", "ID", "IssueDate", "DueDate", "InvoiceTypeCode",
            "DocumentCurrencyCode", "InvoicePeriod", "OrderReference",
            "AccountingSupplierParty", "AccountingCustomerParty", "PaymentMeans", "PaymentTerms",
            "TaxTotal", "LegalMonetaryTotal", "InvoiceLine",
        ]  # fmt: skip
        row = root.find("cac:InvoiceLine", NS)
        assert row is not None
        assert [node.tag.rpartition("}")[2] for node in row] == [
            "ID", "Note", "InvoicedQuantity", "LineExtensionAmount", "InvoicePeriod", "Item",
            "Price",
        ]  # fmt: skip

    def test_hostile_names_are_text(self) -> None:
        name = 'A&B <cbc:ID>1</cbc:ID> \x00\x0b]]> "x" \ud800 漢字'
        root = check_ubl(ubl(document(line("1.00"), buyer=replace(BUYER, name=name))))

        party = "cac:AccountingCustomerParty/cac:Party/cac:PartyName/cbc:Name"
        assert root.findtext(party, "", NS) == 'A&B <cbc:ID>1</cbc:ID> ]]> "x"  漢字'


class TestCii:
    @given(st.lists(st.tuples(amounts, rates), min_size=1, max_size=8))
    def test_sums_tie_to_the_cent(self, rows: Any) -> None:
        root = parsed(cii(document(*(line(str(net), percent) for net, percent in rows))))
        settled = root.find(".//ram:ApplicableHeaderTradeSettlement", NS)
        assert settled is not None
        sums = settled.find("ram:SpecifiedTradeSettlementHeaderMonetarySummation", NS)
        assert sums is not None
        total = ".//ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
        nets = [number(each, ".") for each in root.findall(total, NS)]
        taxes = [number(each, "ram:CalculatedAmount")
                 for each in settled.findall("ram:ApplicableTradeTax", NS)]  # fmt: skip
        assert number(sums, "ram:LineTotalAmount") == sum(nets, D(0))
        assert number(sums, "ram:TaxTotalAmount") == sum(taxes, D(0))
        assert number(sums, "ram:GrandTotalAmount") == sum(nets, D(0)) + sum(taxes, D(0))
        assert number(sums, "ram:DuePayableAmount") == number(sums, "ram:GrandTotalAmount")

    def test_elements_stand_in_the_order_of_the_schema(self) -> None:
        root = parsed(cii(document(line("1.00"), paid=D("0.19"), corrects="NW-0")))

        def order(path: str) -> list[str]:
            node = root.find(f".//ram:{path}", NS)
            assert node is not None
            return [child.tag.rpartition("}")[2] for child in node]

        assert order("ApplicableHeaderTradeSettlement") == [
            "PaymentReference", "InvoiceCurrencyCode", "SpecifiedTradeSettlementPaymentMeans",
            "ApplicableTradeTax", "BillingSpecifiedPeriod", "SpecifiedTradePaymentTerms",
            "SpecifiedTradeSettlementHeaderMonetarySummation", "InvoiceReferencedDocument",
        ]  # fmt: skip
        assert order("SellerTradeParty") == [
            "Name", "DefinedTradeContact", "PostalTradeAddress", "URIUniversalCommunication",
            "SpecifiedTaxRegistration",
        ]  # fmt: skip
        assert order("SpecifiedTradeSettlementHeaderMonetarySummation") == [
            "LineTotalAmount", "TaxBasisTotalAmount", "TaxTotalAmount", "GrandTotalAmount",
            "TotalPrepaidAmount", "DuePayableAmount",
        ]  # fmt: skip

    def test_it_says_what_the_profile_asks_for(self) -> None:
        root = parsed(cii(document(line("100.00"))))

        guideline = ".//ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"
        assert root.findtext(guideline, "", NS) == "urn:cen.eu:en16931:2017"
        assert root.findtext("rsm:ExchangedDocument/ram:TypeCode", "", NS) == "380"
        assert root.findtext(".//udt:DateTimeString", "", NS) == "20260201"
        registration = root.find(".//ram:SellerTradeParty/ram:SpecifiedTaxRegistration/ram:ID", NS)
        assert registration is not None
        assert (registration.get("schemeID"), registration.text) == ("VA", "DE123456789")


class TestComplete:
    def test_a_complete_document_lacks_nothing(self) -> None:
        assert complete(document(line("1.00")), peppol=True) == []

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"seller": replace(SELLER, tax_id="")}, "the seller's VAT id"),
            ({"seller": replace(SELLER, tax_id="123")}, "begins with its country"),
            ({"seller": replace(SELLER, city="")}, "the seller's town"),
            ({"seller": replace(SELLER, endpoint_id="")}, "the seller's electronic address"),
            ({"seller": replace(SELLER, contact_phone="")}, "the seller's contact"),
            ({"buyer": replace(BUYER, street="")}, "the customer's street"),
            ({"buyer": replace(BUYER, country="")}, "the customer's country"),
            ({"buyer": replace(BUYER, endpoint_scheme="")}, "the customer's electronic address"),
            ({"buyer": replace(BUYER, postal_code="")}, "the customer's town and postal code"),
            ({"purchase_order": ""}, "the customer's reference, or a purchase order"),
            ({"iban": ""}, "the IBAN"),
            ({"places": 3, "currency": "KWD"}, "at most two decimals"),
        ],
    )  # fmt: skip
    def test_what_is_missing_is_said_in_words(self, change: dict[str, Any], words: str) -> None:
        found = complete(document(line("1.00"), **change), peppol=True)

        assert len(found) == 1
        assert words in found[0]

    def test_reverse_charge_needs_the_customers_vat_id(self) -> None:
        made = document(line("1.00", "0", "AE"), buyer=replace(BUYER, tax_id=""))

        assert complete(made, peppol=False) == [
            "the customer's VAT id, since it accounts for the tax"
        ]

    @pytest.mark.parametrize(
        ("change", "rule"),
        [
            ({"net": D("1.01")}, "BR-CO-10"),
            ({"tax": D("0.20")}, "BR-CO-14"),
            ({"total": D("1.20")}, "BR-CO-15"),
            ({"taxes": (TaxSubtotal("S", D(19), D(1), D("0.25")),)}, "BR-CO-17"),
            ({"taxes": (TaxSubtotal("S", D(7), D(1), D("0.19")),)}, "BR-CO-18"),
        ],
    )
    def test_amounts_that_contradict_each_other_are_named(self, change: Any, rule: str) -> None:
        assert rule in contradictions(replace(document(line("1.00")), **change))


class TestAddresses:
    @pytest.mark.parametrize(
        ("scheme", "value"),
        [("0088", "7300010000001"), ("0192", "974760673"), ("0208", "0202239951"),
         ("0106", "12345678"), ("EM", "ap@acme.example")],
    )  # fmt: skip
    def test_real_addresses_are_right(self, scheme: str, value: str) -> None:
        assert wrong_endpoint(scheme, value) == ""

    @pytest.mark.parametrize(
        ("scheme", "value"),
        [("0088", "7300010000002"), ("0088", "73000100000O1"), ("0192", "974760674"),
         ("0208", "0202239952"), ("EM", "nobody"), ("1234", "x"), ("0106", "１２")],
    )  # fmt: skip
    def test_wrong_ones_are_named(self, scheme: str, value: str) -> None:
        assert wrong_endpoint(scheme, value)


def test_nothing_empty_is_written() -> None:
    root = ElementTree.Element("a")
    put(root, "b", " \x00 ")
    assert len(root) == 0
    assert clean("a\x00b") == "ab"
