"""Issued invoices reach the books once, to the cent, whatever happens on the way."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from billing.models import Invoice
from billing.services.corrections import void_invoice
from integrations import selectors, services, tasks
from integrations.models import Connection, Push
from integrations.xero.gateway import Organisation
from integrations.xero.simulator import Fault, Simulator, organisation_id
from monetization.tenancy.context import tenant_context
from tests.integration.integrations.conftest import MARCH, deliver_all

Issue = Callable[..., Invoice]

pytestmark = pytest.mark.django_db(transaction=True)


def push_of(tenant: Any, invoice: Invoice) -> Push:
    with tenant_context(tenant.id):
        push = selectors.push_of_invoice(invoice.id)
        assert push is not None
        return push


def make_due(tenant: Any) -> None:
    """Let the time of the next attempt come."""
    with tenant_context(tenant.id):
        Push.objects.filter(status="pending").update(next_attempt_at=timezone.now())
        Connection.objects.update(paused_until=None)


def writes(xero: Simulator) -> list[str]:
    return [f"{call.method} {call.path}" for call in xero.calls if call.method == "PUT"]


class TestPush:
    def test_an_issued_invoice_is_in_xero_to_the_cent(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()

        tasks.push_due()

        (copy,) = xero.documents("Invoices")
        push = push_of(seller, invoice)
        assert (push.status, push.external_id, push.label) == (
            "pushed",
            copy["InvoiceID"],
            "NW-INV-000001",
        )
        assert copy["InvoiceNumber"] == "NW-INV-000001"
        assert (copy["Type"], copy["Status"]) == ("ACCREC", "AUTHORISED")
        assert (copy["SubTotal"], copy["TotalTax"], copy["Total"]) == (
            Decimal(500),
            Decimal(100),
            Decimal(600),
        )
        assert copy["Contact"]["Name"] == "Acme"
        (line,) = copy["LineItems"]
        assert (line["AccountCode"], line["TaxType"]) == ("200", "OUTPUT")
        assert push.response["Total"] == "600.0"

    def test_the_organisation_is_named_at_the_first_answer(
        self, xero: Simulator, seller: Any
    ) -> None:
        tasks.push_due()

        with tenant_context(seller.id):
            connection = selectors.xero_connection()
        assert connection is not None
        assert connection.organisation_name == "Demo Company (simulated Xero)"
        assert connection.checked_at is not None

    def test_running_again_pushes_nothing_again(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        issue()
        tasks.push_due()
        deliver_all(seller)
        before = len(xero.calls)

        tasks.push_due()

        assert len(xero.calls) == before
        assert len(xero.documents("Invoices")) == len(xero.documents("Contacts")) == 1

    def test_two_workers_push_an_invoice_once(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()
        make_due(seller)

        def work(_: int) -> None:
            tasks.push_due()
            database.close()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3)))

        assert writes(xero) == ["PUT /api.xro/2.0/Contacts", "PUT /api.xro/2.0/Invoices"]
        assert push_of(seller, invoice).status == "pushed"

    def test_one_customer_is_one_contact(self, xero: Simulator, seller: Any, issue: Issue) -> None:
        first = issue()
        with tenant_context(seller.id):
            draft = Invoice.objects.get(bill_on=date(2026, 2, 1))
            services_issue(draft)
        deliver_all(seller)

        tasks.push_due()

        assert len(xero.documents("Contacts")) == 1
        assert len(xero.documents("Invoices")) == 2
        assert push_of(seller, first).status == "pushed"

    def test_an_untaxed_line_has_no_tax_type(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        issue(percent="0")

        tasks.push_due()

        (copy,) = xero.documents("Invoices")
        assert copy["LineItems"][0]["TaxType"] == "NONE"
        assert copy["Total"] == Decimal(500)

    def test_accounts_follow_the_product(self, xero: Simulator, seller: Any, issue: Issue) -> None:
        issue()
        with tenant_context(seller.id):
            services.change_xero_accounts(
                sales_account="200",
                tax_type="OUTPUT2",
                no_tax_type="NONE",
                product_accounts={"platform": "201"},
            )

        tasks.push_due()

        (copy,) = xero.documents("Invoices")
        line = copy["LineItems"][0]
        assert (line["AccountCode"], line["TaxType"]) == ("201", "OUTPUT2")

    def test_without_a_connection_nothing_is_owed(
        self, seller: Any, issue: Issue, xero: Simulator
    ) -> None:
        with tenant_context(seller.id):
            services.disconnect_xero()

        issue()

        with tenant_context(seller.id):
            assert selectors.pushes().count() == 0

    def test_what_was_issued_before_can_be_owed_later(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        with tenant_context(seller.id):
            services.disconnect_xero()
        issue()
        with tenant_context(seller.id):
            services.connect_xero(now=MARCH)
            owed = services.enqueue_issued_invoices(issued_from=date(2026, 1, 1), now=MARCH)
            again = services.enqueue_issued_invoices(issued_from=date(2026, 1, 1), now=MARCH)

        tasks.push_due()

        assert (owed, again, len(xero.documents("Invoices"))) == (1, 0, 1)

    def test_each_tenant_writes_into_its_own_books(
        self, xero: Simulator, seller: Any, issue: Issue, make_tenant: Callable[..., Any]
    ) -> None:
        other = make_tenant("Globex")
        with tenant_context(other.id):
            services.connect_xero(now=MARCH)
        issue()

        tasks.push_due()

        with tenant_context(other.id):
            theirs = selectors.xero_connection()
            assert selectors.pushes().count() == 0
        with tenant_context(seller.id):
            ours = selectors.xero_connection()
        assert ours is not None
        assert theirs is not None
        assert {one["org"] for one in xero.documents("Invoices")} == {ours.organisation_id}
        assert theirs.organisation_id != ours.organisation_id


def services_issue(draft: Invoice) -> None:
    from billing.services.invoicing import issue_invoice

    issue_invoice(invoice_id=draft.id, issued_on=date(2026, 3, 3), now=MARCH)


class TestTrouble:
    def test_a_lost_reply_leaves_one_invoice(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()
        # The contact's PUT is answered; the invoice's is carried out and its reply is lost.
        with tenant_context(seller.id):
            contact = Push.objects.get(kind="contact")
        gateway = tasks._open(seller.id)
        assert gateway is not None
        tasks.push_one(seller.id, contact.id, gateway)
        xero.faults.append(Fault("lost_reply"))

        tasks.push_due()
        waiting = push_of(seller, invoice)
        make_due(seller)
        xero.forget_keys()
        tasks.push_due()

        done = push_of(seller, invoice)
        assert (waiting.status, done.status) == ("pending", "pushed")
        assert "did not answer" in waiting.last_error
        assert len(xero.documents("Invoices")) == 1
        assert writes(xero).count("PUT /api.xro/2.0/Invoices") == 1

    def test_a_lost_reply_about_a_contact_leaves_one_contact(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        issue()
        xero.faults.append(Fault("lost_reply"))

        tasks.push_due()
        xero.forget_keys()
        make_due(seller)
        tasks.push_due()

        assert len(xero.documents("Contacts")) == len(xero.documents("Invoices")) == 1

    @pytest.mark.parametrize("kind", ["error", "garbage"])
    def test_a_broken_answer_heals_by_itself(
        self, xero: Simulator, seller: Any, issue: Issue, kind: str
    ) -> None:
        invoice = issue()
        xero.faults.append(Fault(kind))

        tasks.push_due()
        make_due(seller)
        tasks.push_due()

        assert push_of(seller, invoice).status == "pushed"
        assert len(xero.documents("Invoices")) == 1

    def test_a_429_waits_as_long_as_xero_asks(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()
        xero.faults.append(Fault("rate_limit", method="GET", retry_after=40))
        with tenant_context(seller.id):  # introduced already, so that the contact meets the limit
            organisation = Organisation(organisation_id(f"simulator-{seller.id}"), "Demo")
            services.record_organisation(organisation=organisation, now=MARCH)

        asked = timezone.now()
        tasks.push_due()
        calls = len(xero.calls)
        tasks.push_due()

        with tenant_context(seller.id):
            connection = Connection.objects.get()
            contact = Push.objects.get(kind="contact")
        assert len(xero.calls) == calls
        assert timedelta(seconds=39) < connection.paused_until - asked < timedelta(seconds=45)
        assert (contact.status, contact.attempts) == ("pending", 0)
        make_due(seller)
        tasks.push_due()
        assert push_of(seller, invoice).status == "pushed"
        with tenant_context(seller.id):
            assert Connection.objects.get().last_error == ""

    def test_a_token_that_xero_no_longer_takes_is_renewed(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        tasks.push_due()
        xero.revoke_tokens()
        invoice = issue()

        tasks.push_due()

        assert push_of(seller, invoice).status == "pushed"

    def test_a_wrong_secret_is_said_on_the_connection_and_loses_nothing(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        tasks.push_due()
        with tenant_context(seller.id):
            right = tasks.Credentials.from_json(Connection.objects.get().credentials)
            services.connect_xero(client_id=right.client_id, client_secret="guess", now=MARCH)
        invoice = issue()
        tasks.push_due()
        with tenant_context(seller.id):
            told = Connection.objects.get().last_error
            services.connect_xero(now=MARCH)

        tasks.push_due()

        assert told == "Xero does not accept the client id and secret; connect again"
        assert push_of(seller, invoice).status == "pushed"

    def test_a_worker_that_dies_after_claiming_holds_nothing_up(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()
        now = timezone.now()
        with tenant_context(seller.id):
            contact = Push.objects.get(kind="contact")
            claim = services.claim_push(push_id=contact.id, now=now)
            early = services.claim_push(push_id=contact.id, now=now)
            later = services.claim_push(push_id=contact.id, now=now + services.LEASE)
        assert claim is not None
        assert later is not None

        assert early is None
        assert claim.idempotency_key == later.idempotency_key
        with tenant_context(seller.id):  # the first one wakes up: a later claim overrules it
            services.record_refused(claim=claim, reason=tasks.Refused("too late"))
            Push.objects.update(lease_until=None)
        tasks.push_due()
        assert push_of(seller, invoice).status == "pushed"

    def test_an_unanswered_push_is_tried_ever_more_slowly_then_waits_for_a_person(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        issue()
        now, waits = timezone.now(), []
        with tenant_context(seller.id):
            contact = Push.objects.get(kind="contact")
            for _ in range(services.MAX_ATTEMPTS):
                claim = services.claim_push(push_id=contact.id, now=now)
                assert claim is not None
                services.record_unavailable(claim=claim, reason=tasks.Unavailable("?"), now=now)
                contact.refresh_from_db()
                if contact.next_attempt_at is not None:
                    waits.append(int((contact.next_attempt_at - now).total_seconds()))
                    now = contact.next_attempt_at

            assert waits[:4] == [15, 30, 60, 120]
            assert contact.status == "failed"
            services.retry_push(push_id=contact.id, now=timezone.now())
        tasks.push_due()
        assert len(xero.documents("Invoices")) == 1


class TestRefusals:
    def test_a_number_that_xero_has_with_other_figures_is_refused(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()
        tasks.push_due()
        (copy,) = xero.documents("Invoices")
        xero.change("Invoices", copy["InvoiceID"], Total=Decimal("600.01"))
        with tenant_context(seller.id):
            Push.objects.filter(kind="invoice").update(
                status="pending", external_id="", pushed_at=None, next_attempt_at=timezone.now()
            )

        tasks.push_due()

        refused = push_of(seller, invoice)
        assert refused.status == "refused"
        assert refused.last_error == (
            "NW-INV-000001 is 500.00 net + 100.00 tax = 600.01 USD in Xero"
            " and 500.00 net + 100.00 tax = 600.00 USD here"
        )
        assert refused.external_id == copy["InvoiceID"]
        assert len(xero.documents("Invoices")) == 1

    def test_an_invoice_voided_over_there_is_never_written_again(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()
        tasks.push_due()
        (copy,) = xero.documents("Invoices")
        xero.change("Invoices", copy["InvoiceID"], Status="VOIDED")
        with tenant_context(seller.id):
            Push.objects.filter(kind="invoice").update(
                status="pending", external_id="", pushed_at=None, next_attempt_at=timezone.now()
            )

        tasks.push_due()

        assert "is voided in Xero" in push_of(seller, invoice).last_error
        assert len(xero.documents("Invoices")) == 1

    def test_xeros_words_reach_a_person_who_mends_it_and_retries(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()
        with tenant_context(seller.id):
            services.change_xero_accounts(
                sales_account="999", tax_type="OUTPUT", no_tax_type="NONE"
            )
        tasks.push_due()
        refused = push_of(seller, invoice)
        with tenant_context(seller.id):
            services.change_xero_accounts(
                sales_account="200", tax_type="OUTPUT", no_tax_type="NONE"
            )
            services.retry_push(push_id=refused.id, now=timezone.now())

        tasks.push_due()

        assert refused.status == "refused"
        assert refused.last_error == (
            "Xero refused: Account code '999' is not a valid code for this document."
        )
        assert push_of(seller, invoice).status == "pushed"

    def test_a_name_taken_by_another_contact_holds_the_invoice_until_it_is_settled(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        issue("Acme")
        tasks.push_due()
        (contact,) = xero.documents("Contacts")
        xero.change("Contacts", contact["ContactID"], Name="Globex", ContactNumber="theirs")
        held = issue("Globex")

        tasks.push_due()
        waiting = push_of(seller, held)
        with tenant_context(seller.id):
            told = Push.objects.get(kind="contact", status="refused")
            xero.change("Contacts", contact["ContactID"], Name="Globex (old)")
            services.retry_push(push_id=told.id, now=timezone.now())
        tasks.push_due()

        assert (waiting.status, waiting.is_waiting, waiting.attempts) == ("pending", True, 0)
        assert "already assigned to another contact" in told.last_error
        assert push_of(seller, held).status == "pushed"

    def test_an_invoice_with_a_third_decimal_is_refused_before_it_is_sent(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue(percent="0.001", currency="KWD")

        tasks.push_due()

        refused = push_of(seller, invoice)
        assert refused.status == "refused"
        assert "Xero keeps two decimals" in refused.last_error
        assert xero.documents("Invoices") == []

    def test_an_invoice_voided_before_it_was_pushed_is_not_pushed(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()
        with tenant_context(seller.id):
            void_invoice(invoice_id=invoice.id, reason="wrong customer", now=MARCH)

        tasks.push_due()

        assert push_of(seller, invoice).status == "refused"
        assert xero.documents("Invoices") == []

    def test_what_is_pushed_is_not_retried(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        invoice = issue()
        tasks.push_due()

        with tenant_context(seller.id), pytest.raises(services.AlreadyPushed):
            services.retry_push(push_id=push_of_id(invoice), now=MARCH)

    def test_other_books_get_the_contacts_anew(
        self, xero: Simulator, seller: Any, issue: Issue
    ) -> None:
        issue()
        tasks.push_due()
        with tenant_context(seller.id):
            services.connect_xero(client_id="simulator-other", client_secret="simulator", now=MARCH)

        tasks.push_due()

        contacts = xero.documents("Contacts")
        assert len({one["org"] for one in contacts}) == 2
        assert len(xero.documents("Invoices")) == 1


def push_of_id(invoice: Invoice) -> Any:
    push = selectors.push_of_invoice(invoice.id)
    assert push is not None
    return push.id
