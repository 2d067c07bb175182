"""Every charge model in one deal: catalog price, quote line, signature, schedule, invoice."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from metering.domain.events import UsageEvent
from metering.services import create_meter, record_usage_events
from monetization.catalog.services import create_price, create_product
from monetization.interface.price_schema import MODEL_EXAMPLES
from monetization.pricing.codec import price_from_data
from monetization.pricing.estimate import PriceUse, price_once, rerate
from monetization.pricing.terms.modifiers import modifiers_from_data
from monetization.pricing.usage import Usage, UsagePart, minute_of_week
from quotes import selectors
from quotes.models import QuoteVersion
from tests.scenarios.deals import Deal, sell

D = Decimal
START = date(2027, 3, 1)
ZONE = "America/New_York"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {"flat": "fixed", "percent_of": "fixed", "seat": "seat"}
BY_QUANTITY = ("per_unit", "graduated", "volume", "stair_step", "package")
MODIFIERS: dict[str, Any] = {
    "per_unit": {"conversion": {"operation": "divide", "factor": "10", "rounding": "up"}},
    "graduated": {"included": {"units": "100"}, "cap": {"amount": "150"}},
    "volume": {"discounts": [{"percent": "10"}, {"amount": "3"}, {"free_units": "50"}]},
    "package": {"minimum": {"amount": "40", "overage_factor": "1.5"}},
    "matrix": {"pricing_unit": {"code": "AI credits", "rate": "0.5"}},
    "stair_step": {"accumulation": "over_contract_year"},
}


@pytest.fixture
def deal(tenant: Any) -> Deal:
    """A deal with one line of each model, from the list prices of the catalog."""
    lines = []
    for name, model in MODEL_EXAMPLES.items():
        kind = KINDS.get(name, "usage")
        code = name.replace("_", "-")
        if name == "percent_of":
            model = {**model, "item_keys": ["flat"]}
        meter = None
        if kind == "usage":
            meter = create_meter(
                key=code,
                name=code,
                event_type=code,
                aggregation="sum",
                value_property="n",
                now=NOW,
            )
        product = create_product(code=code, name=code, kind=kind)
        price = create_price(
            product_id=product.id,
            code=code,
            name=code,
            currency="USD",
            frequency="monthly",
            timing="in_arrears",
            model=model,
            modifiers=MODIFIERS.get(name),
            meter_id=meter.id if meter else None,
            now=NOW,
        )
        version = price.versions.get()
        lines.append({"product": code, "price_version": str(version.id), "quantity": "12"})
    return sell({"months": 12, "lines": lines}, start=START, time_zone=ZONE)


def events(name: str) -> list[tuple[Decimal, dict[str, str], datetime]]:
    """Usage of the first month that reaches several tiers, cells and hours."""
    return [
        (D(700), {"model": "large", "region": "eu", "unit": "cores"}, march(3, 1)),
        (D(800), {"model": "small", "unit": "gigabytes"}, march(8, 14)),
        (D("12.5"), {"region": "us", "unit": "cores"}, march(9, 0)),
    ]


def march(day: int, hour: int) -> datetime:
    return datetime(2027, 3, day, hour, tzinfo=UTC)


def use_everything() -> None:
    for name in MODEL_EXAMPLES:
        code = name.replace("_", "-")
        found = [
            UsageEvent("test", f"{code}-{at}", code, "acme", at, {"n": units, **properties})
            for units, properties, at in events(name)
        ]
        if KINDS.get(name, "usage") == "usage":
            record_usage_events(found, now=datetime(2027, 3, 10, tzinfo=UTC))


def estimated() -> dict[str, Decimal]:
    """What the calculator says for the same usage, line by line."""
    uses = []
    for name, model in MODEL_EXAMPLES.items():
        code = name.replace("_", "-")
        if name == "percent_of":
            model = {**model, "item_keys": ["flat"]}
        parts = [
            UsagePart(units, properties, minute_of_week(at, ZONE))
            for units, properties, at in events(name)
        ]
        used: Any = Usage.of(parts) if KINDS.get(name, "usage") == "usage" else D(12)
        uses.append(
            PriceUse(code, price_from_data(model), modifiers_from_data(MODIFIERS.get(name)), used)
        )
    found: dict[str, Decimal] = {}
    for line in price_once(uses, "USD"):
        found[line.item_key] = line.amount.amount.normalize()
    return found


def test_is_billed_as_it_was_estimated(deal: Deal) -> None:
    use_everything()
    # A price that accumulates over the year has nothing before its first month.
    deal.invoices(date(2027, 4, 1))

    billed = deal.lines(date(2027, 4, 1))

    assert {key: amount for key, amount in estimated().items() if amount or key in billed} == billed
    # The ones worth working out again: 700 + 800 + 12.5 units.
    assert billed["per-unit"] == D(38)  # 151.25, up to 152, x 0.25
    assert billed["graduated"] == D(133)  # 1,412.5 after 100: 1,000 x 0.10 + 412.5 x 0.08
    assert billed["volume"] == D("102.3")  # 1,462.5 x 0.08 = 117, less 10 % and 3
    assert billed["matrix"] == D("18.31")  # (700 x 0.04 + 800 x 0.01 + 12.5 x 0.05) x 0.5
    assert billed["percent-of"] == D(75)  # 15 % of 500
    # Monday the 8th, 14:00 UTC is 09:00 in New York; Tuesday 00:00 UTC is Monday, 19:00 there:
    # within Monday's 08:00 to 20:00, (800 + 12.5) x 0.32 + 700 x 0.18.
    assert billed["time-of-use"] == D(386)
    invoice = deal.schedule.invoices.get(bill_on=date(2027, 4, 1))
    for line in invoice.lines.all():
        assert rerate(line.explanation).amount == line.amount, line.item_key


def test_the_terms_say_what_the_list_said(deal: Deal) -> None:
    version = QuoteVersion.objects.get(id=deal.version.id)
    terms = selectors.terms_of(version)

    drafted = selectors.terms_to_sign(version)

    assert terms == drafted
    items = {item.key: item for item in terms.phases[0].items}
    for name, model in MODEL_EXAMPLES.items():
        if name != "percent_of":
            assert items[name.replace("_", "-")].model == price_from_data(model)
    assert items["per-unit"].conversion is not None
    assert [cap.item_keys for cap in terms.phases[0].caps] == [("graduated",)]
    assert [one.item_keys for one in terms.phases[0].further_minimums] == [("package",)]
