"""Prices of every model over REST: written, estimated, refused at their field."""

from decimal import Decimal
from typing import Any

import pytest

from monetization.catalog.api.estimate_fields import REQUEST_EXAMPLES
from monetization.interface.price_schema import MODEL_EXAMPLES
from tests.integration.api.conftest import Api
from tests.integration.api.test_catalog import fields_of

# What each documented example costs, worked by hand.
TOTALS = {
    "Flat": "500.00",
    "Per unit": "375.00",  # 1,500 x 0.25
    "Seat": "390.00",  # 12 x 30 for 15 of 30 days, 14 x 30 for the other 15
    "Graduated": "140.00",  # 1,000 x 0.10 + 500 x 0.08
    "Volume": "120.00",  # 1,500 x 0.08
    "Stair step": "99.00",
    "Package": "0.00",  # 2,000 are free
    "Percentage": "0.00",  # within the free amount
    "Graduated percentage": "43.50",  # 1,500 x 2.9 %
    "Dynamic": "1500.00",
    "Cost plus": "1800.00",
    "Matrix": "51.00",  # 1,200 x 0.04 + 300 x 0.01
    "Percent of": "575.00",  # 500 + 15 %
    "Time of use": "3.92",  # Monday 09:00: 10 x 0.32; 23:00: 4 x 0.18
    "Capacity": "100.00",
    # 2,500 - 500 included: 100 + 80 = 180, less 10 % = 162, capped at 150.
    "With modifiers and credits": "150.00",
}


def test_every_documented_example_costs_what_it_says(api: Api) -> None:
    found = {
        example.name: api.made("pricing/estimate", example.value, status=200)["total"]
        for example in REQUEST_EXAMPLES
    }
    assert found == TOTALS


def test_the_examples_cover_every_model() -> None:
    from monetization.pricing.codec import MODEL_NAMES

    assert set(MODEL_EXAMPLES) == set(MODEL_NAMES)


def test_credits_pay_promotional_ones_first_and_only_their_lines(api: Api) -> None:
    each = {"model": {"model": "per_unit", "unit_price": "1"}}
    found = api.made(
        "pricing/estimate",
        {
            "currency": "USD",
            "items": [
                {"key": "a", "quantity": "60", **each},
                {"key": "b", "quantity": "50", **each},
            ],
            "credits": [
                {"key": "bought", "amount": "100", "is_paid": True},
                {"key": "gift", "amount": "20", "lines": ["b"]},
            ],
        },
        status=200,
    )

    # The gift pays 20 of b; what was bought pays 60 of a and 30 of b.
    assert found["credits"] == [
        {"credit": "bought", "line": "a", "amount": "60"},
        {"credit": "gift", "line": "b", "amount": "20"},
        {"credit": "bought", "line": "b", "amount": "30"},
    ]
    assert (found["total"], found["amount_due"]) == ("110.00", "0.00")
    assert found["balances"] == {"bought": "10", "gift": "0"}


def test_a_minimum_is_a_line_of_its_own_and_tiers_run_on(api: Api) -> None:
    tiers = MODEL_EXAMPLES["graduated"]
    found = api.made(
        "pricing/estimate",
        {
            "currency": "USD",
            "items": [
                {
                    "key": "calls",
                    "model": tiers,
                    "quantity": "200",
                    "used_before": "900",
                    "modifiers": {
                        "accumulation": "over_contract_year",
                        "minimum": {"amount": "30"},
                    },
                }
            ],
        },
        status=200,
    )

    # 100 x 0.10 + 100 x 0.08 = 18, and 12 up to the minimum.
    assert [(line["kind"], line["amount"]) for line in found["lines"]] == [
        ("item", "18.00"),
        ("minimum", "12.00"),
    ]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (
            {"model": MODEL_EXAMPLES["matrix"], "modifiers": {"included": {"units": "5"}}},
            "items[0].modifiers.included",
        ),
        (
            {"model": MODEL_EXAMPLES["flat"], "modifiers": {"inclded": {}}},
            "items[0].modifiers.inclded",
        ),
        (
            {
                "model": MODEL_EXAMPLES["flat"],
                "frequency": "one_time",
                "modifiers": {"cap": {"amount": "1"}},
            },
            "items[0].modifiers.cap",
        ),
        (
            {"model": {"model": "percent_of", "percent": "1", "item_keys": ["x"]}},
            "items[0].model.item_keys",
        ),
        (
            {"model": MODEL_EXAMPLES["flat"], "seat_changes": [{"day": 1, "balance": "1"}]},
            "items[0].seat_changes",
        ),
        ({"model": MODEL_EXAMPLES["flat"], "quantity": "1", "events": []}, "items[0].events"),
    ],
)
def test_an_estimate_names_the_field_that_is_wrong(api: Api, item: Any, field: str) -> None:
    assert fields_of(api.post("pricing/estimate", {"currency": "USD", "items": [item]})) == {field}


class TestPricesWithModifiers:
    def body(self, product: str, **changes: Any) -> dict[str, Any]:
        return {
            "product": product,
            "code": "with-modifiers",
            "name": "New",
            "currency": "USD",
            "frequency": "monthly",
            "model": {"model": "flat", "amount": "100"},
            **changes,
        }

    def test_are_kept_with_the_version_and_used_by_a_quote_line(
        self, api: Api, platform: Any, customer: Any
    ) -> None:
        modifiers = {"discounts": [{"percent": "25", "label": "Partner"}]}
        price = api.made("prices", self.body(platform["product"], modifiers=modifiers))
        version = price["versions"][0]
        assert version["modifiers"] == modifiers
        line = {"product": "platform", "price_version": version["id"], "quantity": "1"}

        quote = api.made(
            "quotes",
            {
                "customer": customer["id"],
                "title": "Deal",
                "start_on": "2027-01-01",
                "phases": [{"months": 12, "lines": [line]}],
            },
        )

        latest = quote["latest"]
        assert latest["phases"][0]["lines"][0]["modifiers"] == modifiers
        assert Decimal(latest["estimate"]["total"]) == 12 * 75

    def test_must_fit_the_product_and_the_rhythm(self, api: Api, platform: Any) -> None:
        def wrong(**changes: Any) -> set[str]:
            return fields_of(api.post("prices", self.body(platform["product"], **changes)))

        assert wrong(model=MODEL_EXAMPLES["matrix"]) == {"model"}
        assert wrong(modifiers={"accumulation": "over_contract"}) == {"modifiers.accumulation"}
        once = {"frequency": "one_time", "modifiers": {"minimum": {"amount": "1"}}}
        assert wrong(**once) == {"modifiers.minimum"}
        big = {"cap": {"amount": "9" * 16}}
        assert wrong(modifiers=big) == {"modifiers.cap.amount"}
