"""Usage events: what came in, when, for whom; and the story of one of them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from metering.selectors import EventRow, find_event, list_events
from metering.selectors.exploring import conflicts_of, counted_by, health
from metering.selectors.history import event_history
from metering.selectors.spread import HOUR, every_cell
from metering.web.choosing import customer_labels, event_types, offered_zones, property_names
from metering.web.explorer_chart import group_names, hours_chart, spread
from metering.web.explorer_form import Exploration, ExplorerForm, explored
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.kernel.decimals import plain
from monetization.kernel.period import local_day, start_instant
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest

PER_PAGE = 50
EXPORTED = 5000
MAX_CELLS = 200_000


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
    """Explore events: how they spread over time and groups, and the events, fifty a page."""
    principal = request.principal
    zone = _company_zone(request)
    now = timezone.now()
    form = ExplorerForm(request.GET, zone=zone)
    found = health(now=now, day_start=start_instant(local_day(now, zone), zone))
    context: dict[str, Any] = {
        "form": form,
        "health": found,
        "hours": hours_chart(found, zone),
        "customers": customer_labels(),
        "types": event_types(),
        "zone": zone,
        "events": [],
        "is_filtered": any(value for name, value in request.GET.items() if name != "before"),
        "may_import": principal.may("usage:write"),
    }
    if form.is_valid():
        exploration = explored(form, local_day(now, form.cleaned_data["zone"]))
        before = form.cleaned_data.get("before")
        events = list_events(**exploration.filters, before=before, limit=PER_PAGE + 1)
        context |= {
            "zone": exploration.zone,
            "events": named_rows(events[:PER_PAGE]),
            "next": events[PER_PAGE - 1].id if len(events) > PER_PAGE else None,
            "days": exploration.days,
            "exploration": exploration,
            "is_first": before is None,
            **spread(exploration),
        }
    context["properties"] = property_names(event for event, _ in context["events"])
    context["zones"] = offered_zones(zone)
    return render(request, "metering/usage.html", context)


def _company_zone(request: TenantRequest) -> str:
    tenant_id = request.principal.tenant_id
    return str(Tenant.objects.values_list("time_zone", flat=True).get(id=tenant_id))


def _exploration(request: TenantRequest) -> Exploration | None:
    """Return what the address asks for; None if it is garbled."""
    form = ExplorerForm(request.GET, zone=_company_zone(request))
    if not form.is_valid():
        return None
    return explored(form, local_day(timezone.now(), form.cleaned_data["zone"]))


@require_GET
@member_required("usage:read")
def usage_export(request: TenantRequest) -> HttpResponseBase:
    """Answer with the events of the filters as a CSV file, five thousand at most."""
    exploration = _exploration(request)
    events: list[EventRow] = []
    if exploration is not None:
        before = None
        while len(events) < EXPORTED:
            more = list_events(**exploration.filters, before=before, limit=200)
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


@require_GET
@member_required("usage:read")
def usage_table(request: TenantRequest) -> HttpResponseBase:
    """Answer with the chart's numbers as a CSV file: each day or hour of each group, all groups."""
    exploration = _exploration(request)
    unit = exploration.unit if exploration else ""
    measure = exploration.measure if exploration else None
    header = (
        unit.capitalize() or "Day",
        (exploration.group_label if exploration and exploration.group_by else "Group"),
        measure.unit.capitalize() if measure else "Events counted",
        "Events",
    )
    rows: list[tuple[Any, ...]] = []
    if exploration is not None:
        cells = every_cell(exploration.asked(), limit=MAX_CELLS)
        names = group_names(exploration, [name for _, name, _ in cells])
        info = ZoneInfo(exploration.zone)
        rows = [
            (
                at.astimezone(info).isoformat() if unit == HOUR else at.astimezone(info).date(),
                names[name] if exploration.group_by else "",
                plain(measured.quantity),
                measured.events,
            )
            for at, name, measured in cells
        ]
    return csv_response("usage-table.csv", header, rows)


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
