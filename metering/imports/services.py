"""Take a file in as a job whose parts survive any crash.

A part's events and the mark that it is done commit together, and an event's id comes from
its row: whatever is killed and started again, every row counts once.
"""

import csv
import hashlib
import io
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from metering.domain.events import Outcome, UsageEvent, Verdict
from metering.imports import converting, files
from metering.imports.mapping import UNIX_EPOCH, Mapping, MappingInvalid, parse_mapping
from metering.ingest.parser import MAX_TEXT, Invalid, read_event
from metering.services import record_usage_events
from monetization.customers.models import CustomerAlias
from monetization.customers.services import create_customer, map_alias
from monetization.events.services import append_event
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, SkipItem, start_job
from monetization.kernel.errors import Refusal
from monetization.kernel.ids import uuid7
from monetization.kernel.money import MoneyError, minor_unit
from monetization.tenancy.context import current_tenant_id

KIND = "usage.import"
ROWS_PER_PART = 5000
PREVIEW_ROWS = 1000
REJECTS_HEADER = ("line", "field", "reason", "original")
DATA, REJECTS = "data.csv", "rejects.csv"


class ImportFileGone(Refusal):
    """The kept copy of the file is no longer there."""


class ImportOptionInvalid(Refusal):
    """An option of the import cannot be what it is."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not taken in."""

    line: int
    field: str
    reason: str
    original: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of some rows; ``counts`` by verdict, ``unmatched`` and ``rows``."""

    counts: Counter[str]
    rejects: tuple[Reject, ...]


def imports_dir() -> Path:
    return Path(settings.VAR_DIR) / "files" / "imports"


@transaction.atomic
def start_import(
    *,
    path: Path,
    mapping: str,
    source: str = "import",
    epoch: datetime = UNIX_EPOCH,
    create_customers_in: str | None = None,
    filename: str = "",
    rows_per_part: int = ROWS_PER_PART,
) -> Job:
    """Keep a copy of a file, CSV, NDJSON or Parquet, and start the job that takes it in.

    The same file with the same options returns the job that is still running, so that an
    import that was cut off goes on where it stopped.

    :param mapping: which column fills which field; see ``parse_mapping``.
    :param epoch: aware; what ``@column`` in the mapping counts from.
    :param source: of the events, unless the mapping names one; part of their identity.
    :param create_customers_in: a currency; an alias nobody ever held becomes a customer.
    :raises MappingInvalid: if the mapping cannot be read or does not fit the header.
    :raises FileUnreadable: if the file cannot be read as rows, or has none.
    :raises ImportOptionInvalid: for a bad source or currency.
    """
    _check_options(source, create_customers_in)
    parsed = parse_mapping(mapping, epoch=epoch)
    options = [mapping, source, epoch.isoformat(), create_customers_in or ""]
    kept = _keep(path, parsed, options, rows_per_part)
    name = filename or path.name
    return start_job(
        kind=KIND,
        title=f"Import usage from {name}"[:200],
        items=(
            (
                f"{part.start}-{part.end}@{part.first_line}",
                f"Lines {part.first_line:,} to {part.last_line:,}",
            )
            for part in kept.parts
        ),
        params={
            "filename": name,
            "folder": f"{current_tenant_id()}/{kept.key}",
            "header": kept.header,
            "mapping": mapping,
            "epoch": epoch.isoformat(),
            "source": source,
            "create_customers_in": create_customers_in,
        },
        dedupe_key=f"{KIND}:{kept.key}",
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """The decompressed copy of a file; ``key`` says its content and the import's options."""

    key: str
    header: list[str]
    parts: list[files.Part]


def _keep(path: Path, mapping: Mapping, options: list[str], rows_per_part: int) -> _Kept:
    tenant_dir = imports_dir() / str(current_tenant_id())
    tenant_dir.mkdir(parents=True, exist_ok=True)
    waiting = tenant_dir / f"{uuid7()}.tmp"
    try:
        digest = converting.copy_csv(path, waiting)
        with waiting.open("rb") as copy:
            header, _ = files.read_header(copy)
            mapping.bind(header)
            parts = list(files.cut(copy, records_per_part=rows_per_part))
        if not parts:
            raise files.FileUnreadable(f"{path.name} has no rows after its header")
        key = hashlib.sha256("\0".join([digest, *options]).encode()).hexdigest()[:32]
        (tenant_dir / key).mkdir(exist_ok=True)
        waiting.replace(tenant_dir / key / DATA)
    finally:
        waiting.unlink(missing_ok=True)
    return _Kept(key, header, parts)


