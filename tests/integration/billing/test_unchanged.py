"""What nothing has touched is not even looked at; what anything touched always is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection

from billing.models import (
    BillingPeriod,
    BillingSchedule,
    CalculationMark,
    CustomerBilling,
    CustomerTaxRate,
    Invoice,
    InvoiceLine,
)
from billing.services import calculation
from billing.services.assertions import set_rule
from billing.services.bulk import start_bulk
from billing.services.calculation import forget_noted, outdated, surely_current
from billing.services.drafts import edit_invoice
from billing.services.invoicing import recalculate_invoices
from metering.domain.events import UsageEvent
from metering.services import create_meter, fold_usage, record_usage_events
from monetization.customers.models import Customer
from monetization.jobs.services import claim_job
from monetization.tenancy.context import tenant_context
from tests.factories import make_tenant
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_calls_meter, make_customer

NOW = datetime(2026, 4, 2, tzinfo=UTC)


class Book:
    """Two customers, each with the drafts of three months and an invoice in progress."""

    def __init__(self) -> None:
        self.tenant = make_tenant("Unchanged")
        with self.open():
            make_calls_meter(NOW)
            for name in ("acme", "globex"):
                billed(deal(PLATFORM, CALLS), now=NOW, customer=make_customer(name))
            rows = list(Invoice.objects.order_by("customer__name", "bill_on"))
        half = len(rows) // 2
        self.acme, self.globex = rows[:half], rows[half:]
        self.february = next(row for row in self.acme if row.bill_on == date(2026, 3, 1))
        self.recalculate()

    @contextmanager
    def open(self) -> Iterator[None]:
        with tenant_context(self.tenant.id, actor="test"):
            yield

    @property
    def ids(self) -> list[Any]:
        return [row.id for row in (*self.acme, *self.globex)]

    def recalculate(self) -> None:
        """Twice: writing an invoice has the others of its contract looked at once."""
        for _ in range(2):
            with self.open():
                recalculate_invoices(invoice_ids=self.ids, now=NOW)

    @property
    def begun(self) -> list[Any]:
        """Return what no period begins for any more, whatever the day."""
        return [row.id for row in (*self.acme, *self.globex) if row.status == "draft"]

    def untouched(self) -> set[Any]:
        with self.open():
            found = surely_current(self.ids, now=NOW)
            due = set(outdated(self.ids, now=NOW))
        assert not found & due
        return found


@pytest.fixture
def book(transactional_db: None) -> Book:
    return Book()


def use(day: datetime, name: str, customer: str = "acme") -> None:
    event = UsageEvent("test", name, "api", customer, day, {"n": Decimal(1_500)})
    record_usage_events([event], now=NOW)


def used(book: Book) -> None:
    use(datetime(2026, 2, 9, tzinfo=UTC), "waiting")


def folded(book: Book) -> None:
    use(datetime(2026, 2, 10, tzinfo=UTC), "folded")
    fold_usage()


def another_note(book: Book) -> None:
    edit_invoice(invoice_id=book.february.id, change_note="As agreed", now=NOW)


def another_line(book: Book) -> None:
    InvoiceLine.objects.filter(invoice=book.february).update(amount=Decimal(9))


def a_line_less(book: Book) -> None:
    InvoiceLine.objects.filter(invoice=book.february, item_key="calls").delete()


def a_period_less(book: Book) -> None:
    BillingPeriod.objects.filter(invoice=book.february, item_key="calls").update(invoice=None)


def a_period_back(book: Book) -> None:
    BillingPeriod.objects.filter(invoice=None, service_start="2026-02-01").update(
        invoice=book.february
    )


def another_total_before(book: Book) -> None:
    before = next(row for row in book.acme if row.bill_on == date(2026, 2, 1))
    Invoice.objects.filter(id=before.id).update(
        subtotal_amount=Decimal(1), tax_amount=Decimal(0), total_amount=Decimal(1)
    )


def another_contract(book: Book) -> None:
    BillingSchedule.objects.filter(id=book.february.schedule_id).update(terms_sha256="0" * 64)


def another_name(book: Book) -> None:
    Customer.objects.filter(name="acme").update(legal_name="Acme Limited")


def a_rate_of_its_own(book: Book) -> None:
    CustomerTaxRate.objects.create(
        customer_id=book.february.customer_id, valid_from=date(2026, 1, 1), percent=Decimal(7)
    )


def an_order_is_wanted(book: Book) -> None:
    CustomerBilling.objects.create(
        customer_id=book.february.customer_id, requires_purchase_order=True
    )


OF_ONE = [
    used, folded, another_note, another_line, a_line_less, a_period_less, a_period_back,
    another_total_before, another_contract, another_name, a_rate_of_its_own, an_order_is_wanted,
]  # fmt: skip


def test_whatever_touches_an_invoice_has_it_looked_at_and_leaves_the_others_alone(
    book: Book,
) -> None:
    everything = set(book.ids)
    others = {row.id for row in book.globex}
    assert book.untouched() == everything
    for happens in OF_ONE:
        with book.open():
            happens(book)
        found = book.untouched()
        assert book.february.id not in found, happens.__name__
        assert others <= found, happens.__name__
        with book.open():
            fold_usage()  # what waits to be folded is asked about until it is
        book.recalculate()
        assert book.untouched() == everything, happens.__name__


def another_rule(book: Book) -> None:
    set_rule(kind="total_within_limit", is_enabled=True, parameters={"limit": "1"}, now=NOW)


def another_meter(book: Book) -> None:
    create_meter(key="new", name="New", event_type="x", aggregation="count", now=NOW)


@pytest.mark.parametrize("happens", [another_rule, another_meter])
def test_what_matters_to_all_has_all_looked_at(book: Book, happens: Callable[[Book], None]) -> None:
    with book.open():
        happens(book)
    assert book.untouched() == set()
    book.recalculate()
    assert book.untouched() == set(book.ids)


def test_usage_of_another_month_touches_only_the_invoice_of_that_month(book: Book) -> None:
    with book.open():
        use(datetime(2026, 3, 9, tzinfo=UTC), "march")
        fold_usage()
    touched = set(book.ids) - book.untouched()
    assert [row.bill_on for row in book.acme if row.id in touched] == [date(2026, 4, 1)]


def test_what_is_found_the_same_is_not_looked_at_again(book: Book) -> None:
    with book.open():
        Customer.objects.filter(name="acme").update(purchase_order="unread")
    assert book.february.id not in book.untouched()
    book.recalculate()
    assert book.untouched() == set(book.ids)


def test_a_period_that_begins_touches_its_invoice(book: Book) -> None:
    coming = next(row for row in book.acme if row.bill_on > NOW.date())
    with book.open():
        later = datetime(2027, 1, 1, tzinfo=UTC)
        waits = CalculationMark.objects.get(invoice=coming).next_start is not None
        assert (coming.id in surely_current(book.ids, now=later)) is not waits
        CalculationMark.objects.update(next_start=later)
        assert surely_current(book.ids, now=later - timedelta(seconds=1)) == set(book.ids)
        assert surely_current(book.ids, now=later) == set()


@contextmanager
def somebody_else(book: Book) -> Iterator[psycopg.Connection[Any]]:
    """Open a transaction on a connection of its own."""
    names = ("host", "port", "user", "password", "dbname")
    known = connection.get_connection_params()
    with psycopg.connect(**{name: known[name] for name in names if known.get(name)}) as other:
        other.execute("SELECT set_config('app.tenant_id', %s, false)", [str(book.tenant.id)])
        yield other


RENAME = "UPDATE customers_customer SET legal_name = 'Acme plc' WHERE name = 'acme'"


def test_a_change_under_way_while_it_was_computed_is_looked_at_once_it_is_there(
    book: Book,
) -> None:
    with book.open():
        folded(book)
    with somebody_else(book) as other:
        other.execute(RENAME)
        book.recalculate()
        assert book.february.id in book.untouched()
        other.commit()
        assert book.february.id not in book.untouched()
    with book.open():
        assert book.february.id in outdated(book.ids, now=NOW)


def test_a_change_that_came_while_it_was_computed_leaves_it_without_a_mark(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was computed knew the old name; the hash made afterwards would know the new one."""
    written = calculation.write

    def write(*args: Any) -> None:
        written(*args)
        with somebody_else(book) as other:
            other.execute(RENAME)

    with book.open():
        used(book)
        CalculationMark.objects.filter(invoice=book.february).delete()
    monkeypatch.setattr(calculation, "write", write)
    book.recalculate()
    monkeypatch.undo()
    with book.open():
        assert not CalculationMark.objects.filter(invoice=book.february).exists()
        assert book.february.id in outdated(book.ids, now=NOW)


