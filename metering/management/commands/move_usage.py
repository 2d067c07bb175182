"""Move a company's raw usage events to ClickHouse, or read them from Postgres again."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError, connection
from django.utils import timezone

from metering.services.moving import move_back, start_move
from monetization.jobs.models import Job
from monetization.jobs.services import LeaseLost, claim_job, run_next_batch
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

INDEXES = (
    "CREATE INDEX IF NOT EXISTS metering_usageevent_xact"
    " ON metering_usageevent (tenant_id, xact_id)",
    "CREATE INDEX IF NOT EXISTS metering_usageevent_retiring"
    " ON metering_usageevent (tenant_id, retired_xact) WHERE retired_xact IS NOT NULL",
)


class Command(BaseCommand):
    help = "Move a company's raw usage events to ClickHouse, without a gap, or back to Postgres."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--to", choices=["clickhouse", "postgres"])
        what.add_argument(
            "--prepare",
            action="store_true",
            help="make the indexes that following needs; once, as the owner of the tables",
        )
        parser.add_argument("--tenant", help="the company's short name")
        parser.add_argument("--queue", action="store_true", help="leave the work to a worker")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["prepare"]:
            self._prepare()
        else:
            self._move(options)

    def _move(self, options: Mapping[str, Any]) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"--tenant: there is no company {options['tenant']!r}")
        try:
            with tenant_context(tenant.id, actor="move_usage"):
                if options["to"] == "postgres":
                    move_back(now=timezone.now())
                    self.stdout.write("Raw events are read from Postgres.")
                    return
                job = start_move(now=timezone.now())
                # Claimed in the transaction that starts it, so that no worker is faster.
                token = None if options["queue"] else claim_job(job_id=job.id, now=timezone.now())
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        if token is None:
            self.stdout.write("A worker does it; its progress is under Jobs.")
            return
        self._report(tenant, self._run(tenant, job.id, token))

    def _prepare(self) -> None:
        """Index what changed when. Only installations with a second store pay for it."""
        with connection.cursor() as cursor:
            try:
                for statement in INDEXES:
                    cursor.execute(statement)
            except ProgrammingError as error:
                raise CommandError(f"run it as the owner of the tables: {error}") from None
        self.stdout.write("Prepared.")

    def _run(self, tenant: Tenant, job_id: UUID, token: int) -> Job:
        while True:
            try:
                with tenant_context(tenant.id, actor="move_usage"):
                    run_next_batch(job_id=job_id, token=token, now=timezone.now())
            except LeaseLost:
                raise CommandError("a worker took over; see its progress under Jobs") from None
            with tenant_context(tenant.id, actor="move_usage"):
                job: Job = Job.objects.get(id=job_id)
            if job.is_finished:
                return job
            self.stdout.write(f"{job.done + job.failed} of {job.total} parts")

    def _report(self, tenant: Tenant, job: Job) -> None:
        with tenant_context(tenant.id, actor="move_usage"):
            items = list(job.items.order_by("position"))
        for item in items:
            if item.error:
                raise CommandError(f"{item.label}: {item.error}; run it again")
        events = items[-1].result.get("events", 0)
        self.stdout.write(f"{events:,} events are in both stores and read from ClickHouse.")
