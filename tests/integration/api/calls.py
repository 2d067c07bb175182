"""Every unsafe call of the API with a body that is good, for tests that bend them."""

from datetime import UTC, datetime
from typing import Any

from quotes.models import ContractRenewal, Quote, QuoteSequence, Signer
from tests.factories_billing import CALLS, PLATFORM, billed, deal
from tests.integration.api.calls_quotes import approval_calls, crm_calls, term_discount_calls
from tests.integration.api.conftest import CALLS as CALLS_MODEL
from tests.integration.api.conftest import Api, line_of

NOW = datetime(2026, 2, 2, 12, tzinfo=UTC)


def good_calls(api: Api, inside: Any, platform: Any, calls: Any) -> dict[str, Any]:
    """A good body and path for every unsafe operation, of a company that has one of each."""
    with inside():
        schedule = billed(deal(PLATFORM, CALLS), now=NOW)
        form, who = schedule.order_form_id, schedule.customer_id
        QuoteSequence.objects.update_or_create(defaults={"next_number": 100})
    draft, other = api.get("invoices", {"status": "draft"}).json()["results"]
    api.made(f"invoices/{draft['id']}/issue", {"issued_on": "2026-02-02"}, status=200)
    draft_body = {
        "title": "Deal",
        "currency": "USD",
        "start_on": "2026-01-31",
        "expires_on": "2026-12-31",
        "time_zone": "Europe/Paris",
        "anchor_day": 31,
        "payment_terms_days": 30,
        "auto_renew": True,
        "purchase_order": "PO",
        "introduction": "Hello",
        "special_terms": "None",
        "signer_name": "Ann",
        "signer_email": "ann@example.com",
        "further_signers": [{"name": "Bo", "email": "bo@example.com", "side": "seller"}],
        "asks_email_code": True,
        "renewal_months": 12,
        "renewal_uplift_percent": "3",
        "renewal_notice_days": 60,
        "phases": [
            {
                "name": "Ramp",
                "kind": "ramp",
                "months": 6,
                "minimum_amount": "10",
                "minimum_frequency": "quarterly",
                "discount_percent": "5",
                "discount_label": "Launch",
                "lines": [
                    line_of(calls, expected_quantity="5", meter_key="calls", item_key="c"),
                    line_of(
                        platform,
                        quantity="2",
                        description="Platform",
                        model={"model": "package", "size": "1", "package_price": "2"},
                        frequency="yearly",
                        timing="in_arrears",
                        proration="thirty_day_month",
                        discount_percent="1",
                        term_discount_mode="own",
                        term_discount_percent="2",
                        term_discount_label="Two years",
                    ),
                ],
            }
        ],
    }
    quote = api.made("quotes", {**draft_body, "customer": str(who), "external_id": "o1"})
    kept = api.made("quote-templates", {"quote": quote["id"], "name": "Kept"})
    rule_body = {
        "name": "All",
        "step": 1,
        "approver_role": "finance",
        "discount_over": "10",
        "value_over": "5",
        "margin_below": "90",
        "term_over_months": 3,
        "payment_over_days": 10,
        "currencies": ["USD"],
        "products": ["calls"],
        "has_custom_text": True,
        "overrides_term_discount": True,
        "valid_days": 30,
        "is_active": True,
    }
    rule = api.made("approval-rules", {"name": "Every quote", "approver_role": "finance"})
    asked = api.made(f"quotes/{quote['id']}/request-approval", {"comment": "c"}, status=200)
    step = asked["results"][0]["id"]
    with inside():
        version = Quote.objects.get(id=quote["id"]).versions.get()
        signer = Signer.objects.create(version=version, position=1, name="A", email="a@b.co").id
        renewal = ContractRenewal.objects.create(
            order_form_id=form, ends_on="2027-01-01", decide_by="2026-11-01", months=12
        ).id
    contact = api.made(f"customers/{who}/contacts", {"name": "C", "email": "c@example.com"})
    paid_line = api.get(f"invoices/{draft['id']}").json()["lines"][0]["id"]
    product, price, paid = platform["product"], platform["id"], f"invoices/{draft['id']}"
    month = {"month": "2026-01"}
    return {
        "post customers": {
            "name": "Borg",
            "currency": "USD",
            "legal_name": "Borg Inc",
            "external_id": "b",
            "time_zone": "UTC",
            "address": "Cube",
            "country": "US",
            "tax_id": "1",
            "tax_treatment": "exempt",
            "tax_name": "VAT",
            "tax_percent": "1.5",
            "payment_terms_days": 5,
            "purchase_order": "1",
            "notes": "n",
        },
        f"patch customers/{who}": {"name": "B", "currency": "EUR", "is_archived": True},
        f"post customers/{who}/contacts": {"name": "A", "email": "a@b.co", "is_primary": True},
        f"patch customers/{who}/contacts/{contact['id']}": {"name": "B", "email": "c@b.co"},
        f"delete customers/{who}/contacts/{contact['id']}": {},
        f"post customers/{who}/aliases": {
            "alias": "b2",
            "valid_from": "2026-01-01T00:00:00Z",
            "valid_until": "2026-02-01T00:00:00+01:00",
        },
        "post products": {
            "code": "new",
            "name": "N",
            "description": "d",
            "kind": "fixed",
            "recognition": "point_in_time",
            "cost_percent": "20",
        },
        f"patch products/{product}": {"is_archived": True, "cost_percent": "5"},
        "post prices": {
            "product": product,
            "code": "new",
            "name": "N",
            "currency": "USD",
            "frequency": "monthly",
            "timing": "in_arrears",
            "proration": "none",
            "meter": calls["meter"],
            "publish": False,
            "model": {**CALLS_MODEL, "flat_fee_at_zero": False},
        },
        f"post prices/{price}/versions": {"model": {"model": "per_unit", "unit_price": "1"}},
        f"post prices/{price}/publish": {},
        "post pricing/estimate": {
            "currency": "USD",
            "items": [{"model": CALLS_MODEL, "quantity": "5"}],
        },
        **term_discount_calls(api),
        "post quotes": {
            "customer": str(who),
            "title": "T",
            "start_on": "2026-01-31",
            "legal_entity": quote["latest"]["legal_entity"],
            "currency": "EUR",
            "external_id": "o",
        },
        f"put quotes/{quote['id']}/draft": draft_body,
        f"post quotes/{quote['id']}/draft/undo": {},
        f"post quotes/{quote['id']}/draft/redo": {},
        f"post quotes/{quote['id']}/signed-elsewhere": {
            "signed_on": "2026-01-05",
            "signer_name": "Ann",
            "signer_email": "a@example.com",
            "document": "JVBERi0xLjc=",
        },
        f"post quotes/{quote['id']}/request-approval": {"comment": "please"},
        f"post quotes/{quote['id']}/reopen": {},
        f"post quotes/{quote['id']}/signers/{signer}/remind": {},
        f"post quotes/{quote['id']}/signers/{signer}/reassign": {
            "name": "Cy",
            "email": "cy@example.com",
            "reason": "away",
        },
        f"post quotes/{quote['id']}/comments": {"text": "y", "is_shared": True},
        "post approval-rules": rule_body,
        f"patch approval-rules/{rule['id']}": rule_body,
        **approval_calls(api, step),
        f"post approvals/{step}/decide": {"decision": "refuse", "comment": "no"},
        f"post quotes/{quote['id']}/send": {},
        f"post quotes/{quote['id']}/revise": {},
        f"post quotes/{quote['id']}/copy": {
            "customer": str(who),
            "title": "T",
            "start_on": "2026-01-31",
        },
        f"post contract-renewals/{renewal}/opt-out": {"reason": "moving"},
        f"post contract-renewals/{renewal}/opt-in": {},
        f"post quotes/{quote['id']}/expected-bill": {
            "usage": [{"month": "2026-01", "meter": "calls", "quantity": "5"}],
            "measured": False,
        },
        "post quote-templates": {"quote": quote["id"], "name": "Other"},
        f"patch quote-templates/{kept['id']}": {"name": "Renamed"},
        f"delete quote-templates/{kept['id']}": {},
        f"post order-forms/{form}/schedule": {},
        f"post order-forms/{form}/amend": {
            "effective_on": "2026-03-01",
            "change_rule": "now_prorated",
            "title": "More",
        },
        f"post order-forms/{form}/renew": {},
        f"post schedules/{schedule.id}/end": {"end": "2026-03-01"},
        f"post schedules/{schedule.id}/seats": {
            "item_key": "seats",
            "effective_on": "2026-02-01",
            "balance": "5",
        },
        f"put schedules/{schedule.id}/threshold": {"amount": "100"},
        f"put schedules/{schedule.id}/estimate": {
            "item_key": "calls",
            "basis": "fixed",
            "quantity": "100",
        },
        f"post schedules/{schedule.id}/suspend": {},
        f"post schedules/{schedule.id}/resume": {},
        f"post schedules/{schedule.id}/cancel": {},
        f"post schedules/{schedule.id}/activate": {},
        f"post invoices/{other['id']}/recalculate": {},
        f"post invoices/{other['id']}/issue": {"issued_on": "2026-02-02", "ignore_grace": True},
        f"post {paid}/send": {},
        f"post {paid}/void": {"reason": "r"},
        f"post {paid}/credit": {
            "reason": "r",
            "issued_on": "2026-02-02",
            "lines": [{"line": paid_line, "amount": "1.50"}],
        },
        f"post {paid}/reissue": {"reason": "r"},
        f"post {paid}/write-off": {"reason": "r", "written_off_on": "2026-02-02"},
        f"post {paid}/reinstate": {"reinstated_on": "2026-02-02"},
        f"post {paid}/remind": {},
        **crm_calls(api),
        **desk_calls(api, str(who), other["id"]),
        **webhook_calls(api),
        **alert_calls(api, str(who)),
        **credit_calls(api, str(who)),
        "post invoices/bulk": {
            "action": "issue",
            "issued_on": "2026-02-02",
            "filter": {
                "status": ["draft"],
                "payment_status": ["unpaid"],
                "customer": str(who),
                "schedule": str(schedule.id),
                "currency": "USD",
                "bill_on_from": "2026-01-01",
                "bill_on_to": "2026-12-31",
                "month": "2026-02",
                "service_month": "2026-02",
            },
        },
        "post late-usage/route": {
            "action": "left",
            "reason": "r",
            "ids": [draft["id"]],
        },
        "post payments": {
            "customer": str(who),
            "currency": "USD",
            "amount": "5",
            "received_on": "2026-02-02",
            "reference": "w1",
            "method": "card",
            "allocations": [{"invoice": draft["id"], "amount": "5"}],
        },
        "post revenue/recognize": month,
        "post revenue/close": month,
        "post revenue/reopen": {**month, "reason": "r"},
    }


