"""What invoices are computed from: their contract's terms, their periods, what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.models import BillingPeriod, Invoice, InvoiceLine
from billing.selectors.claimed import BILLED, ClaimedLine, billed_key, claimed_of_schedules
from billing.selectors.schedules import (
    PeriodRow,
    billed_periods,
    charge_period,
    period_row,
    terms_of,
)
from billing.services.measuring import balances_in, detail_usage, held_seats
from metering.models import Meter, UsageReading
from metering.selectors import ReadingRequest, measure
from metering.services import take_readings
from monetization.kernel.money import Money
from monetization.pricing.estimate import Measured
from monetization.pricing.prices import Seat
from monetization.pricing.terms import OVERAGE_SUFFIX, OrderTerms
from monetization.pricing.timeline import ChargePeriod


@dataclass(slots=True)
class Work:
    """One invoice being computed."""

    invoice: Invoice
    terms: OrderTerms
    periods: list[PeriodRow] = field(default_factory=list)
    charges: list[ChargePeriod] = field(default_factory=list)
    readings: dict[tuple[str, date], UsageReading] = field(default_factory=dict)
    measured: dict[tuple[str, date], Measured] = field(default_factory=dict)
    claimed: list[ClaimedLine] = field(default_factory=list)
    assumed: dict[tuple[str, date], dict[str, str]] = field(default_factory=dict)  # estimates
    is_estimating: bool = False  # a line has a rule, whether it holds now or not
    holds_credits: bool = False  # its customer was ever granted credits


def load(invoices: Sequence[Invoice], waiting: Sequence[BillingPeriod] = ()) -> list[Work]:
    """Return the invoices that bill a contract, with its terms and their periods."""
    terms = terms_of({invoice.schedule_id for invoice in invoices if invoice.schedule_id})
    works = {
        invoice.id: Work(invoice, terms[invoice.schedule_id])
        for invoice in invoices
        if invoice.schedule_id is not None
    }
    stored = billed_periods(list(works)) if works else []
    for row in (*stored, *(period_row(each) for each in waiting)):
        assert row.invoice_id is not None  # noqa: S101 - selected so
        work = works[row.invoice_id]
        work.periods.append(row)
        work.charges.append(charge_period(work.terms, row))
    _load_claimed(list(works.values()))
    return list(works.values())


def _load_claimed(works: Sequence[Work]) -> None:
    """Take what threshold invoices claimed; of an issued invoice, what it says it took off."""
    by_schedule = claimed_of_schedules(
        {work.invoice.schedule_id for work in works if work.invoice.schedule_id}
    )
    if not by_schedule:
        return
    issued = [work.invoice.id for work in works if work.invoice.status == Invoice.Status.ISSUED]
    said = {
        (row[0], row[1]): row[2]
        for row in InvoiceLine.objects.filter(invoice__in=issued, kind=BILLED).values_list(
            "invoice_id", "key", "explanation"
        )
    }
    for work in works:
        if work.invoice.schedule_id is None:
            continue
        standing = [one for one in by_schedule[work.invoice.schedule_id] if not one.is_void]
        if work.invoice.status == Invoice.Status.ISSUED:
            standing = [kept for one in standing if (kept := _as_said(one, work.invoice, said))]
        work.claimed = standing


def _as_said(
    line: ClaimedLine, invoice: Invoice, said: dict[tuple[UUID, str], dict[str, Any]]
) -> ClaimedLine | None:
    explanation = said.get((invoice.id, billed_key(line.key, line.threshold_number)))
    if explanation is None:
        return None
    credited = Money(Decimal(explanation["credited"]), invoice.currency)
    return line._replace(claimed=replace(line.claimed, credited=credited))


def measure_usage(works: Sequence[Work], now: datetime, *, keep: bool = True) -> None:
    """Take every reading the invoices need, together, as of one snapshot.

    :param keep: store the readings; without, the quantities are the same and nothing is kept.
    """
    meters = dict(Meter.objects.values_list("key", "id"))
    requests: list[ReadingRequest] = []
    places: list[tuple[Work, PeriodRow, ChargePeriod]] = []
    for work in works:
        for row, charge in zip(work.periods, work.charges, strict=True):
            if row.kind != BillingPeriod.Kind.ITEM:
                continue
            item = work.terms.phase(charge.phase_key).item(charge.item_key)
            if item.kind != "usage" or item.meter not in meters or row.starts_at > now:
                continue
            requests.append(
                ReadingRequest(
                    work.invoice.customer_id,
                    meters[item.meter],
                    row.starts_at,
                    row.ends_at,
                    work.terms.time_zone,
                )
            )
            places.append((work, row, charge))
    readings = take_readings(requests=requests, now=now) if keep else _unkept(requests)
    measured = detail_usage(
        [
            (work.terms, charge, read)
            for (work, _, charge), read in zip(places, readings, strict=True)
        ]
    )
    for (work, row, _), reading, units in zip(places, readings, measured, strict=True):
        work.readings[row.item_key, row.service_start] = reading
        work.measured[row.item_key, row.service_start] = units
    count_seats(works)


def count_seats(works: Sequence[Work]) -> None:
    """Take the seats the invoices charge from the numbers that were said."""
    terms = {work.invoice.schedule_id: work.terms for work in works if work.invoice.schedule_id}
    held = held_seats(terms)
    for work in works if held else ():
        for row, charge in zip(work.periods, work.charges, strict=True):
            key = row.item_key.removesuffix(OVERAGE_SUFFIX)
            changes = (
                held.get((work.invoice.schedule_id, key)) if work.invoice.schedule_id else None
            )
            if row.kind == BillingPeriod.Kind.ITEM and changes:
                item = work.terms.phase(charge.phase_key).item(charge.item_key)
                if isinstance(item.model, Seat):
                    place = (row.item_key, row.service_start)
                    work.measured[place] = balances_in(changes, item, charge)


def _unkept(requests: Sequence[ReadingRequest]) -> list[UsageReading]:
    if not requests:
        return []
    quantities, snapshot = measure(requests)
    meters = Meter.objects.in_bulk({request.meter_id for request in requests})
    return [
        UsageReading(
            meter=meters[request.meter_id],
            meter_version=meters[request.meter_id].version,
            customer_id=request.customer_id,
            window_start=request.window_start,
            window_end=request.window_end,
            time_zone=request.time_zone,
            quantity=found.quantity,
            event_count=found.event_count,
            snapshot=snapshot,
        )
        for request, found in zip(requests, quantities, strict=True)
    ]
