"""What comes after a signature: amend, renew or end a contract, and what that would do."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.models import BillingSchedule
from billing.selectors.drift import drift_of
from billing.services.amendments import (
    RUNNING,
    check_end,
    end_schedule,
    preview_amendment,
    unused_time,
)
from monetization.interface.access import member_required
from monetization.interface.forms import DayField, PageForm
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import terms_from_data
from monetization.users.permissions import TenantRequest
from quotes.models import Quote, QuoteVersion
from quotes.selectors import terms_of
from quotes.services.following import draft_amendment, draft_renewal

_RULES = (
    ("now_prorated", "From that day; the rest of the period by day"),
    ("now_full_reset", "From that day; new whole periods begin with it"),
    ("at_period_end", "From the next month of the contract on"),
)


class AmendForm(PageForm):
    """From when, and how the period already begun is treated."""

    effective_on = DayField(label="From which day")
    change_rule = forms.ChoiceField(choices=_RULES, label="When it holds")


class EndForm(PageForm):
    """The first day that is not billed any more."""

    end = DayField(label="First day without service")


@member_required("schedules:read")
def following(request: TenantRequest, schedule_id: UUID) -> HttpResponse:
    """Show what can follow, and what is billed otherwise than signed. A part of the page."""
    schedule = _schedule(schedule_id)
    context = {
        "schedule": schedule,
        "drift": drift_of(schedule),
        "follow": Quote.objects.filter(amends=schedule.order_form_id).order_by("id")
        if schedule.order_form_id
        else [],
        "amend": AmendForm(initial={"change_rule": _own_rule(schedule)}),
        "end": EndForm(),
        "is_running": schedule.status in RUNNING and schedule.ended_on is None,
        "may_quote": request.principal.may("quotes:write"),
        "may_end": request.principal.may("schedules:write"),
    }
    return render(request, "billing/_following.html", context)


def _own_rule(schedule: BillingSchedule) -> str:
    changes = terms_from_data(schedule.terms).changes
    return changes.upgrade if changes else "now_prorated"


def _schedule(schedule_id: UUID) -> BillingSchedule:
    rows = BillingSchedule.objects.select_related("order_form", "customer")
    return get_object_or_404(rows, id=schedule_id)


@require_POST
@member_required("quotes:write")
def amend(request: TenantRequest, schedule_id: UUID) -> HttpResponse:
    """Draft an amendment and open it in the builder."""
    schedule = _schedule(schedule_id)
    here = reverse("billing:schedule-detail", args=[schedule.id])
    form = AmendForm(request.POST)
    if not form.is_valid() or schedule.order_form_id is None:
        return refused(request, Refusal("Say from which day the amendment holds."), here)
    try:
        quote = draft_amendment(
            order_form_id=schedule.order_form_id, now=timezone.now(), **form.cleaned_data
        )
    except Refusal as refusal:
        return refused(request, refusal, here)
    return redirect("quotes:builder", quote.id)


@require_POST
@member_required("quotes:write")
def renew(request: TenantRequest, schedule_id: UUID) -> HttpResponse:
    """Draft the next term and open it; a repeat opens the first draft."""
    schedule = _schedule(schedule_id)
    here = reverse("billing:schedule-detail", args=[schedule.id])
    if schedule.order_form_id is None:
        return refused(request, Refusal("There is no signed order form to renew."), here)
    try:
        quote = draft_renewal(order_form_id=schedule.order_form_id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, here)
    return redirect("quotes:detail", quote.id)


@require_POST
@member_required("schedules:write")
def end(request: TenantRequest, schedule_id: UUID) -> HttpResponse:
    """End a contract early: first say what was paid for nothing, then do it."""
    schedule = _schedule(schedule_id)
    here = reverse("billing:schedule-detail", args=[schedule.id])
    form = EndForm(request.POST)
    if not form.is_valid():
        return refused(request, Refusal("Say which is the first day without service."), here)
    day = form.cleaned_data["end"]
    if "confirmed" not in request.POST:
        try:
            parts = unused_time(schedule, check_end(schedule, day))
        except Refusal as refusal:
            return refused(request, refusal, here)
        total = sum((part.amount for part in parts), start=Money.zero(schedule.currency))
        context = {"schedule": schedule, "day": day, "parts": parts, "total": total}
        return render(request, "billing/schedule_end.html", context)
    try:
        parts = end_schedule(schedule_id=schedule.id, end=day, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, here)
    said = "Nothing is billed from that day on."
    if parts:
        numbers = ", ".join(sorted({part.line.invoice.number for part in parts}))
        said += f" Credit what was paid ahead on {numbers}, if you owe it."
    return done(request, said, here)


@member_required("schedules:read")
def amendment_preview(request: TenantRequest, version_id: UUID) -> HttpResponse:
    """Say what signing an amendment would credit and charge. A part of the quote's page."""
    version: Any = get_object_or_404(
        QuoteVersion.objects.select_related("quote__amends"), id=version_id
    )
    schedule = BillingSchedule.objects.filter(
        order_form_id=version.quote.amends_id, status__in=RUNNING
    ).first()
    if version.quote.kind != "amendment" or schedule is None or schedule.ended_on:
        raise Http404
    context: dict[str, Any] = {"schedule": schedule, "version": version}
    try:
        context["seen"] = preview_amendment(schedule=schedule, terms=terms_of(version))
    except (PriceError, ValueError) as error:
        context["incomplete"] = str(error)
    return render(request, "billing/_amendment.html", context)
