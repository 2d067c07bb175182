"""Half-open spans of days, billing periods from an anchor, and days as instants."""

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones


class PeriodError(ValueError):
    """A span of days that is empty or upside down."""


class Frequency(StrEnum):
    """How often something is billed."""

    ONE_TIME = "one_time"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"

    @property
    def months(self) -> int:
        """Return the months of one period; 0 for one-time and weekly."""
        return _MONTHS[self]


_MONTHS = {
    Frequency.ONE_TIME: 0,
    Frequency.WEEKLY: 0,
    Frequency.MONTHLY: 1,
    Frequency.QUARTERLY: 3,
    Frequency.HALF_YEARLY: 6,
    Frequency.YEARLY: 12,
}
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Days from ``start`` up to, not including, ``end``."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise PeriodError(f"{self.start} to {self.end} has no day")

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def intersection(self, other: "Period") -> "Period | None":
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None

    def calendar_months(self) -> Iterator["Period"]:
        """Yield the part of each calendar month touched, in order.

        >>> [p.days for p in Period(date(2025, 1, 15), date(2025, 3, 2)).calendar_months()]
        [17, 28, 1]
        """
        start = self.start
        while start < self.end:
            following = add_months(start.replace(day=1), 1, anchor_day=1)
            yield Period(start, min(following, self.end))
            start = following


@dataclass(frozen=True, slots=True)
class BillingPeriodSpan:
    """The days served, and the full billing period they are part of."""

    service: Period
    full: Period


def add_months(day: date, months: int, *, anchor_day: int) -> date:
    """Move by whole months to the anchor day, or to the month's end where there is none.

    Always counted from a fixed month, so that 31 January leads to 28 February and then to
    31 March, not to 28 March.

    >>> [str(add_months(date(2025, 1, 31), n, anchor_day=31)) for n in (1, 2)]
    ['2025-02-28', '2025-03-31']
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    last = 29 if month == 1 and calendar.isleap(year) else _DAYS[month]
    return date(year, month + 1, min(anchor_day, last))


def billing_periods(
    start: date, end: date, frequency: Frequency, *, anchor_day: int, anchor_on: date | None = None
) -> Iterator[BillingPeriodSpan]:
    """Yield the billing periods that cover [start, end) without gap or overlap.

    Boundaries lie on the anchor day; the first boundary is the first anchor day on or after
    ``anchor_on`` (the contract's start, by default ``start``), and every other boundary is that
    one plus whole periods. A span before the first boundary, or cut by the end, is a stub of
    the full period around it.

    :param anchor_day: 1 to 31; in shorter months the last day serves.
    :param anchor_on: the day the rhythm is counted from, so that a phase that starts in the
        middle of a quarter keeps the contract's quarters.

    >>> first, last = date(2025, 1, 20), date(2025, 3, 1)
    >>> spans = billing_periods(first, last, Frequency.MONTHLY, anchor_day=1)
    >>> [(str(s.service.start), s.service.days, s.full.days) for s in spans]
    [('2025-01-20', 12, 31), ('2025-02-01', 28, 28)]
    """
    whole = Period(start, end)
    if frequency is Frequency.ONE_TIME:
        yield BillingPeriodSpan(whole, whole)
        return
    origin = anchor_on or start
    boundary = _boundaries(origin, frequency, anchor_day)
    number = _first_boundary_after(start, boundary)
    while True:
        full = Period(boundary(number - 1), boundary(number))
        service = full.intersection(whole)
        if service is not None:
            yield BillingPeriodSpan(service, full)
        if full.end >= end:
            return
        number += 1


def _boundaries(origin: date, frequency: Frequency, anchor_day: int) -> Callable[[int], date]:
    if frequency is Frequency.WEEKLY:
        return lambda number: origin + timedelta(weeks=number)
    this_month = add_months(origin, 0, anchor_day=anchor_day)
    first = this_month if this_month >= origin else add_months(origin, 1, anchor_day=anchor_day)
    months = frequency.months
    return lambda number: add_months(first, number * months, anchor_day=anchor_day)


def _first_boundary_after(day: date, boundary: Callable[[int], date]) -> int:
    """Return the number of the first boundary later than a day."""
    span = (boundary(1) - boundary(0)).days
    number = (day - boundary(0)).days // span - 1
    while boundary(number) <= day:
        number += 1
    while boundary(number - 1) > day:
        number -= 1
    return number


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """Return the names of all IANA time zones; listing them reads hundreds of files."""
    return frozenset(available_timezones())


def start_instant(day: date, zone: str) -> datetime:
    """Return the first moment of a local day, in UTC.

    Where midnight is skipped (Cairo, Beirut in spring) the day starts at the first moment that
    exists; where it happens twice, at the earlier. A day that a zone skipped altogether starts
    when the next one does, so that consecutive days always meet.

    >>> str(start_instant(date(2026, 3, 29), "Asia/Beirut"))
    '2026-03-28 22:00:00+00:00'
    """
    info = ZoneInfo(zone)
    # fold=0 reads a skipped wall time with the offset before the gap, which lands after it:
    # exactly the first moment that exists, or one that must be pulled back to it.
    naive = datetime.combine(day, time.min)
    instant = naive.replace(tzinfo=info, fold=0).astimezone(UTC)
    local = instant.astimezone(info)
    if local.replace(tzinfo=None) == naive:
        return instant
    later = naive.replace(tzinfo=info, fold=1).astimezone(UTC)
    low, high = min(instant, later), max(instant, later)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(info).replace(tzinfo=None) >= naive:
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)


def local_day(instant: datetime, zone: str) -> date:
    """Return the local date of an instant in a zone."""
    return instant.astimezone(ZoneInfo(zone)).date()
