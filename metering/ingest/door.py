"""From a request's bytes to a verdict per event, and to the answer's bytes."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from metering.domain.events import UsageEvent, Verdict
from metering.ingest import quick
from metering.ingest.parser import parse_batch, read_events
from metering.services.recording import record
from monetization.interface.problems import Unprocessable

MAX_BATCH = 10_000
DEFAULT_SOURCE = "api"
LOCK_WAIT = "10s"  # no lock keeps a batch waiting for longer than its sender would


def read_batch(body: bytes, *, ndjson: bool) -> list[UsageEvent | Verdict]:
    """Return the events of a body in order, and the verdict on each that cannot be one.

    :raises ParseError: if the body as a whole cannot be read.
    :raises Unprocessable: if it has no event, or more than 10,000.
    """
    read = quick.read_batch(body, ndjson=ndjson, default_source=DEFAULT_SOURCE)
    if read is None:
        raw = parse_batch(body, ndjson=ndjson)
        _check_size(len(raw))
        return read_events(raw, default_source=DEFAULT_SOURCE)
    _check_size(len(read))
    return read


def _check_size(events: int) -> None:
    if not events:
        raise Unprocessable("the batch is empty")
    if events > MAX_BATCH:
        raise Unprocessable(f"a batch has at most {MAX_BATCH} events; this has {events}")


def take_in(body: bytes, *, ndjson: bool, now: datetime) -> list[Verdict]:
    """Read and store a batch in the caller's transaction; return a verdict for each event."""
    return store(read_batch(body, ndjson=ndjson), now=now)


def store(read: Sequence[UsageEvent | Verdict], *, now: datetime) -> list[Verdict]:
    """Store what could be read; return a verdict for each, in order."""
    events = [item for item in read if type(item) is UsageEvent]
    found = record(events, now=now, lock_wait=LOCK_WAIT)
    if len(events) == len(read):
        return found
    verdicts = iter(found)
    return [
        item if isinstance(item, Verdict) else next(verdicts)._replace(index=index)
        for index, item in enumerate(read)
    ]


def answer(verdicts: Sequence[Verdict]) -> bytes:
    """Return the JSON answer: how many of each, and every event's verdict."""
    counts = Counter([verdict.outcome._value_ for verdict in verdicts])
    return orjson.dumps({"counts": counts, "events": [verdict_data(one) for one in verdicts]})


def verdict_data(verdict: Verdict) -> dict[str, Any]:
    index, name, outcome, field, reason, is_matched = verdict
    data: dict[str, Any] = {
        "index": index,
        "id": name,
        "verdict": outcome._value_,
        "matched": is_matched,
    }
    if reason:
        data["field"], data["reason"] = field, reason
    return data
