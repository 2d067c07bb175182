"""Revenue by month, deferred revenue from month to month, and contract positions."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.core.paginator import Paginator
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.ledger.accounts import Account
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest
from revrec import selectors
from revrec.web.forms import PositionsForm, RangeForm, WaterfallForm, add_months

PER_PAGE = 50
SERIES = 7  # more lines than the chart can tell apart go into one


def today() -> date:
    return timezone.localdate()


def offered_months() -> list[date]:
    """Return the months a range may begin with: the books' first one up to next year."""
    this_month = today().replace(day=1)
    first = selectors.first_month_of_books() or this_month
    return selectors.months_between(
        min(first, add_months(this_month, -24)), add_months(this_month, 13)
    )


@require_safe
@member_required("revenue:read")
def waterfall(request: TenantRequest) -> Any:
    """Revenue by product or customer and month: recognized, and still planned."""
    currencies = _currencies(request)
    if not currencies:
        return render(request, "revrec/waterfall.html", {"tab": "waterfall"})
    form = WaterfallForm(
        request.GET,
        months=offered_months(),
        start=add_months(today().replace(day=1), -6),
        currencies=currencies,
    )
    start, end = form.months()
    chosen = form.values()
    revenue = selectors.revenue_by_month(
        start=start, end=end, currency=chosen["currency"], by=chosen["by"]
    )
    if request.GET.get("export") == "csv":
        return _waterfall_csv(revenue, chosen["by"])
    context = {
        "tab": "waterfall",
        "form": form,
        "by": chosen["by"],
        "revenue": revenue,
        "chart": _chart(revenue),
    }
    return render(request, "revrec/waterfall.html", context)


def _currencies(request: TenantRequest) -> list[str]:
    """Return the currencies with revenue, the company's own first."""
    found = selectors.revenue_currencies()
    tenant = Tenant.objects.get(id=request.principal.tenant_id)
    return sorted(found, key=lambda code: (code != tenant.default_currency, code))


def _chart(revenue: selectors.RevenueByMonth) -> dict[str, Any]:
    shown, rest = revenue.lines[:SERIES], revenue.lines[SERIES:]
    series = [
        {"name": line.name, "values": [line.amounts.get(month, 0) for month in revenue.months]}
        for line in shown
    ]
    if rest:
        others = [
            sum((line.amounts.get(month, Decimal(0)) for line in rest), start=Decimal(0))
            for month in revenue.months
        ]
        series.append({"name": f"{len(rest)} more", "values": others})
    return {
        "type": "bar",
        "stacked": True,
        "labels": [
            f"{month:%b %y}" if month < revenue.planned_from else f"{month:%b %y}\nplanned"
            for month in revenue.months
        ],
        "series": series,
    }


def _waterfall_csv(revenue: selectors.RevenueByMonth, by: str) -> Any:
    header = [by.capitalize(), "Currency", "Month", "State", "Amount"]
    rows = [
        (
            line.name,
            revenue.currency,
            f"{month:%Y-%m}",
            "recognized" if month < revenue.planned_from else "planned",
            line.amounts[month],
        )
        for line in revenue.lines
        for month in revenue.months
        if line.amounts.get(month)
    ]
    return csv_response(f"revenue-by-{by}-{revenue.currency}.csv", header, rows)


@require_safe
@member_required("revenue:read")
def deferred(request: TenantRequest) -> Any:
    """Deferred revenue: opening, billed, recognized, credited, closing; and whether it ties."""
    form = RangeForm(
        request.GET, months=offered_months(), start=add_months(today().replace(day=1), -11)
    )
    start, end = form.months()
    rows = [
        row
        for row in selectors.deferred_roll_forward(start=start, end=end)
        if any((row.opening, row.billed, row.recognized, row.credited, row.closing))
        and row.month <= today()
    ]
    if request.GET.get("export") == "csv":
        header = ["Month", "Currency", "Opening", "Billed", "Recognized", "Credited", "Closing"]
        return csv_response(
            "deferred-revenue.csv",
            header,
            [
                (
                    f"{row.month:%Y-%m}",
                    row.currency,
                    row.opening,
                    row.billed,
                    row.recognized,
                    row.credited,
                    row.closing,
                )
                for row in rows
            ],
        )
    by_currency: dict[str, list[selectors.RollForwardRow]] = {}
    for row in rows:
        by_currency.setdefault(row.currency, []).append(row)
    last_day = end - timedelta(days=1)
    ledger = selectors.balance(Account.DEFERRED_REVENUE, as_of=last_day)
    ties = [
        {
            "currency": currency,
            "closing": months[-1].closing,
            "ledger": -ledger.get(currency, Decimal(0)),
            "holds": months[-1].closing == -ledger.get(currency, Decimal(0)),
            "last_day": min(last_day, today()),
            "rows": months,
        }
        for currency, months in by_currency.items()
    ]
    context = {"tab": "deferred", "form": form, "ties": ties, "tie_out": selectors.tie_out()}
    return render(request, "revrec/deferred.html", context)


@require_safe
@member_required("revenue:read")
def positions(request: TenantRequest) -> Any:
    """Contract assets and liabilities, one row per contract line."""
    form = PositionsForm(request.GET)
    chosen = form.values()
    rows = selectors.contract_positions(
        as_of=chosen["as_of"], currency=chosen["currency"] or "", customer_id=chosen["customer"]
    )
    if request.GET.get("export") == "csv":
        header = ["Customer", "Contract", "Line", "Currency", "Liability", "Asset"]
        return csv_response(
            "contract-positions.csv",
            header,
            [
                (row.customer, row.schedule, row.line, row.currency, row.liability, row.asset)
                for row in rows
            ],
        )
    context = {
        "tab": "positions",
        "form": form,
        "as_of": chosen["as_of"],
        "totals": selectors.positions_total(rows),
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "revrec/positions.html", context)
