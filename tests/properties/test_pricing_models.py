"""Laws of every charge model and of what happens around it."""

import json
import random
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from monetization.pricing.accumulation import rate_delta
from monetization.pricing.codec import price_from_data, price_to_data
from monetization.pricing.modifiers import (
    AmountOff,
    PercentOff,
    commitment_first,
    commitment_last,
    committed_charge,
    discount_steps,
    over_cap,
    true_up,
)
from monetization.pricing.prices import (
    ChargeModel,
    Graduated,
    Matrix,
    Package,
    Percentage,
    PerUnit,
    Seat,
    Tier,
    TimeOfUse,
)
from monetization.pricing.quantities import Conversion, apply_allowance, round_units
from monetization.pricing.rating import rate, rated_amount
from monetization.pricing.rating_events import compacted, rate_usage, usage_amount
from monetization.pricing.usage import Usage, UsagePart
from tests.properties.model_strategies import (
    events,
    long_numbers,
    matrices,
    models,
    numbers,
    packages,
    percentages,
    prices,
    straight,
    tiers,
    times_of_use,
)


class TestEveryModel:
    @given(straight, numbers, numbers)
    def test_without_tiers_and_fees_two_quantities_cost_what_they_cost_together(
        self, model: ChargeModel, one: Decimal, other: Decimal
    ) -> None:
        apart = rated_amount(model, one) + rated_amount(model, other)

        assert rated_amount(model, one + other) == apart

    @given(models, numbers)
    def test_costs_a_plain_amount_that_is_not_negative(
        self, model: ChargeModel, quantity: Decimal
    ) -> None:
        amount = rated_amount(model, quantity)
        assert amount.is_finite()
        assert amount >= 0

    @given(models, events)
    def test_adds_up_over_the_charges_it_shows(
        self, model: ChargeModel, used: tuple[UsagePart, ...]
    ) -> None:
        usage = Usage.of(used)
        charges = rate_usage(model, usage)
        shown = sum((Fraction(charge.amount) for charge in charges), start=Fraction(0))
        assert shown == Fraction(usage_amount(model, usage))
        assert len({charge.key for charge in charges}) == len(charges)

    @given(models, events)
    def test_costs_the_same_when_events_that_price_alike_are_added_up(
        self, model: ChargeModel, used: tuple[UsagePart, ...]
    ) -> None:
        usage = Usage.of(used)
        short = compacted(model, usage)
        assert usage_amount(model, short) == usage_amount(model, usage)
        assert short.quantity == usage.quantity
        assert len(short.parts) <= len(usage.parts)

    @given(models)
    def test_survives_being_stored(self, model: ChargeModel) -> None:
        assert price_from_data(json.loads(json.dumps(price_to_data(model)))) == model

    @given(models.filter(lambda m: not isinstance(m, Percentage)), events, st.randoms())
    def test_costs_the_same_in_any_order_of_the_events(
        self, model: ChargeModel, used: tuple[UsagePart, ...], source: random.Random
    ) -> None:
        shuffled = list(used)
        source.shuffle(shuffled)
        assert usage_amount(model, Usage.of(used)) == usage_amount(model, Usage.of(shuffled))

    @given(long_numbers, long_numbers)
    def test_loses_no_digit_of_the_longest_numbers(self, units: Decimal, price: Decimal) -> None:
        amount = Fraction(rated_amount(PerUnit(price), units))
        assert amount == Fraction(units) * Fraction(price)
        last = Graduated((Tier(Decimal(1), price), Tier(None, price)))
        assert Fraction(rated_amount(last, units)) == amount


class TestGraduated:
    @given(tiers(), st.integers(0, 400))
    def test_costs_what_a_loop_over_half_units_costs(
        self, steps: tuple[Tier, ...], halves: int
    ) -> None:
        expected, entered = Fraction(steps[0].flat_fee), {0}
        for number in range(1, halves + 1):
            unit = Decimal(number) / 2
            place = next(
                i for i, tier in enumerate(steps) if tier.up_to is None or unit <= tier.up_to
            )
            below = [tier.up_to for tier in steps[:place] if tier.up_to is not None]
            floor = max([*below, unit - Decimal("0.5")])
            for earlier in range(place + 1):
                if earlier not in entered:
                    entered.add(earlier)
                    expected += Fraction(steps[earlier].flat_fee)
            expected += Fraction(unit - floor) * Fraction(steps[place].unit_price)
            if floor > unit - Decimal("0.5"):  # the half unit lies on both sides of a bound
                expected += _below(steps, unit - Decimal("0.5"), floor)
        assert Fraction(rated_amount(Graduated(steps), Decimal(halves) / 2)) == expected

    @given(tiers(flat=False), st.integers(0, 3))
    def test_does_not_jump_at_a_bound(self, steps: tuple[Tier, ...], place: int) -> None:
        bound = steps[min(place, len(steps) - 1)].up_to
        if bound is None:
            return
        tiny = Decimal("1e-9")
        model = Graduated(steps)
        jump = rated_amount(model, bound + tiny) - rated_amount(model, bound)
        assert 0 <= jump <= tiny * 50

    @given(tiers(), numbers, numbers)
    def test_more_never_costs_less(self, steps: tuple[Tier, ...], a: Decimal, b: Decimal) -> None:
        model = Graduated(steps)
        assert rated_amount(model, min(a, b)) <= rated_amount(model, max(a, b))


