"""A usage event, its canonical payload, and what was decided about it. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from monetization.kernel.decimals import plain

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode

Value = str | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One thing that happened, in CloudEvents terms."""

    source: str
    id: str
    type: str
    subject: str  # the customer alias
    time: datetime  # aware
    data: Mapping[str, Value]


class Outcome(StrEnum):
    CREATED = "created"
    DUPLICATE = "duplicate"  # known already, with the same payload
    CONFLICT = "conflict"  # known already, with another payload: the first is kept
    INVALID = "invalid"  # refused; nothing is stored
    QUARANTINED = "quarantined"  # stored, but does not count until somebody releases it


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one event of a batch."""

    index: int
    id: str
    outcome: Outcome
    field: str = ""
    reason: str = ""
    is_matched: bool = True  # False: nobody holds the alias yet


def identity_hash(source: str, id: str) -> UUID:
    """Return 128 bits that identify an event within its tenant for ever."""
    return UUID(bytes=hashlib.sha256(f"{len(source)}:{source}{id}".encode()).digest()[:16])


def payload_hash(event: UsageEvent) -> bytes:
    """Return SHA-256 of what the event says; equal content hashes alike, however written."""
    content = [
        event.type,
        event.subject,
        event.time.astimezone(UTC).isoformat(),
        {key: jsonable(value) for key, value in event.data.items()},
    ]
    return hashlib.sha256(_canonical(content).encode()).digest()


def jsonable(value: Value) -> str | bool | None:
    """Return a value as it is stored: numbers as plain strings, so that they stay exact."""
    return plain(value) if isinstance(value, Decimal) else value
