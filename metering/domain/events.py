"""A usage event, its canonical payload, and what was decided about it. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import orjson

from monetization.kernel.decimals import plain

Value = str | Decimal | bool | None
SUPERSEDES, VOIDS = "supersedes", "voids"


class Correction(NamedTuple):
    """Which earlier event an event takes back; ``supersedes`` it, or only ``voids`` it."""

    kind: str
    source: str
    id: str


class UsageEvent(NamedTuple):
    """One thing that happened, in CloudEvents terms.

    A tuple, because a hundred thousand of them are made a second.
    """

    source: str
    id: str
    type: str
    subject: str  # the customer alias
    time: datetime  # aware
    data: Mapping[str, Value]  # numbers as decimals or, equally, as plain text
    corrects: Correction | None = None


class Outcome(StrEnum):
    CREATED = "created"
    DUPLICATE = "duplicate"  # known already, with the same payload
    CONFLICT = "conflict"  # known already, with another payload: the first is kept
    INVALID = "invalid"  # refused; nothing is stored
    QUARANTINED = "quarantined"  # stored, but does not count until somebody releases it


class Verdict(NamedTuple):
    """What became of one event of a batch."""

    index: int  # type: ignore[assignment]  # a field here, not the tuple's method
    id: str
    outcome: Outcome
    field: str = ""
    reason: str = ""
    is_matched: bool = True  # False: nobody holds the alias yet


_SHORT = 256
# An id that is a UUID of version 7 begins with the time it was made at.
_timed = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7").match


def identities(sources: Sequence[str], ids: Sequence[str]) -> list[bytes]:
    """Return of each event the 128 bits that identify it within its tenant for ever.

    A hash of both; behind the 48 bits of its time for a UUID of version 7, so that new
    identities sit together in the index.
    """
    hashes = [
        sha256(f"{len(source)}:{source}{id}".encode()).digest()
        for source, id in zip(sources, ids, strict=True)
    ]
    return [
        bytes.fromhex(id[:8] + id[9:13]) + hashed[:10] if _timed(id) else hashed[:16]
        for id, hashed in zip(ids, hashes, strict=True)
    ]


def identity_bytes(source: str, id: str) -> bytes:
    """Return the identity of one event."""
    return identities([source], [id])[0]


def identity_hash(source: str, id: str) -> UUID:
    """Return the same bits as the id that the store keeps."""
    return UUID(bytes=identity_bytes(source, id))


def data_json(data: Mapping[str, Value]) -> bytes:
    """Return the measurements as they are stored and hashed: keys sorted, numbers as text."""
    written = orjson.dumps(data, default=jsonable, option=orjson.OPT_SORT_KEYS)
    # orjson leaves room for eight times the text behind what it wrote: a copy has none.
    return written if len(written) <= _SHORT else memoryview(written).tobytes()


def payloads(events: Sequence[UsageEvent], data: Sequence[bytes]) -> list[bytes]:
    """Return of each event SHA-256 of what it says.

    :param data: of each, ``data_json(event.data)``.
    """
    dumps, fragment = orjson.dumps, orjson.Fragment
    return [
        sha256(
            dumps((type, subject, time, fragment(written)))
            if corrects is None and time.tzinfo is UTC
            else dumps(_said(event, written))
        ).digest()
        for event, written in zip(events, data, strict=True)
        for _, _, type, subject, time, _, corrects in (event,)
    ]


def _said(event: UsageEvent, data: bytes) -> tuple[object, ...]:
    said = (event.type, event.subject, event.time.astimezone(UTC), orjson.Fragment(data))
    return said if event.corrects is None else (*said, tuple(event.corrects))


def payload_hash(event: UsageEvent) -> bytes:
    """Return SHA-256 of what the event says; equal content hashes alike, however written."""
    return payloads([event], [data_json(event.data)])[0]


def jsonable(value: Value) -> str | bool | None:
    """Return a value as it is stored: numbers as plain strings, so that they stay exact."""
    return plain(value) if isinstance(value, Decimal) else value


def stored_text(value: Value) -> str | None:
    """Return a value as Postgres reads it out of the stored measurements as text."""
    if value is True or value is False:
        return "true" if value else "false"
    return plain(value) if isinstance(value, Decimal) else value
