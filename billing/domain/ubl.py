"""Write electronic documents as UBL 2.1 by Peppol BIS Billing 3.0. Pure."""

from decimal import Decimal
from xml.etree.ElementTree import Element

from billing.domain.electronic import (
    UNIT,
    ElectronicDocument,
    ElectronicLine,
    Party,
    TaxSubtotal,
)
from billing.domain.xml_writing import amount, into, number, put, written

CUSTOMIZATION = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
PROFILE = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
_SPACES = "urn:oasis:names:specification:ubl:schema:xsd:"


def ubl(document: ElectronicDocument) -> bytes:
    """Return a UBL Invoice (type 380) or CreditNote (type 381)."""
    is_invoice = document.kind == "invoice"
    name = "Invoice" if is_invoice else "CreditNote"
    root = Element(
        name,
        {
            "xmlns": f"{_SPACES}{name}-2",
            "xmlns:cac": f"{_SPACES}CommonAggregateComponents-2",
            "xmlns:cbc": f"{_SPACES}CommonBasicComponents-2",
        },
    )
    put(root, "cbc:CustomizationID", CUSTOMIZATION)
    put(root, "cbc:ProfileID", PROFILE)
    put(root, "cbc:ID", document.number)
    put(root, "cbc:IssueDate", document.issued_on.isoformat())
    if is_invoice and document.due_on:
        put(root, "cbc:DueDate", document.due_on.isoformat())
    put(root, f"cbc:{name}TypeCode", "380" if is_invoice else "381")
    put(root, "cbc:Note", document.note)
    put(root, "cbc:DocumentCurrencyCode", document.currency)
    put(root, "cbc:BuyerReference", document.buyer_reference)
    _period(root, document)
    put(into(root, "cac:OrderReference"), "cbc:ID", document.purchase_order)
    if document.corrects:
        before = into(root, "cac:BillingReference/cac:InvoiceDocumentReference")
        put(before, "cbc:ID", document.corrects)
        if document.corrects_issued_on:
            put(before, "cbc:IssueDate", document.corrects_issued_on.isoformat())
    _party(into(root, "cac:AccountingSupplierParty/cac:Party"), document.seller, document)
    _party(into(root, "cac:AccountingCustomerParty/cac:Party"), document.buyer, document)
    if any(each.category == "K" for each in document.taxes):
        delivery = into(root, "cac:Delivery")
        put(delivery, "cbc:ActualDeliveryDate", document.end.isoformat())
        place = into(delivery, "cac:DeliveryLocation/cac:Address/cac:Country")
        put(place, "cbc:IdentificationCode", document.buyer.country)
    _payment(root, document)
    put(into(root, "cac:PaymentTerms"), "cbc:Note", document.terms)
    _totals(root, document)
    for line in document.lines:
        _line(into(root, f"cac:{name}Line"), line, document)
    return written(root)


def _money(parent: Element, tag: str, value: Decimal, document: ElectronicDocument) -> None:
    put(parent, tag, amount(value, document.places), currencyID=document.currency)


def _period(parent: Element, row: ElectronicDocument | ElectronicLine) -> None:
    period = into(parent, "cac:InvoicePeriod")
    put(period, "cbc:StartDate", row.start.isoformat())
    put(period, "cbc:EndDate", row.end.isoformat())


def _party(parent: Element, party: Party, document: ElectronicDocument) -> None:
    put(parent, "cbc:EndpointID", party.endpoint_id, schemeID=party.endpoint_scheme)
    put(into(parent, "cac:PartyName"), "cbc:Name", party.name)
    address = into(parent, "cac:PostalAddress")
    put(address, "cbc:StreetName", party.street)
    put(address, "cbc:AdditionalStreetName", party.street_2)
    put(address, "cbc:CityName", party.city)
    put(address, "cbc:PostalZone", party.postal_code)
    put(into(address, "cac:Country"), "cbc:IdentificationCode", party.country)
    # Who is outside the scope of the tax must not state a VAT id (BR-O-02).
    if party.tax_id and all(each.category != "O" for each in document.taxes):
        scheme = into(parent, "cac:PartyTaxScheme")
        put(scheme, "cbc:CompanyID", party.tax_id)
        put(into(scheme, "cac:TaxScheme"), "cbc:ID", "VAT")
    legal = into(parent, "cac:PartyLegalEntity")
    put(legal, "cbc:RegistrationName", party.name)
    scheme_id = {"schemeID": party.registration_scheme} if party.registration_scheme else {}
    put(legal, "cbc:CompanyID", party.registration_id, **scheme_id)
    contact = into(parent, "cac:Contact")
    put(contact, "cbc:Name", party.contact_name)
    put(contact, "cbc:Telephone", party.contact_phone)
    put(contact, "cbc:ElectronicMail", party.contact_email)


