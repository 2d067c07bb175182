"""Usage events: what came in, when, for whom; and the story of one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from metering.selectors import EventRow, find_event, list_events
from metering.selectors.exploring import (
    Health,
    conflicts_of,
    counted_by,
    events_by_day,
    health,
)
from metering.selectors.history import event_history
from metering.web.choosing import CustomerNameField, customer_labels, event_types
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.forms import PageForm
from monetization.interface.templatetags.money import day as day_text
from monetization.kernel.period import local_day, start_instant
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest

PER_PAGE = 50
EXPORTED = 5000
DEFAULT_DAYS = 30
MAX_DAYS = 400


class ExplorerForm(PageForm):
    """The filters of the explorer. Days are the company's."""

    customer = CustomerNameField(required=False)
    alias = forms.CharField(required=False, max_length=200, strip=False, label="Alias")
    type = forms.CharField(required=False, max_length=100, label="Type")
    since = forms.DateField(
        required=False, label="From", widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        required=False, label="To", widget=forms.DateInput(attrs={"type": "date"})
    )
    show = forms.ChoiceField(
        required=False,
        label="Show",
        choices=[
            ("", "All events"),
            ("unmatched", "Unmatched"),
            ("quarantined", "Quarantined"),
            ("conflicting", "With conflicts"),
        ],
    )
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        for name in ("since", "until"):
            found = data.get(name)
            if found and not date(1990, 1, 1) <= found <= date(2100, 1, 1):
                self.add_error(name, "Choose a day between 1990 and 2100.")
        if since and until and since > until:
            self.add_error("until", "Must not be before the first day.")
        elif since and until and (until - since).days > MAX_DAYS:
            self.add_error("until", f"Choose at most {MAX_DAYS} days.")
        return data


@dataclass(frozen=True, slots=True)
class Range:
    """The days looked at, both included."""

    first: date
    last: date

    def instants(self, zone: str) -> tuple[datetime, datetime]:
        return start_instant(self.first, zone), start_instant(self.last + timedelta(days=1), zone)


def _range(asked: dict[str, Any], today: date) -> Range:
    since, until = asked.get("since"), asked.get("until")
    if since and until is None:
        return Range(since, max(since, min(today, since + timedelta(days=MAX_DAYS))))
    last = until or today
    return Range(since or last - timedelta(days=DEFAULT_DAYS - 1), last)


def _filters(form: ExplorerForm, zone: str, today: date) -> tuple[dict[str, Any], Range, bool]:
    """Return the filters for the selectors, their days, and whether a range was asked for.

    Unmatched, quarantined and conflicting events are shown whenever they happened, because
    they are looked for to be settled, unless somebody asked for days.
    """
    asked = form.cleaned_data
    days = _range(asked, today)
    filters: dict[str, Any] = {
        "subject": asked.get("alias") or "",
        "type": asked.get("type") or "",
        "customer_id": getattr(asked.get("customer"), "id", None),
    }
    has_range = bool(asked.get("since") or asked.get("until"))
    show = asked.get("show")
    if show:
        filters[show] = True
    if has_range or not show:
        filters["since"], filters["until"] = days.instants(zone)
    return filters, days, has_range


def named_rows(events: Sequence[EventRow]) -> list[tuple[EventRow, Customer | None]]:
    """Return events with the customers they belong to, in one query."""
    ids = {event.customer_id for event in events if event.customer_id}
    customers = {customer.id: customer for customer in Customer.objects.filter(id__in=ids)}
    return [
        (event, customers.get(event.customer_id) if event.customer_id else None) for event in events
    ]


