"""What is written many rows at a time keeps the promises made for one."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from billing import selectors
from billing.models import Invoice, InvoiceLine
from billing.services.calculation.outcomes import LINE_NAMES
from billing.services.invoicing import issue_invoice, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.models import UsageReading
from metering.services import READING_NAMES, create_meter, record_usage_events
from monetization.audit.models import AuditEntry
from monetization.jobs.models import Job, JobItem
from monetization.kernel.ids import uuid7
from monetization.tenancy.bulk import FEW, insert_records, update_records
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

pytestmark = pytest.mark.usefixtures("tenant")
NOW = datetime(2026, 3, 2, tzinfo=UTC)
TODAY = date(2026, 3, 2)


@pytest.fixture
def drafts(tenant: Any) -> list[Invoice]:
    """The drafts of 1 March of two customers: February's calls, March's platform."""
    create_meter(
        key="calls",
        name="Calls",
        event_type="api.called",
        aggregation="sum",
        value_property="calls",
        now=NOW,
    )
    for name in ("Ada", "Ben"):
        billed(deal(PLATFORM, CALLS), now=NOW, customer=make_customer(name))
    return list(Invoice.objects.filter(bill_on="2026-03-01").order_by("customer__name"))


def _use(customer: str, calls: int) -> None:
    data = {"calls": Decimal(calls)}
    at = datetime(2026, 2, 10, tzinfo=UTC)
    event = UsageEvent("test", f"{customer}-{calls}", "api.called", customer, at, data)
    record_usage_events([event], now=NOW)


def _trail(invoice: Invoice) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(row_id=invoice.id).order_by("at"))


def test_a_line_recalculated_is_the_same_line_and_the_others_are_not_touched(
    drafts: list[Invoice],
) -> None:
    before = {line.key: line for line in drafts[0].lines.all()}
    _use("ada", 100)
    recalculate_invoices(invoice_ids=[drafts[0].id], now=NOW)
    after = {line.key: line for line in drafts[0].lines.all()}
    assert {key: line.id for key, line in after.items()} == {
        key: line.id for key, line in before.items()
    }
    calls = next(line for line in after.values() if line.item_key == "calls")
    assert (calls.quantity, calls.amount) == (100, 10)
    assert calls.reading is not None
    assert calls.reading.quantity == 100
    platform = next(line for line in after.values() if line.item_key == "platform")
    assert platform.amount == before[platform.key].amount == 500


def test_one_statement_over_many_invoices_is_written_down_invoice_by_invoice(
    drafts: list[Invoice],
) -> None:
    known = {row.id: len(_trail(row)) for row in drafts}
    notes = {drafts[0].id: "As agreed", drafts[1].id: ""}
    for row in drafts:
        Invoice.objects.filter(id=row.id).update(change_note=notes[row.id])
    Invoice.objects.filter(id__in=notes).update(
        tax_amount=F("tax_amount") + 1, total_amount=F("total_amount") + 1, change_note="As agreed"
    )
    first, second = (_trail(row)[known[row.id] :] for row in drafts)
    assert [entry.changes for entry in first] == [
        {"change_note": ["", "As agreed"]},
        {"tax_amount": [0, 1], "total_amount": [500, 501]},
    ]
    assert [sorted(entry.changes) for entry in second] == [
        ["change_note", "tax_amount", "total_amount"]  # what was set to what it was is no change
    ]
    assert {(e.table, e.action, e.actor) for e in (*first, *second)} == {
        ("billing_invoice", "UPDATE", "test")
    }


def test_the_trail_knows_a_row_that_was_made_deleted_or_given_another_id(
    drafts: list[Invoice],
) -> None:
    one = Invoice.objects.get(id=drafts[0].id)
    assert _trail(one)[0].action == "INSERT"
    assert _trail(one)[0].changes["currency"] == [None, "USD"]
    one.pk, one.schedule_id, other = uuid7(), None, uuid7()
    one.save(force_insert=True)
    said = _row(one.pk)
    assert _trail(one)[-1].changes == {column: [None, value] for column, value in said.items()}
    Invoice.objects.filter(id=one.pk).update(id=other)
    gone, new = _trail(one)[-1], AuditEntry.objects.get(row_id=other)
    assert (gone.changes["id"], new.changes["id"]) == ([str(one.pk), None], [None, str(other)])
    said = _row(other)
    Invoice.objects.filter(id=other)._raw_delete("default")
    last = AuditEntry.objects.filter(row_id=other).order_by("at").last()
    assert last is not None
    assert last.action == "DELETE"
    assert last.changes == {column: [value, None] for column, value in said.items()}


def _row(invoice_id: UUID) -> dict[str, Any]:
    """Return what a row says, as the trail writes it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_jsonb(i) - 'previous_amount' FROM billing_invoice i WHERE id = %s",
            [invoice_id],
        )
        return dict(json.loads(cursor.fetchone()[0]))


