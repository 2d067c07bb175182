"""What waits for somebody: events in quarantine, and events that say two things."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from metering.selectors import EventRow, list_events
from metering.stores.postgres import bulk_cursor


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Quarantined events of one reason and source. ``first_at`` and ``last_at`` happened."""

    reason: str
    source: str
    events: int
    first_at: datetime
    last_at: datetime


def held_groups(limit: int = 50) -> list[HeldGroup]:
    """Count what is in quarantine by reason and source, most events first."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT quarantine, source, count(*), min(occurred_at), max(occurred_at)"
            " FROM metering_usageevent WHERE tenant_id = current_tenant_id()"
            " AND quarantine <> '' AND retired_xact IS NULL"
            " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT %b",
            [limit],
        )
        return [HeldGroup(*row) for row in cursor.fetchall()]


_HELD = (
    "tenant_id = current_tenant_id() AND quarantine <> '' AND retired_xact IS NULL"
    " AND (%b::text = '' OR quarantine = %b::text) AND (%b::text = '' OR source = %b::text)"
    " AND (%b::text = '' OR subject = %b::text)"
)


@dataclass(frozen=True, slots=True)
class Held:
    """Which quarantined events: empty texts mean any."""

    reason: str = ""
    source: str = ""
    alias: str = ""

    def parameters(self) -> list[str]:
        return [text for name in (self.reason, self.source, self.alias) for text in (name, name)]


def count_held(held: Held) -> int:
    with bulk_cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM metering_usageevent WHERE {_HELD}", held.parameters())
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def held_ids(held: Held, *, until: UUID | None = None, limit: int = 500) -> list[UUID]:
    """Return the oldest quarantined events.

    :param until: none that came in after this one.
    """
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM metering_usageevent WHERE {_HELD}"
            " AND (%b::uuid IS NULL OR id <= %b::uuid) ORDER BY id LIMIT %b",
            [*held.parameters(), until, until, limit],
        )
        return [row[0] for row in cursor.fetchall()]


def list_held(held: Held, *, before: UUID | None = None, limit: int = 100) -> list[EventRow]:
    """List quarantined events, last received first."""
    filters: dict[str, Any] = {"quarantined": True, "subject": held.alias, "before": before}
    if held.reason:
        filters["quarantine"] = held.reason
    if held.source:
        filters["source"] = held.source
    return list_events(**filters, limit=limit)


@dataclass(frozen=True, slots=True)
class OpenConflict:
    """A repeat that said something else, beside what is kept."""

    id: UUID
    event_id: UUID
    source: str
    source_event_id: str
    recorded_at: datetime
    kept: dict[str, Any]
    other: dict[str, Any]
    kept_at: datetime  # when it happened, says the first
    other_at: datetime | None  # and the other; None: not known of old ones
    subject: str
    other_subject: str | None
    customer_id: UUID | None

    @property
    def differences(self) -> list[tuple[str, Any, Any]]:
        """Return what the two say differently: name, kept, other."""
        found = [
            (name, self.kept.get(name), self.other.get(name))
            for name in sorted({*self.kept, *self.other})
            if self.kept.get(name) != self.other.get(name)
        ]
        if self.other_at is not None and self.other_at != self.kept_at:
            found.insert(0, ("time", self.kept_at.isoformat(), self.other_at.isoformat()))
        if self.other_subject is not None and self.other_subject != self.subject:
            found.insert(0, ("alias", self.subject, self.other_subject))
        return found


def open_conflicts(
    *, before: UUID | None = None, limit: int = 50, ids: Sequence[UUID] | None = None
) -> list[OpenConflict]:
    """List conflicts nobody settled, newest first."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT c.id, c.event_id, c.source, c.source_event_id, c.recorded_at, e.data, c.data,"
            " e.occurred_at, c.occurred_at, e.subject, c.subject, e.customer_id"
            " FROM metering_usageconflict c JOIN metering_usageevent e"
            " ON e.tenant_id = c.tenant_id AND e.id = c.event_id"
            " WHERE c.tenant_id = current_tenant_id() AND c.resolution = ''"
            " AND (%b::uuid IS NULL OR c.id < %b::uuid)"
            " AND (%b::uuid[] IS NULL OR c.id = ANY(%b::uuid[]))"
            " ORDER BY c.id DESC LIMIT %b",
            [before, before, ids and list(ids), ids and list(ids), limit],
        )
        return [_conflict(row) for row in cursor.fetchall()]


def _conflict(row: Sequence[Any]) -> OpenConflict:
    values: list[Any] = list(row)
    values[5], values[6] = orjson.loads(values[5]), orjson.loads(values[6])
    return OpenConflict(*values)
