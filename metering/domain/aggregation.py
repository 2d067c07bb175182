"""Reference aggregations: what a window of events amounts to. Pure, exact, order-free.

Stores compute the same numbers in SQL; these functions say what they must be. Events that a
filter leaves out, or whose value is missing or no number, do not count.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from metering.domain.numbers import counted_number
from monetization.kernel.money import ZERO

LONG_AGO = datetime.min.replace(tzinfo=UTC)
AGGREGATIONS = ("count", "sum", "max", "min", "latest", "average", "count_unique")


@dataclass(frozen=True, slots=True)
class Sample:
    """One event as a meter sees it."""

    data: Mapping[str, Any]
    at: datetime | None = None  # aware; decides what is latest
    id: str = ""  # breaks ties of the same moment
    received: int = 0  # order of arrival


Filters = Mapping[str, Sequence[Any]]
ValueOf = Callable[[Mapping[str, Any]], Any]


def passes(filters: Filters | None, data: Mapping[str, Any]) -> bool:
    """Say whether every filtered property has one of its allowed values."""
    return all(data.get(name) in allowed for name, allowed in (filters or {}).items())


def by_property(name: str) -> ValueOf:
    """Read the value from a property."""
    return lambda data: data.get(name)


def aggregate(
    kind: str,
    samples: Iterable[Sample],
    value_of: ValueOf | None = None,
    filters: Filters | None = None,
) -> Decimal | Fraction | None:
    """Aggregate the events of a window.

    :param value_of: reads an event's value, e.g. ``by_property("bytes")`` or an expression.
    :returns: 0 for counts and sums of nothing; None where nothing has no value: the greatest,
        least, latest or average of no events. Averages are exact fractions.
    """
    kept = [sample for sample in samples if passes(filters, sample.data)]
    if kind == "count":
        return Decimal(len(kept))
    read = value_of or (lambda data: None)
    if kind == "count_unique":
        values = {str(value) for s in kept if (value := read(s.data)) is not None}
        return Decimal(len(values))
    pairs = [(n, s) for s in kept if (n := counted_number(read(s.data))) is not None]
    numbers = [number for number, _ in pairs]
    if kind == "sum":
        return _whole(sum(map(Fraction, numbers), start=Fraction(0)))
    if not numbers:
        return None
    match kind:
        case "max":
            return max(numbers)
        case "min":
            return min(numbers)
        case "average":
            return sum(map(Fraction, numbers), start=Fraction(0)) / len(numbers)
        case "latest":
            return max(pairs, key=lambda pair: _when(pair[1]))[0]
    raise ValueError(f"aggregation: must be one of {', '.join(AGGREGATIONS)}")


def _when(sample: Sample) -> tuple[datetime, int, str]:
    return sample.at or LONG_AGO, sample.received, sample.id


def _whole(value: Fraction) -> Decimal:
    """Return a sum of decimals as a decimal: its denominator has no other factor than 2 and 5."""
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
    return Decimal((value * 10**places).numerator).scaleb(-places)


def grouped(
    kind: str,
    samples: Iterable[Sample],
    names: Sequence[str],
    value_of: ValueOf | None = None,
    filters: Filters | None = None,
) -> dict[tuple[Any, ...], Decimal | Fraction | None]:
    """Aggregate per combination of values of some properties; None where one is missing."""
    groups: dict[tuple[Any, ...], list[Sample]] = {}
    for sample in samples:
        if passes(filters, sample.data):
            key = tuple(sample.data.get(name) for name in names)
            groups.setdefault(key, []).append(sample)
    return {key: aggregate(kind, rows, value_of) for key, rows in groups.items()}


def deduplicate(
    samples: Iterable[Sample], key: Sequence[str], keep: str = "first"
) -> tuple[Sample, ...]:
    """Keep one event per identity, before anything is filtered or counted.

    :param key: names of the properties that identify an event.
    :param keep: ``first`` received (ours: a correction is an event of its own) or ``last``.
    """
    kept: dict[tuple[Any, ...], Sample] = {}
    for sample in sorted(samples, key=lambda sample: sample.received):
        identity = tuple(sample.data.get(name) for name in key)
        if keep == "last" or identity not in kept:
            kept[identity] = sample
    return tuple(kept.values())


@dataclass(frozen=True, slots=True)
class Delta:
    """A change of a running level at a moment."""

    at: datetime
    value: Decimal


def weighted_sum(
    start: datetime, end: datetime, deltas: Iterable[Delta], opening: Decimal = ZERO
) -> Fraction:
    """Return the time-weighted level over [start, end): each change counts for the time left.

    Changes before the window have happened already; those at or after its end do not count.
    Two units for half the window weigh as much as one unit for all of it.
    """
    whole = _microseconds(end - start)
    level = Fraction(opening)
    for delta in deltas:
        if delta.at < end:
            left = min(whole, _microseconds(end - delta.at))
            level += Fraction(delta.value) * left / whole
    return level


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DayDelta:
    """A change of a running level on a day; the day counts in full."""

    on: date
    value: Decimal


def prorated_sum(
    start: date,
    end: date,
    deltas: Iterable[DayDelta],
    *,
    days_in_full: int,
    opening: Decimal = ZERO,
) -> Fraction:
    """Return the level of recurring units weighted by days, over the days of the full period.

    :param end: exclusive; before the full period's end where service stops early.
    """
    level = Fraction(opening) * Fraction((end - start).days, days_in_full)
    for delta in deltas:
        if delta.on < end:
            days = (end - max(delta.on, start)).days
            level += Fraction(delta.value) * Fraction(days, days_in_full)
    return level


@dataclass(frozen=True, slots=True)
class Presence:
    """From when to when a unique thing was there; both days count. None: before, or still."""

    added_on: date | None = None
    removed_on: date | None = None


def prorated_unique_count(
    start: date, end: date, items: Iterable[Presence], *, days_in_full: int
) -> Fraction:
    """Return how many unique things were there, each weighted by its days of presence."""
    days = 0
    for item in items:
        first = max(item.added_on or start, start)
        last = end if item.removed_on is None else min(item.removed_on + timedelta(days=1), end)
        days += max(0, (last - first).days)
    return Fraction(days, days_in_full)


@dataclass(frozen=True, slots=True)
class Membership:
    """A thing was added to, or removed from, a set that is counted."""

    key: str
    at: datetime
    is_added: bool = True


def unique_at(memberships: Iterable[Membership], at: datetime) -> Decimal:
    """Return how many unique things are in the set at a moment; the latest word on each counts."""
    state: dict[str, Membership] = {}
    for membership in memberships:
        known = state.get(membership.key)
        newer = known is None or (membership.at, not membership.is_added) >= (
            known.at,
            not known.is_added,
        )
        if membership.at <= at and newer:
            state[membership.key] = membership
    return Decimal(sum(1 for membership in state.values() if membership.is_added))


@dataclass(frozen=True, slots=True)
class MeterRule:
    """A whole meter as a value: what it counts, of which events, by which groups."""

    aggregation: str
    value_of: ValueOf | None = None
    filters: Filters = field(default_factory=dict)
    group_by: tuple[str, ...] = ()

    def read(self, samples: Iterable[Sample]) -> dict[tuple[Any, ...], Decimal | Fraction | None]:
        """Return one number per group; without grouping one under the empty key."""
        if not self.group_by:
            return {(): aggregate(self.aggregation, samples, self.value_of, self.filters)}
        return grouped(self.aggregation, samples, self.group_by, self.value_of, self.filters)
