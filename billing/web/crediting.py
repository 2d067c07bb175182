"""Crediting an issued invoice, by line."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.models import CreditNote, CreditRequest, Invoice
from billing.services import credit_requests
from billing.services.corrections import credit_positions
from billing.services.credit_limits import credit_room
from billing.web.fields import read_day, read_reason, read_text
from monetization.interface.access import member_required
from monetization.interface.forms import sentence
from monetization.interface.htmx import done, refused
from monetization.kernel.decimals import NotExact, exact_decimal
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import tenant_today
from monetization.users.permissions import TenantRequest


class AmountUnreadable(Refusal):
    """An amount on the form is no number."""


@member_required("invoices:read", write="invoices:write")
def credit(request: TenantRequest, invoice_id: UUID) -> HttpResponse:
    """Credit parts of an invoice: an amount by line, with what earlier credits left of it."""
    invoice = get_object_or_404(
        Invoice.objects.select_related("customer"), id=invoice_id, status=Invoice.Status.ISSUED
    )
    error = ""
    if request.method == "POST":
        try:
            made = credit_requests.credit_or_ask(
                invoice_id=invoice.id,
                amounts=_amounts(request, invoice),
                reason=read_reason(request),
                issued_on=read_day(request, "issued_on"),
                now=timezone.now(),
            )
        except Refusal as refusal:
            error = sentence(str(refusal).removeprefix("lines: "))
        else:
            to = reverse("billing:invoice-detail", args=[invoice.id])
            return done(request, said(made), to)
    return render(
        request,
        "billing/credit.html",
        {
            "invoice": invoice,
            "positions": [
                (each, request.POST.get(f"line-{each.line.id}", ""))
                for each in credit_positions(invoice)
            ],
            "room": credit_room(invoice, now=timezone.now()),
            "notes": invoice.credit_notes.order_by("number"),
            "error": error,
            "today": tenant_today(),
        },
        status=422 if error else 200,
    )


def said(made: CreditNote | CreditRequest) -> str:
    """Say in a sentence what became of a wish to credit, or that a void waits."""
    if isinstance(made, CreditNote):
        return f"Credited with {made.number}."
    is_credit = made.kind == CreditRequest.Kind.CREDIT
    return (
        "It is above the limit: a second person was asked to approve it. "
        f"{'Nothing is credited yet.' if is_credit else 'It stands until then.'}"
    )


def waiting_requests(request: TenantRequest) -> list[tuple[CreditRequest, bool]]:
    """Return the credits and voids that wait, oldest first, and whether the reader asked."""
    rows = CreditRequest.objects.filter(status=CreditRequest.Status.WAITING)
    label = request.principal.label
    return [
        (row, row.requested_by == label)
        for row in rows.select_related("invoice__customer").order_by("requested_at")
    ]


@require_POST
@member_required("invoices:write")
def answer(request: TenantRequest, request_id: UUID) -> HttpResponse:
    """Approve, decline or take back a credit or void that waits."""
    row = get_object_or_404(CreditRequest, id=request_id)
    to, now = reverse("billing:credit-note-list"), timezone.now()
    try:
        match request.POST.get("do", ""):
            case "approve":
                row = credit_requests.approve_credit(request_id=row.id, now=now)
                message = f"Approved: {row.invoice.number} is void."
                if row.credit_note is not None:
                    message = f"Approved: credited with {row.credit_note.number}."
            case "decline":
                text = read_text(request, "answer", 300)
                credit_requests.decline_credit(request_id=row.id, answer=text, now=now)
                message = "Declined; who asked is told."
            case "withdraw":
                credit_requests.withdraw_credit(request_id=row.id, now=now)
                message = "Taken back."
            case _:
                raise Http404
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, message, to)


def _amounts(request: TenantRequest, invoice: Invoice) -> dict[UUID, Any]:
    amounts = {}
    for line in invoice.lines.all():
        text = request.POST.get(f"line-{line.id}", "").strip().replace("\N{MINUS SIGN}", "-")
        if not text:
            continue
        try:
            amounts[line.id] = exact_decimal(text)
        except NotExact as problem:
            raise AmountUnreadable(f"{line.description}: {problem}") from None
    return amounts
