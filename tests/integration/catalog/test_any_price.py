"""Prices of every model, with anything beside them, written in the browser."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from metering.services import create_meter
from monetization.catalog.models import Price, PriceVersion
from monetization.interface.price_schema import MODEL_EXAMPLES
from monetization.tenancy.context import tenant_context
from tests.integration.catalog.test_web import price_of, product_of, sent, signed_in

REGIONS = {
    "model": "matrix",
    "cells": [{"match": {"region": ["eu-1"]}, "unit_price": "0.5"}],
    "default_unit_price": "0.4",
}


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    return make_tenant("Northwind Software")


def saved_unchanged(client: Client, price: Price, company: Any) -> Any:
    """Send the form of the next version back as the browser got it; return both versions."""
    charge = client.get(f"/catalog/prices/{price.id}/draft").context["charge"]
    forms = [charge.model, charge.beside, *charge.tiers, *charge.discounts]
    written = {form[f].html_name: form[f].value() for form in forms for f in form.fields}
    sent_back = {k: "on" if v is True else v for k, v in written.items() if v}
    answer = client.post(
        f"/catalog/prices/{price.id}/draft", {**sent_back, "shown_model": charge.layout}
    )
    assert answer.status_code == 302, answer.context["charge"].model.errors
    with tenant_context(company.id):
        return list(price.versions.order_by("number"))


class TestTheFormOfAnyPrice:
    def test_what_it_cannot_say_is_left_to_the_api(self, company: Any) -> None:
        two_days = [{"start_minute": 1200, "end_minute": 1800, "unit_price": "0.5"}]
        model = {"model": "time_of_use", "windows": two_days, "default_unit_price": "1"}
        price = price_of(company, product_of(company, kind="usage"), model)
        client = signed_in(company)
        for answer in (
            client.get(f"/catalog/prices/{price.id}/draft", follow=True),
            client.post(
                f"/catalog/prices/{price.id}/draft", {"model": "flat", "amount": "1"}, follow=True
            ),
        ):
            assert "written through the API" in answer.content.decode()
        with tenant_context(company.id):
            assert PriceVersion.objects.count() == 1

    def test_an_unchanged_draft_keeps_blocks_and_full_packages(self, company: Any) -> None:
        blocks = {
            "model": "graduated",
            "tiers": [
                {"up_to": "100", "unit_price": "5", "flat_fee": "0", "block_size": "10"},
                {"up_to": None, "unit_price": "1", "flat_fee": "0"},
            ],
            "flat_fee_at_zero": True,
        }
        full = {
            "model": "package",
            "size": "10",
            "package_price": "3",
            "free_units": "0",
            "at_least_one": False,
            "whole_only": True,
        }
        client = signed_in(company)
        for model in (blocks, full):
            price = price_of(company, product_of(company), model)
            first, second = saved_unchanged(client, price, company)
            assert second.model == first.model

    def test_every_model_comes_back_as_it_was_written(self, company: Any) -> None:
        beside: dict[str, Any] = {
            "discounts": [{"percent": "10", "label": "Partner"}, {"amount": "5", "label": "Fixed"}],
            "minimum": {"amount": "50", "window": "over_contract_year", "overage_factor": "1.2"},
            "cap": {"amount": "900", "is_prorated": False},
            "pricing_unit": {"code": "AI credits", "rate": "0.01"},
        }
        by_quantity = {
            "conversion": {"operation": "divide", "factor": "1000", "rounding": "up"},
            "included": {"units": "500", "is_prorated": True},
            "accumulation": "over_contract",
        }
        more = {"graduated": by_quantity, "volume": by_quantity, "package": by_quantity}
        more["seat"] = {"overage_frequency": "quarterly"}
        client = signed_in(company)
        for name, model in MODEL_EXAMPLES.items():
            kind = {"seat": "seat", "percent_of": "fixed", "flat": "fixed"}.get(name, "usage")
            modifiers = {**beside, **more.get(name, {})}
            price = price_of(company, product_of(company, kind=kind), model, modifiers=modifiers)

            first, second = saved_unchanged(client, price, company)

            assert (second.model, second.modifiers) == (first.model, first.modifiers), name


def write(company: Any, kind: str, client: Any = None, **typed: str) -> tuple[Any, Any]:
    """Post the form of a new price; return the version it made, if any, and the answer."""
    product = product_of(company, kind=kind)
    if kind == "usage" and "meter" not in typed:
        with tenant_context(company.id, actor="test"):
            meter = create_meter(
                key="m", name="M", event_type="m", aggregation="count", now=timezone.now()
            )
        typed["meter"] = str(meter.id)
    answer = (client or signed_in(company)).post(
        f"/catalog/products/{product.id}/prices/new", sent(**typed)
    )
    with tenant_context(company.id):
        return PriceVersion.objects.first(), answer


def errors_of(answer: Any) -> dict[str, list[str]]:
    charge = answer.context["charge"]
    forms = [charge.model, charge.beside, *charge.tiers, *charge.discounts]
    return {
        form[name].html_name if name in form.fields else "": list(errors)
        for form in forms
        for name, errors in form.errors.items()
    }


class TestWritingAnyModel:
    def test_a_matrix_has_a_column_for_each_property(self, company: Any) -> None:
        version, _ = write(
            company,
            "usage",
            model="matrix",
            dimensions="model, region",
            default_unit_price="1",
            **{"tiers-0-value_0": "large, huge", "tiers-0-value_1": "eu"},
            **{"tiers-0-unit_price": "0.5", "tiers-1-value_1": "us", "tiers-1-unit_price": "0.4"},
        )
        assert version.model["cells"] == [
            {"match": {"model": ["large", "huge"], "region": ["eu"]}, "unit_price": "0.5"},
            {"match": {"region": ["us"]}, "unit_price": "0.4"},
        ]

    def test_working_hours_are_one_row_and_nights_go_past_midnight(self, company: Any) -> None:
        version, _ = write(
            company,
            "usage",
            model="time_of_use",
            default_unit_price="0.1",
            **{"tiers-0-days": "weekdays", "tiers-0-start": "08:00", "tiers-0-end": "20:00"},
            **{"tiers-0-unit_price": "0.3", "tiers-1-days": "6", "tiers-1-start": "22:00"},
            **{"tiers-1-end": "06:00", "tiers-1-unit_price": "0.05"},
        )
        windows = [(w["start_minute"], w["end_minute"]) for w in version.model["windows"]]
        day = 1440
        # Sunday night ends on Monday morning: the week is a circle.
        nights = [(0, 360), (6 * day + 1320, 7 * day)]
        working = [(d * day + 480, d * day + 1200) for d in range(5)]
        assert windows == sorted([*nights, *working])

    def test_another_layout_is_shown_before_it_is_saved(self, company: Any) -> None:
        typed = {"model": "matrix", "dimensions": "a, b", "default_unit_price": "1"}
        version, answer = write(company, "usage", **typed, shown_model="matrix:1")
        assert version is None
        columns = answer.context["charge"].columns
        assert [column.label for column in columns] == ["a", "b", "Price per unit"]

    def test_an_event_price_is_not_offered_for_seats(self, company: Any) -> None:
        product = product_of(company, kind="seat")
        page = signed_in(company).get(f"/catalog/products/{product.id}/prices/new")
        offered = dict(page.context["charge"].model.fields["model"].choices)
        assert "seat" in offered
        assert not {"matrix", "dynamic", "percent_of"} & set(offered)


HOURS = {"model": "time_of_use", "default_unit_price": "1", "tiers-0-days": "daily"}
HOURS |= {"tiers-0-start": "08:00", "tiers-0-end": "20:00", "tiers-0-unit_price": "1"}
LATER = {"tiers-1-days": "2", "tiers-1-start": "19:00", "tiers-1-end": "21:00"}
MATRIX = {"model": "matrix", "dimensions": "region", "default_unit_price": "1"}
SEATS = {"model": "seat", "seat_price": "graduated", "tiers-0-up_to": "10"}
EACH = {"model": "per_unit", "unit_price": "1"}
WRONG = [
    ("usage", HOURS | {"tiers-0-start": "8"}, "tiers-0-start", "Must be a time like 08:30"),
    ("usage", HOURS | LATER | {"tiers-1-unit_price": "1"}, "tiers-1-start", "Overlaps the window"),
    ("usage", MATRIX | {"tiers-0-unit_price": "1"}, "tiers-0-value_0", "Say at least one value"),
    (
        "usage",
        {"model": "percentage", "percent": "2", "event_minimum": "5", "event_maximum": "1"},
        "event_maximum",
        "Must not be less than the minimum",
    ),
    (
        "seat",
        SEATS | {"tiers-0-unit_price": "3", "tiers-1-up_to": "20", "tiers-1-unit_price": "2"},
        "tiers-1-up_to",
        "Leave it empty",
    ),
    ("usage", EACH | {"convert": "divide"}, "factor", "Is needed: by how much"),
    ("usage", EACH | {"min_amount": "5", "min_factor": "0.5"}, "min_factor", "Must be at least 1"),
    (
        "fixed",
        {"model": "flat", "amount": "9", "frequency": "one_time", "cap_amount": "5"},
        "cap_amount",
        "Needs a price that is billed every period",
    ),
    (
        "fixed",
        {"model": "flat", "amount": "9"}
        | {"discounts-0-kind": "percent", "discounts-0-value": "101"},
        "discounts-0-value",
        "Must be from 0 to 100",
    ),
]


def test_what_is_wrong_is_said_at_its_field(company: Any) -> None:
    client = signed_in(company)
    with tenant_context(company.id, actor="test"):
        meter = create_meter(
            key="any", name="Any", event_type="any", aggregation="count", now=timezone.now()
        )
    for kind, typed, field, message in WRONG:
        layout = {"matrix": "matrix:2", "seat": "seat:graduated"}.get(typed["model"])
        shown = {"shown_model": layout} if layout else {}

        version, answer = write(company, kind, client, **typed, **shown, meter=str(meter.id))

        assert (version, answer.status_code) == (None, 422)
        [(name, [said])] = errors_of(answer).items()
        assert name == field
        assert said.startswith(message)


class TestDrawnAsBilled:
    def test_the_calculator_counts_everything_beside_the_price(self, company: Any) -> None:
        modifiers = {
            "included": {"units": "200"},
            "discounts": [{"percent": "10"}],
            "cap": {"amount": "150"},
            "minimum": {"amount": "50"},
        }
        product = product_of(company, kind="usage")
        price = price_of(
            company, product, {"model": "per_unit", "unit_price": "0.5"}, modifiers=modifiers
        )
        client = signed_in(company)

        def total(units: str) -> Decimal:
            page = client.get(f"/catalog/prices/{price.id}/calculate", {"quantity": units})
            found: Decimal = page.context["calculation"].total
            return found

        # 400 - 200 = 200 x 0.5 = 100 - 10 % = 90. 1,000: 400 - 10 % = 360, capped. 250: 22.50, 50.
        assert [total("400"), total("1000"), total("250")] == [90, 150, 50]

    def test_it_asks_which_event_where_events_decide(self, company: Any) -> None:
        price = price_of(company, product_of(company, kind="usage"), REGIONS)
        client = signed_in(company)

        first = client.get(f"/catalog/prices/{price.id}", {"quantity": "10"})
        other = client.get(f"/catalog/prices/{price.id}", {"quantity": "10", "property-0": "–"})

        [chooser] = first.context["choosers"]
        assert [value for value, _ in chooser.options] == ["eu-1", "–"]
        # 10 x 0.5 in eu-1, 10 x 0.4 anywhere else.
        assert first.context["calculation"].total == 5
        assert other.context["calculation"].total == 4
