"""Where a usage event was billed: the part of its story that billing tells."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.models import InvoiceLine
from metering.models import Meter
from metering.selectors import find_event
from metering.selectors.inclusion import readings_with
from monetization.interface.access import member_required

SHOWN = 20


@require_safe
@member_required("invoices:read")
def event_lines(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """List invoice lines over the event's time, and whether each counted it."""
    event = find_event(event_id)
    if event is None:
        raise Http404("There is no such event.")
    lines = list(
        InvoiceLine.objects.filter(
            reading__customer_id=event.customer_id,
            reading__meter__in=Meter.objects.filter(event_type=event.type),
            reading__window_start__lte=event.occurred_at,
            reading__window_end__gt=event.occurred_at,
        )
        .select_related("invoice", "reading", "reading__meter")
        .order_by("-invoice__bill_on", "position")[:SHOWN]
    )
    readings = [line.reading for line in lines if line.reading is not None]
    counted = readings_with(event.id, readings)
    rows = [(line, line.reading_id in counted) for line in lines]
    return render(request, "billing/_event_lines.html", {"rows": rows, "event": event})
