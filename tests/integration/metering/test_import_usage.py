"""A file comes in once, whole rows or a reason, whatever is killed and started again."""

import csv
import gzip
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from metering import selectors
from metering.imports import services
from metering.models import Meter
from metering.services import create_meter
from monetization.customers.models import Customer, CustomerAlias
from monetization.customers.services import map_alias
from monetization.events.models import Event
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import LeaseLost, claim_job, retry_failed, run_next_batch
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant
from tests.factories_billing import make_customer

MAPPING = "id={client}-{t},customer=client,time=@t,type='call',data.units=units"
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
START, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    return tmp_path


def write(folder: Path, rows: str, name: str = "usage.csv") -> Path:
    path = folder / name
    path.write_text("client,t,units\n" + rows)
    return path


def many(folder: Path, rows: int) -> Path:
    return write(folder, "".join(f"acme,{n},1.5\n" for n in range(rows)))


def meter(aggregation: str = "sum") -> Any:
    return create_meter(
        key="units",
        name="Units",
        event_type="call",
        aggregation=aggregation,
        value_property="units",
        now=NOW,
    )


def used(customer: Customer) -> Decimal:
    what = Meter.objects.get(key="units")
    request = selectors.ReadingRequest(customer.id, what.id, START, END)
    return selectors.read_usage([request])[0].quantity


def run(job: Job, now: datetime = NOW) -> Job:
    token = claim_job(job_id=job.id, now=now)
    assert token is not None
    while run_next_batch(job_id=job.id, token=token, now=now):
        pass
    job.refresh_from_db()
    return job


def start(path: Path, **options: Any) -> Job:
    return services.start_import(path=path, **{"mapping": MAPPING, **options})