def credit_calls(api: Api, customer: str) -> dict[str, Any]:
    """Everything about credits."""
    words = {
        "customer": customer,
        "name": "n",
        "amount": "5",
        "kind": "money",
        "currency": "USD",
        "priority": 1,
        "products": [],
        "taxed_at": "use",
        "allows_overdraft": False,
    }
    grant = api.made("credit-grants", words)["id"]
    plan_body = {
        **words,
        "every": "monthly",
        "starts_on": "2026-01-01",
        "ends_on": "2027-01-01",
        "resets": True,
        "roll_over_fraction": "0.5",
        "roll_over_most": "3",
    }
    rule_body = {
        **words,
        "threshold": "1",
        "unit_cost": "1",
        "target": "9",
        "expires_after_days": 30,
        "issues_at_once": False,
    }
    plan = api.made("credit-plans", plan_body)["id"]
    rule = api.made("credit-top-ups", rule_body)["id"]
    return {
        "post credit-grants": {**words, "expires_at": "2099-01-01T00:00:00Z"},
        f"post credit-grants/{grant}/void": {"reason": "r"},
        "post credit-sales": {**words, "price": "4", "expires_after_days": 30},
        "post credit-plans": plan_body,
        f"patch credit-plans/{plan}": {"amount": "8", "ends_on": None, "roll_over_fraction": "1"},
        f"post credit-plans/{plan}/pause": {},
        f"post credit-plans/{plan}/resume": {},
        f"post credit-plans/{plan}/stop": {},
        "post credit-top-ups": rule_body,
        f"patch credit-top-ups/{rule}": {
            "name": "Low",
            "threshold": "2",
            "target": None,
            "amount": "5",
        },
        f"post credit-top-ups/{rule}/pause": {},
        f"post credit-top-ups/{rule}/resume": {},
        f"post credit-top-ups/{rule}/stop": {},
    }


