"""Two people, or two workers, at the same moment: one wins, the other is told, the books hold."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from billing.models import CreditNote, Invoice, InvoiceLine, Payment
from billing.services.calculation import sums
from billing.services.collections import record_payment
from billing.services.corrections import credit_invoice, void_invoice
from billing.services.delivery import send_invoice
from billing.services.invoicing import (
    advance_schedule,
    content_hash,
    issue_invoice,
    recalculate_invoices,
)
from billing.services.schedules import activate_schedule, create_schedule
from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from monetization.customers.models import BillingContact
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import NothingSelected, claim_job, run_next_batch, start_job
from monetization.kernel.errors import Refusal
from monetization.ledger.selectors import trial_balance
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from tests.factories import make_tenant
from tests.factories_billing import (
    CALLS,
    PLATFORM,
    billed,
    deal,
    make_calls_meter,
    make_customer,
    signed,
)

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
TODAY = date(2026, 3, 3)
DONE = "done"
Act = Callable[[], object]


@pytest.fixture
def seller() -> Any:
    """A company whose only customer has the drafts of January, February and March."""
    made = make_tenant("Raced")
    with tenant_context(made.id, actor="test"):
        make_calls_meter(NOW)
        customer = make_customer()
        BillingContact.objects.create(
            customer=customer, name="Ann", email="ann@example.com", is_primary=True
        )
        billed(deal(PLATFORM, CALLS), now=NOW, customer=customer)
    return made


def use(number: int) -> None:
    time = datetime(2026, 2, 10, tzinfo=UTC)
    event = UsageEvent("t", f"race-{number}", "api", "acme", time, {"n": Decimal(10)})
    record_usage_events([event], now=NOW)


def at_once(tenant: Any, acts: Sequence[Act]) -> list[str]:
    """Run every act in a thread and a transaction of its own, all started together."""
    start = Barrier(len(acts))

    def run(act: Act) -> str:
        try:
            start.wait(timeout=30)
            with tenant_context(tenant.id, actor="test"):
                act()
            return DONE
        except Refusal as refusal:
            return type(refusal).__name__
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def of_march(tenant: Any) -> Any:
    with tenant_context(tenant.id):
        return Invoice.objects.get(bill_on="2026-03-01").id


def issue(invoice_id: Any) -> None:
    issue_invoice(invoice_id=invoice_id, issued_on=TODAY, now=NOW, ignore_grace=True)


def issued(tenant: Any) -> Any:
    with tenant_context(tenant.id, actor="test"):
        invoice_id = of_march(tenant)
        issue(invoice_id)
    return invoice_id


def assert_books_hold(tenant: Any) -> Any:
    with tenant_context(tenant.id):
        assert sum(row.balance for row in trial_balance()) == 0
        receivable = {row.account.value: row.balance for row in trial_balance()}
        owed = sum(
            i.total_amount - i.paid_amount - i.credited_amount
            for i in Invoice.objects.filter(status="issued")
        )
        unapplied = sum(p.amount for p in Payment.objects.filter(allocations__isnull=True))
        assert receivable.get("accounts_receivable", 0) == owed - unapplied


def test_the_clock_fired_five_times_opens_each_invoice_once() -> None:
    tenant = make_tenant("Clocked")
    with tenant_context(tenant.id, actor="test"):
        schedule = create_schedule(order_form_id=signed(deal(PLATFORM)).id, now=NOW)
        activate_schedule(schedule_id=schedule.id, now=NOW)

    answers = at_once(tenant, [lambda: advance_schedule(schedule_id=schedule.id, now=NOW)] * 5)

    assert answers == [DONE] * 5
    with tenant_context(tenant.id):
        dates = list(Invoice.objects.order_by("bill_on").values_list("bill_on", "status"))
    assert [(day.month, status) for day, status in dates] == [
        (1, "draft"), (2, "draft"), (3, "draft"), (4, "in_progress"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "against",
    ["void", "pay", "credit"],
)
def test_a_void_and_something_else_at_once_have_one_winner(seller: Any, against: str) -> None:
    invoice_id = issued(seller)

    def void() -> None:
        void_invoice(invoice_id=invoice_id, reason="Wrong", now=NOW)

    def pay() -> None:
        invoice = Invoice.objects.get(id=invoice_id)
        record_payment(
            customer_id=invoice.customer_id,
            amount=invoice.total_amount,
            currency="USD",
            received_on=TODAY,
            reference="wire",
            allocations={invoice_id: invoice.total_amount},
            now=NOW,
        )

    def credit() -> None:
        credit_invoice(invoice_id=invoice_id, reason="Wrong", issued_on=TODAY, now=NOW)

    answers = at_once(seller, [void, {"void": void, "pay": pay, "credit": credit}[against]])

    assert answers.count(DONE) == 1, answers
    with tenant_context(seller.id):
        invoice = Invoice.objects.get(id=invoice_id)
        touched = CreditNote.objects.count() + Payment.objects.count()
        assert (invoice.status == "void") == (touched == 0)
    assert_books_hold(seller)


def test_what_is_issued_while_usage_arrives_and_others_recalculate_says_what_it_says(
    seller: Any,
) -> None:
    invoice_id = of_march(seller)

    def recalculate() -> None:
        recalculate_invoices(invoice_ids=[invoice_id], now=NOW)

    def usage(number: int) -> Act:
        return lambda: use(number)

    for attempt in range(4):
        at_once(
            seller,
            [recalculate, usage(attempt), recalculate]
            + ([lambda: issue(invoice_id)] if attempt == 2 else []),
        )

    with tenant_context(seller.id):
        invoice = Invoice.objects.get(id=invoice_id)
        lines = list(InvoiceLine.objects.filter(invoice=invoice).order_by("position"))
        net, tax = sums(lines, "USD")
        assert invoice.status == "issued"
        assert (invoice.subtotal_amount, invoice.tax_amount) == (net.amount, tax.amount)
        assert invoice.content_sha256 == content_hash(invoice, lines)
        assert len({line.key for line in lines}) == len(lines) == 2
    assert_books_hold(seller)


def test_sent_by_four_at_once_it_is_mailed_once(seller: Any) -> None:
    invoice_id = issued(seller)

    at_once(seller, [lambda: send_invoice(invoice_id=invoice_id, now=NOW)] * 4)

    with tenant_context(seller.id):
        assert OutgoingMail.objects.filter(dedupe_key=f"invoice/{invoice_id}").count() == 1


def test_a_double_click_starts_one_job(seller: Any) -> None:
    invoice_id = of_march(seller)

    def start() -> None:
        start_job(
            kind="invoices.issue",
            title="Issue",
            items=[(str(invoice_id), "")],
            params={"issued_on": TODAY.isoformat()},
            dedupe_key="issue march",
        )

    at_once(seller, [start] * 4)

    with tenant_context(seller.id):
        assert Job.objects.count() == 1


def test_one_bad_invoice_does_not_stop_the_run(seller: Any) -> None:
    """One of three has terms that nobody can read any more; it says so, the others are done."""
    with tenant_context(seller.id, actor="test"):
        broken = billed(deal(PLATFORM), now=NOW, customer=make_customer("Broken"))
        terms = {**broken.terms, "phases": [{"what": "is this"}]}
        type(broken).objects.filter(id=broken.id).update(terms=terms, terms_sha256="x" * 64)
        use(1)
        march = Invoice.objects.filter(bill_on="2026-03-01").values_list("id", flat=True)
        job = start_job(
            kind="invoices.recalculate", title="All", items=[(str(key), "") for key in march]
        )
        token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    more = True
    while more:
        with tenant_context(seller.id, actor="test"):
            more = run_next_batch(job_id=job.id, token=token, now=NOW)

    with tenant_context(seller.id):
        job = Job.objects.get(id=job.id)
        assert (job.status, job.done, job.failed) == ("attention", 1, 1)
        [failed] = JobItem.objects.filter(status="failed")
        assert failed.key == str(Invoice.objects.get(schedule=broken, bill_on="2026-03-01").id)
        assert failed.error


def test_nothing_is_started_for_nothing(seller: Any) -> None:
    with tenant_context(seller.id), pytest.raises(NothingSelected):
        start_job(kind="invoices.issue", title="Issue", items=[])
