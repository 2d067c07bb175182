"""Contracts with modifiers, worked by hand."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from monetization.kernel.money import Money
from monetization.kernel.period import Frequency
from monetization.pricing.estimate import (
    PricedLine,
    SeatBalances,
    estimate,
    price_periods,
    rerate,
)
from monetization.pricing.prices import (
    Flat,
    Graduated,
    Matrix,
    MatrixCell,
    PercentOf,
    PerUnit,
    PriceError,
    Seat,
    Tier,
    Volume,
)
from monetization.pricing.quantities import Conversion
from monetization.pricing.seats import BalanceChange
from monetization.pricing.terms import (
    CapTerms,
    ChangeTerms,
    DiscountTerms,
    IncludedTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
    PricingUnit,
    terms_from_data,
    terms_hash,
    terms_to_data,
)
from monetization.pricing.timeline import charge_periods
from monetization.pricing.usage import Usage, UsagePart

# Signed before conversions, caps and the like existed.
SIGNED = "b513b50efb966519a65bfe9be480b0ba1450c872bb88a5a8990b8da2bfe8100c"
TIERS = (Tier(Decimal(1000), Decimal(15)), Tier(None, Decimal(12)))


def item(key: str, **fields: object) -> ItemTerms:
    usual: dict[str, object] = {
        "key": key,
        "product_code": key,
        "product_name": key.title(),
        "kind": "usage",
        "model": PerUnit(Decimal(1)),
        "frequency": Frequency.MONTHLY,
        "timing": "in_arrears",
    }
    merged = {**usual, **fields}
    if merged["kind"] == "usage":
        merged |= {"meter": "m", "recognition": "usage"}
    return ItemTerms(**merged)  # type: ignore[arg-type]


def order(*items: ItemTerms, **fields: object) -> OrderTerms:
    """A year from 1 January 2026 in one phase; phase fields may be given by name."""
    of_phase = ("discounts", "minimum", "further_minimums", "caps")
    phase = PhaseTerms(
        "p",
        "P",
        "standard",
        date(2026, 1, 1),
        date(2027, 1, 1),
        items,
        **{name: fields.pop(name) for name in of_phase if name in fields},  # type: ignore[arg-type]
    )
    usual: dict[str, object] = {
        "title": "T",
        "currency": "USD",
        "time_zone": "UTC",
        "start_on": date(2026, 1, 1),
        "end_on": date(2027, 1, 1),
        "anchor_day": 1,
        "payment_terms_days": 30,
        "phases": (phase,),
    }
    return OrderTerms(**{**usual, **fields})  # type: ignore[arg-type]


def priced(terms: OrderTerms, used: dict[int, str], key: str = "calls") -> list[PricedLine]:
    """Price a year with usage by month number."""
    quantities = {(key, date(2026, month, 1)): Decimal(units) for month, units in used.items()}
    lines = price_periods(terms, charge_periods(terms), quantities)
    assert all(rerate(line.explanation) == line.amount for line in lines)
    assert terms_from_data(terms_to_data(terms)) == terms
    return list(lines)


def amounts(lines: list[PricedLine], kind: str = "item") -> list[str]:
    return [str(line.amount.amount) for line in lines if line.kind == kind and line.amount]


class TestSignedTerms:
    def test_keep_the_hash_they_were_signed_with(self) -> None:
        platform = item("platform", kind="fixed", model=Flat(Decimal(500)), timing="in_advance")
        calls = item("calls", model=Graduated(TIERS))
        terms = order(
            platform,
            calls,
            discounts=(DiscountTerms(Decimal(10), "Launch", ("platform",)),),
            minimum=MinimumTerms(Decimal(1000), Frequency.MONTHLY),
        )

        assert terms_hash(terms) == SIGNED

    def test_with_new_features_hash_differently_and_come_back_equal(self) -> None:
        plain = order(item("calls"))
        rich = order(
            item(
                "calls",
                conversion=Conversion("divide", Decimal(1000), "up"),
                included=IncludedTerms(Decimal(5)),
                accumulation="over_contract_year",
                pricing_unit=PricingUnit("credits", Decimal("0.01")),
            ),
            caps=(CapTerms(Decimal(10), Frequency.MONTHLY),),
            further_minimums=(MinimumTerms(Decimal(1), Frequency.YEARLY, window="over_contract"),),
            minimums=(MinimumTerms(Decimal(2), Frequency.YEARLY, overage_factor=Decimal(2)),),
            changes=ChangeTerms(downgrade="now_prorated"),
        )

        assert terms_from_data(terms_to_data(rich)) == rich
        assert terms_hash(rich) != terms_hash(plain)


class TestAccumulation:
    def test_yearly_tiers_are_billed_month_by_month(self) -> None:
        terms = order(item("calls", model=Graduated(TIERS), accumulation="over_contract_year"))

        lines = priced(terms, {1: "900", 2: "200", 3: "100"})

        assert amounts(lines) == ["13500.00", "2700.00", "1200.00"]

    def test_a_volume_price_that_falls_gives_back_and_is_flagged(self) -> None:
        tiers = (Tier(Decimal(10), Decimal(10)), Tier(None, Decimal(8)))
        terms = order(item("calls", model=Volume(tiers), accumulation="over_contract"))

        lines = priced(terms, {1: "10", 2: "1"})

        assert amounts(lines) == ["100.00", "-12.00"]
        assert [line.is_flagged for line in lines[:2]] == [False, True]

    def test_included_units_last_the_year(self) -> None:
        terms = order(
            item(
                "calls",
                included=IncludedTerms(Decimal(100)),
                accumulation="over_contract_year",
            )
        )

        assert amounts(priced(terms, {1: "60", 2: "60", 3: "5"})) == ["20.00", "5.00"]


class TestMinimums:
    def test_by_price_and_by_set_stand_side_by_side(self) -> None:
        terms = order(
            item("calls"),
            item("other"),
            minimum=MinimumTerms(Decimal(50), Frequency.MONTHLY, ("calls",)),
            further_minimums=(MinimumTerms(Decimal(80), Frequency.YEARLY, ("calls", "other")),),
        )

        lines = priced(terms, {1: "60", 2: "10"})

        due = {line.key: str(line.amount) for line in lines if line.kind == "minimum"}
        assert due["minimum:p:2026-01-01"] == "0.00 USD"
        assert due["minimum:p:2026-02-01"] == "40.00 USD"
        assert due["minimum-2:p:2026-01-01"] == "10.00 USD"  # 80 for the year, 70 used

    def test_over_the_contract_counts_the_lines_of_every_phase(self) -> None:
        cut = date(2026, 5, 17)
        halves = (
            PhaseTerms("a", "A", "standard", date(2026, 1, 1), cut, (item("calls"),)),
            PhaseTerms("b", "B", "ramp", cut, date(2027, 1, 1), (item("calls"),)),
        )
        terms = order(
            phases=halves,
            minimums=(MinimumTerms(Decimal(100), Frequency.YEARLY, window="over_contract"),),
        )

        lines = priced(terms, {1: "30", 12: "50"})

        (minimum,) = (line for line in lines if line.kind == "minimum")
        assert minimum.phase_key == "b"
        assert minimum.bill_on == date(2027, 1, 1)
        assert minimum.amount == Money(Decimal("20.00"), "USD")

    def test_shrink_with_the_period_unless_they_are_whole(self) -> None:
        for is_prorated, due in ((True, "14.00"), (False, "28.00")):
            minimum = MinimumTerms(Decimal(28), Frequency.MONTHLY, is_prorated=is_prorated)
            halves = (
                PhaseTerms(
                    "a",
                    "A",
                    "standard",
                    date(2026, 2, 1),
                    date(2026, 2, 15),
                    (item("calls"),),
                    minimum=minimum,
                ),
            )
            terms = order(phases=halves, start_on=date(2026, 2, 1), end_on=date(2026, 2, 15))
            assert amounts(priced(terms, {}), "minimum") == [due]

    def test_spend_beyond_a_commitment_costs_its_factor(self) -> None:
        minimum = MinimumTerms(Decimal(100), Frequency.MONTHLY, overage_factor=Decimal("1.2"))

        lines = priced(order(item("calls"), minimum=minimum), {1: "200"})

        assert amounts(lines, "minimum")[0] == "20.00"  # 100 beyond, at 20 % more


class TestCaps:
    def test_a_cap_over_several_lines_is_filled_in_order(self) -> None:
        terms = order(
            item("calls"),
            item("other"),
            caps=(CapTerms(Decimal(100), Frequency.MONTHLY),),
        )
        quantities = {
            ("calls", date(2026, 1, 1)): Decimal(70),
            ("other", date(2026, 1, 1)): Decimal(70),
            ("other", date(2026, 2, 1)): Decimal(70),
        }

        lines = price_periods(terms, charge_periods(terms), quantities)

        found = {line.key: str(line.amount.amount) for line in lines if line.amount}
        assert found == {
            "calls:p:2026-01-01": "70.00",
            "other:p:2026-01-01": "30.00",
            "other:p:2026-02-01": "70.00",
        }

    def test_a_cap_over_the_contract_year_runs_out(self) -> None:
        cap = CapTerms(Decimal(100), Frequency.YEARLY, window="over_contract_year")

        assert amounts(priced(order(item("calls"), caps=(cap,)), {1: "60", 4: "60", 9: "60"})) == [
            "60.00",
            "40.00",
        ]


class TestLines:
    def test_a_percentage_of_other_lines_follows_their_discounts(self) -> None:
        terms = order(
            item("platform", kind="fixed", model=Flat(Decimal(200))),
            item("support", kind="fixed", model=PercentOf(Decimal(20))),
            discounts=(DiscountTerms(Decimal(50), "Half", ("platform",)),),
        )

        lines = priced(terms, {})[:2]

        assert [str(line.amount) for line in lines] == ["100.00 USD", "20.00 USD"]

    def test_a_phase_change_off_the_boundary_keeps_every_modifier(self) -> None:
        platform = item("platform", kind="fixed", model=Flat(Decimal(310)))
        halves = tuple(
            PhaseTerms(
                key,
                key,
                "standard",
                start,
                end,
                (platform,),
                (DiscountTerms(amount=Decimal(31), item_keys=("platform",)),),
                MinimumTerms(Decimal(620), Frequency.MONTHLY, includes_fixed=True),
            )
            for key, start, end in (
                ("a", date(2026, 1, 1), date(2026, 1, 11)),
                ("b", date(2026, 1, 11), date(2026, 2, 1)),
            )
        )
        terms = order(phases=halves, end_on=date(2026, 2, 1))

        lines = priced(terms, {})

        assert amounts(lines) == ["90.00", "189.00"]  # (310 - 31) x 10/31 and x 21/31
        assert amounts(lines, "minimum") == ["110.00", "231.00"]  # up to 620 x 10/31, x 21/31

    def test_events_are_priced_by_their_properties_and_rate_again(self) -> None:
        cell = MatrixCell((("region", ("us",)),), Decimal(3))
        terms = order(item("calls", model=Matrix((cell,), Decimal(1))))
        parts = [UsagePart(Decimal(2), {"region": "us"}), UsagePart(Decimal(5), {"region": "eu"})]
        period = charge_periods(terms)[0]

        (line,) = price_periods(terms, [period], {("calls", date(2026, 1, 1)): Usage.of(parts)})

        assert str(line.amount) == "11.00 USD"
        assert rerate(line.explanation) == line.amount

    def test_an_estimate_counts_modifiers_over_the_year(self) -> None:
        terms = order(
            item("calls", expected_quantity=Decimal(10)),
            minimums=(MinimumTerms(Decimal(150), Frequency.YEARLY, window="over_contract"),),
        )

        assert str(estimate(terms).total) == "150.00 USD"


class TestSeats:
    def test_increases_are_charged_by_days_left(self) -> None:
        model = Seat(PerUnit(Decimal(15)))
        terms = order(item("seats", kind="seat", model=model, quantity=Decimal(10)))
        april = next(p for p in charge_periods(terms) if p.service.start == date(2026, 4, 1))
        held = SeatBalances(Decimal(10), (BalanceChange(date(2026, 4, 18), Decimal(37)),))

        (line,) = price_periods(terms, [april], {("seats", date(2026, 4, 1)): held})

        assert str(line.amount) == "325.50 USD"  # 10 x 15 + 27 x 6.50
        assert rerate(line.explanation) == line.amount

    def test_overage_is_billed_at_its_own_rhythm(self) -> None:
        model = Seat(PerUnit(Decimal(120)), "peak", Decimal(10))
        terms = order(
            item(
                "seats",
                kind="seat",
                model=model,
                frequency=Frequency.YEARLY,
                timing="in_advance",
                overage_frequency=Frequency.MONTHLY,
            )
        )
        used = {("seats+overage", date(2026, 3, 1)): SeatBalances(Decimal(12))}

        lines = price_periods(terms, charge_periods(terms), used)

        charged = {line.key: str(line.amount.amount) for line in lines if line.amount}
        assert charged == {"seats:p:2026-01-01": "1200.00", "seats+overage:p:2026-03-01": "20.00"}
        assert all(rerate(line.explanation) == line.amount for line in lines)


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (
                lambda: order(item("a"), discounts=(DiscountTerms(amount=Decimal(1)),)),
                r"phases\[0\]\.discounts\[0\]\.item_keys: amount needs exactly one line",
            ),
            (
                lambda: order(
                    item("a"),
                    discounts=(DiscountTerms(Decimal(1), "D", ("a",), amount=Decimal(1)),),
                ),
                "give a percentage, an amount or free units",
            ),
            (
                lambda: order(item("a", kind="fixed", accumulation="over_contract")),
                r"items\[0\]\.accumulation: only usage accumulates",
            ),
            (
                lambda: order(item("a", model=PercentOf(Decimal(1)))),
                "so it must be fixed",
            ),
            (
                lambda: order(item("a"), caps=(CapTerms(Decimal(1), Frequency.ONE_TIME),)),
                r"caps\[0\]\.frequency: must be a recurring one",
            ),
            (
                lambda: order(
                    item("a"),
                    minimums=(
                        MinimumTerms(Decimal(1), Frequency.YEARLY, overage_factor=Decimal("0.5")),
                    ),
                ),
                r"minimums\[0\]\.overage_factor: must be at least 1",
            ),
            (
                lambda: order(item("a"), changes=ChangeTerms(upgrade="guess")),
                r"changes\.upgrade: must be one of now_prorated",
            ),
        ],
    )
    def test_name_the_field_and_the_fix(self, make: object, message: str) -> None:
        with pytest.raises(PriceError, match=message):
            make()  # type: ignore[operator]

    def test_a_part_period_keeps_its_factor_exact(self) -> None:
        halves = (
            PhaseTerms("a", "A", "standard", date(2026, 1, 1), date(2026, 1, 11), (item("a"),)),
        )
        terms = order(phases=halves, end_on=date(2026, 1, 11))
        assert charge_periods(terms)[0].factor == Fraction(10, 31)
