"""Crediting an issued invoice, by line."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone

from billing.models import Invoice
from billing.services.corrections import credit_lines, credit_positions
from billing.web.fields import read_day, read_reason
from monetization.interface.access import member_required
from monetization.interface.forms import sentence
from monetization.interface.htmx import done
from monetization.kernel.decimals import NotExact, exact_decimal
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import tenant_today


class AmountUnreadable(Refusal):
    """An amount on the form is no number."""


@member_required("invoices:read", write="invoices:write")
def credit(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Credit parts of an invoice: an amount by line, with what earlier credits left of it."""
    invoice = get_object_or_404(
        Invoice.objects.select_related("customer"), id=invoice_id, status=Invoice.Status.ISSUED
    )
    error = ""
    if request.method == "POST":
        try:
            note = credit_lines(
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
            return done(request, f"Credited with {note.number}.", to)
    return render(
        request,
        "billing/credit.html",
        {
            "invoice": invoice,
            "positions": [
                (each, request.POST.get(f"line-{each.line.id}", ""))
                for each in credit_positions(invoice)
            ],
            "notes": invoice.credit_notes.order_by("number"),
            "error": error,
            "today": tenant_today(),
        },
        status=422 if error else 200,
    )


def _amounts(request: HttpRequest, invoice: Invoice) -> dict[UUID, Any]:
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
