"""Each check holds on books the system made, and sees the corruption it is there for."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.models import Invoice
from billing.services.corrections import credit_invoice
from integrations.models import Push
from monetization.config.verify import CHECKS, verify_tenant
from monetization.config.verify.base import check
from monetization.tenancy.context import tenant_context
from tests.integration.config.books import APR, FEB, NOW

LINE = "billing_invoiceline"
POSTING = "ledger_posting"


@dataclass(frozen=True)
class Corruption:
    """What somebody with the owner's rights could do to the tables."""

    sql: str
    tables: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


def posting(account: str, change: str = "amount = amount + 1", where: str = "true") -> Corruption:
    one = f"SELECT id FROM {POSTING} WHERE account = '{account}' AND {where} ORDER BY id LIMIT 1"
    return Corruption(f"UPDATE {POSTING} SET {change} WHERE id = ({one})", (POSTING,))


def line(change: str, where: str = "true") -> Corruption:
    one = (
        f"SELECT l.id FROM {LINE} l JOIN billing_invoice i ON i.id = l.invoice_id"
        f" WHERE i.status = 'issued' AND l.amount > 0 AND {where} ORDER BY l.id LIMIT 1"
    )
    return Corruption(f"UPDATE {LINE} SET {change} WHERE id = ({one})", (LINE,))


def one_of(table: str, change: str, where: str = "true", *constraints: str) -> Corruption:
    one = f"SELECT id FROM {table} WHERE {where} ORDER BY id LIMIT 1"
    return Corruption(f"UPDATE {table} SET {change} WHERE id = ({one})", (table,), constraints)


