"""Meters: what is counted, with what it counted lately; and a new one, tried before it is saved."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from metering.domain.counting import WEIGHTED, MeterDefinition
from metering.models import Meter, MeterVersion
from metering.selectors import meter_definition
from metering.selectors.meters import (
    MeterUsage,
    Tried,
    by_customer,
    by_day,
    by_group,
    totals,
    try_events,
    try_meter,
)
from metering.services import MeterKeyTaken, create_meter
from metering.services.meters import DEFINITION
from metering.web.choosing import event_types
from metering.web.meter_forms import MeterForm
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.forms import sentence
from monetization.interface.htmx import done
from monetization.interface.templatetags.money import day as day_text
from monetization.kernel.ids import uuid7
from monetization.users.permissions import TenantRequest

DAYS = 30
TOP = 10
RECENT = 12  # events a definition is tried on
EXPORTED = 100_000


def last_days(now: datetime) -> tuple[datetime, datetime]:
    """Return the last thirty days up to the end of this hour, in whole hours."""
    end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return end - timedelta(days=DAYS), end


@require_GET
@member_required("usage:read")
def meter_list(request: TenantRequest) -> HttpResponse:
    """List meters with what each counted in the last thirty days."""
    meters = list(Meter.objects.order_by("is_archived", "name"))
    start, end = last_days(timezone.now())
    found = totals([meter_definition(meter) for meter in meters], start=start, end=end)
    context = {
        "rows": [(meter, found[meter.id]) for meter in meters],
        "may_write": request.principal.may("catalog:write"),
    }
    return render(request, "metering/meters.html", context)


@member_required("catalog:write")
def meter_create(request: TenantRequest) -> HttpResponse:
    """Define a meter; "Try it" counts the last thirty days and saves nothing."""
    form = MeterForm(request.POST if request.method == "POST" else None)
    tried: MeterUsage | None = None
    recent: list[Tried] = []
    if request.method == "POST" and form.is_valid():
        details = form.cleaned_data
        if request.POST.get("action") == "try":
            start, end = last_days(timezone.now())
            asked = definition_asked(details)
            tried = try_meter(asked, start=start, end=end)
            recent = try_events([asked], limit=RECENT)
        else:
            try:
                meter = create_meter(**details, now=timezone.now())
            except MeterKeyTaken as refusal:
                form.add_error("key", sentence(str(refusal)))
            else:
                to = reverse("metering:meter-detail", args=[meter.id])
                said = f"{meter.name} is added and counts the events already there."
                return done(request, said, to)
    context = {"form": form, "tried": tried, "recent": recent, "types": event_types()}
    status = 422 if form.errors else 200
    return render(request, "metering/meter_form.html", context, status=status)


def definition_asked(details: dict[str, Any]) -> MeterDefinition:
    """Return what a form asks for, as a meter that is not saved."""
    parts = {name: details[name] for name in DEFINITION}
    return MeterDefinition(id=uuid7(), **{**parts, "group_by": tuple(parts["group_by"])})


@require_GET
@member_required("usage:read")
def meter_detail(request: TenantRequest, meter_id: UUID) -> HttpResponse:
    """Show a meter: its definition, the last thirty days, who uses it most."""
    meter = get_object_or_404(Meter, id=meter_id)
    definition = meter_definition(meter)
    start, end = last_days(timezone.now())
    total = totals([definition], start=start, end=end)[meter.id]
    top = by_customer(definition, start=start, end=end, limit=TOP)
    adds_up = meter.aggregation in (Meter.Aggregation.COUNT, Meter.Aggregation.SUM)
    context: dict[str, Any] = {
        "meter": meter,
        "total": total,
        "top": _named(top),
        "adds_up": adds_up,
        "prices": meter.prices.select_related("product").order_by("name"),
        "definition": facts(meter),
        "versions": meter.versions.count(),
        "may_write": request.principal.may("catalog:write"),
    }
    if meter.group_by:
        context["groups"] = by_group(definition, meter.group_by, start=start, end=end, limit=TOP)
    if adds_up:
        days = by_day(definition, start=start, end=end)
        span = [start.date() + timedelta(days=n) for n in range(DAYS + 1)]
        values = [str(days.get(day, 0)) for day in span]
        context["chart"] = {
            "type": "bar",
            "labels": [day_text(day) for day in span],
            "series": [{"name": meter.unit.capitalize(), "values": values}],
        }
    return render(request, "metering/meter.html", context)


def facts(of: Meter | MeterVersion) -> dict[str, str]:
    """Write the parts of a definition for people, those it has."""
    found = {
        "Events of type": of.event_type,
        "Counted as": of.get_aggregation_display(),
        "Property": of.value_property,
        "Computed as": of.expression,
        **{f"Only {name}": ", ".join(map(str, kept)) for name, kept in of.filters.items()},
        "Told apart by": ", ".join(of.group_by),
    }
    if of.aggregation in WEIGHTED:
        found["Begins"] = "where it was" if of.carries_over else "at zero every period"
    return {name: said for name, said in found.items() if said}


def _named(found: list[MeterUsage]) -> list[tuple[Any, MeterUsage]]:
    customers = Customer.objects.in_bulk([usage.customer_id for usage in found])
    return [(customers.get(usage.customer_id), usage) for usage in found]


@require_GET
@member_required("usage:read")
def meter_export(request: TenantRequest, meter_id: UUID) -> HttpResponseBase:
    """Answer with every customer's quantity of the last thirty days as a CSV file."""
    meter = get_object_or_404(Meter, id=meter_id)
    start, end = last_days(timezone.now())
    found = by_customer(meter_definition(meter), start=start, end=end, limit=EXPORTED)
    header = ("Customer", "CRM id", meter.unit.capitalize(), "Events", "From", "Until")
    rows = (
        (
            customer.name if customer else "",
            customer.external_id if customer else "",
            usage.quantity,
            usage.events,
            start.isoformat(),
            end.isoformat(),
        )
        for customer, usage in _named(found)
    )
    return csv_response(f"{meter.key}-last-30-days.csv", header, rows)
