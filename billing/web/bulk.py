"""Do one thing to many invoices: say to how many and for how much, then run it as a job."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.models import Invoice
from billing.services.assertions import waive_assertions
from billing.services.bulk import start_bulk
from billing.web import filters
from billing.web.fields import read_day, read_reason
from monetization.interface.access import member_required
from monetization.interface.htmx import refused
from monetization.jobs.services import NothingSelected
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import tenant_today
from monetization.users.permissions import TenantRequest


@dataclass(frozen=True, slots=True)
class Action:
    """A bulk action as people read it."""

    name: str
    verb: str
    done: str  # the participle
    title: str
    effect: str
    states: tuple[str, ...]


ACTIONS = {
    "preview": Action(
        "preview",
        "Review changes of",
        "recalculated",
        "Review changes",
        "Computes what each should say now and shows it; nothing is written.",
        ("in_progress", "draft"),
    ),
    "recalculate": Action(
        "recalculate",
        "Recalculate",
        "recalculated",
        "Recalculate invoices",
        "Computes what each should say now and writes only the difference, with its cause.",
        ("in_progress", "draft"),
    ),
    "approve": Action(
        "approve",
        "Approve",
        "approved",
        "Approve invoices",
        "Says that you looked at them as they are now; somebody else issues those above the limit.",
        ("draft",),
    ),
    "issue": Action(
        "issue",
        "Issue",
        "issued",
        "Issue invoices",
        "Numbers and posts each one. Issued invoices never change; they are voided or credited.",
        ("draft",),
    ),
    "send": Action(
        "send",
        "Send",
        "sent",
        "Send invoices",
        "Mails each one with its PDF to the customer's billing contact, once.",
        ("issued",),
    ),
}


@require_POST
@member_required("invoices:write")
def bulk_action(request: TenantRequest) -> HttpResponse:
    """Ask for confirmation; with it, start the job and go back to the view."""
    action = ACTIONS.get(request.POST.get("action", ""))
    if action is None:
        raise Http404
    query = QueryDict(request.POST.get("query", "")[:2000])
    back = f"{reverse('billing:invoice-list')}?{filters.query_of(query)}"
    try:
        return _act(request, action, query, back)
    except Refusal as refusal:
        return refused(request, refusal, back)


def _act(request: TenantRequest, action: Action, query: QueryDict, back: str) -> HttpResponse:
    chosen = list(filters.chosen_invoices(request).select_related("customer"))
    confirmed = request.POST.get("confirmed") == "yes"
    waives = action.name == "issue" and confirmed and request.POST.get("waive") == "on"
    rows = [row for row in chosen if _fits(row, action, waives=waives)]
    failing = [row for row in chosen if _fits(row, action, waives=True) and row not in rows]
    if not rows and not (failing and not confirmed):
        raise NothingSelected(_why_nothing(chosen, action))
    if action.name == "preview":
        job = start_bulk(action="preview", invoice_ids=[row.id for row in rows])
        return redirect("billing:review", job.id)
    if not confirmed:
        return render(
            request,
            "billing/bulk_confirm.html",
            {
                "action": action,
                "rows": rows[:12],
                "count": len(rows),
                "left_out": _left_out(chosen, action),
                "failing": failing,
                "failing_totals": _totals(failing),
                "totals": _totals(rows),
                "ids": [str(row.id) for row in [*rows, *failing]],
                "query": filters.query_of(query),
                "back": back,
                "today": tenant_today(),
            },
        )
    with transaction.atomic():
        if waives and any(row.failing_assertions for row in rows):
            waive_assertions(
                invoice_ids=[row.id for row in rows],
                reason=read_reason(request),
                now=timezone.now(),
            )
        issued_on = read_day(request, "issued_on") if action.name == "issue" else None
        job = start_bulk(
            action=action.name, invoice_ids=[row.id for row in rows], issued_on=issued_on
        )
    return redirect(f"{back}&job={job.id}" if "=" in back else f"{back}job={job.id}")


def _fits(row: Invoice, action: Action, *, waives: bool = False) -> bool:
    if row.status not in action.states:
        return False
    if action.name == "issue":
        return bool(row.total_amount) and (waives or not row.failing_assertions)
    return action.name != "send" or row.sent_at is None


def _left_out(chosen: Iterable[Invoice], action: Action) -> list[tuple[str, int]]:
    """Return why some invoices are not part of it, with their numbers."""
    reasons: Counter[str] = Counter()
    for row in chosen:
        if _fits(row, action):
            continue
        if row.status not in action.states:
            reasons[f"{row.get_status_display().lower()}"] += 1
        elif action.name == "send":
            reasons["sent before"] += 1
        elif not row.total_amount:
            reasons["nothing to bill"] += 1
        else:
            reasons["with failed assertions"] += 1
    return reasons.most_common()


def _why_nothing(chosen: list[Invoice], action: Action) -> str:
    if not chosen:
        return "select at least one invoice"
    reasons = ", ".join(f"{count} {reason}" for reason, count in _left_out(chosen, action))
    return f"none of the selected invoices can be {action.done}: {reasons}"


def _totals(rows: Iterable[Invoice]) -> list[dict[str, Any]]:
    sums: dict[str, Any] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        sums[row.currency] = sums.get(row.currency, 0) + row.total_amount
        counts[row.currency] += 1
    return [
        {"currency": currency, "count": count, "total": sums[currency]}
        for currency, count in counts.most_common()
    ]
