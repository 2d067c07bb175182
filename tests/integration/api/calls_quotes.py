"""Good bodies for calls about quotes: CRMs (ids of 36 characters), approvals, commitments."""

from typing import Any

from tests.factories import make_member
from tests.integration.api.conftest import Api

SYSTEM, KNOWN, NEW = "s" * 36, "k" * 36, "n" * 36
ACCOUNT = {
    "name": "Acme",
    "legal_name": "Acme Inc",
    "currency": "USD",
    "country": "US",
    "address": "1 Road",
    "time_zone": "UTC",
    "payment_terms_days": 30,
    "tax_id": "1",
    "tax_treatment": "exempt",
    "tax_name": "VAT",
    "tax_percent": "1.5",
    "purchase_order": "P",
}


def crm_calls(api: Api) -> dict[str, Any]:
    """An account that is there, and everything of it that is new."""
    api.made(f"crm/accounts/{SYSTEM}/{KNOWN}", ACCOUNT, method="put")
    opportunity = {"account": KNOWN, "name": "Platform"}
    api.made(f"crm/opportunities/{SYSTEM}/{KNOWN}", opportunity, method="put")
    return {
        f"put crm/accounts/{SYSTEM}/{NEW}": ACCOUNT,
        f"put crm/contacts/{SYSTEM}/{NEW}": {
            "account": KNOWN,
            "name": "Ann",
            "email": "ann@example.com",
            "is_primary": True,
        },
        f"put crm/opportunities/{SYSTEM}/{NEW}": {
            **opportunity,
            "stage": "Negotiation",
            "amount": "1200.50",
            "currency": "USD",
            "close_on": "2026-06-30",
            "owner": "Ruben",
            "outcome": "open",
        },
        f"put crm/quotes/{SYSTEM}/{NEW}": {
            "account": KNOWN,
            "opportunity": KNOWN,
            "title": "Platform",
            "start_on": "2026-07-01",
            "expires_on": "2026-08-01",
            "currency": "EUR",
            "purchase_order": "PO",
        },
    }


def approval_calls(api: Api, step: str) -> dict[str, Any]:
    """Somebody is away, and a request is handed over."""
    make_member(api.tenant, "finance", "fay@example.com")
    away = {
        "absent_email": "bo@example.com",
        "deputy_email": "fay@example.com",
        "first_day": "2026-02-01",
        "last_day": "2026-02-09",
    }
    return {
        "post approval-deputies": away,
        f"delete approval-deputies/{api.made('approval-deputies', away)['id']}": {},
        f"post approvals/{step}/hand-over": {"to_email": "fay@example.com"},
    }


def term_discount_calls(api: Api) -> dict[str, Any]:
    """What longer commitments are worth."""
    good = {
        "name": "Two years",
        "min_months": 24,
        "percent": "10",
        "products": [],
        "currency": "USD",
        "is_active": True,
    }
    rule, gone = (
        api.made("term-discounts", good | {"name": name})["id"] for name in ("One", "Three")
    )
    return {
        "post term-discounts": good,
        f"patch term-discounts/{rule}": good | {"name": "Other"},
        f"delete term-discounts/{gone}": {},
    }
