"""How ingestion does: rates, lag and verdicts of the last hour."""

from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from metering.selectors.flow import last_hour
from monetization.interface.access import member_required
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest


@require_safe
@member_required("usage:read")
def health(request: TenantRequest) -> HttpResponse:
    """Show the last hour of ingestion."""
    principal = request.principal
    zone = Tenant.objects.values_list("time_zone", flat=True).get(id=principal.tenant_id)
    flow = last_hour(now=timezone.now())
    info = ZoneInfo(zone)
    chart = {
        "type": "bar",
        "labels": [f"{minute.astimezone(info):%H:%M}" for minute, _ in flow.by_minute],
        "series": [{"name": "Events received", "values": [count for _, count in flow.by_minute]}],
    }
    context = {"tab": "health", "flow": flow, "chart": chart, "zone": zone}
    return render(request, "metering/health.html", context)
