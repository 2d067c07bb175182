"""Invoices and credit notes as documents."""

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from billing.models import CreditNote, Invoice
from billing.services.delivery import (
    ensure_credit_note_document,
    ensure_document,
    render_invoice,
)
from monetization.documents.services import PdfUnavailable
from monetization.interface.htmx import refused
from monetization.users.decorators import member_required


def pdf_response(content: bytes, filename: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{filename}"'
    return response


@member_required("invoices:read")
def invoice_pdf(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Show the stored PDF of an issued invoice, or a draft's as it stands."""
    invoice = get_object_or_404(
        Invoice.objects.select_related("customer", "legal_entity", "document"), id=invoice_id
    )
    try:
        if invoice.number:
            document = ensure_document(invoice)
            return pdf_response(bytes(document.content), document.filename)
        return pdf_response(render_invoice(invoice), "draft.pdf")
    except PdfUnavailable as refusal:
        return refused(request, refusal, reverse("billing:invoice-detail", args=[invoice.id]))


@member_required("invoices:read")
def credit_note_list(request: HttpRequest) -> HttpResponse:
    """List credit notes, newest first."""
    rows = CreditNote.objects.select_related("customer", "invoice").order_by("-issued_on", "-id")
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    return render(request, "billing/credit_note_list.html", {"page": page})


@member_required("invoices:read")
def credit_note_pdf(request: HttpRequest, note_id: UUID) -> HttpResponse:
    """Show the stored PDF of a credit note."""
    note = get_object_or_404(
        CreditNote.objects.select_related("customer", "legal_entity", "invoice", "document"),
        id=note_id,
    )
    try:
        document = ensure_credit_note_document(note)
    except PdfUnavailable as refusal:
        return refused(request, refusal, reverse("billing:credit-note-list"))
    return pdf_response(bytes(document.content), document.filename)
