"""Which store answers for a company's raw events, and what keeps the second one level.

Every batch commits to Postgres. ClickHouse follows: what was made or changed since the snapshot
it is known to have is sent there, again and again by a worker, and once more before a company
that moved is read, so that a read there misses nothing that a read of Postgres would see.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.conf import settings

from metering.domain.counting import MeterDefinition
from metering.models import UsageStore
from metering.stores.clickhouse import ClickHouseEvents
from metering.stores.clickhouse_server import UsageStoreUnreachable, server
from metering.stores.port import EventStore, StoredEvent, snapshot_version
from metering.stores.postgres_events import PostgresEvents, changed_events
from monetization.tenancy.bulk import current_snapshot
from monetization.tenancy.context import current_tenant_id

PAGE = 5_000
ALWAYS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def raw_events(meter: MeterDefinition) -> EventStore:
    """Return the store that counts a meter of the bound company, level with Postgres.

    :raises UsageStoreUnreachable: if it is ClickHouse and does not answer.
    """
    if not settings.CLICKHOUSE_URL:
        return PostgresEvents()
    moved = UsageStore.objects.filter(reads_from=UsageStore.Kind.CLICKHOUSE).first()
    if moved is None:
        return PostgresEvents()
    store = clickhouse_events()
    if not store.answers(meter):
        return PostgresEvents()
    send_changes(store, since=moved.snapshot)
    return store


def clickhouse_events() -> ClickHouseEvents:
    """Return the bound company's events in ClickHouse.

    :raises UsageStoreUnreachable: if there is none, or it does not answer.
    """
    if not settings.CLICKHOUSE_URL:
        raise UsageStoreUnreachable("CLICKHOUSE_URL is not set; there is no second store")
    return ClickHouseEvents(server(settings.CLICKHOUSE_URL), current_tenant_id())


def send_changes(store: EventStore, *, since: str) -> tuple[int, str]:
    """Send what was made or changed since a snapshot; return how many, and what is there now."""
    sent, reached = 0, current_snapshot()
    for events, snapshot in pages(since, ALWAYS):
        store.put(events, version=snapshot_version(snapshot))
        sent += len(events)
    return sent, reached


def pages(since: str, span: tuple[datetime, datetime]) -> Iterator[tuple[list[StoredEvent], str]]:
    """Yield the events of a span that were made or changed since a snapshot, page by page."""
    after = None
    while True:
        events, snapshot = changed_events(
            since, since=span[0], until=span[1], after=after, limit=PAGE
        )
        if events:
            yield events, snapshot
        if len(events) < PAGE:
            return
        after = events[-1].id
