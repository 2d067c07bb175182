"""``bench live_usage``: how soon usage shows in the accrued amount, and what a look costs."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID

from django.db import connections
from django.utils import timezone

from billing.benches.company import Company, add_usage, make_company
from billing.services.accrued import accrued_of_customers, totals_by_currency
from metering.domain.events import UsageEvent
from metering.models import Meter
from metering.selectors import meter_definition
from metering.selectors.meters import by_group
from metering.services import fold_usage, record_usage_events
from monetization.tenancy.context import tenant_context

Figure = dict[str, Any]
CUSTOMERS, PROBES, READS, BATCH = 50, 100, 15, 500
FEW = 1_000_000  # events, at most, behind the first look
ALLOWED = 1.0  # seconds from being acknowledged to being visible, at the 99th percentile
FOLD_EVERY = 20  # batches of one writer


def live_usage(options: dict[str, Any]) -> Iterator[Figure]:
    """Yield the delay until an acknowledged event is in the amount, then the cost of a look."""
    company = make_company(CUSTOMERS)
    few = max(1, min(FEW, options["events"] // 20))
    add_usage(company, few, "few")
    for load in (0, options["workers"]):
        with _writers(company, load) as written:
            began = time.perf_counter()
            delays = sorted(_delays(company))
            took = time.perf_counter() - began
            rate = written.value / took
        where = f"under {rate:,.0f} events/s" if load else "alone"
        yield _delay(f"acknowledged to visible, {where}", delays)
    with tenant_context(company.tenant_id, actor="bench"):
        while fold_usage():
            pass
    before = _look_seconds(company)
    add_usage(company, options["events"], "many")
    after = _look_seconds(company)
    yield {
        "name": f"live_usage: a customer's month, {options['events']:,} events against {few:,}",
        "value": round(after * 1000, 1),
        "unit": "ms",
        "limit": round(before * 1000, 1),
        "ratio": round(after / before, 3),
        "n": READS,
    }
    yield from _recounted(company)


def _recounted(company: Company) -> Iterator[Figure]:
    """Yield what reads cost that count a customer's month from its events: groups and levels."""
    start = datetime.combine(company.month, datetime.min.time(), UTC)
    end = datetime.combine(company.bill_on, datetime.min.time(), UTC)
    with tenant_context(company.tenant_id, actor="bench"):
        meter = meter_definition(Meter.objects.get(key="tokens"))
    for name, asked in (
        ("told apart by a property", meter),
        ("of a level weighted by time", replace(meter, aggregation="weighted_sum")),
    ):
        seconds, events = [], 0
        for customer_id in company.customers[:READS]:
            began = time.perf_counter()
            with tenant_context(company.tenant_id, actor="bench"):
                span: dict[str, Any] = {"start": start, "end": end, "customer_id": customer_id}
                events = sum(one.events for one in by_group(asked, ("model",), **span))
            seconds.append(time.perf_counter() - began)
        yield {
            "name": f"live_usage: a customer's month {name}, of {events:,} events",
            "value": round(median(seconds) * 1000, 1),
            "unit": "ms",
            "n": READS,
        }


def _delay(name: str, delays: list[float]) -> Figure:
    worst = delays[min(len(delays) - 1, len(delays) * 99 // 100)]
    return {
        "name": f"live_usage: {name}, p99",
        "value": round(worst * 1000, 1),
        "unit": "ms",
        "limit": ALLOWED * 1000,
        "ratio": round(worst / ALLOWED, 3),
        "n": len(delays),
        "median": round(median(delays) * 1000, 1),
        "min": round(delays[0] * 1000, 1),
        "max": round(delays[-1] * 1000, 1),
    }


def _moment(company: Company) -> datetime:
    middle = datetime.combine(company.month, datetime.min.time(), UTC)
    return middle + timedelta(days=14, minutes=7)


def _event(company: Company, number: int, id: str, units: int) -> UsageEvent:
    return UsageEvent(
        "bench",
        id,
        "api.tokens",
        f"Customer {number:06d}",
        _moment(company),
        {"units": Decimal(units)},
    )


def _accrued(company: Company, customer_id: UUID) -> Decimal:
    with tenant_context(company.tenant_id, actor="bench"):
        bills = accrued_of_customers(customer_ids=[customer_id], now=timezone.now())
        return sum((one.under_review.amount for one in totals_by_currency(bills)), Decimal(0))


def _delays(company: Company) -> Iterator[float]:
    """Send one event after the other and look until the amount has moved."""
    last = len(company.customers)
    customer_id = company.customers[-1]
    run = f"{os.getpid()}-{time.monotonic_ns()}"
    for probe in range(PROBES):
        known = _accrued(company, customer_id)
        event = _event(company, last, f"probe-{run}-{probe}", 1_000_000)  # moves it by a lot
        with tenant_context(company.tenant_id, actor="bench"):
            record_usage_events([event], now=timezone.now())
        acknowledged = time.perf_counter()
        while _accrued(company, customer_id) == known:
            if time.perf_counter() - acknowledged > 60 * ALLOWED:
                raise RuntimeError("an acknowledged event never showed in the amount")
        yield time.perf_counter() - acknowledged


def _look_seconds(company: Company) -> float:
    """Return the median time of computing what one customer owes by now."""
    seconds = []
    for customer_id in company.customers[:READS]:
        began = time.perf_counter()
        _accrued(company, customer_id)
        seconds.append(time.perf_counter() - began)
    return median(seconds)


def _write(company: Company, writer: int, stop: Any, written: Any) -> None:
    """Send batches for every customer but the last until told to stop, folding now and then."""
    others = max(1, len(company.customers) - 1)
    sent = 0
    while not stop.is_set():
        batch = [
            _event(company, 1 + (sent + n) % others, f"load-{os.getpid()}-{sent + n}", n)
            for n in range(BATCH)
        ]
        with tenant_context(company.tenant_id, actor="bench"):
            record_usage_events(batch, now=timezone.now())
        sent += BATCH
        with written.get_lock():
            written.value += BATCH
        if writer == 0 and sent % (BATCH * FOLD_EVERY) == 0:
            with tenant_context(company.tenant_id, actor="bench"):
                fold_usage()
    connections.close_all()


@contextmanager
def _writers(company: Company, count: int) -> Iterator[Any]:
    """Keep so many processes writing as fast as they can."""
    connections.close_all()
    getattr(connections["default"], "close_pool", lambda: None)()
    fork = multiprocessing.get_context("fork")
    stop, written = fork.Event(), fork.Value("q", 0)
    processes = [
        fork.Process(target=_write, args=(company, writer, stop, written))
        for writer in range(count)
    ]
    for process in processes:
        process.start()
    try:
        yield written
    finally:
        stop.set()
        for process in processes:
            process.join(60)
