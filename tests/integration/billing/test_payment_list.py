"""The list of payments, on its page and as a file."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from billing.domain.manual_lines import ManualEntry
from billing.models import Payment
from billing.services.collections import record_payment
from billing.services.drafts import create_one_off
from billing.services.invoicing import issue_invoice
from billing.services.refunds import record_refund
from tests.factories import make_member
from tests.factories_billing import make_customer

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def finance(tenant: Any, client: Client) -> Client:
    client.force_login(make_member(tenant, "finance"))
    return client


def test_payments_go_out_as_they_are_shown(finance: Client) -> None:
    customer = make_customer("=Zenith")
    for amount, reference in (("100", "W-1"), ("40.50", "W-2")):
        payment = record_payment(
            customer_id=customer.id,
            currency="USD",
            amount=Decimal(amount),
            received_on=NOW.date(),
            method="wire",
            reference=reference,
            now=NOW,
        )
    record_refund(
        payment_id=payment.id, amount=Decimal(10), refunded_on=NOW.date(), reference="R-1", now=NOW
    )

    shown = finance.get(reverse("billing:payment-list"), {"q": "W-2"}).content.decode()
    assert "$10.00 refunded" in shown

    answer = finance.get(reverse("billing:payment-export", args=["csv"]), {"q": "W-2"})
    header, row, rest = b"".join(answer.streaming_content).decode().split("\r\n")  # type: ignore[attr-defined]
    assert header.endswith("Currency,Amount,Settles,Refunded,On account")
    assert row.split(",")[1:] == ["'=Zenith", "W-2", "wire", "USD", "40.5", "", "10", "30.5"]
    assert rest == ""
    book = finance.get(reverse("billing:payment-export", args=["xlsx"]))
    assert load_workbook(BytesIO(book.content)).worksheets[0].max_row == 1 + Payment.objects.count()
    assert finance.get(reverse("billing:payment-export", args=["pdf"])).status_code == 404


def test_a_payment_in_parts_says_what_is_left_of_it(finance: Client) -> None:
    draft = create_one_off(
        customer_id=make_customer().id,
        entries=[ManualEntry(description="Setup", amount=Decimal(60))],
        bill_on=NOW.date(),
        now=NOW,
    )
    invoice = issue_invoice(invoice_id=draft.id, issued_on=NOW.date(), now=NOW)
    payment = record_payment(
        customer_id=invoice.customer_id,
        currency="USD",
        amount=Decimal(100),
        received_on=NOW.date(),
        method="wire",
        reference="W-1",
        now=NOW,
    )
    record_refund(
        payment_id=payment.id, amount=Decimal(15), refunded_on=NOW.date(), reference="R-1", now=NOW
    )

    page = finance.get(reverse("billing:payment-list")).content.decode()

    (cell,) = re.findall(rf"<td>(?:(?!<td>).)*{invoice.number}.*?</td>", page)
    said = re.sub(r"<[^>]+>", "", cell)
    assert said == f"{invoice.number} · $25.00 on account · $15.00 refunded"
