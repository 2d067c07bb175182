"""One contract by API alone, from the customer to recognized revenue and a closed month."""

from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pypdf import PdfReader

from billing.tasks import advance_billing
from quotes.services import sign_version
from tests.integration.api.conftest import Api, line_of


class Story:
    """Calls the API on given days; the clock of billing runs in between."""

    def __init__(self, api: Api, inside: Any) -> None:
        self.api, self.inside = api, inside

    def quote(self, customer: Any, *prices: Any) -> Any:
        return self.api.made(
            "quotes",
            {
                "customer": customer["id"],
                "title": "Platform and calls",
                "start_on": "2026-01-01",
                "signer_name": "Ann Lee",
                "signer_email": "ann@acme.example",
                "phases": [{"months": 12, "lines": [line_of(price) for price in prices]}],
            },
        )

    def sign(self, signing_url: str) -> None:
        """Sign as the public page does."""
        with self.inside():
            sign_version(
                token=signing_url.rpartition("/")[2],
                name="Ann Lee",
                email="ann@acme.example",
                title="CFO",
                consent=True,
                ip_address="203.0.113.7",
                user_agent="Browser",
                now=timezone.now(),
            )

    def invoices(self, **query: Any) -> list[Any]:
        found: list[Any] = self.api.get("invoices", query).json()["results"]
        return found

    def balances(self) -> dict[str, str]:
        rows = self.api.get("revenue/trial-balance").json()["rows"]
        assert sum((Decimal(row["balance"]) for row in rows), start=Decimal(0)) == 0
        return {row["account"]: row["balance"] for row in rows if Decimal(row["balance"])}


@pytest.fixture
def story(api: Api, inside: Any) -> Story:
    return Story(api, inside)


@pytest.mark.pdf
def test_a_contract_goes_from_quote_to_recognized_revenue(
    story: Story, api: Api, platform: Any, calls: Any
) -> None:
    with time_machine.travel("2025-12-10T09:00:00Z", tick=False):
        customer = api.made(
            "customers", {"name": "Acme", "currency": "USD", "tax_name": "VAT", "tax_percent": "20"}
        )
        path = f"customers/{customer['id']}"
        api.made(f"{path}/contacts", {"name": "Bill", "email": "ap@acme.example"})
        api.made(f"{path}/aliases", {"alias": "acme-prod"})
        quote = story.quote(customer, platform, calls)
        sent = api.made(f"quotes/{quote['id']}/send", status=200)
        story.sign(sent["signing_url"])
        (form,) = api.get("order-forms", {"quote": quote["id"]}).json()["results"]
        signed = api.get(f"order-forms/{form['id']}").json()
        schedule = api.made(f"order-forms/{form['id']}/schedule")
        again = api.made(f"order-forms/{form['id']}/schedule", status=200)
        waiting = api.made(f"schedules/{schedule['id']}/activate", status=200)

        assert signed["terms_sha256"] == sent["latest"]["terms_sha256"] == schedule["terms_sha256"]
        assert again["id"] == schedule["id"]
        assert api.get(f"order-forms/{form['id']}/document").content.startswith(b"%PDF")
        assert (waiting["status"], len(waiting["periods"])) == ("pending", 24)

    with time_machine.travel("2026-01-02T09:00:00Z", tick=False):
        advance_billing()
        (january,) = story.invoices(status="draft")
        issued = api.made(
            f"invoices/{january['id']}/issue", {"issued_on": "2026-01-02"}, status=200
        )
        assert (issued["total_amount"], issued["number"]) == ("600.00", "NW-INV-000001")
        assert api.get(f"schedules/{schedule['id']}").json()["status"] == "active"

    with time_machine.travel("2026-01-20T09:00:00Z", tick=False):
        event = {"type": "api", "customer": "acme-prod", "time": "2026-01-15T10:00:00Z"}
        batch = [{**event, "id": f"e{n}", "data": {"calls": "400"}} for n in range(3)]
        counts = api.made("usage-events", [*batch, batch[0]], status=200)["counts"]
        (live,) = story.invoices(status="in_progress")
        changed = api.made(f"invoices/{live['id']}/recalculate", status=200)

        assert counts == {"created": 3, "duplicate": 1}
        assert [(c["after"], c["cause"]) for c in changed["changes"]] == [("116.00", "usage")]
        assert changed["subtotal_amount"] == "616.00"
        assert api.made(f"invoices/{live['id']}/recalculate", status=200)["changes"] == []

    with time_machine.travel("2026-02-01T12:00:00Z", tick=False):
        advance_billing()
        recognized = api.made("revenue/recognize", {"month": "2026-01"}, status=200)
        early = api.post(f"invoices/{live['id']}/issue")

        assert recognized == {"month": "2026-01", "entries": 1}
        # A year of 6,000.00 by day earns 31/365 of it, 509.59; the calls earned 116.00.
        assert story.balances()["revenue"] == "-625.59"
        assert early.json()["code"] == "grace_period_running"

    with time_machine.travel("2026-02-02T12:00:00Z", tick=False):
        february = api.made(f"invoices/{live['id']}/issue", status=200)
        delivered = api.made(f"invoices/{live['id']}/send", status=200)
        file = api.get(f"invoices/{live['id']}/pdf")
        paid = api.made(
            "payments",
            {
                "customer": customer["id"],
                "currency": "USD",
                "amount": "1339.20",
                "received_on": "2026-02-02",
                "reference": "wire-1",
            },
        )
        closed = api.made("revenue/close", {"month": "2026-01"}, status=200)
        late = api.post(
            f"invoices/{january['id']}/credit", {"reason": "x", "issued_on": "2026-01-31"}
        )

        (line,) = [line for line in february["lines"] if line["item_key"] == "calls"]
        assert (line["quantity"], line["amount"], line["tax_amount"]) == ("1200", "116.00", "23.20")
        assert [step["amount"] for step in line["explanation"]["steps"]] == ["100.00", "16.00"]
        assert february["total_amount"] == "739.20"
        assert delivered["sent_at"] is not None
        assert "NW-INV-000002" in PdfReader(BytesIO(file.content)).pages[0].extract_text()
        assert [part["amount"] for part in paid["allocations"]] == ["600.00", "739.20"]
        assert story.invoices(payment_status="paid", month="2026-02")[0]["id"] == live["id"]
        assert (closed["month"], closed["status"]) == ("2026-01", "closed")
        assert (late.status_code, late.json()["code"]) == (409, "period_closed")
        # Billed 1,116.00: 625.59 earned, 490.41 still deferred. Tax of 223.20 is owed.
        assert story.balances() == {
            "cash_clearing": "1339.20",
            "deferred_revenue": "-490.41",
            "tax_payable": "-223.20",
            "revenue": "-625.59",
        }


