"""Lines of every charge model in the builder, from the list and at prices of one's own."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from metering.models import Meter
from monetization.catalog.services import create_price, create_product
from monetization.interface.price_schema import MODEL_EXAMPLES
from monetization.pricing.codec import price_from_data
from monetization.pricing.prices import Matrix
from monetization.pricing.terms.modifiers import modifiers_from_data
from quotes import selectors
from quotes.models import Quote
from tests.integration.quotes.test_web_builder import Builder, saved

KINDS = {"flat": "fixed", "percent_of": "fixed", "seat": "seat"}
BESIDE = {
    "discounts": [{"amount": "5", "label": "Loyalty"}],
    "minimum": {"amount": "50", "window": "over_contract_year", "is_prorated": False},
    "cap": {"amount": "900"},
}


@pytest.fixture
def listed(inside: Callable[[], Any]) -> None:
    """A list price of every model, each with something beside it."""
    with inside():
        meter = Meter.objects.earliest("created_at")
        for name, model in MODEL_EXAMPLES.items():
            kind = KINDS.get(name, "usage")
            code = f"any-{name.replace('_', '-')}"
            if name == "percent_of":
                model = {**model, "item_keys": None}
            product = create_product(code=code, name=code, kind=kind)
            create_price(
                product_id=product.id,
                code=code,
                name=code,
                currency="USD",
                frequency="monthly",
                timing="in_advance",
                model=model,
                modifiers=BESIDE,
                meter_id=meter.id if kind == "usage" else None,
                now=timezone.now(),
            )


@pytest.mark.usefixtures("listed")
def test_the_list_price_of_every_model_is_carried_by_a_line_and_back(
    revops: Client, quote: Quote, inside: Callable[[], Any]
) -> None:
    builder = Builder(revops, quote)
    for name in MODEL_EXAMPLES:
        builder.add(f"any-{name.replace('_', '-')}")
        assert builder.page.status_code == 200, (name, builder.page.context["draft"].found)

    builder.press("save")  # what the page shows is sent back as it is
    version = saved(quote, inside)

    with inside():
        terms = selectors.terms_of_draft(version)
        for name, item in zip(MODEL_EXAMPLES, terms.phases[0].items, strict=True):
            wanted = MODEL_EXAMPLES[name] | ({"item_keys": None} if name == "percent_of" else {})
            assert item.model == price_from_data(wanted)
        beside = [
            modifiers_from_data(line.modifiers)
            for line in version.phases.get().lines.order_by("position")
        ]
    assert beside == [modifiers_from_data(BESIDE)] * len(MODEL_EXAMPLES)
    for words in ("by time of use", "by kind of use", "Loyalty", "$900.00"):
        assert words in builder.text


def test_a_matrix_is_agreed_in_the_builder(
    revops: Client, quote: Quote, inside: Callable[[], Any]
) -> None:
    builder = Builder(revops, quote)
    builder.add("calls")
    at = "phases__0__lines__0__"
    builder.press("refresh", **{f"{at}model": "matrix"})
    builder.press("refresh", **{f"{at}dimensions": "model, region", f"{at}default_unit_price": "1"})
    builder.press("add-tier:0:0")
    page = builder.press(
        **{f"{at}tiers__0__value_0": "large", f"{at}tiers__0__unit_price": "0.5"},
        **{f"{at}tiers__1__value_1": "eu, us", f"{at}tiers__1__unit_price": "0.4"},
        **{f"{at}expected_quantity": "100"},
    )

    assert page.context["draft"].found == []
    with inside():
        [item] = selectors.terms_of_draft(saved(quote, inside)).phases[0].items
    assert isinstance(item.model, Matrix)
    assert [cell.match for cell in item.model.cells] == [
        (("model", ("large",)),),
        (("region", ("eu", "us")),),
    ]
    assert "model: large" in builder.text


def test_included_units_a_cap_and_free_units_are_agreed_on_a_line(
    revops: Client, quote: Quote, inside: Callable[[], Any]
) -> None:
    builder = Builder(revops, quote)
    builder.add("calls")
    at = "phases__0__lines__0__"
    builder.press("add-discount:0:0")
    builder.press(
        **{
            f"{at}expected_quantity": "3000",
            f"{at}included_units": "500",
            f"{at}cap_amount": "200",
        },
        **{f"{at}discounts__0__kind": "free_units", f"{at}discounts__0__value": "250"},
    )

    # 3,000 - 500 - 250 = 2,250: 1,000 x 0.10 + 1,250 x 0.08 = 200 a month, the cap itself.
    assert "$2,400.00" in builder.text
    assert "500 included a month" in builder.text
    with inside():
        line = saved(quote, inside).phases.get().lines.get()
        assert line.modifiers["included"] == {"units": "500", "is_prorated": False}
    builder.press("remove-discount:0:0:0")
    with inside():
        assert saved(quote, inside).phases.get().lines.get().modifiers.get("discounts") is None


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"convert": "divide"}, "factor"),
        ({"min_amount": "5", "min_factor": "0.1"}, "min_factor"),
        ({"unit_code": "credits"}, "unit_rate"),
        ({"precision": "x", "convert": "divide", "factor": "2"}, "precision"),
    ],
)
def test_what_is_wrong_is_said_at_the_field_of_the_line(
    revops: Client, quote: Quote, typed: dict[str, str], field: str
) -> None:
    builder = Builder(revops, quote)
    builder.add("calls")
    page = builder.press(**{f"phases__0__lines__0__{name}": value for name, value in typed.items()})

    assert page.status_code == 422
    [problem] = page.context["draft"].found
    assert problem.field_id == f"id_phases-0-lines-0-{field}"


def test_a_fee_billed_once_has_no_cap(revops: Client, quote: Quote) -> None:
    builder = Builder(revops, quote)
    builder.add("platform")
    page = builder.press(
        phases__0__lines__0__frequency="one_time", phases__0__lines__0__cap_amount="5"
    )

    [problem] = page.context["draft"].found
    assert (problem.field_id, page.status_code) == ("id_phases-0-lines-0-cap_amount", 422)
    assert Decimal(builder.fields["phases-0-lines-0-cap_amount"]) == 5
