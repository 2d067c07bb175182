"""Where raw usage events are kept and counted: one port, a store in Postgres and one in ClickHouse.

Identities, verdicts, corrections and hourly sums are in Postgres whatever the store: they commit
with the batch. A store holds the raw events with the transactions that made and took back each,
so that it answers for any moment that a reading remembers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import orjson

from metering.domain.counting import MeterDefinition

# A window asked about: its number, meter, customer, half-open instants, and its zone.
Window = tuple[int, UUID, UUID, datetime, datetime, str]
Found = dict[int, tuple[Decimal, int]]  # quantity and number of events by window


class StoredEvent(NamedTuple):
    """A raw event as every store keeps it. Transactions are Postgres' 64-bit ones."""

    id: UUID
    source: str
    source_event_id: str
    type: str
    subject: str
    customer_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    xact: int  # since when it is as it is
    retired_xact: int | None  # since when it counts no more
    retired_by: UUID | None
    quarantine: str
    data: str  # JSON, numbers as text


@dataclass(frozen=True, slots=True)
class EventRow:
    """A stored usage event as people and the API read it."""

    id: UUID
    source: str
    source_event_id: str
    type: str
    subject: str
    customer_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    data: dict[str, Any]
    quarantine: str
    is_retired: bool = False  # corrected by another event, or discarded: it does not count
    retired_by: UUID | None = None  # the event that corrects it
    change: str = ""  # of a late one: "added", or "removed" since the reading


def event_row(row: Sequence[Any]) -> EventRow:
    """Return a row of a store's answer, its data still JSON."""
    values: list[Any] = list(row)
    values[8] = orjson.loads(values[8])
    return EventRow(*values)


class Fingerprint(NamedTuple):
    """What a span of events comes to; equal in two stores when every column of every row is."""

    events: int
    digest: int


class EventStore(Protocol):
    """Raw events of one company. A snapshot is Postgres' text of one: ``xmin:xmax:xip,…``.

    Without a snapshot a question is about now.
    """

    def answers(self, meter: MeterDefinition) -> bool:
        """Say whether the store can count a meter; Postgres can every one."""

    def put(self, events: Sequence[StoredEvent], *, version: int) -> None:
        """Keep events as they are now; an event kept before is replaced, unless it is newer.

        :param version: grows with every state of the books; again with the same changes nothing.
        """

    def get(self, ids: Sequence[UUID]) -> list[StoredEvent]:
        """Return those events that are here, by id."""

    def measure(self, meter: MeterDefinition, windows: Sequence[Window], snapshot: str) -> Found:
        """Count many windows at once, as of a snapshot; windows without events are left out.

        Averages come as sums, because the rest of the window may be in the hourly ones.
        """

    def days(
        self, meter: MeterDefinition, window: Window, *, snapshot: str | None
    ) -> list[tuple[date, Decimal]]:
        """Return the quantity per local day of the window's zone, days without events left out.

        Not of meters weighted by time, whose days are parts of a whole.
        """

    def page(
        self,
        meter: MeterDefinition,
        window: Window,
        *,
        snapshot: str,
        changed: bool,
        after: UUID | None,
        limit: int,
    ) -> list[EventRow]:
        """Page by id through what a window counted, or what ``changed`` in it since."""

    def fingerprint(self, since: datetime, until: datetime, snapshot: str) -> Fingerprint:
        """Fingerprint the events that happened in a span and whose last change is in a snapshot."""


def snapshot_bounds(snapshot: str) -> tuple[int, int, list[int]]:
    """Return the oldest transaction running, the first not begun, and those running between.

    >>> snapshot_bounds("10:20:10,14")
    (10, 20, [10, 14])
    """
    low, high, running = snapshot.split(":")
    return int(low), int(high), [int(one) for one in running.split(",") if one]


def snapshot_version(snapshot: str) -> int:
    """Return a number that grows from each snapshot to any later one that sees more.

    While the first transaction not begun stays the same, those running can only become fewer.
    """
    _, high, running = snapshot_bounds(snapshot)
    return (high << 20) + (1 << 20) - 1 - len(running)
