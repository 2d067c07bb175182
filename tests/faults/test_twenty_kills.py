"""A worker is killed twenty times, anywhere in a run of 1,000 invoices: each is issued once."""

import os
import random
import signal
import time
import traceback
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from billing.domain.manual_lines import ManualEntry
from billing.models import Invoice
from billing.services.drafts import create_one_off
from monetization.config.verify import verify_tenant
from monetization.events.models import Event
from monetization.jobs import services, tasks
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import start_job
from monetization.tenancy.context import tenant_context
from tests.factories import make_tenant
from tests.factories_billing import make_customer

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

INVOICES, KILLS = 1_000, 20
SEED = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(10**9)))
LONGEST = 0.4  # seconds a worker lives
YESTERDAY = date.today() - timedelta(days=1)  # noqa: DTZ011


@pytest.fixture
def company(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A company with 1,000 drafts, whose jobs take 25 of them at a time."""
    kind = services._kinds["invoices.issue"]
    monkeypatch.setitem(services._kinds, "invoices.issue", replace(kind, batch_size=25))
    made = make_tenant("Killed")
    with tenant_context(made.id, actor="test"):
        customers = [make_customer(f"Customer {number}").id for number in range(10)]
        for number in range(INVOICES):
            create_one_off(
                customer_id=customers[number % 10],
                bill_on=YESTERDAY,
                entries=[ManualEntry("Help", amount=Decimal(number + 1))],
                now=timezone.now(),
            )
    return made


def working(company: Any, job: Any) -> int:
    """Start a worker as a process of its own; it ends with the job."""
    for each in connections.all():  # two processes never share a connection
        each.close()
        getattr(each, "close_pool", lambda: None)()
    pid = os.fork()
    if pid:
        return pid
    # Beside a running event loop (Playwright's, of an earlier test) connections are kept
    # elsewhere; a forked process has no loop and would find, and share, older ones.
    for each in connections.all():
        each.connection = None
    try:
        tasks.run_job(tenant_id=str(company.id), job_id=str(job.id))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def lease_over(company: Any, job: Any) -> Job:
    """Let the time of the dead worker's lease pass."""
    with tenant_context(company.id):
        Job.objects.filter(id=job.id).update(lease_until=datetime(2020, 1, 1, tzinfo=UTC))
        found: Job = Job.objects.get(id=job.id)
        return found


def test_a_run_killed_at_twenty_random_points_issues_every_invoice_once(company: Any) -> None:
    print(f"FAULT_SEED={SEED}")  # noqa: T201 - the run can be had again
    points = random.Random(SEED)  # noqa: S311 - when to kill is no secret
    with tenant_context(company.id, actor="test"):
        drafts = Invoice.objects.order_by("id").values_list("id", flat=True)
        job = start_job(
            kind="invoices.issue",
            title="Issue",
            items=[(str(id), "draft") for id in drafts],
            params={"issued_on": YESTERDAY.isoformat()},
        )
    stopped_at: list[int] = []
    for kill in range(KILLS):
        worker = working(company, job)
        # A quick machine is killed sooner, so that work is left for every kill.
        is_ahead = stopped_at and stopped_at[-1] > INVOICES * kill / KILLS
        time.sleep(points.uniform(0, LONGEST * (0.1 if is_ahead else 1)))
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        found = lease_over(company, job)
        stopped_at.append(found.done)
        assert not found.is_finished, f"too quick to be killed {KILLS} times: {stopped_at}"
    _, ended = os.waitpid(working(company, job), 0)
    print(f"killed after {stopped_at}")  # noqa: T201
    assert ended == 0
    assert stopped_at == sorted(stopped_at)
    with tenant_context(company.id):
        assert Job.objects.get(id=job.id).status == "succeeded"
        assert set(JobItem.objects.values_list("status", flat=True)) == {"done"}
        numbers = sorted(Invoice.objects.values_list("number", flat=True))
        assert numbers == [f"NW-INV-{number:06d}" for number in range(1, INVOICES + 1)]
        assert Event.objects.filter(type="invoice.issued").count() == INVOICES
    report = verify_tenant(company.id, company.slug)
    assert {o.check.id: o.found.samples for o in report.outcomes if not o.is_ok} == {}
