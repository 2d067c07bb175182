"""From terms to the stretches of service that are charged, and when each is billed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from monetization.kernel.period import Frequency, Period, add_months, billing_periods
from monetization.pricing.prices import Seat
from monetization.pricing.proration import prorate_factor
from monetization.pricing.terms import (
    OVERAGE_SUFFIX,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
)

MINIMUM_KEY = "minimum"
CONTRACT_MINIMUM_KEY = "contract-minimum"
FAR = timedelta(days=800)


@dataclass(frozen=True, slots=True)
class ChargePeriod:
    """One contract line over one stretch of service."""

    phase_key: str
    item_key: str
    kind: str  # item, minimum
    service: Period
    full: Period  # the whole billing period the service is part of
    bill_on: date  # service start in advance, service end in arrears
    factor: Fraction  # the part of the full period, by the line's proration


def charge_periods(terms: OrderTerms, *, until: date | None = None) -> tuple[ChargePeriod, ...]:
    """Expand terms into charge periods, by billing date.

    Periods are counted from the contract's start and anchor day, across phase changes: a
    phase that ends in the middle of a quarter cuts that quarter into exact fractions.

    :param until: where to stop an open-ended contract; whole billing periods that begin
        before it are included. Needed only when the terms have no end.
    :raises ValueError: if the terms are open-ended and no ``until`` is given.
    """
    periods: list[ChargePeriod] = []
    for phase in terms.phases:
        end = phase.end_on
        if end is None:
            if until is None:
                raise ValueError("open-ended terms need an `until`")
            if until <= phase.start_on:
                continue
        for item in phase.items:
            periods.extend(_item_periods(terms, phase, item, end, until))
        for number, minimum in enumerate(_minimums(phase), start=1):
            key = MINIMUM_KEY if number == 1 else f"{MINIMUM_KEY}-{number}"
            periods.extend(_minimum_periods(terms, phase, minimum, key, until))
    for number, minimum in enumerate(terms.minimums, start=1):
        key = f"{CONTRACT_MINIMUM_KEY}-{number}"
        periods.extend(_minimum_periods(terms, None, minimum, key, until))
    return tuple(sorted(periods, key=lambda p: (p.bill_on, p.service.start, p.kind, p.item_key)))


def _minimums(phase: PhaseTerms) -> tuple[MinimumTerms, ...]:
    """Return a phase's minimums in the order of their keys; the first may be missing."""
    first = () if phase.minimum is None else (phase.minimum,)
    return (*first, *phase.further_minimums)


def minimum_of(terms: OrderTerms, period: ChargePeriod) -> tuple[MinimumTerms, PhaseTerms | None]:
    """Return the minimum a charge period stands for, and its phase; None for the contract's.

    :raises ValueError: if the terms have no such minimum.
    """
    name, _, number = period.item_key.rpartition("-")
    if name == CONTRACT_MINIMUM_KEY:
        return terms.minimums[int(number) - 1], None
    phase = terms.phase(period.phase_key)
    place = int(number) - 1 if name == MINIMUM_KEY else 0
    minimums = _minimums(phase)
    if place >= len(minimums):
        raise ValueError(f"phase {phase.key} has no minimum")
    return minimums[place], phase


def _spans(
    terms: OrderTerms, start: date, frequency: Frequency, end: date | None, until: date | None
) -> Iterator[tuple[Period, Period]]:
    # An open end is cut after whole periods, so that extending it later changes nothing.
    horizon = end or (until or start) + FAR
    for span in billing_periods(
        start,
        horizon,
        frequency,
        anchor_day=terms.anchor_day,
        anchor_on=terms.start_on,
    ):
        if end is None and until is not None and span.service.start >= until:
            return
        yield span.service, span.full


