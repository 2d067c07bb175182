"""Splitting a draft, merging drafts, and taking either back."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.models import DraftChange, Invoice
from billing.services import splitting
from billing.services.credits.planning import CREDIT
from billing.web.fields import read_text
from billing.web.filters import read_uuid
from monetization.interface.access import member_required
from monetization.interface.forms import sentence
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import LegalEntity


def _page(invoice_id: UUID) -> str:
    return reverse("billing:invoice-detail", args=[invoice_id])


@member_required("invoices:read", write="invoices:write")
def split(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Choose lines of a draft that go on a draft of their own, or drafts to merge into it."""
    invoice = get_object_or_404(
        Invoice.objects.select_related("customer", "schedule", "legal_entity"), id=invoice_id
    )
    error = ""
    if request.method == "POST":
        entity = read_uuid(request.POST.get("legal_entity", ""))
        try:
            made = splitting.split_draft(
                invoice_id=invoice.id,
                line_ids=_uuids(request, "lines"),
                purchase_order=read_text(request, "purchase_order", 60),
                legal_entity_id=entity,
                now=timezone.now(),
            )
        except Refusal as refusal:
            error = sentence(str(refusal).removeprefix("lines: "))
        else:
            message = "Split: these lines have a draft of their own. It can be taken back below."
            return done(request, message, _page(made.id))
    return render(
        request,
        "billing/split.html",
        {
            "invoice": invoice,
            "lines": invoice.lines.exclude(kind=CREDIT).order_by("position", "key"),
            "entities": LegalEntity.objects.order_by("name"),
            "others": splitting.mergeable_with(invoice),
            "chosen": request.POST.getlist("lines"),
            "purchase_order": request.POST.get("purchase_order", invoice.purchase_order),
            "legal_entity": request.POST.get("legal_entity", str(invoice.legal_entity_id)),
            "error": error,
        },
        status=422 if error else 200,
    )


@require_POST
@member_required("invoices:write")
def merge(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Put other drafts onto this one."""
    invoice = get_object_or_404(Invoice, id=invoice_id)
    try:
        splitting.merge_drafts(
            into_id=invoice.id, invoice_ids=_uuids(request, "invoices"), now=timezone.now()
        )
    except Invoice.DoesNotExist:
        gone = Refusal("one of the drafts is gone; reload the page")
        return refused(request, gone, _page(invoice.id))
    except Refusal as refusal:
        return refused(request, refusal, reverse("billing:invoice-split", args=[invoice.id]))
    return done(request, "Merged into this draft. It can be taken back below.", _page(invoice.id))


@require_POST
@member_required("invoices:write")
def undo(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """Take a split or a merge back."""
    change = get_object_or_404(DraftChange, id=change_id)
    to = change.target_id or change.origin_id
    back = _page(to) if to else reverse("billing:invoice-list")
    try:
        invoice = splitting.undo_change(change_id=change.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, back)
    return done(request, "Taken back: the lines are where they were.", _page(invoice.id))


def _uuids(request: HttpRequest, name: str) -> list[UUID]:
    return [found for text in request.POST.getlist(name) if (found := read_uuid(text))]