def _below(steps: tuple[Tier, ...], low: Decimal, high: Decimal) -> Fraction:
    """Price a stretch that crosses bounds, bound by bound."""
    total, floor = Fraction(0), low
    for tier in steps:
        top = high if tier.up_to is None else min(high, tier.up_to)
        if top > floor:
            total += Fraction(top - floor) * Fraction(tier.unit_price)
            floor = top
    return total


class TestModelsByEvent:
    @given(st.lists(numbers, max_size=10), prices, prices, st.integers(0, 5), numbers)
    def test_a_percentage_is_what_a_loop_over_events_says(
        self, amounts: list[Decimal], percent: Decimal, fee: Decimal, free: int, budget: Decimal
    ) -> None:
        model = Percentage(percent, fee, free or None, budget or None)
        left, expected = Fraction(budget), Fraction(0)
        for place, amount in enumerate(amounts):
            rest = Fraction(amount)
            if free and budget:
                covered = min(rest, left) if place < free else Fraction(0)
            elif free:
                covered = rest if place < free else Fraction(0)
            else:
                covered = min(rest, left)
            left -= covered if budget else 0
            in_free = (place < free if free else bool(budget)) and covered == rest
            if not in_free:
                expected += (rest - covered) * Fraction(percent) / 100 + Fraction(fee)
        used = Usage.of(UsagePart(amount) for amount in amounts)
        if not (free and budget) or all(amounts):
            assert abs(Fraction(usage_amount(model, used)) - expected) <= _zero_events(amounts, fee)

    @given(percentages(), st.lists(numbers, max_size=8))
    def test_a_percentage_stays_within_its_bounds_per_event(
        self, model: Percentage, amounts: list[Decimal]
    ) -> None:
        cost = usage_amount(model, Usage.of(UsagePart(amount) for amount in amounts))
        if model.maximum is not None:
            assert cost <= model.maximum * len(amounts)
        if model.minimum is not None and not (model.free_events or model.free_amount):
            assert cost >= model.minimum * len(amounts)

    @given(matrices(), events, events)
    def test_a_matrix_of_all_events_is_the_sum_over_any_two_halves(
        self, model: Matrix, one: tuple[UsagePart, ...], other: tuple[UsagePart, ...]
    ) -> None:
        apart = usage_amount(model, Usage.of(one)) if one else Decimal(0)
        apart += usage_amount(model, Usage.of(other)) if other else Decimal(0)
        together = usage_amount(model, Usage.of(one + other)) if one + other else Decimal(0)
        assert apart == together

    @given(times_of_use(), events.filter(bool))
    def test_time_of_use_prices_every_minute_once(
        self, model: TimeOfUse, used: tuple[UsagePart, ...]
    ) -> None:
        expected = Fraction(0)
        for part in used:
            prices_there = [
                window.unit_price
                for window in model.windows
                if part.minute in range(window.start_minute, window.end_minute)
            ] or [model.default_unit_price]
            assert len(prices_there) == 1
            expected += Fraction(part.quantity) * Fraction(prices_there[0])
        assert Fraction(usage_amount(model, Usage.of(used))) == expected


def _zero_events(amounts: list[Decimal], fee: Decimal) -> Fraction:
    """An event of nothing is free while something is free, and owes its fee after that."""
    return Fraction(fee) * sum(1 for amount in amounts if not amount)


class TestAccumulation:
    @given(models.filter(lambda m: not isinstance(m, Seat)), st.lists(numbers, max_size=6))
    def test_the_deltas_of_a_window_add_up_to_the_rating_of_the_whole(
        self, model: ChargeModel, months: list[Decimal]
    ) -> None:
        used, billed = Decimal(0), Fraction(0)
        for quantity in months:
            billed += Fraction(rate_delta(model, used, used + quantity))
            if not used and not quantity:
                billed = Fraction(0)  # nothing used yet: the next delta starts from nothing
            used += quantity
        if used:
            assert billed == Fraction(rated_amount(model, used))


