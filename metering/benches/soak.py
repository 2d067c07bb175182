"""``bench soak``: usage sent without a pause, folded as in production, counted again at the end.

Rates of ten seconds say little: indexes fill, deltas wait, vacuum begins. The last minute is set
against the first.
"""

import multiprocessing
import socket
import time
from collections.abc import Iterator, Sequence
from statistics import median
from threading import Thread
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connections
from django.utils import timezone

from metering.benches.ingest import company_of_the_run
from metering.benches.subjects import answered, request_of, web_server
from metering.benches.workload import make_events
from metering.models import Meter
from metering.selectors import meter_definition
from metering.services import fold_usage
from metering.stores import deltas
from metering.stores.postgres import bulk_cursor
from monetization.tenancy.context import tenant_context

Figure = dict[str, Any]
BODIES, SIZE, CONNECTIONS = 20, 1_000, 4
LEAST = 0.85  # of the first minute's rate in the last
_TIME, _SENDER = b"ffffffff-ffff", b"a000"  # in every id of a body: put in as it is sent


def soak(options: dict[str, Any]) -> Iterator[Figure]:
    """Yield the rate of every minute, the last against the first, and what a recount differs by."""
    seconds = max(2, round(options["minutes"] * 60))
    with company_of_the_run() as company, web_server(options["workers"], DEBUG="0") as server:
        connections.close_all()
        getattr(connections["default"], "close_pool", lambda: None)()
        fork = multiprocessing.get_context("fork")
        stop, ours, theirs = fork.Event(), *fork.Pipe()
        folder = fork.Process(target=_fold, args=(company.tenant_id, stop))
        client = fork.Process(target=_send, args=(server.port, company.key, seconds, theirs))
        folder.start()
        client.start()
        sent, refused = ours.recv()
        client.join()
        stop.set()
        folder.join()
        peak = server.peak_mb()
        yield from _rates(sent, seconds)
        yield {
            "name": "soak: requests not answered with 200",
            "value": refused,
            "unit": "",
            "limit": 0,
        }
        yield {"name": "soak: peak memory of a web process", "value": round(peak, 1), "unit": "MB"}
        yield from _differences(company.tenant_id, sum(count for _, count, _ in sent))


def _rates(sent: Sequence[tuple[float, int, float]], seconds: int) -> Iterator[Figure]:
    """Yield a figure a minute; of a run under two minutes, of its two halves."""
    step = 60 if seconds >= 120 else seconds / 2
    rates = []
    for number in range(int(seconds // step)):
        part = [one for one in sent if number * step <= one[0] < (number + 1) * step]
        took = sorted(one[2] for one in part) or [0.0]
        rates.append(sum(one[1] for one in part) / step)
        yield {
            "name": f"soak: {number * step:.0f} to {(number + 1) * step:.0f} s",
            "value": round(rates[-1]),
            "unit": "events/s",
            "p50_ms": round(median(took) * 1000, 1),
            "p99_ms": round(took[len(took) * 99 // 100] * 1000, 1),
        }
    yield {
        "name": "soak: the last against the first",
        "value": round(rates[-1]),
        "unit": "events/s",
        "limit": round(rates[0]),
        "ratio": round(rates[-1] / rates[0], 3) if rates[0] else 0.0,
        "n": len(sent),
    }


def _fold(tenant_id: UUID, stop: Any) -> None:
    """Fold as the task does, as often as the schedule says."""
    pause = settings.CELERY_BEAT_SCHEDULE["fold-usage"]["schedule"]
    while not stop.wait(pause):
        _fold_all(tenant_id)
    connections.close_all()


def _fold_all(tenant_id: UUID) -> None:
    folded = 1
    while folded:
        with tenant_context(tenant_id, actor="bench"):
            folded = fold_usage()


def _send(port: int, key: str, seconds: float, told: Any) -> None:
    """Send batch after batch over every connection; tell when each came, of how many, how long."""
    bodies = [_body(number) for number in range(BODIES)]
    sent: list[tuple[float, int, float]] = []
    refused: list[int] = []
    began = time.perf_counter()

    def post(sender: int) -> None:
        number = sender
        with socket.create_connection(("127.0.0.1", port)) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (at := time.perf_counter()) - began < seconds:
                body = _with_ids(bodies[number % BODIES], sender)
                wire.sendall(request_of(key, body))
                status = answered(wire)
                sent.append((at - began, SIZE, time.perf_counter() - at))
                if status != 200:
                    refused.append(status)
                number += 1

    senders = [Thread(target=post, args=(number,)) for number in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    told.send((sent, len(refused)))


def _body(number: int) -> bytes:
    events = make_events(SIZE, until=timezone.now(), seed=number)
    for place, event in enumerate(events):
        event["id"] = f"{_TIME.decode()}-7{place:03x}-{_SENDER.decode()}-{number:012x}"
    return orjson.dumps(events)


def _with_ids(body: bytes, sender: int) -> bytes:
    """Return the body with ids nobody sent: UUIDs of version 7, of this moment and sender."""
    moment = f"{time.time_ns() // 1_000_000:012x}"
    written = f"{moment[:8]}-{moment[8:]}".encode()
    return body.replace(_TIME, written).replace(_SENDER, f"a{sender:03x}".encode())


def _differences(tenant_id: UUID, sent: int) -> Iterator[Figure]:
    """Count everything again from the events, by meter, and set it against the hourly sums."""
    _fold_all(tenant_id)
    with tenant_context(tenant_id, actor="bench"):
        for meter in map(meter_definition, Meter.objects.order_by("key")):
            kept = _kept(meter.rollup)
            deltas.rebuild_rollup(meter)
            again = _kept(meter.rollup)
            yield {
                "name": f"soak: events counted in {kept[2]} sums, of {sent:,} sent",
                "value": int(kept[1]),
                "unit": "events",
                "limit": int(again[1]),
                "ratio": round(float(kept[1] / again[1]), 6) if again[1] else 0.0,
            }
            yield {
                "name": f"soak: sums less a recount, {meter.aggregation}",
                "value": float(kept[0] - again[0]),
                "unit": "",
                "limit": 0,
            }


def _kept(rollup_id: UUID) -> tuple[Any, Any, int]:
    """Return quantity and events of a meter's sums, waiting deltas included, and how many sums."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(quantity), 0), coalesce(sum(events), 0), count(*)::int FROM ("
            " SELECT quantity, events FROM metering_usagerollup WHERE meter_id = %b"
            " UNION ALL SELECT quantity, events FROM metering_usagedelta WHERE meter_id = %b) s",
            [rollup_id, rollup_id],
        )
        return cursor.fetchone() or (0, 0, 0)
