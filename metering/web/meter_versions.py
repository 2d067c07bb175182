"""A meter's versions: what changed, how far the next one is built; and a new one, tried first."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from metering.models import Meter, MeterVersion
from metering.selectors import meter_definition
from metering.selectors.meters import Tried, totals, try_events, try_meter
from metering.services import MeterUnchanged, cancel_version, change_meter
from metering.services.meters import REBUILD
from metering.web.choosing import event_types
from metering.web.meter_forms import DefinitionForm
from metering.web.meters import RECENT, definition_asked, facts, last_days
from monetization.interface.access import member_required
from monetization.interface.forms import sentence
from monetization.interface.htmx import done
from monetization.jobs.models import Job
from monetization.users.permissions import TenantRequest


@dataclass(frozen=True, slots=True)
class Change:
    """One part of a definition, before and after."""

    name: str
    before: str
    after: str


def changes(before: Meter | MeterVersion | None, after: MeterVersion) -> list[Change]:
    """Return what a version changed; of the first one all there is."""
    old, new = facts(before) if before else {}, facts(after)
    return [
        Change(name, old.get(name, ""), new.get(name, ""))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]


@require_GET
@member_required("usage:read")
def meter_versions(request: TenantRequest, meter_id: UUID) -> HttpResponse:
    """List the versions of a meter, the last first."""
    meter = get_object_or_404(Meter, id=meter_id)
    versions = list(meter.versions.order_by("number"))
    jobs = {
        job.params["version_id"]: job
        for job in Job.objects.filter(
            kind=REBUILD, params__version_id__in=[str(version.id) for version in versions]
        )
    }
    before: MeterVersion | None = None
    rows = []
    for version in versions:
        rows.append((version, changes(before, version), jobs.get(str(version.id))))
        if version.status != MeterVersion.Status.CANCELLED:
            before = version
    context = {
        "meter": meter,
        "rows": rows[::-1],
        "definition": facts(meter),
        "building": next((job for version, _, job in rows if version.status == "building"), None),
        "may_write": request.principal.may("catalog:write"),
    }
    return render(request, "metering/meter_versions.html", context)


@member_required("catalog:write")
def meter_change(request: TenantRequest, meter_id: UUID) -> HttpResponse:
    """Give a meter another definition; "Try it" shows what it would count and saves nothing."""
    meter = get_object_or_404(Meter, id=meter_id, is_archived=False)
    initial = DefinitionForm.initial_of(_starting_from(meter, request.GET.get("from", "")))
    form = DefinitionForm(request.POST if request.method == "POST" else None, initial=initial)
    context: dict[str, Any] = {"meter": meter, "form": form, "types": event_types()}
    if request.method == "POST" and form.is_valid():
        if request.POST.get("action") == "try":
            context |= _tried(meter, form.cleaned_data)
        else:
            try:
                version, _ = change_meter(
                    meter_id=meter.id, now=timezone.now(), **form.cleaned_data
                )
            except MeterUnchanged as refusal:
                form.add_error(None, sentence(str(refusal)))
            else:
                to = reverse("metering:meter-versions", args=[meter.id])
                said = f"Version {version.number} is being built; version {meter.version} counts."
                return done(request, said, to)
    status = 422 if form.errors else 200
    return render(request, "metering/meter_change.html", context, status=status)


def _starting_from(meter: Meter, number: str) -> Meter | MeterVersion:
    if number.isascii() and number.isdigit() and len(number) < 9:
        return meter.versions.filter(number=int(number)).first() or meter
    return meter


def _tried(meter: Meter, details: dict[str, Any]) -> dict[str, Any]:
    start, end = last_days(timezone.now())
    now, asked = meter_definition(meter), definition_asked(details)
    recent: list[Tried] = try_events([now, asked], limit=RECENT)
    return {
        "tried": try_meter(asked, start=start, end=end),
        "counted": totals([now], start=start, end=end)[now.id],
        "recent": recent,
    }


@require_POST
@member_required("catalog:write")
def version_cancel(request: TenantRequest, meter_id: UUID) -> HttpResponse:
    """Give up the version that is being built."""
    meter = get_object_or_404(Meter, id=meter_id)
    found = cancel_version(meter_id=meter.id)
    to = reverse("metering:meter-versions", args=[meter.id])
    said = "The version was given up." if found else "Nothing is being built any more."
    return done(request, said, to)
