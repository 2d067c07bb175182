"""CRM records in and out of files; opportunities and their quotes."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from crm import selectors
from crm.domain.columns import COLUMNS, header_of
from crm.models import CrmImport, CrmReject
from crm.services import importing
from crm.web.forms import MappingForm, OpportunityFilterForm, UploadForm
from monetization.customers.references import external_ids
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest
from quotes.models import Opportunity, OpportunityReference, Quote
from quotes.services.opportunities import link_quote

PER_PAGE = 50
# What it takes to write and to read records of a kind.
RESOURCE = {
    "accounts": "customers",
    "contacts": "customers",
    "opportunities": "quotes",
    "quotes": "quotes",
    "quote_lines": "quotes",
}
_VERDICTS = ("created", "updated", "unchanged", "rejected")


@member_required("customers:read")
def index(request: TenantRequest) -> HttpResponse:
    """Take a file, or hand one out."""
    form = UploadForm(*([request.POST, request.FILES] if request.method == "POST" else []))
    may = request.principal.may
    if request.method == "POST" and form.is_valid():
        kind = form.cleaned_data["kind"]
        if not may(f"{RESOURCE[kind]}:write"):
            form.add_error("kind", f"Your role may not bring {kind}.")
        else:
            try:
                kept = importing.keep_file(
                    kind=kind,
                    source=form.cleaned_data["source"],
                    filename=str(form.cleaned_data["file"].name),
                    content=form.cleaned_data["file"].read(),
                    now=timezone.now(),
                )
                return redirect("crm:map", import_id=kept.id)
            except Refusal as refusal:
                form.refuse(refusal)
    context = {
        "form": form,
        "kinds": [
            (kind, label, header_of(kind))
            for kind, label in (*CrmImport.Kind.choices, ("quote_lines", "Quote lines"))
            if may(f"{RESOURCE[kind]}:read")
        ],
        "systems": selectors.systems(),
        "may_import": may("customers:write") or may("quotes:write"),
        "imports": CrmImport.objects.filter(job__isnull=False)
        .defer("content")
        .select_related("job")
        .order_by("-id")[:10],
    }
    return render(request, "crm/index.html", context, status=422 if form.errors else 200)


def _may(request: TenantRequest, kind: str, what: str) -> None:
    """Hide what a role may not do, as if it were not there."""
    if kind not in RESOURCE or not request.principal.may(f"{RESOURCE[kind]}:{what}"):
        raise Http404


@member_required("customers:read")
def map_columns(request: TenantRequest, import_id: UUID) -> HttpResponse:
    """Ask what the columns mean, judge the first rows, and start the import."""
    kept = get_object_or_404(CrmImport, id=import_id)
    _may(request, kept.kind, "write")
    if kept.job_id is not None:
        return redirect("jobs:detail", job_id=kept.job_id)
    header, rows = importing.read_file(bytes(kept.content))
    sent = request.POST if request.method == "POST" else None
    form = MappingForm(sent, kind=kept.kind, header=header)
    if sent is None:
        guessed = {field: str(column) for field, column in form.initial.items()}
        form = MappingForm(guessed, kind=kept.kind, header=header)
    judged: list[importing.Judged] = []
    if form.is_valid():
        try:
            if sent is not None and sent.get("action") == "start":
                job = importing.start_import(import_id=kept.id, mapping=form.mapping())
                return redirect("jobs:detail", job_id=job.id)
            judged = importing.preview(
                import_id=kept.id, mapping=form.mapping(), now=timezone.now()
            )
        except Refusal as refusal:
            form.refuse(refusal)
    context = {
        "kept": kept,
        "form": form,
        "fields": [form[name] for name in form.fields],
        "header": header,
        "row_count": len(rows),
        "judged": judged,
        "rejected": sum(one.verdict == "rejected" for one in judged),
        "shown": [column.name for column in COLUMNS[kept.kind] if column.name in form.mapping()]
        if form.is_valid()
        else [],
        "raw": [row.cells for row in rows[:5]],
    }
    failed = sent is not None and bool(form.errors)
    return render(request, "crm/map.html", context, status=422 if failed else 200)


@require_GET
@member_required("customers:read")
def export(request: TenantRequest, kind: str) -> HttpResponseBase:
    """Answer with every record of a kind, in the columns that come in again; lines go out only."""
    _may(request, kind, "read")
    source = request.GET.get("source", "").strip().lower()[:40]
    rows = selectors.export_rows(kind, source)
    return csv_response(f"{kind}.csv", header_of(kind), rows)


def _of_job(request: TenantRequest, job_id: UUID) -> CrmImport:
    kept: CrmImport = get_object_or_404(
        CrmImport.objects.defer("content").select_related("job"), job_id=job_id
    )
    _may(request, kept.kind, "read")
    return kept


@require_GET
@member_required("jobs:read")
def import_result(request: TenantRequest, job_id: UUID) -> HttpResponse:
    """Say what became of a file's rows so far; part of the job's page."""
    kept = _of_job(request, job_id)
    counts = importing.counts_of(kept.job)
    rejects = CrmReject.objects.filter(crm_import=kept).order_by("line")
    context = {
        "job": kept.job,
        "kept": kept,
        "rows": counts["rows"],
        "verdicts": [(name, counts[name]) for name in _VERDICTS if counts[name]],
        "rejects": rejects[:20],
        "reject_count": rejects.count(),
    }
    return render(request, "crm/_result.html", context)


@require_GET
@member_required("jobs:read")
def import_rejects(request: TenantRequest, job_id: UUID) -> HttpResponseBase:
    """Answer with the rows that were not taken in, and why; mended, the file comes in again."""
    kept = _of_job(request, job_id)
    rows = list(CrmReject.objects.filter(crm_import=kept).order_by("line"))
    if not rows:
        to = reverse("jobs:detail", args=[job_id])
        return refused(request, Refusal("Every row of this file was taken in."), to)
    width = max(len(row.cells) for row in rows)
    header = ["line", "field", "reason", *kept.header]
    header += [""] * (width + 3 - len(header))
    body = ([row.line, row.field, row.reason, *row.cells] for row in rows)
    return csv_response("rejects.csv", header, body)


@require_GET
@member_required("quotes:read")
def opportunity_list(request: TenantRequest) -> HttpResponse:
    """List opportunities, those that close soonest first."""
    filters = OpportunityFilterForm(request.GET)
    filters.is_valid()
    search = filters.cleaned_data.get("q", "")
    outcome = filters.cleaned_data.get("outcome", "")
    rows = selectors.opportunity_list(search=search, outcome=outcome)
    context = {
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "search": search,
        "outcome": outcome,
        "outcomes": Opportunity.Outcome.choices,
    }
    return render(request, "crm/opportunities.html", context)


@require_GET
@member_required("quotes:read")
def opportunity(request: TenantRequest, opportunity_id: UUID) -> HttpResponse:
    """Show one opportunity, its names elsewhere and its quotes."""
    rows = Opportunity.objects.select_related("customer")
    found: Opportunity = get_object_or_404(rows, id=opportunity_id)
    context: dict[str, Any] = {
        "opportunity": found,
        "names": external_ids(OpportunityReference, found.id),
        "quotes": selectors.quotes_of(found.id),
        "others": Quote.objects.filter(customer=found.customer_id, opportunity__isnull=True),
        "may_write": request.principal.may("quotes:write"),
    }
    return render(request, "crm/opportunity.html", context)


@require_POST
@member_required("quotes:write")
def link(request: TenantRequest, opportunity_id: UUID) -> HttpResponse:
    """Say that a quote is an offer for this opportunity."""
    found = get_object_or_404(Opportunity, id=opportunity_id)
    to = reverse("crm:opportunity", args=[found.id])
    quote = Quote.objects.filter(number=request.POST.get("quote", "")[:20]).first()
    if quote is None:
        return refused(request, Refusal("Choose a quote."), to)
    try:
        link_quote(quote_id=quote.id, opportunity_id=found.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, f"{quote.number} is an offer for {found.name}.", to)
