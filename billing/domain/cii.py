"""Write electronic documents as UN/CEFACT CII, for Factur-X by profile EN 16931. Pure."""

from datetime import date
from decimal import Decimal
from xml.etree.ElementTree import Element

from billing.domain.electronic import UNIT, ElectronicDocument, ElectronicLine, Party
from billing.domain.xml_writing import amount, into, number, put, written

GUIDELINE = "urn:cen.eu:en16931:2017"
FILENAME = "factur-x.xml"
_SPACES = {
    "xmlns:rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "xmlns:ram": (
        "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
    ),
    "xmlns:udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
    "xmlns:qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
}
# What a PDF/A-3 says about the XML inside it (Factur-X 1.0, chapter 6).
XMP = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#" rdf:about="">
<fx:DocumentType>INVOICE</fx:DocumentType>
<fx:DocumentFileName>factur-x.xml</fx:DocumentFileName>
<fx:Version>1.0</fx:Version>
<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>
</rdf:Description>
<rdf:Description xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
 xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#" rdf:about="">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>fx</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq>
{properties}
</rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas>
</rdf:Description>
</rdf:RDF>""".replace(
    "{properties}",
    "\n".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        "<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{words}</pdfaProperty:description></rdf:li>"
        for name, words in (
            ("DocumentFileName", "The name of the embedded XML document"),
            ("DocumentType", "The type of the hybrid document in capital letters"),
            ("Version", "The actual version of the standard applying to the embedded XML"),
            ("ConformanceLevel", "The conformance level of the embedded XML document"),
        )
    ),
)


def cii(document: ElectronicDocument) -> bytes:
    """Return a CrossIndustryInvoice of type 380 or, for a credit note, 381."""
    root = Element("rsm:CrossIndustryInvoice", _SPACES)
    context = into(root, "rsm:ExchangedDocumentContext")
    put(into(context, "ram:GuidelineSpecifiedDocumentContextParameter"), "ram:ID", GUIDELINE)
    head = into(root, "rsm:ExchangedDocument")
    put(head, "ram:ID", document.number)
    put(head, "ram:TypeCode", "380" if document.kind == "invoice" else "381")
    _day(head, "ram:IssueDateTime", document.issued_on)
    put(into(head, "ram:IncludedNote"), "ram:Content", document.note)
    deal = into(root, "rsm:SupplyChainTradeTransaction")
    for line in document.lines:
        _line(into(deal, "ram:IncludedSupplyChainTradeLineItem"), line, document)
    agreement = into(deal, "ram:ApplicableHeaderTradeAgreement")
    put(agreement, "ram:BuyerReference", document.buyer_reference)
    _party(into(agreement, "ram:SellerTradeParty"), document.seller, document)
    _party(into(agreement, "ram:BuyerTradeParty"), document.buyer, document)
    order = into(agreement, "ram:BuyerOrderReferencedDocument")
    put(order, "ram:IssuerAssignedID", document.purchase_order)
    delivery = into(deal, "ram:ApplicableHeaderTradeDelivery")
    if any(each.category == "K" for each in document.taxes):
        place = into(delivery, "ram:ShipToTradeParty/ram:PostalTradeAddress")
        put(place, "ram:CountryID", document.buyer.country)
    _day(
        into(delivery, "ram:ActualDeliverySupplyChainEvent"),
        "ram:OccurrenceDateTime",
        document.end,
    )
    _settlement(into(deal, "ram:ApplicableHeaderTradeSettlement"), document)
    return written(root)


def _day(parent: Element, tag: str, day: date, space: str = "udt") -> None:
    put(into(parent, tag), f"{space}:DateTimeString", f"{day:%Y%m%d}", format="102")


def _money(parent: Element, tag: str, value: Decimal, document: ElectronicDocument) -> None:
    put(parent, tag, amount(value, document.places))


def _party(parent: Element, party: Party, document: ElectronicDocument) -> None:
    put(parent, "ram:Name", party.name)
    scheme = {"schemeID": party.registration_scheme} if party.registration_scheme else {}
    put(into(parent, "ram:SpecifiedLegalOrganization"), "ram:ID", party.registration_id, **scheme)
    contact = into(parent, "ram:DefinedTradeContact")
    put(contact, "ram:PersonName", party.contact_name)
    phone = into(contact, "ram:TelephoneUniversalCommunication")
    put(phone, "ram:CompleteNumber", party.contact_phone)
    put(into(contact, "ram:EmailURIUniversalCommunication"), "ram:URIID", party.contact_email)
    address = into(parent, "ram:PostalTradeAddress")
    put(address, "ram:PostcodeCode", party.postal_code)
    put(address, "ram:LineOne", party.street)
    put(address, "ram:LineTwo", party.street_2)
    put(address, "ram:CityName", party.city)
    put(address, "ram:CountryID", party.country)
    if party.endpoint_id:
        reach = into(parent, "ram:URIUniversalCommunication")
        put(reach, "ram:URIID", party.endpoint_id, schemeID=party.endpoint_scheme)
    if party.tax_id and all(each.category != "O" for each in document.taxes):
        put(into(parent, "ram:SpecifiedTaxRegistration"), "ram:ID", party.tax_id, schemeID="VA")


def _settlement(parent: Element, document: ElectronicDocument) -> None:
    put(parent, "ram:PaymentReference", document.number)
    put(parent, "ram:InvoiceCurrencyCode", document.currency)
    if document.iban and document.kind == "invoice":
        means = into(parent, "ram:SpecifiedTradeSettlementPaymentMeans")
        put(means, "ram:TypeCode", "58" if document.currency == "EUR" else "30")
        account = into(means, "ram:PayeePartyCreditorFinancialAccount")
        put(account, "ram:IBANID", document.iban)
        put(account, "ram:AccountName", document.seller.name)
        bank = into(means, "ram:PayeeSpecifiedCreditorFinancialInstitution")
        put(bank, "ram:BICID", document.bic)
    for each in document.taxes:
        tax = into(parent, "ram:ApplicableTradeTax")
        _money(tax, "ram:CalculatedAmount", each.tax, document)
        put(tax, "ram:TypeCode", "VAT")
        put(tax, "ram:ExemptionReason", each.reason)
        _money(tax, "ram:BasisAmount", each.base, document)
        put(tax, "ram:CategoryCode", each.category)
        put(tax, "ram:ExemptionReasonCode", each.reason_code)
        if each.category != "O":
            put(tax, "ram:RateApplicablePercent", number(each.percent))
    _period(parent, document)
    terms = into(parent, "ram:SpecifiedTradePaymentTerms")
    put(terms, "ram:Description", document.terms)
    if document.due_on:
        _day(terms, "ram:DueDateDateTime", document.due_on)
    _sums(into(parent, "ram:SpecifiedTradeSettlementHeaderMonetarySummation"), document)
    if document.corrects:
        before = into(parent, "ram:InvoiceReferencedDocument")
        put(before, "ram:IssuerAssignedID", document.corrects)
        if document.corrects_issued_on:
            _day(before, "ram:FormattedIssueDateTime", document.corrects_issued_on, "qdt")


def _sums(parent: Element, document: ElectronicDocument) -> None:
    _money(parent, "ram:LineTotalAmount", document.net, document)
    _money(parent, "ram:TaxBasisTotalAmount", document.net, document)
    tax = amount(document.tax, document.places)
    put(parent, "ram:TaxTotalAmount", tax, currencyID=document.currency)
    if document.rounding:
        _money(parent, "ram:RoundingAmount", document.rounding, document)
    _money(parent, "ram:GrandTotalAmount", document.total, document)
    if document.paid:
        _money(parent, "ram:TotalPrepaidAmount", document.paid, document)
    _money(parent, "ram:DuePayableAmount", document.payable, document)


def _period(parent: Element, row: ElectronicDocument | ElectronicLine) -> None:
    period = into(parent, "ram:BillingSpecifiedPeriod")
    _day(period, "ram:StartDateTime", row.start)
    _day(period, "ram:EndDateTime", row.end)


def _line(parent: Element, line: ElectronicLine, document: ElectronicDocument) -> None:
    head = into(parent, "ram:AssociatedDocumentLineDocument")
    put(head, "ram:LineID", line.id)
    put(into(head, "ram:IncludedNote"), "ram:Content", line.note)
    product = into(parent, "ram:SpecifiedTradeProduct")
    put(product, "ram:SellerAssignedID", line.product_code)
    put(product, "ram:Name", line.name)
    price = into(parent, "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice")
    put(price, "ram:ChargeAmount", number(line.price))
    if line.base_quantity != 1:
        put(price, "ram:BasisQuantity", number(line.base_quantity), unitCode=UNIT)
    delivery = into(parent, "ram:SpecifiedLineTradeDelivery")
    put(delivery, "ram:BilledQuantity", number(line.quantity), unitCode=UNIT)
    settlement = into(parent, "ram:SpecifiedLineTradeSettlement")
    tax = into(settlement, "ram:ApplicableTradeTax")
    put(tax, "ram:TypeCode", "VAT")
    put(tax, "ram:CategoryCode", line.category)
    if line.category != "O":
        put(tax, "ram:RateApplicablePercent", number(line.percent))
    _period(settlement, line)
    for each in line.allowances:
        allowance = into(settlement, "ram:SpecifiedTradeAllowanceCharge")
        put(into(allowance, "ram:ChargeIndicator"), "udt:Indicator", "false")
        _money(allowance, "ram:ActualAmount", each.amount, document)
        put(allowance, "ram:Reason", each.reason)
    total = into(settlement, "ram:SpecifiedTradeSettlementLineMonetarySummation")
    _money(total, "ram:LineTotalAmount", line.net, document)
