"""Credits in a browser's words: given, seen, withdrawn, sold."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import CreditGrant, Invoice
from billing.services.credits.granting import CreditWords, grant_credits
from billing.services.invoicing import recalculate_invoices
from tests.factories import make_member
from tests.factories_billing import PLATFORM, billed, deal, make_customer

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
FORM = {"name": "Welcome", "kind": "money", "amount": "250", "priority": "50", "taxed_at": "use"}


@pytest.fixture
def finance(tenant: Any, client: Client) -> Client:
    client.force_login(make_member(tenant, "finance"))
    return client


def test_finance_gives_sees_and_withdraws_credits(finance: Client) -> None:
    customer = make_customer()
    new = reverse("billing:credit-new", args=[customer.id])

    assert finance.post(new, {**FORM, "amount": "x"}).status_code == 422
    assert finance.post(new, {**FORM, "kind": "unit"}).status_code == 422
    finance.post(new, FORM)

    grant = CreditGrant.objects.get()
    part = reverse("billing:customer-credits", args=[customer.id])
    page = finance.get(part).content.decode()
    assert "Welcome" in page
    assert "credits-data" in page
    assert "Welcome" in finance.get(reverse("billing:credit-list") + "?q=acm").content.decode()
    assert (
        part
        in finance.get(
            reverse("customers:detail", args=[customer.id]) + "?tab=credits"
        ).content.decode()
    )
    finance.post(reverse("billing:credit-void", args=[grant.id]), {"reason": "a mistake"})
    assert "a mistake" in finance.get(part).content.decode()


def test_credits_with_a_price_are_sold_on_a_draft(finance: Client) -> None:
    customer = make_customer()

    finance.post(reverse("billing:credit-new", args=[customer.id]), {**FORM, "price": "200"})

    assert Invoice.objects.get().total_amount == Decimal(200)
    assert not CreditGrant.objects.exists()


def test_the_invoice_says_which_grant_pays_what(finance: Client) -> None:
    customer = make_customer()
    schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
    for taxed_at, name in (("use", "Prepaid"), ("grant", "Launch offer")):
        words = CreditWords(
            customer_id=customer.id, name=name, amount=Decimal(40), taxed_at=taxed_at
        )
        grant_credits(words=words, now=NOW, effective_at=datetime(2026, 1, 1, tzinfo=UTC))
    draft = schedule.invoices.get(bill_on="2026-01-01")
    recalculate_invoices(invoice_ids=[draft.id], now=NOW)

    page = finance.get(reverse("billing:invoice-detail", args=[draft.id])).content.decode()

    assert "To be paid by Prepaid: 40 USD" in page
    assert "Launch offer: Platform" in page
    assert "Due after credits" in page
    line = draft.lines.get(kind="credit")
    explained = finance.get(reverse("billing:invoice-explain", args=[draft.id, line.id]))
    assert "Launch offer: 40 USD, before tax" in explained.content.decode()
    assert finance.get(reverse("billing:invoice-pdf", args=[draft.id])).status_code == 200


def test_who_only_reads_gives_nothing(tenant: Any, client: Client) -> None:
    customer = make_customer()
    client.force_login(make_member(tenant, "revops"))

    part = reverse("billing:customer-credits", args=[customer.id])
    assert client.get(part).status_code == 200
    new = reverse("billing:credit-new", args=[customer.id])
    assert client.post(new, FORM).status_code == 403
