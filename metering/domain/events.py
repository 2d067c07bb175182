"""A usage event, its canonical payload, and what was decided about it. Pure."""

from collections.abc import Mapping
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


def identity_bytes(source: str, id: str) -> bytes:
    """Return the 128 bits that identify an event within its tenant for ever."""
    return sha256(f"{len(source)}:{source}{id}".encode()).digest()[:16]


def identity_hash(source: str, id: str) -> UUID:
    """Return the same bits as the id that the store keeps."""
    return UUID(bytes=identity_bytes(source, id))


def data_json(data: Mapping[str, Value]) -> bytes:
    """Return the measurements as they are stored and hashed: keys sorted, numbers as text."""
    stored = {key: value if type(value) is str else jsonable(value) for key, value in data.items()}
    return orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)


def payload_bytes(event: UsageEvent, data: bytes) -> bytes:
    """Return SHA-256 of what the event says.

    :param data: of ``data_json(event.data)``.
    """
    time = event.time if event.time.tzinfo is UTC else event.time.astimezone(UTC)
    head = orjson.dumps((event.type, event.subject, time))
    corrects = b"" if event.corrects is None else b"," + orjson.dumps(tuple(event.corrects))
    return sha256(b"%b,%b%b]" % (head[:-1], data, corrects)).digest()


def payload_hash(event: UsageEvent) -> bytes:
    """Return SHA-256 of what the event says; equal content hashes alike, however written."""
    return payload_bytes(event, data_json(event.data))


def jsonable(value: Value) -> str | bool | None:
    """Return a value as it is stored: numbers as plain strings, so that they stay exact."""
    return plain(value) if isinstance(value, Decimal) else value


def stored_text(value: Value) -> str | None:
    """Return a value as Postgres reads it out of the stored measurements as text."""
    if value is True or value is False:
        return "true" if value else "false"
    return plain(value) if isinstance(value, Decimal) else value
