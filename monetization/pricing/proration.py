"""What a part of a billing period costs: an exact fraction of the whole."""

from fractions import Fraction

from monetization.kernel.period import Period

METHODS = ("daily", "none", "thirty_day_month")


def prorate_factor(service: Period, full: Period, method: str = "daily") -> Fraction:
    """Return the part of the full period that was served.

    :param method: ``daily`` counts calendar days; ``none`` charges the whole for any part;
        ``thirty_day_month`` counts every month as 30 days (30/360, US).
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
        case "thirty_day_month":
            return Fraction(_days_360(service), max(1, _days_360(full)))
    raise ValueError(f"proration: must be one of {', '.join(METHODS)}")


def _days_360(period: Period) -> int:
    start, end = period.start, period.end
    return (
        (end.year - start.year) * 360
        + (end.month - start.month) * 30
        + min(end.day, 30)
        - min(start.day, 30)
    )
