"""Disputed payments: taken back and given back in the books once, seen where finance looks."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from billing.models import Invoice, PaymentRefund
from billing.services.bad_debt import write_off_invoice
from integrations.models import OnlinePayment
from monetization.tenancy.context import tenant_context
from tests.factories import make_member
from tests.integration.integrations.stripe_desk import MARCH, Shop, serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(
    transactional_db: None, make_tenant: Callable[..., Any], tmp_path: Path, settings: Any
) -> Iterator[Shop]:
    cache.clear()
    with serving(tmp_path, settings) as stripe:
        found = Shop(make_tenant("Northwind Software"), stripe)
        found.connect()
        yield found


def paid(shop: Shop) -> tuple[Invoice, str]:
    """An invoice of 600.00 paid by card, and the payment's id at Stripe."""
    invoice = shop.invoice()
    shop.pay(invoice)
    shop.look()
    with tenant_context(shop.tenant.id):
        return invoice, OnlinePayment.objects.get(kind="payment").external_id


def hear(shop: Shop, type: str) -> None:
    """Have an event delivered, and again, and what it is about looked up."""
    for _ in range(2):
        assert shop.send(shop.told(type)).status_code == 200
    shop.work()


def of(shop: Shop, invoice: Invoice) -> Invoice:
    with tenant_context(shop.tenant.id):
        return Invoice.objects.get(id=invoice.id)


def pages(shop: Shop, invoice: Invoice) -> tuple[str, str]:
    """Home and the invoice, as finance reads them."""
    client = Client()
    client.force_login(make_member(shop.tenant, role="finance"))
    detail = client.get(reverse("billing:invoice-detail", args=[invoice.id]))
    return client.get("/").content.decode(), detail.content.decode()


def test_disputed_money_is_owed_again_and_a_lost_dispute_leaves_it_so(shop: Shop) -> None:
    invoice, payment = paid(shop)
    dispute = shop.stripe.dispute(shop.account, payment)
    hear(shop, "charge.dispute.created")
    assert (of(shop, invoice).payment_status, of(shop, invoice).paid_amount) == ("unpaid", 0)
    # 600.00 less 17.70 came; 600.00 and 15.00 for the dispute went.
    found = shop.balances()
    assert (found["cash_clearing"], found["payment_fees"]) == ("-32.70", "32.70")
    assert found["accounts_receivable"] == "600.00"
    home, detail = pages(shop, invoice)
    assert "1 disputed payment" in home
    assert "is disputed (fraudulent): needs response, answer it at Stripe by" in detail
    shop.books_agree()

    shop.stripe.close_dispute(shop.account, dispute, is_won=False)
    hear(shop, "charge.dispute.closed")
    assert of(shop, invoice).payment_status == "unpaid"
    home, detail = pages(shop, invoice)
    assert "disputed payment" not in home
    assert "is disputed (fraudulent): lost" in detail
    with tenant_context(shop.tenant.id):
        assert PaymentRefund.objects.get().amount == Decimal(600)
        write_off_invoice(
            invoice_id=invoice.id, reason="lost", written_off_on=date(2026, 3, 9), now=MARCH
        )
    shop.books_agree()


def test_a_dispute_that_is_won_pays_the_invoice_again_once(shop: Shop) -> None:
    invoice, payment = paid(shop)
    dispute = shop.stripe.dispute(shop.account, payment)
    hear(shop, "charge.dispute.created")
    shop.stripe.close_dispute(shop.account, dispute, is_won=True)
    hear(shop, "charge.dispute.closed")
    shop.look()
    again = of(shop, invoice)
    assert (again.payment_status, again.paid_amount) == ("paid", Decimal(600))
    found = shop.balances()
    assert (found["cash_clearing"], found["payment_fees"]) == ("567.30", "32.70")
    assert "accounts_receivable" not in found
    shop.books_agree()


def test_the_end_heard_before_the_beginning_books_both(shop: Shop) -> None:
    invoice, payment = paid(shop)
    dispute = shop.stripe.dispute(shop.account, payment)
    shop.stripe.close_dispute(shop.account, dispute, is_won=True)
    hear(shop, "charge.dispute.closed")
    hear(shop, "charge.dispute.created")
    assert of(shop, invoice).payment_status == "paid"
    with tenant_context(shop.tenant.id):
        row = OnlinePayment.objects.get(kind="payment")
        assert (row.dispute_status, row.dispute_answer_by) == ("won", None)
        assert PaymentRefund.objects.count() == 1
    shop.books_agree()


def test_an_inquiry_moves_no_money_but_is_to_be_answered(shop: Shop) -> None:
    invoice, payment = paid(shop)
    id = shop.stripe.dispute(shop.account, payment)
    found = shop.stripe.get(shop.account, id)
    assert found is not None
    shop.stripe.keep(
        shop.account, {**found, "status": "warning_needs_response", "balance_transactions": []}
    )
    hear(shop, "charge.dispute.created")
    assert of(shop, invoice).payment_status == "paid"
    home, _ = pages(shop, invoice)
    assert "1 disputed payment" in home


def test_a_key_that_may_not_read_disputes_goes_on_taking_payments(shop: Shop) -> None:
    invoice, payment = paid(shop)
    shop.stripe.dispute(shop.account, payment)
    shop.stripe.faults = ["", "", "forbidden"]  # the payment, its refunds, its disputes
    hear(shop, "charge.dispute.created")
    assert shop.stripe.faults == []
    assert of(shop, invoice).payment_status == "paid"
    with tenant_context(shop.tenant.id):
        row = OnlinePayment.objects.get(kind="payment")
        assert (row.last_error, row.dispute_status) == ("", "")
