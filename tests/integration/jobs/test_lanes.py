"""Two workers at one job: lanes run beside each other, what belongs together keeps its order."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, connections

from monetization.jobs import services, tasks
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, claim_job, register_job_kind, run_next_batch
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.factories import make_tenant

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
KIND = "tests.open"
ITEMS, GROUPS = 60, 12


@dataclass(slots=True)
class Seen:
    """What the handler was asked, as it was asked."""

    begun: list[str] = field(default_factory=list)
    under_way: set[str] = field(default_factory=set)
    most: int = 0  # groups under way at once
    together: list[str] = field(default_factory=list)  # groups that met themselves
    ended: int = 0
    nap: float = 0.002


@pytest.fixture
def seen() -> Iterator[Seen]:
    found = Seen()

    def open_one(job: Job, item: JobItem) -> None:
        group = group_of(item.key)
        if group in found.under_way:
            found.together.append(group)
        found.under_way.add(group)
        found.most = max(found.most, len(found.under_way))
        found.begun.append(item.key)
        LegalEntity.objects.create(name=item.key, code=item.key)
        time.sleep(found.nap)
        found.under_way.discard(group)

    def ended(job: Job) -> None:
        found.ended += 1

    register_job_kind(JobKind(KIND, open_one, batch_size=5, on_finished=ended, lanes=4))
    yield found
    services._kinds.pop(KIND, None)


def group_of(key: str) -> str:
    return str(int(key[1:]) % GROUPS)  # the items of a group are far apart


def start(tenant: Any, *, grouped: bool = True) -> Job:
    keys = [f"E{number:02d}" for number in range(ITEMS)]
    with tenant_context(tenant.id, actor="test"):
        return services.start_job(
            kind=KIND,
            title="Open",
            items=[(key, key) for key in keys],
            groups={key: group_of(key) for key in keys} if grouped else None,
        )


def claim(tenant: Any, job: Job) -> int:
    with tenant_context(tenant.id):
        token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    return token


def together(tenant: Any, job: Job, token: int, workers: int = 2) -> None:
    """Let workers with one token do a job to its end, each with a connection of its own."""
    ready = Barrier(workers)

    def run() -> None:
        ready.wait(10)
        tasks.work(tenant.id, job.id, token)
        connection.close()

    threads = [Thread(target=run) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_a_job_and_every_group_keeps_its_order(seen: Seen) -> None:
    tenant = make_tenant("Lanes")
    job = start(tenant)
    together(tenant, job, claim(tenant, job))
    assert seen.most == 2
    assert seen.together == []
    for group in {group_of(key) for key in seen.begun}:
        mine = [key for key in seen.begun if group_of(key) == group]
        assert mine == sorted(mine)
    with tenant_context(tenant.id):
        job.refresh_from_db()
        assert (job.status, job.lanes, job.done, job.failed) == ("succeeded", 4, ITEMS, 0)
        assert LegalEntity.objects.filter(code__startswith="E").count() == ITEMS
    assert seen.ended == 1


@pytest.mark.django_db(transaction=True)
def test_more_workers_than_lanes_end_the_job_once(seen: Seen) -> None:
    tenant = make_tenant("Crowded")
    job = start(tenant)
    together(tenant, job, claim(tenant, job), workers=6)
    assert seen.ended == 1
    assert sorted(seen.begun) == [f"E{number:02d}" for number in range(ITEMS)]


def test_without_groups_everything_is_done_in_one_order(tenant: Any, seen: Seen) -> None:
    job = start(tenant, grouped=False)
    assert job.lanes == 1
    assert set(JobItem.objects.values_list("lane", flat=True)) == {0}


@pytest.mark.parametrize(
    ("items", "lanes"), [(1, 1), (2, 1), (3, 2), (8, 2), (16, 2), (17, 4), (90, 4)]
)
def test_a_job_has_lanes_for_two_workers_once_they_are_worth_it(
    tenant: Any, seen: Seen, items: int, lanes: int
) -> None:
    keys = [f"E{number:02d}" for number in range(items)]
    register_job_kind(replace(services.job_kind(KIND), batch_size=8))
    job = services.start_job(
        kind=KIND,
        title="Open",
        items=[(key, "") for key in keys],
        groups={key: key for key in keys},
    )
    assert job.lanes == lanes
    sizes = Counter(JobItem.objects.filter(job=job).values_list("lane", flat=True))
    assert sorted(sizes) == list(range(lanes))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_a_kind_without_lanes_has_one(tenant: Any, seen: Seen) -> None:
    register_job_kind(replace(services.job_kind(KIND), lanes=1))
    keys = [f"E{number:02d}" for number in range(60)]
    job = services.start_job(
        kind=KIND,
        title="Open",
        items=[(key, "") for key in keys],
        groups={key: key for key in keys},
    )
    assert job.lanes == 1


@pytest.mark.django_db(transaction=True)
def test_one_worker_alone_does_every_lane(seen: Seen) -> None:
    tenant = make_tenant("Alone")
    job = start(tenant)
    tasks.work(tenant.id, job.id, claim(tenant, job))
    assert len(seen.begun) == ITEMS
    assert seen.ended == 1


@pytest.mark.django_db(transaction=True)
def test_canceling_waits_for_the_batches_under_way_and_keeps_them(seen: Seen) -> None:
    tenant = make_tenant("Canceled")
    seen.nap = 0.02
    job = start(tenant)
    token = claim(tenant, job)
    workers = Thread(target=together, args=(tenant, job, token))
    workers.start()
    while not seen.begun:
        time.sleep(0.005)
    with tenant_context(tenant.id):
        services.cancel_job(job_id=job.id, now=NOW)
        assert seen.under_way == set()
    workers.join()
    with tenant_context(tenant.id):
        job.refresh_from_db()
        done = set(JobItem.objects.filter(status="done").values_list("key", flat=True))
    assert job.status == "cancelled"
    assert done == set(seen.begun)  # nothing that was begun is lost
    assert 0 < job.done == len(done) < ITEMS
    assert seen.ended == 0


@pytest.mark.django_db(transaction=True)
def test_a_helper_of_an_earlier_claim_changes_nothing(seen: Seen) -> None:
    tenant = make_tenant("Late helper")
    job = start(tenant)
    old = claim(tenant, job)
    with tenant_context(tenant.id):
        Job.objects.update(lease_until=datetime(2020, 1, 1, tzinfo=UTC))
    claim(tenant, job)
    with tenant_context(tenant.id), pytest.raises(services.LeaseLost):
        run_next_batch(job_id=job.id, token=old, now=NOW)
    assert seen.begun == []


def forked(tenant: Any, job: Job, token: int) -> int:
    """Start a worker as a process of its own; it ends when no lane is left."""
    for each in connections.all():  # two processes never share a connection
        each.close()
        getattr(each, "close_pool", lambda: None)()
    pid = os.fork()
    if pid:
        return pid
    for each in connections.all():
        each.connection = None
    tasks.work(tenant.id, job.id, token)
    os._exit(0)


@pytest.mark.django_db(transaction=True)
def test_both_workers_killed_again_and_again_do_everything_once(seen: Seen) -> None:
    seen.nap = 0.01
    seed = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(10**9)))
    print(f"FAULT_SEED={seed}")  # noqa: T201 - the run can be had again
    points = random.Random(seed)  # noqa: S311 - when to kill is no secret
    tenant = make_tenant("Killed")
    job = start(tenant)
    for kill in range(6):
        token = claim(tenant, job)
        workers = [forked(tenant, job, token) for _ in range(2)]
        if kill < 5:
            time.sleep(points.uniform(0.02, 0.15))
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
        ends = [os.waitpid(worker, 0)[1] for worker in workers]
        with tenant_context(tenant.id):
            if Job.objects.get(id=job.id).is_finished:
                break
            Job.objects.update(lease_until=datetime(2020, 1, 1, tzinfo=UTC))
    assert ends == [0, 0] or kill < 5
    with tenant_context(tenant.id):
        job.refresh_from_db()
        assert (job.status, job.done, job.failed) == ("succeeded", ITEMS, 0)
        assert LegalEntity.objects.filter(code__startswith="E").count() == ITEMS
