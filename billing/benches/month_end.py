"""``bench month_end``: what closing a month costs, beside what it must cost at the least."""

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils import timezone

from billing.benches.company import Company, add_usage, make_company
from billing.benches.grid import grid
from billing.benches.limits import least_seconds
from billing.benches.paper import SHEETS, bare_rate, paper
from billing.services.bulk import start_bulk
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job, run_next_batch
from monetization.tenancy.context import tenant_context

Figure = dict[str, Any]
TRYTON = 30  # draft invoices a second of Tryton 8.2's invoice run, 200 subscriptions of 5 lines
ISSUED = 2_000  # invoices issued per size, at most


def month_end(options: dict[str, Any]) -> Iterator[Figure]:
    """Yield the figures of every size asked for, then the grid's."""
    company = None
    each: dict[int, float] = {}  # seconds a draft takes, by how many there are
    for drafts in options["drafts"]:
        company = make_company(drafts)
        yield from _closing(company, options["events"], each)
        fewest = min(each)
        yield _share(
            f"{drafts:,} drafts: seconds a draft against {fewest:,}", each[drafts], each[fewest]
        )
    if company is not None:
        yield from grid(company, options["grid"])


def _closing(company: Company, events: int, each: dict[int, float]) -> Iterator[Figure]:
    count = len(company.drafts)
    size = f"{count:,} drafts"
    add_usage(company, events // 10, "tenth")
    _run(company, "recalculate", company.previous)
    first = _run(company, "recalculate", company.drafts)
    least = least_seconds(company)
    yield _rate(f"{size}: first calculation", count, first, least)
    yield {
        "name": f"month_end: {size}: first calculation, times Tryton's {TRYTON}/s",
        "value": round(count / first / TRYTON, 1),
        "unit": "times",
    }
    _nudge(company, "few")
    few = _run(company, "recalculate", company.drafts)
    add_usage(company, events - events // 10, "rest")
    _run(company, "recalculate", company.previous)  # else every draft rises against it, and fails
    yield _rate(f"{size}: review of a change on every draft", count, _previewed(company), None)
    full = _run(company, "recalculate", company.drafts)
    each[count] = full / count
    yield _rate(f"{size}: recalculate, every draft changed", count, full, least_seconds(company))
    yield _share(f"{size}: {events:,} events against {events // 10:,}", full, few)
    nothing = _run(company, "recalculate", company.drafts)
    yield _share(f"{size}: recalculate, nothing changed, against all", nothing, full)
    _nudge(company, "one", max(1, count // 100))
    dirty = _run(company, "recalculate", company.drafts)
    yield _share(f"{size}: recalculate, 1 % changed, against all", dirty, full)
    chosen = company.drafts[:ISSUED]
    yield _rate(f"{size}: issue", len(chosen), _run(company, "issue", chosen), None)
    sent = chosen[:SHEETS]
    yield from paper(_run(company, "send", sent), len(sent), bare_rate(company, sent), size)
    yield {"name": f"month_end: {size}: peak memory", "value": _peak_mb(), "unit": "MB"}


def _previewed(company: Company) -> float:
    return _run(company, "preview", company.drafts)


def _nudge(company: Company, source: str, customers: int = 0) -> None:
    """Give customers one more event on every meter; all of them by default."""
    everybody = company.customers
    company.customers = everybody[: customers or len(everybody)]
    add_usage(company, 4 * len(company.customers), source)
    company.customers = everybody


def _run(company: Company, action: str, invoices: Sequence[UUID]) -> float:
    """Run a job over invoices as a worker does; return the seconds it took."""
    now = timezone.now()
    began = time.perf_counter()
    with tenant_context(company.tenant_id, actor="bench"):
        day = company.bill_on if action == "issue" else None
        job = start_bulk(action=action, invoice_ids=invoices, issued_on=day)
        token = claim_job(job_id=job.id, now=now)
    if token is None:
        raise RuntimeError("a worker took the job; measure without one")
    more = True
    while more:
        with tenant_context(company.tenant_id, actor="bench"):
            more = run_next_batch(job_id=job.id, token=token, now=timezone.now())
    took = time.perf_counter() - began
    with tenant_context(company.tenant_id):
        ended: Job = Job.objects.get(id=job.id)
        if ended.failed:
            errors = ended.items.exclude(error="").values_list("error", flat=True)
            raise RuntimeError(f"{ended.failed} of {ended.total} failed: {errors[0]}")
    return took


def _rate(name: str, count: int, seconds: float, least: float | None) -> Figure:
    """Say a rate against that of the least work that gives the same."""
    figure: Figure = {
        "name": f"month_end: {name}",
        "value": round(count / seconds, 1),
        "unit": "invoices/s",
        "n": count,
    }
    if least is not None:
        figure |= {"limit": round(count / least, 1), "ratio": round(least / seconds, 3)}
    return figure


def _share(name: str, seconds: float, whole: float) -> Figure:
    return {
        "name": f"month_end: {name}",
        "value": round(seconds, 5),
        "unit": "s",
        "limit": round(whole, 5),
        "ratio": round(seconds / whole, 3),
    }


def _peak_mb() -> float:
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        found = next(line for line in lines if line.startswith("VmHWM"))
        return int(found.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
