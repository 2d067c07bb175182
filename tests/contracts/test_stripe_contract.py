"""The simulated Stripe's objects against Stripe's official fixtures, and what we read of them."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from integrations.errors import Refused
from integrations.stripe import mapping, simulated_objects
from monetization.kernel.money import Money

TENANT, INVOICE = UUID(int=1), UUID(int=2)


@pytest.fixture(scope="module")
def fixtures() -> dict[str, Any]:
    folder = os.environ.get("VENDOR_SPECS", "")
    file = Path(folder, "stripe_fixtures3.json")
    if not folder or not file.exists():
        pytest.skip("VENDOR_SPECS names no folder with stripe_fixtures3.json")
    found: dict[str, Any] = json.loads(file.read_text())["resources"]
    return found


def session() -> dict[str, Any]:
    values = {
        "mode": "payment", "line_items[0][price_data][currency]": "usd",
        f"metadata[{mapping.REFERENCE}]": str(INVOICE), f"metadata[{mapping.TENANT}]": str(TENANT),
        "success_url": "https://x", "cancel_url": "https://x", "client_reference_id": "x",
    }  # fmt: skip
    return simulated_objects.checkout_session(values, 60000, "http://127.0.0.1")


def simulated() -> list[dict[str, Any]]:
    page = session()
    payment, charge, balance = simulated_objects.paid(page, 60000)
    return [
        page, payment, charge, balance,
        simulated_objects.refund(payment, charge, 100),
        simulated_objects.dispute(charge, 1500),
        simulated_objects.moved(charge, -60000, 1500),
        simulated_objects.payout(100, "usd", "paid"),
        simulated_objects.account("acct_1"),
        simulated_objects.webhook_endpoint({"url": "https://x"}, "whsec_x"),
        simulated_objects.event("payout.paid", {}),
    ]  # fmt: skip


def test_every_field_of_the_simulator_is_one_of_stripes_and_of_its_kind(
    fixtures: dict[str, Any],
) -> None:
    extra = {"webhook_endpoint": {"secret"}}  # shown once, when it is made
    for made in simulated():
        real = fixtures[made["object"]]
        unknown = made.keys() - real.keys() - extra.get(made["object"], set())
        assert not unknown, (made["object"], unknown)
        for name, value in made.items():
            theirs = real.get(name)
            if value is not None and theirs is not None and not isinstance(theirs, dict):
                assert type(value) is type(theirs), (made["object"], name)


def test_what_we_read_is_in_the_official_fixtures(fixtures: dict[str, Any]) -> None:
    payment = mapping.payment_facts(fixtures["payment_intent"], [])
    assert payment.state
    assert payment.amount is not None
    assert mapping.checkout_facts(fixtures["checkout.session"]).state
    payout = mapping.payout_facts(fixtures["payout"])
    assert payout.amount is not None
    refund = {**fixtures["refund"], "status": "succeeded"}
    [read] = mapping.payment_facts(fixtures["payment_intent"], [refund]).refunds
    assert read.id == refund["id"]


def test_a_dispute_is_read_as_stripe_writes_it(fixtures: dict[str, Any]) -> None:
    official = fixtures["dispute"]  # an inquiry: nothing is withdrawn
    [read] = mapping.payment_facts(fixtures["payment_intent"], [], [official]).disputes
    assert (read.id, read.amount) == (official["id"], Money(Decimal(10), "USD"))
    assert (read.status, read.reason) == ("warning_needs_response", "general")
    assert (read.withdrawn, read.reinstated, read.answer_by is not None) == (False, False, True)
    moved = {**fixtures["balance_transaction"], "amount": -1000, "fee": 1500}
    back = {**moved, "amount": 1000, "fee": 0}
    taken = {**official, "status": "won", "balance_transactions": [moved, back]}
    [read] = mapping.payment_facts(fixtures["payment_intent"], [], [taken]).disputes
    assert (read.withdrawn, read.reinstated) == (True, True)
    assert read.fee == Money(Decimal(15), "USD")
    notice = mapping.read_notice(
        {
            "id": "evt_1", "type": "charge.dispute.created", "created": 1,
            "data": {"object": {**official, "payment_intent": "pi_1"}},
        },
        TENANT,
    )  # fmt: skip
    assert (notice.kind, notice.external_id) == (mapping.PAYMENT, "pi_1")
    assert {"charge.dispute.created", "charge.dispute.closed"} <= set(mapping.EVENTS)


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [("605.00", "EUR", 60500), ("500", "JPY", 500), ("1.230", "KWD", 1230), ("5", "ISK", 500)],
)
def test_amounts_come_back_from_minor_units_as_they_went(
    amount: str, currency: str, units: int
) -> None:
    money = Money(Decimal(amount), currency)
    assert mapping.to_minor(money) == units
    assert mapping.from_minor(units, currency.lower()) == money


def test_an_amount_stripe_cannot_take_is_refused() -> None:
    with pytest.raises(Refused, match="more decimals"):
        mapping.to_minor(Money(Decimal("1.234"), "KWD"))
    with pytest.raises(Refused, match="cannot be booked"):
        mapping.from_minor(501, "isk")


def test_the_secret_of_a_payment_is_not_kept() -> None:
    payment, _, _ = simulated_objects.paid(session(), 60000)
    facts = mapping.payment_facts(payment, [])
    assert "client_secret" in payment
    assert "client_secret" not in facts.response
    assert (facts.invoice_id, facts.tenant_id) == (INVOICE, TENANT)
