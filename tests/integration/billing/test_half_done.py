"""Whatever statement a use case breaks at, nothing of it is left; and what is issued stays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from billing.models import CreditNote, DocumentSequence, Invoice
from billing.services.corrections import credit_invoice, void_invoice
from billing.services.invoicing import issue_invoice, recalculate_invoices
from billing.services.reissue import void_and_reissue
from monetization.catalog.models import Price, PriceVersion
from monetization.events.models import Event
from monetization.ledger.models import JournalEntry
from monetization.pricing.prices import Flat
from monetization.pricing.terms import PricingUnit
from monetization.tenancy.context import current_tenant_id
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer
from tests.integration.config import books

pytestmark = pytest.mark.usefixtures("tenant")
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
TODAY = date(2026, 3, 3)


class Broken(DatabaseError):
    """The database went away at this statement."""


class Whole(Exception):
    """It went through; what it did is taken back for the sake of the test."""


@contextmanager
def breaking_at(number: int) -> Iterator[list[int]]:
    """Let the n-th statement fail; yields how many there were."""
    seen = [0]

    def wrapper(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        seen[0] += 1
        if seen[0] == number:
            raise Broken
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield seen


def left_behind() -> tuple[Any, ...]:
    return (
        sorted(Invoice.objects.values_list("id", "status", "number", "credited_amount")),
        CreditNote.objects.count(),
        sorted(DocumentSequence.objects.values_list("series", "next_number")),
        Event.objects.count(),
        JournalEntry.objects.count(),
    )


@pytest.fixture
def draft(tenant: Any) -> Invoice:
    billed(deal(PLATFORM), now=NOW, customer=make_customer(tax_percent=Decimal(19)))
    made: Invoice = Invoice.objects.get(bill_on="2026-03-01")
    return made


def issue(invoice: Invoice) -> Invoice:
    return issue_invoice(invoice_id=invoice.id, issued_on=TODAY, now=NOW)


ACTS: dict[str, Callable[[Invoice], object]] = {
    "issue": issue,
    "credit": lambda i: credit_invoice(invoice_id=i.id, reason="r", issued_on=TODAY, now=NOW),
    "void": lambda i: void_invoice(invoice_id=i.id, reason="r", now=NOW),
    "reissue": lambda i: void_and_reissue(invoice_id=i.id, reason="r", now=NOW),
}


@pytest.mark.parametrize("what", ACTS)
def test_broken_at_any_statement_it_leaves_nothing(draft: Invoice, what: str) -> None:
    if what != "issue":
        issue(draft)
    before = left_behind()
    at = 1
    while True:
        try:
            with transaction.atomic():
                with breaking_at(at) as seen:
                    ACTS[what](draft)
                raise Whole
        except Broken:
            assert left_behind() == before, at
            at += 1
        except Whole:
            break
    assert seen[0] == at - 1 > 10
    ACTS[what](draft)
    assert left_behind() != before


_FROZEN = (
    "UPDATE billing_invoice SET total_amount = total_amount + 1, subtotal_amount = "
    "subtotal_amount + 1 WHERE status = 'issued'",
    "UPDATE billing_invoice SET number = 'X' WHERE status = 'issued'",
    "UPDATE billing_invoice SET status = 'draft', number = '' WHERE status = 'issued'",
    "DELETE FROM billing_invoice WHERE status = 'issued'",
    "UPDATE billing_invoiceline SET amount = 0",
    "DELETE FROM billing_invoiceline",
    "UPDATE billing_creditnoteline SET amount = 0",
    "DELETE FROM billing_creditnoteline",
    "UPDATE ledger_posting SET amount = 0",
    "DELETE FROM ledger_posting",
    "DELETE FROM ledger_journalentry",
    "UPDATE events_event SET data = '{}'",
    "DELETE FROM audit_auditentry",
)


@pytest.mark.parametrize("statement", _FROZEN)
def test_what_is_issued_is_not_changed_by_hand_either(draft: Invoice, statement: str) -> None:
    # Only the issued invoice's lines are there.
    Invoice.objects.exclude(id=draft.id).delete()
    credit_invoice(invoice_id=issue(draft).id, reason="r", issued_on=TODAY, now=NOW)
    table = statement.split()[2 if statement.startswith("DELETE") else 1]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - one of the above
        assert cursor.fetchone() != (0,)
    with pytest.raises(DatabaseError), transaction.atomic():
        by_hand(statement)


def by_hand(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_price_changed_during_the_run_leaves_what_was_signed(tenant: Any) -> None:
    books.make_catalog()
    schedule = billed(deal(PLATFORM, CALLS), now=NOW)
    march = schedule.invoices.get(bill_on="2026-03-01")
    price = Price.objects.get(code="platform-usd")
    PriceVersion.objects.filter(price=price).update(model={"model": "flat", "amount": "999"})
    assert recalculate_invoices(invoice_ids=[march.id], now=NOW) == []
    issued = issue_invoice(invoice_id=march.id, issued_on=TODAY, now=NOW, ignore_grace=True)
    assert issued.total_amount == Decimal(500)
    assert current_tenant_id() == tenant.id


def test_an_exchange_rate_changed_during_the_run_leaves_what_was_signed(tenant: Any) -> None:
    # 100 AI credits a month, of which one costs 0.015: 1.50. The list says 0.02 from now on.
    books.make_catalog()
    agreed = replace(
        PLATFORM, model=Flat(Decimal(100)), pricing_unit=PricingUnit("AI credits", Decimal("0.015"))
    )
    schedule = billed(deal(agreed), now=NOW)
    march = schedule.invoices.get(bill_on="2026-03-01")
    assert march.total_amount == Decimal("1.50")
    price = Price.objects.get(code="platform-usd")
    PriceVersion.objects.filter(price=price).update(
        modifiers={"pricing_unit": {"code": "AI credits", "rate": "0.02"}}
    )
    assert recalculate_invoices(invoice_ids=[march.id], now=NOW) == []
    issued = issue_invoice(invoice_id=march.id, issued_on=TODAY, now=NOW, ignore_grace=True)
    assert issued.total_amount == Decimal("1.50")
    assert issued.lines.get().explanation["pricing_unit"]["rate"] == "0.015"
