"""Measure usage from a file to issued invoices: seconds, rate and peak memory of each step."""

import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.models import Invoice
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from billing.services.schedules import activate_schedule, create_schedule
from metering.imports import services as imports
from metering.services import create_meter
from metering.tasks import fold_usage
from monetization.customers.models import Customer
from monetization.documents.services import store_document
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job, run_next_batch
from monetization.kernel.errors import Refusal
from monetization.kernel.ids import uuid7
from monetization.kernel.period import Frequency
from monetization.pricing.prices import Graduated, Tier
from monetization.pricing.terms import ItemTerms, OrderTerms, PhaseTerms, terms_hash, terms_to_data
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity, Tenant
from quotes.models import OrderForm, Quote, QuoteVersion

SAMPLE = "servegen/servegen_client_10min.csv.gz"
MAPPING = (
    "id={model}/{client}@{window_start_s},customer={model}/{client},time=@window_start_s,"
    "type='inference',data.requests=requests_600s,data.output_tokens=mean_output_tokens"
)
EPOCH, LAST = datetime(2024, 1, 1, tzinfo=UTC), date(2024, 1, 15)
NOW = datetime(2024, 1, 16, 12, tzinfo=UTC)
BATCH = 100  # schedules or invoices per transaction


@dataclass(frozen=True, slots=True)
class Measure:
    """One step: ``n`` things in so many seconds, with the process's peak memory in it."""

    name: str
    n: int
    seconds: float
    peak_mb: float

    @property
    def rate(self) -> float:
        return self.n / self.seconds if self.seconds else 0.0


