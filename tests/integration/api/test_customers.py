"""Customers over the API."""

from typing import Any

import pytest

from tests.integration.api.conftest import Api, fields_of


class TestCustomers:
    def test_a_customer_has_the_usual_terms_unless_told_otherwise(self, api: Api) -> None:
        made = api.made("customers", {"name": "Acme", "currency": "USD", "tax_percent": "7.25"})

        assert (made["payment_terms_days"], made["tax_percent"]) == (30, "7.25")
        assert made["tax_treatment"] == "taxable"
        assert api.get(f"customers/{made['id']}").json() == made

    def test_a_change_leaves_the_rest_alone(self, api: Api, customer: Any) -> None:
        changed = api.made(
            f"customers/{customer['id']}", {"notes": "Key account"}, method="patch", status=200
        )

        assert changed == {**customer, "notes": "Key account"}

    def test_two_customers_cannot_share_an_external_id(self, api: Api) -> None:
        body = {"name": "Acme", "currency": "USD", "external_id": "crm-1"}
        first = api.made("customers", body)

        answer = api.post("customers", body)
        again = api.made(
            f"customers/{first['id']}", {"external_id": "crm-1"}, method="patch", status=200
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "external_id_taken")
        assert again["external_id"] == "crm-1"

    def test_the_first_contact_is_the_primary(self, api: Api, customer: Any) -> None:
        path = f"customers/{customer['id']}/contacts"
        api.made(path, {"name": "Ann", "email": "ann@example.com"})
        api.made(path, {"name": "Bob", "email": "bob@example.com"})

        found = api.get(f"customers/{customer['id']}").json()["contacts"]

        assert {c["name"]: c["is_primary"] for c in found} == {"Ann": True, "Bob": False}
        assert len(api.get(path).json()["results"]) == 2

    def test_a_contact_changes_and_leaves(self, api: Api, customer: Any) -> None:
        path = f"customers/{customer['id']}/contacts"
        ann = api.made(path, {"name": "Ann", "email": "ann@example.com"})
        bob = api.made(path, {"name": "Bob", "email": "bob@example.com"})

        taken = api.call("patch", f"{path}/{bob['id']}", {"email": "ann@example.com"})
        renamed = api.made(f"{path}/{bob['id']}", {"name": "Bo"}, method="patch", status=200)
        gone = api.call("delete", f"{path}/{ann['id']}")

        assert (taken.status_code, taken.json()["code"]) == (409, "contact_email_taken")
        assert renamed == {**bob, "name": "Bo"}
        assert gone.status_code == 204
        assert api.get(path).json()["results"] == [{**renamed, "is_primary": True}]
        assert api.call("delete", f"{path}/{ann['id']}").status_code == 404

    def test_a_contact_is_found_under_its_own_customer_only(self, api: Api, customer: Any) -> None:
        other = api.made("customers", {"name": "Borg", "currency": "USD"})
        made = api.made(
            f"customers/{other['id']}/contacts", {"name": "A", "email": "a@example.com"}
        )

        answer = api.call("delete", f"customers/{customer['id']}/contacts/{made['id']}")

        assert answer.status_code == 404

    def test_an_alias_belongs_to_one_customer_at_a_time(self, api: Api, customer: Any) -> None:
        other = api.made("customers", {"name": "Borg", "currency": "USD"})
        path = f"customers/{customer['id']}/aliases"
        made = api.made(path, {"alias": "acme", "valid_until": "2026-02-01T00:00:00Z"})
        body = {"alias": "acme", "valid_from": "2026-01-01T00:00:00Z"}

        refused = api.post(f"customers/{other['id']}/aliases", body)
        later = api.post(
            f"customers/{other['id']}/aliases", {**body, "valid_from": "2026-02-01T00:00:00Z"}
        )

        assert (made["valid_from"], made["valid_until"]) == (None, "2026-02-01T00:00:00Z")
        assert (refused.status_code, refused.json()["code"]) == (409, "alias_held")
        assert later.status_code == 201
        assert api.get(path).json()["results"] == [made]
        assert [c["name"] for c in api.get("customers", {"alias": "acme"}).json()["results"]] == [
            "Borg",
            "Acme",
        ]

    def test_lists_are_filtered(self, api: Api, customer: Any) -> None:
        api.made("customers", {"name": "Borg", "currency": "EUR"})

        def names(**query: str) -> list[str]:
            return [row["name"] for row in api.get("customers", query).json()["results"]]

        assert names(search="cm") == ["Acme"]
        assert names(currency="EUR") == ["Borg"]
        assert names(is_archived="true") == []

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": None}, "name"),
            ({"currency": "XXZ"}, "currency"),
            ({"currency": 5}, "currency"),
            ({"time_zone": "Mars/Olympus"}, "time_zone"),
            ({"country": "usa"}, "country"),
            ({"tax_percent": "100.1"}, "tax_percent"),
            ({"tax_percent": "NaN"}, "tax_percent"),
            ({"tax_percent": True}, "tax_percent"),
            ({"payment_terms_days": -1}, "payment_terms_days"),
            ({"payment_terms_days": 10**30}, "payment_terms_days"),
            ({"tax_treatment": "none"}, "tax_treatment"),
            ({"legal_entity": "0198f0d4-0000-7000-8000-000000000000"}, "legal_entity"),
            ({"surname": "x"}, "surname"),
            ({"is_archived": True}, "is_archived"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, api: Api, change: dict[str, Any], field: str
    ) -> None:
        answer = api.post("customers", {"name": "Acme", "currency": "USD", **change})

        assert fields_of(answer) == {field}

    @pytest.mark.parametrize(
        ("path", "body", "fields"),
        [
            ("contacts", {"name": "Ann", "email": "ann"}, {"email"}),
            ("contacts", {}, {"name", "email"}),
            ("aliases", {}, {"alias"}),
            ("aliases", {"alias": "a", "valid_from": "soon"}, {"valid_from"}),
            (
                "aliases",
                {
                    "alias": "a",
                    "valid_from": "2026-02-01T00:00:00Z",
                    "valid_until": "2026-01-01T00:00:00Z",
                },
                {"valid_until"},
            ),
        ],
    )
    def test_names_the_field_of_a_contact_or_alias(
        self, api: Api, customer: Any, path: str, body: Any, fields: set[str]
    ) -> None:
        assert fields_of(api.post(f"customers/{customer['id']}/{path}", body)) == fields
