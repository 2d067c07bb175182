"""Our documents in Xero's terms. Pure: dataclasses in, plain data in Xero's field names out.

Amounts leave as strings; the gateway makes SDK models of them. Each line is sent as quantity 1
at its net amount, with our tax beside it: Xero keeps at most four decimals of a unit price, so
a quantity times a rate of twelve decimals could not add up there.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from integrations.errors import Refused

CENT = Decimal("0.01")
MAX_DIGITS = 15  # JSON numbers pass through binary doubles; more digits would not survive
MAX_NAME, MAX_REFERENCE, MAX_DESCRIPTION = 255, 255, 4000


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where amounts go in the tenant's chart of accounts in Xero."""

    sales_account: str = "200"
    tax_type: str = "OUTPUT"  # of lines that carry tax
    no_tax_type: str = "NONE"
    product_accounts: Mapping[str, str] = field(default_factory=dict)  # product code -> account
    # Of single rates, "7", and of "reverse_charge" and "exempt"; the others as above.
    tax_types: Mapping[str, str] = field(default_factory=dict)

    def account_of(self, product_code: str) -> str:
        return self.product_accounts.get(product_code) or self.sales_account

    def tax_type_of(self, line: "LineDocument") -> str:
        rate = f"{line.tax_percent.normalize():f}" if line.tax_percent else line.tax_treatment
        general = self.tax_type if line.tax_amount else self.no_tax_type
        return self.tax_types.get(rate) or general

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Accounts":
        known = {name: data[name] for name in cls.__slots__ if data.get(name)}
        return cls(**known)

    def to_data(self) -> dict[str, Any]:
        return asdict(self) | {
            "product_accounts": dict(self.product_accounts),
            "tax_types": dict(self.tax_types),
        }


@dataclass(frozen=True, slots=True)
class ContactDocument:
    """A customer as the books need it."""

    reference: str  # our id; Xero's ContactNumber, by which it is found again
    name: str
    email: str = ""
    tax_id: str = ""


@dataclass(frozen=True, slots=True)
class LineDocument:
    description: str
    product_code: str
    amount: Decimal  # net, in whole minor units
    tax_amount: Decimal
    tax_percent: Decimal = Decimal(0)
    tax_treatment: str = "taxable"


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """An issued invoice: what Xero's copy must say, to the cent."""

    number: str
    currency: str
    issued_on: date
    due_on: date
    reference: str
    lines: tuple[LineDocument, ...]
    subtotal: Decimal
    tax: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """The totals of a document, as one side has them."""

    currency: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal

    def __str__(self) -> str:
        return f"{self.subtotal:.2f} net + {self.tax:.2f} tax = {self.total:.2f} {self.currency}"


def contact_request(contact: ContactDocument) -> dict[str, Any]:
    """Return the contact in Xero's fields.

    :raises Refused: if the name is longer than Xero keeps.
    """
    if len(contact.name) > MAX_NAME:
        raise Refused(f"the customer's name has more than {MAX_NAME} characters; shorten it")
    data = {"Name": contact.name, "ContactNumber": contact.reference}
    if contact.email:
        data["EmailAddress"] = contact.email
    if contact.tax_id:
        data["TaxNumber"] = contact.tax_id[:50]
    return data


def invoice_request(
    invoice: InvoiceDocument, *, contact_id: str, accounts: Accounts
) -> dict[str, Any]:
    """Return the invoice in Xero's fields: a sales invoice, approved, tax on top.

    :raises Refused: if Xero cannot hold these amounts, or they do not add up.
    """
    _check_sums(invoice)
    return {
        "Type": "ACCREC",
        "Status": "AUTHORISED",
        "Contact": {"ContactID": contact_id},
        "InvoiceNumber": invoice.number,
        "Reference": invoice.reference[:MAX_REFERENCE],
        "Date": invoice.issued_on.isoformat(),
        "DueDate": invoice.due_on.isoformat(),
        "CurrencyCode": invoice.currency,
        "LineAmountTypes": "Exclusive",
        "LineItems": [_line(line, invoice.currency, accounts) for line in invoice.lines],
    }


def figures(invoice: InvoiceDocument) -> Figures:
    return Figures(invoice.currency, invoice.subtotal, invoice.tax, invoice.total)


def _line(line: LineDocument, currency: str, accounts: Accounts) -> dict[str, Any]:
    amount = _text(line.amount, currency, line.description)
    return {
        "Description": line.description[:MAX_DESCRIPTION],
        "Quantity": "1",
        "UnitAmount": amount,
        "LineAmount": amount,
        "AccountCode": accounts.account_of(line.product_code),
        "TaxType": accounts.tax_type_of(line),
        "TaxAmount": _text(line.tax_amount, currency, line.description),
    }


def _text(amount: Decimal, currency: str, what: str) -> str:
    """Return an amount with two decimals.

    :raises Refused: if that would change it.
    """
    if amount != amount.quantize(CENT):
        raise Refused(
            f"Xero keeps two decimals and “{what}” is {amount.normalize():f} {currency}; "
            "enter this invoice in Xero by hand"
        )
    rounded = amount.quantize(CENT)
    if len(rounded.as_tuple().digits) > MAX_DIGITS:
        raise Refused(f"“{what}” of {amount:f} {currency} is larger than Xero can hold")
    return f"{rounded + 0:f}"


def _check_sums(invoice: InvoiceDocument) -> None:
    net = sum((line.amount for line in invoice.lines), Decimal(0))
    tax = sum((line.tax_amount for line in invoice.lines), Decimal(0))
    ours = Figures(invoice.currency, net, tax, net + tax)
    if ours != figures(invoice):
        raise Refused(f"the lines add up to {ours}, the invoice says {figures(invoice)}")
    if invoice.total < 0:
        raise Refused("Xero takes no sales invoice below zero; credit it instead")
