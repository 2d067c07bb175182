"""A worker is killed in the middle of issuing: each invoice is issued once, none is missing."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils import timezone

from billing.models import Invoice
from monetization.config.verify import verify_tenant
from monetization.embedded.broker import Broker
from monetization.embedded.processes import Processes
from monetization.events.models import Event, EventDelivery
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import start_job
from monetization.kernel.period import add_months
from monetization.tenancy.context import tenant_context
from tests.factories import make_tenant
from tests.factories_billing import make_customer
from tests.integration.config import books

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).parents[2]
CUSTOMERS, MONTHS = 24, 20
WITHIN = 60.0  # seconds in which the job must end by itself


@dataclass
class Works:
    """A worker, a scheduler and a broker as real processes."""

    var: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.processes = Processes(self.var)
        self.start_broker()
        self.start("scheduler", "beat", "-s", str(self.var / "schedule"))

    def start_broker(self) -> None:
        self.broker = Broker(self.var, "", self.processes)
        self.environment = {**os.environ, **self.broker.environment, "DATABASE_URL": _address()}

    def start(self, name: str, *arguments: str) -> int:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "celery",
            "-q",
            "-A",
            "monetization.config",
        ]
        process = self.processes.start(
            name, [*command, *arguments, "-l", "info"], cwd=ROOT, environment=self.environment
        )
        return process.pid

    def start_worker(self) -> int:
        return self.start("worker", "worker", "-P", "threads", "-c", "4")

    def kill(self, pid: int) -> None:
        """Kill a process and all its children, without a word."""
        os.killpg(pid, signal.SIGKILL)

    def kill_broker(self) -> None:
        """Kill Redis and start an empty one: every message is lost."""
        found = self.processes.pid_of("redis")
        assert found
        self.kill(found)
        self.start_broker()


def _address() -> str:
    """Return the address of the test's database, for other processes."""
    known = connection.settings_dict
    place = quote(known["HOST"] or "127.0.0.1", safe="")
    if known["PORT"]:
        place += f":{known['PORT']}"
    who = f"{quote(known['USER'], safe='')}:{quote(known['PASSWORD'], safe='')}"
    return f"postgres://{who}@{place}/{known['NAME']}"


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    made = Works(tmp_path)
    yield made
    made.processes.end_all(seconds=20)


@pytest.fixture
def tenant(transactional_db: None) -> Any:
    """A company with more drafts than are issued in one transaction."""
    made = make_tenant("Killed")
    starts = add_months(date.today().replace(day=1), -MONTHS, anchor_day=1)  # noqa: DTZ011
    with tenant_context(made.id, actor="test"):
        books.make_catalog()
        for number in range(CUSTOMERS):
            customer = make_customer(f"Customer {number}")
            # Every month costs the same, so that no check before the issue stops one.
            books.sign_up(customer.id, months=24, starts=starts, now=timezone.now(), minimum="")
    return made


def start_issuing(tenant: Any) -> Any:
    with tenant_context(tenant.id, actor="test"):
        drafts = Invoice.objects.filter(status="draft").exclude(total_amount=0).order_by("bill_on")
        return start_job(
            kind="invoices.issue",
            title="Issue",
            items=[(str(invoice.id), "draft") for invoice in drafts],
            params={"issued_on": datetime.now(UTC).date().isoformat()},
        )


def progress(tenant: Any, job: Any) -> Job:
    with tenant_context(tenant.id):
        found: Job = Job.objects.get(id=job.id)
        return found


def wait_for(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.02)


@pytest.mark.parametrize("broker_dies_too", [False, True], ids=["worker", "worker-and-broker"])
def test_a_job_whose_worker_is_killed_ends_by_itself(
    tenant: Any, works: Works, broker_dies_too: bool
) -> None:
    job = start_issuing(tenant)
    assert job.total >= 400  # one transaction issues 200, so that some are done and some are not
    worker = works.start_worker()
    wait_for(lambda: progress(tenant, job).done >= job.total // 4, seconds=60, what="first items")

    works.kill(worker)
    stopped_at = progress(tenant, job).done
    assert stopped_at < job.total, "the worker was too quick to be killed half-way"
    if broker_dies_too:
        works.kill_broker()
    works.start_worker()
    wait_for(lambda: progress(tenant, job).is_finished, seconds=WITHIN, what="the end")

    assert_everything_was_done_once(tenant, job)


def assert_everything_was_done_once(tenant: Any, job: Any) -> None:
    ended = progress(tenant, job)
    with tenant_context(tenant.id):
        assert [*JobItem.objects.filter(status="failed").values_list("error", flat=True)] == []
    assert (ended.status, ended.done, ended.failed) == ("succeeded", job.total, 0)
    with tenant_context(tenant.id):
        numbers = sorted(Invoice.objects.filter(status="issued").values_list("number", flat=True))
        assert numbers == [f"NW-INV-{number:06d}" for number in range(1, job.total + 1)]
        assert Event.objects.filter(type="invoice.issued").count() == job.total
        assert set(JobItem.objects.values_list("status", flat=True)) == {"done"}
    wait_for(lambda: nothing_waits(tenant), seconds=WITHIN, what="deliveries")
    report = verify_tenant(tenant.id, tenant.slug)
    assert {o.check.id: o.found.samples for o in report.outcomes if not o.is_ok} == {}


def nothing_waits(tenant: Any) -> bool:
    with tenant_context(tenant.id):
        return not EventDelivery.objects.filter(delivered_at__isnull=True).exists()
