"""Usage from a file: upload, say what the columns mean, see the first rows judged, start."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from metering.domain.events import Outcome, UsageEvent
from metering.imports import files
from metering.imports.mapping import parse_mapping
from metering.imports.services import (
    KIND,
    Outcomes,
    counts_of,
    preview_import,
    rejects_file,
    start_import,
)
from metering.ingest.parser import Invalid, read_event
from metering.services import record_usage_events
from metering.web import uploads
from metering.web.import_forms import MappingForm, UploadForm
from monetization.interface.access import member_required
from monetization.interface.exports import safe_cell
from monetization.interface.forms import sentence
from monetization.interface.htmx import refused
from monetization.jobs.models import Job
from monetization.kernel.errors import Refusal

PREVIEWED = 10


@member_required("usage:write")
def import_upload(request: HttpRequest) -> HttpResponse:
    """Take a file; what its columns mean is asked next."""
    form = UploadForm(*([request.POST, request.FILES] if request.method == "POST" else []))
    if request.method == "POST" and form.is_valid():
        upload = uploads.keep(form.cleaned_data["file"], source=form.cleaned_data["source"])
        try:
            uploads.as_csv(upload)
            files.read_header(io.BytesIO(files.head(upload.path)))
        except Refusal as refusal:
            uploads.forget(upload)
            said = str(refusal).replace(upload.path.name, upload.filename)
            form.add_error("file", sentence(said))
        else:
            return redirect("metering:import-map", upload_id=upload.id)
    status = 422 if form.errors else 200
    return render(request, "metering/import.html", {"form": form}, status=status)


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row of the file, the event it becomes, and what becomes of that."""

    line: int
    cells: list[str]
    event: UsageEvent | None
    outcome: str
    reason: str = ""

    @property
    def label(self) -> str:
        return dict(_VERDICTS).get(self.outcome, self.outcome).capitalize()


@member_required("usage:write")
def import_map(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Ask what the columns mean, judge the first rows, and start the import."""
    upload = uploads.find(upload_id)
    if upload is None:
        raise Http404("This file was imported or is no longer kept; upload it again.")
    header, _ = files.read_header(io.BytesIO(files.head(upload.path)))
    sent = request.POST if request.method == "POST" else None
    raw = _raw_rows(upload.path)
    form = MappingForm(sent, header=header, rows=raw)
    rows: list[PreviewRow] = []
    counts: Outcomes | None = None
    if sent is None:
        guessed = _guessed(form, header)
        form = guessed if guessed.is_valid() else form  # nobody has made a mistake yet
    if form.is_valid():
        try:
            if sent is not None and sent.get("action") == "start":
                return _start(request, upload, form)
            rows = preview_rows(upload.path, form.mapping(), upload.source, timezone.now())
            counts = preview_import(
                path=upload.path,
                mapping=form.mapping(),
                source=upload.source,
                now=timezone.now(),
            )
        except Refusal as refusal:
            form.refuse(refusal)
    context = {
        "upload": upload,
        "form": form,
        "columns": form.columns,
        "rows": rows,
        "counts": counts,
        "verdicts": _verdicts(counts) if counts else [],
        "rejects": counts.rejects[:PREVIEWED] if counts else [],
        "raw": [] if rows else raw,
        "header": header,
    }
    failed = sent is not None and bool(form.errors)
    return render(request, "metering/import_map.html", context, status=422 if failed else 200)


def _guessed(blank: MappingForm, header: list[str]) -> MappingForm:
    """Return the form bound to its own guesses, so that they are judged at once."""
    written = {
        name: "on" if value is True else value
        for name in blank.fields
        if (value := blank.get_initial_for_field(blank.fields[name], name)) not in (False, None)
    }
    return MappingForm(written, header=header)


def _start(request: HttpRequest, upload: uploads.Upload, form: MappingForm) -> HttpResponse:
    job = start_import(
        path=upload.path,
        mapping=form.mapping(),
        source=upload.source,
        filename=upload.filename,
    )
    transaction.on_commit(lambda: uploads.forget(upload), robust=True)
    return redirect("jobs:detail", job_id=job.id)


def _records(path: Path, limit: int) -> tuple[list[str], list[files.Record]]:
    content = files.head(path)
    header, first = files.read_header(io.BytesIO(content))
    found = []
    for record in files.records(
        io.BytesIO(content), start=first.end, end=None, line=first.line + 1
    ):
        if record.cells or record.problem:
            found.append(record)
        if len(found) == limit:
            break
    return header, found


def _raw_rows(path: Path) -> list[list[str]]:
    return [record.cells for record in _records(path, PREVIEWED)[1]]


def preview_rows(path: Path, mapping: str, source: str, now: datetime) -> list[PreviewRow]:
    """Judge the first rows of a file one by one, and keep nothing.

    :raises MappingInvalid: if the mapping does not fit the file.
    """
    header, records = _records(path, PREVIEWED)
    to_item = parse_mapping(mapping).bind(header)
    rows: list[PreviewRow] = []
    with transaction.atomic():
        for record in records:
            if record.problem:
                rows.append(PreviewRow(record.line, [], None, "invalid", record.problem))
                continue
            try:
                event = read_event(to_item(record.cells), default_source=source)
            except Invalid as invalid:
                reason = f"{invalid.field} {invalid.reason}".strip()
                rows.append(PreviewRow(record.line, record.cells, None, "invalid", reason))
                continue
            verdict = record_usage_events([event], now=now)[0]
            reason = verdict.reason
            if not verdict.is_matched and verdict.outcome is Outcome.CREATED:
                reason = "nobody holds the alias yet"
            rows.append(PreviewRow(record.line, record.cells, event, verdict.outcome.value, reason))
        transaction.set_rollback(True)
    return rows


_VERDICTS = (
    ("created", "new"),
    ("duplicate", "already known"),
    ("conflict", "in conflict"),
    ("quarantined", "quarantined"),
    ("invalid", "not readable"),
)


def _verdicts(found: Outcomes) -> list[tuple[str, int]]:
    return [(label, found.counts[name]) for name, label in _VERDICTS if found.counts[name]]


def _import_job(job_id: UUID) -> Any:
    return get_object_or_404(Job, id=job_id, kind=KIND)


@require_GET
@member_required("usage:read")
def import_result(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Say what became of a file's rows so far; part of the job's page."""
    job = _import_job(job_id)
    counts = counts_of(job)
    context = {
        "job": job,
        "rows": counts["rows"],
        "verdicts": [(label, counts[name]) for name, label in _VERDICTS if counts[name]],
        "unmatched": counts["unmatched"],
        "has_rejects": rejects_file(job) is not None,
    }
    return render(request, "metering/_import_result.html", context)


@require_GET
@member_required("usage:read")
def import_rejects(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    """Answer with the rows that were not taken in, and why, safe to open in a spreadsheet."""
    job = _import_job(job_id)
    path = rejects_file(job)
    if path is None:
        to = reverse("jobs:detail", args=[job.id])
        return refused(request, Refusal("Every row of this file was taken in."), to)
    response = StreamingHttpResponse(_safe_lines(path), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="rejects.csv"'
    return response


def _safe_lines(path: Path) -> Iterator[str]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            line = io.StringIO()
            csv.writer(line).writerow([safe_cell(cell) for cell in row])
            yield line.getvalue()
