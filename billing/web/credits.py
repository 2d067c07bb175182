"""Credits on screen: what customers hold, how it burns down, giving, selling and withdrawing."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from billing.models import CreditGrant, CreditPlan, CreditTopUp, CreditTransaction
from billing.selectors.credits import Standing, standings, transactions_of
from billing.services.credits import granting
from billing.services.credits.live import live_standings
from billing.web.credit_forms import CreditForm
from billing.web.credit_rules import tab
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.kernel.money import ZERO
from monetization.kernel.period import local_day, start_instant
from monetization.users.permissions import TenantRequest

PER_PAGE = 50
SHOWN = 30  # transactions on the customer's page
MOST_POINTS = 60  # of the chart


@require_GET
@member_required("invoices:read")
def credit_list(request: TenantRequest) -> HttpResponse:
    """List every customer's grants, what ends soonest first."""
    search = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    rows = CreditGrant.objects.filter(ended_at__isnull=True).select_related("customer", "meter")
    if search:
        rows = rows.filter(customer__name__icontains=search)
    rows = rows.order_by("customer__name", "expires_at", "id")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    found = standings(list(page.object_list), now=timezone.now())
    context = {"page": page, "found": found, "q": search}
    return render(request, "billing/credit_list.html", context)


@require_GET
@member_required("invoices:read")
def of_customer(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Show a customer's credits as of now, for the customer's page."""
    customer = get_object_or_404(Customer, id=customer_id)
    now = timezone.now()
    found = live_standings(customer_ids=[customer.id], now=now)
    moves = list(transactions_of(customer.id))
    context = {
        "customer": customer,
        "found": found,
        "pools": _pools(found),
        "moves": moves[:SHOWN],
        "chart": _burn_down(moves, found, customer.time_zone),
        "plans": _rules(CreditPlan, customer),
        "rules": _rules(CreditTopUp, customer),
        "may_write": request.principal.may("invoices:write"),
        "now": now,
    }
    return render(request, "billing/_credits.html", context)


def _rules(model: Any, customer: Customer) -> Any:
    """Return a customer's plans or top-ups: those at work first, ended ones last."""
    rows = model.objects.filter(customer=customer).select_related("meter")
    return rows.order_by(F("stopped_at").desc(nulls_first=True), "created_at", "id")


def _pools(found: Sequence[Standing]) -> list[dict[str, Any]]:
    """Add the active grants up per unit."""
    pools: dict[tuple[str, str], dict[str, Any]] = {}
    for one in found:
        if one.state != "active":
            continue
        grant = one.grant
        pool = pools.setdefault(
            (grant.kind, grant.unit),
            {"grant": grant, "left": ZERO, "amount": ZERO, "planned": ZERO, "grants": 0},
        )
        pool["left"] += one.left
        pool["amount"] += grant.amount
        pool["planned"] += one.planned
        pool["grants"] += 1
    return [pools[key] for key in sorted(pools)]


def _burn_down(
    moves: Sequence[CreditTransaction], found: Sequence[Standing], zone: str
) -> dict[str, Any] | None:
    """Return balances by day since the first grant, one line per unit; live at the end."""
    by_day: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for move in moves:
        begins = max(move.happened_at, move.grant.effective_at)
        day = local_day(begins if move.kind == "granted" else move.happened_at, zone)
        by_day[move.grant.unit][day] += move.units
    if not by_day:
        return None
    today = local_day(timezone.now(), zone)
    for one in found:
        by_day[one.grant.unit][today] -= one.planned
    days = sorted({day for changes in by_day.values() for day in changes if day <= today})
    if not days:
        return None
    first = max(days[0], today - timedelta(days=364))
    step = max(1, ((today - first).days + MOST_POINTS) // MOST_POINTS)
    points = [first + timedelta(days=n) for n in range(0, (today - first).days, step)] + [today]
    return {
        "type": "line",
        "labels": [f"{day:%-d %b %y}" for day in points],
        "series": [
            {
                "name": unit,
                "values": [
                    str(sum((units for on, units in changes.items() if on <= day), ZERO))
                    for day in points
                ],
            }
            for unit, changes in sorted(by_day.items())
        ],
    }


@member_required("invoices:write")
def credit_new(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Give a customer credits, or sell them on a draft invoice."""
    customer = get_object_or_404(Customer, id=customer_id)
    form = CreditForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            said, to = _make(customer, form)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, said, to)
    status = 422 if form.is_bound else 200
    context = {"form": form, "customer": customer}
    return render(request, "billing/credit_form.html", context, status=status)


def _make(customer: Customer, form: CreditForm) -> tuple[str, str]:
    data, now = form.cleaned_data, timezone.now()
    begins, ends = data["effective_on"], data["expires_on"]
    if data["price"] is not None:
        today = local_day(now, customer.time_zone)
        invoice = granting.sell_credits(
            words=form.words(customer),
            price=data["price"],
            expires_after_days=(ends - today).days if ends else None,
            now=now,
        )
        to = reverse("billing:invoice-detail", args=[invoice.id])
        return "The draft sells them; they are granted when it is issued.", to
    grant = granting.grant_credits(
        words=form.words(customer),
        effective_at=start_instant(begins, customer.time_zone) if begins else None,
        expires_at=start_instant(ends, customer.time_zone) if ends else None,
        now=now,
    )
    return f"{grant.name} is granted.", tab(customer.id)


@require_POST
@member_required("invoices:write")
def credit_void(request: TenantRequest, grant_id: UUID) -> HttpResponse:
    """Withdraw what is left of a grant."""
    grant = get_object_or_404(CreditGrant, id=grant_id)
    to = tab(grant.customer_id)
    try:
        granting.void_grant(
            grant_id=grant.id, reason=request.POST.get("reason", ""), now=timezone.now()
        )
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, f"{grant.name} is withdrawn.", to)
