"""How far long work is, what each item came to, and what to do about what failed."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.jobs import services
from monetization.jobs.models import Job, JobItem
from monetization.kernel.errors import Refusal

PER_PAGE = 50


@require_GET
@member_required("jobs:read")
def job_list(request: HttpRequest) -> HttpResponse:
    """List jobs, newest first."""
    status = request.GET.get("status", "")
    rows = Job.objects.order_by("-created_at", "-id")
    if status in Job.Status.values:
        rows = rows.filter(status=status)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "status": status, "statuses": Job.Status.choices}
    return render(request, "jobs/list.html", context)


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item of a job and its result in words."""

    item: JobItem
    said: str


@require_GET
@member_required("jobs:read")
def job_detail(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show a job's progress and its items, those that failed first."""
    job = get_object_or_404(Job, id=job_id)
    status = request.GET.get("status", "")
    items = job.items.order_by("position")
    if status in JobItem.Status.values:
        items = items.filter(status=status)
    page = Paginator(items, PER_PAGE).get_page(request.GET.get("page"))
    may_write = request.principal.may("jobs:write")  # type: ignore[attr-defined]
    context = {
        "job": job,
        "page": page,
        "rows": [ItemRow(item, said(item)) for item in page],
        "status": status,
        "statuses": JobItem.Status.choices,
        "may_cancel": may_write and not job.is_finished,
        "may_retry": may_write and job.status == Job.Status.ATTENTION,
        "about_invoices": job.kind.startswith("invoices."),
    }
    return render(request, "jobs/detail.html", context)


def said(item: JobItem) -> str:
    """Write an item's result as people read it: "2 → 3; Causes: usage"."""
    if item.error:
        return item.error
    result: dict[str, Any] = dict(item.result or {})
    parts = []
    if {"before", "after"} <= result.keys():
        parts.append(f"{result.pop('before')} → {result.pop('after')}")
    for name in ("number", "reason"):
        if name in result:
            parts.append(str(result.pop(name)))
    for name, value in result.items():
        label = name.replace("_", " ").capitalize()
        parts.append(f"{label}: {value:,}" if isinstance(value, int) else f"{label}: {value}")
    return "; ".join(part for part in parts if part)


@require_GET
@member_required("jobs:read")
def job_progress(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Answer with the progress card, which asks again until the job has ended.

    On the job's own page the end reloads the page, so that its items are shown as they are.
    """
    job = get_object_or_404(Job, id=job_id)
    seen_on = urlsplit(request.headers.get("HX-Current-URL", "")).path
    is_page = seen_on == reverse("jobs:detail", args=[job.id])
    response = render(request, "_job.html", {"job": job, "is_page": is_page})
    if job.is_finished and is_page:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@member_required("jobs:write")
def job_cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Stop a job after the items under way."""
    job = get_object_or_404(Job, id=job_id)
    to = reverse("jobs:detail", args=[job.id])
    try:
        services.cancel_job(job_id=job.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, "Cancelled. What was done before stays done.", to)


@require_POST
@member_required("jobs:write")
def job_retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Try the failed items again."""
    job = get_object_or_404(Job, id=job_id)
    to = reverse("jobs:detail", args=[job.id])
    failed = job.failed
    try:
        if not job.is_finished:
            raise services.NothingSelected(f"{job.title} is still running; wait for its end")
        services.retry_failed(job_id=job.id)
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, f"Trying {failed} failed item{'' if failed == 1 else 's'} again.", to)
