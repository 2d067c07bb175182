"""Usage that came after its invoice was issued: a queue to bill, credit or leave."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from rest_framework.exceptions import ValidationError

from billing.models import LateUsageDecision
from billing.services.late_usage import CSV_HEADER, csv_rows, late_invoices, start_routing
from billing.web.fields import read_text
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.fields import read_month
from monetization.interface.htmx import refused
from monetization.kernel.errors import Refusal
from monetization.kernel.period import add_months, local_day
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest

MONTHS_SHOWN = 3
MOST = 500
READ, WRITE = "invoices:read", "invoices:write"


def _asked(request: TenantRequest, now: datetime) -> tuple[date, date, str]:
    """Return the billing days looked at: one month, or the last three."""
    text = request.GET.get("month", "")
    principal = request.principal
    zone = Tenant.objects.values_list("time_zone", flat=True).get(id=principal.tenant_id)
    first = local_day(now, zone).replace(day=1)
    try:
        month = read_month(text) if text else None
    except ValidationError:
        month = None
    if month is not None:
        return month, add_months(month, 1, anchor_day=1), text
    return (
        add_months(first, 1 - MONTHS_SHOWN, anchor_day=1),
        add_months(first, 1, anchor_day=1),
        "",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(READ, write=WRITE)
def late_usage(request: TenantRequest) -> HttpResponse:
    """List issued invoices whose usage is not what they billed; route those picked."""
    if request.method == "POST":
        return _route(request)
    now = timezone.now()
    since, until, month = _asked(request, now)
    found = late_invoices(since=since, until=until, now=now)
    context: dict[str, Any] = {
        "tab": "late",
        "found": found[:MOST],
        "count": len(found),
        "month": month,
        "since": since,
        "until": until,
        "decided": LateUsageDecision.objects.select_related("invoice", "invoice__customer")
        .select_related("credit_note", "target_line__invoice")
        .order_by("-id")[:20],
        "may_write": request.principal.may(WRITE),
    }
    return render(request, "billing/late_usage.html", context)


def _route(request: TenantRequest) -> HttpResponse:
    back, action = request.get_full_path(), request.POST.get("action", "")
    if action not in LateUsageDecision.Action.values:
        return redirect(back)
    try:
        reason = read_text(request, "reason", 300)
        if not reason:
            raise Refusal("give a reason")
        ids = [found for text in request.POST.getlist("id")[:MOST] if (found := _uuid(text))]
        job = start_routing(invoice_ids=ids, action=action, reason=reason)
    except Refusal as refusal:
        return refused(request, refusal, back)
    return redirect("jobs:detail", job.id)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@require_safe
@member_required(READ)
def late_usage_export(request: TenantRequest) -> HttpResponseBase:
    """Write what is late as a CSV file, a line for each invoice line."""
    now = timezone.now()
    since, until, _ = _asked(request, now)
    found = late_invoices(since=since, until=until, now=now)
    return csv_response("late-usage.csv", CSV_HEADER, csv_rows(found))