@pytest.mark.usefixtures("tenant")
class TestStartImport:
    def test_takes_in_every_row_in_parts(self, var: Path) -> None:
        acme, _ = make_customer(), meter()

        job = run(start(many(var, 25), rows_per_part=10))

        assert job.status == Job.Status.SUCCEEDED
        assert job.total == job.done == 3
        assert services.counts_of(job) == {"rows": 25, "created": 25}
        assert used(acme) == Decimal("37.5")
        assert services.rejects_file(job) is None
        imported = Event.objects.get(type="usage.imported")
        assert (imported.data["rows"], imported.data["created"]) == ("25", "25")

    def test_the_same_rows_again_are_duplicates_and_count_once(self, var: Path) -> None:
        acme, _ = make_customer(), meter()
        run(start(many(var, 5)))

        again = run(start(many(var, 5), rows_per_part=2))

        assert services.counts_of(again) == {"rows": 5, "duplicate": 5}
        assert used(acme) == Decimal("7.5")

    def test_rejects_name_line_field_and_reason_and_keep_the_row(self, var: Path) -> None:
        acme, _ = make_customer(), meter()
        path = var / "usage.csv"
        path.write_bytes(
            b'client,t,units\nacme,1,2\nacme,soon,2\n\nacme,3\n,4,1\nacme,1,9\n"x,6,1\nac\xff,7,1\n'
            b"acme,8,1\nacme,9,\n"
        )

        job = run(start(path, rows_per_part=3))

        rejects = services.rejects_file(job)
        assert rejects is not None
        rows = list(csv.reader(rejects.open(newline="")))
        assert [row[:2] for row in rows] == [
            ["line", "field"],
            ["3", "time"],
            ["5", ""],
            ["6", "id"],
            ["7", "id"],
            ["8", ""],
            ["9", ""],
        ]
        assert rows[1][2:] == [
            "column 't' must be a plain decimal number, for example 12.5",
            "acme,soon,2",
        ]
        assert "known with another content" in rows[4][2]
        assert rows[5][3] == '"x,6,1'
        counts = {"rows": 9, "created": 3, "invalid": 5, "conflict": 1}
        assert services.counts_of(job) == counts
        assert used(acme) == 3

    def test_makes_a_customer_of_an_alias_nobody_ever_held(self, var: Path) -> None:
        acme, _ = make_customer(), meter()
        path = write(var, "acme,1,1\nglobex,1,2\nglobex,2,3\n")

        job = run(start(path, rows_per_part=1, create_customers_in="EUR"))

        globex = Customer.objects.get(name="globex")
        assert globex.currency == "EUR"
        assert CustomerAlias.objects.filter(alias="globex", customer=globex).count() == 1
        assert Customer.objects.count() == 2
        assert (used(acme), used(globex)) == (1, 5)
        assert services.counts_of(job)["unmatched"] == 0

    def test_leaves_an_alias_alone_that_somebody_held_at_another_time(self, var: Path) -> None:
        acme = make_customer()
        map_alias(customer_id=acme.id, alias="old", now=NOW, valid_until=START)

        job = run(start(write(var, "old,1,1\n"), create_customers_in="USD"))

        assert Customer.objects.count() == 1
        assert services.counts_of(job)["unmatched"] == 1

    def test_a_second_start_of_a_running_import_is_the_same_job(self, var: Path) -> None:
        path = many(var, 5)

        assert start(path).id == start(path).id
        assert start(path, source="other").id != start(path).id

    def test_a_part_that_failed_leaves_nothing_and_can_be_tried_again(
        self,
        var: Path,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        acme, _ = make_customer(), meter()
        job = start(many(var, 6), rows_per_part=2)
        copy = services.imports_dir() / job.params["folder"] / services.DATA
        record, calls = services.record_usage_events, []

        def fail_once(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            verdicts = record(*args, **kwargs)
            if len(calls) == 2:
                raise RuntimeError("the disk is full")
            return verdicts

        monkeypatch.setattr(services, "record_usage_events", fail_once)

        with django_capture_on_commit_callbacks(execute=True):
            run(job)

        assert (job.status, job.failed, used(acme)) == (Job.Status.ATTENTION, 1, Decimal(6))
        assert copy.exists()
        retry_failed(job_id=job.id)
        with django_capture_on_commit_callbacks(execute=True):
            run(job)
        assert (job.status, used(acme)) == (Job.Status.SUCCEEDED, Decimal(9))
        assert not copy.exists()

    def test_a_worker_that_was_only_slow_changes_nothing_after_another_took_over(
        self, var: Path
    ) -> None:
        acme, _ = make_customer(), meter()
        job = start(many(var, 4), rows_per_part=2)
        slow = claim_job(job_id=job.id, now=NOW)
        assert slow is not None

        assert claim_job(job_id=job.id, now=NOW + timedelta(minutes=1)) is not None

        with pytest.raises(LeaseLost):
            run_next_batch(job_id=job.id, token=slow, now=NOW)
        assert used(acme) == 0

    def test_says_so_when_the_kept_copy_is_gone(self, var: Path) -> None:
        job = start(many(var, 2))
        (services.imports_dir() / job.params["folder"] / services.DATA).unlink()

        run(job)

        assert job.items.get().error.startswith("the kept copy of the file is gone")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"mapping": "id=nothing,customer=client,time=@t,type='x'"}, "'nothing' is not in"),
            ({"source": " "}, "source"),
            ({"create_customers_in": "XXZ"}, "currency"),
        ],
    )
    def test_refuses_before_anything_is_stored(
        self, var: Path, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(Exception, match=message):
            start(many(var, 2), **options)

        assert not Job.objects.exists()
        assert not list(services.imports_dir().glob("**/*.*"))

    def test_refuses_a_file_with_nothing_but_a_header(self, var: Path) -> None:
        with pytest.raises(services.files.FileUnreadable, match="no rows"):
            start(write(var, ""))


@pytest.mark.usefixtures("tenant")
class TestPreview:
    def test_judges_the_first_rows_against_what_is_stored_and_keeps_nothing(
        self, var: Path
    ) -> None:
        acme, _ = make_customer(), meter()
        run(start(write(var, "acme,1,1\n")))
        path = write(var, "acme,1,1\nacme,2,1\nacme,x,1\nglobex,1,1\n")

        found = services.preview_import(path=path, mapping=MAPPING, now=NOW)

        assert found.counts == {
            "rows": 4, "duplicate": 1, "created": 2, "invalid": 1, "unmatched": 1,
        }  # fmt: skip
        assert [reject.line for reject in found.rejects] == [4]
        assert used(acme) == 1

    def test_looks_at_no_more_rows_than_asked(self, var: Path) -> None:
        found = services.preview_import(path=many(var, 30), mapping=MAPPING, now=NOW, limit=7)

        assert found.counts["rows"] == 7


@pytest.fixture
def company(transactional_db: None, make_tenant: Any) -> Tenant:
    tenant: Tenant = make_tenant("Northwind", slug="northwind")
    with tenant_context(tenant.id):
        make_customer()
        meter()
    return tenant


class TestCommand:
    def import_file(self, path: Path, *options: str) -> None:
        call_command("import_usage", str(path), "--map", MAPPING, *options)

    def test_runs_here_and_puts_the_rejects_beside_the_file(
        self, company: Tenant, var: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = var / "usage.csv.gz"
        path.write_bytes(gzip.compress(b"client,t,units\nacme,1,2\nacme,2,x\nacme,y,2\n"))

        self.import_file(path)

        said = capsys.readouterr().out
        assert "3 rows: 2 created, 1 invalid" in said
        rejects = (var / "usage.csv.gz.rejects.csv").read_text().splitlines()
        assert rejects[1].startswith("4,time,")

    def test_says_what_would_happen_and_stores_nothing(
        self, company: Tenant, var: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.import_file(write(var, "acme,1,1\nnobody,1,1\n"), "--dry-run")

        assert "2 rows would be: 2 created, 1 of them for an alias" in capsys.readouterr().out
        with tenant_context(company.id):
            assert not Job.objects.exists()
            assert used(Customer.objects.get()) == 0

    def test_leaves_it_to_a_worker_when_asked(self, company: Tenant, var: Path) -> None:
        self.import_file(many(var, 2), "--queue")

        with tenant_context(company.id):
            assert Job.objects.get().status == Job.Status.QUEUED

    def test_asks_which_company_when_there_are_several(
        self, company: Tenant, make_tenant: Any, var: Path
    ) -> None:
        make_tenant("Other", slug="other")
        with pytest.raises(CommandError, match="northwind, other"):
            self.import_file(many(var, 1))
        with pytest.raises(CommandError, match="--epoch: must be like"):
            self.import_file(many(var, 1), "--tenant", "northwind", "--epoch", "2024")
        with pytest.raises(CommandError, match="No such file"):
            self.import_file(var / "none.csv", "--tenant", "northwind")

    def test_killed_in_the_middle_it_goes_on_and_counts_every_row_once(
        self, company: Tenant, var: Path
    ) -> None:
        path = many(var, 60_000)
        process = subprocess.Popen(
            [sys.executable, "manage.py", "import_usage", str(path), "--map", MAPPING],
            env={
                **os.environ,
                "MONETIZATION_NO_BOOTSTRAP": "1",
                "VAR_DIR": str(var / "var"),
                "DATABASE_URL": _test_database(),
            },
            stdout=subprocess.DEVNULL,
        )
        done = _wait_for_parts(company, at_least=2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with tenant_context(company.id):
            job = Job.objects.get()
            assert job.status == Job.Status.RUNNING
            assert done <= job.done < job.total
            assert used(Customer.objects.get()) == Decimal("1.5") * 5000 * job.done
            Job.objects.update(lease_until=timezone.now())  # what waiting 20 seconds would do

        self.import_file(path)

        with tenant_context(company.id):
            job = Job.objects.get()
            assert (job.status, job.done) == (Job.Status.SUCCEEDED, 12)
            assert services.counts_of(job) == {"rows": 60_000, "created": 60_000}
            assert used(Customer.objects.get()) == 90_000


def _test_database() -> str:
    settings = connection.settings_dict
    login = f"{settings['USER']}:{settings['PASSWORD']}@" if settings["PASSWORD"] else ""
    host, port = settings["HOST"], settings["PORT"]
    place = f"{host.replace('/', '%2F')}:{port}" if port else host.replace("/", "%2F")
    return f"postgres://{login}{place}/{settings['NAME']}"


def _wait_for_parts(company: Tenant, at_least: int) -> int:
    for _ in range(600):
        with tenant_context(company.id):
            done = JobItem.objects.filter(status=JobItem.Status.DONE).count()
        if done >= at_least:
            return done
        time.sleep(0.05)
    raise AssertionError("the import never got going")
