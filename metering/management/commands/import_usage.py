"""Import usage events from a CSV, NDJSON or Parquet file; safe to stop and to run again."""

import shutil
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from metering.imports import services
from metering.ingest.parser import Invalid, read_time
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import LeaseLost, claim_job, run_next_batch
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

ACTOR = "command line"
SHOWN = ("created", "duplicate", "quarantined", "conflict", "invalid")
PAUSE = timedelta(seconds=1)


class Command(BaseCommand):
    help = (
        "Import usage events from a CSV file, plain or gzip. "
        "Stopped at any moment, the same command goes on where it stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--tenant", help="its slug; needed when there are several")
        parser.add_argument(
            "--map",
            required=True,
            dest="mapping",
            help="field=column pairs, e.g. id={ref}-{hour},customer=acct,time=@hour,type='call'",
        )
        parser.add_argument("--source", default="import", help="part of every event's identity")
        parser.add_argument("--epoch", help="what @column counts from; 1970-01-01T00:00:00Z")
        parser.add_argument("--create-customers", action="store_true")
        parser.add_argument("--currency", help="of the customers created; the tenant's default")
        parser.add_argument("--rejects", type=Path, help="where the rejected rows go")
        parser.add_argument("--dry-run", action="store_true", help="judge the first 1,000 rows")
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--wait", action="store_true", help="run it here and now (the default)")
        mode.add_argument("--queue", action="store_true", help="leave it to a worker")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = _tenant(options["tenant"])
        try:
            if options["dry_run"]:
                self._preview(tenant, options)
            else:
                self._import(tenant, options)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None

    def _preview(self, tenant: Tenant, options: Mapping[str, Any]) -> None:
        with tenant_context(tenant.id, actor=ACTOR):
            found = services.preview_import(
                path=options["file"],
                mapping=options["mapping"],
                source=options["source"],
                epoch=_epoch(options["epoch"]),
                now=timezone.now(),
            )
        self.stdout.write(
            f"The first {found.counts['rows']:,} rows would be: {_said(found.counts)}"
        )
        for reject in found.rejects[:10]:
            self.stdout.write(f"  line {reject.line}: {reject.field} {reject.reason}")

    def _import(self, tenant: Tenant, options: Mapping[str, Any]) -> None:
        currency = None
        if options["create_customers"]:
            currency = options["currency"] or tenant.default_currency
        with tenant_context(tenant.id, actor=ACTOR):
            job = services.start_import(
                path=options["file"],
                mapping=options["mapping"],
                source=options["source"],
                epoch=_epoch(options["epoch"]),
                create_customers_in=currency,
            )
            # Claimed in the transaction that starts it, so that no worker is faster.
            token = None if options["queue"] else claim_job(job_id=job.id, now=timezone.now())
        if options["queue"]:
            self.stdout.write(f"Queued: {job.title}, {job.total} parts.")
            return
        job = self._run(tenant, job.id, token)
        self._report(tenant, job, options)

    def _run(self, tenant: Tenant, job_id: UUID, token: int | None) -> Job:
        """Run the job, or follow whoever runs it; take over when they let go."""
        progress = _Progress(self)
        while True:
            if token is not None:
                try:
                    with tenant_context(tenant.id, actor=ACTOR):
                        run_next_batch(job_id=job_id, token=token, now=timezone.now())
                except LeaseLost:
                    token = None
            else:
                time.sleep(PAUSE.total_seconds())
            with tenant_context(tenant.id, actor=ACTOR):
                job: Job = Job.objects.get(id=job_id)
                progress.show(job)
                if job.is_finished:
                    progress.end()
                    return job
                if token is None:
                    token = claim_job(job_id=job_id, now=timezone.now())

    def _report(self, tenant: Tenant, job: Job, options: Mapping[str, Any]) -> None:
        with tenant_context(tenant.id, actor=ACTOR):
            counts = services.counts_of(job)
            rejects = services.rejects_file(job)
            failed = list(job.items.filter(status=JobItem.Status.FAILED)[:3])
        self.stdout.write(f"{counts['rows']:,} rows: {_said(counts)}")
        if rejects is not None:
            target = options["rejects"] or options["file"].with_name(
                f"{options['file'].name}.rejects.csv"
            )
            try:
                shutil.copyfile(rejects, target)
            except OSError as error:
                raise CommandError(
                    f"the rejects are in {rejects}; {target}: {error.strerror}. Use --rejects."
                ) from None
            self.stdout.write(f"Rejected rows, with reasons: {target}")
        if job.status == Job.Status.CANCELLED:
            raise CommandError("the import was cancelled; what came in stays")
        if failed:
            reasons = "; ".join(f"{item.label}: {item.error}" for item in failed)
            raise CommandError(f"{job.failed} parts failed; run it again. {reasons}")


def _tenant(slug: str | None) -> Tenant:
    tenants = Tenant.objects.filter(slug=slug) if slug else Tenant.objects.all()
    found = list(tenants.order_by("slug")[:20])
    if len(found) == 1:
        return found[0]
    known = ", ".join(Tenant.objects.order_by("slug").values_list("slug", flat=True)[:20])
    raise CommandError(f"--tenant: name one of {known or 'none: there is no tenant yet'}")


def _epoch(text: str | None) -> datetime:
    if text is None:
        return datetime(1970, 1, 1, tzinfo=UTC)
    try:
        return read_time(text)
    except Invalid as error:
        raise CommandError(f"--epoch: {error.reason}") from None


def _said(counts: Mapping[str, int]) -> str:
    parts = [f"{counts[name]:,} {name}" for name in SHOWN if counts.get(name)]
    if counts.get("unmatched"):
        parts.append(f"{counts['unmatched']:,} of them for an alias nobody holds yet")
    return ", ".join(parts) or "nothing"


class _Progress:
    """One line that is rewritten on a terminal, and said now and then elsewhere."""

    def __init__(self, command: BaseCommand) -> None:
        self.out, self.began, self.said = command.stdout, time.monotonic(), 0.0
        self.live = sys.stdout.isatty()

    def show(self, job: Job) -> None:
        elapsed = time.monotonic() - self.began
        if not self.live and elapsed - self.said < 5:
            return
        self.said = elapsed
        line = f"{job.title}: {job.percent}% ({job.done + job.failed} of {job.total} parts)"
        self.out.write(f"\r{line}" if self.live else line, ending="" if self.live else "\n")
        self.out.flush()

    def end(self) -> None:
        if self.live:
            self.out.write("")
