"""Alerts on screen and over REST."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from alerts.models import AlertRule
from alerts.services.evaluation import evaluate
from alerts.services.rules import RuleTerms, create_rule
from metering.services import create_meter
from monetization.tenancy.context import tenant_context
from tests.factories import make_member, make_tenant
from tests.factories_billing import make_customer
from tests.integration.alerts.conftest import use
from tests.integration.api.conftest import Api

FORM = {
    "name": "Many calls",
    "watched": "usage",
    "direction": "up",
    "threshold": "100",
    "customer": "",
    "currency": "",
    "emails": "a@example.com, b@example.com",
    "is_active": "on",
}


@pytest.fixture
def company(db: None) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def ids(company: Any) -> dict[str, str]:
    """A customer, =Acme, and a meter of calls."""
    with tenant_context(company.id, actor="test"):
        customer = make_customer("=Acme")
        meter = create_meter(
            key="calls",
            name="Calls",
            event_type="api",
            aggregation="sum",
            value_property="n",
            unit="calls",
            now=timezone.now(),
        )
    return {"customer": str(customer.id), "meter": str(meter.id)}


def member(company: Any, role: str) -> Client:
    client = Client()
    client.force_login(
        make_member(company, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def trigger(company: Any, ids: dict[str, str]) -> None:
    with tenant_context(company.id, actor="test"):
        now = timezone.now()
        create_rule(
            RuleTerms(
                name="Many",
                metric="usage",
                meter_id=UUID(ids["meter"]),
                threshold=Decimal(5),
            ),
            now=now - timedelta(days=1),
        )
        use(7, "a", customer="=acme", at=now)
        evaluate(customer_ids=[UUID(ids["customer"])], now=now)


class TestOnScreen:
    def test_a_rule_is_made_read_changed_and_removed(
        self, company: Any, ids: dict[str, str]
    ) -> None:
        client = member(company, "revops")
        made = client.post("/alerts/rules/new/", {**FORM, "meter": ids["meter"]})
        assert made.status_code == 302, made.content.decode()
        page = made["Location"]
        assert "Calls at or above 100 calls" in client.get("/alerts/rules/").content.decode()
        assert 'value="100"' in client.get(page).content.decode()

        changed = {**FORM, "meter": ids["meter"], "threshold": "50", "customer": "=Acme"}
        assert client.post(page, changed).status_code == 302
        with tenant_context(company.id):
            rule = AlertRule.objects.get()
            assert (rule.threshold, rule.revision) == (50, 2)
            assert rule.emails == ["a@example.com", "b@example.com"]
        assert client.post(f"{page}remove/").status_code == 302
        assert client.get(page).status_code == 404

    def test_where_customers_stand_is_computed_now(self, company: Any, ids: dict[str, str]) -> None:
        client = member(company, "revops")
        page = client.post("/alerts/rules/new/", {**FORM, "meter": ids["meter"]})["Location"]
        with tenant_context(company.id):
            use(80, "a", customer="=acme", at=timezone.now())

        shown = client.get(f"{page}standing/").content.decode()

        assert "80 calls" in shown
        assert 'aria-label="80 % of the limit"' in shown

    def test_what_triggered_is_listed_on_the_customers_page_too_and_exported(
        self, company: Any, ids: dict[str, str]
    ) -> None:
        trigger(company, ids)
        client = member(company, "auditor")

        assert "7 calls" in client.get("/alerts/").content.decode()
        assert "No alert fits" in client.get("/alerts/?q=borg").content.decode()
        part = client.get(f"/alerts/customers/{ids['customer']}/").content.decode()
        assert "Crossed" in part
        whole = client.get(f"/customers/{ids['customer']}?tab=alerts").content.decode()
        assert f"/alerts/customers/{ids['customer']}/" in whole
        lines = b"".join(client.get("/alerts/export/").streaming_content).decode()  # type: ignore[attr-defined]
        assert "Many,'=Acme," in lines

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"threshold": "12,5"}, "number"),
            ({"meter": ""}, "Choose the meter"),
            ({"watched": "spend"}, "Write the currency"),
            ({"customer": "Borg"}, "No customer has this name"),
            ({"emails": "x"}, "is not an e-mail address"),
        ],
    )
    def test_what_is_wrong_is_said_at_its_field(
        self, company: Any, ids: dict[str, str], wrong: dict[str, str], says: str
    ) -> None:
        form = {**FORM, "meter": ids["meter"], **wrong}

        answer = member(company, "finance").post("/alerts/rules/new/", form)

        assert answer.status_code == 422
        assert says in answer.content.decode()

    def test_money_is_for_those_who_read_invoices(self, company: Any, ids: dict[str, str]) -> None:
        spend = {**FORM, "name": "Big spender", "watched": "spend", "currency": "USD"}
        page = member(company, "finance").post("/alerts/rules/new/", spend)["Location"]
        engineer = member(company, "engineer")

        assert engineer.get(page).status_code == 404
        assert engineer.get(f"{page}standing/").status_code == 404
        assert "Big spender" not in engineer.get("/alerts/rules/").content.decode()
        assert engineer.post("/alerts/rules/new/", spend).status_code == 422
        key = Api(company, "alerts:read", "alerts:write")
        assert key.get("alert-rules").json()["results"] == []
        refused = key.post(
            "alert-rules", {"name": "x", "metric": "spend", "threshold": "5", "currency": "USD"}
        )
        assert refused.status_code == 403

    def test_auditors_read_and_change_nothing(self, company: Any, ids: dict[str, str]) -> None:
        client = member(company, "auditor")

        assert client.get("/alerts/rules/").status_code == 200
        form = {**FORM, "meter": ids["meter"]}
        assert client.post("/alerts/rules/new/", form).status_code == 403


class TestOverRest:
    def test_rules_and_what_they_triggered(self, company: Any, ids: dict[str, str]) -> None:
        api = Api(company)
        made = api.made(
            "alert-rules",
            {"name": "x", "metric": "usage", "meter": ids["meter"], "threshold": "5"},
        )
        assert (made["threshold"], made["direction"], made["customer"]) == ("5", "up", None)
        changed = api.made(
            f"alert-rules/{made['id']}", {"threshold": "6.5"}, method="patch", status=200
        )
        assert changed["threshold"] == "6.5"
        trigger(company, ids)

        rows = api.get("alerts", {"customer": ids["customer"]}).json()["results"]
        assert {(row["value"], row["unit"]) for row in rows} == {("7", "calls")}
        assert api.get(f"alerts/{rows[0]['id']}").status_code == 200
        assert api.call("delete", f"alert-rules/{made['id']}").status_code == 204
        assert api.get(f"alert-rules/{made['id']}").status_code == 404

    def test_what_is_wrong_is_named(self, company: Any) -> None:
        answer = Api(company).post(
            "alert-rules", {"name": "x", "metric": "spend", "threshold": "5"}
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "alert_rule_invalid")
        assert answer.json()["detail"].startswith("currency: ")
