"""From terms to the stretches of service that are charged, and when each is billed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from monetization.kernel.period import Frequency, Period, billing_periods
from monetization.pricing.proration import prorate_factor
from monetization.pricing.terms import ItemTerms, OrderTerms, PhaseTerms

MINIMUM_KEY = "minimum"


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
        if phase.minimum is not None:
            periods.extend(_minimum_periods(terms, phase, end, until))
    return tuple(sorted(periods, key=lambda p: (p.bill_on, p.service.start, p.kind, p.item_key)))


def _spans(
    terms: OrderTerms, phase: PhaseTerms, frequency: Frequency, end: date | None, until: date | None
) -> Iterator[tuple[Period, Period]]:
    # An open end is cut after whole periods, so that extending it later changes nothing.
    horizon = end or (until or phase.start_on) + timedelta(days=800)
    for span in billing_periods(
        phase.start_on,
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
    for service, full in _spans(terms, phase, item.frequency, end, until):
        yield ChargePeriod(
            phase_key=phase.key,
            item_key=item.key,
            kind="item",
            service=service,
            full=full,
            bill_on=service.start if item.timing == "in_advance" else service.end,
            factor=prorate_factor(service, full, item.proration),
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
    terms: OrderTerms, phase: PhaseTerms, end: date | None, until: date | None
) -> Iterator[ChargePeriod]:
    if phase.minimum is None:
        return
    for service, full in _spans(terms, phase, phase.minimum.frequency, end, until):
        yield ChargePeriod(
            phase_key=phase.key,
            item_key=MINIMUM_KEY,
            kind="minimum",
            service=service,
            full=full,
            bill_on=service.end,
            factor=prorate_factor(service, full, "daily"),
        )
