"""What customers pay at Stripe is booked once, whatever its events say, and however they come."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from billing.models import Invoice, Payment, PaymentRefund
from billing.services.collections import record_payment
from billing.services.corrections import credit_invoice
from billing.services.delivery import send_invoice
from integrations.models import InboundWebhook, OnlinePayment
from integrations.stripe import connecting, links, services
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from tests.factories import make_member
from tests.integration.api.conftest import Api
from tests.integration.integrations.stripe_desk import MARCH, Shop, serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(
    transactional_db: None, make_tenant: Callable[..., Any], tmp_path: Path, settings: Any
) -> Iterator[Shop]:
    cache.clear()  # what other tests pressed within the minute
    with serving(tmp_path, settings) as stripe:
        found = Shop(make_tenant("Northwind Software"), stripe)
        found.connect()
        yield found


def of(shop: Shop, invoice: Invoice) -> Invoice:
    with tenant_context(shop.tenant.id):
        return Invoice.objects.get(id=invoice.id)


def test_a_payment_settles_its_invoice_with_its_fee_and_its_way_to_the_bank(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.pay(invoice)
    assert shop.send(shop.told("payment_intent.succeeded")).status_code == 200
    assert of(shop, invoice).payment_status == "unpaid"  # the body is believed nothing
    shop.work()
    paid = of(shop, invoice)
    assert (paid.payment_status, paid.paid_amount) == ("paid", Decimal("600.00"))
    # 2.9 % of 600.00 and 0.30: 17.70.
    assert shop.balances() == {
        "cash_clearing": "582.30", "payment_fees": "17.70", "deferred_revenue": "-500.00",
        "tax_payable": "-100.00",
    }  # fmt: skip
    shop.stripe.pay_out(shop.account, 58230, "usd")
    shop.send(shop.told("payout.paid"))
    shop.work()
    assert "cash_clearing" not in shop.balances()
    assert shop.balances()["bank"] == "582.30"
    shop.books_agree()


def test_events_late_twice_and_out_of_order_book_once(shop: Shop) -> None:
    invoice = shop.invoice()
    payment = shop.pay(invoice)
    shop.stripe._refund(shop.account, {"payment_intent": payment, "amount": "10000"})
    for _ in range(2):  # the refund first, the page last, each twice
        for event in reversed(shop.stripe.held):
            assert shop.send(event).status_code == 200
            shop.work()
    with tenant_context(shop.tenant.id):
        assert Payment.objects.count() == PaymentRefund.objects.count() == 1
        assert set(InboundWebhook.objects.values_list("times", flat=True)) == {2}
    left = of(shop, invoice)
    assert (left.payment_status, left.paid_amount) == ("partially_paid", Decimal("500.00"))
    shop.books_agree()


def test_the_same_event_fifty_times_at_once_has_one_effect(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.pay(invoice)
    event = shop.told("payment_intent.succeeded")
    codes: list[int] = []

    def one() -> None:
        for _ in range(10):
            codes.append(shop.send(event).status_code)
            shop.work()
        connection.close()

    threads = [Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 50
    with tenant_context(shop.tenant.id):
        assert Payment.objects.count() == 1
    shop.books_agree()


def test_a_forged_event_is_refused_and_leaves_nothing(shop: Shop, make_tenant: Any) -> None:
    invoice = shop.invoice()
    shop.pay(invoice)
    event = shop.told("payment_intent.succeeded")
    body = json.dumps(event).encode()
    now = time.time()
    forged: list[dict[str, Any]] = [
        {"header": ""},
        {"header": "t=1,v1=00"},
        {"header": "nonsense"},
        {"secret": "whsec_other"},
        {"at": now - 301},
        {"at": now + 400},
        {"signs": body.replace(b"600", b"601") + b" "},
        {"tenant": make_tenant("Other")},
    ]
    for changed in forged:
        assert shop.send(event, **changed).status_code == 400, changed
    unread = b"[1]"
    assert shop.send(event, body=unread).status_code == 400
    with tenant_context(shop.tenant.id):
        assert not InboundWebhook.objects.exists()
        assert not OnlinePayment.objects.exclude(kind="checkout").exists()


def test_a_rotated_secret_holds_beside_the_new_one(shop: Shop) -> None:
    old = shop.secret
    shop.connect()
    assert shop.secret != old
    invoice = shop.invoice()
    shop.pay(invoice)
    event = shop.told("payment_intent.succeeded")
    assert shop.send(event, secret=old).status_code == 200
    assert shop.send(event).status_code == 200


def test_an_event_that_never_comes_is_found_by_asking(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.pay(invoice)
    shop.look()
    assert of(shop, invoice).payment_status == "paid"


def test_what_is_paid_beyond_the_invoice_is_the_customers_credit(shop: Shop) -> None:
    invoice = shop.invoice()
    session = shop.open_page(invoice)
    with tenant_context(shop.tenant.id):  # the bank was faster
        record_payment(
            customer_id=invoice.customer_id, currency="USD", amount=Decimal(250),
            received_on=date(2026, 3, 4), reference="B-1", now=MARCH,
        )  # fmt: skip
    shop.stripe.pay(shop.account, session)
    shop.send(shop.told("payment_intent.succeeded"))
    shop.work()
    assert of(shop, invoice).paid_amount == Decimal("600.00")
    assert shop.balances()["accounts_receivable"] == "-250.00"
    shop.books_agree()


def test_less_than_is_owed_pays_in_part_and_the_page_asks_for_the_rest(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.pay(invoice, units=20000)
    shop.look()
    assert of(shop, invoice).payment_status == "partially_paid"
    assert b"Pay $400.00" in Client().get(shop.page(invoice)).content
    shop.pay(invoice)
    shop.look()
    assert of(shop, invoice).payment_status == "paid"
    assert b"This invoice is paid" in Client().get(shop.page(invoice)).content
    shop.books_agree()


def test_pages_on_which_nothing_is_owed_any_more_are_closed(shop: Shop) -> None:
    invoice = shop.invoice()
    session = shop.open_page(invoice)
    assert shop.open_page(invoice) == session  # a second click comes to the same page
    with tenant_context(shop.tenant.id):
        credit_invoice(invoice_id=invoice.id, reason="r", issued_on=date(2026, 3, 4), now=MARCH)
    shop.look()
    found = shop.stripe.get(shop.account, session)
    assert found is not None
    assert found["status"] == "expired"
    assert Client().post(shop.page(invoice)).status_code == 200


def test_money_goes_back_once_and_the_invoice_is_owed_again(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.pay(invoice)
    shop.look()
    with tenant_context(shop.tenant.id):
        row = OnlinePayment.objects.get(kind="payment")
        services.ask_refund(online_payment_id=row.id, amount=Decimal(100), now=MARCH)
        with pytest.raises(services.RefundTooLarge, match=r"500\.00 USD that is left"):
            services.ask_refund(online_payment_id=row.id, amount=Decimal(501), now=MARCH)
    shop.stripe.faults = ["lost_reply"]  # it went back, but we do not hear of it
    shop.look()
    assert of(shop, invoice).payment_status == "paid"
    shop.look()
    assert of(shop, invoice).paid_amount == Decimal("500.00")
    with tenant_context(shop.tenant.id):
        assert PaymentRefund.objects.get().amount == Decimal(100)
    assert shop.balances()["accounts_receivable"] == "100.00"
    shop.books_agree()


@pytest.mark.parametrize("fault", ["rate_limit", "error", "lost_reply"])
def test_stripe_in_trouble_is_asked_again(shop: Shop, fault: str) -> None:
    invoice = shop.invoice()
    shop.pay(invoice)
    shop.stripe.faults = [fault]
    shop.look()
    assert of(shop, invoice).payment_status == "unpaid"
    with tenant_context(shop.tenant.id):
        assert OnlinePayment.objects.exclude(last_error="").count() == 1
    shop.look()
    assert of(shop, invoice).payment_status == "paid"


def test_a_payout_that_comes_back_is_taken_back(shop: Shop) -> None:
    payout = shop.stripe.pay_out(shop.account, 5000, "usd")
    shop.send(shop.told("payout.paid"))
    shop.work()
    assert shop.balances() == {"bank": "50.00", "cash_clearing": "-50.00"}
    shop.stripe.keep(
        shop.account, {**(shop.stripe.get(shop.account, payout) or {}), "status": "failed"}
    )
    with tenant_context(shop.tenant.id):
        row = OnlinePayment.objects.get(kind="payout")
        services.look_again(online_payment_id=row.id, now=MARCH)
    shop.work()
    assert shop.balances() == {}


def test_another_shop_on_the_same_account_is_none_of_our_business(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.pay(invoice)
    event = shop.told("payment_intent.succeeded")
    event["data"]["object"] = {**event["data"]["object"], "id": "pi_x", "metadata": {}}
    assert shop.send(event).status_code == 200
    with tenant_context(shop.tenant.id):
        assert InboundWebhook.objects.get().outcome == "not_ours"
        assert not OnlinePayment.objects.filter(external_id="pi_x").exists()


def test_the_link_is_in_the_mail_and_opens_nothing_else(shop: Shop) -> None:
    invoice = shop.invoice()
    link = links.page_of(invoice)
    with tenant_context(shop.tenant.id):
        send_invoice(invoice_id=invoice.id, now=MARCH)
        assert f"Or pay online: {link}" in OutgoingMail.objects.get().text
    client = Client()
    page = client.get(shop.page(invoice))
    assert b"Pay $600.00" in page.content
    assert page["Referrer-Policy"] == "no-referrer"
    token = shop.page(invoice).rpartition("/")[2]
    for wrong in (token[:-1], f"{token[:-2]}AA", "x", "A" * 64, f"B{token[1:]}"):
        assert client.get(f"/pay/{wrong}").status_code == 404
    with tenant_context(shop.tenant.id):
        connecting.disconnect()
    assert b"by bank transfer" in client.get(shop.page(invoice)).content


def test_finance_follows_payments_on_pages_and_over_rest(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.pay(invoice)
    shop.look()
    api, client = Api(shop.tenant), Client()
    client.force_login(make_member(shop.tenant, "finance"))
    assert b"Simulated shop" in client.get("/integrations/").content
    assert b"Acme" in client.get("/integrations/payments/").content
    [row] = api.get("integrations/online-payments", {"kind": "payment"}).json()["results"]
    assert (row["amount"], row["fee_amount"], row["state"]) == ("600.00", "17.70", "succeeded")
    assert b"17.70" in client.get(f"/integrations/payments/{row['id']}/").content
    api.made(f"integrations/online-payments/{row['id']}/refund", {"amount": "600"}, status=200)
    shop.work()
    assert of(shop, invoice).payment_status == "unpaid"
    again = api.post(f"integrations/online-payments/{row['id']}/refund")
    assert again.json()["code"] == "refund_too_large"
    shown = api.get(f"invoices/{invoice.id}").json()
    assert shown["payment_link"] == links.page_of(invoice)
    shop.books_agree()


def test_a_wrong_key_is_said_on_the_connection(shop: Shop) -> None:
    with tenant_context(shop.tenant.id):
        connecting.connect(now=MARCH, secret_key="sk_test_unknown")
    shop.work()
    with tenant_context(shop.tenant.id):
        found = connecting.connection()
        assert found is not None
        assert "does not let this connection in" in found.last_error
        with pytest.raises(connecting.CredentialsMissing):
            connecting.connect(now=MARCH, secret_key="pk_test_public")
