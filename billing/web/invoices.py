"""One invoice: its page, what is done to it, and the proof of its amounts."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from billing import selectors
from billing.domain.assertions import KINDS
from billing.domain.tax import without_tax
from billing.models import CreditRequest, Invoice, InvoiceLine
from billing.ports import payment_link, payment_notes
from billing.selectors.credits import credits_of
from billing.selectors.parts import changes_of
from billing.services.approvals import approve_invoices
from billing.services.assertions import waive_assertions
from billing.services.bad_debt import reinstate_invoice, write_off_invoice
from billing.services.collections import open_amount
from billing.services.comments import threads_of
from billing.services.credit_requests import credit_or_ask, void_or_ask
from billing.services.credits.planning import CREDIT
from billing.services.delivery import send_invoice
from billing.services.drafts import discard_one_off
from billing.services.invoicing import OPEN_STATES, issue_invoice, recalculate_invoices
from billing.services.paper import tax_rows
from billing.web.columns import payment_of
from billing.web.crediting import said
from billing.web.fields import read_day, read_reason
from billing.web.filters import read_uuid
from metering.selectors import events_in_reading, late_events, usage_by_day
from monetization.customers.models import Customer
from monetization.events.models import Event
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.htmx import done, page_or_partial, refused
from monetization.interface.templatetags.money import money, quantity, unit_price
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.ledger.models import Posting
from monetization.mail.models import OutgoingMail
from monetization.pricing.estimate import rerate
from monetization.tenancy.models import tenant_today


@member_required("invoices:read")
def invoice_detail(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Show one invoice as a document, why it differs from the last, and what became of it."""
    invoice = get_object_or_404(
        Invoice.objects.select_related(
            "customer", "legal_entity", "schedule__order_form", "replaces", "supplements"
        ),
        id=invoice_id,
    )
    compared = selectors.compare([invoice])[invoice.id]
    previous = Invoice.objects.filter(id=compared.previous_id).first()
    subject = f"invoice/{invoice.id}"
    lines = list(invoice.lines.order_by("position", "key"))
    credits = credits_of(invoice)
    settled = sum((use.value for use in credits if not use.reduces_base), Decimal(0))
    return render(
        request,
        "billing/invoice_detail.html",
        {
            "invoice": invoice,
            "is_open": invoice.status in OPEN_STATES,
            "lines": [line for line in lines if line.amount or line.kind != "minimum"],
            "is_wide": _is_wide(lines, invoice),
            "tax_rows": tax_rows(invoice, lines, {"tax": "Tax", "vat": "VAT"}),
            "has_usage": invoice.lines.filter(reading__isnull=False).exists(),
            "compared": compared,
            "previous": previous,
            "failures": [
                (KINDS[each.kind].label, each)
                for each in invoice.failures.order_by("kind")
                if each.kind in KINDS
            ],
            "comments": threads_of(invoice),
            "open_amount": open_amount(invoice),
            "credits_used": credits,
            "paid_by_credits": settled,
            "due_after_credits": invoice.total_amount - settled,
            "recalculations": invoice.recalculations.order_by("-at")[:5],
            "moves": changes_of(invoice) if invoice.status in OPEN_STATES else [],
            "credit_requests": invoice.credit_requests.order_by("requested_at"),
            "credit_notes": invoice.credit_notes.order_by("number"),
            "allocations": invoice.allocations.select_related("payment").order_by("id"),
            "payment_link": payment_link(invoice),
            "payment_notes": payment_notes(invoice),
            "supplementary": invoice.supplementary.order_by("created_at"),
            "replacement": invoice.replacements.order_by("id").last(),
            "history": Event.objects.filter(subject=subject).order_by("occurred_at", "id"),
            "postings": Posting.objects.filter(invoice_id=invoice.id)
            .select_related("entry")
            .order_by("entry__entry_date", "id"),
            "mails": OutgoingMail.objects.filter(subject_ref=subject).order_by("created_at"),
            "today": tenant_today(),
        },
    )


