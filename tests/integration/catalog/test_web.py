"""Pages about products and prices."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from metering.services import create_meter
from monetization.catalog import services
from monetization.catalog.models import Price, PriceVersion, Product
from monetization.tenancy.context import tenant_context
from tests.factories import make_member

HOSTILE = "<script>alert(1)</script>"
GRADUATED = {
    "model": "graduated",
    "tiers": [
        {"up_to": "1000", "unit_price": "0.10", "flat_fee": "0"},
        {"up_to": None, "unit_price": "0.08", "flat_fee": "5"},
    ],
}


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    return make_tenant("Northwind Software")


def signed_in(tenant: Any, role: str = "revops") -> Client:
    client = Client()
    client.force_login(
        make_member(tenant, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def product_of(tenant: Any, name: str = "Platform", kind: str = "fixed") -> Product:
    with tenant_context(tenant.id, actor="test"):
        count = Product.objects.count()
        return services.create_product(code=f"product-{count}", name=name, kind=kind)


def price_of(tenant: Any, product: Product, model: Any = None, **changes: Any) -> Price:
    with tenant_context(tenant.id, actor="test"):
        if product.kind == "usage" and "meter_id" not in changes:
            key = f"meter-{Price.objects.count()}"
            meter = create_meter(
                key=key, name="Events", event_type=key, aggregation="count", now=timezone.now()
            )
            changes["meter_id"] = meter.id
        return services.create_price(
            product_id=product.id,
            code=changes.pop("code", f"price-{Price.objects.count()}"),
            name=changes.pop("name", "List price"),
            currency=changes.pop("currency", "USD"),
            frequency="monthly",
            timing="in_advance",
            model=model or {"model": "flat", "amount": "500"},
            now=timezone.now(),
            **changes,
        )


def sent(**changes: str) -> dict[str, str]:
    return {
        "name": "API calls, list",
        "currency": "USD",
        "frequency": "monthly",
        "timing": "in_advance",
        "proration": "daily",
        "publish": "on",
        "action": "save",
        **changes,
    }


def tiered(**changes: str) -> dict[str, str]:
    return sent(
        **{
            "model": "graduated",
            "shown_model": "graduated",
            "tiers-0-up_to": "1000",
            "tiers-0-unit_price": "0.10",
            "tiers-0-flat_fee": "",
            "tiers-1-up_to": "",
            "tiers-1-unit_price": "0.08",
            "tiers-1-flat_fee": "5",
            **changes,
        }
    )


class TestList:
    def test_groups_prices_by_product_and_says_their_numbers(self, company: Any) -> None:
        product = product_of(company, "API calls")
        price_of(company, product, GRADUATED, name="Standard")
        price_of(company, product, {"model": "per_unit", "unit_price": "0.0005"}, name="Bulk")

        page = signed_in(company).get("/catalog/").content.decode()

        assert page.index("API calls") < page.index("Bulk") < page.index("Standard")
        assert "$0.10 to $0.08 per unit in 2 tiers" in page
        assert "$0.0005 per unit" in page

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({}, ["Platform", "Seats"]),
            ({"kind": "seat"}, ["Seats"]),
            ({"currency": "EUR"}, ["Seats"]),
            ({"q": "plat"}, ["Platform"]),
            ({"q": "euro"}, ["Seats"]),
            ({"kind": "nonsense"}, ["Platform", "Seats"]),
            ({"archived": "yes"}, ["Old"]),
        ],
    )
    def test_filters_by_what_the_address_says(
        self, company: Any, query: dict[str, str], names: list[str]
    ) -> None:
        price_of(company, product_of(company, "Platform"))
        price_of(company, product_of(company, "Seats", "seat"), currency="EUR", name="Euro seats")
        with tenant_context(company.id):
            old = services.create_product(code="old", name="Old", kind="fixed")
            services.archive_product(product_id=old.id, is_archived=True)

        answer = signed_in(company).get("/catalog/", query)

        assert [product.name for product in answer.context["page"]] == names

    def test_costs_the_same_queries_for_many_products(self, company: Any) -> None:
        client = signed_in(company)
        price_of(company, product_of(company))
        client.get("/catalog/")
        with CaptureQueriesContext(connection) as few:
            client.get("/catalog/")
        for _ in range(12):
            product = product_of(company)
            price_of(company, product)
            price_of(company, product, GRADUATED)
        with CaptureQueriesContext(connection) as many:
            client.get("/catalog/")
        assert len(few) == len(many) <= 12

    def test_says_the_next_step_when_nothing_is_on_sale(self, company: Any) -> None:
        assert "Add a product" in signed_in(company).get("/catalog/").content.decode()

    def test_names_that_are_scripts_and_formulas_are_only_text(self, company: Any) -> None:
        product = product_of(company, HOSTILE)
        price = price_of(company, product, GRADUATED, name="=1+1")
        client = signed_in(company)

        for path in ("", f"products/{product.id}", f"prices/{price.id}"):
            assert HOSTILE not in client.get(f"/catalog/{path}").content.decode()
        export = b"".join(client.get("/catalog/export.csv")).decode("utf-8-sig")
        assert "'=1+1" in export


class TestPermissions:
    @pytest.mark.parametrize("role", ["engineer", "auditor"])
    def test_some_read_and_do_not_write(self, company: Any, role: str) -> None:
        product = product_of(company)
        price, client = price_of(company, product), signed_in(company, role)
        assert client.get("/catalog/").status_code == 200
        assert client.get(f"/catalog/prices/{price.id}").status_code == 200
        assert client.get(f"/catalog/prices/{price.id}/calculate?quantity=1").status_code == 200
        for path in (f"products/{product.id}/prices/new", f"prices/{price.id}/draft"):
            assert client.get(f"/catalog/{path}").status_code == 403
        for path in (
            "products/new",
            f"products/{product.id}/prices/new",
            f"prices/{price.id}/draft",
            f"prices/{price.id}/publish",
            f"products/{product.id}/archive",
        ):
            assert client.post(f"/catalog/{path}", {}).status_code == 403

    def test_another_companys_price_does_not_exist(
        self, company: Any, make_tenant: Callable[..., Any]
    ) -> None:
        other = make_tenant("Contoso")
        product = product_of(other)
        price, client = price_of(other, product), signed_in(company)
        for path in (
            f"products/{product.id}",
            f"products/{product.id}/prices/new",
            f"prices/{price.id}",
            f"prices/{price.id}/draft",
            f"prices/{price.id}/calculate?quantity=1",
        ):
            assert client.get(f"/catalog/{path}").status_code == 404
        assert client.post(f"/catalog/prices/{price.id}/publish").status_code == 404


class TestProducts:
    def test_adds_a_product_with_a_code_from_its_name(self, company: Any) -> None:
        signed_in(company).post("/catalog/products/new", {"name": "API calls", "kind": "usage"})
        with tenant_context(company.id):
            product = Product.objects.get()
        assert (product.code, product.recognition) == ("api-calls", "usage")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": ""}, "name"),
            ({"kind": "magic"}, "kind"),
            ({"name": "日本"}, "code"),
            ({"code": "product-0"}, "code"),
            ({"recognition": "usage"}, "recognition"),
            ({"kind": "usage", "recognition": "point_in_time"}, "recognition"),
        ],
    )
    def test_says_what_is_wrong_at_the_field(
        self, company: Any, changes: dict[str, str], field: str
    ) -> None:
        product_of(company)
        answer = signed_in(company).post(
            "/catalog/products/new", {"name": "Platform", "kind": "fixed", **changes}
        )
        assert answer.status_code == 422
        assert field in answer.context["form"].errors


class TestNewPrice:
    def test_adds_a_graduated_price_and_publishes_it(self, company: Any) -> None:
        product = product_of(company)

        answer = signed_in(company).post(f"/catalog/products/{product.id}/prices/new", tiered())

        assert answer.status_code == 302, answer.context["charge"].model.errors
        with tenant_context(company.id):
            version = PriceVersion.objects.get()
        assert version.status == "published"
        assert version.model == {
            "model": "graduated",
            "tiers": [
                {"up_to": "1000", "unit_price": "0.1", "flat_fee": "0"},
                {"up_to": None, "unit_price": "0.08", "flat_fee": "5"},
            ],
            "flat_fee_at_zero": False,
        }

    @pytest.mark.parametrize(
        ("numbers", "model"),
        [
            ({"model": "flat", "amount": "500"}, {"model": "flat", "amount": "500"}),
            (
                {"model": "per_unit", "unit_price": "0.000000000001"},
                {"model": "per_unit", "unit_price": "0.000000000001"},
            ),
            (
                {"model": "package", "size": "100", "package_price": "9", "at_least_one": "on"},
                {
                    "model": "package",
                    "size": "100",
                    "package_price": "9",
                    "free_units": "0",
                    "at_least_one": True,
                },
            ),
        ],
    )
    def test_adds_every_simple_kind(
        self, company: Any, numbers: dict[str, str], model: dict[str, Any]
    ) -> None:
        product = product_of(company)
        signed_in(company).post(f"/catalog/products/{product.id}/prices/new", sent(**numbers))
        with tenant_context(company.id):
            assert PriceVersion.objects.get().model == model

    def test_a_usage_price_names_its_meter(self, company: Any) -> None:
        product = product_of(company, "Calls", "usage")
        with tenant_context(company.id):
            meter = create_meter(
                key="calls", name="Calls", event_type="c", aggregation="count", now=timezone.now()
            )
        client, path = signed_in(company), f"/catalog/products/{product.id}/prices/new"

        without = client.post(path, tiered())
        client.post(path, tiered(meter=str(meter.id)))

        assert "meter" in without.context["form"].errors
        with tenant_context(company.id):
            price = Price.objects.get()
        assert (price.meter_id, price.timing) == (meter.id, "in_arrears")

    @pytest.mark.parametrize(
        ("changes", "tier", "field", "message"),
        [
            ({"tiers-1-up_to": "2000"}, 1, "up_to", "last tier has no upper bound"),
            ({"tiers-0-up_to": ""}, 0, "up_to", "only the last one is open"),
            ({"tiers-0-up_to": "0"}, 0, "up_to", "more than 0"),
            ({"tiers-0-unit_price": "1e999"}, 0, "unit_price", "digits"),
            ({"tiers-0-unit_price": "-1"}, 0, "unit_price", "zero or more"),
            ({"tiers-1-flat_fee": "1,5"}, 1, "flat_fee", "plain decimal number"),
        ],
    )
    def test_says_what_is_wrong_at_the_tier(
        self, company: Any, changes: dict[str, str], tier: int, field: str, message: str
    ) -> None:
        product = product_of(company)
        answer = signed_in(company).post(
            f"/catalog/products/{product.id}/prices/new", tiered(**changes)
        )
        assert answer.status_code == 422
        assert message in " ".join(answer.context["charge"].tiers[tier].errors[field])
        with tenant_context(company.id):
            assert not Price.objects.exists()

    def test_says_what_is_wrong_with_the_price_itself(self, company: Any) -> None:
        product = product_of(company)
        price_of(company, product, code="taken")
        client, path = signed_in(company), f"/catalog/products/{product.id}/prices/new"

        missing = client.post(path, sent(model="flat", amount="", currency="ZZZ", name=""))
        taken = client.post(path, sent(model="flat", amount="1", code="taken"))

        assert missing.context["charge"].model.errors["amount"]
        assert {"currency", "name"} <= set(missing.context["form"].errors)
        assert "exists" in " ".join(taken.context["form"].errors["code"])

    def test_adds_and_removes_tiers_without_scripts_and_without_saving(self, company: Any) -> None:
        client = signed_in(company)
        path = f"/catalog/products/{product_of(company).id}/prices/new"

        more = client.post(path, tiered(action="add-tier"))
        fewer = client.post(path, tiered(action="remove-tier-0"))

        assert (more.status_code, len(more.context["charge"].tiers)) == (200, 3)
        assert more.context["charge"].tiers[0]["up_to"].value() == "1000"
        assert more.context["form"]["name"].value() == "API calls, list"
        assert [t["unit_price"].value() for t in fewer.context["charge"].tiers] == ["0.08"]
        with tenant_context(company.id):
            assert not Price.objects.exists()

    def test_another_model_shows_its_fields_before_anything_is_saved(self, company: Any) -> None:
        path = f"/catalog/products/{product_of(company).id}/prices/new"
        answer = signed_in(company).post(
            path, sent(model="package", shown_model="flat", amount="500")
        )
        assert answer.status_code == 200
        assert 'name="package_price"' in answer.content.decode()
        with tenant_context(company.id):
            assert not Price.objects.exists()


class TestVersions:
    def test_a_change_is_a_draft_until_it_is_published(self, company: Any) -> None:
        price = price_of(company, product_of(company))
        client = signed_in(company)

        client.post(f"/catalog/prices/{price.id}/draft", {"model": "flat", "amount": "600"})
        before = client.get(f"/catalog/prices/{price.id}").context["version"].model["amount"]
        client.post(f"/catalog/prices/{price.id}/publish")
        after = client.get(f"/catalog/prices/{price.id}").context["version"].model["amount"]

        assert (before, after) == ("500", "600")

    def test_the_first_version_can_still_be_read(self, company: Any) -> None:
        price = price_of(company, product_of(company))
        with tenant_context(company.id):
            services.draft_version(price_id=price.id, model={"model": "flat", "amount": "600"})
        answer = signed_in(company).get(f"/catalog/prices/{price.id}?version=1")
        assert answer.context["version"].model["amount"] == "500"
        odd = signed_in(company).get(f"/catalog/prices/{price.id}?version=<x>&up_to=z&quantity=-1")
        assert odd.status_code == 200

    def test_refuses_to_publish_without_a_draft(self, company: Any) -> None:
        price = price_of(company, product_of(company))
        page = signed_in(company).post(f"/catalog/prices/{price.id}/publish", follow=True)
        assert "No draft" in page.content.decode() or "no draft" in page.content.decode()

    def test_the_draft_form_starts_from_the_numbers_there_are(self, company: Any) -> None:
        price = price_of(company, product_of(company), GRADUATED)
        charge = signed_in(company).get(f"/catalog/prices/{price.id}/draft").context["charge"]
        assert [tier["unit_price"].value() for tier in charge.tiers] == ["0.1", "0.08"]


SEAT = {
    "model": "seat",
    "price": {"model": "per_unit", "unit_price": "60"},
    "mode": "peak",
    "contracted_minimum": "5",
}
ALL_MODELS = {
    "percentage": ({"model": "percentage", "percent": "2.9", "fixed_fee": "0.30"}, "2.9% + $0.30"),
    "graduated_percentage": (
        {
            "model": "graduated_percentage",
            "tiers": [{"up_to": "100", "percent": "3"}, {"up_to": None, "percent": "1"}],
        },
        "3% to 1% in 2 tiers",
    ),
    "dynamic": ({"model": "dynamic", "multiplier": "1.2"}, "times 1.2"),
    "cost_plus": ({"model": "cost_plus", "markup_percent": "20"}, "Cost plus 20%"),
    "percent_of": (
        {"model": "percent_of", "percent": "10", "item_keys": None},
        "10% of other lines",
    ),
    "matrix": (
        {
            "model": "matrix",
            "cells": [{"match": {"region": ["eu-1"]}, "unit_price": "0.5"}],
            "default_unit_price": "0.4",
            "group_by": [],
        },
        "region: eu-1",
    ),
    "time_of_use": (
        {
            "model": "time_of_use",
            "windows": [{"start_minute": 480, "end_minute": 1080, "unit_price": "0.5"}],
            "default_unit_price": "0.4",
        },
        "Mon 08:00 – Mon 18:00",
    ),
    "capacity": (
        {
            "model": "capacity",
            "tiers": [{"price": "9", "limits": {"seats": "5"}}],
            "dimension": "unit",
        },
        "seats up to 5",
    ),
    "seat": (SEAT, "The highest number in the period"),
}


class TestEveryModel:
    @pytest.mark.parametrize("name", ALL_MODELS)
    def test_is_listed_drawn_calculated_and_said_in_words(self, company: Any, name: str) -> None:
        model, words = ALL_MODELS[name]
        kind = "seat" if name == "seat" else "fixed" if name == "percent_of" else "usage"
        price, client = price_of(company, product_of(company, kind=kind), model), signed_in(company)

        assert client.get("/catalog/").status_code == 200
        page = client.get(f"/catalog/prices/{price.id}?quantity=7").content.decode()
        assert words in page
        assert "<tfoot>" in page


class TestNumbers:
    def test_the_calculator_shows_every_tier_and_rounds_once(self, company: Any) -> None:
        price = price_of(company, product_of(company), GRADUATED)

        answer = signed_in(company).get(
            f"/catalog/prices/{price.id}/calculate", {"quantity": "1200.123"}
        )

        found = answer.context["calculation"]
        assert [(step.units, step.flat_fee, step.amount) for step in found.steps] == [
            (Decimal(1000), Decimal(0), Decimal(100)),
            (Decimal("200.123"), Decimal(5), Decimal("21.00984")),
        ]
        assert found.total == Decimal("121.01")
        assert "$121.01" in answer.content.decode()
        assert "rounded once" in answer.content.decode()

    @pytest.mark.parametrize("quantity", ["-1", "abc", "1e99", "NaN", "\x00"])
    def test_the_calculator_refuses_what_is_no_quantity(self, company: Any, quantity: str) -> None:
        price = price_of(company, product_of(company), GRADUATED)
        answer = signed_in(company).get(
            f"/catalog/prices/{price.id}/calculate", {"quantity": quantity}
        )
        assert answer.status_code == 200
        assert answer.context["calculation"] is None
        assert answer.context["form"].errors["quantity"]

    def test_the_curve_and_its_table_are_what_rating_says(self, company: Any) -> None:
        price = price_of(company, product_of(company), GRADUATED)
        context = signed_in(company).get(f"/catalog/prices/{price.id}").context

        points = {point.quantity: point.total for point in context["points"]}
        assert points[Decimal(1000)] == Decimal("100.00")
        assert points[Decimal(1001)] == Decimal("105.08")
        drawn = dict(
            zip(
                context["total_chart"]["labels"],
                context["total_chart"]["series"][0]["values"],
                strict=True,
            )
        )
        assert drawn["950"] == "95.00"

    def test_a_price_without_decimals_is_drawn_in_whole_yen(self, company: Any) -> None:
        price = price_of(
            company,
            product_of(company),
            {"model": "package", "size": "3", "package_price": "100"},
            currency="JPY",
        )
        page = signed_in(company).get(f"/catalog/prices/{price.id}?quantity=4").content.decode()
        assert "¥200" in page
        assert "¥200.00" not in page.split('id="calculation"')[1].split("<tfoot>")[1][:200]
