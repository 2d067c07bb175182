"""Meters: what is counted, with what it counted lately; and a new one, tried before it is saved."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from metering.domain.counting import MeterDefinition
from metering.models import Meter
from metering.selectors import meter_definition
from metering.selectors.meters import MeterUsage, by_customer, by_day, totals, try_meter
from metering.services import MeterKeyTaken, create_meter
from metering.web.choosing import event_types
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.forms import PageForm, sentence
from monetization.interface.htmx import done
from monetization.interface.templatetags.money import day as day_text
from monetization.kernel.ids import uuid7

DAYS = 30
TOP = 10
EXPORTED = 100_000


def last_days(now: datetime) -> tuple[datetime, datetime]:
    """Return the last thirty days up to the end of this hour, in whole hours."""
    end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return end - timedelta(days=DAYS), end


class MeterForm(PageForm):
    """A new meter."""

    name = forms.CharField(max_length=120)
    key = forms.SlugField(
        max_length=60,
        required=False,
        help_text="How prices and the API name it. Empty: from the name.",
    )
    unit = forms.CharField(
        max_length=40, initial="units", help_text="Plural, as invoices say it: calls, GB, seats."
    )
    event_type = forms.RegexField(
        r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z",
        max_length=100,
        label="Events of type",
        error_messages={"invalid": "Write a type such as api.called."},
        widget=forms.TextInput(attrs={"list": "event-types", "autocomplete": "off"}),
    )
    aggregation = forms.ChoiceField(choices=Meter.Aggregation.choices, label="Counted as")
    value_property = forms.CharField(
        max_length=100,
        required=False,
        label="Property with the value",
        help_text="Which property of the event is added up. Not for a count of events.",
    )
    filters = forms.CharField(
        max_length=4000,
        required=False,
        label="Only events where",
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "region: eu-1, us-1"}),
        help_text="One property a line with the values that count. All lines must match.",
    )

    def clean_filters(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for number, line in enumerate(self.cleaned_data["filters"].splitlines(), start=1):
            if not line.strip():
                continue
            name, colon, written = line.partition(":")
            values = [value.strip() for value in written.split(",") if value.strip()]
            if not colon or not name.strip() or not values:
                raise forms.ValidationError(f"Line {number}: write property: value, value.")
            if name.strip() in found:
                raise forms.ValidationError(f"Line {number}: {name.strip()} is there twice.")
            found[name.strip()] = values
        return found

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("key") and data.get("name") and "key" not in self.errors:
            data["key"] = slugify(data["name"])[:60].strip("-")
            if not data["key"]:
                self.add_error("key", "Write a key of letters, digits and hyphens.")
        aggregation, value = data.get("aggregation"), data.get("value_property")
        if aggregation and aggregation != Meter.Aggregation.COUNT and not value:
            self.add_error("value_property", "Every way but a count of events needs a property.")
        if aggregation == Meter.Aggregation.COUNT:
            data["value_property"] = ""
        return data


@require_GET
@member_required("usage:read")
def meter_list(request: HttpRequest) -> HttpResponse:
    """List meters with what each counted in the last thirty days."""
    meters = list(Meter.objects.order_by("is_archived", "name"))
    start, end = last_days(timezone.now())
    found = totals([meter_definition(meter) for meter in meters], start=start, end=end)
    context = {
        "rows": [(meter, found[meter.id]) for meter in meters],
        "may_write": request.principal.may("catalog:write"),  # type: ignore[attr-defined]
    }
    return render(request, "metering/meters.html", context)


@member_required("catalog:write")
def meter_create(request: HttpRequest) -> HttpResponse:
    """Define a meter; "Try it" counts the last thirty days and saves nothing."""
    form = MeterForm(request.POST if request.method == "POST" else None)
    tried: MeterUsage | None = None
    if request.method == "POST" and form.is_valid():
        details = form.cleaned_data
        if request.POST.get("action") == "try":
            start, end = last_days(timezone.now())
            tried = try_meter(_definition(details), start=start, end=end)
        else:
            try:
                meter = create_meter(**details, now=timezone.now())
            except MeterKeyTaken as refusal:
                form.add_error("key", sentence(str(refusal)))
            else:
                to = reverse("metering:meter-detail", args=[meter.id])
                said = f"{meter.name} is added and counts the events already there."
                return done(request, said, to)
    context = {"form": form, "tried": tried, "types": event_types()}
    status = 422 if form.errors else 200
    return render(request, "metering/meter_form.html", context, status=status)


def _definition(details: dict[str, Any]) -> MeterDefinition:
    return MeterDefinition(
        id=uuid7(),
        event_type=details["event_type"],
        aggregation=details["aggregation"],
        value_property=details["value_property"],
        filters=details["filters"],
    )


@require_GET
@member_required("usage:read")
def meter_detail(request: HttpRequest, meter_id: UUID) -> HttpResponse:
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
        "filters": [(name, ", ".join(map(str, value))) for name, value in meter.filters.items()],
    }
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


def _named(found: list[MeterUsage]) -> list[tuple[Any, MeterUsage]]:
    customers = Customer.objects.in_bulk([usage.customer_id for usage in found])
    return [(customers.get(usage.customer_id), usage) for usage in found]


@require_GET
@member_required("usage:read")
def meter_export(request: HttpRequest, meter_id: UUID) -> HttpResponseBase:
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
