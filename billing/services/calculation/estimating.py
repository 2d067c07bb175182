"""What is billed where usage is estimated: until the actuals come, and of an issued line for good.

An open invoice is estimated anew each time it is computed. An issued one keeps what it billed for
as long as nothing was measured; from then on it is computed from what was, which makes the
difference late usage.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from billing.models import BillingPeriod, Invoice, InvoiceLine, UsageEstimate
from billing.selectors.schedules import PeriodRow
from billing.services.calculation.loading import Work
from metering.domain.numbers import at_twelve_places
from metering.models import Meter, UsageReading
from metering.selectors import ReadingRequest, read_usage
from monetization.kernel.decimals import plain
from monetization.pricing.timeline import ChargePeriod

Assumed = dict[str, str]  # the explanation: basis, quantity, measured
LOOKED_BACK = {UsageEstimate.Basis.PREVIOUS: 1, UsageEstimate.Basis.AVERAGE: 3}


def assume(works: Sequence[Work], now: datetime) -> None:
    """Put estimates in the place of what was measured, where a line is estimated."""
    schedules = {work.invoice.schedule_id for work in works if work.invoice.schedule_id}
    rules = {
        (rule.schedule_id, rule.item_key): rule
        for rule in UsageEstimate.objects.filter(schedule__id__any=schedules)
    }
    kept = _billed([w.invoice.id for w in works if w.invoice.status == Invoice.Status.ISSUED])
    if not rules and not kept:
        return
    for work in works:
        for row, charge in zip(work.periods, work.charges, strict=True):
            place = (row.item_key, row.service_start)
            reading = work.readings.get(place)
            if reading is None or row.kind != BillingPeriod.Kind.ITEM:
                continue
            if work.invoice.status == Invoice.Status.ISSUED:
                assumed = None if reading.event_count else kept.get((work.invoice.id, *place))
            else:
                rule = rules.get((work.invoice.schedule_id, row.item_key))
                work.is_estimating |= rule is not None
                assumed = _assumed(rule, work, row, charge, reading, now) if rule else None
            if assumed is not None:
                work.assumed[place] = assumed
                work.measured[place] = Decimal(assumed["quantity"])


def _billed(issued: Sequence[UUID]) -> Mapping[tuple[UUID, str, date], Assumed]:
    rows = InvoiceLine.objects.filter(
        invoice__in=issued, is_manual=False, explanation__has_key="estimate"
    ).values_list("invoice_id", "item_key", "service_start", "explanation")
    return {(row[0], row[1], row[2]): row[3]["estimate"] for row in rows}


def _assumed(
    rule: UsageEstimate,
    work: Work,
    row: PeriodRow,
    charge: ChargePeriod,
    reading: UsageReading,
    now: datetime,
) -> Assumed | None:
    """Return the estimate of a period that is over; None where the measured usage is billed."""
    if row.ends_at > now or (reading.event_count and not rule.is_always):
        return None
    part = Fraction(charge.service.days, charge.full.days)
    if rule.basis == UsageEstimate.Basis.FIXED:
        full = Fraction(rule.quantity or 0)
    else:
        before = _before(work, row, charge, LOOKED_BACK[UsageEstimate.Basis(rule.basis)])
        if not before:
            return None
        full = sum(before, start=Fraction(0)) / len(before)
    return {
        "basis": rule.basis,
        "quantity": plain(at_twelve_places(full * part)),
        "measured": plain(reading.quantity),
    }


def _before(work: Work, row: PeriodRow, charge: ChargePeriod, count: int) -> list[Fraction]:
    """Return what the last periods with any usage come to, each as a full period."""
    item = work.terms.phase(charge.phase_key).item(charge.item_key)
    meter = Meter.objects.get(key=item.meter)
    earlier = list(
        BillingPeriod.objects.filter(
            schedule=work.invoice.schedule_id,
            kind=BillingPeriod.Kind.ITEM,
            item_key=row.item_key,
            ends_at__lte=row.starts_at,
        ).order_by("-service_start")[:count]
    )
    found = read_usage(
        [
            ReadingRequest(
                work.invoice.customer_id,
                meter.id,
                period.starts_at,
                period.ends_at,
                work.terms.time_zone,
            )
            for period in earlier
        ]
    )
    return [
        Fraction(usage.quantity)
        * (period.full_end - period.full_start).days
        / (period.service_end - period.service_start).days
        for period, usage in zip(earlier, found, strict=True)
        if usage.event_count
    ]