def _is_wide(lines: list[InvoiceLine], invoice: Invoice) -> bool:
    """Say whether the figures are too long to stand in columns of their own beside the words."""
    texts = [
        (quantity(one.quantity), unit_price(one.unit_price, invoice.currency), one.amount)
        for one in lines
    ]
    columns = (
        max((len(count) for count, _, _ in texts), default=0),
        max((len(price) for _, price, _ in texts), default=0),
        max(
            len(money(amount, invoice.currency))
            for amount in (*(one for _, _, one in texts), invoice.total_amount)
        ),
    )
    return sum(columns) > _LETTERS_IN_COLUMNS


_LETTERS_IN_COLUMNS = 34  # of quantity, price and amount together, on a page of 1,280 points


def _do_recalculate(invoice: Invoice, request: HttpRequest) -> str:
    changes = recalculate_invoices(invoice_ids=[invoice.id], now=timezone.now())
    if not changes:
        return "Recalculated: nothing changed."
    count = sum(len(each.changes) for each in changes if each.invoice_id == invoice.id)
    said = f"Recalculated: {count} line{'' if count == 1 else 's'} changed"
    if others := sum(each.invoice_id != invoice.id for each in changes):
        said += f", and {others} other part{'' if others == 1 else 's'} of what was split with it"
    return f"{said}."


def _do_issue(invoice: Invoice, request: HttpRequest) -> str:
    made = issue_invoice(
        invoice_id=invoice.id,
        issued_on=read_day(request, "issued_on"),
        now=timezone.now(),
        ignore_grace=request.POST.get("ignore_grace") == "on",
    )
    return f"Issued as {made.number}."


def _do_send(invoice: Invoice, request: HttpRequest) -> str:
    send_invoice(invoice_id=invoice.id, now=timezone.now())
    return "Sent: the mail with the PDF is in the outbox."


def _do_void(invoice: Invoice, request: HttpRequest) -> str:
    made = void_or_ask(
        invoice_id=invoice.id,
        reason=read_reason(request),
        is_reissued=request.POST.get("reissue") == "on",
        now=timezone.now(),
    )
    if isinstance(made, CreditRequest):
        return said(made)
    if made.id != invoice.id:
        request.to = reverse("billing:invoice-detail", args=[made.id])  # type: ignore[attr-defined]
        return f"{invoice.number} is void; this draft takes its place."
    return f"{invoice.number} is void; its periods can be billed again."


def _do_credit(invoice: Invoice, request: HttpRequest) -> str:
    made = credit_or_ask(
        invoice_id=invoice.id,
        amounts=None,
        reason=read_reason(request),
        issued_on=read_day(request, "issued_on"),
        now=timezone.now(),
    )
    return said(made)


def _do_write_off(invoice: Invoice, request: HttpRequest) -> str:
    write_off_invoice(
        invoice_id=invoice.id,
        reason=read_reason(request),
        written_off_on=read_day(request, "written_off_on"),
        now=timezone.now(),
    )
    return f"{invoice.number} is written off."


def _do_reinstate(invoice: Invoice, request: HttpRequest) -> str:
    today = tenant_today()
    reinstate_invoice(invoice_id=invoice.id, reinstated_on=today, now=timezone.now())
    return f"{invoice.number} is claimed again."


def _do_waive(invoice: Invoice, request: HttpRequest) -> str:
    kind = request.POST.get("kind", "")
    waive_assertions(
        invoice_ids=[invoice.id],
        reason=read_reason(request),
        now=timezone.now(),
        kind=kind if kind in KINDS else "",
    )
    return "Waived: it may go out as it is."


def _do_approve(invoice: Invoice, request: HttpRequest) -> str:
    approve_invoices(invoice_ids=[invoice.id], now=timezone.now())
    return "Approved as it is; somebody else may issue it."


def _do_discard(invoice: Invoice, request: HttpRequest) -> str:
    discard_one_off(invoice_id=invoice.id)
    request.to = reverse("billing:invoice-list")  # type: ignore[attr-defined]
    return "The draft is discarded."


_ACTIONS: dict[str, Callable[[Invoice, HttpRequest], str]] = {
    "recalculate": _do_recalculate,
    "issue": _do_issue,
    "send": _do_send,
    "void": _do_void,
    "credit": _do_credit,
    "write-off": _do_write_off,
    "reinstate": _do_reinstate,
    "waive": _do_waive,
    "approve": _do_approve,
    "discard": _do_discard,
}


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
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, message, getattr(request, "to", to))