def alert_calls(api: Api, customer: str) -> dict[str, Any]:
    """What people want to be told of."""
    good = {
        "name": "n",
        "metric": "spend",
        "basis": "amount",
        "threshold": "5",
        "currency": "USD",
        "direction": "up",
        "customer": customer,
        "meter": None,
        "emails": ["a@example.com"],
        "is_active": True,
    }
    rule, gone = (api.made("alert-rules", good)["id"] for _ in range(2))
    return {
        "post alert-rules": good,
        f"patch alert-rules/{rule}": good,
        f"delete alert-rules/{gone}": {},
    }


def webhook_calls(api: Api) -> dict[str, Any]:
    """Where the stream is sent to."""
    good = {"url": "https://example.com/x", "event_types": ["*"], "description": "d"}
    path = f"webhook-endpoints/{api.made('webhook-endpoints', good)['id']}"
    gone = f"webhook-endpoints/{api.made('webhook-endpoints', good)['id']}"
    delivery = api.made(f"{path}/test", {})["id"]
    return {
        "post webhook-endpoints": good,
        f"patch {path}": {**good, "is_on": True},
        f"delete {gone}": {},
        f"post {path}/rotate-secret": {},
        f"post {path}/test": {},
        f"post {path}/redeliver-failed": {},
        f"post webhook-deliveries/{delivery}/redeliver": {},
    }


