"""Schedules: what is billed, when, and from which signed terms."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing import selectors
from billing.models import BillingSchedule, UsageEstimate
from billing.services.automatic import set_automatic
from billing.services.estimates import EstimateInvalid, set_estimate, usage_items
from billing.services.invoicing import advance_schedule, recalculate_invoices
from billing.services.schedules import activate_schedule, change_status, create_schedule
from billing.services.seats import record_seats
from billing.services.thresholds import ThresholdInvalid, set_threshold
from billing.web.seats import SeatForm
from monetization.customers.models import Customer
from monetization.events.models import Event
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.decimals import NotExact, exact_decimal, plain
from monetization.kernel.errors import Refusal
from monetization.pricing.terms import OrderTerms, terms_from_data, terms_hash
from monetization.tenancy.models import tenant_today
from quotes.domain.tax_words import tax_words
from quotes.models import OrderForm, Quote


@member_required("schedules:read")
def schedule_list(request: HttpRequest) -> HttpResponse:
    """List schedules by customer."""
    rows = BillingSchedule.objects.select_related("customer", "order_form")
    search = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    if search:
        rows = rows.filter(
            Q(customer__name__icontains=search)
            | Q(number__icontains=search)
            | Q(title__icontains=search)
        )
    status = request.GET.get("status", "")
    if status in BillingSchedule.Status.values:
        rows = rows.filter(status=status)
    page = Paginator(rows.order_by("customer__name", "number"), 50).get_page(
        request.GET.get("page")
    )
    return render(
        request,
        "billing/schedule_list.html",
        {"page": page, "statuses": BillingSchedule.Status.choices},
    )


@member_required("schedules:read")
def schedule_detail(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Show a schedule's phases, its terms as signed, and its invoices past and to come."""
    schedule = get_object_or_404(
        BillingSchedule.objects.select_related("customer", "legal_entity", "order_form__version"),
        id=schedule_id,
    )
    return _page(request, schedule, SeatForm(schedule=schedule))


def _page(
    request: HttpRequest, schedule: BillingSchedule, seats: SeatForm, status: int = 200
) -> HttpResponse:
    terms = terms_from_data(schedule.terms)
    return render(
        request,
        "billing/schedule_detail.html",
        {
            "seat_form": seats,
            "seat_rows": schedule.seat_balances.order_by("-effective_on", "item_key")[:50],
            "schedule": schedule,
            "terms": terms,
            "tax_said": tax_words(terms.tax),
            "has_usage": any(item.kind == "usage" for one in terms.phases for item in one.items),
            "estimates": schedule.estimates.order_by("item_key"),
            "estimable": usage_items(schedule),
            "bases": UsageEstimate.Basis.choices,
            "threshold": plain(schedule.threshold_amount) if schedule.threshold_amount else "",
            "phases": _phases(schedule, terms, tenant_today()),
            "as_signed": terms_hash(terms) == schedule.terms_sha256,
            "invoices": schedule.invoices.order_by("-bill_on")[:24],
            "upcoming": selectors.upcoming_lines(schedule),
            "history": Event.objects.filter(subject=f"schedule/{schedule.id}").order_by("id"),
        },
        status=status,
    )