def test_a_change_later_in_the_same_transaction_is_looked_at(book: Book) -> None:
    """Others that began later and ended before make it look like one that has ended."""
    for note, is_alone in (("Another", True), ("One more", False)):
        with book.open():
            another_note(book)
            if not is_alone:
                with somebody_else(book) as other:
                    other.execute("UPDATE customers_customer SET name = name")
            recalculate_invoices(invoice_ids=book.ids, now=NOW)
            recalculate_invoices(invoice_ids=book.ids, now=NOW)
            assert book.february.id in surely_current(book.ids, now=NOW)
            edit_invoice(invoice_id=book.february.id, change_note=note, now=NOW)
            assert book.february.id not in surely_current(book.ids, now=NOW)


def test_what_roll_ups_do_not_have_is_asked_about_every_time(transactional_db: None) -> None:
    """The highest of all events is found among them; no month notes it."""
    with tenant_context(make_tenant("Highest").id, actor="test"):
        create_meter(
            key="calls",
            name="Calls",
            event_type="api",
            aggregation="max",
            value_property="n",
            now=NOW,
        )
        billed(deal(PLATFORM, CALLS), now=NOW, customer=make_customer("acme"))
        ids = list(Invoice.objects.filter(bill_on="2026-03-01").values_list("id", flat=True))
        recalculate_invoices(invoice_ids=ids, now=NOW)
        assert surely_current(ids, now=NOW) == set()
        assert outdated(ids, now=NOW) == []
        use(datetime(2026, 2, 9, tzinfo=UTC), "high")
        assert outdated(ids, now=NOW) == ids


