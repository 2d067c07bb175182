"""Every day of a contract is billed once, every amount explains itself."""

import json
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from monetization.kernel.money import Money, minor_unit, total
from monetization.kernel.period import Frequency, Period, billing_periods
from monetization.pricing.estimate import estimate, price_periods, rerate
from monetization.pricing.prices import Flat
from monetization.pricing.terms import (
    ItemTerms,
    OrderTerms,
    PhaseTerms,
    terms_from_data,
    terms_hash,
    terms_to_data,
)
from monetization.pricing.timeline import charge_periods
from revrec.domain.obligations import plan_obligations, straight_line
from tests.properties.strategies import contracts, days, decimals, heavy, monies, recurring

terms_and_usage = st.tuples(
    contracts(), st.lists(decimals(most=80).flatmap(lambda d: st.sampled_from([d, -d])), max_size=9)
)


def priced(terms: OrderTerms, usage: list[Decimal]) -> Any:
    periods = charge_periods(terms)
    measured = {
        (period.item_key, period.service.start): usage[number % len(usage)]
        for number, period in enumerate(periods)
        if usage
    }
    return price_periods(terms, periods, measured)


def fee(frequency: Frequency, amount: Decimal = Decimal(100)) -> ItemTerms:
    return ItemTerms("fee", "fee", "Fee", "fixed", Flat(amount), frequency, "in_advance")


class TestPeriods:
    @heavy
    @given(contracts())
    def test_tile_every_phase_without_gap_or_overlap(self, terms: OrderTerms) -> None:
        served = defaultdict(list)
        for period in charge_periods(replace(terms, minimums=())):
            served[period.phase_key, period.kind, period.item_key].append(period)
        for (phase_key, kind, item_key), periods in served.items():
            phase = terms.phase(phase_key)
            if kind == "item" and phase.item(item_key).frequency is Frequency.ONE_TIME:
                assert len(periods) == 1
                continue
            spans = sorted(period.service for period in periods)
            assert spans[0].start == phase.start_on
            assert spans[-1].end == phase.end_on
            for before, after in pairwise(spans):
                assert before.end == after.start
            for period in periods:
                assert period.full.intersection(period.service) == period.service
                if kind == "minimum" or phase.item(item_key).proration == "daily":
                    assert period.factor == Fraction(period.service.days, period.full.days)
        expected = {(p.key, "item", i.key) for p in terms.phases for i in p.items}
        expected |= {
            (p.key, "item", f"{i.key}+overage")
            for p in terms.phases
            for i in p.items
            if i.overage_frequency is not None
        }
        assert {place for place in served if place[1] == "item"} == expected
        for phase in terms.phases:
            topped_up = {
                key for name, kind, key in served if (name, kind) == (phase.key, "minimum")
            }
            assert len(topped_up) == (phase.minimum is not None) + len(phase.further_minimums)

    @given(days, st.integers(1, 900), recurring, st.integers(1, 31), st.data())
    def test_are_the_same_however_the_term_is_split_into_phases(
        self, start: date, length: int, frequency: Frequency, anchor: int, data: st.DataObject
    ) -> None:
        end = start + timedelta(days=length)
        cut = start + timedelta(days=data.draw(st.integers(1, length)))
        assume(cut < end)
        options: dict[str, Any] = {"anchor_day": anchor, "anchor_on": start}
        whole = list(billing_periods(start, end, frequency, **options))

        parts = list(billing_periods(start, cut, frequency, **options))
        parts += list(billing_periods(cut, end, frequency, **options))

        days_of: dict[Period, int] = defaultdict(int)
        for span in parts:
            days_of[span.full] += span.service.days
        assert days_of == {span.full: span.service.days for span in whole}
        assert [span.service.start for span in whole] == sorted(
            {span.service.start for span in parts} - ({cut} - {s.service.start for s in whole})
        )

    @given(days, st.integers(2, 900), recurring, st.integers(1, 31), st.data())
    def test_a_price_that_does_not_change_costs_the_same_in_two_phases(
        self, start: date, length: int, frequency: Frequency, anchor: int, data: st.DataObject
    ) -> None:
        cut, end = (
            start + timedelta(days=data.draw(st.integers(1, length - 1))),
            start + timedelta(days=length),
        )
        one = PhaseTerms("p1", "All", "standard", start, end, (fee(frequency),))
        two = (replace(one, end_on=cut), replace(one, key="p2", start_on=cut))
        terms = OrderTerms("T", "USD", "UTC", start, end, anchor, 30, (one,))

        split = replace(terms, phases=two)

        factors = [sum(p.factor for p in charge_periods(t)) for t in (terms, split)]
        assert factors[0] == factors[1]

    @given(days, recurring, st.integers(1, 31))
    def test_start_on_the_anchor_day_or_the_end_of_a_shorter_month(
        self, start: date, frequency: Frequency, anchor: int
    ) -> None:
        assume(frequency is not Frequency.WEEKLY)
        end = start + timedelta(days=1200)
        for span in billing_periods(start, end, frequency, anchor_day=anchor):
            first = span.full.start
            last_day = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
            assert first.day == min(anchor, (last_day - timedelta(days=1)).day)


