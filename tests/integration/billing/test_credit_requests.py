"""Above a limit one person asks for a credit and another approves it; nothing else credits."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import CreditNote, CreditRequest, Invoice
from billing.services import corrections, credit_requests
from billing.services.approvals import SecondPersonNeeded
from billing.services.assertions import set_rule
from billing.services.invoicing import issue_invoice
from monetization.ledger.selectors import trial_balance
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from tests.factories import make_member, make_tenant
from tests.factories_billing import PLATFORM, billed, deal, make_customer

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_3 = date(2026, 3, 3)
ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def issued(tenant: Any) -> Invoice:
    """An issued invoice of 500.00 and 7.7 % tax; credits above 100.00 take two people."""
    set_rule(kind="second_person_credits", is_enabled=True, parameters={"limit": "100"}, now=NOW)
    customer = make_customer(tax_percent=Decimal("7.7"))
    schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
    draft = schedule.invoices.get(bill_on=MARCH_3.replace(day=1))
    return issue_invoice(invoice_id=draft.id, issued_on=MARCH_3, now=NOW)


def wish(invoice: Invoice, amount: str | None) -> Any:
    amounts = None if amount is None else {invoice.lines.get().id: Decimal(amount)}
    return credit_requests.credit_or_ask(
        invoice_id=invoice.id, amounts=amounts, reason="outage", issued_on=MARCH_3, now=NOW
    )


def as_(tenant: Any, who: str, act: Any) -> Any:
    with tenant_context(tenant.id, actor=who):
        return act()


def approve(request: CreditRequest) -> CreditRequest:
    return credit_requests.approve_credit(request_id=request.id, now=NOW)


def test_one_person_is_enough_up_to_the_limit(issued: Invoice) -> None:
    # 92.85 and 7.7 % of it, 7.15: 100.00.
    note = wish(issued, "92.85")
    assert isinstance(note, CreditNote)
    assert note.total_amount == Decimal("100.00")
    assert isinstance(wish(issued, "92.86"), CreditRequest)  # 100.01


def test_a_large_credit_waits_and_another_person_issues_it(tenant: Any, issued: Invoice) -> None:
    asked = as_(tenant, ANN, lambda: wish(issued, None))
    assert asked.total_amount == Decimal("538.50")
    assert not CreditNote.objects.exists()

    with pytest.raises(credit_requests.NotYoursToApprove):
        as_(tenant, ANN, lambda: approve(asked))
    done = as_(tenant, BOB, lambda: approve(asked))

    issued.refresh_from_db()
    assert (done.status, done.decided_by) == ("approved", BOB)
    assert done.credit_note is not None
    assert done.credit_note.total_amount == issued.credited_amount == Decimal("538.50")
    assert [row for row in trial_balance() if row.balance] == []
    with pytest.raises(credit_requests.CreditDecided, match="approved since 3 Mar 2026"):
        as_(tenant, BOB, lambda: approve(asked))


def test_no_other_way_leads_round_the_limit(issued: Invoice) -> None:
    given: dict[str, Any] = {
        "invoice_id": issued.id, "reason": "r", "issued_on": MARCH_3, "now": NOW,
    }  # fmt: skip
    with pytest.raises(SecondPersonNeeded, match="ask for it"):
        corrections.credit_invoice(**given)
    amounts = {issued.lines.get().id: Decimal(450)}
    with pytest.raises(SecondPersonNeeded, match="ask for it"):
        corrections.credit_lines(**given, amounts=amounts)
    assert not CreditNote.objects.exists()


def test_an_approval_is_spent_with_its_credit_note(tenant: Any, issued: Invoice) -> None:
    asked = as_(tenant, ANN, lambda: wish(issued, "200"))
    as_(tenant, BOB, lambda: approve(asked))
    with pytest.raises(SecondPersonNeeded):
        corrections.credit_lines(
            invoice_id=issued.id, amounts={issued.lines.get().id: Decimal(200)},
            reason="again", issued_on=MARCH_3, now=NOW,
        )  # fmt: skip


def test_what_was_credited_meanwhile_is_asked_for_again(tenant: Any, issued: Invoice) -> None:
    everything = as_(tenant, ANN, lambda: wish(issued, None))
    wish(issued, "50")
    with pytest.raises(credit_requests.CreditChanged, match=r"484\.65 USD"):
        as_(tenant, BOB, lambda: approve(everything))
    as_(tenant, ANN, lambda: credit_requests.withdraw_credit(request_id=everything.id, now=NOW))
    part = as_(tenant, ANN, lambda: wish(issued, "449.99"))
    wish(issued, "0.02")
    with pytest.raises(credit_requests.CreditChanged, match=r"449\.98 USD left"):
        as_(tenant, BOB, lambda: approve(part))


def test_one_credit_of_an_invoice_waits_at_a_time(tenant: Any, issued: Invoice) -> None:
    first = as_(tenant, ANN, lambda: wish(issued, "200"))
    with pytest.raises(credit_requests.CreditAskedBefore):
        wish(issued, "201")
    with pytest.raises(credit_requests.NotYoursToWithdraw):
        as_(tenant, BOB, lambda: credit_requests.withdraw_credit(request_id=first.id, now=NOW))
    with pytest.raises(credit_requests.AnswerMissing):
        as_(tenant, BOB, lambda: credit_requests.decline_credit(
            request_id=first.id, answer=" ", now=NOW))  # fmt: skip
    as_(tenant, BOB, lambda: credit_requests.decline_credit(
        request_id=first.id, answer="Half is fair", now=NOW))  # fmt: skip
    assert isinstance(wish(issued, "201"), CreditRequest)


def test_the_others_are_asked_by_mail_and_who_asked_is_answered(
    db: None,
) -> None:
    company = make_tenant("Mailers")
    ann, bob = (make_member(company, role="finance").email for _ in range(2))
    with tenant_context(company.id, actor=ann):
        set_rule(kind="second_person_credits", is_enabled=True, parameters={"limit": "1"}, now=NOW)
        schedule = billed(deal(PLATFORM), now=NOW)
        draft = schedule.invoices.get(bill_on=date(2026, 3, 1))
        invoice = issue_invoice(invoice_id=draft.id, issued_on=MARCH_3, now=NOW)
        asked = wish(invoice, None)
        assert list(OutgoingMail.objects.values_list("to", flat=True)) == [bob]
    with tenant_context(company.id, actor=bob):
        credit_requests.decline_credit(request_id=asked.id, answer="Half is fair", now=NOW)
        mail = OutgoingMail.objects.get(to=ann)
        assert "Half is fair" in mail.text


def test_a_colleague_approves_on_the_page(db: None) -> None:
    company = make_tenant("Pages")
    ann, bob = (make_member(company, role="finance") for _ in range(2))
    clients = {}
    for user in (ann, bob):
        clients[user.email] = Client()
        clients[user.email].force_login(user)
    with tenant_context(company.id, actor="setup"):
        set_rule(kind="second_person_credits", is_enabled=True, parameters={"limit": "1"}, now=NOW)
        schedule = billed(deal(PLATFORM), now=NOW)
        draft = schedule.invoices.get(bill_on=date(2026, 3, 1))
        invoice = issue_invoice(invoice_id=draft.id, issued_on=MARCH_3, now=NOW)
    said = clients[ann.email].post(
        reverse("billing:invoice-action", args=[invoice.id]),
        {"action": "credit", "reason": "outage", "issued_on": "2026-03-03"},
        follow=True,
    )
    assert b"Nothing is credited yet" in said.content
    assert b"waits for a second person" in said.content
    with tenant_context(company.id):
        request = CreditRequest.objects.get()
    answer = reverse("billing:credit-answer", args=[request.id])
    own = clients[ann.email].post(answer, {"do": "approve"}, follow=True)
    assert b"you asked for it" in own.content
    assert b"Take back" in own.content
    done = clients[bob.email].post(answer, {"do": "approve"}, follow=True)
    assert b"Approved: credited with" in done.content
    assert b"Answered lately" in done.content
