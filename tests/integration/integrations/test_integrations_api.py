"""Integrations over REST."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from billing.models import Invoice
from integrations import services, tasks
from integrations.models import Push
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key

pytestmark = pytest.mark.django_db(transaction=True)


def client_of(tenant: Any, *scopes: str) -> Client:
    return Client(headers={"authorization": f"Bearer {make_api_key(tenant, *scopes)}"})


def test_pushes_are_listed_by_status_and_shown_with_what_was_sent(
    seller: Any, issue: Callable[..., Invoice]
) -> None:
    invoice = issue()
    tasks.push_due()
    client = client_of(seller, "integrations:read")

    listed = client.get("/api/v1/integrations/pushes?status=pushed&kind=invoice").json()["results"]
    shown = client.get(f"/api/v1/integrations/pushes/{listed[0]['id']}").json()
    none = client.get("/api/v1/integrations/pushes?status=refused").json()["results"]

    assert [one["label"] for one in listed] == [invoice.number]
    assert shown["subject_ref"] == f"invoice/{invoice.id}"
    assert shown["request"]["InvoiceNumber"] == invoice.number
    assert shown["response"]["InvoiceID"] == shown["external_id"]
    assert none == []


def test_an_unknown_status_is_named_as_such(seller: Any) -> None:
    answer = client_of(seller, "integrations:read").get("/api/v1/integrations/pushes?status=lost")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "status", "message": "must be one of pending, pushed, failed, refused"}
    ]


def test_a_refused_push_can_be_retried_and_a_pushed_one_cannot(
    seller: Any, issue: Callable[..., Invoice]
) -> None:
    with tenant_context(seller.id):
        services.change_xero_accounts(sales_account="999", tax_type="OUTPUT", no_tax_type="NONE")
    issue()
    tasks.push_due()
    client = client_of(seller, "integrations:read", "integrations:write")
    with tenant_context(seller.id):
        refused = Push.objects.get(kind="invoice")
        pushed = Push.objects.get(kind="contact")

    again = client.post(f"/api/v1/integrations/pushes/{refused.id}/retry")
    never = client.post(f"/api/v1/integrations/pushes/{pushed.id}/retry")

    assert (again.status_code, again.json()["status"]) == (200, "pending")
    assert (never.status_code, never.json()["code"]) == (409, "already_pushed")


def test_reading_does_not_allow_a_retry(seller: Any, issue: Callable[..., Invoice]) -> None:
    issue()
    with tenant_context(seller.id):
        push = Push.objects.get(kind="invoice")

    answer = client_of(seller, "integrations:read").post(
        f"/api/v1/integrations/pushes/{push.id}/retry"
    )

    assert answer.status_code == 403


def test_connections_never_show_credentials(seller: Any) -> None:
    tasks.push_due()

    answer = client_of(seller, "integrations:read").get("/api/v1/integrations/connections")

    (one,) = answer.json()["results"]
    assert one["organisation_name"] == "Demo Company (simulated Xero)"
    assert one["settings"]["sales_account"] == "200"
    assert "credentials" not in one
    assert "simulator-" not in answer.content.decode()


def test_another_tenant_finds_nothing(
    seller: Any, issue: Callable[..., Invoice], make_tenant: Callable[..., Any]
) -> None:
    issue()
    with tenant_context(seller.id):
        push = Push.objects.get(kind="invoice")
    other = client_of(make_tenant("Globex"), "integrations:read", "integrations:write")

    assert other.get(f"/api/v1/integrations/pushes/{push.id}").status_code == 404
    assert other.post(f"/api/v1/integrations/pushes/{push.id}/retry").status_code == 404
    assert other.get("/api/v1/integrations/pushes").json()["results"] == []
    assert other.get("/api/v1/integrations/connections").json()["results"] == []
