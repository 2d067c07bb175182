"""What a recalculation would change, to be looked at and applied."""

from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.domain.comparison import LABELS
from billing.models import Invoice
from billing.services import reviews
from billing.web import filters
from monetization.interface.access import member_required
from monetization.interface.htmx import refused
from monetization.jobs.models import Job
from monetization.kernel.errors import Refusal

PER_PAGE = 50


@member_required("invoices:read")
def review(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show what would change, invoice by invoice and line by line, with the cause of each."""
    job = get_object_or_404(Job, id=job_id, kind=reviews.PREVIEW)
    items = reviews.changed_items(job)
    page = Paginator(items, PER_PAGE).get_page(request.GET.get("page"))
    invoices = reviews.invoices_of(page)
    rows = []
    for item in page:
        invoice = invoices.get(item.key)
        if invoice is None:
            continue
        result = {**item.result, "difference": _difference(item.result)}
        lines = [{**line, "difference": _difference(line)} for line in result["changes"]]
        rows.append((invoice, result, lines))
    return render(
        request,
        "billing/review.html",
        {
            "job": job,
            "page": page,
            "rows": rows,
            "labels": {**LABELS, "details": "Details"},
            "summary": _summary(items),
            "applied": _applied(job),
            "unchanged": job.up_to_date + job.items.filter(status="skipped").count(),
        },
    )


def _difference(change: dict[str, Any]) -> Decimal:
    return Decimal(change["after"] or 0) - Decimal(change["before"] or 0)


def _summary(items: Any) -> list[dict[str, Any]]:
    """Return per currency how many would change, from what to what."""
    keys = dict(items.values_list("key", "result"))
    sums: dict[str, dict[str, Any]] = {}
    causes: dict[str, Counter[str]] = {}
    for id, currency in Invoice.objects.filter(id__in=list(keys)).values_list("id", "currency"):
        result = keys[str(id)]
        one = sums.setdefault(
            currency,
            {"currency": currency, "count": 0, "before": Decimal(0), "after": Decimal(0)},
        )
        one["count"] += 1
        one["before"] += Decimal(result["before"])
        one["after"] += Decimal(result["after"])
        causes.setdefault(currency, Counter()).update(line["cause"] for line in result["changes"])
    for currency, one in sums.items():
        one["difference"] = one["after"] - one["before"]
        one["causes"] = [
            (LABELS.get(cause, "Details"), count) for cause, count in causes[currency].most_common()
        ]
    return sorted(sums.values(), key=lambda one: -one["count"])


def _applied(job: Job) -> Job | None:
    """Return the last job that applied this review."""
    found: Job | None = (
        Job.objects.filter(kind="invoices.apply", params__review=str(job.id))
        .order_by("created_at")
        .last()
    )
    return found


@require_POST
@member_required("invoices:write")
def apply(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Apply what was reviewed, to the invoices ticked or to all of them."""
    to = reverse(
        "billing:review", args=[get_object_or_404(Job, id=job_id, kind=reviews.PREVIEW).id]
    )
    chosen = None
    if request.POST.get("scope") != "view":
        chosen = [filters.read_uuid(text) for text in request.POST.getlist("ids")]
    try:
        ids = None if chosen is None else [each for each in chosen if each is not None]
        reviews.start_apply(review_id=job_id, invoice_ids=ids)
    except Refusal as refusal:
        return refused(request, refusal, to)
    return redirect(to)
