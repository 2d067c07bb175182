"""Any price on a quote line is rated as its schedule rates it, and as the calculator does."""

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from monetization.interface import charging
from monetization.interface.price_schema import MODEL_EXAMPLES
from monetization.kernel.decimals import plain
from monetization.pricing.codec import price_from_data, price_to_data
from monetization.pricing.estimate import PriceUse, price_once, price_periods
from monetization.pricing.prices import Matrix, MatrixCell, PriceError, TimeOfUse, Window
from monetization.pricing.quantities import Conversion
from monetization.pricing.terms import terms_from_data, terms_to_data
from monetization.pricing.terms.model import DiscountTerms, IncludedTerms, PricingUnit
from monetization.pricing.terms.modifiers import (
    Commitment,
    PriceModifiers,
    modifiers_from_data,
    modifiers_to_data,
)
from monetization.pricing.timeline import charge_periods
from monetization.pricing.usage import Usage, UsagePart
from quotes.domain.assembly import DraftHeader, DraftLine, DraftPhase, ProductFacts, assemble
from tests.properties.strategies import decimals, models, prices

words = st.sampled_from(["eu", "us", "ap"])
commitments = st.builds(
    Commitment,
    decimals(most=500, places=2),
    st.just("per_period"),
    st.booleans(),
)


@st.composite
def event_models(draw: st.DrawFn) -> Any:
    """A price by property or by hour; its windows at day's edges too."""
    if draw(st.booleans()):
        cells = draw(st.lists(st.sets(words, min_size=1), min_size=1, max_size=3))
        return Matrix(
            tuple(MatrixCell((("region", tuple(sorted(one))),), draw(prices)) for one in cells),
            draw(prices),
        )
    days = sorted(draw(st.sets(st.integers(0, 6), min_size=1)))
    start = draw(st.integers(0, 1400))
    end = draw(st.integers(start + 1, 1440))
    price = draw(prices)
    windows = tuple(Window(day * 1440 + start, day * 1440 + end, price) for day in days)
    return TimeOfUse(windows, draw(prices))


@st.composite
def modifiers(draw: st.DrawFn, *, by_event: bool) -> PriceModifiers:
    rounding = draw(st.sampled_from(["none", "up", "down", "half_up"]))
    conversion = st.builds(
        Conversion,
        st.sampled_from(["multiply", "divide"]),
        st.sampled_from([Decimal(2), Decimal(1000), Decimal("0.25")]),
        st.just(rounding),
        st.integers(-2, 4),
    )
    discounts = st.one_of(
        st.builds(DiscountTerms, st.decimals(0, 100, places=2), st.just("Partner")),
        st.builds(lambda amount: DiscountTerms(amount=amount), decimals(most=50, places=2)),
    )
    least = draw(st.none() | commitments)
    if least is not None and draw(st.booleans()):
        least = Commitment(least.amount, least.window, least.is_prorated, Decimal("1.25"))
    included = None if by_event else draw(st.none() | st.builds(IncludedTerms, decimals(most=60)))
    return PriceModifiers(
        conversion=draw(st.none() | conversion),
        included=included,
        pricing_unit=draw(st.none() | st.builds(PricingUnit, st.just("credits"), prices)),
        discounts=tuple(draw(st.lists(discounts, max_size=3))),
        minimum=least,
        cap=draw(st.none() | commitments),
    )


@st.composite
def priced(draw: st.DrawFn) -> tuple[Any, PriceModifiers]:
    by_event = draw(st.booleans())
    model = draw(event_models() if by_event else models())
    return model, draw(modifiers(by_event=by_event))


usages = st.lists(
    st.builds(
        UsagePart,
        decimals(most=200, places=3),
        st.fixed_dictionaries({"region": words}),
        st.integers(0, 10_079),
    ),
    min_size=1,
    max_size=5,
).map(Usage.of)


@given(priced(), usages, st.sampled_from(["USD", "JPY", "KWD"]))
def test_a_line_of_any_price_is_rated_as_it_was_estimated(
    price: tuple[Any, PriceModifiers], usage: Usage, currency: str
) -> None:
    model, beside = price
    line = DraftLine(
        item_key="use",
        product=ProductFacts("use", "Use", "usage", "usage"),
        model=price_to_data(model),
        modifiers=modifiers_to_data(beside),
        frequency="monthly",
        timing="in_arrears",
        meter_key="use",
    )
    header = DraftHeader("Deal", currency, "UTC", date(2026, 1, 1), 1, 30, auto_renew=False)
    drafted = assemble(header, [DraftPhase("Term", "standard", 12, [line])])

    signed = terms_from_data(terms_to_data(drafted))
    march = [one for one in charge_periods(signed) if one.service.start == date(2026, 3, 1)]
    billed = price_periods(signed, march, {("use", date(2026, 3, 1)): usage})
    estimated = price_once([PriceUse("use", model, beside, usage, kind="usage")], currency)

    assert signed == drafted
    assert [line.amount for line in billed] == [line.amount for line in estimated]
    assert [line.exact for line in billed] == [line.exact for line in estimated]


@given(priced())
def test_any_price_comes_back_from_what_was_typed(price: tuple[Any, PriceModifiers]) -> None:
    model, beside = price
    data, beside_data = price_to_data(model), modifiers_to_data(beside)

    typed = charging.typed_model(data)
    said = charging.typed_modifiers(beside_data)

    assume(typed is not None)
    assert typed is not None
    rows = [read(row) for row in typed.rows]
    again = charging.model_from_typed(data["model"], read(typed.values), rows)
    assert price_from_data(again) == model
    back = charging.modifiers_from_typed(read(said.values), [read(row) for row in said.rows])
    assert modifiers_from_data(back) == beside


def read(values: dict[str, str]) -> dict[str, Any]:
    """Read fields as a form does: ticked boxes, nothing as None."""
    boxes = {"flat_fee_at_zero", "at_least_one", "whole_only", "included_prorated"}
    boxes |= {"min_whole", "cap_whole"}
    return {name: text == "on" if name in boxes else text or None for name, text in values.items()}


@given(
    st.sampled_from(sorted(MODEL_EXAMPLES)),
    st.dictionaries(
        st.sampled_from(sorted(charging.LINE_NAMES)),
        st.one_of(st.none(), st.text(max_size=5), decimals(most=50).map(plain)),
        max_size=8,
    ),
    st.lists(
        st.dictionaries(
            st.sampled_from(sorted(charging.ROW_NAMES)),
            st.one_of(st.none(), st.text(max_size=5), decimals(most=50).map(plain)),
        ),
        max_size=3,
    ),
)
def test_nothing_typed_breaks_the_reading(
    model: str, values: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    for read_it in (
        lambda: charging.model_from_typed(model, values, rows),
        lambda: charging.modifiers_from_typed(values, rows),
    ):
        try:
            read_it()
        except (charging.TypedWrong, PriceError):
            continue
