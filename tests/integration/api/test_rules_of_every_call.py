"""What holds for every call: isolation, permissions, repeating, paging, problems."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

from monetization.kernel.ids import uuid7
from monetization.users.models import ApiKey
from monetization.users.permissions import PERMISSIONS, SCOPES
from tests.factories import make_api_key
from tests.factories_billing import PLATFORM, billed, deal
from tests.integration.api.conftest import Api, fields_of, line_of

NOW = datetime(2026, 2, 2, 12, tzinfo=UTC)


class TestIsolation:
    @pytest.fixture
    def theirs(self, make_tenant: Any, platform: Any, customer: Any, api: Api, inside: Any) -> Any:
        """One row of every resource of the company, by the path it is read at."""
        quote = api.made(
            "quotes",
            {
                "customer": customer["id"],
                "title": "Deal",
                "start_on": "2026-01-01",
                "phases": [{"months": 12, "lines": [line_of(platform)]}],
            },
        )
        with inside():
            schedule = billed(deal(PLATFORM), now=NOW)
        invoice = api.get("invoices", {"status": "draft"}).json()["results"][0]
        api.made(f"invoices/{invoice['id']}/issue", {"issued_on": "2026-02-02"}, status=200)
        note = api.made(
            f"invoices/{invoice['id']}/credit", {"reason": "x", "issued_on": "2026-02-02"}
        )
        payment = api.made(
            "payments",
            {
                "customer": customer["id"],
                "currency": "USD",
                "amount": "5",
                "received_on": "2026-02-02",
                "reference": "w1",
            },
        )
        job = api.made("invoices/bulk", {"action": "recalculate", "filter": {}}, status=202)

        def first(path: str) -> str:
            return f"{path}/{api.get(path).json()['results'][0]['id']}"

        return [
            f"customers/{customer['id']}",
            f"products/{platform['product']}",
            f"prices/{platform['id']}",
            f"quotes/{quote['id']}",
            f"order-forms/{schedule.order_form_id}",
            f"schedules/{schedule.id}",
            f"invoices/{invoice['id']}",
            f"credit-notes/{note['id']}",
            f"payments/{payment['id']}",
            f"jobs/{job['id']}",
            first("events"),
            first("journal-entries"),
        ]

    def test_another_companys_row_looks_like_one_that_never_was(
        self, api: Api, make_tenant: Any, theirs: list[str]
    ) -> None:
        stranger = Api(make_tenant("Borg"))
        for path in theirs:
            assert api.get(path).status_code == 200, path
            kind = path.partition("/")[0]
            hidden, unknown = stranger.get(path), stranger.get(f"{kind}/{uuid7()}")
            garbled = stranger.get(f"{kind}/nothing")
            assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found"), path
            assert hidden.content == unknown.content == garbled.content, path
            assert stranger.get(kind).json()["results"] == [], path

    def test_nothing_can_be_done_to_another_companys_rows(
        self, make_tenant: Any, theirs: list[str]
    ) -> None:
        stranger = Api(make_tenant("Borg"))
        by_kind = {path.partition("/")[0]: path for path in theirs}
        for kind, action in [
            ("customers", "contacts"),
            ("customers", "aliases"),
            ("prices", "versions"),
            ("prices", "publish"),
            ("quotes", "send"),
            ("quotes", "revise"),
            ("quotes", "request-approval"),
            ("quotes", "reopen"),
            ("quotes", "comments"),
            ("order-forms", "schedule"),
            ("order-forms", "renew"),
            ("schedules", "activate"),
            ("schedules", "suspend"),
            ("schedules", "end"),
            ("schedules", "resume"),
            ("schedules", "cancel"),
            ("schedules", "seats"),
            ("invoices", "recalculate"),
            ("invoices", "issue"),
            ("invoices", "send"),
            ("invoices", "void"),
            ("invoices", "credit"),
            ("invoices", "lines"),
            ("invoices", "comments"),
            ("invoices", "waive"),
            ("invoices", "reissue"),
            ("invoices", "write-off"),
            ("invoices", "reinstate"),
            ("invoices", "remind"),
            ("jobs", "cancel"),
            ("jobs", "retry"),
        ]:
            answer = stranger.post(f"{by_kind[kind]}/{action}", {"reason": "x"})
            assert answer.status_code == 404, (kind, action)

    def test_another_companys_row_cannot_be_referred_to(
        self, make_tenant: Any, customer: Any
    ) -> None:
        stranger = Api(make_tenant("Borg"))
        body = {"title": "Deal", "start_on": "2026-01-01"}

        theirs = stranger.post("quotes", {**body, "customer": customer["id"]})
        unknown = stranger.post("quotes", {**body, "customer": str(uuid7())})

        assert fields_of(theirs) == {"customer"}
        assert theirs.content == unknown.content


class TestPermissions:
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_without_a_key_nothing_is_shown(self, db: None, method: str) -> None:
        for route in ("customers", "quotes", "invoices", "payments", "revenue/trial-balance"):
            answer = getattr(Client(), method)(f"/api/v1/{route}")
            assert answer.status_code == 401, route
            assert answer["Content-Type"] == "application/problem+json"

    @pytest.mark.parametrize(
        ("method", "path", "scope"),
        [
            ("get", "customers", "customers:read"),
            ("post", "customers", "customers:write"),
            ("get", "products", "catalog:read"),
            ("post", "prices", "catalog:write"),
            ("post", "pricing/estimate", "catalog:read"),
            ("get", "quotes", "quotes:read"),
            ("post", "quotes", "quotes:write"),
            ("get", "order-forms", "quotes:read"),
            ("get", "approvals", "approvals:read"),
            ("get", "approval-rules", "approval-rules:read"),
            ("post", "approval-rules", "approval-rules:write"),
            ("get", "schedules", "schedules:read"),
            (
                "post",
                "order-forms/0198f0d4-0000-7000-8000-000000000000/schedule",
                "schedules:write",
            ),
            ("get", "invoices", "invoices:read"),
            ("post", "invoices/bulk", "invoices:write"),
            ("get", "credit-notes", "invoices:read"),
            ("get", "payments", "payments:read"),
            ("post", "payments", "payments:write"),
            ("get", "revenue/trial-balance", "revenue:read"),
            ("post", "revenue/close", "revenue:write"),
            ("post", "revenue/recognize", "revenue:write"),
            ("post", "revenue/reopen", "revenue:write"),
            ("get", "journal-entries", "revenue:read"),
            ("get", "accounting-periods", "revenue:read"),
            ("get", "jobs", "jobs:read"),
            ("get", "events", "events:read"),
            ("get", "mail", "mail:read"),
        ],
    )
    def test_a_key_without_the_scope_is_refused_and_with_it_let_in(
        self, company: Any, method: str, path: str, scope: str
    ) -> None:
        without = Api(company, *(name for name in SCOPES if name != scope))
        only = Api(company, scope)

        refused = without.call(method, path, None)
        allowed = only.call(method, path, None)

        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
        assert allowed.status_code in (200, 404, 422)

    def test_every_view_needs_a_permission_that_exists(self) -> None:
        patterns: list[Any] = [
            route
            for mounted in get_resolver().url_patterns
            if str(mounted.pattern) == "api/v1/"
            for route in cast("URLResolver", mounted).url_patterns
        ]
        assert len(patterns) > 60
        for route in patterns:
            view = getattr(route.callback, "cls", None) or route.callback.view_class
            resource = getattr(view, "permission_resource", None)
            needed = {*getattr(view, "action_permissions", {}).values()}
            if resource:
                needed.add(f"{resource}:read")
            assert needed, route
            assert needed <= set(PERMISSIONS), route


class TestApiKeys:
    def test_the_secret_is_shown_once_and_works_until_revoked(self, company: Any) -> None:
        engineer = Api(company, role="engineer")
        body = {"name": "ci", "scopes": ["usage:write", "usage:read"]}

        made = engineer.made("api-keys", body)
        headers = {"Authorization": f"Bearer {made['secret']}"}
        assert Client().get("/api/v1/usage-events", headers=headers).status_code == 200
        listed = engineer.get("api-keys").json()["results"]
        revoked = engineer.made(f"api-keys/{made['prefix']}/revoke", status=200)

        assert [key["name"] for key in listed] == ["ci"]
        assert "secret" not in listed[0]
        assert (revoked["is_revoked"], revoked["created_by"]) == (True, listed[0]["created_by"])
        answer = Client().get("/api/v1/usage-events", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")

    def test_nobody_gives_what_they_do_not_have(self, company: Any) -> None:
        engineer = Api(company, role="engineer")

        answer = engineer.post("api-keys", {"name": "ci", "scopes": ["payments:write"]})

        assert (answer.status_code, answer.json()["code"]) == (409, "scope_not_held")
        assert fields_of(engineer.post("api-keys", {"name": "x" * 51, "scopes": []})) == {
            "name",
            "scopes",
        }

    def test_a_key_cannot_make_keys(self, api: Api, company: Any) -> None:
        assert api.get("api-keys").status_code == 403
        assert Api(company, role="finance").get("api-keys").status_code == 403

    def test_a_repeat_does_not_show_the_secret_again(self, company: Any) -> None:
        owner = Api(company, role="owner")
        body = {"name": "ci", "scopes": ["usage:write"]}
        first, again = (owner.post("api-keys", body, **{"Idempotency-Key": "k1"}) for _ in range(2))

        assert first.json()["prefix"] == again.json()["prefix"]
        assert "secret" in first.json()
        assert "secret" not in again.json()
        assert ApiKey.objects.filter(tenant=company).count() == 1

    def test_another_companys_keys_are_unknown(self, company: Any, make_tenant: Any) -> None:
        prefix = make_api_key(make_tenant("Borg"), "usage:read").partition(".")[0]
        owner = Api(company, role="owner")

        assert owner.get(f"api-keys/{prefix}").status_code == 404
        assert owner.post(f"api-keys/{prefix}/revoke").status_code == 404


class TestRepeating:
    BODY = {"name": "Acme", "currency": "USD"}

    def test_the_same_key_gets_the_first_answer(self, api: Api) -> None:
        first = api.post("customers", self.BODY, **{"Idempotency-Key": "k1"})
        again = api.post("customers", self.BODY, **{"Idempotency-Key": "k1"})

        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again["Idempotency-Replayed"] == "true"
        assert len(api.get("customers").json()["results"]) == 1

    def test_the_same_key_for_something_else_is_refused(self, api: Api) -> None:
        api.post("customers", self.BODY, **{"Idempotency-Key": "k1"})

        other = api.post("customers", {**self.BODY, "name": "B"}, **{"Idempotency-Key": "k1"})

        assert (other.status_code, other.json()["code"]) == (422, "unprocessable")

    def test_a_call_that_failed_may_be_repeated(self, api: Api) -> None:
        failed = api.post("customers", {"name": "Acme"}, **{"Idempotency-Key": "k1"})
        fixed = api.post("customers", self.BODY, **{"Idempotency-Key": "k1"})

        assert (failed.status_code, fixed.status_code) == (422, 201)

    def test_keys_of_two_clients_do_not_meet(self, api: Api, company: Any) -> None:
        owner = Api(company, role="owner")
        api.post("customers", self.BODY, **{"Idempotency-Key": "k1"})
        owner.post("customers", self.BODY, **{"Idempotency-Key": "k1"})

        assert len(api.get("customers").json()["results"]) == 2

    def test_keys_of_two_api_keys_of_one_name_do_not_meet(self, api: Api, company: Any) -> None:
        other = Api(company)
        assert len(set(ApiKey.objects.filter(tenant=company).values_list("name", flat=True))) == 1
        first = api.post("customers", self.BODY, **{"Idempotency-Key": "k1"})
        second = other.post("customers", {**self.BODY, "name": "B"}, **{"Idempotency-Key": "k1"})

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["id"] != second.json()["id"]


class TestPages:
    def test_a_list_is_walked_without_gap_or_repeat(self, api: Api) -> None:
        made = [
            api.made("customers", {"name": f"C{n}", "currency": "USD"})["name"] for n in range(5)
        ]

        path, seen = "customers?page_size=2", []
        while path:
            page = api.get(path).json()
            seen += [row["name"] for row in page["results"]]
            path = (page["next"] or "").partition("/api/v1/")[2]

        assert seen == made[::-1]

    @pytest.mark.parametrize(
        "cursor", ["x", "cD1ub3RoaW5n", "cD0lMDA=", "bz0tMQ==", "", "é", "cD0wMTk4ZjBkNA=="]
    )
    def test_a_made_up_cursor_is_a_problem_not_an_error(self, api: Api, cursor: str) -> None:
        for path in ("customers", "events", "accounting-periods", "journal-entries"):
            assert api.get(path, {"cursor": cursor}).status_code in (200, 404)

    @pytest.mark.parametrize(
        ("path", "query", "field"),
        [
            ("customers", {"search": "a\x00"}, "search"),
            ("quotes", {"customer": "x"}, "customer"),
            ("quotes", {"status": "lost"}, "status"),
            ("invoices", {"bill_on_from": "soon"}, "bill_on_from"),
            ("invoices", {"month": "2026-13"}, "month"),
            ("payments", {"received_on_to": "1"}, "received_on_to"),
            ("journal-entries", {"account": "petty_cash"}, "account"),
            ("events", {"occurred_from": "yesterday"}, "occurred_from"),
            ("revenue/waterfall", {"from_month": "2026-01"}, "to_month"),
            (
                "revenue/waterfall",
                {"from_month": "2026-02", "to_month": "2026-01"},
                "to_month",
            ),
            ("revenue/trial-balance", {"as_of": "9999-12-31"}, "as_of"),
        ],
    )
    def test_a_filter_that_makes_no_sense_is_named(
        self, api: Api, path: str, query: dict[str, str], field: str
    ) -> None:
        assert fields_of(api.get(path, query)) == {field}


def test_an_address_that_does_not_exist_is_a_problem_too(client: Any) -> None:
    answer = client.get("/api/v1/no-such-thing")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
