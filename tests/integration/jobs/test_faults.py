"""What a job meets on its way: rows others hold, and kinds only a newer release knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction

from monetization.jobs import services
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, claim_job, register_job_kind, run_next_batch
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.factories import make_tenant

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
KIND = "tests.rename"


@pytest.fixture(autouse=True)
def _kind() -> Iterator[None]:
    def rename(job: Job, item: JobItem) -> None:
        LegalEntity.objects.filter(code=item.key).update(name=f"Renamed {item.key}")

    register_job_kind(JobKind(KIND, rename, batch_size=5))
    yield
    services._kinds.pop(KIND, None)


@contextmanager
def row_held(tenant: Any) -> Iterator[None]:
    """Another session keeps the row of entity AA for itself."""
    held, let_go = Event(), Event()

    def hold() -> None:
        with tenant_context(tenant.id), transaction.atomic():
            LegalEntity.objects.select_for_update().get(code="AA")
            held.set()
            let_go.wait(30)
        connection.close()

    holder = Thread(target=hold)
    holder.start()
    assert held.wait(10)
    try:
        yield
    finally:
        let_go.set()
        holder.join()


@pytest.mark.django_db(transaction=True)
def test_a_row_somebody_holds_is_waited_for_shortly_and_its_item_comes_last(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(services, "LOCK_WAIT", timedelta(milliseconds=200))
    tenant = make_tenant("Held")
    with tenant_context(tenant.id, actor="test"):
        for code in ("AA", "BB"):
            LegalEntity.objects.create(name=code, code=code)
        items = [(code, code) for code in ("AA", "BB")]
        job = services.start_job(kind=KIND, title="Rename", items=items)
        token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    with row_held(tenant):
        run(tenant, job, token)
        assert states(tenant) == {"AA": ("pending", 1), "BB": ("done", 1)}
        run(tenant, job, token)
        assert states(tenant)["AA"] == ("pending", 2)
    run(tenant, job, token)
    assert states(tenant)["AA"] == ("done", 3)
    assert run(tenant, job, token) is False


@pytest.mark.django_db(transaction=True)
def test_an_item_that_never_gets_its_row_fails_with_words(monkeypatch: Any) -> None:
    monkeypatch.setattr(services, "LOCK_WAIT", timedelta(milliseconds=50))
    tenant = make_tenant("Held for ever")
    with tenant_context(tenant.id, actor="test"):
        LegalEntity.objects.create(name="AA", code="AA")
        job = services.start_job(kind=KIND, title="Rename", items=[("AA", "AA")])
        token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    with row_held(tenant):
        while run(tenant, job, token):
            pass
    with tenant_context(tenant.id):
        item = JobItem.objects.get()
        assert (item.status, item.attempts) == ("failed", services.MOST_WAITS)
        assert "retry it in a moment" in item.error
        assert Job.objects.get().status == "attention"


def run(tenant: Any, job: Job, token: int) -> bool:
    with tenant_context(tenant.id, actor="test"):
        return run_next_batch(job_id=job.id, token=token, now=NOW)


def states(tenant: Any) -> dict[str, tuple[str, int]]:
    with tenant_context(tenant.id):
        rows = JobItem.objects.values_list("key", "status", "attempts")
        return {key: (status, attempts) for key, status, attempts in rows}


def test_a_kind_of_a_newer_release_waits_for_a_worker_that_knows_it(tenant: Any) -> None:
    job = services.start_job(kind=KIND, title="Rename", items=[("AA", "AA")])
    known = services._kinds.pop(KIND)
    assert claim_job(job_id=job.id, now=NOW) is None  # the old worker leaves it as it is
    job.refresh_from_db()
    assert (job.status, job.fencing_token) == ("queued", 0)
    register_job_kind(known)
    token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    assert run_next_batch(job_id=job.id, token=token, now=NOW)