def test_the_books_explain_what_happened(
    story: Story, api: Api, customer: Any, platform: Any
) -> None:
    with time_machine.travel("2026-01-05T09:00:00Z", tick=False):
        quote = story.quote(customer, platform)
        story.sign(api.made(f"quotes/{quote['id']}/send", status=200)["signing_url"])
        (form,) = api.get("order-forms").json()["results"]
        schedule = api.made(f"order-forms/{form['id']}/schedule")
        api.made(f"schedules/{schedule['id']}/activate", status=200)
        advance_billing()
        (draft,) = story.invoices(status="draft")
        issued = api.made(f"invoices/{draft['id']}/issue", status=200)
        note = api.made(f"invoices/{draft['id']}/credit", {"reason": "Wrong plan"})

        entries = api.get("journal-entries", {"invoice": draft["id"]}).json()["results"]
        event = api.get(f"events/{entries[1]['event']}").json()
        months = {"from_month": "2026-01", "to_month": "2026-02"}
        roll = api.get("revenue/deferred-roll-forward", months).json()["rows"]

        assert (issued["issued_on"], issued["due_on"]) == ("2026-01-05", "2026-02-04")
        assert [entry["rule"] for entry in entries] == ["credit_note_issued", "invoice_issued"]
        assert {leg["account"]: leg["amount"] for leg in entries[1]["postings"]} == {
            "accounts_receivable": "500.00",
            "deferred_revenue": "-500.00",
        }
        assert (event["type"], event["data"]["number"]) == ("invoice.issued", "NW-INV-000001")
        assert event["actor"] == "API key test"
        assert (note["number"], note["total_amount"]) == ("NW-CN-000001", "500.00")
        assert api.get(f"credit-notes/{note['id']}/pdf").content.startswith(b"%PDF")
        assert (
            api.get("credit-notes", {"invoice": draft["id"]}).json()["results"][0]["id"]
            == note["id"]
        )
        assert (roll[0]["billed"], roll[0]["credited"], roll[0]["closing"]) == (
            "500.00",
            "500.00",
            "0.00",
        )

    with time_machine.travel("2026-03-02T09:00:00Z", tick=False):
        api.made("revenue/recognize", {"month": "2026-01"}, status=200)
        waterfall = api.get("revenue/waterfall", months).json()["rows"]
        refused = api.post("revenue/close", {"month": "2026-03"})

        assert waterfall == [
            {
                "product": "Platform",
                "currency": "USD",
                "total": "969.86",
                "months": [  # 31 and 28 of 365 days of 6,000.00
                    {"month": "2026-01", "amount": "509.59"},
                    {"month": "2026-02", "amount": "460.27"},
                ],
            }
        ]
        assert (refused.status_code, refused.json()["code"]) == (409, "month_not_over")
        api.made("revenue/close", {"month": "2026-01"}, status=200)
        assert api.get("accounting-periods").json()["results"][0]["status"] == "closed"
        reopened = api.made(
            "revenue/reopen", {"month": "2026-01", "reason": "Missed accrual"}, status=200
        )
        assert reopened["status"] == "open"