class TestLines:
    @heavy
    @given(terms_and_usage)
    def test_components_add_up_to_the_line(self, drawn: tuple[OrderTerms, list[Decimal]]) -> None:
        for line in priced(*drawn):
            if line.components:
                assert sum(c.amount for c in line.components) == line.amount.amount
            else:
                assert not line.amount

    @heavy
    @given(terms_and_usage)
    def test_rate_again_from_their_stored_explanation_to_the_same_amount(
        self, drawn: tuple[OrderTerms, list[Decimal]]
    ) -> None:
        for line in priced(*drawn):
            stored = json.loads(json.dumps(line.explanation))
            assert rerate(stored) == line.amount

    @heavy
    @given(terms_and_usage)
    def test_are_rounded_once_never_negative_and_flagged_when_clamped(
        self, drawn: tuple[OrderTerms, list[Decimal]]
    ) -> None:
        for line in priced(*drawn):
            assert line.amount == Money.rounded(line.exact, line.amount.currency)
            clamped = Decimal(line.explanation.get("measured", "0")) < 0
            falls = line.exact < 0  # only where tiers that get cheaper run over a longer window
            assert line.is_flagged == (clamped or ("before" in line.explanation and falls))
            assert line.is_flagged or not falls

    @heavy
    @given(contracts(open_end=True))
    def test_of_an_estimate_add_up_by_phase_year_and_date(self, terms: OrderTerms) -> None:
        found = estimate(terms)
        whole = total((line.amount for line in found.lines), terms.currency)

        for sums in (found.by_phase.values(), found.by_year, found.by_bill_date.values()):
            assert total(sums, terms.currency) == whole == found.total


class TestTerms:
    @heavy
    @given(contracts(open_end=True))
    def test_survive_being_stored_with_the_hash_that_was_signed(self, terms: OrderTerms) -> None:
        stored = json.loads(json.dumps(terms_to_data(terms)))

        read = terms_from_data(stored)

        assert read == terms
        assert terms_hash(read) == terms_hash(terms)

    @heavy
    @given(contracts(), st.integers(1, 30))
    def test_any_change_changes_the_hash(self, terms: OrderTerms, more: int) -> None:
        changed = replace(terms, payment_terms_days=terms.payment_terms_days + more)

        assert terms_hash(changed) != terms_hash(terms)


class TestRevenue:
    @given(monies(), days, st.integers(1, 1500))
    def test_slices_add_up_to_the_price_month_by_month(
        self, price: Money, start: date, length: int
    ) -> None:
        period = Period(start, start + timedelta(days=length))

        slices = straight_line(price, period)

        assert total((part.amount for part in slices), price.currency) == price
        months = [part.month for part in slices]
        assert months == sorted(set(months))
        assert all(month.day == 1 for month in months)
        for part, month in zip(slices, period.calendar_months(), strict=True):
            even = Fraction(price.amount) * month.days / length
            assert abs(Fraction(part.amount.amount) - even) < minor_unit(price.currency)

    @heavy
    @given(contracts())
    def test_of_the_obligations_is_what_the_fixed_lines_bill(self, terms: OrderTerms) -> None:
        assert terms.end_on is not None
        planned = plan_obligations(terms, until=terms.end_on)

        earned = total(
            (part.amount for obligation in planned for part in obligation.slices), terms.currency
        )

        fixed = [
            line
            for line in price_periods(terms, charge_periods(terms), {})
            if line.kind == "item"
            and terms.phase(line.phase_key).item(line.item_key).kind != "usage"
        ]
        assert earned == total((line.amount for line in fixed), terms.currency)
        assert earned == total((obligation.price for obligation in planned), terms.currency)
