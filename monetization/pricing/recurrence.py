"""Rhythms: dates counted from an anchor by whole months or days, never from the date before."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from monetization.kernel.period import BillingPeriodSpan, Period, add_months
from monetization.pricing.prices import PriceError


@dataclass(frozen=True, slots=True)
class Cadence:
    """So many months, or so many days. Exactly one of them is more than zero."""

    months: int = 0
    days: int = 0

    def __post_init__(self) -> None:
        if min(self.months, self.days) != 0 or max(self.months, self.days) < 1:
            raise PriceError("cadence: needs a number of months or a number of days")


CADENCES = {
    "daily": Cadence(days=1),
    "weekly": Cadence(days=7),
    "biweekly": Cadence(days=14),
    "thirty_days": Cadence(days=30),
    "thirty_one_days": Cadence(days=31),
    "sixty_days": Cadence(days=60),
    "ninety_days": Cadence(days=90),
    "monthly": Cadence(months=1),
    "bimestrial": Cadence(months=2),
    "quarterly": Cadence(months=3),
    "triannual": Cadence(months=4),
    "half_yearly": Cadence(months=6),
    "yearly": Cadence(months=12),
    "sesquiennial": Cadence(months=18),
    "biennial": Cadence(months=24),
    "triennial": Cadence(months=36),
}


def nth_date(anchor: date, cadence: Cadence, number: int, anchor_day: int | None = None) -> date:
    """Return the anchor plus whole steps; months clamp to their end and come back to the day.

    >>> [str(nth_date(date(2024, 1, 31), CADENCES["monthly"], n)) for n in (1, 2)]
    ['2024-02-29', '2024-03-31']
    """
    if cadence.days:
        return anchor + timedelta(days=cadence.days * number)
    return add_months(anchor, cadence.months * number, anchor_day=anchor_day or anchor.day)


def first_anchor(start: date, anchor_day: int) -> date:
    """Return the first anchor day on or after a date; the last day serves in shorter months."""
    this_month = add_months(start, 0, anchor_day=anchor_day)
    return this_month if this_month >= start else add_months(start, 1, anchor_day=anchor_day)


def dates_from(
    anchor: date, cadence: Cadence, count: int, on_or_after: date | None = None
) -> tuple[date, ...]:
    """Return the first dates of a rhythm on or after a day, by default from the anchor on."""
    number = 0 if on_or_after is None else steps_until(anchor, on_or_after, cadence)
    if on_or_after is not None and nth_date(anchor, cadence, number) < on_or_after:
        number += 1
    return tuple(nth_date(anchor, cadence, number + offset) for offset in range(count))


def steps_until(anchor: date, day: date, cadence: Cadence) -> int:
    """Return how many whole steps fit between an anchor and a day; negative before it.

    >>> steps_until(date(2012, 7, 16), date(2012, 9, 15), CADENCES["monthly"])
    1
    """
    if cadence.days:
        return (day - anchor).days // cadence.days
    months = (day.year - anchor.year) * 12 + day.month - anchor.month
    number = months // cadence.months
    while nth_date(anchor, cadence, number) > day:
        number -= 1
    return number


def calendar_anchor(day: date, cadence: Cadence) -> date:
    """Return the start of the calendar's week, month, quarter, half or year around a day."""
    if cadence.days:
        return day - timedelta(days=day.weekday())
    month = (day.month - 1) // min(cadence.months, 12) * min(cadence.months, 12) + 1
    return date(day.year, month, 1)


def is_billing_day(day: date, start: date, cadence: Cadence, *, on_calendar: bool) -> bool:
    """Say whether a period of a rhythm that began at ``start`` ends, and the next begins, on a day.

    :param on_calendar: periods follow the calendar (weeks from Monday, months from the 1st);
        else the anniversary of the start.
    """
    anchor = calendar_anchor(start, cadence) if on_calendar else start
    return day > start and nth_date(anchor, cadence, steps_until(anchor, day, cadence)) == day


def billing_spans(
    start: date, end: date | None, cadence: Cadence, *, anchor_day: int | None = None
) -> Iterator[BillingPeriodSpan]:
    """Yield the periods that cover a stretch of service, without end if ``end`` is None.

    :param anchor_day: months begin on it; days count from the start.
    """
    if cadence.days or anchor_day is None:
        boundary, anchor_day = start, start.day
    else:
        boundary = first_anchor(start, anchor_day)
    number = 1 if boundary == start else 0
    while True:
        full = Period(
            nth_date(boundary, cadence, number - 1, anchor_day),
            nth_date(boundary, cadence, number, anchor_day),
        )
        last = full.end if end is None else min(full.end, end)
        first = max(full.start, start)
        if first < last:
            yield BillingPeriodSpan(Period(first, last), full)
        if end is not None and full.end >= end:
            return
        number += 1


def billed_until(
    start: date,
    end: date | None,
    target: date,
    cadence: Cadence,
    *,
    anchor_day: int | None,
    in_advance: bool,
) -> tuple[BillingPeriodSpan, ...]:
    """Return the periods billed by a day: those begun (in advance) or ended (in arrears)."""
    spans = []
    for span in billing_spans(start, end, cadence, anchor_day=anchor_day):
        if span.service.start > target or (not in_advance and span.service.end > target):
            break
        spans.append(span)
    return tuple(spans)
