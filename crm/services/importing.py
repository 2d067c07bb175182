"""Take a file of CRM records in as a job whose parts survive any crash.

A part's records, its rejects and the mark that it is done commit together. A record is found by
its external id, so that whatever is run again changes nothing a second time.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from crm.domain.columns import COLUMNS, RowInvalid, guess, read_row
from crm.domain.files import FileRefused, Row, read_file
from crm.models import CrmImport, CrmReject
from crm.services.records import save_record
from monetization.customers.references import check_reference
from monetization.events.services import append_event
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, start_job
from monetization.kernel.errors import Refusal

KIND = "crm.import"
ROWS_PER_PART = 100
PREVIEWED = 20
KEPT_FOR = timedelta(days=1)  # an upload nobody came back for


class CrmFileInvalid(Refusal):
    """A file of CRM records, or what was said about it, cannot be used; the field is named."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A row, what would become of it, and why not."""

    line: int
    cells: list[str]
    verdict: str  # created, updated, unchanged or rejected
    field: str = ""
    reason: str = ""
    given: dict[str, Any] | None = None


@transaction.atomic
def keep_file(*, kind: str, source: str, filename: str, content: bytes, now: datetime) -> CrmImport:
    """Keep a file until somebody says what its columns mean.

    :raises CrmFileInvalid: if it cannot be read as rows.
    :raises ReferenceInvalid: for a source that cannot be one.
    """
    check_reference(source, "any")
    try:
        header, _ = read_file(content)
    except FileRefused as error:
        raise CrmFileInvalid(f"file: {filename} {error}") from None
    CrmImport.objects.filter(job__isnull=True, created_at__lt=now - KEPT_FOR).delete()
    kept: CrmImport = CrmImport.objects.create(
        kind=kind, source=source, filename=filename[-200:], content=content, header=header
    )
    return kept


def check_mapping(kind: str, mapping: Mapping[str, str], header: list[str]) -> None:
    """Refuse a mapping that does not fit the file.

    :raises CrmFileInvalid: naming the field.
    """
    known = {column.name: column for column in COLUMNS[kind]}
    for field, column in mapping.items():
        if field not in known or known[field].is_shown:
            raise CrmFileInvalid(f"{field}: is not a field of {kind}")
        if column not in header:
            raise CrmFileInvalid(f"{field}: the file has no column {column!r}")
    if "external_id" not in mapping and "id" not in mapping and "number" not in mapping:
        raise CrmFileInvalid("external_id: choose the column that has the record's id")


@transaction.atomic
def preview(*, import_id: UUID, mapping: Mapping[str, str], now: datetime) -> list[Judged]:
    """Judge the first rows as the import would, and keep nothing.

    :raises CrmFileInvalid: if the mapping does not fit.
    """
    kept = CrmImport.objects.get(id=import_id)
    header, rows = read_file(bytes(kept.content))
    check_mapping(kept.kind, mapping, header)
    with transaction.atomic():
        judged = [
            _take(kept.kind, kept.source, mapping, header, row, now) for row in rows[:PREVIEWED]
        ]
        transaction.set_rollback(True)
    return judged


@transaction.atomic
def start_import(*, import_id: UUID, mapping: Mapping[str, str]) -> Job:
    """Start the job that takes a kept file in; a second click returns the same job.

    :raises CrmFileInvalid: if the mapping does not fit.
    """
    kept = CrmImport.objects.select_for_update(of=("self",)).get(id=import_id)
    if kept.job is not None:
        return kept.job
    header, rows = read_file(bytes(kept.content))
    check_mapping(kept.kind, mapping, header)
    parts = [
        (at, min(at + ROWS_PER_PART, len(rows)) - 1) for at in range(0, len(rows), ROWS_PER_PART)
    ]
    job = start_job(
        kind=KIND,
        title=f"Import {kept.kind} from {kept.filename}"[:200],
        items=(
            (f"{first}-{last}", f"Lines {rows[first].line:,} to {rows[last].line:,}")
            for first, last in parts
        ),
        params={
            "import": str(kept.id),
            "kind": kept.kind,
            "source": kept.source,
            "filename": kept.filename,
        },
        dedupe_key=f"{KIND}:{kept.id}",
    )
    kept.job, kept.mapping = job, dict(mapping)
    kept.save(update_fields=["job", "mapping"])
    return job


def run_part(job: Job, item: JobItem) -> dict[str, Any]:
    """Take one part of a file in; its rejects replace those of a run before."""
    kept = CrmImport.objects.get(id=job.params["import"])
    header, rows = read_file(bytes(kept.content))
    first, _, last = item.key.partition("-")
    part = rows[int(first) : int(last) + 1]
    now = item.finished_at or job.created_at
    judged = [_take(kept.kind, kept.source, kept.mapping, header, row, now) for row in part]
    kept.rejects.filter(line__gte=part[0].line, line__lte=part[-1].line).delete()
    CrmReject.objects.bulk_create(
        CrmReject(
            crm_import=kept,
            line=one.line,
            field=one.field[:60],
            reason=one.reason,
            cells=one.cells,
        )
        for one in judged
        if one.verdict == "rejected"
    )
    return {"rows": len(judged), **Counter(one.verdict for one in judged)}


def _take(
    kind: str, source: str, mapping: Mapping[str, str], header: list[str], row: Row, now: datetime
) -> Judged:
    """Take one row in, or say why not; a row is taken in as a whole or not at all."""
    given: dict[str, Any] | None = None
    try:
        given = read_row(kind, mapping, header, row.cells)
        with transaction.atomic():
            taken = save_record(kind, source, given, now)
    except RowInvalid as error:
        return Judged(row.line, row.cells, "rejected", error.field, error.reason, given)
    except Refusal as error:
        field, reason = _field_of(kind, str(error))
        return Judged(row.line, row.cells, "rejected", field, reason, given)
    return Judged(row.line, row.cells, taken.verdict, given=given)


def _field_of(kind: str, said: str) -> tuple[str, str]:
    name, colon, reason = said.partition(": ")
    is_field = colon and any(column.name == name for column in COLUMNS[kind])
    return (name, reason) if is_field else ("", said)


def counts_of(job: Job) -> Counter[str]:
    """Add up what became of the rows so far, by verdict; ``rows`` is all of them."""
    counts: Counter[str] = Counter()
    done = job.items.filter(status=JobItem.Status.DONE)
    for result in done.values_list("result", flat=True):
        counts.update(result)
    return counts


def finish(job: Job) -> None:
    """Say on the stream what came in; drop the content unless a part is to be tried again."""
    counts = counts_of(job)
    append_event(
        type="crm.imported",
        subject=f"job/{job.id}",
        data={
            "job_id": str(job.id),
            "kind": job.params["kind"],
            "source": job.params["source"],
            "filename": job.params["filename"],
            "rows": str(counts["rows"]),
            "rejected": str(counts["rejected"]),
        },
        occurred_at=job.finished_at or job.created_at,
    )
    if not job.failed:
        CrmImport.objects.filter(id=job.params["import"]).update(content=b"")


IMPORT = JobKind(KIND, run_part, on_finished=finish)

__all__ = [
    "IMPORT",
    "CrmFileInvalid",
    "Judged",
    "counts_of",
    "guess",
    "keep_file",
    "preview",
    "read_file",
    "start_import",
]
