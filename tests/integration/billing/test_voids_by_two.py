"""Above the limit of credits, voiding takes two people too; several small voids count together."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import CreditRequest, Invoice
from billing.services import corrections, credit_limits, credit_requests
from billing.services.approvals import SecondPersonNeeded
from billing.services.assertions import set_rule
from billing.services.invoicing import issue_invoice
from billing.services.reissue import void_and_reissue
from monetization.ledger.selectors import trial_balance
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from tests.factories import make_member, make_tenant
from tests.factories_billing import PLATFORM, billed, deal
from tests.integration.api.conftest import Api

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_3 = date(2026, 3, 3)
ANN, BOB = "ann@example.com", "bob@example.com"


def limits(limit: str, customer_limit: str = "") -> None:
    given = {"limit": limit, "customer_limit": customer_limit}
    set_rule(kind="second_person_credits", is_enabled=True, parameters=given, now=NOW)


def issued(count: int = 1) -> list[Invoice]:
    """Invoices of 500.00 without tax, of January on."""
    drafts = billed(deal(PLATFORM), now=NOW).invoices.order_by("bill_on")[:count]
    return [issue_invoice(invoice_id=each.id, issued_on=MARCH_3, now=NOW) for each in drafts]


def wish(invoice: Invoice, *, again: bool = False) -> Any:
    return credit_requests.void_or_ask(
        invoice_id=invoice.id, reason="wrong entity", is_reissued=again, now=NOW
    )


def as_(tenant: Any, who: str, act: Any) -> Any:
    with tenant_context(tenant.id, actor=who):
        return act()


def approve(request: CreditRequest) -> CreditRequest:
    return credit_requests.approve_credit(request_id=request.id, now=NOW)


def test_up_to_the_limit_one_person_voids(tenant: Any) -> None:
    limits("500")
    (invoice,) = issued()
    made = wish(invoice)
    assert (made.id, made.status) == (invoice.id, "void")


def test_a_large_void_waits_and_another_person_approves_it(tenant: Any) -> None:
    limits("499.99")
    (invoice,) = issued()
    asked = as_(tenant, ANN, lambda: wish(invoice))
    assert (asked.kind, asked.total_amount) == ("void", Decimal(500))
    invoice.refresh_from_db()
    assert invoice.status == "issued"

    with pytest.raises(credit_requests.NotYoursToApprove):
        as_(tenant, ANN, lambda: approve(asked))
    as_(tenant, BOB, lambda: approve(asked))

    invoice.refresh_from_db()
    assert (invoice.status, invoice.void_reason) == ("void", "wrong entity")
    assert [row for row in trial_balance() if row.balance] == []
    with pytest.raises(credit_requests.CreditDecided):
        as_(tenant, BOB, lambda: approve(asked))


def test_approving_a_void_with_a_new_draft_drafts_it_again(tenant: Any) -> None:
    limits("1")
    (invoice,) = issued()
    asked = as_(tenant, ANN, lambda: wish(invoice, again=True))
    as_(tenant, BOB, lambda: approve(asked))
    draft = invoice.replacements.get()
    assert (draft.status, draft.total_amount) == ("draft", Decimal(500))


def test_no_other_way_leads_round_the_limit(tenant: Any) -> None:
    limits("499.99")
    (invoice,) = issued()
    for act in (corrections.void_invoice, void_and_reissue):
        with pytest.raises(SecondPersonNeeded, match="ask for it, and somebody else approves it"):
            act(invoice_id=invoice.id, reason="alone", now=NOW)
    # An approved void is no approved credit.
    asked = as_(tenant, ANN, lambda: wish(invoice))
    CreditRequest.objects.filter(id=asked.id).update(
        status="approved", decided_by=BOB, decided_at=NOW
    )
    with pytest.raises(SecondPersonNeeded):
        corrections.credit_invoice(
            invoice_id=invoice.id, reason="alone", issued_on=MARCH_3, now=NOW
        )


def test_voids_and_credits_of_a_customer_count_together_for_thirty_days(tenant: Any) -> None:
    limits("500", "900")
    first, second, third = issued(count=3)
    wish(first)  # 500.00 of 900.00
    assert isinstance(wish(second), CreditRequest)
    with pytest.raises(SecondPersonNeeded, match=r"500\.00 USD credited or voided in 30 days"):
        corrections.credit_lines(
            invoice_id=third.id, amounts={third.lines.get().id: Decimal("400.01")},
            reason="r", issued_on=MARCH_3, now=NOW,
        )  # fmt: skip
    later = NOW + timedelta(days=30, seconds=1)
    assert corrections.void_invoice(invoice_id=third.id, reason="r", now=later).status == "void"


def test_what_a_second_person_voided_does_not_count(tenant: Any) -> None:
    limits("500", "500")
    first, second = issued(count=2)
    wish(first)
    asked = as_(tenant, ANN, lambda: wish(second))
    as_(tenant, BOB, lambda: approve(asked))
    room = credit_limits.credit_room(first, now=NOW)
    assert room is not None
    assert str(room.of_customer) == "500.00 USD"


def test_one_wish_of_an_invoice_waits_at_a_time(tenant: Any) -> None:
    limits("1")
    (invoice,) = issued()
    as_(tenant, ANN, lambda: wish(invoice))
    with pytest.raises(credit_requests.CreditAskedBefore, match="voiding of NW-"):
        wish(invoice)


def test_what_was_paid_meanwhile_is_not_voided(tenant: Any) -> None:
    limits("1")
    (invoice,) = issued()
    asked = as_(tenant, ANN, lambda: wish(invoice))
    Invoice.objects.filter(id=invoice.id).update(paid_amount=Decimal(1))
    with pytest.raises(credit_requests.CreditChanged, match="cannot be voided any more"):
        as_(tenant, BOB, lambda: approve(asked))


def test_a_colleague_approves_the_void_on_the_page(db: None) -> None:
    company = make_tenant("Pages")
    ann, bob = (make_member(company, role="finance") for _ in range(2))
    clients = {}
    for user in (ann, bob):
        clients[user.email] = Client()
        clients[user.email].force_login(user)
    with tenant_context(company.id, actor="setup"):
        limits("1")
        (invoice,) = issued()
    said = clients[ann.email].post(
        reverse("billing:invoice-action", args=[invoice.id]),
        {"action": "void", "reason": "wrong entity", "reissue": "on"},
        follow=True,
    )
    assert b"It stands until then" in said.content
    assert b"Voiding this invoice and drafting it again waits" in said.content
    with tenant_context(company.id):
        request = CreditRequest.objects.get()
        mail = OutgoingMail.objects.get(to=bob.email)
        assert mail.subject.startswith("Voiding and drafting again")
    answer = reverse("billing:credit-answer", args=[request.id])
    done = clients[bob.email].post(answer, {"do": "approve"}, follow=True).content.decode()
    assert f"Approved: {invoice.number} is void" in done


def test_rest_refuses_a_void_alone_and_takes_the_wish(db: None) -> None:
    company = make_tenant("Rest")
    api = Api(company)
    with tenant_context(company.id, actor="setup"):
        limits("1")
        (invoice,) = issued()
    for action in ("void", "reissue"):
        refused = api.post(f"invoices/{invoice.id}/{action}", {"reason": "r"})
        assert (refused.status_code, refused.json()["code"]) == (409, "second_person_needed")
    wanted = {"invoice": str(invoice.id), "kind": "void", "reason": "r"}
    wrong = api.post("credit-requests", {**wanted, "issued_on": "2026-03-03"})
    assert wrong.status_code == 422
    assert "only a credit has it" in wrong.content.decode()
    asked = api.post("credit-requests", wanted)
    assert asked.status_code == 201, asked.content
    assert (asked.json()["kind"], asked.json()["status"]) == ("void", "waiting")
