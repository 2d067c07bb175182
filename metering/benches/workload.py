"""What the ingest benchmark sends: bodies for the door, and the same rows for raw COPY."""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson

from metering.domain.events import UsageEvent, identity_hash, payload_hash
from monetization.kernel.ids import uuid7

CUSTOMERS = 200
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MODELS, REGIONS = ("small", "medium", "large"), ("eu-west-1", "us-east-1")


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's body, and its rows in COPY's binary form."""

    events: int
    body: bytes
    event_rows: bytes
    key_rows: bytes


def alias(number: int) -> str:
    return f"customer-{number:04d}"


def make_events(
    count: int, *, until: datetime, seed: int, ids: str = "time"
) -> list[dict[str, Any]]:
    """Make events as a client would: two texts, two numbers, two hours of time.

    :param ids: "time" for UUIDs of version 7, "random" for version 4.
    """
    new_id = uuid7 if ids == "time" else uuid4
    chance = random.Random(seed)  # noqa: S311  (a benchmark's data, nothing secret)
    begin = until - timedelta(hours=2)
    step = timedelta(hours=2) / count
    return [
        {
            "id": str(new_id()),
            "source": "bench",
            "type": "api.request",
            "customer": alias(int(CUSTOMERS * chance.random() ** 2)),
            "time": (begin + step * number).isoformat().replace("+00:00", "Z"),
            "data": {
                "tokens": chance.randint(1, 5000),
                "milliseconds": str(chance.randint(1, 900)),
                "model": chance.choice(MODELS),
                "region": chance.choice(REGIONS),
            },
        }
        for number in range(count)
    ]


def repeat_some(events: list[dict[str, Any]], percent: int, seed: int) -> list[dict[str, Any]]:
    """Return the events with so many of them being earlier ones sent again."""
    chance = random.Random(seed)  # noqa: S311
    result = list(events)
    for number in range(1, len(result)):
        if chance.random() * 100 < percent:
            result[number] = events[chance.randrange(number)]
    return result


def batches_of(
    events: Sequence[dict[str, Any]], size: int, tenant_id: UUID, customers: dict[str, UUID]
) -> list[Batch]:
    found = []
    for start in range(0, len(events), size):
        part = events[start : start + size]
        rows = [_copy_rows(event, tenant_id, customers) for event in part]
        found.append(
            Batch(
                events=len(part),
                body=orjson.dumps(part),
                event_rows=b"".join(row for row, _ in rows),
                key_rows=b"".join(row for _, row in rows),
            )
        )
    return found


def _copy_rows(
    item: dict[str, Any], tenant_id: UUID, customers: dict[str, UUID]
) -> tuple[bytes, bytes]:
    time = datetime.fromisoformat(item["time"])
    data = {key: str(value) for key, value in item["data"].items()}
    event = UsageEvent(item["source"], item["id"], item["type"], item["customer"], time, data)
    event_id = uuid7()
    micros = (time - POSTGRES_EPOCH) // timedelta(microseconds=1)
    event_row = _row(
        tenant_id.bytes,
        event_id.bytes,
        event.source.encode(),
        event.id.encode(),
        event.type.encode(),
        event.subject.encode(),
        customers[event.subject].bytes,
        struct.pack("!q", micros),
        b"\x01" + orjson.dumps(data),
        b"",
    )
    key = identity_hash(event.source, event.id)
    return event_row, _row(tenant_id.bytes, _bytes(key), payload_hash(event), event_id.bytes)


def _bytes(key: Any) -> bytes:
    return key.bytes if isinstance(key, UUID) else bytes(key)


def _row(*values: bytes) -> bytes:
    return struct.pack("!h", len(values)) + b"".join(
        struct.pack("!i", len(value)) + value for value in values
    )
