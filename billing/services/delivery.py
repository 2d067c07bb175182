"""Make an issued invoice's document and its files once, and mail them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from django.db import transaction

from billing.domain.cii import FILENAME, XMP
from billing.models import CreditNote, DocumentFile, Invoice
from billing.services.electronic import InvoiceHasNoNumber, electronic_form
from billing.services.mail_texts import mail_about
from billing.services.paper import credit_note_context, invoice_context
from billing.services.usage_detail import usage_csv
from monetization.documents.models import Document, DocumentTemplate
from monetization.documents.renderer import PDF_UA, PROCESSES, lay_out
from monetization.documents.services import (
    PDF_A3,
    EmbeddedFile,
    document_html,
    render_pdf,
    store_document,
    template_of,
)
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail


class InvoiceNotSendable(Refusal):
    """Only an issued invoice is sent."""


class NoBillingContact(Refusal):
    """The customer has nobody to send invoices to."""


@transaction.atomic
def send_invoice(*, invoice_id: UUID, now: datetime) -> Invoice:
    """Queue an issued invoice, with its PDF, to the customer's primary contact.

    Sending again queues nothing more: one mail per invoice.

    :raises InvoiceNotSendable: if it is not issued.
    :raises NoBillingContact: if the customer has no contact.
    """
    invoice = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("customer", "legal_entity")
        .get(id=invoice_id)
    )
    if invoice.status != Invoice.Status.ISSUED:
        raise InvoiceNotSendable(f"{invoice.number or 'a draft'} is not issued")
    if invoice.sent_at is not None:
        return invoice
    contacts = list(invoice.customer.contacts.order_by("-is_primary", "id"))
    if not contacts:
        raise NoBillingContact(f"{invoice.customer.name} has no billing contact")
    document = ensure_document(invoice)
    files = ensure_files(invoice)
    mail = mail_about("invoice", invoice, contact_name=contacts[0].name)
    queue_mail(
        dedupe_key=f"invoice/{invoice.id}",
        to=contacts[0].email,
        cc=[contact.email for contact in contacts[1:]],
        subject=mail.subject,
        text=mail.text,
        attachment_id=document.id,
        more_attachment_ids=[file.document_id for file in files],
        subject_ref=f"invoice/{invoice.id}",
        now=now,
    )
    invoice.sent_at = now
    invoice.save(update_fields=["sent_at"])
    append_event(
        type="invoice.sent",
        subject=f"invoice/{invoice.id}",
        data={"invoice_id": str(invoice.id)},
        occurred_at=now,
    )
    return invoice


def ensure_document(invoice: Invoice) -> Document:
    """Return the stored PDF of an issued invoice, made the first time it is asked for.

    :raises ElectronicInvoiceIncomplete: if the entity wants Factur-X and something is missing.
    """
    if invoice.document is not None:
        return invoice.document
    document = store_document(filename=_filename(invoice.number, "pdf"), content=_with_xml(invoice))
    invoice.document = document
    invoice.save(update_fields=["document"])
    return document


def render_invoice(invoice: Invoice) -> bytes:
    """Lay out an invoice as it is now, draft or issued, for reading."""
    return render_pdf("documents/invoice.html", invoice_context(invoice))


@transaction.atomic
def ensure_credit_note_document(note: CreditNote) -> Document:
    """Return the stored PDF of a credit note, made the first time it is asked for.

    :raises ElectronicInvoiceIncomplete: if the entity wants Factur-X and something is missing.
    """
    if note.document is not None:
        return note.document
    note.document = store_document(filename=_filename(note.number, "pdf"), content=_with_xml(note))
    note.save(update_fields=["document"])
    return note.document


def render_credit_note(note: CreditNote) -> bytes:
    """Lay out a credit note for reading."""
    return render_pdf("documents/credit_note.html", credit_note_context(note))


@transaction.atomic
def ensure_documents(*, invoice_ids: Sequence[UUID]) -> None:
    """Make the PDFs that issued invoices still lack, laid out on all cores at once.

    :raises ElectronicInvoiceIncomplete: if an entity wants Factur-X and something is missing.
    """
    rows = list(
        Invoice.objects.select_for_update(of=("self",))
        .filter(id__in=list(invoice_ids), status=Invoice.Status.ISSUED, document__isnull=True)
        .select_related("customer", "legal_entity")
        .order_by("id")
    )
    sheets = [_sheet(row) for row in rows]
    with ThreadPoolExecutor(PROCESSES) as pool:  # threads that wait for other processes
        contents = list(pool.map(_laid_out, sheets))
    for row, content in zip(rows, contents, strict=True):
        row.document = store_document(filename=_filename(row.number, "pdf"), content=content)
        row.save(update_fields=["document"])


@dataclass(frozen=True, slots=True)
class _Sheet:
    """An issued document before it is laid out."""

    html: str
    variant: str = PDF_UA
    files: tuple[EmbeddedFile, ...] = ()
    xmp: str = ""


def _with_xml(document: Invoice | CreditNote) -> bytes:
    """Lay out an issued document; as Factur-X where its entity wants that."""
    return _laid_out(_sheet(document))


def _laid_out(sheet: _Sheet) -> bytes:
    return lay_out(sheet.html, variant=sheet.variant, files=sheet.files, xmp=sheet.xmp)


def _sheet(document: Invoice | CreditNote) -> _Sheet:
    if isinstance(document, Invoice):
        name, context = "documents/invoice.html", invoice_context(document)
    else:
        name, context = "documents/credit_note.html", credit_note_context(document)
    html = document_html(name, context)
    if context["template"].electronic_format != DocumentTemplate.Electronic.FACTUR_X:
        return _Sheet(html)
    issued_on = document.issued_on or date.min
    file = EmbeddedFile(
        name=FILENAME,
        content=electronic_form(document, "cii"),
        description="Electronic invoice (Factur-X)",
        relationship="Alternative",
        at=datetime(issued_on.year, issued_on.month, issued_on.day, tzinfo=UTC),
    )
    return _Sheet(html, PDF_A3, (file,), XMP)


@transaction.atomic
def ensure_files(document: Invoice | CreditNote) -> list[DocumentFile]:
    """Return the files that go beside an issued document's PDF, made once.

    :raises ElectronicInvoiceIncomplete: if the entity wants UBL and something is missing.
    """
    template = template_of(document.legal_entity_id)
    files = []
    if template.electronic_format == DocumentTemplate.Electronic.UBL:
        files.append(ensure_xml(document, "ubl"))
    wants_usage = template.usage_appendix != DocumentTemplate.Appendix.NONE
    if not isinstance(document, Invoice) or not wants_usage:
        return files
    if invoice_context(document)["usage_in_file"]:
        files.append(ensure_usage_file(document))
    return files


@transaction.atomic
def ensure_xml(document: Invoice | CreditNote, syntax: str) -> DocumentFile:
    """Return the electronic form of an issued document, made the first time it is asked for.

    :param syntax: ``ubl`` or ``cii``.
    :raises InvoiceHasNoNumber: for a draft.
    :raises ElectronicInvoiceIncomplete: saying what is missing.
    """
    kept = _kept(document, syntax)
    if kept is not None:
        return kept
    content = electronic_form(document, syntax)
    name = _filename(document.number, "xml" if syntax == "ubl" else "cii.xml")
    return _keep(document, syntax, name, content, "application/xml")


@transaction.atomic
def ensure_usage_file(invoice: Invoice) -> DocumentFile:
    """Return the usage of an issued invoice by day as CSV, made the first time it is asked for.

    :raises InvoiceHasNoNumber: for a draft.
    """
    if not invoice.number:
        raise InvoiceHasNoNumber("only an issued invoice has a usage file")
    kept = _kept(invoice, "usage")
    if kept is not None:
        return kept
    lines = list(invoice.lines.order_by("position", "key").select_related("reading__meter"))
    name = _filename(invoice.number, "usage.csv")
    return _keep(invoice, "usage", name, usage_csv(invoice, lines), "text/csv")


def _kept(document: Invoice | CreditNote, kind: str) -> DocumentFile | None:
    # The document's row is locked, so that two requests do not both make the file.
    type(document).objects.select_for_update(of=("self",)).get(id=document.id)
    found: DocumentFile | None = document.files.filter(kind=kind).select_related("document").first()
    return found


def _keep(
    document: Invoice | CreditNote, kind: str, name: str, content: bytes, content_type: str
) -> DocumentFile:
    owner = "invoice" if isinstance(document, Invoice) else "credit_note"
    stored = store_document(filename=name, content=content, content_type=content_type)
    made: DocumentFile = DocumentFile.objects.create(
        kind=kind, document=stored, **{owner: document}
    )
    return made


def _filename(number: str, extension: str) -> str:
    """Name a file by its document's number, whose prefix may hold a slash."""
    return f"{number.replace('/', '-')}.{extension}"


