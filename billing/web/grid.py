"""The month-end desk: the grid, its sums, its exports, its saved views."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.http import Http404, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing import selectors
from billing.models import AssertionFailure, Invoice
from billing.web import columns as cols
from billing.web import filters
from billing.web.cells import cells
from billing.web.fields import read_text
from billing.web.orders import stretch_of
from billing.web.spreadsheet import xlsx_response
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.htmx import done, page_or_partial, refused
from monetization.interface.models import SavedView
from monetization.jobs.models import Job
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import current_tenant_id
from monetization.tenancy.models import tenant_today
from monetization.users.permissions import TenantRequest

PER_PAGE = 50
SUMMED_AT_ONCE = 2000  # invoices; more are summed by a request of their own
MOST_PAGES = 1_000_000
CHUNK = 500  # rows of an export compared at once


class ViewNeedsName(Refusal):
    """A saved view is found by its name."""


class ViewNotShared(Refusal):
    """Only who works on invoices gives everybody a view."""


@member_required("invoices:read")
def invoice_list(request: TenantRequest) -> HttpResponse:
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
    first, count = _first(rows, wanted, is_grouped=bool(group))
    context = {
        "totals": _totals_at_once(rows, wanted, first, count),
        "count": count,
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
        **(
            _grouped(request, rows, group, is_compared=_is_compared(wanted, count, group))
            if group
            else _plain(request, rows, columns, first, count, today)
        ),
        **filters.choices(),
    }
    partial = "billing/_invoice_groups.html" if group else "billing/_invoice_grid.html"
    return page_or_partial(request, "billing/invoice_list.html", partial, context)


def _first(
    rows: Any, wanted: selectors.InvoiceFilter, *, is_grouped: bool
) -> tuple[list[UUID] | None, int]:
    """Return how many rows a view has; where that looks at all of them, the first ids with it."""
    if wanted.looks_at_all and not is_grouped:
        return selectors.first_ids(rows, SUMMED_AT_ONCE)
    return None, int(rows.order_by().count())


def _totals_at_once(
    rows: Any, wanted: selectors.InvoiceFilter, first: list[UUID] | None, count: int
) -> Any:
    """Return the sums of a view, if they do not keep the page waiting."""
    if count > SUMMED_AT_ONCE:
        return None
    if first is not None:
        rows = Invoice.objects.filter(pk__in=first)
    return selectors.totals(rows, is_compared=_is_compared(wanted, count))


def _is_compared(wanted: selectors.InvoiceFilter, count: int, group: str = "") -> bool:
    """Say whether last month is summed too. Of every month's invoices it would say nothing."""
    return wanted.month is not None or count <= SUMMED_AT_ONCE or group == "customer"


@member_required("invoices:read")
def invoice_totals(request: TenantRequest) -> HttpResponse:
    """Sum a view as a part of its page; a long one asks for it once it is there."""
    today = tenant_today()
    wanted = filters.read_filter(request.GET, today)
    rows = selectors.invoices(wanted, today=today)
    totals = selectors.totals(rows, is_compared=wanted.month is not None)
    return render(request, "billing/_invoice_totals.html", {"totals": totals})


def _plain(
    request: TenantRequest,
    rows: Any,
    columns: Sequence[cols.Column],
    first: list[UUID] | None,
    count: int,
    today: date,
) -> dict[str, Any]:
    pages = Paginator(range(count), PER_PAGE)
    page = pages.get_page(request.GET.get("page"))
    start = max(0, page.start_index() - 1)
    stop = min(count, start + PER_PAGE)
    if first is not None and stop <= len(first):
        found = selectors.in_order(first[start:stop])
    else:
        found = selectors.stretch(rows, start, stop)
    return {"page": page, "rows": _cells(request, found, columns, today)}


def _cells(
    request: TenantRequest, found: Sequence[Invoice], columns: Sequence[cols.Column], today: date
) -> list[Any]:
    zone = request.principal.time_zone
    return [(row, cells(row, columns, zone)) for row in rows_of(found, columns, today)]


@member_required("invoices:read")
def invoice_rows(request: TenantRequest) -> HttpResponse:
    """Give the rows of a view from one on, as its table has them, for a grid that scrolls."""
    today = tenant_today()
    rows = selectors.invoices(filters.read_filter(request.GET, today), today=today)
    start = _number(request.GET.get("start", ""))
    since = _number(request.GET.get("since", ""))  # when the page was read
    ids = stretch_of(
        (current_tenant_id(), filters.query_of(request.GET), since, today),
        lambda: selectors.order_of(rows),
        start,
        start + PER_PAGE,
    )
    columns = cols.chosen(request.GET.get("cols", ""))
    found = _cells(request, selectors.in_order(ids), columns, today)
    return render(request, "billing/_invoice_rows.html", {"rows": found})


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else 0


