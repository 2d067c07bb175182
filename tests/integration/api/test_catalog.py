"""The catalog and the calculator over the API."""

from typing import Any

import pytest

from tests.integration.api.conftest import CALLS, Api, fields_of


class TestCatalog:
    def test_a_price_comes_with_its_first_version_published(self, platform: Any) -> None:
        (version,) = platform["versions"]

        assert (version["number"], version["status"]) == (1, "published")
        assert version["model"] == {"model": "flat", "amount": "500"}

    def test_usage_is_billed_in_arrears_and_recognized_as_used(self, api: Api, calls: Any) -> None:
        product = api.get(f"products/{calls['product']}").json()

        assert calls["timing"] == "in_arrears"
        assert product["recognition"] == "usage"

    def test_a_change_is_a_new_version(self, api: Api, platform: Any) -> None:
        path = f"prices/{platform['id']}"
        drafted = api.made(f"{path}/versions", {"model": {"model": "flat", "amount": 550.50}})
        redrafted = api.made(f"{path}/versions", {"model": {"model": "flat", "amount": "560"}})
        published = api.made(f"{path}/publish", status=200)

        assert (drafted["number"], drafted["model"]["amount"]) == (2, "550.5")
        assert redrafted["id"] == drafted["id"] == published["id"]
        statuses = [v["status"] for v in api.get(f"{path}/versions").json()["results"]]
        assert statuses == ["published", "published"]
        assert api.post(f"{path}/publish").json()["code"] == "no_draft_version"

    def test_a_product_is_taken_off_sale(self, api: Api, platform: Any) -> None:
        path = f"products/{platform['product']}"

        archived = api.made(path, {"is_archived": True}, method="patch", status=200)

        assert archived["is_archived"]
        assert api.get("products", {"is_archived": "false"}).json()["results"] == []
        assert fields_of(api.call("patch", path, {"name": "New"})) == {"name"}

    def test_the_cost_of_a_product_is_noted_and_taken_back(self, api: Api, platform: Any) -> None:
        path = f"products/{platform['product']}"

        noted = api.made(path, {"cost_percent": "22.5"}, method="patch", status=200)
        unknown = api.made(path, {"cost_percent": None}, method="patch", status=200)

        assert (noted["cost_percent"], unknown["cost_percent"]) == ("22.5", None)
        assert fields_of(api.call("patch", path, {"cost_percent": "-1"})) == {"cost_percent"}

    def test_a_code_is_used_once(self, api: Api, platform: Any) -> None:
        answer = api.post("products", {"code": "platform", "name": "Again", "kind": "fixed"})

        assert (answer.status_code, answer.json()["code"]) == (409, "code_taken")

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"code": "two words"}, "code"),
            ({"name": "x" * 121}, "name"),
            ({"kind": "gift"}, "kind"),
            ({"recognition": "usage"}, "recognition"),
            ({"price": "5"}, "price"),
        ],
    )
    def test_names_the_field_of_a_product(
        self, api: Api, change: dict[str, Any], field: str
    ) -> None:
        body = {"code": "new", "name": "New", "kind": "fixed", **change}

        assert fields_of(api.post("products", body)) == {field}

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"product": "0198f0d4-0000-7000-8000-000000000000"}, "product"),
            ({"product": "x"}, "product"),
            ({"currency": "QQQ"}, "currency"),
            ({"frequency": "daily"}, "frequency"),
            ({"proration": "half"}, "proration"),
            ({"meter": "0198f0d4-0000-7000-8000-000000000000"}, "meter"),
            ({"model": {}}, "model.model"),
            ({"model": "flat"}, "model"),
            ({"model": {"model": "free"}}, "model.model"),
            ({"model": {"model": "flat"}}, "model.amount"),
            ({"model": {"model": "flat", "amount": "-1"}}, "model.amount"),
            ({"model": {"model": "flat", "amount": "1e15"}}, "model.amount"),
            ({"model": {"model": "flat", "amount": "1", "fee": "1"}}, "model.fee"),
            ({"model": {"model": "volume", "tiers": []}}, "model.tiers"),
            (
                {"model": {"model": "volume", "tiers": [{"up_to": "5"}, {"up_to": "4"}]}},
                "model.tiers[1].up_to",
            ),
            ({"model": {"model": "package", "size": "0", "package_price": "1"}}, "model.size"),
        ],
    )
    def test_names_the_field_of_a_price(
        self, api: Api, platform: Any, change: dict[str, Any], field: str
    ) -> None:
        body = {
            "product": platform["product"],
            "code": "new",
            "name": "New",
            "currency": "USD",
            "frequency": "monthly",
            "model": {"model": "flat", "amount": "1"},
            **change,
        }

        assert fields_of(api.post("prices", body)) == {field}

    def test_a_usage_price_needs_its_meter(self, api: Api, calls: Any) -> None:
        body = {
            "product": calls["product"],
            "code": "unmetered",
            "name": "Unmetered",
            "currency": "USD",
            "frequency": "monthly",
            "model": CALLS,
        }

        assert fields_of(api.post("prices", body)) == {"meter"}


class TestEstimate:
    def test_shows_every_step_and_rounds_once(self, api: Api) -> None:
        found = api.made(
            "pricing/estimate",
            {
                "currency": "USD",
                "items": [
                    {"model": CALLS, "quantity": "1200"},
                    {"model": {"model": "per_unit", "unit_price": "0.005"}, "quantity": "1"},
                    {"model": {"model": "flat", "amount": "9"}},
                ],
            },
            status=200,
        )

        assert found["total"] == "125.01"
        assert [line["amount"] for line in found["lines"]] == ["116.00", "0.01", "9.00"]
        assert found["lines"][1]["exact"] == "0.005"
        assert [step["exact"] for step in found["lines"][0]["steps"]] == ["100", "16"]

    def test_amounts_have_the_decimals_of_their_currency(self, api: Api) -> None:
        item = {"model": {"model": "per_unit", "unit_price": "0.5"}, "quantity": "3"}

        def total(currency: str) -> str:
            body = {"currency": currency, "items": [item]}
            found = api.made("pricing/estimate", body, status=200)
            return str(found["total"])

        assert (total("JPY"), total("KWD")) == ("2", "1.500")

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, {"currency", "items"}),
            ({"currency": "USD", "items": {}}, {"items"}),
            ({"currency": "USD", "items": [{"quantity": "1"}]}, {"items[0].model"}),
            (
                {"currency": "USD", "items": [{"model": CALLS, "quantity": "-1"}]},
                {"items[0].quantity"},
            ),
            (
                {"currency": "USD", "items": [{"model": {"model": "per_unit"}}]},
                {"items[0].model.unit_price"},
            ),
        ],
    )
    def test_names_the_field_that_is_wrong(self, api: Api, body: Any, fields: set[str]) -> None:
        assert fields_of(api.post("pricing/estimate", body)) == fields

    def test_extreme_prices_are_still_exact(self, api: Api) -> None:
        tiny = {"model": "package", "size": "0.000000000001", "package_price": "9" * 15}
        found = api.made(
            "pricing/estimate",
            {"currency": "USD", "items": [{"model": tiny, "quantity": "9" * 12}]},
            status=200,
        )

        assert found["total"] == f"{int('9' * 15) * int('9' * 12) * 10**12}.00"
