"""Pages about customers, seen through a signed-in browser."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from monetization.customers.models import BillingContact, Customer, CustomerAlias
from monetization.customers.services import add_contact, create_customer, map_alias
from monetization.tenancy.context import tenant_context
from tests.factories import make_member

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    return make_tenant("Northwind Software")


def signed_in(tenant: Any, role: str = "finance") -> Client:
    client = Client()
    client.force_login(
        make_member(tenant, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def customer_of(tenant: Any, name: str = "Acme", **details: Any) -> Customer:
    from django.utils import timezone

    with tenant_context(tenant.id, actor="test"):
        made = create_customer(
            name=name, currency=details.pop("currency", "USD"), now=timezone.now(), **details
        )
        add_contact(customer_id=made.id, name=f"{name} AP", email="ap@example.com")
        map_alias(customer_id=made.id, alias=f"{name.lower()}-{made.id}", now=timezone.now())
        return made


def details(tenant: Any, **changes: str) -> dict[str, str]:
    from monetization.tenancy.models import LegalEntity

    with tenant_context(tenant.id):
        entity = LegalEntity.objects.get(is_default=True)
    return {
        "name": "Acme",
        "legal_entity": str(entity.id),
        "currency": "usd",
        "time_zone": "Europe/Paris",
        "payment_terms_days": "45",
        "tax_treatment": "taxable",
        "tax_name": "VAT",
        "tax_percent": "20",
        "country": "FR",
        **changes,
    }


class TestList:
    def test_shows_a_customer_with_its_terms_and_contact(self, company: Any) -> None:
        customer_of(company, "Acme", payment_terms_days=45, country="FR")

        page = signed_in(company).get("/customers/").content.decode()

        assert "Acme" in page
        assert "45 days" in page
        assert "France" in page
        assert "ap@example.com" in page

    def test_costs_the_same_queries_for_forty_customers_as_for_four(self, company: Any) -> None:
        client = signed_in(company)
        for number in range(4):
            customer_of(company, f"First {number}")
        client.get("/customers/")
        with CaptureQueriesContext(
            connection,
        ) as few:
            client.get("/customers/")
        for number in range(36):
            customer_of(company, f"More {number}")
        with CaptureQueriesContext(connection) as many:
            client.get("/customers/")

        assert len(many) == len(few) <= 12

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({"q": "glo"}, ["Globex"]),
            ({"q": "crm-7"}, ["Globex"]),
            ({"currency": "EUR"}, ["Globex"]),
            ({"country": "US"}, ["Acme"]),
            ({"archived": "yes"}, ["Initech"]),
            ({"archived": "all"}, ["Acme", "Globex", "Initech"]),
            ({"sort": "currency"}, ["Globex", "Acme"]),
            ({"q": "\x00"}, ["Acme", "Globex"]),
        ],
    )
    def test_filters_by_what_the_address_says(
        self, company: Any, query: dict[str, str], names: list[str]
    ) -> None:
        customer_of(company, "Acme", country="US")
        customer_of(company, "Globex", currency="EUR", country="DE", external_id="CRM-7")
        customer_of(company, "Initech", is_archived=True)

        answer = signed_in(company).get("/customers/", query)

        assert [row.name for row in answer.context["page"]] == names

    def test_finds_the_customer_who_holds_an_alias(self, company: Any) -> None:
        acme = customer_of(company, "Acme")
        customer_of(company, "Globex")

        answer = signed_in(company).get("/customers/", {"q": f"acme-{acme.id}"})

        assert [row.name for row in answer.context["page"]] == ["Acme"]

    def test_says_the_next_step_when_there_is_nobody(self, company: Any) -> None:
        assert "Add the first company" in signed_in(company).get("/customers/").content.decode()

    def test_a_name_that_is_a_script_is_only_text(self, company: Any) -> None:
        customer = customer_of(company, HOSTILE, notes=HOSTILE, legal_name=HOSTILE)
        client = signed_in(company)

        for path in ("/customers/", f"/customers/{customer.id}", f"/customers/{customer.id}/edit"):
            page = client.get(path).content.decode()
            assert HOSTILE not in page
            assert "&lt;script&gt;" in page

    def test_the_export_runs_nothing_in_a_spreadsheet(self, company: Any) -> None:
        customer_of(company, '=HYPERLINK("http://x.example")')
        customer_of(company, "-Minus", legal_name="@SUM(A1)")

        text = b"".join(signed_in(company).get("/customers/export.csv")).decode("utf-8-sig")

        assert "\"'=HYPERLINK(" in text
        assert "'-Minus,'@SUM(A1)" in text


class TestPermissions:
    @pytest.mark.parametrize(
        ("role", "status"),
        [("owner", 200), ("finance", 200), ("revops", 200), ("engineer", 200), ("auditor", 200)],
    )
    def test_every_member_may_read(self, company: Any, role: str, status: int) -> None:
        customer = customer_of(company)
        client = signed_in(company, role)
        assert client.get("/customers/").status_code == status
        assert client.get(f"/customers/{customer.id}").status_code == status

    @pytest.mark.parametrize("role", ["engineer", "auditor"])
    def test_engineers_and_auditors_change_nothing(self, company: Any, role: str) -> None:
        customer = customer_of(company)
        client = signed_in(company, role)
        for path in ("new", f"{customer.id}/edit"):
            assert client.get(f"/customers/{path}").status_code == 403
        for path in (
            "new",
            f"{customer.id}/edit",
            f"{customer.id}/contacts",
            f"{customer.id}/aliases",
        ):
            assert client.post(f"/customers/{path}", details(company)).status_code == 403

    def test_engineers_are_not_shown_contracts_and_invoices(self, company: Any) -> None:
        customer = customer_of(company)
        answer = signed_in(company, "engineer").get(f"/customers/{customer.id}?tab=invoices")
        assert answer.context["tab"] == "overview"
        assert list(answer.context["tabs"]) == ["overview", "usage", "alerts", "activity"]

    def test_a_stranger_signs_in_first(self, company: Any) -> None:
        answer = Client().get("/customers/")
        assert answer.status_code == 302
        assert "/accounts/login/" in answer["Location"]

    def test_another_companys_customer_does_not_exist(
        self, company: Any, make_tenant: Callable[..., Any]
    ) -> None:
        contoso = make_tenant("Contoso")
        other = customer_of(contoso)
        with tenant_context(contoso.id):
            contact = BillingContact.objects.get(customer=other)
        client = signed_in(company)
        for path in ("", "/edit", "?tab=activity", f"/contacts/{contact.id}"):
            assert client.get(f"/customers/{other.id}{path}").status_code == 404
        for path in (
            "/edit",
            "/archive",
            "/contacts",
            "/aliases",
            f"/contacts/{contact.id}/remove",
        ):
            assert client.post(f"/customers/{other.id}{path}", {}).status_code == 404

    def test_a_contact_is_edited_under_its_own_customer_only(self, company: Any) -> None:
        acme, globex = customer_of(company, "Acme"), customer_of(company, "Globex")
        with tenant_context(company.id):
            contact = BillingContact.objects.get(customer=globex)
        path = f"/customers/{acme.id}/contacts/{contact.id}"
        assert signed_in(company).get(path).status_code == 404


class TestCreateAndEdit:
    def test_adds_a_customer_with_all_details(self, company: Any) -> None:
        answer = signed_in(company).post("/customers/new", details(company), follow=True)

        assert "Acme is added." in answer.content.decode()
        with tenant_context(company.id):
            made = Customer.objects.get()
            assert (made.currency, made.payment_terms_days, made.tax_percent) == ("USD", 45, 20)
            assert made.country == "FR"

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("name", "", "required"),
            ("currency", "XXQ", "ISO 4217"),
            ("time_zone", "Mars/Olympus", "Choose a zone"),
            ("payment_terms_days", "-1", "greater than or equal to 0"),
            ("tax_percent", "101", "at most 100"),
            ("tax_percent", "1,5", "plain decimal number"),
            ("tax_percent", "NaN", "plain decimal number"),
            ("tax_name", "", "Name the tax"),
            ("country", "ZZ", "valid choice"),
            ("name", "a\x00b", "Null characters"),
        ],
    )
    def test_says_what_is_wrong_at_the_field(
        self, company: Any, field: str, value: str, message: str
    ) -> None:
        answer = signed_in(company).post("/customers/new", details(company, **{field: value}))

        assert answer.status_code == 422
        assert message in " ".join(answer.context["form"].errors[field])
        assert f'id="id_{field}_error"' in answer.content.decode()
        with tenant_context(company.id):
            assert not Customer.objects.exists()

    def test_refuses_a_crm_id_twice_at_the_field(self, company: Any) -> None:
        customer_of(company, "Acme", external_id="CRM-1")
        answer = signed_in(company).post("/customers/new", details(company, external_id="CRM-1"))
        assert answer.status_code == 422
        assert "belongs to another customer" in str(answer.context["form"].errors["external_id"])

    def test_saves_changes_and_tells_the_activity_who_made_them(self, company: Any) -> None:
        customer = customer_of(company, external_id="CRM-1")
        client = signed_in(company)

        client.post(f"/customers/{customer.id}/edit", details(company, external_id="CRM-1"))

        page = client.get(f"/customers/{customer.id}?tab=activity").content.decode()
        assert "Payment terms days: 30 → 45" in page
        assert "finance-" in page

    def test_an_unchanged_form_changes_nothing(self, company: Any) -> None:
        customer = customer_of(company, tax_percent="8.875", tax_name="Sales tax")
        client = signed_in(company)
        form = client.get(f"/customers/{customer.id}/edit").context["form"]
        sent = {name: form[name].value() or "" for name in form.fields}

        assert client.post(f"/customers/{customer.id}/edit", sent).status_code == 302

        page = client.get(f"/customers/{customer.id}?tab=activity").content.decode()
        assert "Details changed" not in page

    def test_archives_and_restores(self, company: Any) -> None:
        customer = customer_of(company)
        client = signed_in(company)
        client.post(f"/customers/{customer.id}/archive", {"archive": "yes"})
        assert list(client.get("/customers/").context["page"]) == []
        client.post(f"/customers/{customer.id}/archive", {"archive": "no"})
        with tenant_context(company.id):
            assert not Customer.objects.get().is_archived


class TestContactsAndAliases:
    def test_adds_a_contact_and_moves_the_primary(self, company: Any) -> None:
        customer = customer_of(company)
        signed_in(company).post(
            f"/customers/{customer.id}/contacts",
            {"name": "Ada", "email": "ada@example.com", "is_primary": "on"},
        )
        with tenant_context(company.id):
            assert BillingContact.objects.get(is_primary=True).name == "Ada"
            assert BillingContact.objects.count() == 2

    def test_a_bad_address_is_said_at_the_field_with_the_form_open(self, company: Any) -> None:
        customer = customer_of(company)
        answer = signed_in(company).post(
            f"/customers/{customer.id}/contacts", {"name": "Ada", "email": "nonsense"}
        )
        assert answer.status_code == 422
        assert "<details open>" in answer.content.decode()
        assert "valid email" in answer.content.decode()

    def test_an_address_is_added_once(self, company: Any) -> None:
        customer = customer_of(company)
        answer = signed_in(company).post(
            f"/customers/{customer.id}/contacts", {"name": "Ada", "email": "ap@example.com"}
        )
        assert answer.status_code == 422
        with tenant_context(company.id):
            assert BillingContact.objects.get().is_primary

    def test_adding_the_primary_contact_again_renames_it_and_keeps_it_primary(
        self, company: Any
    ) -> None:
        customer = customer_of(company)
        with tenant_context(company.id):
            add_contact(customer_id=customer.id, name="Ada", email="ada@example.com")
            add_contact(customer_id=customer.id, name="Accounts", email="ap@example.com")
            primary = BillingContact.objects.get(is_primary=True)
        assert (primary.name, primary.email) == ("Accounts", "ap@example.com")

    def test_changes_a_contact_but_not_to_anothers_address(self, company: Any) -> None:
        customer = customer_of(company)
        with tenant_context(company.id):
            add_contact(customer_id=customer.id, name="Ada", email="ada@example.com")
            contact = BillingContact.objects.get(name="Ada")
        client, path = signed_in(company), f"/customers/{customer.id}/contacts/{contact.id}"

        taken = client.post(path, {"name": "Ada", "email": "ap@example.com"})
        saved = client.post(path, {"name": "Ada L.", "email": "al@example.com", "is_primary": "on"})

        assert taken.status_code == 422
        assert saved.status_code == 302
        with tenant_context(company.id):
            assert BillingContact.objects.get(is_primary=True).name == "Ada L."

    def test_removing_the_primary_contact_makes_another_the_primary(self, company: Any) -> None:
        customer = customer_of(company)
        with tenant_context(company.id):
            add_contact(customer_id=customer.id, name="Ada", email="ada@example.com")
            primary = BillingContact.objects.get(is_primary=True)
        signed_in(company).post(f"/customers/{customer.id}/contacts/{primary.id}/remove")
        with tenant_context(company.id):
            assert BillingContact.objects.get().is_primary

    def test_maps_an_alias_in_the_customers_local_time(self, company: Any) -> None:
        customer = customer_of(company, time_zone="Asia/Tokyo")
        answer = signed_in(company).post(
            f"/customers/{customer.id}/aliases",
            {"alias": "acct-1", "valid_from": "2026-01-01T00:00"},
        )
        assert answer.status_code == 302
        with tenant_context(company.id):
            lower = CustomerAlias.objects.get(alias="acct-1").valid.lower
        assert lower.isoformat() == "2025-12-31T15:00:00+00:00"

    @pytest.mark.parametrize(
        ("sent", "field"),
        [
            ({"alias": ""}, "alias"),
            ({"alias": "x", "valid_from": "2026-02-01T00:00", "valid_until": "2026-01-01T00:00"},
             "valid_until"),
            ({"alias": "x", "valid_from": "soon"}, "valid_from"),
        ],
    )  # fmt: skip
    def test_refuses_an_alias_without_name_or_time(
        self, company: Any, sent: dict[str, str], field: str
    ) -> None:
        customer = customer_of(company)
        answer = signed_in(company).post(f"/customers/{customer.id}/aliases", sent)
        assert answer.status_code == 422
        assert field in answer.context["alias_form"].errors

    def test_names_who_holds_the_alias_already(self, company: Any) -> None:
        acme, globex = customer_of(company, "Acme"), customer_of(company, "Globex")
        answer = signed_in(company).post(
            f"/customers/{globex.id}/aliases", {"alias": f"acme-{acme.id}"}
        )
        assert answer.status_code == 422
        assert "held by Acme" in answer.content.decode()