def test_what_was_kept_long_ago_is_looked_at_and_by_an_older_release_computed(book: Book) -> None:
    with book.open():
        marks = CalculationMark.objects
        mark = marks.get(invoice=book.february)
        marks.filter(id=mark.id).update(kept_at=mark.kept_at - timedelta(days=1, seconds=9))
        assert book.february.id not in surely_current(book.ids, now=NOW)
        marks.filter(id=mark.id).delete()
        marks.create(id=mark.id, invoice=book.february, mark=mark.mark)
        assert outdated(book.ids, now=NOW) == [book.february.id]
        assert recalculate_invoices(invoice_ids=book.ids, now=NOW) == []
        assert book.february.id in surely_current(book.ids, now=NOW)


def test_notes_are_kept_for_two_days(book: Book) -> None:
    with book.open(), connection.cursor() as cursor:
        assert forget_noted() == 0
        cursor.execute("UPDATE billing_inputchange SET at = at - interval '47 hours'")
        assert forget_noted() == 0
        cursor.execute("UPDATE billing_inputchange SET at = at - interval '2 hours'")
        assert forget_noted() > 0


def test_a_job_has_items_only_for_what_may_have_changed(book: Book) -> None:
    with book.open():
        used(book)
        job = start_bulk(action="recalculate", invoice_ids=book.begun)
        count = len(book.begun)
        assert (job.title, job.total) == (f"Recalculate {count} invoices", count)
        assert (job.status, job.done, job.up_to_date) == ("queued", count - 1, count - 1)
        assert [item.key for item in job.items.all()] == [str(book.february.id)]


def test_a_job_on_invoices_nothing_happened_to_has_ended_at_once(book: Book) -> None:
    with book.open():
        job = start_bulk(action="preview", invoice_ids=book.begun)
        assert (job.status, job.percent, job.items.count()) == ("succeeded", 100, 0)
        assert job.finished_at is not None
        assert claim_job(job_id=job.id, now=NOW) is None


def test_what_another_connection_wrote_is_looked_at(book: Book) -> None:
    with somebody_else(book) as other:
        other.execute(RENAME)
    assert book.february.id not in book.untouched()
