"""Invoices and credit notes as documents."""

from collections.abc import Callable
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.models import CreditNote, CreditRequest, DocumentFile, Invoice
from billing.services.delivery import (
    ensure_credit_note_document,
    ensure_document,
    ensure_usage_file,
    ensure_xml,
    render_credit_note,
    render_invoice,
    send_credit_note,
)
from billing.services.electronic import (
    SYNTAXES,
    ElectronicInvoiceIncomplete,
    ElectronicInvoiceInconsistent,
    missing_of,
)
from billing.services.mail_texts import mail_about
from billing.web.crediting import waiting_requests
from monetization.documents.services import PdfTooLarge, PdfUnavailable, template_of
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.interface.viewsets import file_response
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest


def pdf_response(content: bytes, filename: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{filename}"'
    return response


@member_required("invoices:read")
def invoice_pdf(request: TenantRequest, invoice_id: UUID) -> HttpResponse:
    """Show the stored PDF of an issued invoice, or a draft's as it stands.

    An issued one whose electronic form is not complete yet is laid out without it, and not kept.
    """
    invoice = get_object_or_404(
        Invoice.objects.select_related("customer", "legal_entity", "document"), id=invoice_id
    )
    try:
        if invoice.number:
            try:
                document = ensure_document(invoice)
            except (ElectronicInvoiceIncomplete, ElectronicInvoiceInconsistent):
                return pdf_response(render_invoice(invoice), f"{invoice.number}.pdf")
            return pdf_response(bytes(document.content), document.filename)
        return pdf_response(render_invoice(invoice), "draft.pdf")
    except (PdfUnavailable, PdfTooLarge) as refusal:
        return refused(request, refusal, reverse("billing:invoice-detail", args=[invoice.id]))


@member_required("invoices:read")
def invoice_mail(request: TenantRequest, invoice_id: UUID) -> HttpResponse:
    """Show the mail an issued invoice would go out with, its files, and what is missing."""
    invoice = get_object_or_404(
        Invoice.objects.select_related("customer", "legal_entity", "schedule"), id=invoice_id
    )
    contacts = list(invoice.customer.contacts.order_by("-is_primary", "id"))
    name = contacts[0].name if contacts else "the billing contact"
    context = {
        "invoice": invoice,
        "contacts": contacts,
        "mail": mail_about("invoice", invoice, contact_name=name),
        "template": template_of(invoice.legal_entity_id),
        "missing": missing_of(invoice),
    }
    return render(request, "billing/invoice_mail.html", context)


def _file(request: TenantRequest, make: Callable[[], DocumentFile], to: str) -> HttpResponse:
    """Answer with a file that goes with a document, or say why there is none."""
    try:
        found = make().document
    except Refusal as refusal:
        return refused(request, refusal, to)
    return file_response(bytes(found.content), found.filename, found.content_type)


@member_required("invoices:read")
def invoice_xml(request: TenantRequest, invoice_id: UUID) -> HttpResponse:
    """Download an issued invoice as XML: UBL, or CII with ``syntax=cii``."""
    invoice = get_object_or_404(
        Invoice.objects.select_related("customer", "legal_entity"), id=invoice_id
    )
    to = reverse("billing:invoice-detail", args=[invoice.id])
    return _file(request, lambda: ensure_xml(invoice, _syntax(request)), to)


@member_required("invoices:read")
def invoice_usage(request: TenantRequest, invoice_id: UUID) -> HttpResponse:
    """Download the usage of an issued invoice by day."""
    invoice = get_object_or_404(Invoice.objects.select_related("schedule"), id=invoice_id)
    to = reverse("billing:invoice-detail", args=[invoice.id])
    return _file(request, lambda: ensure_usage_file(invoice), to)


@member_required("invoices:read")
def credit_note_xml(request: TenantRequest, note_id: UUID) -> HttpResponse:
    """Download a credit note as XML: UBL, or CII with ``syntax=cii``."""
    note = get_object_or_404(
        CreditNote.objects.select_related("customer", "legal_entity", "invoice"), id=note_id
    )
    to = reverse("billing:credit-note-list")
    return _file(request, lambda: ensure_xml(note, _syntax(request)), to)


def _syntax(request: TenantRequest) -> str:
    chosen = request.GET.get("syntax", "")
    return chosen if chosen in SYNTAXES else "ubl"


@require_POST
@member_required("invoices:write")
def credit_note_send(request: TenantRequest, note_id: UUID) -> HttpResponse:
    """Mail a credit note to the customer's contacts; once."""
    note = get_object_or_404(CreditNote, id=note_id)
    to = reverse("billing:credit-note-list")
    try:
        send_credit_note(note_id=note.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, f"{note.number} is in the outbox.", to)


@member_required("invoices:read")
def credit_note_list(request: TenantRequest) -> HttpResponse:
    """List credit notes, newest first, below those that wait for a second person."""
    rows = CreditNote.objects.select_related("customer", "invoice").order_by("-issued_on", "-id")
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    answered = CreditRequest.objects.exclude(status=CreditRequest.Status.WAITING)
    context = {
        "page": page,
        "waiting": waiting_requests(request),
        "answered": answered.select_related("invoice__customer", "credit_note").order_by(
            "-decided_at"
        )[:10],
    }
    return render(request, "billing/credit_note_list.html", context)


@member_required("invoices:read")
def credit_note_pdf(request: TenantRequest, note_id: UUID) -> HttpResponse:
    """Show the stored PDF of a credit note."""
    note = get_object_or_404(
        CreditNote.objects.select_related("customer", "legal_entity", "invoice", "document"),
        id=note_id,
    )
    try:
        try:
            document = ensure_credit_note_document(note)
        except (ElectronicInvoiceIncomplete, ElectronicInvoiceInconsistent):
            return pdf_response(render_credit_note(note), f"{note.number}.pdf")
    except (PdfUnavailable, PdfTooLarge) as refusal:
        return refused(request, refusal, reverse("billing:credit-note-list"))
    return pdf_response(bytes(document.content), document.filename)
