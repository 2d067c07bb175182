"""Turn issued invoices and credit notes into what machines read; refuse what is incomplete."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

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
from billing.domain.ubl import ubl
from billing.models import CreditNote, DocumentRecipient, Invoice, InvoiceLine
from billing.selectors.credits import given_back_by, settled_on
from billing.services.paper import recipient_of
from monetization.customers.models import Customer
from monetization.documents.models import DocumentTemplate
from monetization.documents.services import template_of
from monetization.kernel.errors import Refusal
from monetization.kernel.money import minor_unit
from monetization.tenancy.models import LegalEntity

ZERO = Decimal(0)
SYNTAXES = {"ubl": "UBL 2.1 (Peppol BIS Billing 3.0)", "cii": "CII (Factur-X, EN 16931)"}


class ElectronicInvoiceIncomplete(Refusal):
    """The document lacks what its electronic form must say; the message lists it."""


class ElectronicInvoiceInconsistent(Refusal):
    """The amounts break an arithmetic rule of EN 16931."""


class InvoiceHasNoNumber(Refusal):
    """Only issued documents have an electronic form."""


def missing_of(invoice: Invoice) -> list[str]:
    """Say what an invoice lacks for the electronic form its entity sends; nothing if none is sent.

    A draft is read as if it were issued, so that this can be known before it is.
    """
    wanted = template_of(invoice.legal_entity_id).electronic_format
    if wanted == DocumentTemplate.Electronic.NONE:
        return []
    return complete(_of_invoice(invoice), peppol=wanted == DocumentTemplate.Electronic.UBL)


@dataclass(frozen=True, slots=True)
class _Setting:
    template: DocumentTemplate
    recipient: DocumentRecipient


def electronic_form(document: Invoice | CreditNote, syntax: str) -> bytes:
    """Return the XML of an issued invoice or of a credit note.

    :param syntax: ``ubl`` or ``cii``.
    :raises InvoiceHasNoNumber: for a draft.
    :raises ElectronicInvoiceIncomplete: saying what is missing, and where to fill it in.
    :raises ElectronicInvoiceInconsistent: naming the broken rule.
    """
    if not document.number:
        raise InvoiceHasNoNumber("only an issued invoice has an electronic form")
    built = _of_invoice(document) if isinstance(document, Invoice) else _of_note(document)
    missing = complete(built, peppol=syntax == "ubl")
    if missing:
        raise ElectronicInvoiceIncomplete(
            f"{built.number} has no electronic form yet; missing: {', '.join(missing)}. The "
            "seller's are under Settings, Documents; the customer's under its billing settings"
        )
    broken = contradictions(built)
    if broken:
        raise ElectronicInvoiceInconsistent(f"{built.number} breaks {', '.join(broken)}")
    return ubl(built) if syntax == "ubl" else cii(built)


def _setting(entity: LegalEntity, customer: Customer) -> _Setting:
    return _Setting(template_of(entity.id), recipient_of(customer))


def _of_invoice(invoice: Invoice) -> ElectronicDocument:
    chosen = _setting(invoice.legal_entity, invoice.customer)
    rows = [
        line
        for line in invoice.lines.order_by("position", "key")
        if line.amount or line.kind != "minimum"
    ]
    lines = tuple(_line(str(n), row, invoice, chosen) for n, row in enumerate(rows, start=1))
    return ElectronicDocument(
        kind="invoice",
        number=invoice.number,
        issued_on=invoice.issued_on or invoice.bill_on,
        due_on=invoice.due_on,
        lines=lines,
        taxes=_taxes(lines, [row.tax_amount for row in rows], chosen),
        net=invoice.subtotal_amount,
        tax=invoice.tax_amount,
        total=invoice.total_amount,
        start=min([line.start for line in lines], default=invoice.period_start),
        end=max([line.end for line in lines], default=invoice.period_end - timedelta(days=1)),
        purchase_order=invoice.purchase_order,
        note=" ".join(invoice.memo.split()),
        terms=f"{invoice.payment_terms_days} days net",
        paid=settled_on(invoice),
        corrects=invoice.supplements.number if invoice.supplements else "",
        corrects_issued_on=invoice.supplements.issued_on if invoice.supplements else None,
        **_shared(invoice.legal_entity, invoice.customer, invoice.currency, chosen),
    )


def _of_note(note: CreditNote) -> ElectronicDocument:
    chosen = _setting(note.legal_entity, note.customer)
    rows = list(note.lines.order_by("position").select_related("invoice_line"))
    lines = tuple(
        _credited(str(n), row, row.invoice_line, note.invoice, chosen)
        for n, row in enumerate(rows, start=1)
    )
    return ElectronicDocument(
        kind="credit_note",
        number=note.number,
        issued_on=note.issued_on,
        due_on=None,
        lines=lines,
        taxes=_taxes(lines, [row.tax_amount for row in rows], chosen),
        net=note.subtotal_amount,
        tax=note.tax_amount,
        total=note.total_amount,
        start=min(line.start for line in lines),
        end=max(line.end for line in lines),
        purchase_order=note.invoice.purchase_order,
        note=" ".join(note.reason.split()),
        terms=f"Set off against {note.invoice.number}",
        paid=given_back_by(note),
        corrects=note.invoice.number,
        corrects_issued_on=note.invoice.issued_on,
        **_shared(note.legal_entity, note.customer, note.currency, chosen),
    )


def _shared(
    entity: LegalEntity, customer: Customer, currency: str, chosen: _Setting
) -> dict[str, Any]:
    return {
        "currency": currency,
        "places": -int(minor_unit(currency).as_tuple().exponent),
        "seller": _seller(entity, chosen.template),
        "buyer": _buyer(customer, chosen.recipient),
        "buyer_reference": chosen.recipient.buyer_reference,
        "iban": chosen.template.iban,
        "bic": chosen.template.bic,
    }


def _seller(entity: LegalEntity, template: DocumentTemplate) -> Party:
    return Party(
        name=entity.name,
        country=entity.country,
        street=template.street,
        city=template.city,
        postal_code=template.postal_code,
        tax_id=_identifier(entity.tax_id),
        endpoint_scheme=template.endpoint_scheme,
        endpoint_id=template.endpoint_id,
        registration_scheme=template.registration_scheme,
        registration_id=template.registration_id,
        contact_name=template.contact_name,
        contact_phone=template.contact_phone,
        contact_email=entity.email,
    )


def _buyer(customer: Customer, recipient: DocumentRecipient) -> Party:
    rows = [row.strip() for row in customer.address.splitlines() if row.strip()]
    street = recipient.street or (rows[0] if rows else "")
    return Party(
        name=customer.legal_name or customer.name,
        country=customer.country,
        street=street,
        street_2="" if recipient.street or recipient.city else ", ".join(rows[1:]),
        city=recipient.city,
        postal_code=recipient.postal_code,
        tax_id=_identifier(customer.tax_id),
        endpoint_scheme=recipient.endpoint_scheme,
        endpoint_id=recipient.endpoint_id,
    )


def _identifier(text: str) -> str:
    """Write an identifier without the blanks and dots people put between its groups."""
    return "".join(sign for sign in text if sign not in " .-").upper()


def _category(line: InvoiceLine, invoice: Invoice, chosen: _Setting) -> str:
    """Return the line's category of EN 16931; the customer's own where its rate says nothing."""
    if line.tax_percent:
        return "S"
    own: str = chosen.recipient.tax_category
    if own and not line.tax_treatment:
        return own
    treatment = line.tax_treatment or invoice.tax_treatment
    automatic = {"reverse_charge": "AE", "exempt": "E"}.get(treatment, "Z")
    return automatic if invoice.legal_entity.tax_id or automatic != "Z" else "O"


def _line(id: str, row: InvoiceLine, invoice: Invoice, chosen: _Setting) -> ElectronicLine:
    allowances = _allowances(row)
    off = sum((each.amount for each in allowances), ZERO)
    quantity, price, base = priced(row.amount, row.quantity, row.unit_price, off)
    return ElectronicLine(
        id=id,
        name=" ".join(row.description.split()),
        net=row.amount,
        quantity=quantity,
        price=price,
        base_quantity=base,
        category=_category(row, invoice, chosen),
        percent=row.tax_percent,
        start=row.service_start,
        end=row.service_end - timedelta(days=1),
        product_code=row.product_code,
        note=" ".join(row.note.split()),
        allowances=allowances,
    )


def _allowances(row: InvoiceLine) -> tuple[Allowance, ...]:
    """Return the discounts of a line; none where they would leave nothing to take them off."""
    steps = [
        step
        for step in row.explanation.get("steps", ())
        if str(step.get("key", "")).startswith("discount-")
    ]
    found = tuple(
        Allowance(str(step["label"]), -Decimal(step["amount"]))
        for step in steps
        if Decimal(step["amount"]) < 0
    )
    return found if row.amount >= 0 else ()


def _credited(
    id: str, row: Any, line: InvoiceLine, invoice: Invoice, chosen: _Setting
) -> ElectronicLine:
    quantity, price, base = priced(row.amount, None, None)
    return ElectronicLine(
        id=id,
        name=" ".join(row.description.split()),
        net=row.amount,
        quantity=quantity,
        price=price,
        base_quantity=base,
        category=_category(line, invoice, chosen),
        percent=line.tax_percent,
        start=line.service_start,
        end=line.service_end - timedelta(days=1),
        product_code=line.product_code,
    )


def _taxes(
    lines: Sequence[ElectronicLine], taxes: Sequence[Decimal], chosen: _Setting
) -> tuple[TaxSubtotal, ...]:
    bases: dict[tuple[str, Decimal], Decimal] = defaultdict(lambda: ZERO)
    sums: dict[tuple[str, Decimal], Decimal] = defaultdict(lambda: ZERO)
    for line, tax in zip(lines, taxes, strict=True):
        bases[line.category, line.percent] += line.net
        sums[line.category, line.percent] += tax
    found = []
    for (category, percent), base in sorted(bases.items(), key=lambda item: -item[0][1]):
        code, reason = REASONS.get(category, ("", ""))
        if category == "E" and chosen.recipient.exemption_reason:
            reason = chosen.recipient.exemption_reason
        found.append(TaxSubtotal(category, percent, base, sums[category, percent], reason, code))
    return tuple(found)
