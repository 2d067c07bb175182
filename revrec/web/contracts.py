"""The revenue of one contract, as a page and as a part of the schedule's page."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from billing.models import BillingSchedule
from monetization.interface.access import member_required
from revrec import selectors

METHODS = {
    "straight_line": "Evenly by day",
    "point_in_time": "When delivered",
    "usage": "As it is used",
}


def _revenue(schedule_id: UUID) -> dict[str, Any]:
    schedule = get_object_or_404(BillingSchedule.objects.select_related("customer"), id=schedule_id)
    revenue = selectors.contract_revenue(schedule)
    return {"tab": "", "schedule": schedule, "revenue": revenue, "methods": METHODS}


@require_safe
@member_required("revenue:read")
def contract(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Obligations of a contract with planned and posted revenue by month."""
    context = _revenue(schedule_id)
    lines = context["revenue"].lines
    months = sorted({one.month for line in lines for one in line.months})
    context["months"] = months
    context["rows"] = [(line, {one.month: one for one in line.months}) for line in lines]
    return render(request, "revrec/contract.html", context)


@require_safe
@member_required("revenue:read")
def contract_revenue(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Answer with the obligations alone, for the page of the schedule."""
    return render(request, "revrec/_contract_revenue.html", _revenue(schedule_id))
