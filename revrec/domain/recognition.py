"""Over which months a price is earned: by second, by day, or by month. Pure."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction

from monetization.kernel.money import Money, allocate
from monetization.kernel.period import Period, add_months
from revrec.domain.obligations import RevenueSlice, straight_line

METHODS = ("day", "second", "month", "month_prorated", "half_month")
_HALF = Fraction(1, 2)


def earned_by_month(
    price: Money, start: datetime, end: datetime, method: str = "day"
) -> tuple[RevenueSlice, ...]:
    """Spread a price over the calendar months of its service; the slices add up to it.

    :param start: aware; the calendar of its own offset counts.
    :param end: exclusive, in the same offset.
    :param method: ``day``: each day alike, the first counts and the last does not (our
        default); ``second``: to the microsecond; ``month``: each month alike, the first counts
        in full and the one the end lies in does not; ``month_prorated``: the first and last
        month by their time, those between alike; ``half_month``: the first and last month
        count half where the service takes no more than half of them.
    :raises ValueError: for another method, or a service without time.
    """
    if method not in METHODS:
        raise ValueError(f"method: must be one of {', '.join(METHODS)}")
    if start >= end:
        raise ValueError("service: must end after it starts")
    return _SPREADS[method](price, start, end)


def _by_day(price: Money, start: datetime, end: datetime) -> tuple[RevenueSlice, ...]:
    first = start.date()
    return straight_line(price, Period(first, max(end.date(), first + timedelta(days=1))))


def _by_second(price: Money, start: datetime, end: datetime) -> tuple[RevenueSlice, ...]:
    shares = _time_by_month(start, end)
    return _slices(price, [month for month, _ in shares], [share for _, share in shares])


def _by_month(price: Money, start: datetime, end: datetime) -> tuple[RevenueSlice, ...]:
    months = [_month(start)]
    while (following := _next(months[-1])) < _month(end):
        months.append(following)
    return _slices(price, months, [Fraction(1)] * len(months))


def _by_month_prorated(price: Money, start: datetime, end: datetime) -> tuple[RevenueSlice, ...]:
    shares = _time_by_month(start, end)
    if len(shares) < 3:
        return _by_second(price, start, end)
    whole = sum((share for _, share in shares), start=Fraction(0))
    ends = [shares[0][1] / whole, shares[-1][1] / whole]
    between = (1 - ends[0] - ends[1]) / (len(shares) - 2)
    weights = [ends[0], *[between] * (len(shares) - 2), ends[1]]
    return _slices(price, [month for month, _ in shares], weights)


def _by_half_month(price: Money, start: datetime, end: datetime) -> tuple[RevenueSlice, ...]:
    shares = _time_by_month(start, end)
    weights = [
        _HALF if share <= _length(month, start) / 2 else Fraction(1) for month, share in shares
    ]
    return _slices(price, [month for month, _ in shares], weights)


def _slices(
    price: Money, months: Sequence[date], weights: Sequence[Fraction]
) -> tuple[RevenueSlice, ...]:
    amounts = allocate(price, weights)
    return tuple(RevenueSlice(month, amount) for month, amount in zip(months, amounts, strict=True))


def _time_by_month(start: datetime, end: datetime) -> list[tuple[date, Fraction]]:
    """Return each calendar month with the seconds served in it."""
    shares, first = [], start
    while first < end:
        month = _month(first)
        last = min(end, _midnight(_next(month), start))
        shares.append((month, _seconds(last - first)))
        first = last
    return shares


def _length(month: date, like: datetime) -> Fraction:
    return _seconds(_midnight(_next(month), like) - _midnight(month, like))


def _seconds(span: timedelta) -> Fraction:
    return Fraction(span // timedelta(microseconds=1), 1_000_000)


def _midnight(day: date, like: datetime) -> datetime:
    return datetime.combine(day, datetime.min.time(), like.tzinfo)


def _month(moment: datetime) -> date:
    return moment.date().replace(day=1)


def _next(month: date) -> date:
    return add_months(month, 1, anchor_day=1)


_SPREADS: dict[str, Callable[[Money, datetime, datetime], tuple[RevenueSlice, ...]]] = {
    "day": _by_day,
    "second": _by_second,
    "month": _by_month,
    "month_prorated": _by_month_prorated,
    "half_month": _by_half_month,
}
