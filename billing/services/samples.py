"""Made-up documents, to look at a template or a mail text before anybody receives one."""

from datetime import date
from decimal import Decimal
from typing import Any

from billing.domain.mail_texts import days_in_words, merged, merged_body
from billing.models import CreditNote, DocumentRecipient, DocumentSequence, Invoice, InvoiceLine
from billing.services.mail_texts import WrittenMail, document_values
from billing.services.numbering import sequence_of, written
from billing.services.paper import TaxRow, base_context, invoice_context
from billing.services.usage_detail import UsageDetail
from monetization.customers.models import Customer
from monetization.documents.models import DocumentTemplate
from monetization.documents.services import preview_html
from monetization.tenancy.models import LegalEntity

KINDS = ("invoice", "credit_note", "statement")
_TEMPLATES = {
    "invoice": "documents/invoice.html",
    "credit_note": "documents/credit_note.html",
    "statement": "billing/statement_print.html",
}
_CURRENCY = {"US": "USD", "GB": "GBP", "CH": "CHF"}
_FIRST, _NEXT = date(2026, 1, 1), date(2026, 2, 1)
_ISSUED, _DUE = date(2026, 2, 2), date(2026, 3, 4)
_D = Decimal


def sample(
    kind: str, entity: LegalEntity, template: DocumentTemplate, number: str = ""
) -> tuple[str, dict[str, Any]]:
    """Return a print template and its context for a made-up document of a legal entity.

    :param kind: one of ``KINDS``.
    :param number: the next one, unless given.
    """
    invoice = sample_invoice(entity, number)
    if kind == "invoice":
        context = _invoice(invoice, template)
    elif kind == "credit_note":
        context = _credit_note(invoice, template)
    else:
        context = _statement(invoice, template)
    return _TEMPLATES[kind], {**context, "is_sample": True}


def sample_html(
    kind: str, entity: LegalEntity, template: DocumentTemplate, number: str = ""
) -> str:
    """Return a made-up document as a page shows it."""
    return preview_html(*sample(kind, entity, template, number))


def next_sample_number(entity: LegalEntity, series: str, prefix: str, digits: int) -> str:
    """Write the number a series would give next."""
    stored = sequence_of(entity.id, series)
    tried = DocumentSequence(series=series, prefix=prefix, digits=digits)
    return written(entity, tried, stored.next_number)


def sample_invoice(entity: LegalEntity, number: str = "") -> Invoice:
    """Return an invoice nobody owes: 1,190.00 with the tax, or the same without decimals."""
    currency = _CURRENCY.get(entity.country, "EUR")
    customer = Customer(
        name="Sample GmbH",
        legal_name="Sample GmbH",
        address="Musterstraße 12\n10115 Berlin",
        country="DE",
        tax_id="DE123456789",
        currency=currency,
        legal_entity=entity,
    )
    sequence = sequence_of(entity.id, "invoice")
    return Invoice(
        customer=customer,
        legal_entity=entity,
        status=Invoice.Status.ISSUED,
        number=number or written(entity, sequence, sequence.next_number),
        currency=currency,
        bill_on=_NEXT,
        period_start=_FIRST,
        period_end=_NEXT,
        subtotal_amount=_D(1000),
        tax_amount=_D(190),
        total_amount=_D(1190),
        tax_name="VAT",
        tax_percent=_D(19),
        issued_on=_ISSUED,
        due_on=_DUE,
        purchase_order="PO-4711",
    )


def _lines() -> list[InvoiceLine]:
    shared: dict[str, Any] = {"service_start": _FIRST, "service_end": _NEXT, "tax_percent": _D(19)}
    tiers = [
        {"label": "Up to 1,000", "quantity": "1000", "unit_price": "0.2", "amount": "200.00"},
        {"label": "Over 1,000", "quantity": "2000", "unit_price": "0.15", "amount": "300.00"},
    ]
    return [
        InvoiceLine(
            description="Platform", quantity=_D(1), unit_price=_D(500), amount=_D(500),
            tax_amount=_D(95), **shared,
        ),
        InvoiceLine(
            description="API calls", quantity=_D(3000), amount=_D(500), tax_amount=_D(95),
            explanation={"steps": tiers}, **shared,
        ),
    ]  # fmt: skip


def _invoice(invoice: Invoice, template: DocumentTemplate) -> dict[str, Any]:
    lines = _lines()
    context = invoice_context(
        invoice,
        template=template,
        lines=lines,
        recipient=DocumentRecipient(customer=invoice.customer, buyer_reference="B-2026"),
    )
    if template.usage_appendix == DocumentTemplate.Appendix.PAGES:
        days = [(date(2026, 1, day), _D(300)) for day in range(5, 15)]
        found = UsageDetail(lines[1], "API calls", "calls", _D(3000), days, adds_up=True)
        context["usage"] = [found]
    context["usage_in_file"] = template.usage_appendix == DocumentTemplate.Appendix.FILE
    return context


def _base(invoice: Invoice, template: DocumentTemplate) -> dict[str, Any]:
    recipient = DocumentRecipient(customer=invoice.customer)
    return base_context(
        invoice.legal_entity, invoice.customer, template=template, recipient=recipient
    )


def _credit_note(invoice: Invoice, template: DocumentTemplate) -> dict[str, Any]:
    entity = invoice.legal_entity
    sequence = sequence_of(entity.id, "credit_note")
    note = CreditNote(
        invoice=invoice, customer=invoice.customer, legal_entity=entity,
        number=written(entity, sequence, sequence.next_number), reason="Outage on 12 January",
        currency=invoice.currency, issued_on=_ISSUED, subtotal_amount=_D(100),
        tax_amount=_D(19), total_amount=_D(119),
    )  # fmt: skip
    base = _base(invoice, template)
    return {
        **base,
        "note": note,
        "lines": [{"description": "Platform", "amount": _D(100), "tax_amount": _D(19)}],
        "tax_rows": [TaxRow(base["paper"].words["vat"], "taxable", _D(19), _D(100), _D(19))],
    }


def _statement(invoice: Invoice, template: DocumentTemplate) -> dict[str, Any]:
    base = _base(invoice, template)
    words = base["paper"].words
    entries = [
        {
            "day": _ISSUED, "text": f"{words['invoice']} {invoice.number}",
            "charge": _D(1190), "credit": None, "balance": _D(1430),
        },
        {
            "day": date(2026, 2, 20), "text": f"{words['payment_received']} 0042",
            "charge": None, "credit": _D(240), "balance": _D(1190),
        },
    ]  # fmt: skip
    return {
        **base,
        "statement": {
            "since": _FIRST, "until": date(2026, 2, 28), "currency": invoice.currency,
            "opening": _D(240), "closing": _D(1190), "open_invoices": [invoice],
        },
        "today": date(2026, 2, 28),
        "entries": entries,
    }  # fmt: skip


def sample_mail(
    kind: str, entity: LegalEntity, template: DocumentTemplate, subject: str, body: str
) -> WrittenMail:
    """Write a made-up mail with given texts."""
    invoice = sample_invoice(entity)
    paper = _base(invoice, template)["paper"]
    document: Invoice | CreditNote = invoice
    if kind == "credit_note":
        document = _credit_note(invoice, template)["note"]
    values = document_values(document, paper, "Ann Example")
    values["days_late"] = days_in_words(7, paper.language)
    return WrittenMail(merged(subject, values), merged_body(body, values))
