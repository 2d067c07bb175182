"""What a part of a billing period costs: an exact fraction of the whole."""

from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache

from monetization.kernel.period import Period, start_instant

METHODS = ("daily", "none", "exact", "thirty_day_month")  # what a price may choose


@lru_cache(maxsize=4096)
def prorate_factor(
    service: Period, full: Period, method: str = "daily", zone: str = "UTC"
) -> Fraction:
    """Return the part of the full period that was served.

    :param method: ``daily`` counts calendar days; ``none`` charges the whole for any part;
        ``exact`` counts the seconds between the local midnights, so that days of 23 and 25
        hours weigh what they last; ``thirty_day_month`` counts every month as 30 days
        (30/360, US); ``actual_thirty`` divides calendar days by months of 30 days, at most
        the whole period.
    :param zone: of the contract; only ``exact`` looks at it.
    :raises ValueError: for another method.

    >>> from datetime import date
    >>> april = Period(date(2025, 4, 1), date(2025, 5, 1))
    >>> prorate_factor(Period(date(2025, 4, 18), date(2025, 5, 1)), april)
    Fraction(13, 30)
    """
    match method:
        case "none":
            return Fraction(1)
        case "daily":
            return Fraction(service.days, full.days)
        case "exact":
            return instants_factor(_instants(service, zone), _instants(full, zone))
        case "thirty_day_month":
            return Fraction(_days_360(service), max(1, _days_360(full)))
        case "actual_thirty":
            return within_whole(Fraction(service.days, max(1, _days_360(full))))
    raise ValueError(f"proration: must be one of {', '.join(METHODS)}")


def within_whole(factor: Fraction) -> Fraction:
    """Return a factor of at least nothing and at most the whole."""
    return max(Fraction(0), min(Fraction(1), factor))


def _instants(period: Period, zone: str) -> tuple[datetime, datetime]:
    return start_instant(period.start, zone), start_instant(period.end, zone)


def instants_factor(
    service: tuple[datetime, datetime], full: tuple[datetime, datetime]
) -> Fraction:
    """Return the part of a full period that was served, to the microsecond.

    :raises ValueError: if the full period is empty or upside down.
    """
    whole = full[1] - full[0]
    if whole <= timedelta(0):
        raise ValueError("period: must end after it starts")
    served = service[1] - service[0]
    return Fraction(_microseconds(served), _microseconds(whole))


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def days_factor(start: date, end: date, days_in_full: int) -> Fraction:
    """Return days served over the days of the full period; nothing for an empty stretch."""
    return Fraction(max(0, (end - start).days), days_in_full)


def fixed_month_factor(start: date, end: date, month_days: int = 30) -> Fraction:
    """Return the part of a month of fixed length that was served.

    Days within a month are counted as they are; a month's end that is crossed counts as the
    fixed month's end, so that every month is equally long.

    >>> fixed_month_factor(date(2023, 1, 20), date(2023, 2, 15))
    Fraction(5, 6)
    """
    months = (end.year - start.year) * 12 + end.month - start.month
    return Fraction(max(0, months * month_days + end.day - start.day), month_days)


def _days_360(period: Period) -> int:
    start, end = period.start, period.end
    return (
        (end.year - start.year) * 360
        + (end.month - start.month) * 30
        + min(end.day, 30)
        - min(start.day, 30)
    )
