"""Splitting and rounding lose and invent nothing."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monetization.kernel.money import Money, allocate, minor_unit, total
from tests.properties.strategies import currencies, monies

weights = st.lists(st.decimals(0, 10**6, places=6), min_size=1, max_size=30).filter(any)
exact_amounts = st.one_of(
    st.decimals(-(10**9), 10**9, places=4),
    st.integers(-(10**7), 10**7).map(lambda n: Decimal(n) / 2000),  # many exact halves
)


class TestAllocate:
    @given(monies(), weights)
    def test_loses_and_invents_nothing(self, amount: Money, parts: list[Decimal]) -> None:
        assert total(allocate(amount, parts), amount.currency) == amount

    @given(monies(), weights)
    def test_is_as_fair_as_whole_minor_units_allow(
        self, amount: Money, parts: list[Decimal]
    ) -> None:
        whole = Fraction(sum(parts))
        errors = [
            Fraction(share.amount) - Fraction(amount.amount) * Fraction(weight) / whole
            for share, weight in zip(allocate(amount, parts), parts, strict=True)
        ]
        # Rounding up a share with a smaller remainder than another's would widen the spread.
        assert max(errors) - min(errors) <= minor_unit(amount.currency)

    @given(monies(), weights)
    def test_of_a_credit_mirrors_the_charge(self, amount: Money, parts: list[Decimal]) -> None:
        assert allocate(-amount, parts) == tuple(-share for share in allocate(amount, parts))

    @given(monies(), weights)
    def test_never_gives_less_to_a_larger_weight_nor_anything_to_none(
        self, amount: Money, parts: list[Decimal]
    ) -> None:
        shares = [abs(share.amount) for share in allocate(amount, parts)]
        by_weight = sorted(zip(parts, shares, strict=True))
        for (light, less), (heavy, more) in pairwise(by_weight):
            assert less <= more or light == heavy
        assert all(share == 0 for weight, share in zip(parts, shares, strict=True) if weight == 0)

    @given(monies(), weights, st.randoms())
    def test_gives_the_same_shares_in_whatever_order_the_weights_come(
        self, amount: Money, parts: list[Decimal], random: object
    ) -> None:
        shuffled = sorted(parts, key=lambda _: random.random())  # type: ignore[attr-defined]

        first, second = allocate(amount, parts), allocate(amount, shuffled)

        assert sorted(share.amount for share in first) == sorted(share.amount for share in second)

    @given(monies(), weights, st.integers(1, 1000))
    def test_depends_on_the_proportions_alone(
        self, amount: Money, parts: list[Decimal], scale: int
    ) -> None:
        assert allocate(amount, parts) == allocate(amount, [part * scale for part in parts])


class TestRounded:
    @given(exact_amounts, currencies)
    def test_is_the_nearest_payable_amount_and_halves_go_away_from_zero(
        self, amount: Decimal, currency: str
    ) -> None:
        unit = Fraction(minor_unit(currency))
        units = abs(Fraction(amount)) / unit
        nearest = (2 * units.numerator + units.denominator) // (2 * units.denominator)

        rounded = Fraction(Money.rounded(amount, currency).amount)

        assert rounded == (nearest if amount >= 0 else -nearest) * unit

    @given(exact_amounts, currencies)
    def test_is_the_same_for_a_fraction_and_for_a_credit(
        self, amount: Decimal, currency: str
    ) -> None:
        rounded = Money.rounded(amount, currency)

        assert Money.rounded(Fraction(amount), currency) == rounded
        assert Money.rounded(-amount, currency) == -rounded

    @given(monies())
    def test_twice_changes_nothing(self, amount: Money) -> None:
        assert Money.rounded(amount.amount, amount.currency) == amount

    @given(
        st.fractions(-(10**6), 10**6, max_denominator=10**6),
        st.fractions(0, 10**6, max_denominator=10**6),
        currencies,
    )
    def test_never_turns_more_into_less(
        self, amount: Fraction, more: Fraction, currency: str
    ) -> None:
        assert Money.rounded(amount, currency) <= Money.rounded(amount + more, currency)
