"""Two workers at one recalculation say what one would, and a second run finds nothing to do."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from billing.models import CalculationMark, Invoice, Recalculation
from billing.services.bulk import start_bulk
from billing.services.calculation import InvoiceChange
from billing.services.invoicing import preview_invoices, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.services import fold_usage, record_usage_events
from monetization.jobs import services, tasks
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job
from monetization.kernel.period import Frequency
from monetization.pricing.terms import MinimumTerms
from monetization.tenancy.context import tenant_context
from tests.factories import make_tenant
from tests.factories_billing import (
    CALLS,
    PLATFORM,
    billed,
    deal,
    make_calls_meter,
    make_customer,
)

NOW = datetime(2026, 4, 2, tzinfo=UTC)
CUSTOMERS = 5
QUARTER = MinimumTerms(Decimal(9_000), Frequency.QUARTERLY)


@pytest.fixture
def company(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Customers with the drafts of four months; three batches, so that they share batches.

    What most owe on 1 April depends on what the months before it come to.
    """
    kind = services._kinds["invoices.recalculate"]
    monkeypatch.setitem(services._kinds, kind.name, replace(kind, batch_size=3))
    made = make_tenant("Two workers")
    with tenant_context(made.id, actor="test"):
        make_calls_meter(NOW)
        for number in range(CUSTOMERS):
            terms = deal(PLATFORM, CALLS, minimum=QUARTER if number else None)
            billed(terms, now=NOW, customer=make_customer(f"c{number}"))
    return made


def use(company: Any, random: Random, source: str) -> None:
    """Let some customers use something in some months; fold some of it."""
    events = [
        UsageEvent(
            source,
            str(number),
            "api",
            f"c{random.randrange(CUSTOMERS)}",
            datetime(2026, random.randint(1, 3), random.randint(1, 28), tzinfo=UTC),
            {"n": Decimal(random.randint(1, 2_000))},
        )
        for number in range(random.randint(4, 9))
    ]
    with tenant_context(company.id, actor="test"):
        record_usage_events(events, now=NOW)
        if random.random() < 0.5:
            fold_usage()


def recalculated(company: Any, workers: int = 2) -> tuple[Job, Counter[str]]:
    """Recalculate everything by so many workers; return the job and what its items came to."""
    with tenant_context(company.id, actor="test"):
        ids = list(Invoice.objects.values_list("id", flat=True))
        job = start_bulk(action="recalculate", invoice_ids=ids)
        if job.is_finished:
            return job, Counter()
        token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    ready = Barrier(workers)

    def work() -> None:
        ready.wait(10)
        tasks.work(company.id, job.id, token)
        connection.close()

    threads = [Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tenant_context(company.id):
        job.refresh_from_db()
        return job, Counter(job.items.values_list("status", flat=True))


def slow_preview(ids: list[UUID]) -> list[InvoiceChange]:
    """Say what would change if nothing were passed over."""
    with transaction.atomic():
        CalculationMark.objects.all().delete()
        found = preview_invoices(invoice_ids=ids, now=NOW)
        transaction.set_rollback(True)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_two_workers_and_the_quick_way_say_what_computing_everything_says(
    company: Any, seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - a schedule, no secret
    for step in range(2):
        use(company, random, f"run-{step}")
        with tenant_context(company.id, actor="test"):
            ids = list(Invoice.objects.values_list("id", flat=True))
            expected = {change.invoice_id: change for change in slow_preview(ids)}
            known = Recalculation.objects.count()
        job, came_to = recalculated(company)
        assert job.status == "succeeded"
        assert job.lanes > 1
        assert job.done == len(ids) == sum(came_to.values()) + job.up_to_date
        assert came_to["done"] == len(expected) > 0
        with tenant_context(company.id, actor="test"):
            assert Recalculation.objects.count() == known + len(expected)
            for invoice_id, change in expected.items():
                assert Invoice.objects.get(id=invoice_id).total_amount == change.total_after
            assert recalculate_invoices(invoice_ids=ids, now=NOW) == []  # the quick way
            assert slow_preview(ids) == []
        again, nothing = recalculated(company)
        assert set(nothing) <= {"skipped"}  # of those whose usage waits to be folded
        assert (again.status, again.done) == ("succeeded", len(ids))
