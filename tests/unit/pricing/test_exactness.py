"""Amounts are exact until they are rounded once, whatever they are computed in."""

from decimal import Decimal
from fractions import Fraction
from typing import get_args

import pytest

from monetization.kernel.money import Money, MoneyError, rounded_parts
from monetization.pricing import memo
from monetization.pricing.arithmetic import (
    Exact,
    add,
    filled,
    less,
    negated,
    scaled,
    started,
    total_of,
)
from monetization.pricing.modifiers import (
    AmountOff,
    Discount,
    PercentOff,
    discount_steps,
    over_cap,
    true_up,
)
from monetization.pricing.prices import ChargeModel
from monetization.pricing.rating import RATERS

LONG = Decimal("9" * 38 + "." + "9" * 12)
THIRD = Fraction(1, 3)


def test_every_charge_model_can_be_rated() -> None:
    assert set(RATERS) == set(get_args(ChargeModel))


@pytest.mark.parametrize(
    ("one", "other"),
    [(Decimal("0.1"), Decimal("0.2")), (Decimal("0.1"), THIRD), (THIRD, THIRD), (THIRD, LONG)],
)
def test_decimals_and_fractions_give_what_fractions_give(one: Exact, other: Exact) -> None:
    first, second = Fraction(one), Fraction(other)

    assert Fraction(add(one, other)) == first + second
    assert Fraction(less(one, other)) == first - second
    assert Fraction(scaled(one, other)) == first * second
    assert Fraction(negated(one)) == -first
    assert Fraction(total_of([one, other, one])) == first + second + first


def test_more_digits_than_the_context_has_go_on_as_fractions() -> None:
    stack = [PercentOff(Decimal("0." + "0" * 11 + str(digit))) for digit in range(1, 10)] * 5

    taken = discount_steps(LONG, stack)

    expected, left = [], Fraction(LONG)
    for off in stack:
        expected.append(left * Fraction(off.percent) / 100)
        left -= expected[-1]
    assert [Fraction(off) for off in taken] == expected
    assert not isinstance(taken[-1], Decimal)


def test_a_fraction_in_is_a_fraction_out() -> None:
    whole = Fraction(100)
    stack: list[Discount] = [
        PercentOff(Decimal(10)),
        AmountOff(Decimal(5)),
        AmountOff(Decimal(500)),
    ]

    taken = [*discount_steps(whole, stack), *discount_steps(Fraction(0), stack)]
    taken += [over_cap(whole, Fraction(200)), true_up(whole, Fraction(50))]
    taken += [over_cap(whole, Fraction(70)), true_up(whole, Fraction(150))]

    assert [str(off) for off in taken] == ["10", "5", "85", "0", "0", "0", "0", "0", "30", "50"]
    assert {type(off) for off in taken} == {Fraction}


@pytest.mark.parametrize(
    ("units", "begun", "full"),
    [("0", 0, 0), ("0.1", 1, 0), ("3", 1, 1), ("3.1", 2, 1), ("-0.1", 0, -1), ("-3", -1, -1)],
)
def test_blocks_are_started_upwards_and_filled_downwards(units: str, begun: int, full: int) -> None:
    assert started(Decimal(units), Decimal(3)) == begun
    assert filled(Decimal(units), Decimal(3)) == full


def test_blocks_of_the_longest_quantity_are_counted_exactly() -> None:
    units = Decimal("1" * 26 + "." + "1" * 12)

    assert started(units, Decimal("0.000000000001")) == int("1" * 38)
    assert started(units, Decimal("0.000000000002")) == (int("1" * 38) + 1) // 2


def test_parts_are_rounded_whatever_they_are_computed_in() -> None:
    whole = Money(Decimal("1.00"), "USD")
    parts: list[Exact] = [THIRD, Decimal("0.335"), Decimal("-0.001"), THIRD]

    assert list(map(str, rounded_parts(parts, whole))) == ["0.33", "0.34", "0.00", "0.33"]
    assert rounded_parts([], whole) == []


def test_a_debt_of_less_than_half_a_cent_is_nothing_without_a_sign() -> None:
    for exact in (Decimal("-0.004"), Fraction(-4, 1000)):
        assert str(Money.rounded(exact, "USD")) == "0.00 USD"
    assert str(-Money.zero("USD")) == "0.00 USD"


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_what_is_not_a_number_is_not_money(amount: str) -> None:
    with pytest.raises(MoneyError, match="is not an amount"):
        Money.rounded(Decimal(amount), "USD")


def test_a_price_is_prepared_once_and_forgotten_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memo, "_MOST", 2)
    prepared: list[tuple[int, ...]] = []

    def count(value: tuple[int, ...]) -> int:
        prepared.append(value)
        return len(prepared)

    prepare = memo.by_identity(count)
    values = [(1, 2), (3,), (4,)]

    answers = [prepare(value) for value in (values[0], values[0], values[1], values[2], values[0])]

    assert answers == [1, 1, 2, 3, 4]
