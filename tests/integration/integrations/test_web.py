"""The Xero pages: connect, say where amounts go, read the sync log, try again."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client

from billing.services.invoicing import issue_invoice
from integrations import services
from integrations.models import Connection, Push
from monetization.catalog.services import create_product
from monetization.tenancy.context import tenant_context
from tests.factories import make_member, make_tenant
from tests.factories_billing import PLATFORM, billed, deal, make_customer

MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture
def company(db: None) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def signed_in(company: Any) -> Callable[[str], Client]:
    def sign_in(role: str) -> Client:
        client = Client()
        client.force_login(
            make_member(company, role), backend="django.contrib.auth.backends.ModelBackend"
        )
        return client

    return sign_in


def push(tenant: Any, label: str = "NW-INV-000001", **fields: Any) -> Push:
    with tenant_context(tenant.id):
        values = {"provider": "xero", "kind": "invoice", "subject_ref": f"invoice/{label}"}
        row: Push = Push.objects.create(label=label, **{**values, **fields})
        return row


def status_of(tenant: Any, row: Push) -> str:
    with tenant_context(tenant.id):
        return str(Push.objects.get(id=row.id).status)


class TestConnection:
    def test_is_made_said_and_ended(self, company: Any, signed_in: Callable[[str], Client]) -> None:
        client = signed_in("finance")
        assert "Not connected" in client.get("/integrations/").content.decode()

        client.post(
            "/integrations/xero/connect/", {"client_id": "id", "client_secret": "hush-hush"}
        )
        page = client.get("/integrations/").content.decode()
        assert "Connecting" in page
        assert "hush-hush" not in page

        client.post("/integrations/xero/disconnect/")
        with tenant_context(company.id):
            connection = Connection.objects.get()
        assert not connection.is_connected
        assert not connection.credentials

    def test_half_of_the_credentials_is_refused_in_words(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        response = signed_in("finance").post("/integrations/xero/connect/", {"client_id": "id"})

        assert response.status_code == 422
        assert "client secret" in str(response.context["connect_form"].errors).lower()

    def test_outside_the_simulator_both_are_needed(
        self, company: Any, signed_in: Callable[[str], Client], settings: Any
    ) -> None:
        settings.XERO_API_URL = "https://api.xero.com"

        response = signed_in("finance").post("/integrations/xero/connect/", {})

        assert set(response.context["connect_form"].errors) == {"client_id", "client_secret"}

    def test_disconnecting_nothing_is_refused(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        page = signed_in("finance").post("/integrations/xero/disconnect/", follow=True)

        assert "connect Xero first" in page.content.decode()


class TestAccounts:
    def test_say_where_each_product_goes(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(company.id):
            services.connect_xero(now=MARCH)
            create_product(code="platform", name="Platform", kind="fixed")

        signed_in("finance").post(
            "/integrations/xero/accounts/",
            {
                "sales_account": "200",
                "tax_type": "OUTPUT2",
                "no_tax_type": "NONE",
                "product:platform": "210",
            },
        )

        with tenant_context(company.id):
            assert Connection.objects.get().settings == {
                "sales_account": "200",
                "tax_type": "OUTPUT2",
                "no_tax_type": "NONE",
                "product_accounts": {"platform": "210"},
                "tax_types": {},
            }

    def test_an_empty_one_is_said_at_the_field(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(company.id):
            services.connect_xero(now=MARCH)

        response = signed_in("finance").post("/integrations/xero/accounts/", {"tax_type": "X"})

        assert response.status_code == 422
        assert set(response.context["accounts_form"].errors) == {"sales_account", "no_tax_type"}


def test_earlier_invoices_are_owed_once(company: Any, signed_in: Callable[[str], Client]) -> None:
    with tenant_context(company.id):
        schedule = billed(deal(PLATFORM), now=MARCH, customer=make_customer())
        draft = schedule.invoices.get(bill_on=date(2026, 1, 1))
        issue_invoice(invoice_id=draft.id, issued_on=date(2026, 3, 3), now=MARCH)
        services.connect_xero(now=MARCH)
    client = signed_in("finance")

    first = client.post("/integrations/xero/earlier/", {"issued_from": "2026-03-01"}, follow=True)
    second = client.post("/integrations/xero/earlier/", {"issued_from": "2026-03-01"}, follow=True)
    wrong = client.post("/integrations/xero/earlier/", {"issued_from": "soon"})

    assert "1 invoice is pushed" in first.content.decode()
    assert "in the sync log already" in second.content.decode()
    assert "issued_from" in wrong.context["earlier_form"].errors
    with tenant_context(company.id):
        assert Push.objects.filter(kind="invoice").count() == 1


class TestSyncLog:
    def test_filters_by_state_kind_and_name(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        push(company, "NW-INV-000001", status="refused")
        push(company, "Acme", kind="contact", status="failed")
        client = signed_in("finance")

        def labels(query: str) -> list[str]:
            return [row.label for row in client.get(f"/integrations/log/?{query}").context["page"]]

        assert labels("") == ["Acme", "NW-INV-000001"]
        assert labels("status=refused") == ["NW-INV-000001"]
        assert labels("kind=contact") == ["Acme"]
        assert labels("q=acme") == ["Acme"]
        assert labels("status=nonsense") == ["Acme", "NW-INV-000001"]

    def test_shows_what_was_sent_and_what_came_back(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        row = push(
            company,
            status="refused",
            request={"InvoiceNumber": "NW-INV-000001"},
            response={"Message": "Account code <b>200</b> is not valid"},
            last_error="Account code 200 is not valid",
        )

        page = signed_in("finance").get(f"/integrations/log/{row.id}/").content.decode()

        assert "InvoiceNumber" in page
        assert "&lt;b&gt;200&lt;/b&gt;" in page
        assert "Try again now" in page

    def test_tries_one_again_and_then_all(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        one = push(company, "A", status="refused")
        two, three = push(company, "B", status="failed"), push(company, "C", status="refused")
        client = signed_in("engineer")

        client.post(f"/integrations/log/{one.id}/retry/")
        assert [status_of(company, row) for row in (one, two)] == ["pending", "failed"]
        client.post("/integrations/log/retry/")
        assert [status_of(company, row) for row in (two, three)] == ["pending", "pending"]

    def test_what_is_in_xero_is_not_pushed_again(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        row = push(company, status="pushed", external_id="x", pushed_at=MARCH)

        page = signed_in("finance").post(f"/integrations/log/{row.id}/retry/", follow=True)

        assert "is in Xero already" in page.content.decode()
        assert status_of(company, row) == "pushed"

    @pytest.mark.parametrize("path", ["/integrations/", "/integrations/log/"])
    def test_more_pushes_do_not_mean_more_queries(
        self,
        company: Any,
        signed_in: Callable[[str], Client],
        django_assert_max_num_queries: Any,
        path: str,
    ) -> None:
        first = push(company, "Acme", kind="contact")
        for number in range(55):
            push(company, f"NW-INV-{number:06d}", depends_on=first)
        client = signed_in("finance")

        with django_assert_max_num_queries(15):
            client.get(path)


class TestWhoMay:
    def test_revops_see_nothing_and_auditors_change_nothing(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        row = push(company, status="failed")
        revops, auditor = signed_in("revops"), signed_in("auditor")

        for path in ("/integrations/", "/integrations/log/", f"/integrations/log/{row.id}/"):
            assert revops.get(path).status_code == 403, path
            assert auditor.get(path).status_code == 200, path
        for path in ("xero/connect/", "xero/disconnect/", "log/retry/", f"log/{row.id}/retry/"):
            assert auditor.post(f"/integrations/{path}").status_code == 403, path
        assert status_of(company, row) == "failed"

    def test_another_company_s_push_is_not_found(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        row = push(make_tenant("Stranger"), "Secretive", status="failed")
        client = signed_in("finance")

        assert "Secretive" not in client.get("/integrations/log/").content.decode()
        assert client.get(f"/integrations/log/{row.id}/").status_code == 404
        assert client.post(f"/integrations/log/{row.id}/retry/").status_code == 404