def test_the_trail_says_of_every_column_what_its_row_said_before_and_after(
    drafts: list[Invoice],
) -> None:
    """Nulls, numbers, dates, moments and text that JSON has to escape, beside what is equal."""
    Invoice.objects.filter(id=drafts[0].id).update(purchase_order="7")
    before, known = _row(drafts[0].id), len(_trail(drafts[0]))
    Invoice.objects.filter(id=drafts[0].id).update(
        change_note='"quoted" \\ {brace}, \n Łódź',
        purchase_order="7",
        subtotal_amount=Decimal("1.10"),
        total_amount=F("tax_amount") + Decimal("1.10"),
        due_on=date(2026, 4, 1),
        calculated_at=datetime(2026, 3, 2, 5, 6, 7, 891, tzinfo=UTC),
    )
    after, trail = _row(drafts[0].id), _trail(drafts[0])

    assert len(trail) == known + 1
    assert trail[-1].changes == {
        column: [before[column], after[column]]
        for column in before
        if before[column] != after[column]
    }
    assert set(trail[-1].changes) >= {"change_note", "subtotal_amount", "due_on", "calculated_at"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE billing_invoiceline SET amount = 1",
        "UPDATE billing_invoiceline SET key = 'moved', invoice_id = (SELECT id FROM billing_invoice"
        " WHERE status = 'issued') WHERE key LIKE 'calls%' AND invoice_id = (SELECT i.id"
        " FROM billing_invoice i WHERE i.status = 'draft' AND i.bill_on = '2026-03-01')",
        "DELETE FROM billing_invoiceline",
        "UPDATE billing_invoiceline SET billing_period_id = NULL",
        "INSERT INTO billing_invoiceline SELECT (jsonb_populate_record(l, jsonb_build_object("
        "'id', gen_random_uuid(), 'key', 'new'))).* FROM billing_invoiceline l"
        " WHERE l.key LIKE 'calls%'",
    ],
)
def test_a_statement_that_touches_one_line_of_an_issued_invoice_among_others_is_refused(
    drafts: list[Invoice], change: str
) -> None:
    issue_invoice(invoice_id=drafts[0].id, issued_on=TODAY, now=NOW)
    known = list(InvoiceLine.objects.order_by("id").values())
    with pytest.raises(DatabaseError, match="issued invoice"), transaction.atomic():
        connection.cursor().execute(change)
    assert list(InvoiceLine.objects.order_by("id").values()) == known


@pytest.mark.parametrize("count", [1, FEW - 1, FEW + 1])
def test_few_records_and_many_are_written_alike(count: int) -> None:
    job = Job.objects.create(kind="test", title="Test", total=count)
    ids = [uuid7() for _ in range(count)]
    names = ("id", "job_id", "position", "key", "label", "status", "attempts", "result", "error")
    insert_records(
        JobItem,
        names,
        [(i, job.id, n, f"k{n}", "ü \\ \t", "pending", 0, {"a": [None, "ü"]}, "")
         for n, i in enumerate(ids)],
    )  # fmt: skip
    update_records(
        JobItem, ("id", "result", "attempts"), [(i, {"n": n}, n) for n, i in enumerate(ids)]
    )
    rows = list(job.items.order_by("position"))
    assert [(row.id, row.result, row.attempts) for row in rows] == [
        (i, {"n": n}, n) for n, i in enumerate(ids)
    ]
    assert {(row.label, row.status, row.finished_at) for row in rows} == {
        ("ü \\ \t", "pending", None)
    }


