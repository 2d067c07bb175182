"""The month-end desk: the grid, its sums, its exports, its saved views."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing import selectors
from billing.models import AssertionFailure, Invoice
from billing.web import columns as cols
from billing.web import filters
from billing.web.spreadsheet import xlsx_response
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.htmx import done, page_or_partial, refused
from monetization.interface.models import SavedView
from monetization.jobs.models import Job
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import tenant_today

PER_PAGE = 50
CHUNK = 500  # rows of an export compared at once


class ViewNeedsName(Refusal):
    """A saved view is found by its name."""


@member_required("invoices:read")
def invoice_list(request: HttpRequest) -> HttpResponse:
    """Show invoices with last month beside them; without filters, the default view."""
    views = filters.views_of(request)
    current = filters.query_of(request.GET)
    default = next((view for view in views if view.is_default), None)
    if not request.GET and default is not None and default.query:
        return redirect(f"{reverse('billing:invoice-list')}?{default.query}")
    today = tenant_today()
    wanted = filters.read_filter(request.GET, today)
    rows = selectors.invoices(wanted, today=today)
    group = filters.read_group(request.GET)
    columns = cols.chosen(request.GET.get("cols", ""))
    context = {
        "totals": selectors.totals(rows),
        "wanted": wanted,
        "group": group,
        "columns": columns,
        "all_columns": cols.COLUMNS,
        "filter_query": current,
        "views": views,
        "current_view": next((view for view in views if view.query == current), None),
        "months": selectors.months_with_invoices(),
        "today": today,
        "job": _job(request),
        **(_grouped(request, rows, group) if group else _plain(request, rows, columns)),
        **filters.choices(),
    }
    partial = "billing/_invoice_groups.html" if group else "billing/_invoice_grid.html"
    return page_or_partial(request, "billing/invoice_list.html", partial, context)


def _plain(request: HttpRequest, rows: Any, columns: Sequence[cols.Column]) -> dict[str, Any]:
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    shown = rows_of(list(page), columns, tenant_today())
    return {"page": page, "rows": [(row, cols.cells(row, columns)) for row in shown]}


def _grouped(request: HttpRequest, rows: Any, group: str) -> dict[str, Any]:
    page = Paginator(selectors.group_totals(rows, group), PER_PAGE).get_page(
        request.GET.get("page")
    )
    return {"page": page, "groups": [selectors.GroupTotal(**row) for row in page]}


def rows_of(
    invoices: Sequence[Invoice], columns: Sequence[cols.Column], today: Any
) -> list[cols.Row]:
    """Return invoices with what the columns need: a fixed number of queries for any number."""
    compared = selectors.compare(invoices) if cols.needs_lines(columns) else {}
    failures: dict[UUID, list[AssertionFailure]] = {}
    if any(column.kind == "assertions" for column in columns):
        for each in AssertionFailure.objects.filter(invoice__in=invoices).order_by("kind"):
            failures.setdefault(each.invoice_id, []).append(each)
    return [
        cols.Row(
            invoice,
            compared.get(invoice.id) or selectors.Comparison(),
            cols.payment_of(invoice, today),
            failures.get(invoice.id, ()),
        )
        for invoice in invoices
    ]


def _job(request: HttpRequest) -> Job | None:
    try:
        wanted = UUID(request.GET.get("job", ""))
    except ValueError:
        return None
    return Job.objects.filter(id=wanted).first()


@member_required("invoices:read")
def invoice_export(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Give exactly what is shown, every row of it, as CSV or XLSX."""
    if kind not in ("csv", "xlsx"):
        raise Http404
    today = tenant_today()
    rows: Any = selectors.invoices(filters.read_filter(request.GET, today), today=today)
    group = filters.read_group(request.GET)
    if group:
        header: Sequence[str] = (
            group.capitalize(), "Currency", "Invoices", "This", "Last", "Change",
            "Failed assertions",
        )  # fmt: skip
        lines: Iterator[Sequence[Any]] = (
            (one.name, one.currency, one.count, one.total, one.previous, one.change, one.failing)
            for one in (selectors.GroupTotal(**row) for row in selectors.group_totals(rows, group))
        )
    else:
        columns = cols.exportable(cols.chosen(request.GET.get("cols", "")))
        header = cols.header(columns)
        lines = (
            cols.exported(row, columns)
            for chunk in _chunks(rows.iterator(chunk_size=CHUNK))
            for row in rows_of(chunk, columns, today)
        )
    write = csv_response if kind == "csv" else xlsx_response
    return write(f"invoices-{today}.{kind}", header, lines)


def _chunks(rows: Iterable[Invoice]) -> Iterator[list[Invoice]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


@require_POST
@member_required("invoices:read")
def selection_totals(request: HttpRequest) -> HttpResponse:
    """Sum what is ticked, or the whole view, as a part of the page."""
    chosen = filters.chosen_invoices(request)
    return render(request, "billing/_selection_totals.html", {"totals": selectors.totals(chosen)})


@require_POST
@member_required("invoices:read")
def choose_columns(request: HttpRequest) -> HttpResponse:
    """Put the columns ticked into the address of the view."""
    query = request.POST.get("query", "")[:2000]
    names = [column.key for column in cols.COLUMNS if column.key in request.POST.getlist("cols")]
    default = [column.key for column in cols.DEFAULTS]
    chosen = "" if names == default else ",".join(names)
    return redirect(
        f"{reverse('billing:invoice-list')}?{filters.with_value(query, 'cols', chosen)}"
    )


@require_POST
@member_required("invoices:read")
def save_view(request: HttpRequest) -> HttpResponse:
    """Keep the filters under a name."""
    name = request.POST.get("name", "").replace("\x00", "").strip()[:80]
    query = request.POST.get("query", "")[:2000]
    to = f"{reverse('billing:invoice-list')}?{query}"
    if not name:
        return refused(request, ViewNeedsName("name: give the view a name"), to)
    principal: Any = request.principal  # type: ignore[attr-defined]
    try:
        with transaction.atomic():
            make_default = request.POST.get("default") == "on"
            if make_default:
                SavedView.objects.filter(
                    page=filters.PAGE, owner_id=principal.user_id, is_default=True
                ).update(is_default=False)
            SavedView.objects.update_or_create(
                page=filters.PAGE,
                name=name,
                owner_id=principal.user_id,
                defaults={
                    "query": query,
                    "is_shared": request.POST.get("shared") == "on",
                    "is_default": make_default,
                },
            )
    except IntegrityError:
        return refused(request, ViewNeedsName(f"a view named {name!r} exists"), to)
    return done(request, f"View “{name}” saved.", to)


@require_POST
@member_required("invoices:read")
def delete_view(request: HttpRequest, view_id: UUID) -> HttpResponse:
    """Remove one of one's own views."""
    principal: Any = request.principal  # type: ignore[attr-defined]
    view = get_object_or_404(SavedView, id=view_id, owner_id=principal.user_id)
    view.delete()
    return done(request, f"View “{view.name}” removed.", reverse("billing:invoice-list"))
