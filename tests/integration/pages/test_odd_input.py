"""What people get for input that makes no sense: words at the field, and what they typed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from billing.models import Invoice, InvoiceComment
from monetization.customers.models import Customer
from monetization.events.models import Event, EventDelivery
from monetization.interface.models import SavedView
from monetization.tenancy.context import tenant_context
from quotes.models import QuoteComment
from tests.factories_billing import PLATFORM, billed, deal
from tests.integration.quotes.conftest import browser

NOW = datetime(2026, 2, 2, 12, tzinfo=UTC)
Inside = Callable[[], Any]


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def inside(company: Any) -> Inside:
    return lambda: tenant_context(company.id, actor="test")


@pytest.fixture
def draft(inside: Inside) -> Invoice:
    with inside():
        billed(deal(PLATFORM), now=NOW)
        return Invoice.objects.filter(status="draft")[0]


@pytest.fixture
def owner(company: Any) -> Client:
    return browser(company, "owner")


def test_a_character_that_cannot_be_kept_is_said_at_its_field(
    owner: Client, draft: Invoice, inside: Inside
) -> None:
    with inside():
        quote = draft.schedule.order_form.version.quote_id
    owner.raise_request_exception = False

    answer = owner.post(f"/quotes/{quote}/comment/", {"text": "half \x00 of it"})

    assert answer.status_code == 400
    assert "text: holds a character that cannot be kept" in answer.content.decode()
    with inside():
        assert not QuoteComment.objects.exists()


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_day_nobody_means_is_refused_on_pages_as_in_the_api(owner: Client, day: str) -> None:
    page = owner.get("/settings/audit/", {"end": day}).content.decode()
    assert "Must be from 1970-01-01 to 2199-12-31." in page

    answer = owner.post("/billing/payments/new", {"received_on": day})
    assert answer.status_code == 422
    assert "Must be from 1970-01-01 to 2199-12-31." in answer.content.decode()


def test_the_day_of_a_dialog_has_the_same_bounds(owner: Client, draft: Invoice) -> None:
    sent = {"action": "issue", "issued_on": "9999-12-31"}

    page = owner.post(f"/billing/invoices/{draft.id}/do", sent, follow=True).content.decode()

    assert "issued_on: must be from 1970-01-01 to 2199-12-31" in page


def test_a_month_nobody_means_filters_nothing(owner: Client, draft: Invoice) -> None:
    owner.raise_request_exception = False
    assert owner.get("/billing/invoices/export.csv", {"month": "9999-12"}).status_code == 200
    assert owner.get("/revenue/months/9999-12/").status_code == 404


def test_more_than_is_kept_is_refused_and_not_cut(
    owner: Client, draft: Invoice, inside: Inside
) -> None:
    owner.post("/billing/invoices/views", {"name": "x" * 81})
    owner.post(f"/billing/invoices/{draft.id}/comments", {"text": "x" * 20_000})

    page = owner.get("/billing/invoices/").content.decode()

    assert "name: write at most 80 characters" in page
    assert "text: write at most" in page
    with inside():
        assert not SavedView.objects.exists()
        assert not InvoiceComment.objects.exists()


def test_a_rule_keeps_what_was_typed_when_it_is_refused(owner: Client, company: Any) -> None:
    sent = {"kind": "total_within_limit", "is_enabled": "on", "limit": "9" * 401}

    answer = owner.post("/billing/assertions/", sent)

    assert answer.status_code == 422
    assert "9" * 401 in answer.content.decode()


def test_a_split_that_is_refused_keeps_the_purchase_order(owner: Client, draft: Invoice) -> None:
    answer = owner.post(f"/billing/invoices/{draft.id}/split", {"purchase_order": "PO-77"})

    assert answer.status_code == 422
    assert 'value="PO-77"' in answer.content.decode()


def test_who_may_not_see_events_may_not_run_them_again(
    company: Any, draft: Invoice, inside: Inside
) -> None:
    with inside():
        delivery, _ = EventDelivery.objects.get_or_create(
            event=Event.objects.all()[0], handler="billing.follow"
        )
    for role in ("revops", "auditor"):
        answer = browser(company, role).post(f"/events/deliveries/{delivery.id}/replay/")
        assert answer.status_code == 403, role


def test_parts_of_a_page_are_not_there_for_ids_that_are_not(
    owner: Client, draft: Invoice, make_tenant: Callable[..., Any], inside: Inside
) -> None:
    with inside():
        customer = Customer.objects.get().id
        version = draft.schedule.order_form.version
    stranger = browser(make_tenant("Elsewhere"), "owner")
    for path in (
        f"/billing/parts/quote/{version.quote_id}",
        f"/billing/parts/customer/{customer}/schedules",
        f"/billing/parts/customer/{customer}/invoices",
        f"/integrations/parts/quote-version/{version.id}",
    ):
        assert owner.get(path).status_code == 200, path
        assert stranger.get(path).status_code == 404, path
