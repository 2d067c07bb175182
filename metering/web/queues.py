"""What waits for somebody: quarantine and conflicts, settled one by one or many at once."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from metering import services
from metering.selectors import EventRow
from metering.selectors.queues import (
    Held,
    OpenConflict,
    count_held,
    held_groups,
    list_held,
    open_conflicts,
)
from metering.services.settling import ACTIONS, settle_all
from metering.stores.repairs import RELEASED
from metering.web.explorer import data_text, named_rows
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.forms import PageForm
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest

PER_PAGE = 100
EXPORTED = 50_000
READ, WRITE = "usage:read", "usage:write"


class HeldForm(PageForm):
    """Which quarantined events are looked at."""

    reason = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)
    source = forms.CharField(required=False, max_length=200)
    alias = forms.CharField(required=False, max_length=200, strip=False)
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def held(self) -> Held:
        """Return the filter; a garbled one looks at everything."""
        self.is_valid()
        found = self.cleaned_data
        return Held(found.get("reason", ""), found.get("source", ""), found.get("alias", ""))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _zone(request: TenantRequest) -> str:
    principal = request.principal
    return str(Tenant.objects.values_list("time_zone", flat=True).get(id=principal.tenant_id))


def _may_repair(request: TenantRequest) -> bool:
    return bool(request.principal.may(WRITE))


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(READ, write=WRITE)
def quarantine(request: TenantRequest) -> HttpResponse:
    """List what is in quarantine; release or discard it, the rows picked or all that fits."""
    form = HeldForm(request.GET)
    held = form.held()
    if request.method == "POST":
        return _settle(request, held)
    before = form.cleaned_data.get("before")
    events = list_held(held, before=before, limit=PER_PAGE + 1)
    context = {
        "tab": "quarantine",
        "form": form,
        "held": held,
        "groups": held_groups(),
        "count": count_held(held),
        "events": named_rows(events[:PER_PAGE]),
        "next": events[PER_PAGE - 1].id if len(events) > PER_PAGE else None,
        "zone": _zone(request),
        "may_repair": _may_repair(request),
    }
    return render(request, "metering/quarantine.html", context)


def _settle(request: TenantRequest, held: Held) -> HttpResponse:
    back = request.get_full_path()
    action, reason = request.POST.get("action", ""), request.POST.get("reason", "")
    if action not in ACTIONS:
        return redirect(back)
    now = timezone.now()
    try:
        if request.POST.get("scope") == "view":
            job = settle_all(action=action, held=held, reason=reason, now=now)
            return redirect("jobs:detail", job.id)
        ids = [found for text in request.POST.getlist("id") if (found := _uuid(text))]
        _, settle = ACTIONS[action]
        count = settle(event_ids=ids[:PER_PAGE], reason=reason, now=now)
    except Refusal as refusal:
        return refused(request, refusal, back)
    what = "released; they count from now on" if action == RELEASED else "set aside for good"
    return done(request, f"{_events(count)} {what}.", back)


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


@require_safe
@member_required(READ)
def quarantine_export(request: TenantRequest) -> HttpResponseBase:
    """Write what is in quarantine as a CSV file."""
    held = HeldForm(request.GET).held()
    events = list(_all_held(held))
    header = ("Id", "Source", "Time", "Received", "Alias", "Customer", "Type", "Data", "Because")
    rows = (
        (
            event.source_event_id,
            event.source,
            event.occurred_at.isoformat(),
            event.recorded_at.isoformat(),
            event.subject,
            customer.name if customer else "",
            event.type,
            data_text(event.data),
            event.quarantine,
        )
        for event, customer in named_rows(events)
    )
    return csv_response("quarantine.csv", header, rows)


def _all_held(held: Held) -> Iterator[EventRow]:
    before, count = None, 0
    while count < EXPORTED:
        part = list_held(held, before=before, limit=200)
        yield from part
        count += len(part)
        if len(part) < 200:
            return
        before = part[-1].id


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(READ, write=WRITE)
def conflicts(request: TenantRequest) -> HttpResponse:
    """List events that say two things; keep the first or let the other one count."""
    if request.method == "POST":
        return _resolve(request)
    rows = open_conflicts(before=_uuid(request.GET.get("before", "")), limit=PER_PAGE + 1)
    context: dict[str, Any] = {
        "tab": "conflicts",
        "rows": rows[:PER_PAGE],
        "next": rows[PER_PAGE - 1].id if len(rows) > PER_PAGE else None,
        "zone": _zone(request),
        "may_repair": _may_repair(request),
    }
    return render(request, "metering/conflicts.html", context)


def _resolve(request: TenantRequest) -> HttpResponse:
    back, accept = reverse("metering:conflicts"), request.POST.get("action") == "accept"
    ids = [found for text in request.POST.getlist("id")[:PER_PAGE] if (found := _uuid(text))]
    try:
        count = services.resolve_conflicts(
            conflict_ids=ids,
            accept=accept,
            reason=request.POST.get("reason", ""),
            now=timezone.now(),
        )
    except Refusal as refusal:
        return refused(request, refusal, back)
    what = "now count with their other content" if accept else "keep their first content"
    return done(request, f"{_events(count)} {what}.", back)


@require_safe
@member_required(READ)
def conflicts_export(request: TenantRequest) -> HttpResponseBase:
    """Write the open conflicts as a CSV file, a line for each property that differs."""
    header = ("Event id", "Source", "Alias", "Sent again", "Property", "Kept", "Other")
    rows = (
        (one.source_event_id, one.source, one.subject, one.recorded_at.isoformat(), name, kept, new)
        for one in _every_conflict()
        for name, kept, new in one.differences
    )
    return csv_response("usage-conflicts.csv", header, rows)


def _every_conflict() -> list[OpenConflict]:
    return open_conflicts(limit=EXPORTED)
