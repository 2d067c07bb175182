"""Webhooks on screen and over REST: set up, tested, read, sent again, by who may."""

from typing import Any

import pytest
from django.test import Client

from monetization.tenancy.context import tenant_context
from monetization.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.factories import make_member, make_tenant
from tests.integration.api.conftest import Api
from tests.integration.webhooks.conftest import Receiver, happened


@pytest.fixture
def company(db: None) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def engineer(company: Any) -> Client:
    return member(company, "engineer")


def member(company: Any, role: str) -> Client:
    client = Client()
    client.force_login(
        make_member(company, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def made(engineer: Client, receiver: Receiver) -> str:
    """Set an endpoint up on screen and return its page."""
    answer = engineer.post(
        "/settings/webhooks/",
        {"url": receiver.url, "description": "Warehouse", "event_types": ["meter.created"]},
    )
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


class TestOnScreen:
    def test_an_endpoint_is_set_up_tested_read_and_sent_again(
        self, company: Any, engineer: Client, receiver: Receiver
    ) -> None:
        page = made(engineer, receiver)
        assert b"Warehouse" in engineer.get("/settings/webhooks/").content

        assert engineer.post(f"{page}test/").status_code == 302
        with tenant_context(company.id):
            delivery = WebhookDelivery.objects.get()
        shown = engineer.get(page).content.decode()
        assert "webhook.tested" in shown
        detail = f"/settings/webhooks/deliveries/{delivery.id}/"
        assert "&quot;webhook.tested&quot;" in engineer.get(detail).content.decode()
        assert engineer.post(f"{detail}again/").status_code == 302

    def test_the_secret_is_shown_to_who_may_change_it(
        self, company: Any, engineer: Client, receiver: Receiver
    ) -> None:
        page = made(engineer, receiver)
        with tenant_context(company.id):
            secret = WebhookEndpoint.objects.get().secret

        answer = engineer.post(f"{page}secret/")
        assert secret in answer.content.decode()
        assert answer["Cache-Control"] == "no-store"
        assert secret not in engineer.get(page).content.decode()
        finance = member(company, "finance")
        assert finance.get(page).status_code == 200
        assert finance.post(f"{page}secret/").status_code == 403
        assert finance.post(f"{page}test/").status_code == 403
        assert member(company, "revops").get(page).status_code == 403

    def test_what_is_wrong_is_said_at_its_field(self, engineer: Client) -> None:
        answer = engineer.post(
            "/settings/webhooks/", {"url": "https://10.0.0.1/", "event_types": ["*"]}
        )

        assert answer.status_code == 422
        assert "10.0.0.1 is not an address of the public internet" in answer.content.decode()

    def test_off_on_rotate_change_and_remove(
        self, company: Any, engineer: Client, receiver: Receiver
    ) -> None:
        page = made(engineer, receiver)

        engineer.post(f"{page}switch/", {"on": "no"})
        assert "Switched off by a person" in engineer.get(page).content.decode()
        assert "switch it on first" in engineer.post(f"{page}test/", follow=True).content.decode()
        engineer.post(f"{page}switch/", {"on": "yes"})
        engineer.post(f"{page}rotate/")
        assert "The previous secret signs too" in engineer.get(page).content.decode()
        engineer.post(page, {"url": receiver.url, "event_types": ["*"]})
        assert "Everything that happens" in engineer.get(page).content.decode()
        engineer.post(f"{page}again/")
        engineer.post(f"{page}remove/")
        assert engineer.get(page).status_code == 404


class TestOverRest:
    def test_an_endpoint_and_its_deliveries(self, company: Any, receiver: Receiver) -> None:
        api = Api(company)
        endpoint = api.made("webhook-endpoints", {"url": receiver.url, "event_types": ["meter.*"]})
        assert "secret" not in endpoint
        secret = api.get(f"webhook-endpoints/{endpoint['id']}/secret").json()["secret"]
        assert secret.startswith("whsec_")
        with tenant_context(company.id):
            happened()

        (row,) = api.get("webhook-deliveries", {"endpoint": endpoint["id"]}).json()["results"]
        assert (row["event_type"], row["status"]) == ("meter.created", "pending")
        detail = api.get(f"webhook-deliveries/{row['id']}").json()
        assert detail["body"]["data"]["key"] == "tokens"
        api.made(f"webhook-deliveries/{row['id']}/redeliver", status=200)
        api.made(f"webhook-endpoints/{endpoint['id']}/test")
        assert api.made(f"webhook-endpoints/{endpoint['id']}/redeliver-failed", status=200) == {
            "redelivered": 0
        }

    def test_change_switch_rotate_remove(self, company: Any, receiver: Receiver) -> None:
        api = Api(company)
        path = "webhook-endpoints/" + str(
            api.made("webhook-endpoints", {"url": receiver.url, "event_types": ["*"]})["id"]
        )
        before = api.get(f"{path}/secret").json()["secret"]

        changed = api.made(
            path, {"event_types": ["invoice.issued"], "is_on": False}, method="patch", status=200
        )
        assert (changed["event_types"], changed["status"]) == (["invoice.issued"], "disabled")
        assert api.post(f"{path}/test").json()["code"] == "endpoint_disabled"
        api.made(f"{path}/rotate-secret", status=200)
        after = api.get(f"{path}/secret").json()
        assert (after["previous_secret"], after["secret"] != before) == (before, True)
        assert api.call("delete", path).status_code == 204
        assert api.get(path).status_code == 404

    def test_reading_is_not_enough_to_see_the_secret(
        self, company: Any, receiver: Receiver
    ) -> None:
        made = Api(company).made("webhook-endpoints", {"url": receiver.url, "event_types": ["*"]})
        reader = Api(company, "webhooks:read")

        assert reader.get(f"webhook-endpoints/{made['id']}").status_code == 200
        assert reader.get(f"webhook-endpoints/{made['id']}/secret").status_code == 403

    def test_an_address_of_ours_is_refused(self, company: Any) -> None:
        answer = Api(company).post(
            "webhook-endpoints", {"url": "https://169.254.169.254/x", "event_types": ["*"]}
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_invalid")
