"""A price made ready once computes what its definition says, on any line, to the last digit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from monetization.kernel.money import Money
from monetization.pricing.arithmetic import fraction
from monetization.pricing.codec import price_from_data, price_to_data
from monetization.pricing.estimate import Component, pricer
from monetization.pricing.estimate.compiled import changed
from monetization.pricing.estimate.lines import components_of, exact_of
from monetization.pricing.modifiers import (
    Change,
    amount_change,
    cap_change,
    minimum_change,
    percent_change,
)
from monetization.pricing.prices import ChargeModel, Graduated, Percentage, PerUnit, Tier
from monetization.pricing.rating import rate, rated_amount
from tests.properties.by_fractions import PLACES, cost, rounded
from tests.properties.model_strategies import kinds, long_numbers, models, numbers

currencies = st.sampled_from(sorted(PLACES))
percents = st.decimals(0, 100, places=3, allow_nan=False)
THIRDS = Graduated(
    (Tier(Decimal(1), Decimal("0.005")), Tier(Decimal(2), Decimal("0.005")), Tier(None, Decimal(1)))
)


def _parts(components: tuple[Component, ...]) -> list[tuple[object, ...]]:
    return [part[:5] for part in components]


class TestAnyPrice:
    @pytest.mark.parametrize("kind", sorted(kinds))
    @settings(max_examples=50, deadline=None)
    @given(data=st.data(), quantity=numbers)
    def test_costs_what_its_definition_says(
        self, kind: str, data: st.DataObject, quantity: Decimal
    ) -> None:
        model = data.draw(kinds[kind])

        assert fraction(rated_amount(model, quantity)) == cost(model, quantity)

    @given(models, numbers, currencies)
    @example(THIRDS, Decimal(2), "USD")
    @example(THIRDS, Decimal("2.01"), "USD")
    def test_is_rounded_once_and_its_parts_add_up(
        self, model: ChargeModel, quantity: Decimal, currency: str
    ) -> None:
        amount, components, exact = pricer(model, currency)(quantity)

        assert amount == Money(rounded(cost(model, quantity), currency), currency)
        assert sum((part.amount for part in components), Decimal(0)) == amount.amount
        assert fraction(exact) == cost(model, quantity)

    @given(models, numbers, currencies)
    def test_shows_the_parts_it_was_rated_by(
        self, model: ChargeModel, quantity: Decimal, currency: str
    ) -> None:
        charges = rate(model, quantity)
        amount, components, _ = pricer(model, currency)(quantity)

        assert components == components_of(charges, amount)

    @given(models, long_numbers)
    def test_keeps_every_digit_of_the_longest_quantity(
        self, model: ChargeModel, quantity: Decimal
    ) -> None:
        assert fraction(pricer(model, "USD")(quantity)[2]) == cost(model, quantity)

    @given(models, st.integers(1, 10**9))
    def test_has_nothing_to_say_below_zero(self, model: ChargeModel, units: int) -> None:
        with pytest.raises(ValueError, match="cannot rate"):
            pricer(model, "USD")(Decimal(-units))

    @given(models)
    def test_is_shared_by_all_who_read_the_same_data(self, model: ChargeModel) -> None:
        data = price_to_data(model)

        assert price_from_data(data) is price_from_data(price_to_data(price_from_data(data)))
        assert price_from_data(data) == model


class TestChanges:
    @given(models, numbers, currencies, percents, numbers, numbers, numbers)
    @example(
        PerUnit(Decimal(1)), Decimal(100), "USD", Decimal(0), Decimal(0), Decimal(1), Decimal(1)
    )
    @example(THIRDS, Decimal(3), "USD", Decimal(50), Decimal(0), Decimal(9), Decimal(1))
    def test_each_takes_what_the_ones_before_left(
        self,
        model: ChargeModel,
        quantity: Decimal,
        currency: str,
        percent: Decimal,
        off: Decimal,
        cap: Decimal,
        least: Decimal,
    ) -> None:
        changes = [
            Change("discount-1", "Percent", percent_change(percent)),
            Change("discount-2", "Amount", amount_change(off)),
            Change("cap-1", "Cap", cap_change(cap)),
            Change("minimum-1", "Minimum", minimum_change(least)),
        ]
        amount, components, exact = pricer(model, currency)(quantity, changes)

        left = cost(model, quantity) * (1 - Fraction(percent) / 100)
        left = max(Fraction(0), left - Fraction(off))
        left = max(min(left, Fraction(cap)), Fraction(least))
        assert fraction(exact) == left
        assert amount.amount == rounded(left, currency)
        assert sum((part.amount for part in components), Decimal(0)) == amount.amount
        named = {part.key: part for part in components}
        assert all(named[key].exact for key in named.keys() & {change.key for change in changes})

    @given(models, numbers, currencies, percents, numbers)
    @example(THIRDS, Decimal(3), "USD", Decimal(50), Decimal(1))
    def test_show_the_parts_of_the_longer_way(
        self, model: ChargeModel, quantity: Decimal, currency: str, percent: Decimal, off: Decimal
    ) -> None:
        changes = [
            Change("discount-1", "Percent", percent_change(percent)),
            Change("discount-2", "Amount", amount_change(off)),
        ]
        parts = rate(model, quantity)
        exact, shown = changed(exact_of(parts), parts, changes)

        amount, components, _ = pricer(model, currency)(quantity, changes)

        assert amount == Money.rounded(exact, currency)
        assert components == components_of(shown, amount)

    @given(models, numbers, st.fractions(0, 100, max_denominator=97))
    def test_a_share_that_is_no_decimal_stays_a_fraction(
        self, model: ChargeModel, quantity: Decimal, off: Fraction
    ) -> None:
        whole = cost(model, quantity)
        exact = pricer(model, "USD")(quantity, [Change("off", "Off", amount_change(off))])[2]

        assert fraction(exact) == max(Fraction(0), whole - off)

    @given(models, numbers)
    def test_that_do_nothing_are_not_shown(self, model: ChargeModel, quantity: Decimal) -> None:
        assume(not isinstance(model, Percentage) or quantity)
        idle = [
            Change("discount-1", "Percent", percent_change(Decimal(0))),
            Change("discount-2", "Amount", amount_change(Decimal(0))),
            Change("cap-1", "Cap", cap_change(Decimal(10) ** 60)),
            Change("minimum-1", "Minimum", minimum_change(Decimal(0))),
        ]

        assert _parts(pricer(model, "USD")(quantity, idle)[1]) == _parts(
            pricer(model, "USD")(quantity)[1]
        )