FINISHED = "contract_id = (SELECT id FROM billing_billingschedule WHERE status = 'completed')"
CORRUPTIONS = {
    "I01.1": posting("revenue"),
    "I01.2": posting("revenue"),
    "I01.3": posting("revenue", "account = 'pocket'"),
    "I01.4": one_of(
        "ledger_journalentry",
        "reverses_id = (SELECT id FROM ledger_journalentry WHERE rule = 'invoice_issued' LIMIT 1)",
        "rule = 'payment_received'",
    ),
    "I02.1": posting("accounts_receivable"),
    "I02.2": posting("accounts_receivable", where="invoice_id IS NOT NULL"),
    "I02.3": posting("cash_clearing"),
    "I02.4": posting("tax_payable"),
    "I02.5": one_of("billing_invoice", "paid_amount = paid_amount - 1", "payment_status = 'paid'"),
    "I02.6": one_of("billing_paymentallocation", "amount = amount + 100000"),
    "I02.7": one_of("billing_invoice", "payment_status = 'unpaid'", "payment_status = 'paid'"),
    "I03.1": line("amount = amount + 1"),
    "I03.2": line("tax_amount = tax_amount + 1"),
    "I03.3": one_of(
        "billing_invoice",
        "total_amount = total_amount + 1",
        "status = 'issued'",
        "billing_invoice.invoice_total_is_subtotal_plus_tax",
    ),
    "I03.4": line("tax_amount = tax_amount + 0.01", "l.tax_percent > 0"),
    "I03.5": one_of("billing_creditnoteline", "amount = amount - 1"),
    "I03.6": one_of("billing_invoice", "credited_amount = credited_amount + 1"),
    "I03.7": one_of("billing_creditnoteline", "amount = amount * 2", "amount > 0"),
    "I03.8": one_of(
        "billing_invoice", "previous_amount = previous_amount + 1", "previous_amount IS NOT NULL"
    ),
    "I03.9": one_of(
        LINE,
        "tax_amount = tax_amount + 1",
        "invoice_id IN (SELECT id FROM billing_invoice WHERE tax_method = 'per_category')",
    ),
    "I05.1": one_of(
        "ledger_journalentry", "entry_date = '2026-01-15'", "rule = 'credit_note_issued'"
    ),
    "I05.2": posting("deferred_revenue"),
    "I05.3": posting("deferred_revenue", "amount = amount + 10000"),
    "I05.4": one_of("revrec_revenueslice", "amount = amount + 1"),
    "I05.5": posting("revenue"),
    "I05.6": posting("revenue", where=FINISHED),
    "I06.1": one_of(
        "quotes_quoteversion", "total_contract_value = total_contract_value + 1", "terms <> 'null'"
    ),
    "I07.1": Corruption(
        "UPDATE metering_usagerollup SET quantity = 'NaN'"
        " WHERE hour = (SELECT min(hour) FROM metering_usagerollup)"
    ),
    "I07.2": one_of("billing_payment", "amount = amount + 0.001"),
    "I08.1": one_of("billing_creditgrant", "amount = amount + 1"),
    "I08.2": one_of(
        "billing_creditgrant",
        "ended_at = now()",
        "id IN (SELECT grant_id FROM billing_credittransaction GROUP BY 1 HAVING sum(units) > 0)",
    ),
    "I08.3": one_of("billing_invoice", "prepaid_amount = prepaid_amount + 1", "status = 'issued'"),
    "I08.4": one_of("billing_credittransaction", "released = released + 1", "kind = 'burned'"),
    "I08.5": one_of("billing_credittransaction", "released = released + 1", "kind = 'burned'"),
    "I08.6": one_of("billing_credittransaction", "units = units + 100", "kind = 'returned'"),
    "I08.7": one_of("billing_credittransaction", "kind = 'covered'", "kind = 'returned'"),
    "I10.1": Corruption(
        "UPDATE metering_usagerollup SET quantity = quantity + 1"
        " WHERE hour = (SELECT min(hour) FROM metering_usagerollup)"
    ),
    "I10.3": Corruption(
        "UPDATE metering_usageday SET events = events + 1"
        " WHERE day = (SELECT min(day) FROM metering_usageday)"
    ),
    "I10.2": one_of("metering_usagereading", "quantity = quantity + 1"),
    "I12.1": one_of("billing_billingperiod", "bill_on = bill_on + 1"),
    "I12.2": one_of("billing_billingperiod", "service_end = service_end - 1"),
    "I12.3": one_of(
        "billing_billingperiod",
        "invoice_id = (SELECT id FROM billing_invoice WHERE status = 'void')",
        "invoice_id IS NOT NULL",
    ),
    "I12.4": Corruption(
        "UPDATE metering_usagereading SET window_end = window_end + interval '1 hour'"
    ),
    "I12.5": one_of(
        "billing_billingperiod",
        "invoice_id = NULL",
        "schedule_id = (SELECT id FROM billing_billingschedule WHERE status = 'completed')",
    ),
    "I13.1": Corruption(
        "UPDATE metering_usageevent SET source_event_id = 'another'"
        " WHERE subject = 'acme' AND occurred_at < '2026-01-02'"
    ),
    "I15.1": Corruption(
        "DELETE FROM metering_usageevent WHERE subject = 'acme' AND occurred_at < '2026-01-02'"
    ),
    "I16.1": line(
        "explanation = jsonb_set(explanation, '{quantity}', '\"99\"')", "l.reading_id IS NOT NULL"
    ),
    "I16.2": line("explanation = jsonb_set(explanation, '{discounts}', '[]')", "l.kind = 'item'"),
    "I16.3": line("quantity = quantity + 1", "l.reading_id IS NOT NULL"),
    "I16.4": one_of("billing_calculationmark", "mark = 'another'"),
    "I17.1": line("description = 'Something else'"),
    "I17.2": one_of(
        "billing_billingschedule", "terms = jsonb_set(terms, '{title}', '\"Another deal\"')"
    ),
    "I17.3": one_of("documents_document", "content = '\\x00'"),
    "I18.1": one_of("billing_documentsequence", "next_number = next_number + 1"),
    "I19.1": one_of("events_event", "type = 'invoice.sent'", "type = 'payment.recorded'"),
    "I19.2": one_of(
        "ledger_journalentry",
        "event_id = (SELECT id FROM events_event WHERE type = 'schedule.created' LIMIT 1)",
        "rule = 'invoice_voided'",
    ),
    "I19.3": one_of(
        "audit_auditentry",
        "changes = jsonb_set(changes, '{status,1}', '\"void\"')",
        "\"table\" = 'billing_invoice' AND changes -> 'status' ->> 1 = 'draft'",
    ),
    "I20.1": one_of("events_eventdelivery", "delivered_at = NULL, next_attempt_at = NULL"),
    "I20.2": one_of("jobs_job", "done = done + 1"),
    "I20.3": one_of("jobs_jobitem", "status = 'pending'"),
    "I20.4": one_of("mail_outgoingmail", "status = 'sent'"),
    "I21.1": posting("revenue", "customer_id = gen_random_uuid()"),
}  # fmt: skip

Plant = Callable[[Corruption], None]


