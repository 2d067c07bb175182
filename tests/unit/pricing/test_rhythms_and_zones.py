"""Names of rhythms, days of clock changes, and edges that no published case reaches."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from monetization.kernel.money import Money
from monetization.kernel.period import Frequency, Period
from monetization.pricing.changes import change_by_rule, upgrade_to_bill
from monetization.pricing.prices import PriceError, TimeOfUse, Window
from monetization.pricing.proration import (
    days_factor,
    fixed_month_factor,
    instants_factor,
    prorate_factor,
)
from monetization.pricing.quantities import Conversion
from monetization.pricing.rating_events import rate_usage
from monetization.pricing.recurrence import (
    CADENCES,
    Cadence,
    billed_until,
    calendar_anchor,
    is_billing_day,
    nth_date,
)
from monetization.pricing.timeline import period_share
from monetization.pricing.usage import Usage, UsagePart, minute_of_week

START = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("daily", "2026-01-02"),
        ("weekly", "2026-01-08"),
        ("biweekly", "2026-01-15"),
        ("thirty_days", "2026-01-31"),
        ("thirty_one_days", "2026-02-01"),
        ("sixty_days", "2026-03-02"),
        ("ninety_days", "2026-04-01"),
        ("monthly", "2026-02-01"),
        ("bimestrial", "2026-03-01"),
        ("quarterly", "2026-04-01"),
        ("triannual", "2026-05-01"),
        ("half_yearly", "2026-07-01"),
        ("yearly", "2027-01-01"),
        ("sesquiennial", "2027-07-01"),
        ("biennial", "2028-01-01"),
        ("triennial", "2029-01-01"),
    ],
)
def test_a_rhythm_is_as_long_as_its_name(name: str, second: str) -> None:
    assert nth_date(START, CADENCES[name], 1).isoformat() == second


def test_a_rhythm_counts_months_or_days() -> None:
    with pytest.raises(PriceError, match="a number of months or a number of days"):
        Cadence(1, 1)
    with pytest.raises(PriceError, match="a number of months or a number of days"):
        Cadence()


@pytest.mark.parametrize(
    ("cadence", "start"),
    [
        ("weekly", "2026-05-11"),
        ("monthly", "2026-05-01"),
        ("quarterly", "2026-04-01"),
        ("half_yearly", "2026-01-01"),
        ("yearly", "2026-01-01"),
        ("biennial", "2026-01-01"),
    ],
)
def test_calendar_periods_start_where_calendars_say(cadence: str, start: str) -> None:
    assert calendar_anchor(date(2026, 5, 17), CADENCES[cadence]).isoformat() == start


def test_the_day_a_contract_starts_is_not_billed_as_an_anniversary() -> None:
    assert not is_billing_day(START, START, CADENCES["monthly"], on_calendar=True)
    assert is_billing_day(date(2026, 2, 1), START, CADENCES["monthly"], on_calendar=False)


def test_in_arrears_a_period_is_billed_once_it_ended() -> None:
    def billed(target: date, *, in_advance: bool) -> int:
        monthly = CADENCES["monthly"]
        spans = billed_until(START, None, target, monthly, anchor_day=1, in_advance=in_advance)
        return len(spans)

    assert billed(date(2026, 1, 31), in_advance=False) == 0
    assert billed(date(2026, 2, 1), in_advance=False) == 1
    assert billed(date(2026, 2, 1), in_advance=True) == 2


class TestZones:
    @pytest.mark.parametrize(
        ("zone", "day", "hours"),
        [
            ("Europe/Paris", "2026-03-29", 23),
            ("Europe/Paris", "2026-10-25", 25),
            ("Africa/Cairo", "2026-04-24", 23),  # midnight itself is skipped
            ("Pacific/Apia", "2011-12-29", 24),  # the next day never happened
            ("UTC", "2026-03-29", 24),
        ],
    )
    def test_exact_days_weigh_the_hours_they_last(self, zone: str, day: str, hours: int) -> None:
        start = date.fromisoformat(day)
        served = Period(start, nth_date(start, CADENCES["daily"], 1))
        around = Period(nth_date(start, CADENCES["daily"], -9), served.end)
        whole = prorate_factor(served, around, "exact", zone)

        assert whole == Fraction(hours, 9 * 24 + hours)

    def test_a_minute_of_the_week_is_local(self) -> None:
        sunday_night = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)

        assert minute_of_week(sunday_night, "UTC") == 10080 - 30
        assert minute_of_week(sunday_night, "Europe/Paris") == 30

    def test_a_period_that_is_upside_down_has_no_part(self) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        with pytest.raises(ValueError, match="must end after it starts"):
            instants_factor((at, at), (at, at))


class TestProration:
    def test_an_empty_stretch_costs_nothing(self) -> None:
        assert days_factor(START, START, 31) == 0
        assert days_factor(date(2026, 1, 5), START, 31) == 0
        assert fixed_month_factor(date(2026, 1, 5), START) == 0

    def test_days_over_months_of_thirty_never_exceed_the_whole(self) -> None:
        january = Period(START, date(2026, 2, 1))
        assert prorate_factor(january, january, "actual_thirty") == 1
        part = Period(START, date(2026, 1, 16))
        assert prorate_factor(part, january, "actual_thirty") == Fraction(1, 2)

    def test_an_unknown_method_is_refused_by_name(self) -> None:
        whole = Period(START, date(2026, 2, 1))
        with pytest.raises(ValueError, match="must be one of daily, none"):
            prorate_factor(whole, whole, "monthly")

    @pytest.mark.parametrize(
        ("part", "whole", "share"),
        [
            (Frequency.MONTHLY, Frequency.YEARLY, "1/12"),
            (Frequency.QUARTERLY, Frequency.MONTHLY, "3"),
            (Frequency.WEEKLY, Frequency.WEEKLY, "1"),
        ],
    )
    def test_a_period_is_a_part_of_another_rhythm_s(
        self, part: Frequency, whole: Frequency, share: str
    ) -> None:
        assert period_share(part, whole) == Fraction(share)


class TestChanges:
    def test_a_day_outside_the_period_is_refused(self) -> None:
        period = Period(START, date(2026, 2, 1))
        for on in (date(2025, 12, 31), date(2026, 2, 1)):
            with pytest.raises(ValueError, match="must be within 2026-01-01 to 2026-02-01"):
                change_by_rule(
                    "now_prorated",
                    invoiced=Money(Decimal(10), "USD"),
                    new_amount=Decimal(20),
                    period=period,
                    on=on,
                    cadence=CADENCES["monthly"],
                )

    def test_a_cheaper_line_bills_nothing_and_gives_nothing_back(self) -> None:
        half = Fraction(1, 2)
        new, unused, to_bill = upgrade_to_bill(Decimal(10), half, Decimal(4), half, "USD")

        assert [str(m.amount) for m in (new, unused, to_bill)] == ["2.00", "5.00", "0.00"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"operation": "add"}, "operation: must be one of multiply, divide"),
            ({"factor": Decimal(0)}, "factor: must be more than zero"),
            ({"rounding": "odd"}, "rounding: must be one of none, up, down, half_up"),
            ({"precision": 13}, "precision: must be from -12 to 12"),
        ],
    )
    def test_a_conversion_names_the_field(self, fields: dict[str, object], message: str) -> None:
        with pytest.raises(PriceError, match=message):
            Conversion(**fields)  # type: ignore[arg-type]

    def test_windows_stay_in_the_week_and_apart(self) -> None:
        one = Decimal(1)
        with pytest.raises(PriceError, match=r"windows\[1\]\.start_minute: overlaps"):
            TimeOfUse((Window(0, 100, one), Window(99, 200, one)), one)
        with pytest.raises(PriceError, match=r"windows\[0\]\.end_minute: must be after its start"):
            TimeOfUse((Window(0, 10081, one),), one)
        TimeOfUse((Window(0, 100, one), Window(100, 10080, one)), one)

    def test_a_window_is_said_as_a_clock_shows_it(self) -> None:
        one = Decimal(1)
        model = TimeOfUse((Window(480, 1050, one), Window(8640, 10080, one)), one)
        parts = [UsagePart(one, minute=minute) for minute in (480, 10079, 0)]

        labels = [charge.label for charge in rate_usage(model, Usage.of(parts))]

        assert labels == ["Mon 08:00 to Mon 17:30", "Sun 00:00 to Sun 24:00", "Any other time"]