@pytest.mark.parametrize("count", [1, FEW + 1])
def test_a_text_that_is_too_long_is_refused_not_cut(count: int) -> None:
    job = Job.objects.create(kind="test", title="Test", total=count)
    names = ("id", "job_id", "position", "key", "label", "status", "attempts", "result", "error")
    rows: list[tuple[Any, ...]] = [
        (uuid7(), job.id, n, f"{n}" * 201, "", "pending", 0, {}, "") for n in range(count)
    ]
    with pytest.raises(Exception, match="too long"), transaction.atomic():
        insert_records(JobItem, names, rows)


def test_groups_come_in_the_order_of_their_names_however_they_are_paged(
    drafts: list[Invoice],
) -> None:
    rows = selectors.invoices(selectors.InvoiceFilter(), today=TODAY)
    whole, count = selectors.group_keys(rows, "customer", 0, 10)
    pages = [selectors.group_keys(rows, "customer", n, n + 1) for n in range(count)]
    assert [key for keys, _ in pages for key in keys] == whole
    assert {number for _, number in pages} == {2}
    assert selectors.group_keys(rows, "customer", 7, 9) == ([], 2)
    assert selectors.group_keys(rows.filter(currency="EUR"), "entity", 0, 9) == ([], 0)
    assert selectors.group_keys(rows.filter(pk__in=[]), "entity", 0, 9) == ([], 0)
    found = selectors.group_totals(rows, "customer", whole)
    assert [one.name for one in found] == ["Ada", "Ben"]
    assert found == selectors.group_totals(rows, "customer")
    assert sum(one.total for one in found) == sum(row.total_amount for row in rows)
    (entity,) = selectors.group_totals(rows, "entity", is_compared=False)
    assert (entity.previous, entity.change, entity.count) == (None, None, rows.count())


def test_the_first_ids_of_a_view_say_how_many_there_are(drafts: list[Invoice]) -> None:
    for wanted in (selectors.InvoiceFilter(changed="up"), selectors.InvoiceFilter(search="ben")):
        rows: Any = selectors.invoices(wanted, today=TODAY)
        ids, count = selectors.first_ids(rows, 1)
        assert (ids, count) == ([row.id for row in rows][:1], len(rows))
    nothing = selectors.invoices(selectors.InvoiceFilter(currency="EUR"), today=TODAY)
    assert selectors.first_ids(nothing, 5) == ([], 0)


def test_what_is_written_by_position_names_every_column() -> None:
    lines = {field.attname for field in InvoiceLine._meta.concrete_fields}
    by_hand = {"is_manual", "edited_by", "edited_at", "note"}
    assert {*LINE_NAMES, *by_hand, "tenant_id"} == lines
    assert [field.attname for field in UsageReading._meta.concrete_fields] == list(READING_NAMES)


@pytest.mark.django_db
def test_rows_are_found_by_many_ids_at_once(drafts: list[Invoice]) -> None:
    one, other = drafts[0].id, uuid7()
    assert {row.id for row in Invoice.objects.filter(id__any=[one, other])} == {one}
    with CaptureQueriesContext(connection) as queries:
        assert not Invoice.objects.filter(id__any=[]).exists()
    assert not queries.captured_queries
    by_invoice = InvoiceLine.objects.filter(invoice__id__any={one})
    assert "JOIN" not in str(by_invoice.query)
    assert by_invoice.count() == InvoiceLine.objects.filter(invoice=one).count()
