"""Laws of rhythms, part periods, seats and measured levels."""

import random
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from metering.domain.aggregation import (
    AGGREGATIONS,
    DayDelta,
    Delta,
    Membership,
    Presence,
    Sample,
    aggregate,
    by_property,
    deduplicate,
    grouped,
    prorated_sum,
    prorated_unique_count,
    unique_at,
    weighted_sum,
)
from metering.domain.expressions import ExpressionError, NoValue, parse
from monetization.kernel.period import Period
from monetization.pricing.changes import change_with_cycles
from monetization.pricing.prices import Graduated, PerUnit, Seat, Tier, Volume
from monetization.pricing.proration import METHODS, fixed_month_factor, prorate_factor
from monetization.pricing.recurrence import (
    CADENCES,
    Cadence,
    billing_spans,
    dates_from,
    first_anchor,
    is_billing_day,
    nth_date,
    steps_until,
)
from monetization.pricing.seats import BalanceChange, advance_charges, rate_seats, walk_levels

days = st.dates(date(2019, 1, 1), date(2030, 12, 31))
cadences = st.sampled_from(sorted(CADENCES.values(), key=lambda c: (c.months, c.days)))
zones = st.sampled_from(["UTC", "Europe/Paris", "America/St_Johns", "Pacific/Apia", "Africa/Cairo"])
counts = st.integers(0, 40).map(Decimal)
price = st.integers(0, 50).map(Decimal)
seat_prices = st.one_of(
    st.builds(PerUnit, price),
    st.builds(
        lambda kind, a, b, fee: kind((Tier(Decimal(5), a, fee), Tier(None, b, fee))),
        st.sampled_from([Graduated, Volume]),
        price,
        price,
        price,
    ),
)


class TestRhythms:
    @given(days, cadences, st.integers(-30, 30))
    def test_steps_and_dates_agree(self, anchor: date, cadence: Cadence, number: int) -> None:
        day = nth_date(anchor, cadence, number)
        assert steps_until(anchor, day, cadence) == number
        assert steps_until(anchor, day - timedelta(days=1), cadence) == number - 1

    @given(days, cadences, days)
    def test_the_first_date_on_or_after_a_day_is_the_next(
        self, anchor: date, cadence: Cadence, day: date
    ) -> None:
        first, second = dates_from(anchor, cadence, 2, on_or_after=day)
        before = nth_date(anchor, cadence, steps_until(anchor, first, cadence) - 1)
        assert before < day <= first < second

    @given(days, cadences, st.none() | st.integers(1, 31), st.integers(1, 900))
    def test_periods_meet_and_cover_the_service(
        self, start: date, cadence: Cadence, anchor_day: int | None, length: int
    ) -> None:
        end = start + timedelta(days=length)
        spans = list(billing_spans(start, end, cadence, anchor_day=anchor_day))
        assert spans[0].service.start == start
        assert spans[-1].service.end == end
        assert all(a.service.end == b.service.start for a, b in pairwise(spans))
        assert all(s.full.start <= s.service.start < s.service.end <= s.full.end for s in spans)
        assert all(s.service == s.full for s in spans[1:-1])

    @given(days, st.integers(1, 31))
    def test_an_anchor_is_at_most_a_month_away(self, start: date, anchor_day: int) -> None:
        found = first_anchor(start, anchor_day)
        assert 0 <= (found - start).days <= 31
        assert found.day == anchor_day or (found + timedelta(days=1)).day == 1

    @given(days, cadences.filter(lambda c: c.months or c.days == 7), st.booleans())
    def test_exactly_one_billing_day_in_every_period(
        self, start: date, cadence: Cadence, on_calendar: bool
    ) -> None:
        last = nth_date(start, cadence, 3)
        inside = [start + timedelta(days=n) for n in range(1, (last - start).days + 1)]
        found = [d for d in inside if is_billing_day(d, start, cadence, on_calendar=on_calendar)]
        assert len(found) in ((3, 4) if on_calendar else (3,))


