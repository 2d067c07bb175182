"""Drafts split and merged: the amounts stay, every draft computes as before, and back again."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.manual_lines import ManualEntry
from billing.models import DraftChange, Invoice
from billing.selectors.parts import changes_of
from billing.services import splitting
from billing.services.drafts import InvoiceNotOpen, add_manual_line, create_one_off
from billing.services.invoicing import (
    advance_schedule,
    content_hash,
    issue_invoice,
    recalculate_invoices,
)
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.events.models import Event
from monetization.kernel.period import Frequency
from monetization.ledger.selectors import trial_balance
from monetization.pricing.terms.model import MinimumTerms
from monetization.tenancy.models import LegalEntity
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

pytestmark = pytest.mark.usefixtures("tenant")
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH = date(2026, 3, 1)


@pytest.fixture
def draft(tenant: Any) -> Invoice:
    """A draft of 500.00 for the platform, nothing for calls, and 20.00 by hand."""
    schedule = billed(deal(PLATFORM, CALLS), now=NOW)
    made: Invoice = schedule.invoices.get(bill_on=MARCH)
    add_manual_line(invoice_id=made.id, entry=ManualEntry("Help", amount=Decimal(20)), now=NOW)
    made.refresh_from_db()
    return made


def says(invoice: Invoice) -> list[tuple[str, str]]:
    rows = invoice.lines.order_by("position", "key").values_list("description", "amount")
    return [(text, f"{amount:.2f}") for text, amount in rows]


def split(invoice: Invoice, *texts: str, **more: Any) -> Invoice:
    ids = list(invoice.lines.filter(description__in=texts).values_list("id", flat=True))
    return splitting.split_draft(invoice_id=invoice.id, line_ids=ids, now=NOW, **more)


def test_lines_get_a_draft_of_their_own_and_both_compute_as_before(draft: Invoice) -> None:
    part = split(draft, "Platform", purchase_order="PO-7")
    draft.refresh_from_db()
    assert says(part) == [("Platform", "500.00")]
    assert says(draft) == [("API calls", "0.00"), ("Help", "20.00")]
    assert (part.purchase_order, part.bill_on) == ("PO-7", MARCH)
    assert part.total_amount + draft.total_amount == Decimal(520)
    assert recalculate_invoices(invoice_ids=[draft.id, part.id], now=NOW) == []


def test_the_clock_goes_on_and_opens_nothing_twice(draft: Invoice) -> None:
    split(draft, "Platform")
    schedule = draft.schedule
    assert schedule is not None
    later = datetime(2026, 4, 3, 12, tzinfo=UTC)
    advance_schedule(schedule_id=schedule.id, now=later)
    live = schedule.invoices.exclude(status="void").order_by("bill_on", "part")
    dates = [(f"{day:%m}", part) for day, part in live.values_list("bill_on", "part")]
    assert dates[-4:] == [("03", 0), ("03", 1), ("04", 0), ("05", 0)]


def test_another_entity_invoices_with_its_own_number_and_the_books_balance(
    draft: Invoice,
) -> None:
    other = LegalEntity.objects.create(name="Northwind GmbH", code="DE", country="DE")
    part = split(draft, "Platform", legal_entity_id=other.id)
    numbers = [
        issue_invoice(invoice_id=each.id, issued_on=date(2026, 3, 3), now=NOW, ignore_grace=True)
        .number for each in (draft, part)
    ]  # fmt: skip
    assert [number[:2] for number in numbers] == ["NW", "DE"]
    receivable = {row.account.value: row.balance for row in trial_balance()}["accounts_receivable"]
    assert receivable == Decimal(520)


def test_a_split_is_taken_back(draft: Invoice) -> None:
    before = says(draft)
    part = split(draft, "Platform", "Help")
    change = DraftChange.objects.get()
    back = splitting.undo_change(change_id=change.id, now=NOW)
    assert back.id == draft.id
    assert says(back) == before
    assert not Invoice.objects.filter(id=part.id).exists()
    with pytest.raises(splitting.NothingToUndo):
        splitting.undo_change(change_id=change.id, now=NOW)
    told = Event.objects.filter(type__startswith="invoice.split").values_list("type", flat=True)
    assert sorted(told) == ["invoice.split", "invoice.split_undone"]


def test_drafts_of_two_months_become_one_and_two_again(draft: Invoice) -> None:
    february = Invoice.objects.get(bill_on="2026-02-01")
    before = says(february), says(draft)
    total = february.total_amount + draft.total_amount
    merged = splitting.merge_drafts(into_id=draft.id, invoice_ids=[february.id], now=NOW)
    assert merged.total_amount == total
    assert merged.period_start == february.period_start
    assert not Invoice.objects.filter(id=february.id).exists()
    assert recalculate_invoices(invoice_ids=[merged.id], now=NOW) == []
    [change] = changes_of(merged)
    again = splitting.undo_change(change_id=change.id, now=NOW)
    draft.refresh_from_db()
    assert (says(again), says(draft)) == before
    assert again.bill_on == february.bill_on


def test_a_one_off_draft_goes_onto_the_contracts_invoice(draft: Invoice) -> None:
    one_off = create_one_off(
        customer_id=draft.customer_id, bill_on=MARCH, now=NOW,
        entries=[ManualEntry("Travel", amount=Decimal(5))],
    )  # fmt: skip
    assert one_off in splitting.mergeable_with(draft)
    merged = splitting.merge_drafts(into_id=draft.id, invoice_ids=[one_off.id], now=NOW)
    assert merged.total_amount == Decimal(525)


def test_what_differs_stays_apart(draft: Invoice) -> None:
    other = make_customer("Globex")
    foreign = create_one_off(
        customer_id=other.id, bill_on=MARCH, now=NOW,
        entries=[ManualEntry("Travel", amount=Decimal(5))],
    )  # fmt: skip
    euros = create_one_off(
        customer_id=draft.customer_id, bill_on=MARCH, now=NOW, currency="EUR",
        entries=[ManualEntry("Travel", amount=Decimal(5))],
    )  # fmt: skip
    for invoice, word in ((foreign, "customer"), (euros, "currency")):
        with pytest.raises(splitting.MergeInvalid, match=word):
            splitting.merge_drafts(into_id=draft.id, invoice_ids=[invoice.id], now=NOW)


def test_what_is_priced_together_stays_together() -> None:
    minimum = MinimumTerms(amount=Decimal(900), frequency=Frequency.MONTHLY)
    schedule = billed(deal(PLATFORM, CALLS, minimum=minimum), now=NOW)
    with pytest.raises(splitting.PricedTogether, match="a minimum of 900 USD covers its usage"):
        split(schedule.invoices.get(bill_on=MARCH), "Platform")


def test_some_lines_go_and_some_stay(draft: Invoice) -> None:
    with pytest.raises(splitting.SplitInvalid, match="leave some"):
        split(draft, "Platform", "API calls", "Help")
    with pytest.raises(splitting.SplitInvalid, match="choose"):
        split(draft)
    issue_invoice(invoice_id=draft.id, issued_on=date(2026, 3, 3), now=NOW, ignore_grace=True)
    with pytest.raises(InvoiceNotOpen):
        split(draft, "Platform")


def test_merged_drafts_are_issued_and_verified_as_one(draft: Invoice) -> None:
    february = Invoice.objects.get(bill_on="2026-02-01")
    # Written later, so its key is the greater one; both are their draft's first line by hand.
    add_manual_line(invoice_id=february.id, entry=ManualEntry("More", amount=Decimal(5)), now=NOW)
    merged = splitting.merge_drafts(into_id=february.id, invoice_ids=[draft.id], now=NOW)

    issued = issue_invoice(invoice_id=merged.id, issued_on=MARCH, now=NOW, ignore_grace=True)

    lines = list(issued.lines.order_by("position", "key"))
    assert content_hash(issued, lines) == issued.content_sha256
    for id in ("I12.3", "I17.1"):
        assert CHECKS[id].run(Books()).samples == ()
