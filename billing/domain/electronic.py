"""Invoices and credit notes as machines read them, by the terms of EN 16931. Pure.

One value for both syntaxes (UBL and CII). ``complete`` says in words what a document lacks;
``contradictions`` names the arithmetic rules of the standard it breaks.
Source: EN 16931-1:2017, Peppol BIS Billing 3.0.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from billing.domain.electronic_addresses import wrong_endpoint

ZERO = Decimal(0)
CENT = Decimal("0.01")
UNIT = "C62"  # UN/ECE Recommendation 20: one
# UNCL 5305 codes that need a reason why no tax is charged, with the reason's code (VATEX).
REASONS = {
    "E": ("", "Exempt from VAT"),
    "AE": ("VATEX-EU-AE", "Reverse charge"),
    "K": ("VATEX-EU-IC", "Intra-community supply"),
    "G": ("VATEX-EU-G", "Export outside the EU"),
    "O": ("VATEX-EU-O", "Not subject to VAT"),
}
_VAT_ID = re.compile(r"[A-Z]{2}[A-Z0-9+*]{2,13}")


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer. Empty text means: not known."""

    name: str
    country: str  # ISO 3166-1 alpha-2
    street: str = ""
    street_2: str = ""
    city: str = ""
    postal_code: str = ""
    tax_id: str = ""  # VAT identifier with its country's prefix
    endpoint_scheme: str = ""
    endpoint_id: str = ""
    registration_scheme: str = ""
    registration_id: str = ""
    contact_name: str = ""
    contact_phone: str = ""
    contact_email: str = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Something taken off a line."""

    reason: str
    amount: Decimal  # positive


@dataclass(frozen=True, slots=True)
class ElectronicLine:
    """One line: quantity times price per base quantity, less allowances, is the net amount."""

    id: str
    name: str
    net: Decimal
    quantity: Decimal
    price: Decimal  # of `base_quantity` units; never negative
    base_quantity: Decimal
    category: str
    percent: Decimal
    start: date
    end: date  # included
    product_code: str = ""
    note: str = ""
    allowances: tuple[Allowance, ...] = ()


@dataclass(frozen=True, slots=True)
class TaxSubtotal:
    """The tax of one category and rate."""

    category: str
    percent: Decimal
    base: Decimal
    tax: Decimal
    reason: str = ""
    reason_code: str = ""


@dataclass(frozen=True, slots=True)
class ElectronicDocument:
    """An issued invoice or credit note. Amounts are positive on both."""

    kind: str  # invoice, credit_note
    number: str
    issued_on: date
    due_on: date | None
    currency: str
    places: int  # decimals of the currency
    seller: Party
    buyer: Party
    lines: tuple[ElectronicLine, ...]
    taxes: tuple[TaxSubtotal, ...]
    net: Decimal
    tax: Decimal
    total: Decimal
    start: date
    end: date  # included
    buyer_reference: str = ""
    purchase_order: str = ""
    note: str = ""
    terms: str = ""
    iban: str = ""
    bic: str = ""
    corrects: str = ""  # the invoice a credit note or a supplementary invoice is for
    corrects_issued_on: date | None = None
    paid: Decimal = ZERO
    rounding: Decimal = ZERO

    @property
    def payable(self) -> Decimal:
        return self.total - self.paid + self.rounding


def priced(
    net: Decimal, quantity: Decimal | None, unit_price: Decimal | None, off: Decimal = ZERO
) -> tuple[Decimal, Decimal, Decimal]:
    """Return quantity, price and base quantity that multiply to a line's gross amount.

    A unit price is kept where it gives the amount; where it does not (tiers, proration,
    minimums), the price is the whole amount for the whole quantity. A negative amount is a
    negative quantity: prices are never negative (BR-27).

    >>> priced(Decimal("2.50"), Decimal(10), Decimal("0.25"))
    (Decimal('10'), Decimal('0.25'), Decimal('1'))
    >>> priced(Decimal("180.00"), Decimal(2000), None)
    (Decimal('2000'), Decimal('180.00'), Decimal('2000'))
    >>> priced(Decimal("-30.00"), None, None)
    (Decimal('-1'), Decimal('30.00'), Decimal('1'))
    """
    gross = net + off
    if quantity is not None and unit_price is not None and unit_price >= 0 and quantity:
        as_priced = (quantity * unit_price).quantize(CENT, ROUND_HALF_UP)
        if as_priced == gross:
            return quantity, unit_price, Decimal(1)
    if quantity and quantity > 0 and gross >= 0:
        return quantity, gross, quantity
    return Decimal(-1 if gross < 0 else 1), abs(gross), Decimal(1)


def complete(document: ElectronicDocument, *, peppol: bool) -> list[str]:
    """Say what the document lacks, each with where it is filled in; nothing if it is complete.

    :param peppol: by the rules of Peppol BIS Billing 3.0 and not EN 16931 alone.
    """
    return [*_seller(document, peppol=peppol), *_buyer(document, peppol=peppol), *_rest(document)]


def _seller(document: ElectronicDocument, *, peppol: bool) -> Iterator[str]:
    seller, german = document.seller, document.seller.country == "DE"
    for value, words in (
        (seller.street, "the seller's street"),
        (seller.city, "the seller's town"),
        (seller.postal_code, "the seller's postal code"),
    ):
        if not value:
            yield words
    categories = {each.category for each in document.taxes}
    if categories != {"O"} and not seller.tax_id:
        yield "the seller's VAT id"
    if seller.tax_id and not _VAT_ID.fullmatch(seller.tax_id):
        yield "a VAT id of the seller that begins with its country, such as DE123456789"
    if peppol:
        yield from _endpoint(seller, "seller")
        if german and not (seller.contact_name and seller.contact_phone and seller.contact_email):
            yield "the seller's contact: name, telephone and e-mail"
        if german and not document.iban and document.kind == "invoice":
            yield "the IBAN to pay to"
        if seller.country == "NL" and seller.registration_scheme not in ("0106", "0190"):
            yield "the seller's KvK or OIN number"


def _buyer(document: ElectronicDocument, *, peppol: bool) -> Iterator[str]:
    buyer = document.buyer
    if not buyer.country:
        yield "the customer's country"
    if not buyer.street:
        yield "the customer's street"
    wants_town = document.seller.country == "DE" or buyer.country == document.seller.country == "NL"
    if peppol and wants_town and not (buyer.city and buyer.postal_code):
        yield "the customer's town and postal code"
    categories = {each.category for each in document.taxes}
    if categories & {"AE", "K"} and not buyer.tax_id:
        yield "the customer's VAT id, since it accounts for the tax"
    if buyer.tax_id and not _VAT_ID.fullmatch(buyer.tax_id):
        yield "a VAT id of the customer that begins with its country"
    if peppol:
        yield from _endpoint(buyer, "customer")
        if not document.buyer_reference and not document.purchase_order:
            yield "the customer's reference, or a purchase order on the invoice"


def _endpoint(party: Party, who: str) -> Iterator[str]:
    if not party.endpoint_id or not party.endpoint_scheme:
        yield f"the {who}'s electronic address and its scheme"
        return
    wrong = wrong_endpoint(party.endpoint_scheme, party.endpoint_id)
    if wrong:
        yield f"a correct electronic address of the {who}: {wrong}"


def _rest(document: ElectronicDocument) -> Iterator[str]:
    if document.places > 2:
        yield f"amounts of at most two decimals, which {document.currency} has not (BR-DEC)"
    if not document.lines:
        yield "a line"


def contradictions(document: ElectronicDocument) -> list[str]:
    """Name the rules of EN 16931 the amounts break; an issued document breaks none.

    BR-CO-17 (tax is base times rate) is checked to within one minor unit a line: where taxes
    are rounded line by line they may differ so much from the tax of the sum.
    """
    broken = []

    def rule(name: str, holds: bool) -> None:  # noqa: FBT001
        if not holds:
            broken.append(name)

    rule("BR-CO-10", sum((line.net for line in document.lines), ZERO) == document.net)
    rule("BR-CO-14", sum((each.tax for each in document.taxes), ZERO) == document.tax)
    rule("BR-CO-15", document.net + document.tax == document.total)
    rule("BR-CO-13", sum((each.base for each in document.taxes), ZERO) == document.net)
    for each in document.taxes:
        members = [line for line in document.lines if _group(line) == _group(each)]
        rule("BR-S-08", sum((line.net for line in members), ZERO) == each.base)
        exact = each.base * each.percent / 100
        slack = CENT * max(1, len(members))
        rule("BR-CO-17", abs(each.tax - exact) <= slack)
        rule("BR-AE-09", each.category == "S" or not each.tax)
    rule(
        "BR-CO-18", {_group(line) for line in document.lines} == {_group(t) for t in document.taxes}
    )
    for line in document.lines:
        rule("BR-27", line.price >= 0)
        off = sum((each.amount for each in line.allowances), ZERO)
        exact = line.quantity * line.price / line.base_quantity - off
        rule("PEPPOL-EN16931-R120", abs(exact - line.net) <= CENT)
    categories = {each.category for each in document.taxes}
    rule("BR-O-11", "O" not in categories or categories == {"O"})
    return sorted(set(broken))


def _group(row: ElectronicLine | TaxSubtotal) -> tuple[str, Decimal]:
    return row.category, row.percent