@require_POST
@member_required("schedules:write")
def seats_record(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Say how many seats a line has from a day on."""
    schedule = get_object_or_404(
        BillingSchedule.objects.select_related("customer", "legal_entity", "order_form__version"),
        id=schedule_id,
    )
    form = SeatForm(request.POST, schedule=schedule)
    if form.is_valid():
        try:
            record_seats(schedule_id=schedule.id, now=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            to = reverse("billing:schedule-detail", args=[schedule.id])
            return done(request, "The number of seats is recorded. Open invoices follow it.", to)
    return _page(request, schedule, form, status=422)


def _phases(schedule: BillingSchedule, terms: OrderTerms, today: date) -> list[dict[str, Any]]:
    rows = []
    for phase in schedule.phases.order_by("position"):
        is_over = phase.end_on is not None and phase.end_on <= today
        is_current = phase.start_on <= today and not is_over
        rows.append({"row": phase, "terms": terms.phase(phase.key), "is_current": is_current})
    return rows


@require_POST
@member_required("schedules:write")
def create(request: HttpRequest, order_form_id: UUID) -> HttpResponse:
    """Make the draft schedule of a signed order form: one click, once."""
    form = get_object_or_404(OrderForm, id=order_form_id)
    try:
        schedule = create_schedule(order_form_id=form.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, request.headers.get("Referer") or "/")
    return done(
        request,
        f"{schedule.number} holds the signed terms. Look it over, then activate it.",
        reverse("billing:schedule-detail", args=[schedule.id]),
    )


@require_POST
@member_required("schedules:write")
def schedule_action(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Activate, suspend, resume, cancel, bring up to date, or say what goes out by itself."""
    schedule = get_object_or_404(BillingSchedule, id=schedule_id)
    to = reverse("billing:schedule-detail", args=[schedule.id])
    action, now = request.POST.get("action", ""), timezone.now()
    try:
        with transaction.atomic():
            if action == "activate":
                activate_schedule(schedule_id=schedule.id, now=now)
            elif action == "automatic":
                set_automatic(
                    schedule_id=schedule.id,
                    issue=request.POST.get("auto_issue") == "on",
                    send=request.POST.get("auto_send") == "on",
                    now=now,
                )
                return done(request, "Saved.", to)
            elif action == "threshold":
                set_threshold(schedule_id=schedule.id, amount=_threshold(request), now=now)
                return done(request, "Saved.", to)
            elif action == "estimate":
                _set_estimate(request, schedule)
                return done(request, "Saved. Drafts follow when they are computed again.", to)
            elif action in ("suspend", "resume", "cancel"):
                change_status(schedule_id=schedule.id, action=action, now=now)
            elif action != "advance":
                raise Http404
            opened = advance_schedule(schedule_id=schedule.id, now=now)
            recalculate_invoices(invoice_ids=opened, now=now)
    except Refusal as refusal:
        return refused(request, refusal, to)
    words = {
        "activate": "Activated.",
        "suspend": "Suspended: nothing more is billed until it is resumed.",
        "resume": "Resumed.",
        "cancel": "Cancelled.",
        "advance": "Up to date.",
    }[action]
    return done(request, f"{words} {len(opened)} invoices opened." if opened else words, to)


def _set_estimate(request: HttpRequest, schedule: BillingSchedule) -> None:
    written = request.POST.get("estimate_quantity", "").strip()
    try:
        quantity = exact_decimal(written) if written else None
    except NotExact as problem:
        raise EstimateInvalid(f"quantity: {problem}") from None
    set_estimate(
        schedule_id=schedule.id,
        item_key=request.POST.get("item_key", ""),
        basis=request.POST.get("basis", ""),
        quantity=quantity,
        is_always=request.POST.get("is_always") == "on",
        now=timezone.now(),
    )


def _threshold(request: HttpRequest) -> Decimal | None:
    written = request.POST.get("threshold_amount", "").strip()
    if not written:
        return None
    try:
        return exact_decimal(written)
    except NotExact as problem:
        raise ThresholdInvalid(f"threshold_amount: {problem}") from None


@member_required("schedules:read")
def of_quote(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    """Show what became of a quote's order forms, as a part of its page."""
    quote = get_object_or_404(Quote, id=quote_id)
    rows = BillingSchedule.objects.filter(order_form__version__quote=quote)
    return render(request, "billing/_schedules.html", {"rows": rows.order_by("number")})


@member_required("schedules:read")
def of_customer(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """Show a customer's contracts, as a part of its page."""
    customer = get_object_or_404(Customer, id=customer_id)
    rows = BillingSchedule.objects.filter(customer=customer)
    return render(request, "billing/_schedules.html", {"rows": rows.order_by("start_on")})
