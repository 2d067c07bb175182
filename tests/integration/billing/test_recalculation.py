"""A recalculation computes what something has happened to, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.domain.manual_lines import ManualEntry
from billing.models import BillingPeriod, CalculationMark, Invoice, InvoiceLine
from billing.services.assertions import set_rule
from billing.services.calculation import outdated
from billing.services.drafts import add_manual_line, edit_invoice
from billing.services.invoicing import preview_invoices, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.models import UsageReading
from metering.services import create_meter, fold_usage, record_usage_events
from monetization.jobs.models import JobItem
from monetization.jobs.services import (
    JobKind,
    claim_job,
    register_job_kind,
    run_next_batch,
    start_job,
)
from monetization.kernel.errors import Refusal
from monetization.kernel.period import Frequency
from monetization.pricing.terms import MinimumTerms
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

pytestmark = pytest.mark.usefixtures("tenant")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def use(customer: str, calls: int, day: int = 10, name: str = "") -> None:
    event = UsageEvent(
        "test",
        name or f"{customer}-{calls}-{day}",
        "api.called",
        customer,
        datetime(2026, 2, day, 9, 30, tzinfo=UTC),
        {"calls": Decimal(calls)},
    )
    record_usage_events([event], now=NOW)


@pytest.fixture
def draft(tenant: Any) -> Invoice:
    """The draft of 1 March: February's calls in arrears, March's platform in advance."""
    create_meter(
        key="calls",
        name="Calls",
        event_type="api.called",
        aggregation="sum",
        value_property="calls",
        now=NOW,
    )
    customer = make_customer()
    use("acme", 100)
    billed(deal(PLATFORM, CALLS), now=NOW, customer=customer)
    made: Invoice = Invoice.objects.get(bill_on="2026-03-01")
    assert made.total_amount == Decimal(510)
    return made


def due(invoice: Invoice) -> bool:
    return outdated([invoice.id], now=NOW) == [invoice.id]


def recalculate(invoice: Invoice) -> list[Any]:
    return recalculate_invoices(invoice_ids=[invoice.id], now=NOW)


def test_an_invoice_nothing_happened_to_is_not_computed_again(draft: Invoice) -> None:
    assert not due(draft)
    readings = UsageReading.objects.count()
    with CaptureQueriesContext(connection) as queries:
        assert recalculate(draft) == []
    assert UsageReading.objects.count() == readings
    assert not [q for q in queries if "billing_billingschedule" in q["sql"] and "terms" in q["sql"]]


def test_folding_the_same_usage_changes_nothing(draft: Invoice) -> None:
    fold_usage()
    assert not due(draft)


def _more_usage(draft: Invoice) -> None:
    use("acme", 1)


def _usage_of_nothing(draft: Invoice) -> None:
    use("acme", 0, name="nothing")


def _another_rule(draft: Invoice) -> None:
    set_rule(kind="total_within_limit", is_enabled=True, parameters={"limit": "1"}, now=NOW)


def _another_note(draft: Invoice) -> None:
    edit_invoice(invoice_id=draft.id, change_note="As agreed", now=NOW)


def _another_tax(draft: Invoice) -> None:
    Invoice.objects.filter(id=draft.id).update(tax_percent=Decimal(20))


def _a_manual_line(draft: Invoice) -> None:
    add_manual_line(invoice_id=draft.id, entry=ManualEntry("Help", amount=Decimal(5)), now=NOW)


def _a_damaged_line(draft: Invoice) -> None:
    InvoiceLine.objects.filter(invoice=draft, item_key="calls").update(amount=Decimal(9))


def _a_period_less(draft: Invoice) -> None:
    BillingPeriod.objects.filter(invoice=draft, item_key="platform").update(invoice=None)


def _another_meter(draft: Invoice) -> None:
    create_meter(key="new", name="New", event_type="x", aggregation="count", now=NOW)


@pytest.mark.parametrize(
    "happens",
    [
        _more_usage, _usage_of_nothing, _another_rule, _another_note, _another_tax,
        _a_manual_line, _a_damaged_line, _a_period_less, _another_meter,
    ],
)  # fmt: skip
def test_whatever_it_is_computed_from_makes_it_due_once(
    draft: Invoice, happens: Callable[[Invoice], None]
) -> None:
    happens(draft)
    assert due(draft)
    recalculate(draft)
    assert not due(draft)


def test_a_damaged_line_is_computed_as_it_should_be(draft: Invoice) -> None:
    _a_damaged_line(draft)
    [change] = recalculate(draft)
    assert [(c.before, c.after) for c in change.changes] == [(Decimal(9), Decimal(10))]


def test_a_preview_and_a_recalculation_say_the_same(draft: Invoice) -> None:
    use("acme", 950)
    found = preview_invoices(invoice_ids=[draft.id], now=NOW)
    assert found == recalculate(draft)
    draft.refresh_from_db()
    assert draft.total_amount == Decimal("604.00")  # 500 + 1,000 x 0.10 + 50 x 0.08


def test_what_depends_on_earlier_invoices_is_computed_when_any_of_them_is_touched(
    tenant: Any,
) -> None:
    yearly = MinimumTerms(Decimal(12_000), Frequency.YEARLY)
    billed(deal(PLATFORM, minimum=yearly), now=NOW, customer=make_customer())
    ids = list(Invoice.objects.order_by("bill_on").values_list("id", flat=True))
    assert set(CalculationMark.objects.values_list("mark", flat=True)) == {""}
    for _ in ids:  # each that is written touches the contract
        recalculate_invoices(invoice_ids=ids, now=NOW)
    assert outdated(ids, now=NOW) == []
    Invoice.objects.filter(id=ids[0]).update(change_note="As agreed")
    assert outdated(ids, now=NOW) == ids


def test_a_batch_that_fails_runs_one_by_one(tenant: Any) -> None:
    class Odd(Refusal):
        """The item is odd."""

    def one(job: Any, item: JobItem) -> dict[str, Any]:
        if int(item.key) % 2:
            raise Odd(f"{item.key} is odd")
        return {"half": int(item.key) // 2}

    def many(job: Any, items: Any) -> dict[str, Any]:
        return {item.key: one(job, item) for item in items}

    register_job_kind(JobKind("test.batch", one, batch_size=10, run_batch=many))
    job = start_job(kind="test.batch", title="Batch", items=[(str(n), "") for n in range(4)])
    token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    while run_next_batch(job_id=job.id, token=token, now=NOW + timedelta(seconds=1)):
        pass
    job.refresh_from_db()
    assert (job.status, job.done, job.failed) == ("attention", 2, 2)
    assert list(JobItem.objects.order_by("position").values_list("status", "result", "error")) == [
        ("done", {"half": 0}, ""),
        ("failed", {}, "1 is odd"),
        ("done", {"half": 1}, ""),
        ("failed", {}, "3 is odd"),
    ]
