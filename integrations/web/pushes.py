"""The sync log: what was handed over, what came back, and another try."""

import json
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import selectors, services
from integrations.models import Push
from integrations.web.forms import LogFilterForm
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest

PER_PAGE = 50
EXPORTED_AT_MOST = 50_000
_PAGES = {"invoice": "billing:invoice-detail", "customer": "customers:detail"}


@require_safe
@member_required("integrations:read")
def log(request: TenantRequest) -> Any:
    """List pushes, newest first."""
    form = LogFilterForm(request.GET)
    form.is_valid()
    chosen = form.cleaned_data
    rows = selectors.pushes(
        status=chosen.get("status", ""),
        kind=chosen.get("kind", ""),
        search=chosen.get("q", ""),
    ).defer("request", "response")
    if request.GET.get("export") == "csv":
        header = ["What", "Name", "State", "Xero id", "Attempts", "Error", "Owed since", "Pushed"]
        return csv_response(
            "xero-sync-log.csv",
            header,
            [
                (
                    push.get_kind_display(),
                    push.label,
                    push.get_status_display(),
                    push.external_id,
                    push.claims,
                    push.last_error,
                    push.created_at.isoformat(),
                    push.pushed_at.isoformat() if push.pushed_at else "",
                )
                for push in rows[:EXPORTED_AT_MOST]
            ],
        )
    context = {
        "form": form,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "counts": selectors.push_counts(),
        "may_write": request.principal.may("integrations:write"),
    }
    return render(request, "integrations/log.html", context)


@require_safe
@member_required("integrations:read")
def detail(request: TenantRequest, push_id: UUID) -> HttpResponse:
    """Show one push: its state, what was sent and what was answered."""
    push = get_object_or_404(Push.objects.select_related("depends_on"), id=push_id)
    context = {
        "push": push,
        "request_json": _json(push.request),
        "response_json": _json(push.response),
        "about": _about(push),
        "may_write": request.principal.may("integrations:write"),
    }
    return render(request, "integrations/push.html", context)


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) if data else ""


def _about(push: Push) -> str:
    kind, _, row_id = push.subject_ref.partition("/")
    try:
        return reverse(_PAGES[kind], args=[row_id])
    except (KeyError, NoReverseMatch):
        return ""


@require_POST
@member_required("integrations:read", write="integrations:write")
def retry(request: TenantRequest, push_id: UUID) -> HttpResponse:
    """Try one push again now."""
    push = get_object_or_404(Push, id=push_id)
    to = reverse("integrations:push", args=[push.id])
    try:
        services.retry_push(push_id=push.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, f"{push.label} is tried again within seconds.", to)


@require_POST
@member_required("integrations:read", write="integrations:write")
def retry_all(request: TenantRequest) -> HttpResponse:
    """Try everything again that waits for a person."""
    count = services.retry_all(now=timezone.now())
    return done(
        request,
        f"{count} {'is' if count == 1 else 'are'} tried again within seconds."
        if count
        else "Nothing had failed.",
        reverse("integrations:log"),
    )