def desk_calls(api: Api, customer: str, draft: str) -> dict[str, Any]:
    """What people write on drafts, the rules they must pass, and what is set per customer."""
    line = {
        "description": "Training",
        "quantity": "2",
        "unit_price": "-1.5",
        "service_start": "2026-01-01",
        "service_end": "2026-01-02",
        "note": "n",
    }
    one_off = {
        "customer": customer,
        "bill_on": "2026-02-02",
        "currency": "USD",
        "purchase_order": "PO",
        "memo": "m",
        "lines": [{"description": "Travel", "amount": "5"}],
    }
    made = api.made("invoices", one_off)
    by_hand = api.made(f"invoices/{draft}/lines", line)
    of_draft = api.get(f"invoices/{draft}").json()["schedule"]
    apart = api.made(f"invoices/{draft}/lines", line)
    api.made(f"invoices/{draft}/split", {"lines": [apart["id"]]})
    change = api.get(f"invoices/{draft}/changes").json()["results"][0]["id"]
    said = api.made(f"invoices/{draft}/comments", {"text": "x"})
    billed_once = f"invoices/{api.made('invoices', one_off)['id']}"
    api.made(f"{billed_once}/issue", {"issued_on": "2026-02-02"}, status=200)
    note = api.made(f"{billed_once}/credit", {"reason": "r", "issued_on": "2026-02-02"})
    claimed = api.made("invoices", one_off)["id"]
    api.made(f"invoices/{claimed}/issue", {"issued_on": "2026-02-02"}, status=200)
    claim = api.get(f"invoices/{claimed}").json()["lines"][0]["id"]
    wish = {"invoice": claimed, "reason": "r", "issued_on": "2026-02-02"}
    wish |= {"lines": [{"line": claim, "amount": "1"}]}
    asked = f"credit-requests/{api.made('credit-requests', wish)['id']}"
    entities = api.get("document-templates").json()["results"]
    entity = f"document-templates/{entities[0]['legal_entity']}"
    tax = {
        "legal_entity": entities[0]["legal_entity"],
        "category": "reduced",
        "country": "DE",
        "treatment": "taxable",
        "name": "VAT",
        "percent": "7",
        "valid_from": "2026-01-01",
    }
    own_tax = {"customer": customer, "name": "VAT", "percent": "7", "valid_from": "2026-01-01"}
    review = api.made("invoices/bulk", {"action": "preview", "ids": [draft]}, status=202)
    return {
        "post invoices": one_off,
        f"patch invoices/{draft}": {"memo": "m", "purchase_order": "p", "change_note": "c"},
        f"delete invoices/{made['id']}": {},
        f"post invoices/{draft}/lines": line,
        f"put invoices/{draft}/lines/{by_hand['id']}": line,
        f"delete invoices/{draft}/lines/{by_hand['id']}": {},
        f"post invoices/{draft}/comments": {"text": "y", "corrects": said["id"]},
        f"post invoices/{draft}/waive": {"reason": "r", "rule": "no_negative_line"},
        f"post invoice-reviews/{review['id']}/apply": {"ids": [draft]},
        "put assertion-rules/total_within_limit": {
            "is_enabled": True,
            "parameters": {"limit": "5"},
        },
        "put reminder-plan": {"is_enabled": True, "days": [-3, 7]},
        f"patch {entity}": {
            "accent_color": "#102030",
            "language": "de",
            "number_format": "de_DE",
            "date_style": "iso",
            "page_size": "Letter",
            "usage_appendix": "pages",
            "electronic_format": "ubl",
            "endpoint_scheme": "0088",
            "endpoint_id": "7300010000001",
            "registration_scheme": "0106",
            "iban": "DE02 1203 0000 0000 2020 51",
            "bic": "BYLADEM1001",
            "footer": "f",
            "invoice_numbers": {"prefix": "R-", "digits": 4},
        },
        f"post credit-notes/{note['id']}/send": {},
        f"post invoices/{claimed}/supplement": {
            "bill_on": "2026-02-02",
            "memo": "m",
            "lines": [{"description": "Travel", "amount": "5"}],
        },
        f"post invoices/{draft}/split": {
            "lines": [by_hand["id"]],
            "purchase_order": "PO",
            "legal_entity": entities[0]["legal_entity"],
        },
        f"post invoices/{draft}/merge": {"invoices": [made["id"]]},
        f"post invoices/{draft}/changes/{change}/undo": {},
        f"put schedules/{of_draft}/automatic": {"issue": True, "send": True},
        "post credit-requests": wish,
        f"post {asked}/approve": {},
        f"post {asked}/decline": {"answer": "a"},
        f"post {asked}/withdraw": {},
        "post tax-rates": tax,
        "post customer-tax-rates": own_tax,
        f"delete customer-tax-rates/{api.made('customer-tax-rates', own_tax)['id']}": {},
        f"delete tax-rates/{api.made('tax-rates', {**tax, 'category': 'x'})['id']}": {},
        f"put {entity.replace('document-templates', 'tax-settings')}": {
            "method": "per_category",
            "prices_include_tax": False,
            "tax_point": "service_end",
        },
        f"put {entity}/logo": {"content": None},
        f"put {entity}/mail-texts/invoice": {"subject": "{{ number }}", "body": "{{ total }}"},
        f"patch customers/{customer}/documents": {
            "language": "nl",
            "endpoint_scheme": "EM",
            "endpoint_id": "a@b.co",
            "buyer_reference": "r",
            "tax_category": "E",
            "exemption_reason": "x",
        },
        f"put customers/{customer}/billing": {
            "requires_purchase_order": True,
            "reminder_days": [1],
        },
    }
