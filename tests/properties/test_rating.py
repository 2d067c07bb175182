"""Prices are what counting unit by unit would give."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from monetization.pricing.prices import Graduated, Package, StairStep, Tier, Volume
from monetization.pricing.rating import rate, rated_amount
from tests.properties.strategies import decimals, models, prices, tiers

few = st.integers(0, 70)
quantities = decimals(most=80)


@st.composite
def ladders(draw: st.DrawFn) -> tuple[tuple[Tier, ...], int]:
    """Draw tiers with whole bounds, and a quantity that often lies on one or beside it."""
    drawn = draw(tiers())
    bounds = sorted(
        draw(st.sets(st.integers(1, 60), min_size=len(drawn) - 1, max_size=len(drawn) - 1))
    )
    ladder = tuple(
        Tier(None if up_to is None else Decimal(up_to), tier.unit_price, tier.flat_fee)
        for up_to, tier in zip([*bounds, None], drawn, strict=True)
    )
    beside = [bound + step for bound in bounds for step in (-1, 0, 1)]
    near = st.sampled_from(beside) if beside else few
    return ladder, draw(near | few)


def tier_of(ladder: tuple[Tier, ...], unit: int) -> int:
    """The number of the tier the n-th unit falls in, counted the slow way."""
    number = 0
    while (bound := ladder[number].up_to) is not None and unit > bound:
        number += 1
    return number


class TestGraduated:
    @given(ladders(), st.booleans())
    def test_costs_what_pricing_every_unit_on_its_own_costs(
        self, drawn: tuple[tuple[Tier, ...], int], at_zero: bool
    ) -> None:
        ladder, quantity = drawn
        entered = {tier_of(ladder, unit) for unit in range(1, quantity + 1)}
        if at_zero:
            entered.add(0)
        naive = sum(ladder[number].flat_fee for number in entered) + sum(
            ladder[tier_of(ladder, unit)].unit_price for unit in range(1, quantity + 1)
        )

        assert rated_amount(Graduated(ladder, at_zero), Decimal(quantity)) == naive

    @given(tiers(), quantities, quantities, st.booleans())
    def test_more_never_costs_less(
        self, ladder: tuple[Tier, ...], quantity: Decimal, more: Decimal, at_zero: bool
    ) -> None:
        model = Graduated(ladder, at_zero)

        assert rated_amount(model, quantity) <= rated_amount(model, quantity + more)

    @given(tiers(), quantities)
    def test_slices_add_up_to_the_quantity(
        self, ladder: tuple[Tier, ...], quantity: Decimal
    ) -> None:
        assert sum(charge.quantity for charge in rate(Graduated(ladder), quantity)) == quantity


class TestVolume:
    @given(ladders())
    def test_every_unit_costs_what_the_last_one_does(
        self, drawn: tuple[tuple[Tier, ...], int]
    ) -> None:
        ladder, quantity = drawn
        tier = ladder[tier_of(ladder, quantity)]
        naive = sum(tier.unit_price for _ in range(quantity)) + tier.flat_fee

        assert rated_amount(Volume(ladder), Decimal(quantity)) == naive
        fees_only = tuple(Tier(t.up_to, flat_fee=t.flat_fee) for t in ladder)
        assert rated_amount(StairStep(fees_only), Decimal(quantity)) == tier.flat_fee

    @given(tiers(), quantities, quantities)
    def test_more_never_costs_less_within_a_tier(
        self, ladder: tuple[Tier, ...], one: Decimal, other: Decimal
    ) -> None:
        less, more = sorted((one, other))
        rows = [rate(Volume(ladder), quantity)[0] for quantity in (less, more)]

        if rows[0].key == rows[1].key:
            assert rows[0].amount <= rows[1].amount
        else:
            assert rows[0].key < rows[1].key


class TestPackage:
    @given(st.integers(1, 9), prices, st.integers(0, 9), st.booleans(), few)
    def test_opens_a_package_when_the_one_before_is_full(
        self, size: int, price: Decimal, free: int, at_least_one: bool, quantity: int
    ) -> None:
        opened, room = int(at_least_one), size * int(at_least_one)
        for _ in range(free, quantity):
            if room == 0:
                opened, room = opened + 1, size
            room -= 1
        model = Package(Decimal(size), price, Decimal(free), at_least_one)

        assert rated_amount(model, Decimal(quantity)) == opened * price

    @given(decimals(most=20).filter(bool), prices, decimals(most=9), quantities, quantities)
    def test_more_never_costs_less(
        self, size: Decimal, price: Decimal, free: Decimal, quantity: Decimal, more: Decimal
    ) -> None:
        model = Package(size, price, free)

        assert rated_amount(model, quantity) <= rated_amount(model, quantity + more)


class TestEveryModel:
    @given(models(), quantities)
    def test_costs_nothing_less_than_nothing(self, model: object, quantity: Decimal) -> None:
        assert rated_amount(model, quantity) >= 0  # type: ignore[arg-type]
