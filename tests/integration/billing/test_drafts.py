"""What people write on drafts, and the rules drafts must pass before they go out."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.domain.manual_lines import EntryInvalid, ManualEntry
from billing.handlers import issue_item
from billing.models import AssertionFailure, AssertionRule, CustomerBilling, Invoice
from billing.services import assertions, comments, drafts
from billing.services.invoicing import issue_invoice, preview_invoices, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.models import UsageReading
from metering.services import create_meter, record_usage_events
from monetization.events.models import Event
from monetization.jobs.models import Job, JobItem
from monetization.kernel.period import Period
from monetization.ledger.selectors import trial_balance
from monetization.tenancy.context import tenant_context
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_3 = date(2026, 3, 3)
TRAINING = ManualEntry("Training", quantity=Decimal(2), unit_price=Decimal(150))


def balances() -> dict[str, Decimal]:
    return {row.account.value: row.balance for row in trial_balance() if row.balance}


def use(calls: int, month: int, id: str = "e") -> None:
    time = datetime(2026, month, 10, tzinfo=UTC)
    event = UsageEvent("t", f"{id}{month}", "api", "acme", time, {"n": Decimal(calls)})
    record_usage_events([event], now=NOW)


@pytest.fixture
def march(tenant: Any) -> Invoice:
    """A draft of 500.00 for March and 10.00 of usage in February; 100 units in both months."""
    create_meter(
        key="calls", name="Calls", event_type="api", aggregation="sum", value_property="n", now=NOW
    )
    customer = make_customer(tax_percent=Decimal(20))
    use(100, 1)
    use(100, 2)
    schedule = billed(deal(PLATFORM, CALLS), now=NOW, customer=customer)
    found: Invoice = schedule.invoices.get(bill_on=date(2026, 3, 1))
    return found


def failed(invoice: Invoice) -> list[str]:
    invoice.refresh_from_db()
    kinds = list(
        AssertionFailure.objects.filter(invoice=invoice, waived_at=None)
        .order_by("kind")
        .values_list("kind", flat=True)
    )
    assert invoice.failing_assertions == len(kinds)
    return kinds


def seller_of(invoice: Invoice) -> UUID:
    assert invoice.tenant_id
    return invoice.tenant_id


class TestManualLines:
    def test_a_line_is_taxed_totalled_marked_and_survives_recalculation(
        self, march: Invoice
    ) -> None:
        with tenant_context(seller_of(march), actor="farah"):
            line = drafts.add_manual_line(invoice_id=march.id, entry=TRAINING, now=NOW)
        use(100, 2, id="late")
        recalculate_invoices(invoice_ids=[march.id], now=NOW)

        march.refresh_from_db()
        assert march.subtotal_amount == Decimal(820)
        assert march.tax_amount == Decimal(164)
        assert (line.edited_by, line.is_manual) == ("farah", True)
        assert recalculate_invoices(invoice_ids=[march.id], now=NOW) == []

    def test_a_line_is_changed_and_removed(self, march: Invoice) -> None:
        line = drafts.add_manual_line(invoice_id=march.id, entry=TRAINING, now=NOW)

        changed = drafts.change_manual_line(
            invoice_id=march.id,
            line_id=line.id,
            entry=ManualEntry("Goodwill", amount=Decimal(-10)),
            now=NOW,
        )
        march.refresh_from_db()
        assert (changed.id, changed.key) == (line.id, line.key)
        assert march.total_amount == Decimal(600)
        drafts.remove_manual_line(invoice_id=march.id, line_id=line.id, now=NOW)
        march.refresh_from_db()

        assert march.total_amount == Decimal(612)
        facts = Event.objects.filter(type__startswith="invoice.line_").order_by("id")
        assert [fact.type.rpartition("_")[2] for fact in facts] == ["added", "changed", "removed"]

    def test_a_computed_line_is_never_edited(self, march: Invoice) -> None:
        computed = march.lines.get(item_key="platform")
        with pytest.raises(drafts.LineNotManual):
            drafts.remove_manual_line(invoice_id=march.id, line_id=computed.id, now=NOW)

    def test_nothing_is_written_on_an_issued_invoice(self, march: Invoice) -> None:
        issue_invoice(invoice_id=march.id, issued_on=MARCH_3, now=NOW)
        with pytest.raises(drafts.InvoiceNotOpen):
            drafts.add_manual_line(invoice_id=march.id, entry=TRAINING, now=NOW)
        with pytest.raises(drafts.InvoiceNotOpen):
            drafts.edit_invoice(invoice_id=march.id, memo="x", now=NOW)
        drafts.edit_invoice(invoice_id=march.id, change_note="known", now=NOW)

    def test_an_unknown_product_is_named(self, march: Invoice) -> None:
        entry = ManualEntry("x", amount=Decimal(1), product_code="nope")
        with pytest.raises(EntryInvalid, match=r"^product_code: "):
            drafts.add_manual_line(invoice_id=march.id, entry=entry, now=NOW)


class TestOneOff:
    def draft(self) -> Invoice:
        return drafts.create_one_off(
            customer_id=make_customer("Solo", tax_percent=Decimal(10)).id,
            bill_on=MARCH_3,
            entries=[TRAINING, ManualEntry("Travel", amount=Decimal("99.99"))],
            now=NOW,
        )

    def test_what_was_delivered_is_earned_when_it_is_billed(self, tenant: Any) -> None:
        invoice = self.draft()
        assert invoice.total_amount == Decimal("439.99")
        issue_invoice(invoice_id=invoice.id, issued_on=MARCH_3, now=NOW)

        assert balances() == {
            "accounts_receivable": Decimal("439.99"),
            "revenue": Decimal("-399.99"),
            "tax_payable": Decimal("-40.00"),
        }

    def test_days_to_come_are_not_billed_without_a_contract(self, tenant: Any) -> None:
        entry = ManualEntry(
            "Support", amount=Decimal(1200), service=Period(date(2026, 3, 1), date(2027, 3, 1))
        )
        invoice = drafts.create_one_off(
            customer_id=make_customer().id, bill_on=MARCH_3, entries=[entry], now=NOW
        )
        with pytest.raises(Exception, match="28 Feb 2027; bill it through a schedule"):
            issue_invoice(invoice_id=invoice.id, issued_on=MARCH_3, now=NOW)

    def test_a_wrong_line_is_named_and_nothing_is_drafted(self, tenant: Any) -> None:
        customer = make_customer()
        with pytest.raises(EntryInvalid, match=r"^lines\[1\]\.description: "):
            drafts.create_one_off(
                customer_id=customer.id,
                bill_on=MARCH_3,
                entries=[TRAINING, ManualEntry("", amount=Decimal(1))],
                now=NOW,
            )
        assert not Invoice.objects.exists()

    def test_a_draft_without_contract_can_be_discarded_and_another_not(
        self, march: Invoice
    ) -> None:
        drafts.discard_one_off(invoice_id=self.draft().id)
        assert not Invoice.objects.filter(schedule=None).exists()
        with pytest.raises(drafts.InvoiceHasSchedule):
            drafts.discard_one_off(invoice_id=march.id)


class TestAssertions:
    def test_a_jump_without_a_note_fails_and_a_note_clears_it(self, march: Invoice) -> None:
        use(9000, 2, id="burst")
        recalculate_invoices(invoice_ids=[march.id], now=NOW)
        assert failed(march) == ["change_without_note"]

        drafts.edit_invoice(invoice_id=march.id, change_note="Migration weekend", now=NOW)

        assert failed(march) == []

    def test_a_failed_draft_is_left_out_of_bulk_issue_until_it_is_waived(
        self, march: Invoice
    ) -> None:
        drafts.add_manual_line(
            invoice_id=march.id, entry=ManualEntry("Refund", amount=Decimal(-5)), now=NOW
        )
        job = Job(kind="invoices.issue", params={"issued_on": "2026-03-03"})
        item = JobItem(key=str(march.id))
        with pytest.raises(assertions.AssertionsFailed, match="Refund: below zero"):
            issue_item(job, item)

        with tenant_context(seller_of(march), actor="farah"):
            assertions.waive_assertions(invoice_ids=[march.id], reason="Agreed by mail", now=NOW)

        failure = AssertionFailure.objects.get()
        assert (failure.waived_by, failure.waive_reason) == ("farah", "Agreed by mail")
        assert issue_item(job, item) == {"number": "NW-INV-000001"}

    def test_a_waiver_covers_what_was_found_and_nothing_else(self, march: Invoice) -> None:
        drafts.add_manual_line(
            invoice_id=march.id, entry=ManualEntry("Refund", amount=Decimal(-5)), now=NOW
        )
        assertions.waive_assertions(invoice_ids=[march.id], reason="Agreed", now=NOW)
        recalculate_invoices(invoice_ids=[march.id], now=NOW)
        assert failed(march) == []

        drafts.add_manual_line(
            invoice_id=march.id, entry=ManualEntry("Another", amount=Decimal(-5)), now=NOW
        )

        assert failed(march) == ["no_negative_line"]

    def test_a_waiver_needs_a_reason_and_something_to_waive(self, march: Invoice) -> None:
        with pytest.raises(assertions.WaiverNeedsReason):
            assertions.waive_assertions(invoice_ids=[march.id], reason=" ", now=NOW)
        with pytest.raises(assertions.NothingToWaive):
            assertions.waive_assertions(invoice_ids=[march.id], reason="so", now=NOW)

    def test_a_rule_that_is_set_tests_every_draft_at_once(self, march: Invoice) -> None:
        CustomerBilling.objects.create(customer=march.customer, requires_purchase_order=True)
        assertions.check_drafts(now=NOW)
        assert failed(march) == ["purchase_order_present"]

        assertions.set_rule(kind="purchase_order_present", is_enabled=False, parameters={}, now=NOW)
        assert failed(march) == []
        limit = {"limit": "100"}
        assertions.set_rule(kind="total_within_limit", is_enabled=True, parameters=limit, now=NOW)

        assert failed(march) == ["total_within_limit"]

    def test_the_rules_exist_once_with_their_defaults(self, tenant: Any) -> None:
        first = assertions.ensure_rules()
        assert [rule.id for rule in assertions.ensure_rules()] == [rule.id for rule in first]
        assert not AssertionRule.objects.get(kind="total_within_limit").is_enabled

    def test_testing_many_drafts_takes_as_many_queries_as_testing_one(self, march: Invoice) -> None:
        for number in range(3):
            customer = make_customer(name=f"Other {number}")
            billed(deal(PLATFORM, CALLS), now=NOW, customer=customer)
        ids = list(Invoice.objects.filter(status="draft").values_list("id", flat=True))
        assert len(ids) > 4

        with CaptureQueriesContext(connection) as one:
            assertions.check_invoices(invoice_ids=[march.id], now=NOW)
        with CaptureQueriesContext(connection) as many:
            assertions.check_invoices(invoice_ids=ids, now=NOW)

        assert len(many) <= len(one) + 1  # what one of several may need, e.g. its order form


class TestPreview:
    def test_says_what_would_change_and_writes_nothing(self, march: Invoice) -> None:
        use(900, 2, id="late")
        readings = UsageReading.objects.count()

        found = preview_invoices(invoice_ids=[march.id], now=NOW)

        march.refresh_from_db()
        assert [(c.key, c.cause, c.before, c.after) for c in found[0].changes] == [
            ("calls:p1:2026-02-01", "usage", Decimal(10), Decimal(100))
        ]
        # With tax: 612.00 before, 720.00 after.
        assert (found[0].total_before, found[0].total_after) == (Decimal(612), Decimal(720))
        assert march.total_amount == Decimal(612)
        assert UsageReading.objects.count() == readings
        applied = recalculate_invoices(invoice_ids=[march.id], now=NOW)
        assert applied == found
        assert preview_invoices(invoice_ids=[march.id], now=NOW) == []


class TestComments:
    def test_a_correction_keeps_what_was_said_before(self, march: Invoice) -> None:
        with tenant_context(seller_of(march), actor="farah"):
            first = comments.add_comment(invoice_id=march.id, text="Call them", now=NOW)
            again = comments.correct_comment(
                invoice_id=march.id, comment_id=first.id, text="Called them", now=NOW
            )
        with (
            tenant_context(seller_of(march), actor="ruben"),
            pytest.raises(comments.CommentNotYours),
        ):
            comments.correct_comment(invoice_id=march.id, comment_id=again.id, text="no", now=NOW)

        [thread] = comments.threads_of(march)
        assert thread.comment.text == "Called them"
        assert [old.text for old in thread.earlier] == ["Call them"]
