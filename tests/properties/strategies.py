"""Random money, prices and contracts, as wild as the rules allow."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st

from monetization.kernel.money import Money, minor_unit
from monetization.kernel.period import Frequency
from monetization.pricing.prices import (
    ChargeModel,
    Flat,
    Graduated,
    Package,
    PerUnit,
    StairStep,
    Tier,
    Volume,
)
from monetization.pricing.proration import METHODS
from monetization.pricing.terms import (
    DiscountTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
)

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
    free = st.just(Decimal(0))
    return st.one_of(
        st.builds(Flat, prices),
        st.builds(PerUnit, prices),
        st.builds(Graduated, tiers(), st.booleans()),
        st.builds(Volume, tiers(), st.booleans()),
        st.builds(StairStep, tiers(free), st.booleans()),
        st.builds(
            Package, decimals(most=20).filter(bool), prices, decimals(most=10), st.booleans()
        ),
    )


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@st.composite
def items(draw: st.DrawFn, key: str) -> ItemTerms:
    kind = draw(st.sampled_from(["fixed", "seat", "usage"]))
    usage = kind == "usage"
    return ItemTerms(
        key=key,
        product_code=key,
        product_name=draw(names),
        description=draw(st.one_of(st.just(""), names)),
        kind=kind,
        model=draw(models()),
        quantity=draw(decimals(most=50)),
        meter="calls" if usage else None,
        frequency=draw(recurring if usage else st.sampled_from(list(Frequency))),
        timing="in_arrears" if usage else draw(st.sampled_from(["in_advance", "in_arrears"])),
        proration=draw(st.sampled_from(METHODS)),
        list_unit_price=draw(st.none() | prices),
        recognition="usage" if usage else draw(st.sampled_from(["straight_line", "point_in_time"])),
        expected_quantity=draw(st.none() | decimals(most=60)),
    )


@st.composite
def phases(draw: st.DrawFn, key: str, start: date, end: date | None) -> PhaseTerms:
    keys = draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3))
    scope = st.none() | st.lists(st.sampled_from(keys or [""]), unique=True).map(
        lambda chosen: tuple(sorted(filter(None, chosen)))
    )
    percents = st.decimals(0, 100, places=2)
    minimum = st.none() | st.builds(
        MinimumTerms, decimals(most=5000), recurring, scope, st.booleans()
    )
    return PhaseTerms(
        key=key,
        name=draw(names),
        kind=draw(st.sampled_from(["standard", "trial", "ramp"])),
        start_on=start,
        end_on=end,
        items=tuple(draw(items(name)) for name in keys),
        discounts=tuple(
            draw(st.lists(st.builds(DiscountTerms, percents, names, scope), max_size=2))
        ),
        minimum=draw(minimum),
    )


@st.composite
def contracts(draw: st.DrawFn, *, open_end: bool = False) -> OrderTerms:
    """Draw the terms of one to three phases over up to about two years."""
    cuts = [draw(days)]
    for _ in range(draw(st.integers(1, 3))):
        cuts.append(cuts[-1] + timedelta(days=draw(st.integers(1, 400))))
    ends: list[date | None] = [*cuts[1:]]
    if open_end and draw(st.booleans()):
        ends[-1] = None
    return OrderTerms(
        title=draw(names),
        currency=draw(currencies),
        time_zone=draw(st.sampled_from(["UTC", "America/New_York", "Asia/Beirut"])),
        start_on=cuts[0],
        end_on=ends[-1],
        anchor_day=draw(st.integers(1, 31)),
        payment_terms_days=draw(st.integers(0, 90)),
        phases=tuple(
            draw(phases(f"p{number}", start, end))
            for number, (start, end) in enumerate(zip(cuts, ends, strict=False), start=1)
        ),
        auto_renew=draw(st.booleans()),
    )
