"""Alerts on screen: what triggered, the rules, and where customers stand."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from alerts import selectors
from alerts.models import AlertRule
from alerts.services import rules as services
from alerts.services.evaluation import active_rules
from alerts.services.figures import Watched, watch
from alerts.web.forms import RuleForm, initial_of
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.htmx import done
from monetization.kernel.errors import Refusal

PER_PAGE = 50
CUSTOMERS_PER_PAGE = 100
MOST_EXPORTED = 50_000
READ, WRITE = "alerts:read", "alerts:write"


def _may_write(request: HttpRequest) -> bool:
    return bool(request.principal.may(WRITE))  # type: ignore[attr-defined]


def _sees_money(request: HttpRequest) -> bool:
    return bool(request.principal.may("invoices:read"))  # type: ignore[attr-defined]


@require_safe
@member_required(READ)
def alert_list(request: HttpRequest) -> HttpResponse:
    """List what triggered, newest first."""
    text = request.GET.get("q", "").replace("\x00", "")[:200]
    page = Paginator(
        selectors.alerts(text=text, with_money=_sees_money(request)), PER_PAGE
    ).get_page(request.GET.get("page"))
    context = {
        "tab": "alerts",
        "page": page,
        "q": text,
        "has_rules": selectors.rules(with_money=_sees_money(request)).exists(),
        "may_write": _may_write(request),
    }
    return render(request, "alerts/list.html", context)


@require_safe
@member_required(READ)
def export(request: HttpRequest) -> HttpResponseBase:
    """Write what triggered as a CSV file."""
    text = request.GET.get("q", "").replace("\x00", "")[:200]
    header = (
        "Triggered at",
        "Rule",
        "Customer",
        "Contract",
        "Period start",
        "Period end (exclusive)",
        "Value",
        "Limit",
        "Unit",
    )
    rows = (
        (
            alert.triggered_at.isoformat(),
            alert.rule.name,
            alert.customer.name,
            alert.schedule.number if alert.schedule else "",
            alert.period_start,
            alert.period_end,
            alert.value,
            alert.limit,
            alert.unit,
        )
        for alert in selectors.alerts(text=text, with_money=_sees_money(request))[:MOST_EXPORTED]
    )
    return csv_response("alerts.csv", header, rows)


@require_safe
@member_required(READ)
def rule_list(request: HttpRequest) -> HttpResponse:
    """List the rules."""
    context = {
        "tab": "rules",
        "rules": selectors.rules(with_money=_sees_money(request)),
        "may_write": _may_write(request),
    }
    return render(request, "alerts/rules.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(READ, write=WRITE)
def rule_new(request: HttpRequest) -> HttpResponse:
    """Make a rule."""
    form = RuleForm(
        request.POST or None,
        initial={"customer": _named(request)},
        with_money=_sees_money(request),
    )
    if request.method == "POST" and form.is_valid():
        try:
            rule = services.create_rule(form.terms(), now=timezone.now())
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, "The rule is made.", reverse("alerts:rule", args=[rule.id]))
    return _form(request, form, None)


def _named(request: HttpRequest) -> str:
    """Return the name of the customer whose page this comes from."""
    try:
        wanted = UUID(request.GET.get("customer", ""))
    except ValueError:
        return ""
    return Customer.objects.filter(id=wanted).values_list("name", flat=True).first() or ""


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(READ, write=WRITE)
def rule_detail(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    """Show a rule, what it triggered and where customers stand; change it."""
    rule = get_object_or_404(selectors.rules(with_money=_sees_money(request)), id=rule_id)
    form = RuleForm(request.POST or None, initial=initial_of(rule), with_money=_sees_money(request))
    if request.method == "POST" and form.is_valid():
        try:
            services.change_rule(rule_id=rule.id, terms=form.terms(), now=timezone.now())
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, "The rule is changed.", reverse("alerts:rule", args=[rule.id]))
    return _form(request, form, rule)


def _form(request: HttpRequest, form: RuleForm, rule: AlertRule | None) -> HttpResponse:
    context: dict[str, Any] = {
        "tab": "rules",
        "form": form,
        "rule": rule,
        "may_write": _may_write(request),
        "customers": Customer.objects.filter(is_archived=False)
        .order_by("name")
        .values_list("name", flat=True)[:500],
    }
    if rule is not None:
        context["alerts"] = selectors.alerts(rule_id=rule.id)[:20]
    return render(request, "alerts/rule.html", context, status=422 if form.errors else 200)


@require_safe
@member_required(READ)
def standing(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    """Show how far customers are from a rule's limit, computed now; nearest first."""
    rule = get_object_or_404(selectors.rules(with_money=_sees_money(request)), id=rule_id)
    rows = Customer.objects.filter(is_archived=False).order_by("name", "id")
    if rule.customer_id:
        rows = rows.filter(id=rule.customer_id)
    page = Paginator(rows.values_list("id", flat=True), CUSTOMERS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    found = watch([rule], list(page), now=timezone.now())
    shown = [one for one in found if one.limit is not None]
    context = {
        "rule": rule,
        "page": page,
        "found": sorted(shown, key=_nearness, reverse=rule.direction == "up"),
        "without": len(found) - len(shown),
    }
    return render(request, "alerts/_standing.html", context)


def _nearness(one: Watched) -> Any:
    limit = one.limit or 1
    return one.figure.value / limit


@require_POST
@member_required(READ, write=WRITE)
def remove(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    """Remove a rule."""
    rule = get_object_or_404(selectors.rules(with_money=_sees_money(request)), id=rule_id)
    services.remove_rule(rule_id=rule.id)
    return done(request, f"{rule.name} is removed; its alerts stay.", reverse("alerts:rules"))


@require_safe
@member_required(READ)
def of_customer(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """Show where a customer stands, and what triggered: a part of the customer's page."""
    customer = get_object_or_404(Customer, id=customer_id)
    rules = [rule for rule in active_rules() if rule.meter or _sees_money(request)]
    found = watch(rules, [customer.id], now=timezone.now())
    context = {
        "customer": customer,
        "found": [one for one in found if one.limit is not None],
        "alerts": selectors.alerts(customer_id=customer.id, with_money=_sees_money(request))[:50],
        "may_write": _may_write(request),
    }
    return render(request, "alerts/_customer.html", context)
