"""The page of the rules drafts must pass."""

from typing import Any

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from billing.domain.assertions import KINDS
from billing.models import AssertionFailure
from billing.services.assertions import ensure_rules, set_rule
from billing.web.fields import read_text
from monetization.interface.access import member_required
from monetization.interface.forms import sentence
from monetization.interface.htmx import done
from monetization.kernel.errors import Refusal


@member_required("invoices:read", write="invoices:write")
def rules(request: HttpRequest) -> HttpResponse:
    """Show the rules with what fails them now; switch them and set their parameters."""
    errors: dict[str, str] = {}
    posted: dict[str, str] = {}
    if request.method == "POST":
        kind = request.POST.get("kind", "")
        if kind not in KINDS:
            raise Http404
        posted = {
            each.name: request.POST.get(each.name, "").strip() for each in KINDS[kind].parameters
        }
        try:
            for each in KINDS[kind].parameters:
                read_text(request, each.name, 400)
            rule = set_rule(
                kind=kind,
                is_enabled=request.POST.get("is_enabled") == "on",
                parameters=posted,
                now=timezone.now(),
            )
        except Refusal as refusal:
            errors[kind] = sentence(str(refusal).partition(": ")[2])
        else:
            state = "on" if rule.is_enabled else "off"
            return done(
                request,
                f"“{KINDS[kind].label}” is {state}; every draft was tested again.",
                reverse("billing:assertions"),
            )
    return render(
        request,
        "billing/assertions.html",
        {"rules": _rules(errors, posted)},
        status=422 if errors else 200,
    )


def _rules(errors: dict[str, str], posted: dict[str, str]) -> list[dict[str, Any]]:
    failing = {
        row["kind"]: row["count"]
        for row in AssertionFailure.objects.filter(waived_at__isnull=True, invoice__status="draft")
        .values("kind")
        .annotate(count=Count("id"))
    }
    return [
        {
            "kind": rule.kind,
            "label": KINDS[rule.kind].label,
            "help": KINDS[rule.kind].help,
            "is_enabled": rule.is_enabled,
            "tests_drafts": KINDS[rule.kind].tests_drafts,
            "failing": failing.get(rule.kind, 0),
            "error": errors.get(rule.kind, ""),
            "parameters": [
                (each, posted[each.name] if rule.kind in errors
                 else rule.parameters.get(each.name, each.default))
                for each in KINDS[rule.kind].parameters
            ],
        }
        for rule in ensure_rules()
    ]  # fmt: skip
