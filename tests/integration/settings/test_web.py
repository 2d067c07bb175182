"""Settings pages: who may read and change what, and what a change leaves behind."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from monetization.customers.services import create_customer
from monetization.events.models import Event, EventDelivery
from monetization.events.services import deliver
from monetization.interface.models import SavedView
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from monetization.users.models import ApiKey, Membership, User
from tests.factories import make_api_key, make_member, make_tenant

NOON = datetime(2026, 4, 3, 12, tzinfo=UTC)
BACKEND = "django.contrib.auth.backends.ModelBackend"
PAGES = ("", "members/", "api-keys/", "audit/", "views/")


@pytest.fixture
def company(db: None) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def signed_in(company: Any) -> Callable[[str], Client]:
    def sign_in(role: str) -> Client:
        client = Client()
        client.force_login(make_member(company, role), backend=BACKEND)
        return client

    return sign_in


def membership(company: Any, role: str) -> Membership:
    user = make_member(company, role)
    return Membership.objects.get(user=user, tenant=company)


class TestWhoMay:
    def test_everybody_reads_and_strangers_do_not(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        for role in ("owner", "finance", "revops", "engineer", "auditor"):
            client = signed_in(role)
            for page in PAGES:
                assert client.get(f"/settings/{page}").status_code == 200, (role, page)
        assert Client().get("/settings/").status_code == 302

    def test_only_owners_change_the_company_and_its_members(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        other = membership(company, "revops")
        for role in ("finance", "revops", "engineer", "auditor"):
            client = signed_in(role)
            for path in (
                "/settings/",
                "/settings/members/",
                f"/settings/members/{other.id}/role/",
                f"/settings/members/{other.id}/remove/",
            ):
                assert client.post(path, {"role": "owner"}).status_code == 403, (role, path)
        assert signed_in("finance").post("/settings/api-keys/").status_code == 403


class TestCompany:
    def test_a_change_is_saved_and_on_the_stream(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        values = {"name": "Northwind", "time_zone": "Europe/Paris", "default_currency": "EUR"}

        assert signed_in("owner").post("/settings/", values).status_code == 302

        company.refresh_from_db()
        assert (company.name, company.time_zone) == ("Northwind", "Europe/Paris")
        with tenant_context(company.id):
            event = Event.objects.get(type="company.changed")
        assert "time zone from UTC to Europe/Paris" in event.data["changed"]

    def test_saving_the_same_again_changes_nothing(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        values = {"name": company.name, "time_zone": "UTC", "default_currency": "USD"}

        signed_in("owner").post("/settings/", values)

        with tenant_context(company.id):
            assert not Event.objects.filter(type="company.changed").exists()

    def test_mistakes_are_said_at_the_field(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        values = {"name": "", "time_zone": "Mars/Base", "default_currency": "XXXX"}

        response = signed_in("owner").post("/settings/", values)

        assert response.status_code == 422
        assert set(response.context["form"].errors) == {"name", "time_zone", "default_currency"}

    def test_a_legal_entity_says_what_its_next_documents_say(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(company.id):
            entity = LegalEntity.objects.get()
        values = {"name": "Northwind Ltd", "country": "GB", "address": "1 High St\r\nLondon"}

        signed_in("owner").post(f"/settings/entities/{entity.id}/", values)

        with tenant_context(company.id):
            entity.refresh_from_db()
        assert (entity.name, entity.address) == ("Northwind Ltd", "1 High St\nLondon")

    def test_another_company_s_entity_is_not_found(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        stranger = make_tenant("Stranger")
        with tenant_context(stranger.id):
            entity = LegalEntity.objects.get()

        assert signed_in("owner").get(f"/settings/entities/{entity.id}/").status_code == 404


class TestMembers:
    def invite(self, company: Any, client: Client, email: str = "new@example.com") -> Any:
        response = client.post(
            "/settings/members/", {"email": email, "name": "New Person", "role": "finance"}
        )
        with tenant_context(company.id):
            for delivery in EventDelivery.objects.filter(delivered_at__isnull=True):
                deliver(delivery_id=delivery.id, now=NOON)
        return response

    def test_an_invited_person_sets_a_password_and_signs_in(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        assert self.invite(company, signed_in("owner")).status_code == 302
        with tenant_context(company.id):
            text = OutgoingMail.objects.get(to="new@example.com").text
        link = re.search(r"http\S+", text)
        assert link is not None
        path = link.group().removeprefix("http://127.0.0.1:8000")

        browser = Client()
        form = browser.get(path, follow=True)
        action = form.request["PATH_INFO"]
        secret = "tremendous otter 41"
        browser.post(action, {"password1": secret, "password2": secret})

        user = User.objects.get(email="new@example.com")
        assert user.check_password(secret)
        assert browser.get(path, follow=True).context["token_fail"]
        browser.force_login(user, backend=BACKEND)
        assert browser.get("/revenue/").status_code == 200

    def test_a_member_is_not_invited_twice(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        client = signed_in("owner")
        self.invite(company, client)

        response = self.invite(company, client, "NEW@example.com")

        assert response.status_code == 422
        assert "already" in str(response.context["form"].errors["email"])
        assert Membership.objects.filter(user__email="new@example.com").count() == 1

    def test_who_has_a_password_elsewhere_gets_no_link_that_sets_one(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        make_member(make_tenant("Elsewhere"), "finance", "both@example.com")

        self.invite(company, signed_in("owner"), "both@example.com")

        with tenant_context(company.id):
            text = OutgoingMail.objects.get(to="both@example.com").text
        assert "/accounts/login/" in text
        assert "password/reset" not in text

    def test_the_last_owner_stays(self, company: Any, signed_in: Callable[[str], Client]) -> None:
        client = signed_in("owner")
        owner = Membership.objects.get(tenant=company, role="owner")

        demoted = client.post(
            f"/settings/members/{owner.id}/role/", {"role": "finance"}, follow=True
        )
        removed = client.post(f"/settings/members/{owner.id}/remove/", follow=True)

        for page in (demoted, removed):
            assert "is the only owner" in page.content.decode()
        assert Membership.objects.filter(tenant=company, role="owner").count() == 1

    def test_roles_change_and_members_go(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        client, other = signed_in("owner"), membership(company, "revops")

        client.post(f"/settings/members/{other.id}/role/", {"role": "auditor"})
        other.refresh_from_db()
        assert other.role == "auditor"
        client.post(f"/settings/members/{other.id}/remove/")
        assert not Membership.objects.filter(id=other.id).exists()
        with tenant_context(company.id):
            kinds = set(Event.objects.values_list("type", flat=True))
        assert {"member.role_changed", "member.removed"} <= kinds

    def test_another_company_s_member_is_not_found(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        stranger = membership(make_tenant("Stranger"), "revops")
        client = signed_in("owner")

        assert client.post(f"/settings/members/{stranger.id}/remove/").status_code == 404
        path = f"/settings/members/{stranger.id}/role/"
        assert client.post(path, {"role": "owner"}).status_code == 404
        stranger.refresh_from_db()
        assert stranger.role == "revops"


class TestApiKeys:
    def test_the_secret_is_shown_once(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        client = signed_in("engineer")

        made = client.post("/settings/api-keys/", {"name": "ci", "scopes": ["usage:write"]})

        secret = made.context["secret"]
        assert secret in made.content.decode()
        assert made["Cache-Control"] == "no-store"
        assert secret not in client.get("/settings/api-keys/").content.decode()
        assert ApiKey.objects.get_from_key(secret).scopes == ["usage:write"]  # type: ignore[attr-defined]

    def test_nobody_gives_more_than_they_have(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        response = signed_in("engineer").post(
            "/settings/api-keys/", {"name": "greedy", "scopes": ["payments:write"]}
        )

        assert response.status_code == 422
        assert "scopes" in response.context["form"].errors
        assert not ApiKey.objects.filter(name="greedy").exists()

    def test_a_key_needs_a_name_a_scope_and_a_day_to_come(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        response = signed_in("owner").post("/settings/api-keys/", {"expires_on": "2020-01-01"})

        assert set(response.context["form"].errors) == {"name", "scopes", "expires_on"}

    def test_a_revoked_key_is_refused(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        secret = make_api_key(company, "customers:read")
        key = ApiKey.objects.get(tenant=company)
        headers = {"Authorization": f"Bearer {secret}"}
        assert Client().get("/api/v1/customers", headers=headers).status_code == 200

        signed_in("owner").post(f"/settings/api-keys/{key.prefix}/revoke/")

        assert Client().get("/api/v1/customers", headers=headers).status_code == 401

    def test_another_company_s_key_is_not_found(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        stranger = make_tenant("Stranger")
        make_api_key(stranger, "customers:read")
        key = ApiKey.objects.get(tenant=stranger)

        response = signed_in("owner").post(f"/settings/api-keys/{key.prefix}/revoke/")

        assert response.status_code == 404
        key.refresh_from_db()
        assert not key.revoked

    def test_its_last_use_is_written_at_most_once_a_minute(
        self, company: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = {"Authorization": f"Bearer {make_api_key(company, 'customers:read')}"}

        def used_at(now: datetime) -> Any:
            monkeypatch.setattr(timezone, "now", lambda: now)
            Client().get("/api/v1/customers", headers=headers)
            return ApiKey.objects.get(tenant=company).last_used_at

        assert used_at(NOON) == NOON
        assert used_at(NOON + timedelta(seconds=59)) == NOON
        assert used_at(NOON + timedelta(seconds=61)) == NOON + timedelta(seconds=61)


class TestAuditLog:
    def customer(self, company: Any, name: str = "Acme") -> Any:
        with tenant_context(company.id, actor="farah@example.com"):
            row = create_customer(
                name=name,
                currency="USD",
                legal_entity_id=LegalEntity.objects.get().id,
                now=NOON,
            )
            row.name = f"{name} Corp"
            row.save()
            return row

    def test_says_who_changed_what_before_and_after(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        self.customer(company)

        response = signed_in("finance").get("/settings/audit/?action=UPDATE")

        (row,) = response.context["rows"]
        assert (row["entry"].actor, row["name"]) == ("farah@example.com", "Acme Corp")
        changes = [(one.label, one.before, one.after) for one in row["changes"]]
        assert changes == [("Name", "Acme", "Acme Corp")]

    def test_filters_by_person_and_day(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        self.customer(company)
        client = signed_in("owner")

        def count(query: str) -> int:
            return len(client.get(f"/settings/audit/?{query}").context["rows"])

        assert count("who=farah") == 2
        assert count("who=nobody") == 0
        assert count("what=customers_customer&action=INSERT") == 1
        assert count("start=2199-01-01") == 0
        assert count("start=yesterday") == 2

    def test_shows_nobody_what_their_role_may_not_read(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        tables = {
            role: {
                value
                for value, _ in signed_in(role)
                .get("/settings/audit/")
                .context["form"]["what"]
                .field.choices
            }
            for role in ("finance", "engineer")
        }

        assert "billing_payment" in tables["finance"]
        assert "billing_payment" not in tables["engineer"]
        assert "customers_customer" in tables["engineer"]

    def test_another_company_s_changes_are_not_shown(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        self.customer(make_tenant("Stranger"), "Secretive")

        assert "Secretive" not in signed_in("owner").get("/settings/audit/").content.decode()

    def test_more_changes_do_not_mean_more_queries(
        self, company: Any, signed_in: Callable[[str], Client], django_assert_max_num_queries: Any
    ) -> None:
        for number in range(30):
            self.customer(company, f"Customer {number}")
        client = signed_in("owner")

        with django_assert_max_num_queries(15):
            assert len(client.get("/settings/audit/").context["rows"]) == 50


class TestSavedViews:
    def test_one_deletes_one_s_own_only(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        mine, client = make_member(company, "finance"), Client()
        client.force_login(mine, backend=BACKEND)
        with tenant_context(company.id):
            own = SavedView.objects.create(page="invoices", name="Mine", owner_id=mine.id)
            shared = SavedView.objects.create(page="invoices", name="All", is_shared=True)
            other = make_member(company, "revops")
            SavedView.objects.create(page="invoices", name="Private", owner_id=other.id)

        page = client.get("/settings/views/").content.decode()
        assert "Mine" in page
        assert "All" in page
        assert "Private" not in page
        assert client.post(f"/settings/views/{own.id}/delete/").status_code == 302
        assert client.post(f"/settings/views/{shared.id}/delete/").status_code == 404


class TestSwitch:
    def test_works_in_the_other_company_a_person_belongs_to(self, company: Any) -> None:
        other = make_tenant("Globex")
        user = make_member(company, "owner")
        Membership.objects.create(user=user, tenant=other, role="auditor")
        client = Client()
        client.force_login(user, backend=BACKEND)
        assert client.get("/settings/").context["tenant"] == company

        client.post("/settings/switch/", {"tenant": str(other.id)})

        assert client.get("/settings/").context["tenant"] == other

    def test_refuses_a_company_one_does_not_belong_to(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        client = signed_in("owner")

        for tenant in (str(make_tenant("Stranger").id), "nonsense"):
            assert client.post("/settings/switch/", {"tenant": tenant}).status_code == 404
        assert client.get("/settings/").context["tenant"] == company


class TestActivity:
    def test_lists_facts_and_shows_one_with_its_reactions(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        client = signed_in("owner")
        client.post("/settings/members/", {"email": "new@example.com", "role": "finance"})

        page = client.get("/events/?type=member.invited")
        (row,) = page.context["rows"]
        assert (row["what"], row["about"]) == ("Member invited", "new@example.com")
        one = client.get(f"/events/{row['event'].id}/")
        assert [str(each.handler) for each in one.context["deliveries"]] == ["mail.invite_member"]

    def test_a_failed_reaction_is_run_again(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        client = signed_in("owner")
        client.post("/settings/members/", {"email": "new@example.com", "role": "finance"})
        with tenant_context(company.id):
            delivery = EventDelivery.objects.get(handler="mail.invite_member")
            EventDelivery.objects.filter(id=delivery.id).update(
                attempts=8, next_attempt_at=None, last_error="broken"
            )
        assert len(client.get("/events/?failed=on").context["rows"]) == 1

        client.post(f"/events/deliveries/{delivery.id}/replay/")

        with tenant_context(company.id):
            delivery.refresh_from_db()
        assert delivery.attempts == 0

    def test_revops_do_not_read_the_stream_and_strangers_see_none_of_it(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        assert signed_in("revops").get("/events/").status_code == 403
        stranger = make_tenant("Stranger")
        with tenant_context(stranger.id):
            TestAuditLog().customer(stranger, "Secretive")
            event = Event.objects.get(type="customer.created")
        client = signed_in("owner")

        assert "Secretive" not in client.get("/events/").content.decode()
        assert client.get(f"/events/{event.id}/").status_code == 404

    def test_more_facts_do_not_mean_more_queries(
        self, company: Any, signed_in: Callable[[str], Client], django_assert_max_num_queries: Any
    ) -> None:
        for number in range(55):
            TestAuditLog().customer(company, f"Customer {number}")
        client = signed_in("owner")

        with django_assert_max_num_queries(15):
            page = client.get("/events/")
        assert len(page.context["rows"]) == 50
        assert page.context["rows"][0]["about"] == "Customer 54 Corp"
