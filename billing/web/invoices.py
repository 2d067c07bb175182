"""The month-end desk and the invoice page."""

from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing import selectors
from billing.models import Invoice, InvoiceLine
from billing.services.collections import open_amount
from billing.services.corrections import credit_invoice, void_invoice
from billing.services.delivery import send_invoice
from billing.services.invoicing import issue_invoice, recalculate_invoices
from billing.web import filters
from metering.selectors import events_in_reading, late_events, usage_by_day
from monetization.documents.services import PdfUnavailable
from monetization.events.models import Event
from monetization.interface.exports import csv_response
from monetization.interface.htmx import done, page_or_partial, refused
from monetization.interface.models import SavedView
from monetization.jobs.models import Job
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.ledger.models import Posting
from monetization.mail.models import OutgoingMail
from monetization.pricing.estimate import rerate
from monetization.users.decorators import member_required

PER_PAGE = 100


@member_required("invoices:read")
def invoice_list(request: HttpRequest) -> HttpResponse:
    """Show invoices with last month beside them; without filters, the default view."""
    views = filters.views_of(request)
    current = filters.query_of(request.GET)
    default = next((view for view in views if view.is_default), None)
    if not request.GET and default is not None and default.query:
        return redirect(f"{reverse('billing:invoice-list')}?{default.query}")
    today = filters.today_of(request)
    wanted = filters.read_filter(request.GET, today)
    rows = selectors.invoices(wanted, today=today)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    compared = selectors.compare(list(page))
    context = {
        "page": page,
        "rows": [(row, compared[row.id], _delivery(row, today)) for row in page],
        "totals": selectors.totals(rows),
        "wanted": wanted,
        "filter_query": current,
        "views": views,
        "current_view": next((view for view in views if view.query == current), None),
        "months": selectors.months_with_invoices(),
        "today": today,
        "job": _job(request),
        **filters.choices(),
    }
    return page_or_partial(
        request, "billing/invoice_list.html", "billing/_invoice_grid.html", context
    )


def _job(request: HttpRequest) -> Job | None:
    try:
        wanted = UUID(request.GET.get("job", ""))
    except ValueError:
        return None
    return Job.objects.filter(id=wanted).first()


def _delivery(invoice: Invoice, today: date) -> str:
    """Return what is to be said about an issued invoice's payment."""
    if invoice.status != Invoice.Status.ISSUED:
        return ""
    is_late = invoice.due_on is not None and invoice.due_on < today
    if invoice.payment_status == Invoice.PaymentStatus.PAID or not is_late:
        return str(invoice.payment_status)
    return "overdue"


@member_required("invoices:read")
def invoice_export(request: HttpRequest) -> HttpResponseBase:
    """Give the view as CSV, every row of it."""
    today = filters.today_of(request)
    rows: Any = selectors.invoices(filters.read_filter(request.GET, today), today=today)
    return csv_response(
        f"invoices-{today}.csv",
        ("Number", "Customer", "Status", "Bill on", "Issued on", "Due on", "Currency", "Subtotal",
         "Tax", "Total", "Last month", "Change", "Paid", "Credited", "Payment"),
        (
            (row.number, row.customer.name, row.get_status_display(), row.bill_on, row.issued_on,
             row.due_on, row.currency, row.subtotal_amount, row.tax_amount, row.total_amount,
             row.previous, row.change, row.paid_amount, row.credited_amount,
             row.get_payment_status_display())
            for row in rows.iterator(chunk_size=1000)
        ),
    )  # fmt: skip


@require_POST
@member_required("invoices:read")
def save_view(request: HttpRequest) -> HttpResponse:
    """Keep the filters under a name."""
    name = request.POST.get("name", "").replace("\x00", "").strip()[:80]
    query = request.POST.get("query", "")[:2000]
    to = f"{reverse('billing:invoice-list')}?{query}"
    if not name:
        return refused(request, ViewNeedsName("name: give the view a name"), to)
    principal: Any = request.principal  # type: ignore[attr-defined]
    try:
        with transaction.atomic():
            make_default = request.POST.get("default") == "on"
            if make_default:
                SavedView.objects.filter(
                    page=filters.PAGE, owner_id=principal.user_id, is_default=True
                ).update(is_default=False)
            SavedView.objects.update_or_create(
                page=filters.PAGE,
                name=name,
                owner_id=principal.user_id,
                defaults={
                    "query": query,
                    "is_shared": request.POST.get("shared") == "on",
                    "is_default": make_default,
                },
            )
    except IntegrityError:
        return refused(request, ViewNeedsName(f"a view named {name!r} exists"), to)
    return done(request, f"View “{name}” saved.", to)


class ViewNeedsName(Refusal):
    """A saved view is found by its name."""


@require_POST
@member_required("invoices:read")
def delete_view(request: HttpRequest, view_id: UUID) -> HttpResponse:
    """Remove one of one's own views."""
    principal: Any = request.principal  # type: ignore[attr-defined]
    view = get_object_or_404(SavedView, id=view_id, owner_id=principal.user_id)
    view.delete()
    return done(request, f"View “{view.name}” removed.", reverse("billing:invoice-list"))


