"""The objects of a simulated Stripe account, in the shape of the real ones. Pure but for ids."""

import secrets
import time
from typing import Any

Object = dict[str, Any]
API_VERSION = "2026-10-28.endive"
FEE_PERCENT, FEE_FIXED = 29, 30  # 2.9 % and 30 minor units, in thousandths and units


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def shown(units: int, currency: str) -> str:
    """Write an amount on the simulator's own pages."""
    return f"{units / 100:,.2f} {currency.upper()}"


def account(id: str) -> Object:
    return {
        "id": id,
        "object": "account",
        "business_profile": {"name": "Simulated shop"},
        "email": "shop@example.com",
        "charges_enabled": True,
        "payouts_enabled": True,
        "default_currency": "usd",
        "country": "US",
        "metadata": {},
    }


def webhook_endpoint(values: dict[str, str], secret: str) -> Object:
    return {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "url": values["url"],
        "enabled_events": [v for k, v in values.items() if k.startswith("enabled_events[")],
        "status": "enabled",
        "livemode": False,
        "created": int(time.time()),
        "metadata": {},
        "secret": secret,
    }


def _under(values: dict[str, str], name: str) -> dict[str, str]:
    return {k[len(name) + 1 : -1]: v for k, v in values.items() if k.startswith(f"{name}[")}


def checkout_session(values: dict[str, str], units: int, base: str) -> Object:
    id = new_id("cs_test")
    return {
        "id": id,
        "object": "checkout.session",
        "mode": values.get("mode", "payment"),
        "status": "open",
        "payment_status": "unpaid",
        "amount_total": units,
        "amount_subtotal": units,
        "currency": values["line_items[0][price_data][currency]"],
        "client_reference_id": values.get("client_reference_id"),
        "customer_email": values.get("customer_email"),
        "metadata": _under(values, "metadata"),
        "payment_intent": None,
        "success_url": values.get("success_url"),
        "cancel_url": values.get("cancel_url"),
        "url": f"{base}/c/pay/{id}",
        "livemode": False,
        "created": int(time.time()),
        "expires_at": int(time.time()) + 86400,
    }


def paid(session: Object, units: int) -> tuple[Object, Object, Object]:
    """Return the payment, its charge and the balance transaction with the fee."""
    payment_id, charge_id, balance_id = new_id("pi"), new_id("ch"), new_id("txn")
    now, currency = int(time.time()), session["currency"]
    fee = units * FEE_PERCENT // 1000 + FEE_FIXED
    shared = {"currency": currency, "created": now, "livemode": False}
    payment = {
        **shared,
        "id": payment_id,
        "object": "payment_intent",
        "amount": units,
        "amount_received": units,
        "status": "succeeded",
        "latest_charge": charge_id,
        "metadata": session["metadata"],
        "client_secret": f"{payment_id}_secret_{secrets.token_hex(8)}",
        "description": session["client_reference_id"],
    }
    charge = {
        **shared,
        "id": charge_id,
        "object": "charge",
        "amount": units,
        "amount_refunded": 0,
        "refunded": False,
        "paid": True,
        "status": "succeeded",
        "payment_intent": payment_id,
        "balance_transaction": balance_id,
        "metadata": session["metadata"],
        "description": session["client_reference_id"],
    }
    balance = {
        "id": balance_id,
        "object": "balance_transaction",
        "amount": units,
        "fee": fee,
        "net": units - fee,
        "currency": currency,
        "created": now,
        "source": charge_id,
        "status": "pending",
        "type": "charge",
    }
    return payment, charge, balance


def refund(payment: Object, charge: Object, units: int) -> Object:
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": units,
        "currency": charge["currency"],
        "charge": charge["id"],
        "payment_intent": payment["id"],
        "status": "succeeded",
        "created": int(time.time()),
        "metadata": {},
    }


def dispute(charge: Object, fee: int) -> Object:
    """Return a dispute of a whole charge whose money was withdrawn, with the bank's fee."""
    now = int(time.time())
    return {
        "id": new_id("dp"),
        "object": "dispute",
        "amount": charge["amount"],
        "currency": charge["currency"],
        "charge": charge["id"],
        "payment_intent": charge["payment_intent"],
        "status": "needs_response",
        "reason": "fraudulent",
        "evidence_details": {"due_by": now + 7 * 86400, "has_evidence": False},
        "balance_transactions": [moved(charge, -charge["amount"], fee)],
        "created": now,
        "livemode": False,
        "metadata": {},
    }


def moved(charge: Object, units: int, fee: int) -> Object:
    """Return what a dispute moves on the account's balance."""
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": units,
        "fee": fee,
        "net": units - fee,
        "currency": charge["currency"],
        "created": int(time.time()),
        "source": charge["id"],
        "status": "available",
        "type": "adjustment",
    }


def payout(units: int, currency: str, status: str) -> Object:
    now = int(time.time())
    return {
        "id": new_id("po"),
        "object": "payout",
        "amount": units,
        "currency": currency,
        "status": status,
        "arrival_date": now,
        "created": now,
        "automatic": True,
        "livemode": False,
        "metadata": {},
    }


def event(type: str, about: Object) -> Object:
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "type": type,
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": about},
    }