def _grouped(request: TenantRequest, rows: Any, group: str, *, is_compared: bool) -> dict[str, Any]:
    if group == "entity":  # few: to find them first would look at every invoice twice
        found = selectors.group_totals(rows, group, is_compared=is_compared)
        shown = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
        return {"page": shown, "groups": shown.object_list}
    start = PER_PAGE * max(0, min(_number(request.GET.get("page", "")), MOST_PAGES) - 1)
    keys, count = selectors.group_keys(rows, group, start, start + PER_PAGE)
    page = Paginator(range(count), PER_PAGE).get_page(request.GET.get("page"))
    begins = max(0, page.start_index() - 1)
    if begins != start:  # a page there is not
        keys, _ = selectors.group_keys(rows, group, begins, begins + PER_PAGE)
    found = selectors.group_totals(rows, group, keys, is_compared=is_compared)
    return {"page": page, "groups": found}


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


def _job(request: TenantRequest) -> Job | None:
    try:
        wanted = UUID(request.GET.get("job", ""))
    except ValueError:
        return None
    return Job.objects.filter(id=wanted).first()


@member_required("invoices:read")
def invoice_export(request: TenantRequest, kind: str) -> HttpResponseBase:
    """Give exactly what is shown, every row of it, as CSV or XLSX."""
    if kind not in ("csv", "xlsx"):
        raise Http404
    today = tenant_today()
    wanted = filters.read_filter(request.GET, today)
    rows: Any = selectors.invoices(wanted, today=today)
    group = filters.read_group(request.GET)
    if group:
        is_compared = _is_compared(wanted, rows.order_by().count(), group)
        header: Sequence[str] = (
            group.capitalize(), "Currency", "Invoices", "This", "Last", "Change",
            "Failed assertions",
        )  # fmt: skip
        lines: Iterator[Sequence[Any]] = (
            (one.name, one.currency, one.count, one.total, one.previous, one.change, one.failing)
            for one in selectors.group_totals(rows, group, is_compared=is_compared)
        )
    else:
        columns = cols.exportable(cols.chosen(request.GET.get("cols", "")))
        header = cols.header(columns)
        lines = (
            cols.exported(row, columns)
            for chunk in _chunks(selectors.shown(rows).iterator(chunk_size=CHUNK))
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
def selection_totals(request: TenantRequest) -> HttpResponse:
    """Sum what is ticked, or the whole view, as a part of the page."""
    chosen = filters.chosen_invoices(request)
    month = filters.read_month(
        QueryDict(request.POST.get("query", "")[:2000]).get("month", ""), tenant_today()
    )
    is_compared = month is not None or request.POST.get("scope") != "view"
    totals = selectors.totals(chosen, is_compared=is_compared)
    return render(request, "billing/_selection_totals.html", {"totals": totals})


@require_POST
@member_required("invoices:read")
def choose_columns(request: TenantRequest) -> HttpResponse:
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
def save_view(request: TenantRequest) -> HttpResponse:
    """Keep the filters under a name."""
    query = request.POST.get("query", "")[:2000]
    to = f"{reverse('billing:invoice-list')}?{query}"
    principal: Any = request.principal
    is_shared = request.POST.get("shared") == "on"
    try:
        name = read_text(request, "name", 80)
        if not name:
            raise ViewNeedsName("name: give the view a name")
        if is_shared and not principal.may("invoices:write"):
            raise ViewNotShared("shared: your role keeps views for itself only")
    except Refusal as refusal:
        return refused(request, refusal, to)
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
                    "is_shared": is_shared,
                    "is_default": make_default,
                },
            )
    except IntegrityError:
        return refused(request, ViewNeedsName(f"a view named {name!r} exists"), to)
    return done(request, f"View “{name}” saved.", to)


@require_POST
@member_required("invoices:read")
def delete_view(request: TenantRequest, view_id: UUID) -> HttpResponse:
    """Remove one of one's own views."""
    principal: Any = request.principal
    view = get_object_or_404(SavedView, id=view_id, owner_id=principal.user_id)
    view.delete()
    return done(request, f"View “{view.name}” removed.", reverse("billing:invoice-list"))
