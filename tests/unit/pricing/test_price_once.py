"""The calculator's function by hand: some prices over one whole period, and whose fault it is."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from monetization.kernel.period import Frequency
from monetization.pricing.estimate import PriceUse, SeatDays, check_price, price_once, rerate
from monetization.pricing.prices import (
    Dynamic,
    Flat,
    Graduated,
    Matrix,
    MatrixCell,
    PercentOf,
    PerUnit,
    PriceError,
    Seat,
    Tier,
)
from monetization.pricing.terms.model import DiscountTerms, IncludedTerms
from monetization.pricing.terms.modifiers import Commitment, PriceModifiers
from monetization.pricing.usage import Usage, UsagePart

D = Decimal
EACH = PerUnit(D(2))


def told(*uses: PriceUse, currency: str = "USD") -> list[tuple[str, str]]:
    lines = price_once(uses, currency)
    assert all(rerate(line.explanation) == line.amount for line in lines)
    return [(line.item_key, f"{line.amount.amount:f}") for line in lines]


def test_prices_used_together_come_in_their_order_and_their_minimums_after_them() -> None:
    least = Commitment(D(50))
    found = told(
        PriceUse("a", EACH, PriceModifiers(minimum=least), D(10)),
        PriceUse("b", EACH, used=D(3)),
        PriceUse("c", EACH, PriceModifiers(minimum=Commitment(D(9))), D(4)),
    )

    # 10 x 2 = 20 lacks 30 of 50; 4 x 2 = 8 lacks 1 of 9.
    assert found == [
        ("a", "20.00"),
        ("b", "6.00"),
        ("c", "8.00"),
        ("minimum", "30.00"),
        ("minimum-2", "1.00"),
    ]


def test_a_minimum_of_a_whole_year_adds_nothing_to_one_period() -> None:
    yearly = PriceModifiers(minimum=Commitment(D(50), "over_contract_year"))

    assert told(PriceUse("a", EACH, yearly, D(10))) == [("a", "20.00")]


def test_what_was_used_before_uses_the_first_tiers_up() -> None:
    tiers = Graduated((Tier(D(100), D(1)), Tier(None, D("0.5"))))
    over_year = PriceModifiers(accumulation="over_contract_year")

    # 90 before: 10 more at 1.00, the other 20 at 0.50.
    assert told(PriceUse("a", tiers, over_year, D(30), before=D(90))) == [("a", "20.00")]
    assert told(PriceUse("a", tiers, over_year, D(30))) == [("a", "30.00")]


@pytest.mark.parametrize(
    ("frequency", "service"),
    [
        (Frequency.ONE_TIME, (date(2025, 3, 1), date(2025, 3, 2))),
        (Frequency.WEEKLY, (date(2025, 3, 8), date(2025, 3, 15))),
        (Frequency.MONTHLY, (date(2025, 4, 1), date(2025, 5, 1))),
        (Frequency.QUARTERLY, (date(2025, 6, 1), date(2025, 9, 1))),
        (Frequency.YEARLY, (date(2026, 3, 1), date(2027, 3, 1))),
    ],
)
def test_the_second_whole_period_is_priced_and_billed_when_it_ends(
    frequency: Frequency, service: tuple[date, date]
) -> None:
    (line,) = price_once([PriceUse("fee", Flat(D(7)), frequency=frequency)], "USD")

    assert (line.service.start, line.service.end) == service
    assert (line.full, line.bill_on) == (line.service, service[1])
    assert line.explanation["factor"] == [1, 1]


def test_a_fee_is_charged_as_often_as_it_was_taken_and_a_flat_one_once() -> None:
    fee = PriceUse("fee", EACH, used=D(3), kind="fixed")

    assert told(fee, PriceUse("flat", Flat(D(7)), used=D(3))) == [("fee", "6.00"), ("flat", "7.00")]
    assert told(PriceUse("fee", EACH, kind="fixed")) == [("fee", "2.00")]
    (flat,) = price_once([PriceUse("flat", Flat(D(7)), used=D(3))], "USD")
    assert (flat.quantity, flat.unit_price) == (D(1), None)


def test_seats_change_on_a_day_of_the_period_and_the_first_day_is_one() -> None:
    seats = Seat(Graduated((Tier(None, D(30)),)), mode="prorate_all")

    # April has thirty days: 10 seats for 15 of them, then 12 for 15.
    assert told(PriceUse("s", seats, used=SeatDays(D(10), ((16, D(12)),)))) == [("s", "330.00")]
    assert told(PriceUse("s", seats, used=SeatDays(D(10), ((1, D(12)),)))) == [("s", "360.00")]
    # A number alone is held all month.
    assert told(PriceUse("s", seats, used=D(4))) == [("s", "120.00")]
    # What is shown as the quantity is the most that was held.
    (line,) = price_once([PriceUse("s", seats, used=SeatDays(D(10), ((16, D(4)),)))], "USD")
    assert line.quantity == D(10)


def test_one_price_for_every_unit_is_shown_and_only_where_it_is_one() -> None:
    tiers = Graduated((Tier(None, D(1)),))
    shown = [
        price_once([PriceUse("a", model, beside)], "USD")[0].unit_price
        for model, beside in (
            (EACH, PriceModifiers()),
            (tiers, PriceModifiers()),
            (EACH, modifiers(conversion={"operation": "divide", "factor": "10"})),
            (EACH, modifiers(pricing_unit={"code": "credits", "rate": "0.5"})),
        )
    ]

    assert shown == [D(2), None, None, None]


def modifiers(**data: Any) -> PriceModifiers:
    from monetization.pricing.terms.modifiers import modifiers_from_data

    return modifiers_from_data(data)


def test_free_units_and_included_ones_are_taken_off_together() -> None:
    free = DiscountTerms(free_units=D(3), label="Three free")

    assert told(PriceUse("a", EACH, PriceModifiers(discounts=(free,)), D(10))) == [("a", "14.00")]
    both = PriceModifiers(discounts=(free,), included=IncludedTerms(D(5), is_prorated=True))
    assert told(PriceUse("a", EACH, both, D(10))) == [("a", "4.00")]


def test_events_that_cancel_out_are_still_priced_where_they_fell() -> None:
    regions = Matrix((MatrixCell((("region", ("eu",)),), D(2)),), D(1))

    def events(*rows: tuple[str, str]) -> list[tuple[str, str]]:
        used = Usage.of(UsagePart(D(units), {"region": region}) for units, region in rows)
        return told(PriceUse("a", regions, used=used))

    # Three of the EU's at 2.00, three of another place's at 1.00 taken back.
    assert events(("3", "eu"), ("-3", "us")) == [("a", "3.00")]
    assert events(("0.5", "eu")) == [("a", "1.00")]
    # More taken back at 2.00 than used at 1.00: nothing is charged.
    assert events(("-3", "eu"), ("4", "us")) == [("a", "0.00")]
    used = Usage.of(UsagePart(D(n), {"region": where}) for n, where in ((-3, "eu"), (4, "us")))
    (line,) = price_once([PriceUse("a", regions, used=used)], "USD")
    assert line.is_flagged
    assert [(c.key, f"{c.amount:f}") for c in line.components] == [
        ("cell-1", "-6.00"),
        ("default", "4.00"),
        ("clamped", "2.00"),
    ]
    # More taken back than used: the same.
    assert events(("3", "eu"), ("-4", "us")) == [("a", "0.00")]


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (Flat(D(1)), "fixed"),
        (PercentOf(D(15)), "fixed"),
        (Seat(Graduated((Tier(None, D(30)),))), "seat"),
        (EACH, "usage"),
    ],
)
def test_what_kind_of_line_a_price_is_follows_from_its_model(model: Any, kind: str) -> None:
    (line,) = price_once([PriceUse("a", model)], "USD")

    assert line.explanation["is_usage"] == (kind == "usage")
    check_price(model, PriceModifiers(), kind=kind, frequency=Frequency.MONTHLY)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (
            PriceUse("a", Dynamic(), PriceModifiers(included=IncludedTerms(D(1)))),
            "items[1].modifiers.included: needs a price by quantity, not by event",
        ),
        (
            PriceUse("a", EACH, PriceModifiers(minimum=Commitment(D(1), overage_factor=D("0.5")))),
            "items[1].modifiers.minimum.overage_factor: must be at least 1",
        ),
        (
            PriceUse("a", EACH, PriceModifiers(cap=Commitment(D(1), "daily"))),
            "items[1].modifiers.cap.window: must be one of per_period, over_contract_year,"
            " over_contract",
        ),
        (
            PriceUse(
                "a", EACH, PriceModifiers(discounts=(DiscountTerms(D(1)), DiscountTerms(D(101))))
            ),
            "items[1].modifiers.discounts[1].percent: must be from 0 to 100",
        ),
        (
            PriceUse("a", Dynamic(), kind="fixed"),
            "items[1].model: prices events, so the line must be usage",
        ),
    ],
)
def test_a_refusal_names_the_price_at_fault_and_its_field(use: PriceUse, said: str) -> None:
    beside = PriceModifiers(
        discounts=(DiscountTerms(D(1)),), minimum=Commitment(D(1)), cap=Commitment(D(1))
    )

    with pytest.raises(PriceError) as refused:
        price_once([PriceUse("first", EACH, beside), use], "USD")

    assert str(refused.value) == said


def test_a_currency_nobody_has_is_refused_by_its_own_name() -> None:
    with pytest.raises(PriceError, match=r"^currency: "):
        price_once([PriceUse("a", EACH)], "ZZZ")


def test_a_lone_price_is_checked_under_its_own_name() -> None:
    with pytest.raises(PriceError) as refused:
        check_price(Dynamic(), PriceModifiers(), kind="fixed", frequency=Frequency.MONTHLY)

    assert str(refused.value) == "model: prices events, so the line must be usage"
    # Which lines a percentage is of is the contract's to say.
    named = PercentOf(D(15), ("platform",))
    check_price(named, PriceModifiers(), kind="fixed", frequency=Frequency.MONTHLY)