def differing(tenant: Any, *only: str) -> dict[str, tuple[str, ...]]:
    report = verify_tenant(tenant.id, tenant.slug, only=only)
    return {o.check.id: o.found.samples for o in report.outcomes if not o.is_ok}


@pytest.mark.usefixtures("db")
class TestSoundBooks:
    def test_every_identity_holds_and_compares_something(self, books: Any) -> None:
        report = verify_tenant(books.id, books.slug)

        assert [o.found.samples for o in report.outcomes if not o.is_ok] == []
        idle = {o.check.id for o in report.outcomes if not o.found.compared}
        assert idle == {"I01.4", "I20.5"}  # nothing was reversed, nothing is connected

    def test_the_sums_are_those_of_the_documents(self, books: Any) -> None:
        (outcome,) = verify_tenant(books.id, books.slug, only=["I02.1"]).outcomes

        (figure,) = outcome.found.figures
        assert (figure.unit, figure.difference) == ("USD", 0)
        assert figure.left == figure.right != 0

    def test_revenue_that_moved_since_the_last_run_waits_for_the_next(self, books: Any) -> None:
        with tenant_context(books.id):
            invoice = Invoice.objects.filter(bill_on=FEB, credited_amount=0).latest("number")
            credit_invoice(invoice_id=invoice.id, reason="Late", issued_on=APR, now=NOW)

        (outcome,) = verify_tenant(books.id, books.slug, only=["I05.5"]).outcomes

        assert outcome.is_ok
        assert "lines changed since and wait for the next month's run" in outcome.found.notes[-1]

    def test_no_check_takes_the_place_of_another(self) -> None:
        with pytest.raises(ValueError, match=r"I03\.7 is the check 'Credit notes take back"):
            check("I03.7", "Another")(CHECKS["I03.1"].run)

    def test_every_check_has_a_corruption_that_it_sees(self) -> None:
        assert {*CORRUPTIONS, "I20.5"} == set(CHECKS)


class TestCorruptedBooks:
    @pytest.mark.parametrize("id", sorted(CORRUPTIONS))
    def test_the_check_names_the_difference(self, books: Any, plant: Plant, id: str) -> None:
        plant(CORRUPTIONS[id])

        found = differing(books, id)

        assert list(found) == [id]
        assert found[id]
        assert "could not be checked" not in found[id][0]

    def test_a_push_of_no_invoice_is_seen(self, books: Any, db: None) -> None:
        with tenant_context(books.id):
            Push.objects.create(
                provider="xero", kind="invoice", subject_ref="invoice/none", label="X-1"
            )

        assert list(differing(books, "I20.5")) == ["I20.5"]

    def test_terms_nobody_can_read_end_one_check_and_not_the_others(
        self, books: Any, plant: Plant
    ) -> None:
        plant(one_of("billing_billingschedule", "terms = '{}'"))

        found = differing(books)

        assert {"I12.1", "I16.2", "I17.2"} <= set(found)
        assert found["I12.1"][0].startswith("could not be checked: PriceError")
        assert "I02.1" not in found


@pytest.mark.usefixtures("db")
class TestCommand:
    def test_prints_each_check_with_its_figures(self, books: Any) -> None:
        out = StringIO()

        call_command("verify", tenant=books.slug, check=["I01"], stdout=out)

        assert "I01.2  OK       The trial balance is zero in every currency" in out.getvalue()
        assert "difference 0" in out.getvalue()
        assert out.getvalue().rstrip().endswith("all hold")

    def test_exits_with_the_names_of_what_differs(self, books: Any, plant: Plant) -> None:
        plant(CORRUPTIONS["I18.1"])

        with pytest.raises(CommandError, match=r"1 DIFFER \(I18.1\)") as ended:
            call_command("verify", stdout=StringIO())
        assert ended.value.returncode == 1

    def test_writes_one_json_document(self, books: Any) -> None:
        out = StringIO()

        call_command("verify", json=True, check=["I02.1"], stdout=out)

        (tenant,) = json.loads(out.getvalue())["tenants"]
        assert tenant["tenant"] == books.slug
        assert tenant["checks"][0]["figures"][0]["difference"] == "0.0000"

    def test_refuses_an_unknown_tenant_and_an_unknown_check(self, books: Any) -> None:
        with pytest.raises(CommandError, match="no tenant 'nobody'"):
            call_command("verify", tenant="nobody")
        with pytest.raises(CommandError, match="no check is called 'I99'"):
            call_command("verify", check=["I99"])
