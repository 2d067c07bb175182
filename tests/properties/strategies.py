"""Random money, prices and contracts, as wild as the rules allow."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from monetization.kernel.money import Money, minor_unit
from monetization.kernel.period import Frequency
from monetization.pricing.prices import ChargeModel, PercentOf, Seat, Tier
from monetization.pricing.proration import METHODS
from monetization.pricing.quantities import Conversion
from monetization.pricing.terms import (
    DiscountTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
)
from monetization.pricing.terms.model import (
    CHANGE_RULES,
    CapTerms,
    ChangeTerms,
    IncludedTerms,
    PricingUnit,
)
from monetization.pricing.terms.validation import BY_EVENT
from tests.properties.model_strategies import by_event, by_quantity, seats

Scope = st.SearchStrategy[tuple[str, ...] | None]

# Whole contracts take milliseconds each; half as many of them.
heavy = settings(max_examples=settings.default.max_examples // 2 if settings.default else 30)

currencies = st.sampled_from(["USD", "EUR", "JPY", "KWD"])
recurring = st.sampled_from([f for f in Frequency if f is not Frequency.ONE_TIME])
days = st.dates(min_value=date(2019, 12, 1), max_value=date(2029, 3, 1))


def decimals(most: int = 10**6, places: int = 6) -> st.SearchStrategy[Decimal]:
    """Draw decimals from zero, often round, sometimes long."""
    return st.one_of(
        st.integers(0, most).map(Decimal),
        st.decimals(0, most, places=2),
        st.decimals(0, most, places=places),
    )


prices = decimals(most=1000, places=12)


@st.composite
def monies(draw: st.DrawFn, currency: str | None = None, most: int = 10**9) -> Money:
    chosen = currency or draw(currencies)
    return Money(draw(st.integers(-most, most)) * minor_unit(chosen), chosen)


@st.composite
def tiers(draw: st.DrawFn, unit_prices: st.SearchStrategy[Decimal] = prices) -> tuple[Tier, ...]:
    bounds = sorted(
        draw(st.sets(st.decimals("0.5", 50, places=1).filter(lambda b: b > 0), max_size=4))
    )
    fees = st.one_of(st.just(Decimal(0)), decimals(most=100))
    return tuple(Tier(up_to, draw(unit_prices), draw(fees)) for up_to in [*bounds, None])


def models() -> st.SearchStrategy[ChargeModel]:
    """Draw a charge model over a quantity, whatever its numbers."""
    return by_quantity


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


WINDOWS = ("per_period", "over_contract_year", "over_contract")
conversions = st.builds(
    Conversion,
    st.sampled_from(["multiply", "divide"]),
    st.sampled_from([Decimal(3), Decimal("0.25"), Decimal(1000)]),
    st.sampled_from(["none", "up", "down", "half_up"]),
    st.integers(-1, 3),
)
units_included = st.builds(IncludedTerms, decimals(most=20), st.booleans())
pricing_units = st.builds(PricingUnit, st.just("credits"), decimals(most=3))


@st.composite
def models_for(draw: st.DrawFn, kind: str) -> ChargeModel:
    """Draw a model that a kind of line may have: all of them, over the three kinds."""
    match kind:
        case "usage":
            return draw(by_quantity | by_event)
        case "seat":
            return draw(seats | by_quantity)
        case _:
            return draw(by_quantity | st.builds(PercentOf, decimals(most=60, places=2)))


@st.composite
def modifiers(draw: st.DrawFn, kind: str, model: ChargeModel, *, ends: bool) -> dict[str, Any]:
    """Draw what stands beside a price, of what fits it."""
    beside: dict[str, Any] = {
        "conversion": draw(st.none() | conversions),
        "pricing_unit": draw(st.none() | pricing_units),
    }
    if not isinstance(model, BY_EVENT):
        beside["included"] = draw(st.none() | units_included)
        if kind == "usage":
            beside["accumulation"] = draw(st.sampled_from(WINDOWS if ends else WINDOWS[:2]))
    if isinstance(model, Seat):
        beside["overage_frequency"] = draw(st.none() | recurring)
    return beside


@st.composite
def items(draw: st.DrawFn, key: str, *, ends: bool = True) -> ItemTerms:
    kind = draw(st.sampled_from(["fixed", "seat", "usage"]))
    usage = kind == "usage"
    model = draw(models_for(kind))
    beside = draw(modifiers(kind, model, ends=ends))
    recurs = usage or beside.get("overage_frequency") is not None
    return ItemTerms(
        key=key,
        product_code=key,
        product_name=draw(names),
        description=draw(st.one_of(st.just(""), names)),
        kind=kind,
        model=model,
        quantity=draw(decimals(most=50)),
        meter="calls" if usage else None,
        frequency=draw(recurring if recurs else st.sampled_from(list(Frequency))),
        timing="in_arrears" if usage else draw(st.sampled_from(["in_advance", "in_arrears"])),
        proration=draw(st.sampled_from(METHODS)),
        list_unit_price=draw(st.none() | prices),
        recognition="usage" if usage else draw(st.sampled_from(["straight_line", "point_in_time"])),
        expected_quantity=draw(st.none() | decimals(most=60)),
        **beside,
    )


def discounts(lines: Sequence[ItemTerms], scope: Scope) -> st.SearchStrategy[DiscountTerms]:
    """Draw a percentage of any lines, an amount off one, or units of one that has units."""
    kinds = [st.builds(DiscountTerms, st.decimals(0, 100, places=2), names, scope)]
    amounts = decimals(most=40, places=2)
    if lines:
        one = st.sampled_from([(item.key,) for item in lines])
        kinds.append(st.builds(DiscountTerms, label=names, item_keys=one, amount=amounts))
    countable = [(item.key,) for item in lines if not isinstance(item.model, BY_EVENT)]
    if countable:
        free = st.sampled_from(countable)
        kinds.append(st.builds(DiscountTerms, label=names, item_keys=free, free_units=amounts))
    return st.one_of(kinds)


def minimums(scope: Scope, *, ends: bool = True) -> st.SearchStrategy[MinimumTerms]:
    return st.builds(
        MinimumTerms,
        decimals(most=5000),
        recurring,
        scope,
        st.booleans(),
        st.sampled_from(WINDOWS if ends else WINDOWS[:2]),
        st.booleans(),
        st.none() | st.decimals(1, 3, places=2),
    )


def caps(scope: Scope, *, ends: bool = True) -> st.SearchStrategy[CapTerms]:
    return st.builds(
        CapTerms,
        decimals(most=500),
        recurring,
        scope,
        st.booleans(),
        st.sampled_from(WINDOWS if ends else WINDOWS[:2]),
        st.booleans(),
        names,
    )


def scopes(keys: Sequence[str]) -> Scope:
    chosen = st.lists(st.sampled_from(list(keys) or [""]), unique=True)
    return st.none() | chosen.map(lambda found: tuple(sorted(filter(None, found))))


@st.composite
def phases(draw: st.DrawFn, key: str, start: date, end: date | None) -> PhaseTerms:
    keys = draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3))
    scope, ends = scopes(keys), end is not None
    lines = tuple(draw(items(name, ends=ends)) for name in keys)
    return PhaseTerms(
        key=key,
        name=draw(names),
        kind=draw(st.sampled_from(["standard", "trial", "ramp"])),
        start_on=start,
        end_on=end,
        items=lines,
        discounts=tuple(draw(st.lists(discounts(lines, scope), max_size=3))),
        minimum=draw(st.none() | minimums(scope, ends=ends)),
        further_minimums=tuple(draw(st.lists(minimums(scope, ends=ends), max_size=1))),
        caps=tuple(draw(st.lists(caps(scope, ends=ends), max_size=1))),
    )


changes = st.builds(ChangeTerms, *[st.sampled_from(CHANGE_RULES)] * 4)


@st.composite
def contracts(draw: st.DrawFn, *, open_end: bool = False) -> OrderTerms:
    """Draw the terms of one to three phases over up to about two years."""
    cuts = [draw(days)]
    for _ in range(draw(st.integers(1, 3))):
        cuts.append(cuts[-1] + timedelta(days=draw(st.integers(1, 400))))
    bounds: list[date | None] = [*cuts[1:]]
    if open_end and draw(st.booleans()):
        bounds[-1] = None
    ends = bounds[-1] is not None
    parts = tuple(
        draw(phases(f"p{number}", start, end))
        for number, (start, end) in enumerate(zip(cuts, bounds, strict=False), start=1)
    )
    scope = scopes(sorted({item.key for phase in parts for item in phase.items}))
    return OrderTerms(
        title=draw(names),
        currency=draw(currencies),
        time_zone=draw(st.sampled_from(["UTC", "America/New_York", "Asia/Beirut"])),
        start_on=cuts[0],
        end_on=bounds[-1],
        anchor_day=draw(st.integers(1, 31)),
        payment_terms_days=draw(st.integers(0, 90)),
        phases=parts,
        auto_renew=draw(st.booleans()),
        minimums=tuple(draw(st.lists(minimums(scope, ends=ends), max_size=1))),
        caps=tuple(draw(st.lists(caps(scope, ends=ends), max_size=1))),
        changes=draw(st.none() | changes),
    )