def _check_options(source: str, currency: str | None) -> None:
    if not source.strip() or len(source) > MAX_TEXT or "\x00" in source:
        raise ImportOptionInvalid(f"source: must be text of at most {MAX_TEXT} characters")
    if currency is not None:
        try:
            minor_unit(currency)
        except MoneyError as error:
            raise ImportOptionInvalid(f"currency: {error}") from None


@transaction.atomic
def preview_import(
    *,
    path: Path,
    mapping: str,
    now: datetime,
    source: str = "import",
    epoch: datetime = UNIX_EPOCH,
    limit: int = PREVIEW_ROWS,
) -> Outcomes:
    """Judge the first rows of a file against what is stored, and keep nothing.

    :raises MappingInvalid: as ``start_import``.
    :raises FileUnreadable: as ``start_import``.
    """
    _check_options(source, None)
    parsed = parse_mapping(mapping, epoch=epoch)
    content = converting.head(path, rows=limit)
    header, first = files.read_header(io.BytesIO(content))
    records = files.records(io.BytesIO(content), start=first.end, end=None, line=first.line + 1)
    rows = []
    for record in records:
        rows.append(record)
        if len(rows) == limit:
            break
    read = _read_rows(rows, content, parsed, header, source)
    with transaction.atomic():
        outcomes = _record(rows, read, content, now)
        transaction.set_rollback(True)
    return outcomes


def _read_rows(
    rows: Sequence[files.Record],
    content: bytes,
    mapping: Mapping,
    header: list[str],
    source: str,
) -> list[UsageEvent | Invalid | None]:
    """Turn records into events, by the rules of the API; None for a blank line."""
    to_item = mapping.bind(header)
    result: list[UsageEvent | Invalid | None] = []
    for record in rows:
        if record.problem:
            result.append(Invalid("", record.problem))
        elif not record.cells:
            result.append(None)
        else:
            try:
                result.append(read_event(to_item(record.cells), default_source=source))
            except Invalid as invalid:
                result.append(invalid)
    return result


def _record(
    rows: Sequence[files.Record],
    read: Sequence[UsageEvent | Invalid | None],
    content: bytes,
    now: datetime,
) -> Outcomes:
    events = [item for item in read if isinstance(item, UsageEvent)]
    verdicts = iter(record_usage_events(events, now=now))
    counts: Counter[str] = Counter()
    rejects = []
    for record, item in zip(rows, read, strict=True):
        if item is None:
            continue
        counts["rows"] += 1
        if isinstance(item, Invalid):
            counts[Outcome.INVALID.value] += 1
            rejects.append(_reject(record, content, item.field, item.reason))
            continue
        verdict: Verdict = next(verdicts)
        counts[verdict.outcome.value] += 1
        if verdict.outcome is Outcome.CONFLICT:
            rejects.append(_reject(record, content, verdict.field, verdict.reason))
        elif not verdict.is_matched:
            counts["unmatched"] += 1
    return Outcomes(counts, tuple(rejects))


def _reject(record: files.Record, content: bytes, field: str, reason: str) -> Reject:
    original = content[record.start : record.end].decode(errors="replace").rstrip("\r\n")
    return Reject(record.line, field, reason, original)


def run_part(job: Job, item: JobItem) -> dict[str, Any]:
    """Take in one part of the file; its events commit with the mark on the item.

    :raises ImportFileGone: if the kept copy was removed.
    """
    params = job.params
    span, _, line = item.key.partition("@")
    start, _, end = span.partition("-")
    folder = imports_dir() / params["folder"]
    try:
        content = files.read_part(folder / DATA, int(start), int(end))
    except FileNotFoundError:
        raise ImportFileGone("the kept copy of the file is gone; import it again") from None
    mapping = _mapping(params["mapping"], params["epoch"])
    rows = list(files.records_of(content, line=int(line)))
    read = _read_rows(rows, content, mapping, params["header"], params["source"])
    now = item.finished_at
    if now is None:
        raise SkipItem("the part was not started by a job")
    if params["create_customers_in"]:
        _create_missing_customers(read, params["create_customers_in"], now)
    outcomes = _record(rows, read, content, now)
    _write_rejects(folder / _rejects_name(item.position), outcomes.rejects)
    return dict(outcomes.counts)


