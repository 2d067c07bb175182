"""Writing on drafts: lines, words, comments; and invoices without a contract."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.models import Invoice, InvoiceLine
from billing.services import comments, drafts
from billing.services.supplementary import draft_supplementary
from billing.web import filters
from billing.web.fields import read_text
from billing.web.forms import LineForm, OneOffForm, SupplementaryForm, WordsForm, line_initial
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import tenant_today


def _page(invoice_id: UUID) -> str:
    return reverse("billing:invoice-detail", args=[invoice_id])


def _show(request: HttpRequest, form: Any, **context: Any) -> HttpResponse:
    status = 422 if form.is_bound else 200
    return render(request, "billing/desk_form.html", {"form": form, **context}, status=status)


@member_required("invoices:write")
def line_add(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Write a line on an open invoice."""
    invoice = get_object_or_404(Invoice.objects.select_related("customer"), id=invoice_id)
    form = LineForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            line = drafts.add_manual_line(
                invoice_id=invoice.id, entry=form.entry(), now=timezone.now()
            )
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, f"{line.description} is on the invoice.", _page(invoice.id))
    return _show(
        request, form, invoice=invoice, title="Add a line", verb="Add line", back=_page(invoice.id)
    )


@member_required("invoices:write")
def line_edit(request: HttpRequest, invoice_id: UUID, line_id: UUID) -> HttpResponse:
    """Write a manual line anew, or take it off."""
    invoice = get_object_or_404(Invoice.objects.select_related("customer"), id=invoice_id)
    line = get_object_or_404(InvoiceLine, id=line_id, invoice=invoice, is_manual=True)
    if request.POST.get("remove"):
        try:
            drafts.remove_manual_line(invoice_id=invoice.id, line_id=line.id, now=timezone.now())
        except Refusal as refusal:
            return refused(request, refusal, _page(invoice.id))
        return done(request, f"{line.description} is off the invoice.", _page(invoice.id))
    form = LineForm(request.POST or None, initial=line_initial(line))
    if request.method == "POST" and form.is_valid():
        try:
            drafts.change_manual_line(
                invoice_id=invoice.id, line_id=line.id, entry=form.entry(), now=timezone.now()
            )
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, f"{line.description} is changed.", _page(invoice.id))
    return _show(
        request, form, invoice=invoice, title=f"Edit {line.description}", verb="Save line",
        back=_page(invoice.id), removable=True,
    )  # fmt: skip


@member_required("invoices:write")
def words_edit(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Edit what is printed on a draft, and the note for colleagues."""
    invoice = get_object_or_404(Invoice.objects.select_related("customer"), id=invoice_id)
    initial = {
        "memo": invoice.memo,
        "purchase_order": invoice.purchase_order,
        "change_note": invoice.change_note,
    }
    form = WordsForm(request.POST or None, initial=initial)
    if invoice.number:
        del form.fields["memo"], form.fields["purchase_order"]
    if request.method == "POST" and form.is_valid():
        try:
            drafts.edit_invoice(invoice_id=invoice.id, now=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, "Saved.", _page(invoice.id))
    return _show(
        request, form, invoice=invoice, title="Note, memo and purchase order", verb="Save",
        back=_page(invoice.id),
    )  # fmt: skip


@member_required("invoices:write")
def one_off_create(request: HttpRequest) -> HttpResponse:
    """Draft an invoice without a contract."""
    initial = {
        "bill_on": tenant_today(),
        "customer": filters.read_uuid(request.GET.get("customer", "")),
    }
    form = OneOffForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            invoice = drafts.create_one_off(
                customer_id=data["customer"].id,
                bill_on=data["bill_on"],
                entries=[form.entry()],
                currency=data["currency"],
                memo=data["memo"],
                purchase_order=data["purchase_order"],
                now=timezone.now(),
            )
        except Refusal as refusal:
            form.refuse(type(refusal)(str(refusal).removeprefix("lines[0].")))
        else:
            return done(request, "The draft is ready to be looked over.", _page(invoice.id))
    return _show(
        request,
        form,
        title="Invoice without a contract",
        verb="Draft invoice",
        back=reverse("billing:invoice-list"),
        order=("customer", "bill_on", "description", "amount", "quantity", "unit_price", "product",
               "service_start", "service_last", "note", "currency", "purchase_order", "memo"),
    )  # fmt: skip


@member_required("invoices:write")
def supplement(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Draft an invoice that charges more for an issued one."""
    original = get_object_or_404(
        Invoice.objects.select_related("customer"), id=invoice_id, status=Invoice.Status.ISSUED
    )
    form = SupplementaryForm(request.POST or None, initial={"bill_on": tenant_today()})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            invoice = draft_supplementary(
                invoice_id=original.id,
                entries=[form.entry()],
                bill_on=data["bill_on"],
                memo=data["memo"],
                now=timezone.now(),
            )
        except Refusal as refusal:
            form.refuse(type(refusal)(str(refusal).removeprefix("lines[0].")))
        else:
            return done(request, "The draft is ready to be looked over.", _page(invoice.id))
    return _show(
        request,
        form,
        invoice=original,
        title=f"Charge more for {original.number}",
        verb="Draft supplementary invoice",
        back=_page(original.id),
        order=("description", "amount", "quantity", "unit_price", "product", "service_start",
               "service_last", "note", "bill_on", "memo"),
    )  # fmt: skip


@require_POST
@member_required("invoices:read", write="invoices:write")
def comment_save(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Write a comment, or correct one's own."""
    invoice = get_object_or_404(Invoice, id=invoice_id)
    now = timezone.now()
    corrected = filters.read_uuid(request.POST.get("corrects", ""))
    try:
        text = read_text(request, "text", comments.LONGEST)
        if corrected is not None:
            get_object_or_404(invoice.comments, id=corrected)
            comments.correct_comment(
                invoice_id=invoice.id, comment_id=corrected, text=text, now=now
            )
        else:
            comments.add_comment(invoice_id=invoice.id, text=text, now=now)
    except Refusal as refusal:
        return refused(request, refusal, f"{_page(invoice.id)}#comments")
    return done(request, "Comment saved.", f"{_page(invoice.id)}#comments")