@transaction.atomic
def send_credit_note(*, note_id: UUID, now: datetime) -> CreditNote:
    """Queue a credit note, with its PDF, to the customer's contacts; once.

    :raises NoBillingContact: if the customer has no contact.
    :raises ElectronicInvoiceIncomplete: if its electronic form lacks something.
    """
    note: CreditNote = (
        CreditNote.objects.select_for_update(of=("self",))
        .select_related("customer", "legal_entity", "invoice")
        .get(id=note_id)
    )
    if note.sent_at is not None:
        return note
    contacts = list(note.customer.contacts.order_by("-is_primary", "id"))
    if not contacts:
        raise NoBillingContact(f"{note.customer.name} has no billing contact")
    document = ensure_credit_note_document(note)
    files = ensure_files(note)
    mail = mail_about("credit_note", note, contact_name=contacts[0].name)
    queue_mail(
        dedupe_key=f"credit-note/{note.id}",
        to=contacts[0].email,
        cc=[contact.email for contact in contacts[1:]],
        subject=mail.subject,
        text=mail.text,
        attachment_id=document.id,
        more_attachment_ids=[file.document_id for file in files],
        subject_ref=f"invoice/{note.invoice_id}",
        now=now,
    )
    note.sent_at = now
    note.save(update_fields=["sent_at"])
    append_event(
        type="credit_note.sent",
        subject=f"invoice/{note.invoice_id}",
        data={"credit_note_id": str(note.id), "number": note.number},
        occurred_at=now,
    )
    return note