class TestProration:
    @given(days, st.integers(2, 60), st.data(), zones)
    def test_pieces_of_a_period_prorate_to_the_whole(
        self, start: date, length: int, data: st.DataObject, zone: str
    ) -> None:
        full = Period(start, start + timedelta(days=length))
        cut = start + timedelta(days=data.draw(st.integers(1, length - 1)))
        for method in METHODS:
            if method == "none":
                continue
            pieces = [Period(full.start, cut), Period(cut, full.end)]
            whole = prorate_factor(full, full, method, zone)
            assert sum(prorate_factor(p, full, method, zone) for p in pieces) == whole, method

    @given(days, st.integers(1, 27))
    def test_a_fixed_month_is_as_long_as_any_other(self, start: date, length: int) -> None:
        first = start.replace(day=1)
        part = fixed_month_factor(first, first.replace(day=1 + length))
        assert part == Fraction(length, 30)
        assert fixed_month_factor(first, nth_date(first, CADENCES["monthly"], 1)) == 1

    @given(days, st.integers(0, 27), counts, counts)
    def test_a_change_to_the_same_price_costs_nothing(
        self, start: date, offset: int, amount: Decimal, other: Decimal
    ) -> None:
        cycle = datetime(start.year, start.month, start.day, tzinfo=UTC)
        at = cycle + timedelta(days=offset)
        monthly = CADENCES["monthly"]
        assert not change_with_cycles((amount, monthly), (amount, monthly), cycle, at, "USD").net
        change = change_with_cycles((amount, monthly), (other, monthly), cycle, at, "USD")
        assert change.credit.amount <= 0 <= change.charge.amount


@st.composite
def balances(draw: st.DrawFn) -> tuple[Period, Decimal, list[BalanceChange]]:
    start = draw(days)
    period = Period(start, start + timedelta(days=draw(st.integers(2, 31))))
    offsets = draw(st.lists(st.integers(0, period.days - 1), max_size=5, unique=True))
    changes = [BalanceChange(start + timedelta(days=o), draw(counts)) for o in sorted(offsets)]
    return period, draw(counts), changes


class TestSeats:
    @given(balances(), price)
    def test_prorating_all_changes_is_paying_every_day_for_its_seats(
        self, held: tuple[Period, Decimal, list[BalanceChange]], unit: Decimal
    ) -> None:
        period, opening, changes = held
        paid, level = Fraction(0), opening
        for offset in range(period.days):
            today = period.start + timedelta(days=offset)
            level = next((c.balance for c in changes if c.on == today), level)
            paid += Fraction(level * unit) / period.days
        model = Seat(PerUnit(unit), "prorate_all")
        assert rate_seats(model, period, period, opening, changes).exact == paid

    @given(balances(), seat_prices.filter(lambda p: not isinstance(p, Volume)), counts)
    def test_modes_are_ordered_from_what_was_held_to_the_peak(
        self,
        held: tuple[Period, Decimal, list[BalanceChange]],
        per_seat: PerUnit | Graduated | Volume,
        least: Decimal,
    ) -> None:
        period, opening, changes = held
        costs = [
            rate_seats(Seat(per_seat, mode, least), period, period, opening, changes).exact
            for mode in ("prorate_all", "prorate_increments", "peak")
        ]
        assert costs == sorted(costs)
        start = rate_seats(
            Seat(per_seat, "period_start", least), period, period, opening, changes
        ).exact
        assert start <= costs[-1]

    @given(balances(), seat_prices, st.randoms())
    def test_changes_may_arrive_in_any_order(
        self,
        held: tuple[Period, Decimal, list[BalanceChange]],
        per_seat: PerUnit | Graduated | Volume,
        source: random.Random,
    ) -> None:
        period, opening, changes = held
        shuffled = list(changes)
        source.shuffle(shuffled)
        model = Seat(per_seat, "prorate_all")
        assert rate_seats(model, period, period, opening, changes) == rate_seats(
            model, period, period, opening, shuffled
        )

    @given(balances(), seat_prices)
    def test_walking_the_changes_is_charging_the_levels(
        self,
        held: tuple[Period, Decimal, list[BalanceChange]],
        per_seat: PerUnit | Graduated | Volume,
    ) -> None:
        period, opening, changes = held
        changes = [change for change in changes if change.on > period.start]
        level, steps = opening, [(opening, Fraction(1))]
        for change in changes:
            left = Fraction((period.end - change.on).days, period.days)
            steps.append((change.balance - level, left))
            level = change.balance
        charge = rate_seats(Seat(per_seat, "prorate_all"), period, period, opening, changes)
        assert sum(walk_levels(per_seat, steps)) == charge.exact

    @given(counts, st.lists(counts, max_size=6), price)
    def test_seats_paid_ahead_cost_the_highest_number_once(
        self, opening: Decimal, later: list[Decimal], unit: Decimal
    ) -> None:
        charges = advance_charges(PerUnit(unit), opening, later)
        assert all(charge >= 0 for charge in charges)
        assert sum(charges) == max([opening, *later]) * unit