class Command(BaseCommand):
    help = (
        "Import a usage file, rate it for every customer and issue the invoices, in a company of "
        "its own that stays behind: use a scratch database."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", type=Path, help=f"default: $SAMPLE_DATA/{SAMPLE}")
        parser.add_argument("--map", dest="mapping", default=MAPPING)
        parser.add_argument("--json", action="store_true", help="one object per line")

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["file"] or Path(os.environ.get("SAMPLE_DATA", "")) / SAMPLE
        if not path.is_file():
            raise CommandError(f"{path} is not a file; name one with --file, or set SAMPLE_DATA")
        try:
            measures, billed = run(path, options["mapping"])
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        for measure in measures:
            self.stdout.write(_json(measure) if options["json"] else _text(measure))
        if not options["json"]:
            self.stdout.write(f"issued {billed[0]:,} invoices, {billed[1]:,.2f} USD")


def run(path: Path, mapping: str) -> tuple[list[Measure], tuple[int, Decimal]]:
    """Run every step; return its measures, and the number and sum of the invoices."""
    slug = f"bench-{uuid7().hex[-8:]}"
    tenant = Tenant.objects.create(name=slug, slug=slug)
    with tenant_context(tenant.id, actor="bench"):
        LegalEntity.objects.create(name=slug, code="BE", is_default=True)
        create_meter(
            key="requests",
            name="Requests",
            event_type="inference",
            aggregation="sum",
            value_property="requests",
            now=NOW,
        )
    steps: list[Measure] = []
    with _measured(steps, "import (rows)") as count:
        count.append(_import(tenant.id, path, mapping))
    with _measured(steps, "fold") as count:
        fold_usage()
        count.append(count_rows(tenant.id))
    with _measured(steps, "sign and open (customers)") as count:
        opened = _open(tenant.id)
        count.append(len(opened))
    for name in ("rate and write (invoices)", "rate again, nothing new (invoices)"):
        with _measured(steps, name) as count:
            for batch in _batches(opened):
                with tenant_context(tenant.id, actor="bench"):
                    recalculate_invoices(invoice_ids=batch, now=NOW)
            count.append(len(opened))
    with _measured(steps, "issue (invoices)") as count:
        issued = _issue(tenant.id, opened)
        count.append(issued[0])
    return steps, issued


def count_rows(tenant_id: UUID) -> int:
    with tenant_context(tenant_id):
        return imports.counts_of(Job.objects.get(kind=imports.KIND))["rows"]


def _import(tenant_id: UUID, path: Path, mapping: str) -> int:
    with tenant_context(tenant_id, actor="bench"):
        job = imports.start_import(
            path=path, mapping=mapping, source="bench", epoch=EPOCH, create_customers_in="USD"
        )
        token = claim_job(job_id=job.id, now=NOW)
    more = token is not None
    while more and token is not None:
        with tenant_context(tenant_id, actor="bench"):
            more = run_next_batch(job_id=job.id, token=token, now=NOW)
    return count_rows(tenant_id)


def _open(tenant_id: UUID) -> list[UUID]:
    """Sign the same terms with every customer and open the invoices."""
    with tenant_context(tenant_id, actor="bench"):
        customers = list(Customer.objects.order_by("name"))
    opened: list[UUID] = []
    for start in range(0, len(customers), BATCH):
        with tenant_context(tenant_id, actor="bench"):
            for number, customer in enumerate(customers[start : start + BATCH], start=start + 1):
                form = _signed(customer, number)
                schedule = create_schedule(order_form_id=form.id, now=NOW)
                activate_schedule(schedule_id=schedule.id, now=NOW)
                opened += advance_schedule(schedule_id=schedule.id, now=NOW)
    return opened


def _terms() -> OrderTerms:
    tiers = (
        Tier(Decimal(100_000), Decimal("0.0005")),
        Tier(Decimal(10_000_000), Decimal("0.0003")),
        Tier(None, Decimal("0.0001")),
    )
    requests = ItemTerms(
        key="requests",
        product_code="requests",
        product_name="Requests",
        kind="usage",
        model=Graduated(tiers),
        frequency=Frequency.MONTHLY,
        timing="in_arrears",
        meter="requests",
        recognition="usage",
    )
    phase = PhaseTerms("p1", "Term", "standard", EPOCH.date(), LAST, (requests,))
    return OrderTerms("Bench", "USD", "UTC", EPOCH.date(), LAST, 1, 30, (phase,))


def _signed(customer: Customer, number: int) -> OrderForm:
    """Write an order form as signing leaves it, without the pages and the PDF."""
    terms = _terms()
    quote = Quote.objects.create(
        number=f"Q-{number:05d}",
        customer=customer,
        title=terms.title,
        owner_label="bench",
    )
    version = QuoteVersion.objects.create(
        quote=quote,
        number=1,
        legal_entity=customer.legal_entity,
        currency=terms.currency,
        time_zone=terms.time_zone,
        start_on=terms.start_on,
        expires_on=terms.start_on,
    )
    document = store_document(filename="order.pdf", content=b"%PDF")
    form: OrderForm = OrderForm.objects.create(
        number=f"{quote.number}-1",
        version=version,
        customer=customer,
        legal_entity=customer.legal_entity,
        terms=terms_to_data(terms),
        terms_sha256=terms_hash(terms),
        document=document,
        document_sha256=document.sha256,
        signer_name="Bench",
        signer_email="bench@example.com",
        consent_text="I agree",
        signed_at=EPOCH,
    )
    return form


def _issue(tenant_id: UUID, opened: list[UUID]) -> tuple[int, Decimal]:
    issued, billed = 0, Decimal(0)
    for batch in _batches(opened):
        with tenant_context(tenant_id, actor="bench"):
            due = Invoice.objects.filter(id__in=batch, status="draft", total_amount__gt=0)
            for invoice_id in due.order_by("id").values_list("id", flat=True):
                invoice = issue_invoice(
                    invoice_id=invoice_id, issued_on=NOW.date(), now=NOW, ignore_grace=True
                )
                issued, billed = issued + 1, billed + invoice.total_amount
    return issued, billed


def _batches(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


@contextmanager
def _measured(steps: list[Measure], name: str) -> Iterator[list[int]]:
    count: list[int] = []
    with suppress(OSError):  # Linux forgets the peak so far
        Path("/proc/self/clear_refs").write_text("5")
    began = time.perf_counter()
    yield count
    steps.append(Measure(name, sum(count), time.perf_counter() - began, _peak_mb()))


def _peak_mb() -> float:
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        found = next(line for line in lines if line.startswith("VmHWM"))
        return int(found.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _text(measure: Measure) -> str:
    return (
        f"{measure.name:<36} {measure.seconds:8.2f} s {measure.rate:12,.0f} /s"
        f" {measure.peak_mb:8.0f} MB peak"
    )


def _json(measure: Measure) -> str:
    return json.dumps(
        {
            "name": f"usage: {measure.name}",
            "value": round(measure.rate, 1),
            "unit": "per second",
            "n": measure.n,
            "seconds": round(measure.seconds, 3),
            "peak_mb": round(measure.peak_mb, 1),
        }
    )
