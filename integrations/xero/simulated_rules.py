"""What Xero computes and refuses, as far as sales invoices and contacts go. Pure.

Amounts are ``Decimal``; documents are in Xero's own field names. Messages are Xero's, where
they are known.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Document = dict[str, Any]

CENT = Decimal("0.01")
ACCOUNTS = {
    "200": "Sales",
    "201": "Subscription revenue",
    "202": "Usage revenue",
    "203": "Services revenue",
    "260": "Other revenue",
    "820": "Sales tax",
}
TAX_RATES = {
    "OUTPUT": Decimal(15),
    "OUTPUT2": Decimal(20),
    "NONE": Decimal(0),
    "ZERORATEDOUTPUT": Decimal(0),
    "EXEMPTOUTPUT": Decimal(0),
}
CURRENCIES = ("AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "KWD", "NZD", "SGD", "USD")
STATUSES = ("DRAFT", "SUBMITTED", "AUTHORISED", "VOIDED", "DELETED")
_MS_DATE = re.compile(r"/Date\((-?\d+)")


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def iso_date(value: Any) -> str:
    """Return a date as ISO text; the SDK sends Microsoft's ``/Date(milliseconds)/``."""
    found = _MS_DATE.match(str(value or ""))
    if found is None:
        return str(value or "")[:10]
    return datetime.fromtimestamp(int(found[1]) // 1000, UTC).date().isoformat()


def ms_date(iso: str) -> str:
    moment = datetime.fromisoformat(iso).replace(tzinfo=UTC)
    return f"/Date({int(moment.timestamp()) * 1000}+0000)/"


def contact_errors(
    contact: Mapping[str, Any], *, holder_of_name: str | None, own_id: str | None
) -> list[str]:
    """Return why Xero does not take a contact.

    :param holder_of_name: id of the active contact that has this name already.
    """
    name = str(contact.get("Name") or "")
    errors = []
    if not name:
        errors.append("The contact name must be specified.")
    if len(name) > 255:
        errors.append("The contact name cannot be longer than 255 characters.")
    if holder_of_name is not None and holder_of_name != own_id:
        errors.append(
            f"The contact name {name} is already assigned to another contact. "
            "The contact name must be unique across all active contacts."
        )
    email = contact.get("EmailAddress")
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", str(email)):
        errors.append("Email address must be valid.")
    return errors


def invoice_errors(
    invoice: Mapping[str, Any], *, contact_is_known: bool, number_taken: bool
) -> list[str]:
    """Return why Xero does not take an invoice as it stands, lines apart."""
    errors = []
    if invoice.get("Type") not in ("ACCREC", "ACCPAY"):
        errors.append("Invoice type must be ACCREC or ACCPAY.")
    if invoice.get("Status", "DRAFT") not in STATUSES:
        errors.append("Invoice status is not valid.")
    contact_id = (invoice.get("Contact") or {}).get("ContactID")
    if not contact_id:
        errors.append("A Contact must be specified for this type of transaction.")
    elif not contact_is_known:
        errors.append(f"The contact with ID {contact_id} could not be found.")
    if number_taken:
        errors.append("Invoice # must be unique.")
    if invoice.get("CurrencyCode") not in CURRENCIES:
        errors.append(f"Organisation is not subscribed to currency {invoice.get('CurrencyCode')}")
    if not invoice.get("LineItems"):
        errors.append("One or more line items must be specified.")
    if invoice.get("Status") == "AUTHORISED" and not invoice.get("DueDate"):
        errors.append("The due date must be specified for an approved invoice.")
    return errors


def line_errors(line: Mapping[str, Any], *, approved: bool, decimals: int) -> list[str]:
    """Return why Xero does not take a line."""
    errors = []
    if not line.get("Description"):
        errors.append("Description must be specified.")
    account = line.get("AccountCode")
    if approved and not account:
        errors.append("Account code must be specified.")
    elif account and account not in ACCOUNTS:
        errors.append(f"Account code '{account}' is not a valid code for this document.")
    tax_type = line.get("TaxType")
    if tax_type and tax_type not in TAX_RATES:
        errors.append(
            f"The TaxType code '{tax_type}' does not exist or cannot be used "
            "for this type of transaction."
        )
    given, expected = number(line.get("LineAmount")), line_amount(line, decimals)
    if given is not None and given != expected:
        errors.append(f"The line total {given} does not match the expected line total {expected}")
    return errors


def line_amount(line: Mapping[str, Any], decimals: int) -> Decimal:
    """Return quantity times unit amount, the latter first cut to what Xero keeps of it."""
    unit = (number(line.get("UnitAmount")) or Decimal(0)).quantize(
        Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP
    )
    return cents((number(line.get("Quantity")) or Decimal(0)) * unit)


def computed(invoice: Document, *, decimals: int) -> Document:
    """Return the invoice with amounts as Xero computes them: tax per line, then summed."""
    lines = []
    for line in invoice.get("LineItems") or []:
        net = line_amount(line, decimals)
        tax = number(line.get("TaxAmount"))
        if tax is None:
            tax = cents(net * TAX_RATES.get(line.get("TaxType", "NONE"), Decimal(0)) / 100)
        lines.append({**line, "LineAmount": net, "TaxAmount": cents(tax)})
    subtotal = sum((line["LineAmount"] for line in lines), Decimal("0.00"))
    tax_total = sum((line["TaxAmount"] for line in lines), Decimal("0.00"))
    total = subtotal + tax_total
    return {
        **invoice,
        "LineItems": lines,
        "SubTotal": subtotal,
        "TotalTax": tax_total,
        "Total": total,
        "AmountDue": total,
        "AmountPaid": Decimal("0.00"),
        "AmountCredited": Decimal("0.00"),
    }


def total_errors(given: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with totals, where any were sent."""
    errors = []
    for name in ("SubTotal", "TotalTax", "Total"):
        stated = number(given.get(name))
        if stated is not None and stated != result[name]:
            errors.append("The document total does not equal the sum of the lines.")
            break
    if result["Total"] < 0:
        errors.append("The document total cannot be negative.")
    return errors