@lru_cache(maxsize=16)
def _mapping(text: str, epoch: str) -> Mapping:
    return parse_mapping(text, epoch=datetime.fromisoformat(epoch))


def _create_missing_customers(
    read: Sequence[UsageEvent | Invalid | None], currency: str, now: datetime
) -> None:
    """Make a customer of every alias nobody ever held; one import of a tenant at a time."""
    aliases = {item.subject for item in read if isinstance(item, UsageEvent)}
    if not _unheld(aliases):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext('import customers'), hashtext(%s))",
            [str(current_tenant_id())],
        )
    for alias in sorted(_unheld(aliases)):
        customer = create_customer(name=alias, currency=currency, now=now)
        map_alias(customer_id=customer.id, alias=alias, now=now)


def _unheld(aliases: set[str]) -> set[str]:
    held = CustomerAlias.objects.filter(alias__in=aliases).values_list("alias", flat=True)
    return aliases - set(held)


def _rejects_name(position: int) -> str:
    return f"rejects-{position:06d}.csv"


def _write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Write a part's rejects at once; a part that runs again replaces them."""
    if not rejects:
        path.unlink(missing_ok=True)
        return
    waiting = path.with_suffix(f".{os.getpid()}.tmp")
    with waiting.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows((r.line, r.field, r.reason, r.original) for r in rejects)
    waiting.replace(path)


def finish(job: Job) -> None:
    """Gather the rejects, say on the stream what came in, and drop the copy if all of it did."""
    folder = imports_dir() / job.params["folder"]
    if folder.is_dir():
        _gather_rejects(job, folder)
    counts = counts_of(job)
    append_event(
        type="usage.imported",
        subject=f"job/{job.id}",
        data={
            "job_id": str(job.id),
            "filename": job.params["filename"],
            "created": str(counts["created"]),
            "rows": str(counts["rows"]),
        },
        occurred_at=job.finished_at or job.created_at,
    )
    if not job.failed:  # otherwise the failed parts can be tried again
        transaction.on_commit(lambda: (folder / DATA).unlink(missing_ok=True), robust=True)


def _gather_rejects(job: Job, folder: Path) -> None:
    parts = [
        folder / _rejects_name(position)
        for position in job.items.order_by("position").values_list("position", flat=True)
    ]
    waiting = folder / f"{REJECTS}.tmp"
    with waiting.open("wb") as whole:
        whole.write((",".join(REJECTS_HEADER) + "\r\n").encode())
        for part in parts:
            if part.exists():
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole)
    waiting.replace(folder / REJECTS)


def rejects_file(job: Job) -> Path | None:
    """Return the finished job's rejects, or None if every row was taken in."""
    path = imports_dir() / str(job.params["folder"]) / REJECTS
    counts = counts_of(job)
    rejected = counts[Outcome.INVALID.value] + counts[Outcome.CONFLICT.value]
    return path if rejected and path.exists() else None


def counts_of(job: Job) -> Counter[str]:
    """Add up what became of the rows so far: by verdict, ``unmatched`` and ``rows``."""
    counts: Counter[str] = Counter()
    for result in _results(job):
        counts.update(result)
    return counts


def _results(job: Job) -> Iterator[dict[str, int]]:
    done = job.items.filter(status=JobItem.Status.DONE)
    yield from done.values_list("result", flat=True).iterator()


IMPORT = JobKind(KIND, run_part, on_finished=finish)

__all__ = [
    "IMPORT",
    "ImportFileGone",
    "ImportOptionInvalid",
    "MappingInvalid",
    "Outcomes",
    "Reject",
    "counts_of",
    "preview_import",
    "rejects_file",
    "start_import",
]
