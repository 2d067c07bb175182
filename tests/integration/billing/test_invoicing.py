"""From a signed order form to money in the ledger, with amounts worked by hand."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from billing.models import Invoice, InvoiceLine
from billing.services import invoicing
from billing.services.collections import AllocationTooLarge, PaymentReferenceKnown, record_payment
from billing.services.corrections import (
    InvoiceIsSettled,
    NothingToCredit,
    credit_invoice,
    void_invoice,
)
from billing.services.schedules import create_schedule
from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from monetization.events.models import Event
from monetization.ledger.models import JournalEntry, Posting
from monetization.ledger.selectors import trial_balance
from monetization.tenancy.context import tenant_context
from tests.factories_billing import (
    CALLS,
    PLATFORM,
    billed,
    deal,
    make_calls_meter,
    make_customer,
    signed,
)

MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_3 = date(2026, 3, 3)


def balances() -> dict[str, Decimal]:
    return {row.account.value: row.balance for row in trial_balance() if row.balance}


def use(calls: int, day: int = 10, month: int = 2, id: str = "e") -> None:
    time = datetime(2026, month, day, tzinfo=UTC)
    event = UsageEvent("t", f"{id}{month}{day}", "api", "acme", time, {"n": Decimal(calls)})
    record_usage_events([event], now=MARCH)


@pytest.fixture
def calls(tenant: Any) -> Any:
    return make_calls_meter(MARCH)


def invoice_of(schedule: Any, bill_on: date) -> Invoice:
    found: Invoice = schedule.invoices.get(bill_on=bill_on)
    return found


@pytest.mark.usefixtures("tenant")
class TestSchedule:
    def test_one_click_twice_makes_one_schedule(self) -> None:
        form = signed(deal(PLATFORM))

        first = create_schedule(order_form_id=form.id, now=MARCH)
        again = create_schedule(order_form_id=form.id, now=MARCH)

        assert first.id == again.id
        assert first.terms_sha256 == form.terms_sha256
        assert first.number == "NW-SCH-000001"

    def test_a_backdated_contract_has_drafts_and_one_invoice_in_progress(self, calls: Any) -> None:
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)

        states = list(schedule.invoices.order_by("bill_on").values_list("bill_on", "status"))

        assert states == [
            (date(2026, 1, 1), "draft"),
            (date(2026, 2, 1), "draft"),
            (date(2026, 3, 1), "draft"),
            (date(2026, 4, 1), "in_progress"),
        ]

    def test_advancing_again_changes_nothing(self) -> None:
        schedule = billed(deal(PLATFORM), now=MARCH)

        assert invoicing.advance_schedule(schedule_id=schedule.id, now=MARCH) == []


@pytest.mark.usefixtures("tenant")
class TestRecalculate:
    def test_bills_usage_in_arrears_beside_the_fee_in_advance(self, calls: Any) -> None:
        customer = make_customer()
        use(1200)
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH, customer=customer)

        invoice = invoice_of(schedule, date(2026, 3, 1))

        lines = dict(invoice.lines.values_list("item_key", "amount"))
        # 1,000 x 0.10 + 200 x 0.08 = 116.00 for February; 500.00 for March.
        assert lines == {"platform": Decimal(500), "calls": Decimal(116)}
        assert invoice.total_amount == Decimal(616)

    def test_says_why_a_line_changed_and_writes_it_once(self, calls: Any) -> None:
        customer = make_customer()
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH, customer=customer)
        invoice = invoice_of(schedule, date(2026, 3, 1))
        use(500)

        first = invoicing.recalculate_invoices(invoice_ids=[invoice.id], now=MARCH)
        again = invoicing.recalculate_invoices(invoice_ids=[invoice.id], now=MARCH)

        assert [(c.key, c.cause, c.before, c.after) for c in first[0].changes] == [
            ("calls:p1:2026-02-01", "usage", Decimal(0), Decimal(50))
        ]
        assert again == []

    def test_a_manual_line_survives(self, calls: Any) -> None:
        customer = make_customer()
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH, customer=customer)
        invoice = invoice_of(schedule, date(2026, 3, 1))
        InvoiceLine.objects.create(
            invoice=invoice,
            key="manual:1",
            position=99,
            kind="manual",
            description="Training",
            service_start=date(2026, 3, 1),
            service_end=date(2026, 3, 2),
            exact_amount=100,
            amount=100,
            is_manual=True,
        )
        use(500)

        invoicing.recalculate_invoices(invoice_ids=[invoice.id], now=MARCH)

        invoice.refresh_from_db()
        assert invoice.total_amount == Decimal(650)

    def test_taxes_each_line(self) -> None:
        customer = make_customer(tax_percent=Decimal(20), tax_name="VAT")

        schedule = billed(deal(PLATFORM), now=MARCH, customer=customer)

        invoice = invoice_of(schedule, date(2026, 3, 1))
        assert (invoice.subtotal_amount, invoice.tax_amount) == (Decimal(500), Decimal(100))


@pytest.mark.usefixtures("tenant")
class TestIssue:
    def issued(self) -> Invoice:
        customer = make_customer(tax_percent=Decimal(20))
        schedule = billed(deal(PLATFORM), now=MARCH, customer=customer)
        invoice = invoice_of(schedule, date(2026, 3, 1))
        return invoicing.issue_invoice(invoice_id=invoice.id, issued_on=MARCH_3, now=MARCH)

    def test_claims_the_total_defers_the_fee_and_owes_the_tax(self) -> None:
        invoice = self.issued()

        assert invoice.number == "NW-INV-000001"
        assert invoice.due_on == date(2026, 4, 2)
        assert balances() == {
            "accounts_receivable": Decimal(600),
            "deferred_revenue": Decimal(-500),
            "tax_payable": Decimal(-100),
        }

    def test_refuses_a_second_issue_and_posts_nothing_more(self) -> None:
        invoice = self.issued()

        with pytest.raises(invoicing.InvoiceNotDraft):
            invoicing.issue_invoice(invoice_id=invoice.id, issued_on=MARCH_3, now=MARCH)

        assert Event.objects.filter(type="invoice.issued").count() == 1
        assert JournalEntry.objects.count() == 1

    def test_void_takes_everything_back_and_bills_again(self) -> None:
        invoice = self.issued()

        void_invoice(invoice_id=invoice.id, reason="wrong address", now=MARCH)

        assert balances() == {}
        assert invoice.schedule is not None
        opened = invoicing.advance_schedule(schedule_id=invoice.schedule.id, now=MARCH)
        assert Invoice.objects.get(id__in=opened, bill_on=invoice.bill_on).status == "draft"

    def test_a_credit_note_for_the_whole_invoice_nets_to_zero(self) -> None:
        invoice = self.issued()

        note = credit_invoice(
            invoice_id=invoice.id, reason="goodwill", issued_on=MARCH_3, now=MARCH
        )

        assert note.total_amount == Decimal(600)
        assert balances() == {}
        with pytest.raises(NothingToCredit):
            credit_invoice(invoice_id=invoice.id, reason="again", issued_on=MARCH_3, now=MARCH)
        with pytest.raises(InvoiceIsSettled):
            void_invoice(invoice_id=invoice.id, reason="late", now=MARCH)

    def test_a_payment_settles_the_oldest_invoice_and_keeps_the_rest(self) -> None:
        invoice = self.issued()

        record_payment(
            customer_id=invoice.customer_id,
            currency="USD",
            amount=Decimal("650.00"),
            received_on=MARCH_3,
            reference="wire 1",
            now=MARCH,
        )

        invoice.refresh_from_db()
        assert invoice.payment_status == "paid"
        assert balances()["accounts_receivable"] == Decimal(-50)
        with pytest.raises(PaymentReferenceKnown):
            record_payment(
                customer_id=invoice.customer_id,
                currency="USD",
                amount=Decimal("650.00"),
                received_on=MARCH_3,
                reference="wire 1",
                now=MARCH,
            )

    def test_refuses_to_allocate_more_than_is_owed(self) -> None:
        invoice = self.issued()

        with pytest.raises(AllocationTooLarge):
            record_payment(
                customer_id=invoice.customer_id,
                currency="USD",
                amount=Decimal(900),
                received_on=MARCH_3,
                reference="wire 2",
                allocations={invoice.id: Decimal(700)},
                now=MARCH,
            )

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE billing_invoice SET total_amount = 1, subtotal_amount = 1, tax_amount = 0",
            "UPDATE billing_invoice SET number = 'X'",
            "DELETE FROM billing_invoiceline",
            "UPDATE billing_invoiceline SET amount = 1",
            "DELETE FROM billing_invoice",
            "UPDATE ledger_posting SET amount = 1",
            "DELETE FROM ledger_journalentry",
        ],
    )
    def test_what_was_issued_cannot_be_changed_by_sql(self, statement: str) -> None:
        invoice = self.issued()
        where = {
            "billing_invoice": " WHERE status = 'issued'",
            "billing_invoiceline": f" WHERE invoice_id = '{invoice.id}'",
        }
        table = next(word for word in statement.split() if "_" in word)

        statement += where.get(table, "")
        with (
            connection.cursor() as cursor,
            pytest.raises(DatabaseError, match=r"(?i)cannot|never"),
            transaction.atomic(),
        ):
            cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_two_issuers_at_once_make_one_number_each(make_tenant: Any) -> None:
    tenant = make_tenant()
    with tenant_context(tenant.id):
        schedule = billed(deal(PLATFORM), now=MARCH)
        ids = list(schedule.invoices.filter(status="draft").values_list("id", flat=True))

    def issue(invoice_id: Any) -> str:
        try:
            with tenant_context(tenant.id):
                made = invoicing.issue_invoice(invoice_id=invoice_id, issued_on=MARCH_3, now=MARCH)
                return made.number
        except invoicing.InvoiceNotDraft:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(issue, ids * 4))

    numbers = sorted(answer for answer in answers if answer != "refused")
    assert numbers == [f"NW-INV-{n:06d}" for n in range(1, len(ids) + 1)]
    with tenant_context(tenant.id):
        assert Posting.objects.filter(account="accounts_receivable").count() == len(ids)


def test_an_unbalanced_entry_never_commits(make_tenant: Any, transactional_db: None) -> None:
    tenant = make_tenant()
    with tenant_context(tenant.id):
        schedule = billed(deal(PLATFORM), now=MARCH)
        invoice = invoice_of(schedule, date(2026, 3, 1))
        invoicing.issue_invoice(invoice_id=invoice.id, issued_on=MARCH_3, now=MARCH)

    def unbalance() -> None:
        with tenant_context(tenant.id):
            entry = JournalEntry.objects.get()
            Posting.objects.create(
                entry=entry, account="revenue", amount=Decimal(1), currency="USD"
            )

    with pytest.raises(IntegrityError):
        unbalance()
