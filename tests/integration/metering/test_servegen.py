"""Fourteen days of 421 real API clients, from the file to invoices, against plain arithmetic.

The reference below knows nothing of the product: it reads the same file with csv and adds up
with integers and fractions.
"""

import csv
import gzip
import os
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum

from billing.models import Invoice, InvoiceLine
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from billing.services.schedules import activate_schedule, create_schedule
from metering import selectors
from metering.imports import services
from metering.models import Meter
from metering.services import create_meter
from monetization.customers.models import Customer
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job, run_next_batch
from monetization.kernel.period import Frequency
from monetization.ledger.selectors import trial_balance
from monetization.pricing.prices import Graduated, Tier
from monetization.pricing.terms import ItemTerms
from tests.factories_billing import deal, signed

FILE = Path(os.environ.get("SAMPLE_DATA", "")) / "servegen" / "servegen_client_10min.csv.gz"
MAPPING = (
    "id={model}/{client}@{window_start_s},customer={model}/{client},time=@window_start_s,"
    "type='inference',data.requests=requests_600s,data.output_tokens=mean_output_tokens"
)
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2024, 1, 15, tzinfo=UTC)
NOW = datetime(2024, 1, 16, 12, tzinfo=UTC)
TIERS = (
    (100_000, Fraction("0.0005")),
    (10_000_000, Fraction("0.0003")),
    (None, Fraction("0.0001")),
)
REQUESTS = ItemTerms(
    key="requests",
    product_code="requests",
    product_name="Requests",
    kind="usage",
    model=Graduated(
        (
            Tier(Decimal(100_000), Decimal("0.0005")),
            Tier(Decimal(10_000_000), Decimal("0.0003")),
            Tier(None, Decimal("0.0001")),
        )
    ),
    frequency=Frequency.MONTHLY,
    timing="in_arrears",
    meter="requests",
    recognition="usage",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILE.is_file(), reason="SAMPLE_DATA has no servegen file"),
]


def plain_sums() -> tuple[int, Counter[str]]:
    rows, requests = 0, Counter[str]()
    with gzip.open(FILE, "rt", newline="") as file:
        for row in csv.DictReader(file):
            rows += 1
            requests[f"{row['model']}/{row['client']}"] += int(row["requests_600s"])
    return rows, requests


def plain_price(quantity: int) -> Fraction:
    price, floor = Fraction(0), 0
    for up_to, unit_price in TIERS:
        ceiling = quantity if up_to is None else min(quantity, up_to)
        price += max(0, ceiling - floor) * unit_price
        floor = max(floor, ceiling)
    return price


def plain_cents(price: Fraction) -> Fraction:
    return Fraction(int(price * 100 + Fraction(1, 2)), 100)


def import_file() -> Job:
    job = services.start_import(
        path=FILE,
        mapping=MAPPING,
        source="servegen",
        epoch=EPOCH,
        create_customers_in="USD",
    )
    token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    while run_next_batch(job_id=job.id, token=token, now=NOW):
        pass
    job.refresh_from_db()
    return job


def bill(customers: list[Customer]) -> None:
    terms = deal(REQUESTS, start=EPOCH.date(), end=END.date())
    opened = []
    for customer in customers:
        schedule = create_schedule(order_form_id=signed(terms, customer).id, now=NOW)
        activate_schedule(schedule_id=schedule.id, now=NOW)
        opened += advance_schedule(schedule_id=schedule.id, now=NOW)
    recalculate_invoices(invoice_ids=opened, now=NOW)
    for invoice_id in opened:
        issue_invoice(
            invoice_id=invoice_id, issued_on=date(2024, 1, 16), now=NOW, ignore_grace=True
        )


@pytest.mark.usefixtures("tenant")
def test_two_weeks_of_real_usage_are_billed_to_the_last_request(
    settings: Any, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    rows, requests = plain_sums()
    meter = create_meter(
        key="requests",
        name="Requests",
        event_type="inference",
        aggregation="sum",
        value_property="requests",
        now=NOW,
    )

    job = import_file()

    assert job.status == Job.Status.SUCCEEDED
    assert services.counts_of(job) == {"rows": rows, "created": rows}
    customers = list(Customer.objects.order_by("name"))
    assert {customer.name for customer in customers} == set(requests)
    assert len(customers) == 421
    measured = selectors.read_usage(
        [selectors.ReadingRequest(customer.id, meter.id, EPOCH, END) for customer in customers]
    )
    assert {c.name: m.quantity for c, m in zip(customers, measured, strict=True)} == requests
    assert sum(m.event_count for m in measured) == rows

    bill(customers)

    prices = {name: plain_price(quantity) for name, quantity in requests.items()}
    exact = {
        line.invoice.customer.name: Fraction(line.exact_amount)
        for line in InvoiceLine.objects.select_related("invoice__customer")
    }
    assert exact == prices
    assert sum(exact.values()) == sum(prices.values())
    issued = Invoice.objects.filter(status="issued").select_related("customer")
    totals = {invoice.customer.name: Fraction(invoice.total_amount) for invoice in issued}
    assert totals == {name: plain_cents(price) for name, price in prices.items()}
    billed = Invoice.objects.aggregate(total=Sum("total_amount"))["total"]
    assert Fraction(billed) == sum(map(plain_cents, prices.values()))
    receivable = {row.account.value: row.balance for row in trial_balance()}
    assert receivable["accounts_receivable"] == billed
    assert sum(receivable.values()) == 0
    assert Meter.objects.count() == 1
