"""``bench month_end``: what closing a month costs, beside what it must cost at the least."""

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils import timezone

from billing.benches.company import Company, add_usage, make_company, nudge
from billing.benches.crew import crew, work_together
from billing.benches.grid import grid
from billing.benches.limits import copying_seconds, least_seconds, rewriting_seconds
from billing.benches.paper import FIRST, SHEETS, bare_rate, paper
from billing.services.bulk import start_bulk
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job
from monetization.tenancy.context import tenant_context

Figure = dict[str, Any]
ISSUED = 2_000  # invoices issued per size, at most


def month_end(options: dict[str, Any]) -> Iterator[Figure]:
    """Yield the figures of every size asked for, all over the same events, then the grid's."""
    with crew(options["workers"]):
        yield from _measured(options)


def _measured(options: dict[str, Any]) -> Iterator[Figure]:
    sizes, events = sorted(options["drafts"]), options["events"]
    company = make_company(sizes[-1])
    add_usage(company, events // 10, "tenth")
    _run(company, "recalculate", company.previous)
    few: dict[int, float] = {}
    begin = 0
    for size in sizes:
        part = _part(company, size, begin)
        begin += len(part.drafts)
        yield from _first(part, size, options["tryton"])
    for size in sizes:
        few[size] = _recalculated(_part(company, size), f"few-{size}")
    add_usage(company, events - events // 10, "rest")
    _run(company, "recalculate", company.previous)  # else every draft rises against it, and fails
    each: dict[int, float] = {}  # seconds a draft takes, by how many there are
    for size in sizes:
        yield from _again(_part(company, size), events, few[size], each)
    begin = 0
    for size in sizes:
        part = _part(company, min(size, ISSUED), begin)
        begin += len(part.drafts)
        yield from _sent(part, size)
    yield {"name": "month_end: peak memory", "value": _peak_mb(), "unit": "MB"}
    yield from grid(company, options["grid"])


def _part(company: Company, size: int, begin: int = 0) -> Company:
    """Return the company with so many of its customers, as if it had no others."""
    chosen = slice(begin, min(begin + size, len(company.drafts)))
    return replace(
        company,
        customers=company.customers[chosen],
        previous=company.previous[chosen],
        drafts=company.drafts[chosen],
    )


def _first(part: Company, size: int, tryton: float) -> Iterator[Figure]:
    """Calculate new drafts; set that beside Tryton's invoice run, 200 subscriptions of 5 lines."""
    count = len(part.drafts)
    if not count:
        return
    first = _run(part, "recalculate", part.drafts)
    yield _rate(f"{size:,} drafts: first calculation", count, first, least_seconds(part))
    yield {
        "name": f"month_end: {size:,} drafts: first calculation, times Tryton's {tryton:g}/s",
        "value": round(count / first / tryton, 1),
        "unit": "times",
    }


def _recalculated(part: Company, source: str) -> float:
    """Change every draft of a part; return the seconds a recalculation of them takes."""
    nudge(part, source)
    return _run(part, "recalculate", part.drafts)


def _again(part: Company, events: int, few: float, each: dict[int, float]) -> Iterator[Figure]:
    count = len(part.drafts)
    size = f"{count:,} drafts"
    nudge(part, f"all-{count}")
    preview = _run(part, "preview", part.drafts)
    yield _rate(f"{size}: review of a change on every draft", count, preview, None)
    same = rewriting_seconds(part)
    full = _run(part, "recalculate", part.drafts)
    each[count] = full / count
    name = f"{size}: recalculate, every draft changed"
    yield _rate(name, count, full, least_seconds(part))
    yield _rate(
        f"{name}, to read, rate and COPY of what it left", count, full, copying_seconds(part)
    )
    yield _rate(f"{name}, to the least that leaves the same rows", count, full, same)
    yield _share(f"{size}: {events:,} events against {events // 10:,}", full, few)
    nothing = _run(part, "recalculate", part.drafts)
    yield _share(f"{size}: recalculate, nothing changed, against all", nothing, full)
    nudge(_part(part, max(1, count // 100)), f"dirty-{count}")
    dirty = _run(part, "recalculate", part.drafts)
    yield _share(f"{size}: recalculate, 1 % changed, against all", dirty, full)
    fewest = min(each)
    yield _share(f"{size}: seconds a draft against {fewest:,}", each[count], each[fewest])


def _sent(part: Company, size: int) -> Iterator[Figure]:
    count = len(part.drafts)
    if not count:
        return
    name = f"{size:,} drafts"
    yield _rate(f"{name}: issue", count, _run(part, "issue", part.drafts), None)
    _run(part, "send", part.drafts[:FIRST])
    sheets = part.drafts[FIRST : FIRST + SHEETS]
    yield from paper(_run(part, "send", sheets), len(sheets), bare_rate(part, sheets), name)


def _run(company: Company, action: str, invoices: Sequence[UUID]) -> float:
    """Run a job over invoices as the workers do; return the seconds it took."""
    now = timezone.now()
    began = time.perf_counter()
    with tenant_context(company.tenant_id, actor="bench"):
        day = company.bill_on if action == "issue" else None
        job = start_bulk(action=action, invoice_ids=invoices, issued_on=day)
        token = claim_job(job_id=job.id, now=now)
    if job.is_finished:  # all were up to date
        return time.perf_counter() - began
    if token is None:
        raise RuntimeError("a worker took the job; measure without one")
    work_together((company.tenant_id, job.id, token), job.lanes)
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
