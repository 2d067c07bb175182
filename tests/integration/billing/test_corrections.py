"""Partial credits to the last cent, void and reissue, write-off: documents and ledger agree."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.credit_notes import MoreThanInvoiced
from billing.domain.manual_lines import ManualEntry
from billing.models import Invoice
from billing.services import bad_debt, corrections, drafts
from billing.services.collections import open_amount, record_payment
from billing.services.credit_requests import request_credit
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from billing.services.reissue import void_and_reissue
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.ledger.selectors import trial_balance
from revrec.services import recognize_month
from tests.factories_billing import PLATFORM, billed, deal, make_customer

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_3 = date(2026, 3, 3)


def balances() -> dict[str, Decimal]:
    return {row.account.value: row.balance for row in trial_balance() if row.balance}


def books_agree() -> None:
    """Run the checks of documents, receivables and revenue on what is stored."""
    books = Books()
    for id, check in CHECKS.items():
        if id.startswith(("I02", "I03", "I05", "I12", "I17", "I19")):
            found = check.run(books)
            assert not found.differing, (id, check.name, found.samples)


@pytest.fixture
def issued(tenant: Any) -> Invoice:
    """An issued invoice of 500.00 and 7.7 % tax, 38.50."""
    customer = make_customer(tax_percent=Decimal("7.7"))
    schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
    draft = schedule.invoices.get(bill_on=date(2026, 3, 1))
    return issue_invoice(invoice_id=draft.id, issued_on=MARCH_3, now=NOW)


def credit(invoice: Invoice, amount: str) -> Any:
    line = invoice.lines.get()
    return corrections.credit_lines(
        invoice_id=invoice.id,
        amounts={line.id: Decimal(amount)},
        reason="outage",
        issued_on=MARCH_3,
        now=NOW,
    )


class TestPartialCredits:
    def test_credits_of_a_line_add_up_to_it_with_its_tax(self, issued: Invoice) -> None:
        notes = [credit(issued, amount) for amount in ("166.67", "166.67", "166.66")]

        issued.refresh_from_db()
        # 7.7 % of 166.67 is 12.83 (rounded from 12.8336); the last takes what is left.
        assert [note.tax_amount for note in notes] == [
            Decimal("12.83"), Decimal("12.83"), Decimal("12.84"),
        ]  # fmt: skip
        assert issued.credited_amount == issued.total_amount == Decimal("538.50")
        assert issued.payment_status == "paid"
        assert balances() == {}
        with pytest.raises(MoreThanInvoiced):
            credit(issued, "0.01")
        books_agree()

    def test_no_more_than_is_left_and_nothing_of_another_invoice(self, issued: Invoice) -> None:
        credit(issued, "499.99")
        with pytest.raises(MoreThanInvoiced, match=r"0\.01 USD left"):
            credit(issued, "0.02")
        with pytest.raises(MoreThanInvoiced, match="more decimals"):
            credit(issued, "0.001")
        with pytest.raises(corrections.NothingToCredit):
            credit(issued, "0")
        other = billed(deal(PLATFORM), now=NOW, customer=make_customer("B")).invoices.first()
        with pytest.raises(corrections.LineNotOnInvoice):
            corrections.credit_lines(
                invoice_id=issued.id,
                amounts={other.lines.get().id: Decimal(1)},
                reason="x",
                issued_on=MARCH_3,
                now=NOW,
            )

    def test_the_rest_is_credited_after_a_part(self, issued: Invoice) -> None:
        credit(issued, "100")
        note = corrections.credit_invoice(
            invoice_id=issued.id, reason="all", issued_on=MARCH_3, now=NOW
        )
        assert (note.subtotal_amount, note.tax_amount) == (Decimal(400), Decimal("30.80"))
        books_agree()


class TestVoid:
    def test_the_last_invoice_of_a_completed_contract_is_billed_again(self, tenant: Any) -> None:
        schedule = billed(deal(PLATFORM, end=date(2026, 3, 1)), now=NOW)
        assert schedule.status == "completed"
        last = schedule.invoices.get(bill_on=date(2026, 2, 1))
        issue_invoice(invoice_id=last.id, issued_on=MARCH_3, now=NOW)

        corrections.void_invoice(invoice_id=last.id, reason="wrong", now=NOW)
        again = advance_schedule(schedule_id=schedule.id, now=NOW)
        recalculate_invoices(invoice_ids=again, now=NOW)

        draft = Invoice.objects.get(id__in=again)
        assert (draft.bill_on, draft.subtotal_amount) == (date(2026, 2, 1), 500)
        schedule.refresh_from_db()
        assert schedule.status == "completed"
        books_agree()


class TestReissue:
    def test_the_draft_takes_the_periods_lines_and_words_of_the_void_one(self, tenant: Any) -> None:
        customer = make_customer()
        schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
        draft = schedule.invoices.get(bill_on=date(2026, 3, 1))
        entry = ManualEntry("Setup", amount=Decimal(50))
        drafts.add_manual_line(invoice_id=draft.id, entry=entry, now=NOW)
        drafts.edit_invoice(invoice_id=draft.id, memo="Thank you", purchase_order="PO 7", now=NOW)
        old = issue_invoice(invoice_id=draft.id, issued_on=MARCH_3, now=NOW)
        customer.tax_percent = Decimal(20)
        customer.save()

        new = void_and_reissue(invoice_id=old.id, reason="tax was missing", now=NOW)

        old.refresh_from_db()
        assert (old.status, new.status, new.replaces_id) == ("void", "draft", old.id)
        assert (new.subtotal_amount, new.tax_amount) == (Decimal(550), Decimal(110))
        assert (new.memo, new.purchase_order) == ("Thank you", "PO 7")
        assert balances() == {}
        again = issue_invoice(invoice_id=new.id, issued_on=MARCH_3, now=NOW)
        assert again.number == "NW-INV-000002"
        books_agree()
        with pytest.raises(corrections.InvoiceNotIssued):
            void_and_reissue(invoice_id=old.id, reason="again", now=NOW)

    def test_a_one_off_invoice_is_reissued_with_its_lines(self, tenant: Any) -> None:
        draft = drafts.create_one_off(
            customer_id=make_customer().id,
            bill_on=MARCH_3,
            entries=[ManualEntry("Setup", amount=Decimal(50))],
            now=NOW,
        )
        old = issue_invoice(invoice_id=draft.id, issued_on=MARCH_3, now=NOW)

        new = void_and_reissue(invoice_id=old.id, reason="address", now=NOW)

        assert new.total_amount == Decimal(50)
        assert balances() == {}
        books_agree()


MARCH_2 = date(2026, 3, 2)
TAKING_BACK: dict[str, Callable[[Invoice], Any]] = {
    "a part": lambda invoice: corrections.credit_lines(
        invoice_id=invoice.id,
        amounts={invoice.lines.get().id: Decimal(1)},
        reason="outage",
        issued_on=MARCH_2,
        now=NOW,
    ),
    "all": lambda invoice: corrections.credit_invoice(
        invoice_id=invoice.id, reason="outage", issued_on=MARCH_2, now=NOW
    ),
    "a request": lambda invoice: request_credit(
        invoice_id=invoice.id, amounts=None, reason="outage", issued_on=MARCH_2, now=NOW
    ),
    "a write-off": lambda invoice: bad_debt.write_off_invoice(
        invoice_id=invoice.id, reason="insolvent", written_off_on=MARCH_2, now=NOW
    ),
}


@pytest.mark.parametrize("what", TAKING_BACK)
def test_nothing_of_an_invoice_is_taken_back_before_its_day(issued: Invoice, what: str) -> None:
    with pytest.raises(corrections.DatedBeforeInvoice, match="3 March 2026"):
        TAKING_BACK[what](issued)

    assert balances()["accounts_receivable"] == Decimal("538.50")


class TestWriteOff:
    def test_what_is_open_becomes_bad_debt_and_comes_back(self, issued: Invoice) -> None:
        record_payment(
            customer_id=issued.customer_id,
            currency="USD",
            amount=Decimal(38),
            received_on=MARCH_3,
            reference="w",
            now=NOW,
        )
        written = bad_debt.write_off_invoice(
            invoice_id=issued.id, reason="insolvent", written_off_on=MARCH_3, now=NOW
        )
        assert (written.payment_status, open_amount(written)) == ("uncollectible", 0)
        assert balances()["bad_debt"] == Decimal("500.50")
        assert "accounts_receivable" not in balances()
        books_agree()
        with pytest.raises(bad_debt.NothingToWriteOff):
            bad_debt.write_off_invoice(
                invoice_id=issued.id, reason="x", written_off_on=MARCH_3, now=NOW
            )
        with pytest.raises(corrections.InvoiceIsSettled):
            credit(issued, "1")

        back = bad_debt.reinstate_invoice(invoice_id=issued.id, reinstated_on=MARCH_3, now=NOW)

        assert (back.payment_status, open_amount(back)) == ("partially_paid", Decimal("500.50"))
        assert balances()["accounts_receivable"] == Decimal("500.50")
        books_agree()


def test_a_manual_line_is_earned_by_the_day_like_the_rest(tenant: Any) -> None:
    schedule = billed(deal(PLATFORM), now=NOW, customer=make_customer())
    draft = schedule.invoices.get(bill_on=date(2026, 2, 1))
    entry = ManualEntry("Setup", amount=Decimal(60))
    line = drafts.add_manual_line(invoice_id=draft.id, entry=entry, now=NOW)
    issue_invoice(invoice_id=draft.id, issued_on=date(2026, 2, 28), now=NOW)

    recognize_month(month=date(2026, 2, 1), now=NOW)
    recognize_month(month=date(2026, 2, 1), now=NOW)

    # 59 of 365 days of 6,000.00, and the setup: its days are those of the invoice.
    assert (line.service_start, line.service_end) == (date(2026, 2, 1), date(2026, 3, 1))
    assert balances()["revenue"] == Decimal("-969.86") - Decimal(60)
    books_agree()
