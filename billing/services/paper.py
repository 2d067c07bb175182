"""What goes onto a document: its stationery, its rows, its taxes, the usage behind it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from billing.models import CreditNote, DocumentRecipient, Invoice, InvoiceLine
from billing.ports import payment_link
from billing.selectors.credits import given_back_by, settled_on
from billing.selectors.statements import Entry, Statement
from billing.services.usage_detail import MAX_PAGE_ROWS, usage_detail
from monetization.customers.models import Customer
from monetization.documents.models import DocumentTemplate
from monetization.documents.services import stationery_of, template_of
from monetization.documents.stationery import Stationery
from monetization.tenancy.models import LegalEntity

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class TaxRow:
    """The tax of one rate, as a document lists it."""

    name: str
    treatment: str
    percent: Decimal
    base: Decimal
    tax: Decimal


def recipient_of(customer: Customer) -> DocumentRecipient:
    """Return what a customer's documents need; nothing where nothing was saved."""
    found: DocumentRecipient | None = DocumentRecipient.objects.filter(customer=customer).first()
    return found or DocumentRecipient(customer=customer)


def base_context(
    entity: LegalEntity,
    customer: Customer,
    *,
    template: DocumentTemplate | None = None,
    recipient: DocumentRecipient | None = None,
) -> dict[str, Any]:
    """Return what every document of an entity to a customer needs."""
    template = template or template_of(entity.id)
    recipient = recipient or recipient_of(customer)
    return {
        "entity": entity,
        "customer": customer,
        "template": template,
        "recipient": recipient,
        "paper": stationery_of(template, recipient.language),
    }


def invoice_context(
    invoice: Invoice,
    *,
    template: DocumentTemplate | None = None,
    lines: Sequence[InvoiceLine] | None = None,
    recipient: DocumentRecipient | None = None,
) -> dict[str, Any]:
    """Return the context of ``documents/invoice.html``.

    :param template: another than the entity's, for a preview.
    :param lines: the invoice's, if they are at hand.
    """
    base = base_context(
        invoice.legal_entity, invoice.customer, template=template, recipient=recipient
    )
    chosen: DocumentTemplate = base["template"]
    paper: Stationery = base["paper"]
    if lines is None:
        lines = list(invoice.lines.order_by("position", "key").select_related("reading__meter"))
    settled = settled_on(invoice)
    usage, in_file = [], chosen.usage_appendix == DocumentTemplate.Appendix.FILE
    if chosen.usage_appendix == DocumentTemplate.Appendix.PAGES:
        usage = usage_detail(invoice, lines)
        if sum(len(each.days) for each in usage) > MAX_PAGE_ROWS:
            usage, in_file = [], True
    return {
        **base,
        "invoice": invoice,
        "paid_by_credits": settled,
        "due_after_credits": invoice.total_amount - settled,
        "lines": lines,
        "tax_rows": tax_rows(invoice, lines, paper.words),
        "is_reverse_charge": is_reversed(invoice, lines),
        "payment_link": payment_link(invoice),
        "usage": usage,
        "usage_in_file": in_file and any(line.reading_id for line in lines),
    }


def credit_note_context(
    note: CreditNote, *, template: DocumentTemplate | None = None
) -> dict[str, Any]:
    """Return the context of ``documents/credit_note.html``."""
    base = base_context(note.legal_entity, note.customer, template=template)
    lines = list(note.lines.order_by("position").select_related("invoice_line"))
    taxed = [
        InvoiceLine(
            amount=line.amount,
            tax_amount=line.tax_amount,
            tax_percent=line.invoice_line.tax_percent,
            tax_name=line.invoice_line.tax_name,
            tax_treatment=line.invoice_line.tax_treatment,
        )
        for line in lines
    ]
    return {
        **base,
        "note": note,
        "lines": lines,
        "tax_rows": tax_rows(note.invoice, taxed, base["paper"].words),
        "is_reverse_charge": is_reversed(note.invoice, taxed),
        "given_back": given_back_by(note),
    }


def statement_context(
    customer: Customer,
    statement: Statement,
    today: date,
    *,
    template: DocumentTemplate | None = None,
) -> dict[str, Any]:
    """Return the context of ``billing/statement_print.html``."""
    base = base_context(customer.legal_entity, customer, template=template)
    return {
        **base,
        "statement": statement,
        "today": today,
        "entries": [_entry(entry, base["paper"]) for entry in statement.entries],
    }


_ENTRY_WORDS = {
    "invoice": ("Invoice ", "invoice"),
    "payment": ("Payment ", "payment_received"),
    "credits used": ("Credits used ", "credits_used"),
    "credits given back": ("Credits given back ", "credits_given_back"),
    "refund": ("Refund ", "refund"),
    "write-off": ("Write-off ", "write_off"),
    "write-off taken back": ("Write-off ", "write_off_taken_back"),
}


def _entry(entry: Entry, paper: Stationery) -> dict[str, Any]:
    text = entry.text
    if entry.kind == "credit note":
        note, _, invoice = text.removeprefix("Credit note ").partition(" for ")
        words = paper.words
        text = f"{words['credit_note']} {note} {words['for_invoice']} {invoice}"
    elif entry.kind in _ENTRY_WORDS:
        prefix, word = _ENTRY_WORDS[entry.kind]
        text = f"{paper.words[word]} {text.removeprefix(prefix)}"
    return {
        "day": entry.day,
        "text": text,
        "charge": entry.amount if entry.amount > 0 else None,
        "credit": -entry.amount if entry.amount < 0 else None,
        "balance": entry.balance,
    }


def tax_rows(
    invoice: Invoice, lines: Iterable[InvoiceLine], words: Mapping[str, str]
) -> list[TaxRow]:
    """Return the taxes by rate, the highest first; they sum to the document's tax."""
    bases: dict[tuple[Decimal, str, str], Decimal] = defaultdict(lambda: ZERO)
    taxes: dict[tuple[Decimal, str, str], Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        name = line.tax_name or invoice.tax_name or words["tax"]
        rate = line.tax_percent, name, line.tax_treatment or invoice.tax_treatment
        bases[rate] += line.amount
        taxes[rate] += line.tax_amount
    return [
        TaxRow(words["vat"] if rate[1] == "VAT" else rate[1], rate[2], rate[0], base, taxes[rate])
        for rate, base in sorted(bases.items(), key=lambda row: (-row[0][0], row[0][1:]))
        if base or taxes[rate]
    ]


def is_reversed(invoice: Invoice, lines: Iterable[InvoiceLine]) -> bool:
    """Say whether the customer accounts for the tax of any line."""
    return any((line.tax_treatment or invoice.tax_treatment) == "reverse_charge" for line in lines)
