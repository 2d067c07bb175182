"""The list of quotes, its export, and a new quote."""

import csv
from typing import Any

from django.core.paginator import Paginator
from django.db.models import F, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.fields import amount_text
from monetization.interface.forms import sentence
from monetization.users.permissions import TenantRequest
from quotes import selectors, services
from quotes.models import Quote, QuoteVersion
from quotes.services.opportunities import OpportunityInvalid
from quotes.services.templates import QuoteTemplateInvalid, create_from_template
from quotes.web.forms import FilterForm, NewQuoteForm

PAGE_SIZE = 50
_SORTS = {
    "number": "quote__number",
    "customer": "quote__customer__name",
    "title": "quote__title",
    "status": "status",
    "value": "total_contract_value",
    "owner": "quote__owner_label",
    "expires": "expires_on",
    "created": "quote__created_at",
}
COLUMNS = (
    ("number", "Quote", ""),
    ("customer", "Customer", ""),
    ("title", "Agreement", ""),
    ("status", "Status", ""),
    ("value", "Contract value", "n"),
    ("owner", "Owner", ""),
    ("expires", "Valid until", ""),
)

EXPORT_COLUMNS = (
    "Quote",
    "Version",
    "Customer",
    "Agreement",
    "Status",
    "Currency",
    "Contract value",
    "Value per year",
    "Owner",
    "Start",
    "Valid until",
)


def _rows(filters: dict[str, Any]) -> QuerySet[QuoteVersion]:
    rows = selectors.latest_versions()
    if filters.get("status"):
        rows = rows.filter(status=filters["status"])
    if filters.get("customer"):
        rows = rows.filter(quote__customer_id=filters["customer"])
    if filters.get("owner"):
        rows = rows.filter(quote__owner_label=filters["owner"])
    if text := filters.get("q", "").strip():
        rows = rows.filter(
            Q(quote__number__icontains=text)
            | Q(quote__title__icontains=text)
            | Q(quote__customer__name__icontains=text)
        )
    sort = filters.get("sort") or "-number"
    field = _SORTS.get(sort.lstrip("-"), "quote__number")
    order = F(field).desc(nulls_last=True) if sort.startswith("-") else F(field).asc()
    return rows.order_by(order, "-quote__number")


def _filters(request: TenantRequest) -> dict[str, Any]:
    form = FilterForm(request.GET)
    form.is_valid()
    return form.cleaned_data


@member_required("quotes:read")
def quote_list(request: TenantRequest) -> HttpResponse:
    """List every quote by its latest version; filters, sorting and page are in the address."""
    filters = _filters(request)
    page = Paginator(_rows(filters), PAGE_SIZE).get_page(request.GET.get("page"))
    customer = None
    if filters.get("customer"):
        customer = Customer.objects.filter(id=filters["customer"]).first()
    return render(
        request,
        "quotes/list.html",
        {
            "page": page,
            "filters": filters,
            "is_filtered": any(filters.get(name) for name in ("q", "status", "customer", "owner")),
            "customer": customer,
            "statuses": QuoteVersion.Status.choices,
            "columns": COLUMNS,
            "sort": filters.get("sort") or "-number",
            "can_write": _may_write(request),
        },
    )


def _may_write(request: TenantRequest) -> bool:
    return bool(request.principal.may("quotes:write"))


@member_required("quotes:read")
def export(request: TenantRequest) -> HttpResponse:
    """Export the list as filtered, all pages."""
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="quotes.csv"'},
    )
    writer = csv.writer(response)
    writer.writerow(EXPORT_COLUMNS)
    for row in _rows(_filters(request)):
        quote = row.quote
        writer.writerow(
            [
                quote.number,
                row.number,
                _safe(quote.customer.name),
                _safe(quote.title),
                row.get_status_display(),
                row.currency,
                _amount(row.total_contract_value, row.currency),
                _amount(row.annual_contract_value, row.currency),
                _safe(quote.owner_label),
                row.start_on.isoformat(),
                row.expires_on.isoformat(),
            ]
        )
    return response


def _amount(value: Any, currency: str) -> str:
    return "" if value is None else amount_text(value, currency)


def _safe(text: str) -> str:
    """Keep a spreadsheet from running somebody's text as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


@member_required("quotes:write")
def create(request: TenantRequest) -> HttpResponse:
    """Start a quote; the rest is done in the builder."""
    initial = {
        "start_on": timezone.localdate(),
        "customer": request.GET.get("customer"),
        "template": request.GET.get("template"),
        "opportunity": request.GET.get("opportunity"),
    }
    form = NewQuoteForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            quote = _start(form.cleaned_data)
        except OpportunityInvalid as refusal:
            form.add_error("customer", sentence(str(refusal).partition(": ")[2]))
        except QuoteTemplateInvalid as refusal:
            form.add_error("template", str(refusal).partition(": ")[2])
        else:
            return redirect("quotes:builder", quote.id)
    status = 422 if form.is_bound else 200
    return render(request, "quotes/create.html", {"form": form}, status=status)


def _start(typed: dict[str, Any]) -> Quote:
    given = {
        "customer_id": typed["customer"].id,
        "title": typed["title"],
        "start_on": typed["start_on"],
        "opportunity_id": typed["opportunity"].id if typed["opportunity"] else None,
        "now": timezone.now(),
        "legal_entity_id": typed["legal_entity"].id if typed["legal_entity"] else None,
        "currency": typed["currency"],
    }
    if typed["template"] is None:
        return services.create_quote(**given)
    return create_from_template(template_id=typed["template"].id, **given)
