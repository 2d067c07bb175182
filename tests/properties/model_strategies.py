"""Every charge model with numbers as wild as the rules allow, and events to price."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import strategies as st

from monetization.pricing.prices import (
    SEAT_MODES,
    Capacity,
    CapacityTier,
    ChargeModel,
    CostPlus,
    Dynamic,
    Flat,
    Graduated,
    GraduatedPercentage,
    Matrix,
    MatrixCell,
    Package,
    Percentage,
    PercentOf,
    PercentTier,
    PerUnit,
    Seat,
    StairStep,
    Tier,
    TimeOfUse,
    Volume,
    Window,
)
from monetization.pricing.usage import UsagePart

numbers = st.one_of(st.integers(0, 2000).map(Decimal), st.decimals(0, 2000, places=3))
prices = st.one_of(st.integers(0, 50).map(Decimal), st.decimals(0, 50, places=12))
long_numbers = st.builds(
    lambda whole, places: Decimal(whole).scaleb(-places),
    st.integers(0, 10**38 - 1) | st.integers(10**37, 10**38 - 1),
    st.integers(0, 12),
)
regions = st.sampled_from(["us", "eu", "asia"])
clouds = st.sampled_from(["aws", "gcp"])


@st.composite
def tiers(draw: st.DrawFn, *, flat: bool = True, per_unit: bool = True) -> tuple[Tier, ...]:
    bounds = sorted(draw(st.sets(st.decimals("0.5", 1000, places=1), max_size=4)))
    return tuple(
        Tier(bound, draw(prices) if per_unit else Decimal(0), draw(prices) if flat else Decimal(0))
        for bound in [*bounds, None]
    )


@st.composite
def percent_tiers(draw: st.DrawFn) -> tuple[PercentTier, ...]:
    bounds = sorted(draw(st.sets(st.integers(1, 1000).map(Decimal), max_size=3)))
    return tuple(PercentTier(bound, draw(prices), draw(prices)) for bound in [*bounds, None])


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    values = st.lists(regions, min_size=1, max_size=2, unique=True).map(tuple)
    cells = []
    for _ in range(draw(st.integers(1, 3))):
        match = [("region", draw(values))]
        if draw(st.booleans()):
            match.append(("cloud", (draw(clouds),)))
        cells.append(MatrixCell(tuple(match), draw(prices)))
    return Matrix(tuple(cells), draw(prices), draw(st.sampled_from([(), ("cloud",)])))


@st.composite
def times_of_use(draw: st.DrawFn) -> TimeOfUse:
    edges = sorted(draw(st.sets(st.integers(0, 10080), min_size=2, max_size=6)))
    windows = [Window(a, b, draw(prices)) for a, b in pairwise(edges)][::2]
    return TimeOfUse(tuple(windows), draw(prices))


@st.composite
def percentages(draw: st.DrawFn) -> Percentage:
    low, high = sorted([draw(prices), draw(prices)])
    return Percentage(
        draw(prices),
        draw(prices),
        draw(st.none() | st.integers(1, 4)),
        draw(st.none() | numbers.filter(bool)),
        draw(st.sampled_from([None, low])),
        draw(st.sampled_from([None, high])),
    )


@st.composite
def capacities(draw: st.DrawFn) -> Capacity:
    limits = sorted(draw(st.sets(st.integers(1, 100).map(Decimal), min_size=1, max_size=3)))
    rows = [CapacityTier(draw(prices), (("us", limit), ("eu", limit * 2))) for limit in limits]
    last = CapacityTier(draw(prices), (("us", None), ("eu", None)))
    return Capacity((*rows, last), "region")


@st.composite
def stepped(draw: st.DrawFn) -> tuple[Tier, ...]:
    """Draw tiers sold in started blocks."""
    size = st.sampled_from([Decimal(1), Decimal(10), Decimal("2.5")])
    return tuple(
        Tier(tier.up_to, tier.unit_price, tier.flat_fee, draw(st.none() | size))
        for tier in draw(tiers())
    )


ladders = tiers() | stepped()
packages = st.builds(Package, numbers.filter(bool), prices, numbers, st.booleans(), st.booleans())
tiered = st.one_of(
    st.builds(Graduated, ladders, st.booleans()), st.builds(Volume, ladders, st.booleans())
)
by_quantity: st.SearchStrategy[ChargeModel] = st.one_of(
    st.builds(Flat, prices),
    st.builds(PerUnit, prices),
    tiered,
    st.builds(StairStep, tiers(per_unit=False), st.booleans()),
    packages,
    st.builds(GraduatedPercentage, percent_tiers(), st.booleans()),
)
by_event: st.SearchStrategy[ChargeModel] = st.one_of(
    percentages(),
    st.builds(Dynamic, prices),
    st.builds(CostPlus, prices),
    matrices(),
    times_of_use(),
    capacities(),
)
seats = st.builds(Seat, st.builds(PerUnit, prices) | tiered, st.sampled_from(SEAT_MODES), numbers)
percents_of = st.builds(PercentOf, prices, st.none() | st.just(("a", "b")))
straight: st.SearchStrategy[ChargeModel] = st.one_of(
    st.builds(PerUnit, prices),
    st.builds(Dynamic, prices),
    st.builds(CostPlus, prices),
    st.builds(Percentage, prices),
    matrices(),
    times_of_use(),
    percents_of,
)
models: st.SearchStrategy[ChargeModel] = by_quantity | by_event | seats | percents_of
parts = st.builds(
    UsagePart,
    numbers,
    st.fixed_dictionaries({"region": regions}, optional={"cloud": clouds}),
    st.integers(0, 10079),
)
events = st.lists(parts, max_size=12).map(tuple)
kinds: dict[str, st.SearchStrategy[ChargeModel]] = {
    "flat": st.builds(Flat, prices),
    "per_unit": st.builds(PerUnit, prices),
    "graduated": st.builds(Graduated, tiers(), st.booleans()),
    "graduated in blocks": st.builds(Graduated, stepped(), st.booleans()),
    "volume": st.builds(Volume, tiers(), st.booleans()),
    "volume in blocks": st.builds(Volume, stepped(), st.booleans()),
    "stair_step": st.builds(StairStep, tiers(per_unit=False), st.booleans()),
    "package": packages,
    "graduated_percentage": st.builds(GraduatedPercentage, percent_tiers(), st.booleans()),
    "seat": seats,
    "other": by_event | percents_of,
}
