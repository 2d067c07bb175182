"""Credits over REST."""

from datetime import UTC, datetime
from typing import Any

import pytest

from billing.models import CreditGrant, Invoice
from tests.factories_billing import PLATFORM, billed, deal
from tests.integration.api.conftest import Api

NOW = datetime(2026, 2, 2, 12, tzinfo=UTC)


@pytest.fixture
def contract(api: Api, inside: Any) -> Any:
    with inside():
        return billed(deal(PLATFORM), now=NOW)


def words(contract: Any, **more: Any) -> dict[str, Any]:
    return {"customer": str(contract.customer_id), "name": "Gift", "amount": "100", **more}


class TestApi:
    def test_a_grant_is_planned_burned_and_seen(self, api: Api, contract: Any) -> None:
        begins = {"effective_at": "2026-01-01T00:00:00Z"}
        grant = api.made("credit-grants", words(contract, **begins))
        assert (grant["balance"], grant["standing"], grant["cost_amount"]) == (
            "100",
            "active",
            "0.00",
        )
        draft = api.get("invoices", {"bill_on_from": "2026-01-01"}).json()["results"][-1]["id"]

        api.made(f"invoices/{draft}/recalculate", {}, status=200)
        issued = api.made(f"invoices/{draft}/issue", {"issued_on": "2026-02-02"}, status=200)

        assert (issued["prepaid_amount"], issued["payment_status"]) == ("100.00", "partially_paid")
        (use,) = issued["credits_used"]
        assert (use["name"], use["value"], use["units"]) == ("Gift", "100.00", "100")
        moves = api.get("credit-transactions", {"grant": grant["id"]}).json()["results"]
        assert sorted((move["kind"], move["units"]) for move in moves) == [
            ("burned", "-100"),
            ("granted", "100"),
        ]
        live = api.get(f"customers/{contract.customer_id}/credits").json()["grants"]
        assert [(one["id"], one["left"]) for one in live] == [(grant["id"], "0")]

    def test_sold_credits_come_with_the_invoice(self, api: Api, contract: Any, inside: Any) -> None:
        draft = api.made("credit-sales", words(contract, price="80"))
        with inside():
            assert not CreditGrant.objects.exists()
            day = Invoice.objects.get(id=draft["id"]).bill_on

        api.made(f"invoices/{draft['id']}/issue", {"issued_on": str(day)}, status=200)

        (grant,) = api.get("credit-grants", {"invoice": draft["id"]}).json()["results"]
        assert (grant["amount"], grant["cost_amount"], grant["origin"]) == ("100", "80.00", "sold")
        answer = api.post(f"credit-grants/{grant['id']}/void", {"reason": "r"})
        assert (answer.status_code, answer.json()["code"]) == (409, "grant_was_sold")

    def test_a_plan_and_a_top_up_are_stopped(self, api: Api, contract: Any) -> None:
        plan = api.made(
            "credit-plans",
            words(contract, every="monthly", starts_on=f"{datetime.now(UTC):%Y-%m-01}"),
        )
        assert len(api.get("credit-grants", {"plan": plan["id"]}).json()["results"]) == 1
        assert api.made(f"credit-plans/{plan['id']}/stop", {}, status=200)["stopped_at"]
        rule = api.made("credit-top-ups", words(contract, threshold="10", unit_cost="1"))
        assert api.made(f"credit-top-ups/{rule['id']}/stop", {}, status=200)["stopped_at"]
