"""Start, claim, run, cancel and retry jobs."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F, Max, Q
from psycopg.errors import LockNotAvailable

from monetization.jobs.models import Job, JobItem
from monetization.kernel.errors import Refusal
from monetization.kernel.ids import uuid7
from monetization.tenancy.bulk import bulk_cursor, insert_records
from monetization.tenancy.context import current_actor, current_tenant_id

LEASE = timedelta(seconds=20)
LOCK_WAIT = timedelta(seconds=5)  # for a row another transaction holds
MOST_WAITS = 3  # then the item fails, and a person retries it

logger = logging.getLogger(__name__)


class JobFinished(Refusal):
    """The job has ended; there is nothing to cancel."""


class JobBusy(Refusal):
    """The same job is started over and over at this very moment."""


class NothingSelected(Refusal):
    """A bulk action needs at least one item."""


class LeaseLost(Exception):
    """Another worker claimed the job; this one stops without effect."""


class SkipItem(Exception):
    """Raised by a handler when there is nothing to do; the message is shown on the item."""


Outcome = dict[str, Any] | Refusal | SkipItem


@dataclass(frozen=True, slots=True)
class JobKind:
    """How one kind of job works.

    :param run_item: does one item and returns a small JSON-able result; a ``Refusal`` fails
        the item with its message, ``SkipItem`` marks it as having had nothing to do.
    :param batch_size: items per transaction; each runs in its own savepoint.
    :param on_finished: runs once, in the transaction that ends the job.
    :param lanes: how many lanes its items are spread over at most, to be worked at beside each
        other; only where items of different groups do not mind each other.
    :param run_batch: does a batch at once and returns, by item key, a result or the ``Refusal``
        or ``SkipItem`` that ``run_item`` would have raised. If it fails, nothing of it is kept
        and its items run one by one.
    """

    name: str
    run_item: Callable[[Job, JobItem], dict[str, Any] | None]
    batch_size: int = 1
    on_finished: Callable[[Job], None] | None = None
    run_batch: Callable[[Job, Sequence[JobItem]], Mapping[str, Outcome]] | None = None
    lanes: int = 1


_kinds: dict[str, JobKind] = {}


def register_job_kind(kind: JobKind) -> None:
    """Make a kind of job known. Called from ``AppConfig.ready``."""
    _kinds[kind.name] = kind


def job_kind(name: str) -> JobKind:
    return _kinds[name]


@transaction.atomic
def start_job(
    *,
    kind: str,
    title: str,
    items: Iterable[tuple[str, str]],
    params: dict[str, Any] | None = None,
    dedupe_key: str = "",
    groups: Mapping[str, str] | None = None,
    up_to_date: int = 0,
) -> Job:
    """Record a job with its items and ring a worker after commit.

    :param items: (key, label) pairs; a key repeated counts once.
    :param groups: by key, what items have in common that must be done in their order; without,
        all are done in one lane.
    :param dedupe_key: while a job with this key is active it is returned instead, so a
        double click starts one job.
    :param up_to_date: how many more were chosen that need nothing done; they count as done and
        have no item. With none but these, the job has ended as soon as it is there.
    :raises NothingSelected: without any.
    """
    wanted = dict(items)
    if not wanted and not up_to_date:
        raise NothingSelected("select at least one item")
    known = job_kind(kind)
    lanes = _lanes_for(known, len(wanted)) if groups else 1
    job, is_new = _find_or_create(
        dedupe_key,
        kind=known.name,
        title=title,
        params=params or {},
        requested_by=current_actor(),
        total=len(wanted) + up_to_date,
        done=up_to_date,
        up_to_date=up_to_date,
        lanes=lanes,
    )
    if not is_new:
        return job
    if not wanted:
        _end(known, job.id, job.created_at)
        job.refresh_from_db()
        return job
    places = _lanes_of(list(wanted), lanes, groups or {})
    insert_records(
        JobItem,
        ("id", "job_id", "lane", "position", "key", "label", "status", "attempts", "result",
         "error"),
        [
            (uuid7(), job.id, lane, position, key, label, JobItem.Status.PENDING.value, 0, {}, "")
            for position, (lane, (key, label)) in enumerate(
                zip(places, wanted.items(), strict=True), start=1
            )
        ],
    )  # fmt: skip
    _ring_on_commit(job.id)
    return job


def _lanes_for(kind: JobKind, items: int) -> int:
    """Return how many lanes items are worth: an even number, as two work at a job at once.

    A batch costs something whatever is in it, so that few items stay in one.
    """
    if items <= kind.batch_size // 4:
        return 1
    batches = max(2, -(-items // kind.batch_size))
    return min(kind.lanes, batches + batches % 2)


def _lanes_of(keys: Sequence[str], lanes: int, groups: Mapping[str, str]) -> list[int]:
    """Return the lane of each item: whole groups in their order, about as many in each lane."""
    sizes = Counter(groups.get(key, "") for key in keys)
    ends = accumulate(sizes.values())
    before = {group: end - sizes[group] for group, end in zip(sizes, ends, strict=True)}
    return [before[groups.get(key, "")] * lanes // len(keys) for key in keys]


def _find_or_create(dedupe_key: str, **fields: Any) -> tuple[Job, bool]:
    """Return the active job of a key, else a new one; the unique key decides who was first."""
    active = Job.objects.filter(
        dedupe_key=dedupe_key, status__in=[Job.Status.QUEUED, Job.Status.RUNNING]
    )
    for _ in range(3):
        job = active.first() if dedupe_key else None
        if job is not None:
            return job, False
        try:
            with transaction.atomic():
                return Job.objects.create(dedupe_key=dedupe_key, **fields), True
        except IntegrityError:  # another request was faster: by now its job is there, or over
            continue
    raise JobBusy("the same work is being started at this moment; look again")


def _ring_on_commit(job_id: UUID) -> None:
    from monetization.jobs.tasks import run_job

    tenant_id = current_tenant_id()
    transaction.on_commit(
        lambda: run_job.delay(tenant_id=str(tenant_id), job_id=str(job_id)), robust=True
    )


# Batches under way hold the lock together; who claims or cancels a job wants it alone, and so
# waits for them to end.
_TOGETHER = "SELECT pg_advisory_xact_lock_shared(hashtext('job'), hashtext(%b::text))"
# No row of somebody else's is waited for longer than the lease. The rows of a batch are found by
# their keys: by default a table that grows would be read whole for them.
_SETTING = (
    "SELECT set_config('lock_timeout', %b, true), set_config('random_page_cost', '1.1', true)"
)
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('job'), hashtext(%b::text))"
_TAKE_LANE = "SELECT pg_try_advisory_xact_lock(hashtextextended(%b::text || '/' || %b::text, 0))"


@transaction.atomic
def claim_job(*, job_id: UUID, now: datetime) -> int | None:
    """Take the lease of a job nobody holds; return the fencing token, else None.

    A kind of job this release does not know is left for a worker that does.
    """
    waiting = (
        Job.objects.filter(id=job_id, kind__in=list(_kinds))
        .filter(Q(status=Job.Status.QUEUED) | Q(status=Job.Status.RUNNING))
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now))
    )
    if not waiting.exists():
        return None
    with bulk_cursor() as cursor:
        cursor.execute(_ALONE, [job_id])
    claimed = waiting.update(
        status=Job.Status.RUNNING,
        lease_until=now + LEASE,
        fencing_token=F("fencing_token") + 1,
    )
    if not claimed:
        return None
    Job.objects.filter(id=job_id, started_at__isnull=True).update(started_at=now)
    return Job.objects.values_list("fencing_token", flat=True).get(id=job_id)


@transaction.atomic
def run_next_batch(*, job_id: UUID, token: int, now: datetime) -> bool:
    """Run the next items of a held job in one transaction; False when none is left to take.

    The lock on the job, the check of the token, the items' effects and their marks commit
    together: a worker that lost its lease changes nothing. Several workers may hold the same
    token: each batch is of a lane nobody else is at, and who finds nothing left ends the job.

    :raises LeaseLost: if another worker has claimed the job since, or it was cancelled.
    """
    with bulk_cursor() as cursor:
        cursor.execute(_TOGETHER, [job_id])
        cursor.execute(_SETTING, [f"{int(LOCK_WAIT.total_seconds() * 1000)}ms"])
    job = Job.objects.get(id=job_id)
    if job.fencing_token != token or job.status != Job.Status.RUNNING:
        raise LeaseLost(f"job {job_id} moved on")
    kind = job_kind(job.kind)
    items = _take_items(job, kind.batch_size)
    if not items:
        _end(kind, job_id, now)
        return False
    _run_items(kind, job, items, now)
    done = sum(item.status in (JobItem.Status.DONE, JobItem.Status.SKIPPED) for item in items)
    failed = sum(item.status == JobItem.Status.FAILED for item in items)
    Job.objects.filter(id=job_id).update(
        done=F("done") + done, failed=F("failed") + failed, lease_until=now + LEASE
    )
    return True


def _take_items(job: Job, most: int) -> list[JobItem]:
    """Return the next items of the first lane that has any and that nobody is at."""
    for lane in range(job.lanes):
        if job.lanes > 1:
            with bulk_cursor() as cursor:
                taken = cursor.execute(_TAKE_LANE, [job.id, str(lane)]).fetchone()
            if taken is None or not taken[0]:
                continue
        items = list(
            job.items.select_for_update(of=("self",))
            .filter(status=JobItem.Status.PENDING, lane=lane)
            .order_by("position")[:most]
        )
        if items:
            return items
    return []


def _end(kind: JobKind, job_id: UUID, now: datetime) -> None:
    """End a job once, unless others are at its last items: they look again when they are done."""
    job = Job.objects.select_for_update(of=("self",)).get(id=job_id)
    if job.is_finished or job.items.filter(status=JobItem.Status.PENDING).exists():
        return
    job.status = Job.Status.ATTENTION if job.failed else Job.Status.SUCCEEDED
    job.finished_at, job.lease_until = now, None
    if kind.on_finished is not None:
        kind.on_finished(job)
    job.save()


def _run_items(kind: JobKind, job: Job, items: Sequence[JobItem], now: datetime) -> None:
    """Run items together where the kind can, else one by one; mark all of them at once."""
    for item in items:
        item.attempts += 1
        item.finished_at = now
    outcomes: Mapping[str, Outcome] | None = None
    if kind.run_batch is not None and len(items) > 1:
        try:
            with transaction.atomic():
                outcomes = kind.run_batch(job, items)
        except Exception:  # one bad item must not stop the others: they run one by one
            logger.info("a batch of %s runs one by one", job.id, exc_info=True)
    waiting: list[JobItem] = []
    for item in items:
        outcome = outcomes.get(item.key, {}) if outcomes is not None else _run_item(kind, job, item)
        if _is_held(outcome) and item.attempts < MOST_WAITS:
            waiting.append(item)
            continue
        _mark(item, outcome)
    _save_marks(items)
    _put_last(job, waiting)


def _is_held(outcome: Outcome | Exception) -> bool:
    """Say whether an item met a row that another transaction holds."""
    cause = outcome.__cause__ if isinstance(outcome, OperationalError) else None
    return isinstance(cause, LockNotAvailable)


def _put_last(job: Job, items: Sequence[JobItem]) -> None:
    """Let items that had to wait come again after all the others."""
    if not items:
        return
    last = job.items.aggregate(last=Max("position"))["last"]
    for position, item in enumerate(items, start=last + 1):
        JobItem.objects.filter(id=item.id).update(position=position, attempts=item.attempts)


def _run_item(kind: JobKind, job: Job, item: JobItem) -> Outcome | Exception:
    try:
        with transaction.atomic():
            return kind.run_item(job, item) or {}
    except Exception as error:  # one bad item must not stop the others
        return error


def _mark(item: JobItem, outcome: Outcome | Exception) -> None:
    match outcome:
        case SkipItem():
            item.status, item.result = JobItem.Status.SKIPPED, {"reason": str(outcome)}
        case Refusal():
            item.status, item.error = JobItem.Status.FAILED, str(outcome)
        case Exception():
            kept = f"{type(outcome).__name__}: {outcome}"[:2000]
            if _is_held(outcome):
                kept = "Somebody else is working on it; retry it in a moment."
            item.status, item.error = JobItem.Status.FAILED, kept
        case _:
            item.status, item.result, item.error = JobItem.Status.DONE, outcome, ""


def _save_marks(items: Sequence[JobItem]) -> None:
    if not items:
        return
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_jobitem i SET status = u.status, attempts = u.attempts,"
            " result = u.result, error = u.error, finished_at = %b"
            " FROM unnest(%b::uuid[], %b::text[], %b::int[], %b::jsonb[], %b::text[])"
            " AS u(id, status, attempts, result, error) WHERE i.id = u.id",
            [
                items[0].finished_at,
                [item.id for item in items],
                [str(item.status) for item in items],
                [item.attempts for item in items],
                [json.dumps(item.result) for item in items],
                [item.error for item in items],
            ],
        )


@transaction.atomic
def cancel_job(*, job_id: UUID, now: datetime) -> Job:
    """Stop after the batch under way; what is done stays done.

    :raises JobFinished: if it has ended.
    """
    with bulk_cursor() as cursor:
        cursor.execute(_ALONE, [job_id])
    job = Job.objects.select_for_update(of=("self",)).get(id=job_id)
    if job.is_finished:
        raise JobFinished(f"{job.title} has already ended")
    job.status, job.finished_at, job.lease_until = Job.Status.CANCELLED, now, None
    job.save(update_fields=["status", "finished_at", "lease_until"])
    return job


@transaction.atomic
def retry_failed(*, job_id: UUID) -> Job:
    """Make the failed items of an ended job pending again and ring a worker.

    :raises NothingSelected: if no item failed.
    """
    job = Job.objects.select_for_update(of=("self",)).get(id=job_id)
    again = job.items.filter(status=JobItem.Status.FAILED).update(
        status=JobItem.Status.PENDING, error=""
    )
    if not again:
        raise NothingSelected("no item of this job failed")
    job.failed -= again
    job.status, job.finished_at, job.lease_until = Job.Status.QUEUED, None, None
    job.save(update_fields=["failed", "status", "finished_at", "lease_until"])
    _ring_on_commit(job.id)
    return job
