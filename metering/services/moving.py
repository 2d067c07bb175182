"""Move a company's raw events from one store to the other without a gap.

Copy month by month; send what changed meanwhile; compare month by month, row for row; then read
there. Events come in all the time, because every batch commits to Postgres whatever the store.
Until the last step everything is read where it was, and a job that is killed goes on.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from metering.models import UsageStore
from metering.stores.clickhouse import ClickHouseEvents
from metering.stores.port import snapshot_version
from metering.stores.postgres import bulk_cursor
from metering.stores.postgres_events import PostgresEvents
from metering.stores.routing import clickhouse_events, pages, send_changes
from monetization.events.services import append_event
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, start_job
from monetization.kernel.errors import Refusal
from monetization.kernel.period import add_months
from monetization.tenancy.bulk import current_snapshot
from monetization.tenancy.context import current_tenant_id

KIND = "usage.move"
SWITCH = "switch"
Kind = UsageStore.Kind


class AlreadyThere(Refusal):
    """The company's raw events are read from that store already."""


class StoresDiffer(Refusal):
    """A month is not the same in both stores; it is not read from the other."""


@transaction.atomic
def start_move(*, now: datetime) -> Job:
    """Copy the company's raw events to ClickHouse as a job, and read them there at its end.

    :raises UsageStoreUnreachable: if there is no ClickHouse, or it does not answer.
    :raises AlreadyThere: if they are read there.
    """
    row = _setting()
    if row.reads_from == Kind.CLICKHOUSE:
        raise AlreadyThere("the raw events are read from ClickHouse already")
    clickhouse_events().prepare()
    row.snapshot = ""  # a copy that was begun before is not relied on
    row.save(update_fields=["snapshot"])
    months = _months()
    return start_job(
        kind=KIND,
        title="Move raw usage events to ClickHouse",
        items=[
            *((month, f"Events of {month}") for month in months),
            (SWITCH, "Compare both stores, then read from ClickHouse"),
        ],
        params={"snapshot": current_snapshot(), "months": months},
        dedupe_key=f"{KIND}:{current_tenant_id()}",
    )


@transaction.atomic
def move_back(*, now: datetime) -> None:
    """Read raw events from Postgres again, at once: it has them all.

    :raises AlreadyThere: if they are read there.
    """
    row = _setting()
    if row.reads_from == Kind.POSTGRES:
        raise AlreadyThere("the raw events are read from Postgres already")
    _switch(row, Kind.POSTGRES, now)


def move_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Copy one month, or, in the end, compare all and switch."""
    store = clickhouse_events()
    if item.key != SWITCH:
        return {"events": _copy(store, item.key)}
    return {"events": _compare_and_switch(store, job)}


def _copy(store: ClickHouseEvents, month: str) -> int:
    copied = 0
    for events, snapshot in pages("", _span(month)):
        store.put(events, version=snapshot_version(snapshot))
        copied += len(events)
    return copied


def _compare_and_switch(store: ClickHouseEvents, job: Job) -> int:
    row = _setting()
    _, reached = send_changes(store, since=job.params["snapshot"])
    there, events = PostgresEvents(), 0
    for month in sorted({*job.params["months"], *_months()}):
        kept, copied = (one.fingerprint(*_span(month), reached) for one in (there, store))
        if kept != copied:
            raise StoresDiffer(
                f"{month}: Postgres has {kept.events:,} events and ClickHouse {copied.events:,},"
                " or they say something else; retry the month, then this"
            )
        events += kept.events
    row.snapshot = reached
    _switch(row, Kind.CLICKHOUSE, job.created_at)
    return events


def _switch(row: UsageStore, kind: str, now: datetime) -> None:
    row.reads_from = kind
    row.save(update_fields=["reads_from", "snapshot"])
    append_event(
        type="usage.store_changed",
        subject="usage",
        data={"store": kind},
        occurred_at=now,
    )


@transaction.atomic
def follow() -> int:
    """Send ClickHouse what came since it was last level; return how many events.

    One follower per company at a time; a second one has nothing to do.
    """
    row = (
        UsageStore.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(reads_from=Kind.CLICKHOUSE)
        .first()
    )
    if row is None:
        return 0
    sent, reached = send_changes(clickhouse_events(), since=row.snapshot)
    row.snapshot = reached
    row.save(update_fields=["snapshot"])
    return sent


def _setting() -> UsageStore:
    UsageStore.objects.get_or_create()
    return UsageStore.objects.select_for_update(of=("self",)).get()


def _months() -> list[str]:
    """Return the months the company has events of, as 2026-01."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM')"
            " FROM metering_usageevent WHERE tenant_id = current_tenant_id() ORDER BY 1"
        )
        return [row[0] for row in cursor.fetchall()]


def _span(month: str) -> tuple[datetime, datetime]:
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    after = add_months(first.date(), 1, anchor_day=1)
    return first, datetime(after.year, after.month, 1, tzinfo=UTC)


MOVE = JobKind(KIND, move_item)