@member_required("invoices:read")
def explain_line(request: HttpRequest, invoice_id: UUID, line_id: UUID) -> HttpResponse:
    """Walk one amount down to its events: price, steps, days, events, and a fresh re-run."""
    line = get_object_or_404(
        InvoiceLine.objects.select_related("invoice__schedule", "reading__meter"),
        id=line_id,
        invoice=invoice_id,
    )
    context: dict[str, Any] = {"line": line, "invoice": line.invoice}
    context["credits_used"] = [use for use in credits_of(line.invoice) if use.line_key == line.key]
    if line.explanation and line.kind != CREDIT:
        again = without_tax(line.explanation, rerate(line.explanation))
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
                "labels": [f"{day:%-d %b}" for day, _ in days],
                "series": [{"name": reading.meter.unit, "values": [str(q) for _, q in days]}],
            },
            "events": (events := events_in_reading(reading, limit=EVENTS_PER_PAGE)),
            "next": events[-1].id if len(events) == EVENTS_PER_PAGE else None,
            "late": late_events(reading, limit=20),
        }
    return page_or_partial(request, "billing/explain.html", "billing/_explain.html", context)


EVENTS_PER_PAGE = 50
MOST_EVENTS = 100_000  # in one file; more are asked for over the API


def _line_with_reading(invoice_id: UUID, line_id: UUID) -> InvoiceLine:
    line: InvoiceLine = get_object_or_404(
        InvoiceLine.objects.select_related("invoice__schedule", "reading__meter"),
        id=line_id,
        invoice=invoice_id,
        reading__isnull=False,
    )
    return line


@require_safe
@member_required("invoices:read")
def line_events(request: HttpRequest, invoice_id: UUID, line_id: UUID) -> HttpResponse:
    """Show the next events a line was measured from, after one of them."""
    line = _line_with_reading(invoice_id, line_id)
    assert line.reading is not None  # noqa: S101 - selected so
    after = read_uuid(request.GET.get("after", ""))
    found = events_in_reading(line.reading, after=after, limit=EVENTS_PER_PAGE)
    schedule = line.invoice.schedule
    context = {
        "line": line,
        "invoice": line.invoice,
        "events": found,
        "zone": schedule.time_zone if schedule else "UTC",
        "next": found[-1].id if len(found) == EVENTS_PER_PAGE else None,
    }
    return page_or_partial(
        request, "billing/line_events.html", "billing/_line_events.html", context
    )


@require_safe
@member_required("invoices:read")
def line_events_file(
    request: HttpRequest, invoice_id: UUID, line_id: UUID
) -> StreamingHttpResponse:
    """Download every event a line was measured from, exactly those."""
    line = _line_with_reading(invoice_id, line_id)
    assert line.reading is not None  # noqa: S101 - selected so
    rows = events_in_reading(line.reading, limit=MOST_EVENTS)
    names = sorted({name for row in rows for name in row.data})
    name = line.invoice.number or "draft"
    return csv_response(
        f"{name}-{slugify(line.description) or 'events'}.csv",
        ["Happened (UTC)", "Source", "Event", "Type", "Alias", *names],
        (
            [row.occurred_at.isoformat(), row.source, row.source_event_id, row.type, row.subject,
             *(row.data.get(each) for each in names)]
            for row in rows
        ),
    )  # fmt: skip


@member_required("invoices:read")
def of_customer(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """Show a customer's invoices and what they owe, as a part of its page."""
    customer = get_object_or_404(Customer, id=customer_id)
    rows = Invoice.objects.filter(customer=customer).order_by("-bill_on", "-id")[:60]
    today = tenant_today()
    return render(
        request,
        "billing/_customer_invoices.html",
        {
            "customer_id": customer_id,
            "rows": [(row, payment_of(row, today)) for row in rows],
            "all": f"{reverse('billing:invoice-list')}?{urlencode({'customer': str(customer_id)})}",
        },
    )