def _item_periods(
    terms: OrderTerms, phase: PhaseTerms, item: ItemTerms, end: date | None, until: date | None
) -> Iterator[ChargePeriod]:
    if item.frequency is Frequency.ONE_TIME:
        yield _one_time(phase, item)
        return
    for service, full in _spans(terms, phase.start_on, item.frequency, end, until):
        yield ChargePeriod(
            phase_key=phase.key,
            item_key=item.key,
            kind="item",
            service=service,
            full=full,
            bill_on=service.start if item.timing == "in_advance" else service.end,
            factor=prorate_factor(service, full, item.proration, terms.time_zone),
        )
    if isinstance(item.model, Seat) and item.overage_frequency is not None:
        for service, full in _spans(terms, phase.start_on, item.overage_frequency, end, until):
            yield ChargePeriod(
                phase_key=phase.key,
                item_key=item.key + OVERAGE_SUFFIX,
                kind="item",
                service=service,
                full=full,
                bill_on=service.end,
                factor=prorate_factor(service, full, item.proration, terms.time_zone),
            )


def _one_time(phase: PhaseTerms, item: ItemTerms) -> ChargePeriod:
    """Bill a one-time fee when its phase begins.

    It serves the whole phase when it is recognized over time and the phase has an end;
    otherwise its first day.
    """
    over_time = item.recognition == "straight_line" and phase.end_on is not None
    end = phase.end_on if over_time and phase.end_on else phase.start_on + timedelta(days=1)
    service = Period(phase.start_on, end)
    return ChargePeriod(phase.key, item.key, "item", service, service, phase.start_on, Fraction(1))


def _minimum_periods(
    terms: OrderTerms,
    phase: PhaseTerms | None,
    minimum: MinimumTerms,
    key: str,
    until: date | None,
) -> Iterator[ChargePeriod]:
    """Yield the periods of a minimum, of one phase or (None) of the whole contract."""
    start, end = (phase.start_on, phase.end_on) if phase else (terms.start_on, terms.end_on)
    for service, full in _windows(terms, minimum, start, end, until):
        last = phase or phase_on(terms, service.end - timedelta(days=1))
        yield ChargePeriod(
            phase_key=last.key,
            item_key=key,
            kind="minimum",
            service=service,
            full=full,
            bill_on=service.end,
            factor=prorate_factor(service, full, "daily"),
        )


def _windows(
    terms: OrderTerms, minimum: MinimumTerms, start: date, end: date | None, until: date | None
) -> Iterator[tuple[Period, Period]]:
    if minimum.window == "per_period":
        yield from _spans(terms, start, minimum.frequency, end, until)
        return
    day = start
    while end is None or day < end:
        if end is None and until is not None and day >= until:
            return
        full = contract_window(terms, day, minimum.window)
        service = Period(max(full.start, start), min(full.end, end) if end else full.end)
        yield service, full
        day = full.end


def phase_on(terms: OrderTerms, day: date) -> PhaseTerms:
    """Return the phase in force on a day; the first before the contract, the last after it."""
    begun = [phase for phase in terms.phases if phase.start_on <= day]
    return begun[-1] if begun else terms.phases[0]


def contract_window(terms: OrderTerms, day: date, window: str) -> Period:
    """Return the contract year, or the whole contract, around a day of it.

    Years are counted from the contract's start; a contract without an end has no last day.
    """
    if window == "over_contract":
        return Period(terms.start_on, terms.end_on or date.max)
    number = max(0, day.year - terms.start_on.year - 1)
    while _year(terms, number + 1) <= day:
        number += 1
    return Period(_year(terms, number), _year(terms, number + 1))


def _year(terms: OrderTerms, number: int) -> date:
    return add_months(terms.start_on, 12 * number, anchor_day=terms.start_on.day)


def window_around(
    terms: OrderTerms, phase: PhaseTerms | None, frequency: Frequency, day: date
) -> tuple[Period, Period]:
    """Return the billing period of a rhythm around a day: the part in the phase, and the whole."""
    start, end = (phase.start_on, phase.end_on) if phase else (terms.start_on, terms.end_on)
    for service, full in _spans(terms, start, frequency, end, day + timedelta(days=1)):
        if day in service:
            return service, full
    raise ValueError(f"{day} is outside the contract")


def period_share(part: Frequency, whole: Frequency) -> Fraction:
    """Return one rhythm's period as a part of another's: a month is a twelfth of a year."""
    if part.months and whole.months:
        return Fraction(part.months, whole.months)
    days = {Frequency.WEEKLY: Fraction(7)}
    a, b = (days.get(f, Fraction(f.months) * Fraction(1461, 48)) for f in (part, whole))
    return a / b