@member_required("invoices:read")
def invoice_detail(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Show one invoice as a document, why it differs from the last, and what became of it."""
    invoice = get_object_or_404(
        Invoice.objects.select_related("customer", "legal_entity", "schedule__order_form"),
        id=invoice_id,
    )
    compared = selectors.compare([invoice])[invoice.id]
    previous = Invoice.objects.filter(id=compared.previous_id).first()
    return render(
        request,
        "billing/invoice_detail.html",
        {
            "invoice": invoice,
            "lines": list(invoice.lines.order_by("position", "key")),
            "compared": compared,
            "previous": previous,
            "open_amount": open_amount(invoice),
            "recalculations": invoice.recalculations.order_by("-at")[:5],
            "credit_notes": invoice.credit_notes.order_by("number"),
            "allocations": invoice.allocations.select_related("payment").order_by("id"),
            "history": Event.objects.filter(subject=f"invoice/{invoice.id}").order_by(
                "occurred_at", "id"
            ),
            "postings": Posting.objects.filter(invoice_id=invoice.id)
            .select_related("entry")
            .order_by("entry__entry_date", "id"),
            "mails": OutgoingMail.objects.filter(subject_ref=f"invoice/{invoice.id}"),
            "today": filters.today_of(request),
        },
    )


def _do_recalculate(invoice: Invoice, request: HttpRequest) -> str:
    changes = recalculate_invoices(invoice_ids=[invoice.id], now=timezone.now())
    if not changes:
        return "Recalculated: nothing changed."
    return f"Recalculated: {len(changes[0].changes)} lines changed."


def _do_issue(invoice: Invoice, request: HttpRequest) -> str:
    made = issue_invoice(
        invoice_id=invoice.id,
        issued_on=read_day(request.POST.get("issued_on", ""), "issued_on"),
        now=timezone.now(),
        ignore_grace=request.POST.get("ignore_grace") == "on",
    )
    return f"Issued as {made.number}."


def _do_send(invoice: Invoice, request: HttpRequest) -> str:
    send_invoice(invoice_id=invoice.id, now=timezone.now())
    return "Sent: the mail with the PDF is in the outbox."


def _do_void(invoice: Invoice, request: HttpRequest) -> str:
    void_invoice(invoice_id=invoice.id, reason=_reason(request), now=timezone.now())
    return f"{invoice.number} is void; its periods can be billed again."


def _do_credit(invoice: Invoice, request: HttpRequest) -> str:
    note = credit_invoice(
        invoice_id=invoice.id,
        reason=_reason(request),
        issued_on=read_day(request.POST.get("issued_on", ""), "issued_on"),
        now=timezone.now(),
    )
    return f"Credited with {note.number}."


_ACTIONS: dict[str, Callable[[Invoice, HttpRequest], str]] = {
    "recalculate": _do_recalculate,
    "issue": _do_issue,
    "send": _do_send,
    "void": _do_void,
    "credit": _do_credit,
}


class FieldMissing(Refusal):
    """A form was sent without something it needs."""


def read_day(text: str, field: str) -> date:
    """Read a date of a form.

    :raises FieldMissing: naming the field.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FieldMissing(f"{field}: give a date like 2026-01-31") from None


def _reason(request: HttpRequest) -> str:
    reason = request.POST.get("reason", "").replace("\x00", "").strip()
    if not reason:
        raise FieldMissing("reason: say why; it is printed and kept")
    return reason[:300]


@require_POST
@member_required("invoices:write")
def invoice_action(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Do one thing to an invoice and say what happened."""
    invoice = get_object_or_404(Invoice, id=invoice_id)
    action = _ACTIONS.get(request.POST.get("action", ""))
    if action is None:
        raise Http404
    to = reverse("billing:invoice-detail", args=[invoice.id])
    try:
        with transaction.atomic():
            message = action(invoice, request)
    except (Refusal, PdfUnavailable) as refusal:
        return refused(request, refusal, to)
    return done(request, message, to)


@member_required("invoices:read")
def explain_line(request: HttpRequest, invoice_id: UUID, line_id: UUID) -> HttpResponse:
    """Walk one amount down to its events: price, steps, days, events, and a fresh re-run."""
    line = get_object_or_404(
        InvoiceLine.objects.select_related("invoice__schedule", "reading__meter"),
        id=line_id,
        invoice=invoice_id,
    )
    context: dict[str, Any] = {"line": line, "invoice": line.invoice}
    if line.explanation:
        again = rerate(line.explanation)
        context["again"] = again
        context["agrees"] = again == Money(line.amount, line.invoice.currency)
    if line.reading is not None:
        reading = line.reading
        zone = line.invoice.schedule.time_zone if line.invoice.schedule else "UTC"
        days = usage_by_day(
            customer_id=reading.customer_id,
            meter_id=reading.meter_id,
            window_start=reading.window_start,
            window_end=reading.window_end,
            zone=zone,
        )
        context |= {
            "reading": reading,
            "zone": zone,
            "chart": {
                "type": "bar",
                "labels": [f"{day:%d %b}" for day, _ in days],
                "series": [{"name": reading.meter.unit, "values": [str(q) for _, q in days]}],
            },
            "events": events_in_reading(reading, limit=50),
            "late": late_events(reading, limit=20),
        }
    return page_or_partial(request, "billing/explain.html", "billing/_explain.html", context)


@member_required("invoices:read")
def of_customer(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """Show a customer's invoices and what they owe, as a part of its page."""
    rows = Invoice.objects.filter(customer=customer_id).order_by("-bill_on", "-id")[:60]
    return render(
        request,
        "billing/_customer_invoices.html",
        {
            "rows": [(row, _delivery(row, filters.today_of(request))) for row in rows],
            "all": f"{reverse('billing:invoice-list')}?{urlencode({'customer': str(customer_id)})}",
        },
    )