@require_GET
@member_required("usage:read")
def usage(request: TenantRequest) -> HttpResponse:
    """Explore events, last received first, fifty a page."""
    principal = request.principal
    zone = Tenant.objects.values_list("time_zone", flat=True).get(id=principal.tenant_id)
    now = timezone.now()
    today = local_day(now, zone)
    form = ExplorerForm(request.GET)
    context: dict[str, Any] = {
        "form": form,
        "health": (found := health(now=now, day_start=start_instant(today, zone))),
        "hours": _hours_chart(found, zone),
        "customers": customer_labels(),
        "types": event_types(),
        "zone": zone,
        "events": [],
        "is_filtered": any(value for name, value in request.GET.items() if name != "before"),
        "may_import": principal.may("usage:write"),
    }
    if form.is_valid():
        filters, days, has_range = _filters(form, zone, today)
        before = form.cleaned_data.get("before")
        events = list_events(**filters, before=before, limit=PER_PAGE + 1)
        context |= {
            "events": named_rows(events[:PER_PAGE]),
            "next": events[PER_PAGE - 1].id if len(events) > PER_PAGE else None,
            "days": days,
            "has_range": has_range,
            "is_first": before is None,
        }
        if "since" in filters:
            context["chart"] = _days_chart(filters, days, zone)
    return render(request, "metering/usage.html", context)


def _days_chart(filters: dict[str, Any], days: Range, zone: str) -> dict[str, Any]:
    counts = events_by_day(zone=zone, **filters)
    span = [days.first + timedelta(days=n) for n in range((days.last - days.first).days + 1)]
    return {
        "type": "bar",
        "labels": [day_text(one) for one in span],
        "series": [{"name": "Events", "values": [counts.get(one, 0) for one in span]}],
        "total": sum(counts.values()),
    }


def _hours_chart(found: Health, zone: str) -> dict[str, Any]:
    info = ZoneInfo(zone)
    return {
        "type": "bar",
        "labels": [f"{hour.astimezone(info):%H:%M}" for hour, _ in found.by_hour],
        "series": [{"name": "Events received", "values": [count for _, count in found.by_hour]}],
    }


@require_GET
@member_required("usage:read")
def usage_export(request: TenantRequest) -> HttpResponseBase:
    """Answer with the events of the filters as a CSV file, five thousand at most."""
    principal = request.principal
    zone = Tenant.objects.values_list("time_zone", flat=True).get(id=principal.tenant_id)
    form = ExplorerForm(request.GET)
    events: list[EventRow] = []
    if form.is_valid():
        filters, _, _ = _filters(form, zone, local_day(timezone.now(), zone))
        before = None
        while len(events) < EXPORTED:
            more = list_events(**filters, before=before, limit=200)
            events += more
            if len(more) < 200:
                break
            before = more[-1].id
    header = (
        "Time", "Customer", "Alias", "Type", "Data", "Source", "Id", "Received",
        "Not counted because",
    )  # fmt: skip
    rows = (
        (
            event.occurred_at.isoformat(), customer.name if customer else "", event.subject,
            event.type, data_text(event.data), event.source, event.source_event_id,
            event.recorded_at.isoformat(),
            event.quarantine or ("" if customer else "nobody holds the alias"),
        )
        for event, customer in named_rows(events)
    )  # fmt: skip
    return csv_response("usage-events.csv", header, rows)


def data_text(data: dict[str, Any]) -> str:
    """Write an event's properties in a line: "count 210, region eu-1"."""
    return ", ".join(f"{name} {value}" for name, value in data.items())


@require_GET
@member_required("usage:read")
def event_detail(request: TenantRequest, event_id: UUID) -> HttpResponse:
    """Tell the story of one event: what it said, whose it is, what counts it."""
    event = find_event(event_id)
    if event is None:
        raise Http404("There is no such event.")
    [(_, customer)] = named_rows([event])
    context = {
        "event": event,
        "customer": customer,
        "zone": customer.time_zone if customer else "UTC",
        "counted": counted_by(event),
        "conflicts": conflicts_of(event.id),
        "steps": event_history(
            event.id, source=event.source, source_event_id=event.source_event_id
        ),
    }
    return render(request, "metering/event.html", context)