moments = st.integers(0, 60 * 86400).map(
    lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
values = st.one_of(st.integers(-50, 50).map(str), st.none(), st.just("x"), st.just("1.25"))
samples = st.lists(
    st.builds(
        lambda value, group, at, place: Sample({"v": value, "g": group}, at, str(place)),
        values,
        st.sampled_from(["a", "b", None]),
        moments,
        st.integers(0, 10**6),
    ),
    max_size=15,
    unique_by=lambda sample: sample.id,
)


class TestAggregations:
    @given(samples, st.randoms(), st.sampled_from(AGGREGATIONS))
    def test_any_order_of_the_same_events_gives_the_same(
        self, used: list[Sample], source: random.Random, kind: str
    ) -> None:
        shuffled = list(used)
        source.shuffle(shuffled)
        read = by_property("v")
        assert aggregate(kind, used, read) == aggregate(kind, shuffled, read)

    @given(samples, st.sampled_from(["count", "sum"]))
    def test_groups_add_up_to_the_whole(self, used: list[Sample], kind: str) -> None:
        read = by_property("v")
        groups = grouped(kind, used, ["g"], read)
        assert sum(v for v in groups.values() if v is not None) == aggregate(kind, used, read)

    @given(samples)
    def test_the_average_lies_between_the_least_and_the_greatest(self, used: list[Sample]) -> None:
        least, mean, most = (
            aggregate(k, used, by_property("v")) for k in ("min", "average", "max")
        )
        if least is None or mean is None or most is None:
            assert least is mean is most is None
        else:
            assert Fraction(least) <= Fraction(mean) <= Fraction(most)

    @given(samples)
    def test_keeping_one_per_identity_twice_changes_nothing(self, used: list[Sample]) -> None:
        once = deduplicate(used, ["v"])
        assert deduplicate(once, ["v"]) == once
        assert len(once) == len({sample.data["v"] for sample in used})

    @given(st.lists(st.tuples(moments, counts), max_size=8), counts, moments)
    def test_a_weighted_level_over_two_windows_is_the_level_over_both(
        self, rows: list[tuple[datetime, Decimal]], opening: Decimal, cut: datetime
    ) -> None:
        start, end = datetime(2023, 12, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
        deltas = [Delta(at, value) for at, value in rows]
        reached = opening + sum((d.value for d in deltas if d.at < cut), start=Decimal(0))
        left, right = (cut - start) / (end - start), None
        first = weighted_sum(start, cut, deltas, opening)
        rest = [delta for delta in deltas if delta.at >= cut]
        right = weighted_sum(cut, end, rest, reached)
        share = Fraction((cut - start) // timedelta(microseconds=1)) / Fraction(
            (end - start) // timedelta(microseconds=1)
        )
        assert first * share + right * (1 - share) == weighted_sum(start, end, deltas, opening)
        assert 0 < left < 1

    @given(days, st.integers(1, 31), st.lists(st.integers(-5, 40), max_size=5))
    def test_day_levels_count_every_day_of_presence_once(
        self, start: date, length: int, offsets: list[int]
    ) -> None:
        end = start + timedelta(days=length)
        added = [start + timedelta(days=offset) for offset in offsets]
        present = sum(
            1 for day in range(length) for on in added if start + timedelta(days=day) >= on
        )
        deltas = [DayDelta(on, Decimal(1)) for on in added]
        assert prorated_sum(start, end, deltas, days_in_full=31) == Fraction(present, 31)
        items = [Presence(on) for on in added]
        assert prorated_unique_count(start, end, items, days_in_full=31) == Fraction(present, 31)

    @given(st.lists(st.tuples(st.sampled_from("abc"), moments, st.booleans()), max_size=10))
    def test_a_set_holds_what_was_added_last(self, rows: list[tuple[str, datetime, bool]]) -> None:
        facts = [Membership(key, at, is_added) for key, at, is_added in rows]
        at = datetime(2025, 1, 1, tzinfo=UTC)
        held = 0
        for key in "abc":
            own = sorted((f for f in facts if f.key == key), key=lambda f: (f.at, not f.is_added))
            held += bool(own and own[-1].is_added)
        assert unique_at(facts, at) == held


class TestExpressions:
    @given(st.text(alphabet="ab12.+-*/()<>=!, minxroudcelfs_", max_size=40))
    def test_anything_typed_is_read_or_refused_with_a_reason(self, text: str) -> None:
        with suppress(ExpressionError, NoValue):
            expression = parse(text)
            expression.value(dict.fromkeys(expression.names, "2"))

    @given(counts, counts, counts)
    def test_products_go_before_sums(self, a: Decimal, b: Decimal, c: Decimal) -> None:
        data = {"a": str(a), "b": str(b), "c": str(c)}
        assert parse("a + b * c").value(data) == a + b * c
        assert parse("(a + b) * c").value(data) == (a + b) * c
        assert parse("a - b - c").value(data) == a - b - c
        assert parse("if(a > b, a, b)").value(data) == max(a, b)


def test_periods_without_end_go_on() -> None:
    spans = list(islice(billing_spans(date(2024, 1, 31), None, CADENCES["monthly"]), 30))
    assert spans[1].service.start == date(2024, 2, 29)
    assert spans[2].service.start == date(2024, 3, 31)
    assert len(spans) == 30
