"""Where everybody starts, and where everything is found."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum
from django.db.models.functions import TruncMonth
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from billing import selectors as billing
from billing.models import BillingSchedule, Invoice, Payment, PaymentRefund
from monetization.catalog.models import Product
from monetization.config.web import checklist
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.kernel.period import add_months, local_day
from monetization.ledger.accounts import Account
from monetization.ledger.models import Posting
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest
from quotes.models import Quote

ZERO = Decimal(0)
FOUND_PER_KIND = 5


@member_required("settings:read")
def home(request: TenantRequest) -> HttpResponse:
    """Show the month-end checklist and the money of the month, per currency."""
    principal: Any = request.principal
    tenant = Tenant.objects.get(id=principal.tenant_id)
    today = local_day(timezone.now(), tenant.time_zone)
    may_see_money = principal.may("invoices:read")
    context: dict[str, Any] = {"today": today, "may_see_money": may_see_money}
    if may_see_money:
        month = checklist.month_to_close(today)
        context |= {
            "month": month,
            "steps": [
                (step, _address(step.url_name, step.query))
                for step in _steps(today, tenant.time_zone)
            ],
            "money": _money(today),
            "chart": _revenue_chart(today, tenant.default_currency),
            "currency": tenant.default_currency,
            "quotes": Quote.objects.filter(versions__status__in=["sent", "viewed"])
            .select_related("customer")
            .order_by("-id")[:6],
        }
    return render(request, "config/home.html", context)


def _steps(today: date, zone: str) -> list[checklist.Step]:
    return checklist.steps(today, zone)


def _address(name: str, query: str = "") -> str:
    try:
        url = reverse(name)
    except NoReverseMatch:
        return ""
    return f"{url}?{query}" if query else url


@dataclass(frozen=True, slots=True)
class MoneyRow:
    """One currency's month."""

    currency: str
    drafts: Decimal
    issued: Decimal
    collected: Decimal
    open: Decimal
    overdue: Decimal


def _money(today: date) -> list[MoneyRow]:
    this = today.replace(day=1)
    following = add_months(this, 1, anchor_day=1)
    invoices: Any = (
        Invoice.objects.filter(bill_on__lt=following)
        .values("currency")
        .annotate(
            drafts=Sum("total_amount", filter=Q(status="draft"), default=ZERO),
            issued=Sum(
                "total_amount",
                filter=Q(status="issued", issued_on__gte=this, issued_on__lt=following),
                default=ZERO,
            ),
        )
        .order_by("currency")
    )
    collected: Any = dict(
        Payment.objects.filter(received_on__gte=this, received_on__lt=following)
        .values_list("currency")
        .annotate(Sum("amount"))
    )
    refunded: Any = PaymentRefund.objects.filter(refunded_on__gte=this, refunded_on__lt=following)
    for currency, amount in refunded.values_list("payment__currency").annotate(Sum("amount")):
        collected[currency] = collected.get(currency, ZERO) - amount
    aged = {row.currency: row for row in billing.aging(today=today)}
    rows = []
    for row in invoices:
        aging = aged.get(row["currency"])
        late = aging.total - aging.current if aging else ZERO
        rows.append(
            MoneyRow(
                row["currency"],
                row["drafts"],
                row["issued"],
                collected.get(row["currency"], ZERO),
                aging.total if aging else ZERO,
                late,
            )
        )
    return rows


def _revenue_chart(today: date, currency: str) -> dict[str, Any]:
    """Return the revenue posted in each of the last twelve months, in one currency."""
    since = add_months(today.replace(day=1), -12, anchor_day=1)
    rows: Any = (
        Posting.objects.filter(
            account=Account.REVENUE, currency=currency, entry__entry_date__gte=since
        )
        .annotate(month=TruncMonth("entry__entry_date"))
        .values("month")
        .annotate(total=Sum("amount"))
        .order_by("month")
    )
    return {
        "type": "bar",
        "labels": [f"{row['month']:%b %y}" for row in rows],
        "series": [
            {"name": f"Revenue, {currency}", "values": [str(-row["total"]) for row in rows]}
        ],
    }


@dataclass(frozen=True, slots=True)
class Found:
    """One result of the search."""

    kind: str
    title: str
    detail: str
    url: str


@member_required("settings:read")
def search(request: TenantRequest) -> HttpResponse:
    """Find customers, quotes, schedules, invoices and products by name or number."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    principal: Any = request.principal
    found = _find(text, principal) if len(text) > 1 else []
    return render(request, "config/_search.html", {"text": text, "found": found})


def _find(text: str, principal: Any) -> list[Found]:
    found: list[Found] = []
    if principal.may("customers:read"):
        customers = Customer.objects.filter(
            Q(name__icontains=text) | Q(external_id__iexact=text) | Q(aliases__alias__iexact=text)
        ).distinct()
        found += [
            Found("Customer", c.name, c.currency, _page("customers:detail", c.id))
            for c in customers[:FOUND_PER_KIND]
        ]
    if principal.may("quotes:read"):
        quotes = Quote.objects.filter(
            Q(number__icontains=text) | Q(title__icontains=text) | Q(customer__name__icontains=text)
        ).select_related("customer")
        found += [
            Found("Quote", f"{q.number} {q.title}", q.customer.name, _page("quotes:detail", q.id))
            for q in quotes.order_by("-id")[:FOUND_PER_KIND]
        ]
    if principal.may("invoices:read"):
        found += _find_billing(text)
    if principal.may("catalog:read"):
        products = Product.objects.filter(Q(name__icontains=text) | Q(code__icontains=text))
        found += [
            Found("Product", p.name, p.code, _page("catalog:product-detail", p.id))
            for p in products[:FOUND_PER_KIND]
        ]
    return [each for each in found if each.url]


def _find_billing(text: str) -> list[Found]:
    invoices = Invoice.objects.filter(
        Q(number__icontains=text) | Q(customer__name__icontains=text)
    ).select_related("customer")
    schedules = BillingSchedule.objects.filter(
        Q(number__icontains=text) | Q(customer__name__icontains=text)
    ).select_related("customer")
    return [
        Found(
            "Invoice",
            f"{i.number or 'Draft'} · {i.customer.name}",
            f"{i.bill_on:%-d %b %Y}",
            _page("billing:invoice-detail", i.id),
        )
        for i in invoices.order_by("-bill_on")[:FOUND_PER_KIND]
    ] + [
        Found(
            "Schedule",
            f"{s.number} {s.title}",
            s.customer.name,
            _page("billing:schedule-detail", s.id),
        )
        for s in schedules.order_by("-id")[:FOUND_PER_KIND]
    ]


def _page(name: str, id: Any) -> str:
    try:
        return reverse(name, args=[id])
    except NoReverseMatch:
        return ""