class TestQuantities:
    @given(numbers, st.sampled_from(["up", "down", "half_up"]), st.integers(-2, 4))
    def test_rounding_moves_less_than_one_step(
        self, value: Decimal, rounding: str, places: int
    ) -> None:
        step = Decimal(1).scaleb(-places)
        rounded = round_units(value, rounding, places)
        assert rounded % step == 0
        assert abs(rounded - value) < step
        assert rounding != "up" or rounded >= value
        assert rounding != "down" or rounded <= value

    @given(numbers, numbers.filter(bool))
    def test_multiplying_and_dividing_undo_each_other(
        self, value: Decimal, factor: Decimal
    ) -> None:
        there = Conversion("multiply", factor).convert(value)
        assert Conversion("divide", factor).convert(there) == value

    @given(st.lists(numbers, max_size=6), numbers)
    def test_included_units_are_given_once_over_a_window(
        self, months: list[Decimal], free: Decimal
    ) -> None:
        before, given_units, billable = Decimal(0), Decimal(0), Decimal(0)
        for quantity in months:
            result = apply_allowance(quantity, free, before)
            given_units += result.included
            billable += result.billable
            before += quantity
        assert given_units == min(free, before)
        assert billable == max(Decimal(0), before - free)


discounts = st.one_of(
    st.builds(PercentOff, st.decimals(0, 100, places=2)), st.builds(AmountOff, numbers)
)


class TestModifiers:
    @given(numbers, st.lists(discounts, max_size=5))
    def test_discounts_never_take_more_than_there_is(
        self, amount: Decimal, stack: list[PercentOff | AmountOff]
    ) -> None:
        taken = discount_steps(Fraction(amount), stack)
        assert all(off >= 0 for off in taken)
        assert sum(taken) <= amount

    @given(numbers, st.lists(discounts, max_size=5), st.randoms())
    def test_percentages_may_be_listed_in_any_order(
        self, amount: Decimal, stack: list[PercentOff | AmountOff], source: random.Random
    ) -> None:
        shuffled = list(stack)
        source.shuffle(shuffled)
        assert sum(discount_steps(Fraction(amount), stack)) == sum(
            discount_steps(Fraction(amount), shuffled)
        )

    @given(numbers, st.decimals(0, 100, places=2), numbers)
    def test_percentages_go_before_amounts(
        self, amount: Decimal, percent: Decimal, off: Decimal
    ) -> None:
        both = discount_steps(Fraction(amount), [AmountOff(off), PercentOff(percent)])
        assert both[1] == Fraction(amount) * Fraction(percent) / 100

    @given(st.lists(numbers, max_size=6), numbers)
    def test_a_cap_over_split_lines_is_the_cap_of_the_whole(
        self, lines: list[Decimal], cap: Decimal
    ) -> None:
        before, kept = Fraction(0), Fraction(0)
        for line in lines:
            over = over_cap(Fraction(line), Fraction(cap), before)
            before += Fraction(line)
            kept += Fraction(line) - over
        assert kept == min(before, Fraction(cap))

    @given(numbers, numbers, st.decimals(1, 3, places=2))
    def test_a_commitment_costs_at_least_itself_and_more_beyond_it(
        self, used: Decimal, minimum: Decimal, factor: Decimal
    ) -> None:
        usage, committed = Fraction(used), Fraction(minimum)
        charge = committed_charge(usage, committed, Fraction(factor), tops_up=True)
        assert charge == max(usage, committed) if factor == 1 else charge >= max(usage, committed)
        assert charge == committed or usage > committed
        assert usage + true_up(usage, committed) == max(usage, committed)

    @given(st.lists(numbers, max_size=6), numbers)
    def test_a_commitment_charged_first_or_last_comes_to_the_same(
        self, charges: list[Decimal], minimum: Decimal
    ) -> None:
        exact = [Fraction(charge) for charge in charges]
        totals = set()
        for rule in (commitment_first, commitment_last):
            billed, at_end = rule(exact, Fraction(minimum))
            assert all(amount >= 0 for amount in (*billed, at_end))
            totals.add(sum(billed, start=at_end))
        assert totals == {max(sum(exact, start=Fraction(0)), Fraction(minimum))}


class TestPackages:
    @given(packages, numbers)
    def test_hold_every_billable_unit(self, model: Package, quantity: Decimal) -> None:
        (charge,) = rate(model, quantity)
        billable = max(Decimal(0), quantity - model.free_units)
        if model.whole_only:
            full = max(charge.quantity, Decimal(0)) * model.size
            assert full <= billable or (model.at_least_one and charge.quantity == 1)
        else:
            assert charge.quantity * model.size >= billable
            assert (charge.quantity - 1) * model.size < billable or charge.quantity <= 1
