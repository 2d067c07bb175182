"""Every invoice stands beside the total of its contract's invoice before, whoever writes it."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from billing.domain.manual_lines import ManualEntry
from billing.models import DraftChange, Invoice
from billing.services import splitting
from billing.services.corrections import void_invoice
from billing.services.drafts import add_manual_line, create_one_off
from billing.services.invoicing import issue_invoice
from monetization.audit.models import AuditEntry
from tests.factories_billing import PLATFORM, billed, deal, make_customer

D = Decimal
NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)


@pytest.fixture
def months(tenant: Any) -> list[Invoice]:
    """Drafts of 500.00 on the first of January to May; June is in progress."""
    schedule = billed(deal(PLATFORM), now=NOW)
    return list(schedule.invoices.order_by("bill_on"))


def kept() -> dict[Any, Decimal | None]:
    rows = Invoice.objects.filter(schedule__isnull=False, threshold_number__isnull=True)
    return dict(rows.exclude(status="void").values_list("id", "previous_amount"))


def by_definition() -> dict[Any, Decimal | None]:
    """The total of the last invoice that bills earlier and is not void; of its first part."""
    rows = list(
        Invoice.objects.filter(schedule__isnull=False, threshold_number__isnull=True)
        .exclude(status="void")
        .order_by("bill_on", "-part")
    )
    found: dict[Any, Decimal | None] = {}
    for row in rows:
        before = [
            each.total_amount
            for each in rows
            if each.schedule_id == row.schedule_id and each.bill_on < row.bill_on
        ]
        found[row.id] = before[-1] if before else None
    return found


def add(invoice: Invoice, amount: int) -> None:
    entry = ManualEntry("Help", amount=D(amount))
    add_manual_line(invoice_id=invoice.id, entry=entry, now=NOW)


def issue(invoice: Invoice) -> None:
    issue_invoice(invoice_id=invoice.id, issued_on=date(2026, 5, 3), now=NOW)


def test_it_follows_what_is_edited_voided_split_and_undone(months: list[Invoice]) -> None:
    first, second, third = months[:3]
    assert kept() == by_definition()
    assert set(list(kept().values())[1:]) == {D(500)}

    add(second, 20)
    assert kept()[third.id] == D(520)

    ids = list(second.lines.filter(is_manual=True).values_list("id", flat=True))
    splitting.split_draft(invoice_id=second.id, line_ids=ids, now=NOW)
    assert kept()[third.id] == D(500)  # the first part
    splitting.undo_change(change_id=DraftChange.objects.get().id, now=NOW)
    assert kept()[third.id] == D(520)

    add(first, 1)
    issue(first)
    issue(second)
    void_invoice(invoice_id=second.id, reason="wrong", now=NOW)
    assert kept()[third.id] == D(501)
    assert kept() == by_definition()


def test_it_holds_after_any_writes_in_sets_and_from_stale_rows(months: list[Invoice]) -> None:
    customer = make_customer("other")
    schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
    other = list(schedule.invoices.order_by("bill_on"))
    create_one_off(
        customer_id=months[0].customer_id,
        bill_on=date(2026, 2, 1),
        entries=[ManualEntry("Alone", amount=D(7))],
        now=NOW,
    )
    chance = random.Random(7)  # noqa: S311
    steps: list[Callable[[Invoice], Any]] = [
        lambda row: add(row, chance.randint(-40, 40)),
        lambda row: row.save(),  # as it was read long ago
        lambda row: Invoice.objects.filter(id=row.id).update(previous_amount=D(1)),
        lambda row: Invoice.objects.filter(bill_on=row.bill_on).update(
            subtotal_amount=(amount := D(chance.randint(1, 900))), tax_amount=0, total_amount=amount
        ),
        lambda row: Invoice.objects.filter(id=row.id).update(bill_on=F("bill_on") + timedelta(3)),
    ]
    for _ in range(30):
        chance.choice(steps)(chance.choice([*months, *other]))
        assert kept() == by_definition()


def test_a_contract_of_fifteen_years_is_settled_at_once(tenant: Any) -> None:
    """Not one month after the other, each from within the one before."""
    schedule = billed(deal(PLATFORM, start=date(2011, 5, 1), end=None), now=NOW)
    rows = Invoice.objects.filter(schedule=schedule)
    assert rows.count() > 180
    assert kept() == by_definition()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_get_xact_tuples_updated('billing_invoice'::regclass)")
        (before,) = cursor.fetchone()
        cursor.execute(
            "UPDATE billing_invoice SET subtotal_amount = bill_on - DATE '2011-01-01',"
            " total_amount = tax_amount + (bill_on - DATE '2011-01-01') WHERE schedule_id = %s",
            [schedule.id],
        )
        cursor.execute("SELECT pg_stat_get_xact_tuples_updated('billing_invoice'::regclass)")
        (after,) = cursor.fetchone()
    assert after - before <= 2 * rows.count()
    assert kept() == by_definition()


def test_nobody_is_the_author_of_it_and_a_change_of_status_alone_looks_at_nothing(
    months: list[Invoice],
) -> None:
    before = AuditEntry.objects.filter(row_id=months[2].id).count()
    add(months[1], 20)
    assert AuditEntry.objects.filter(row_id=months[2].id).count() == before
    assert not AuditEntry.objects.filter(changes__has_key="previous_amount").exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM billing_invoice WHERE id = %s", [months[2].id])
        version = cursor.fetchone()
        Invoice.objects.filter(id=months[1].id).update(memo="looked at")
        cursor.execute("SELECT xmin::text FROM billing_invoice WHERE id = %s", [months[2].id])
        assert cursor.fetchone() == version
