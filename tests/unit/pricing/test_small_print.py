"""What a price says about the cases nobody thinks of: bounds met exactly, names of the parts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from monetization.kernel.money import Money
from monetization.kernel.period import Frequency, Period, billing_periods
from monetization.pricing.arithmetic import fraction
from monetization.pricing.credits import Grant
from monetization.pricing.modifiers import PercentOff, scheduled_discount
from monetization.pricing.prices import (
    Capacity,
    CapacityTier,
    ChargeModel,
    Flat,
    Graduated,
    Matrix,
    MatrixCell,
    Package,
    Percentage,
    PerUnit,
    PriceError,
    Seat,
    Tier,
    TimeOfUse,
    Volume,
    Window,
)
from monetization.pricing.proration import instants_factor, prorate_factor
from monetization.pricing.quantities import round_units
from monetization.pricing.rating import rate
from monetization.pricing.rating_events import rate_usage
from monetization.pricing.recurrence import CADENCES, calendar_anchor, first_anchor, steps_until
from monetization.pricing.seats import BalanceChange, rate_seats
from monetization.pricing.terms import ItemTerms, MinimumTerms, OrderTerms, PhaseTerms
from monetization.pricing.timeline import charge_periods, minimum_of
from monetization.pricing.usage import Usage, UsagePart

D = Decimal
START, END = date(2026, 1, 1), date(2026, 4, 1)
FEE = ItemTerms("fee", "fee", "Fee", "fixed", Flat(D(90)), Frequency.MONTHLY, "in_advance")
PHASE = PhaseTerms("p1", "Term", "standard", START, END, (FEE,))
LEAST = MinimumTerms(amount=D(100), frequency=Frequency.MONTHLY)


def order(*phases: PhaseTerms) -> OrderTerms:
    return OrderTerms("Deal", "USD", "UTC", START, phases[-1].end_on, 1, 30, phases)


def shown(model: ChargeModel, *parts: UsagePart) -> list[tuple[str, str, str]]:
    return [(c.key, c.label, f"{c.amount:f}") for c in rate_usage(model, Usage.of(parts))]


class TestNames:
    def test_a_package_says_its_size(self) -> None:
        (charge,) = rate(Package(D(1000), D(9), D(250)), D(251))

        assert (charge.label, charge.quantity) == ("Packages of 1,000", 1)

    def test_the_cells_of_a_matrix_are_counted_from_one_and_say_their_values(self) -> None:
        cells = (
            MatrixCell((("region", ("eu", "us")),), D(2)),
            MatrixCell((("region", ("asia",)),), D(3)),
        )
        parts = [UsagePart(D(1), {"region": region, "team": "a"}) for region in ("us", "asia", "x")]

        assert shown(Matrix(cells, D(5)), *parts) == [
            ("cell-1", "eu/us", "2"),
            ("cell-2", "asia", "3"),
            ("default", "Other", "5"),
        ]
        assert shown(Matrix(cells, D(5), ("team",)), *parts)[:2] == [
            ("cell-1:a", "eu/us, a", "2"),
            ("cell-2:a", "asia, a", "3"),
        ]

    def test_hours_are_counted_from_one_and_the_rest_comes_last(self) -> None:
        model = TimeOfUse((Window(0, 60, D(2)), Window(60, 120, D(3))), D(5))
        parts = [UsagePart(D(1), {}, minute) for minute in (119, 59, 120)]

        assert [(key, amount) for key, _, amount in shown(model, *parts)] == [
            ("window-1", "2"),
            ("window-2", "3"),
            ("default", "5"),
        ]

    def test_a_capacity_holds_its_limit_and_says_which_it_is(self) -> None:
        model = Capacity(
            (CapacityTier(D(10), (("gb", D(5)),)), CapacityTier(D(30), (("gb", None),))), "unit"
        )
        used = [shown(model, UsagePart(D(gb), {"unit": "gb"})) for gb in (5, 6)]

        assert used == [[("tier-1", "Capacity 1", "10")], [("tier-2", "Capacity 2", "30")]]


class TestEvents:
    def test_an_event_without_money_still_pays_its_fee(self) -> None:
        model = Percentage(D(10), D(2), free_amount=D(50))

        assert [
            c.amount for c in rate_usage(model, Usage.of([UsagePart(D(50)), UsagePart(D(0))]))
        ] == [
            D(0),
            D(2),
        ]

    def test_every_event_is_brought_to_the_minimum_and_the_maximum(self) -> None:
        model = Percentage(D(10), minimum=D(5), maximum=D(8))
        parts = [UsagePart(D(n)) for n in (10, 20, 100)]

        assert shown(model, *parts) == [
            ("percentage", "Percentage", "13.00"),
            ("event-minimum", "Up to the minimum per event", "7.00"),
            ("event-maximum", "Down to the maximum per event", "-2.00"),
        ]

    def test_what_is_left_of_a_free_amount_serves_the_next_event(self) -> None:
        model = Percentage(D(10), free_amount=D(50))

        assert shown(model, UsagePart(D("49.5")), UsagePart(D(10))) == [
            ("percentage", "Percentage", "0.950")
        ]

    def test_nothing_used_is_no_event(self) -> None:
        assert [c.amount for c in rate(Percentage(D(10), D(2)), D(0))] == [0, 0]
        assert [c.amount for c in rate(Percentage(D(10), D(2)), D(5))] == [D("0.5"), 2]


class TestSeats:
    def test_no_fewer_than_the_contracted_minimum(self) -> None:
        seats = Seat(PerUnit(D(7)), "peak", D(10))

        assert [rate(seats, D(held))[0].quantity for held in (3, 10, 12)] == [10, 10, 12]

    def test_seats_of_the_next_period_are_no_peak_of_this(self) -> None:
        january = Period(START, date(2026, 2, 1))
        seats = Seat(PerUnit(D(7)), "peak")
        later = BalanceChange(date(2026, 2, 1), D(50))

        assert rate_seats(seats, january, january, D(3), [later]).exact == 21


class TestRefusals:
    @pytest.mark.parametrize("size", [D(0), D(-1)])
    def test_a_package_of_nothing(self, size: Decimal) -> None:
        with pytest.raises(PriceError, match="size: must be more than zero"):
            Package(size, D(1))

    def test_a_minimum_above_the_maximum_but_not_one_that_meets_it(self) -> None:
        assert Percentage(D(1), minimum=D(5), maximum=D(5)).minimum == 5
        with pytest.raises(PriceError, match="minimum"):
            Percentage(D(1), minimum=D("5.01"), maximum=D(5))

    def test_a_cell_with_a_dimension_that_allows_nothing(self) -> None:
        cell = MatrixCell((("region", ("eu",)), ("cloud", ())), D(1))
        with pytest.raises(PriceError):
            Matrix((cell,), D(1))

    @pytest.mark.parametrize("bounds", [(), (5, 5, None), (5, None, 9, None), (5, 9), (9, 5, None)])
    def test_tiers_that_do_not_rise_to_an_open_end(self, bounds: tuple[int | None, ...]) -> None:
        with pytest.raises(PriceError, match="tiers"):
            Graduated(tuple(Tier(None if up_to is None else D(up_to)) for up_to in bounds))

    def test_the_tier_that_should_be_open_is_named(self) -> None:
        with pytest.raises(PriceError, match=r"tiers\[1\].up_to: the last tier must be unbounded"):
            Graduated((Tier(D(5)), Tier(D(9))))

    def test_a_minimum_the_phase_does_not_have(self) -> None:
        terms = order(
            replace(PHASE, minimum=LEAST, further_minimums=(replace(LEAST, amount=D(7)),))
        )
        periods = [period for period in charge_periods(terms) if period.kind == "minimum"]

        assert {minimum_of(terms, p)[0].amount for p in periods} == {100, 7}
        for key in ("minimum-3", "minimum-4"):
            with pytest.raises(ValueError, match="phase p1 has no minimum"):
                minimum_of(terms, replace(periods[0], item_key=key))


class TestTime:
    def test_a_day_that_is_a_whole_period_is_all_of_it_in_months_of_thirty_days(self) -> None:
        day = Period(START, date(2026, 1, 2))

        assert prorate_factor(day, day, "thirty_day_month") == 1
        assert prorate_factor(day, day, "actual_thirty") == 1

    def test_months_of_thirty_days_cross_the_year(self) -> None:
        full = Period(date(2025, 12, 15), date(2026, 1, 15))

        assert prorate_factor(Period(date(2025, 12, 20), full.end), full, "thirty_day_month") == (
            Fraction(25, 30)
        )

    def test_a_microsecond_counts(self) -> None:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        ends = [start + timedelta(microseconds=n) for n in (1, 3)]

        assert instants_factor((start, ends[0]), (start, ends[1])) == Fraction(1, 3)

    def test_a_contract_may_begin_on_its_billing_day(self) -> None:
        assert first_anchor(date(2026, 1, 15), 15) == date(2026, 1, 15)
        assert first_anchor(date(2026, 1, 16), 15) == date(2026, 2, 15)

    def test_months_are_counted_back_as_they_are_forth(self) -> None:
        anchor = date(2026, 1, 31)

        assert [
            steps_until(anchor, day, CADENCES["monthly"])
            for day in (
                date(2025, 11, 30),
                date(2025, 12, 30),
                date(2025, 12, 31),
                date(2026, 2, 28),
            )
        ] == [-2, -2, -1, 1]

    @pytest.mark.parametrize("cadence", ["yearly", "sesquiennial", "biennial"])
    def test_years_of_the_calendar_begin_in_january(self, cadence: str) -> None:
        for day in (date(2026, 1, 1), date(2026, 12, 31)):
            assert calendar_anchor(day, CADENCES[cadence]) == date(2026, 1, 1)

    def test_periods_are_found_however_short_the_first_month_was(self) -> None:
        """February has 28 days; counting the years that follow in Februaries overshoots."""
        late = date(2045, 7, 14)
        (first, *_) = billing_periods(
            late, date(2045, 9, 1), Frequency.MONTHLY, anchor_day=1, anchor_on=date(2025, 2, 1)
        )

        assert first.full == Period(date(2045, 7, 1), date(2045, 8, 1))
        assert first.service == Period(late, date(2045, 8, 1))

    def test_an_open_contract_that_begins_when_looking_ends_has_no_periods_yet(self) -> None:
        terms = order(replace(PHASE, end_on=None))

        once = replace(FEE, key="once", frequency=Frequency.ONE_TIME)

        assert charge_periods(terms, until=START) == ()
        with_fee = order(replace(PHASE, items=(FEE, once), end_on=None))
        assert charge_periods(with_fee, until=START) == ()
        assert len(charge_periods(terms, until=START + timedelta(days=1))) == 1

    @pytest.mark.parametrize(("timing", "day"), [("in_advance", 1), ("in_arrears", 1)])
    def test_what_is_paid_ahead_is_billed_when_its_period_begins(
        self, timing: str, day: int
    ) -> None:
        terms = order(replace(PHASE, items=(replace(FEE, timing=timing),)))
        months = [period.bill_on.month for period in charge_periods(terms)]

        assert months == ([1, 2, 3] if timing == "in_advance" else [2, 3, 4])

    def test_a_fee_that_is_earned_at_once_serves_its_day(self) -> None:
        once = replace(FEE, frequency=Frequency.ONE_TIME, recognition="point_in_time")
        (period,) = charge_periods(order(replace(PHASE, items=(once,))))

        assert period.service == Period(START, date(2026, 1, 2))

    def test_a_minimum_belongs_to_the_phase_its_period_ends_in(self) -> None:
        first = replace(PHASE, end_on=date(2026, 2, 1))
        second = replace(PHASE, key="p2", start_on=date(2026, 2, 1))
        terms = replace(order(first, second), minimums=(LEAST,))
        periods = [period for period in charge_periods(terms) if period.kind == "minimum"]

        assert [period.phase_key for period in periods] == ["p1", "p2", "p2"]


class TestAmounts:
    def test_a_discount_schedule_prices_all_units_or_each_slice(self) -> None:
        rows = [(D(10), PercentOff(D(10))), (None, PercentOff(D(20)))]

        assert isinstance(scheduled_discount(D(100), rows, "range"), Volume)
        slab = scheduled_discount(D(100), rows, "slab")
        assert [c.amount for c in rate(slab, D(15))] == [900, 400]
        with pytest.raises(PriceError, match="kind: must be range or slab"):
            scheduled_discount(D(100), rows, "stairs")

    def test_units_that_are_not_rounded_stay_what_they_are(self) -> None:
        assert round_units(D("1.23456"), "none") == D("1.23456")
        assert round_units(Fraction(1, 8), "none") == D("0.125")

    def test_an_exact_number_is_read_from_decimals_fractions_and_text(self) -> None:
        assert [fraction(value) for value in (D("0.5"), Fraction(1, 2), 3, "0.25")] == [
            Fraction(1, 2),
            Fraction(1, 2),
            3,
            Fraction(1, 4),
        ]

    def test_a_credit_for_named_prices_pays_nothing_else(self) -> None:
        named = Grant("g", D(1), scope=frozenset({"api"}))

        assert [named.covers(key) for key in ("api", "fee", None)] == [True, False, False]
        assert Grant("g", D(1)).covers(None)

    def test_equal_amounts_are_not_less(self) -> None:
        one = Money(D("1.00"), "USD")

        assert not one < one
        assert one <= Money(D("1.00"), "USD") < Money(D("1.01"), "USD")

    def test_a_fraction_of_nothing_is_nothing_without_a_sign(self) -> None:
        for tiny in (Fraction(-1, 1000), Fraction(0), Fraction(1, 1000)):
            assert str(Money.rounded(tiny, "USD").amount) == "0.00"