def _payment(root: Element, document: ElectronicDocument) -> None:
    if not document.iban or document.kind != "invoice":
        return
    means = into(root, "cac:PaymentMeans")
    put(means, "cbc:PaymentMeansCode", "58" if document.currency == "EUR" else "30")
    put(means, "cbc:PaymentID", document.number)
    account = into(means, "cac:PayeeFinancialAccount")
    put(account, "cbc:ID", document.iban)
    put(account, "cbc:Name", document.seller.name)
    put(into(account, "cac:FinancialInstitutionBranch"), "cbc:ID", document.bic)


def _totals(root: Element, document: ElectronicDocument) -> None:
    taxes = into(root, "cac:TaxTotal")
    _money(taxes, "cbc:TaxAmount", document.tax, document)
    for each in document.taxes:
        subtotal = into(taxes, "cac:TaxSubtotal")
        _money(subtotal, "cbc:TaxableAmount", each.base, document)
        _money(subtotal, "cbc:TaxAmount", each.tax, document)
        _category(into(subtotal, "cac:TaxCategory"), each)
    sums = into(root, "cac:LegalMonetaryTotal")
    _money(sums, "cbc:LineExtensionAmount", document.net, document)
    _money(sums, "cbc:TaxExclusiveAmount", document.net, document)
    _money(sums, "cbc:TaxInclusiveAmount", document.total, document)
    if document.paid:
        _money(sums, "cbc:PrepaidAmount", document.paid, document)
    if document.rounding:
        _money(sums, "cbc:PayableRoundingAmount", document.rounding, document)
    _money(sums, "cbc:PayableAmount", document.payable, document)


def _category(parent: Element, row: TaxSubtotal | ElectronicLine) -> None:
    put(parent, "cbc:ID", row.category)
    if row.category != "O":
        put(parent, "cbc:Percent", number(row.percent))
    if isinstance(row, TaxSubtotal):
        put(parent, "cbc:TaxExemptionReasonCode", row.reason_code)
        put(parent, "cbc:TaxExemptionReason", row.reason)
    put(into(parent, "cac:TaxScheme"), "cbc:ID", "VAT")


def _line(parent: Element, line: ElectronicLine, document: ElectronicDocument) -> None:
    put(parent, "cbc:ID", line.id)
    put(parent, "cbc:Note", line.note)
    tag = "cbc:InvoicedQuantity" if document.kind == "invoice" else "cbc:CreditedQuantity"
    put(parent, tag, number(line.quantity), unitCode=UNIT)
    _money(parent, "cbc:LineExtensionAmount", line.net, document)
    _period(parent, line)
    for each in line.allowances:
        allowance = into(parent, "cac:AllowanceCharge")
        put(allowance, "cbc:ChargeIndicator", "false")
        put(allowance, "cbc:AllowanceChargeReason", each.reason)
        _money(allowance, "cbc:Amount", each.amount, document)
    item = into(parent, "cac:Item")
    put(item, "cbc:Name", line.name)
    put(into(item, "cac:SellersItemIdentification"), "cbc:ID", line.product_code)
    _category(into(item, "cac:ClassifiedTaxCategory"), line)
    price = into(parent, "cac:Price")
    put(price, "cbc:PriceAmount", number(line.price), currencyID=document.currency)
    if line.base_quantity != 1:
        put(price, "cbc:BaseQuantity", number(line.base_quantity), unitCode=UNIT)
