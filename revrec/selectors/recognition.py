"""What should be earned by the end of a month, and what is posted."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from django.db.models import Q, Sum

from billing.models import BillingSchedule, CreditNoteLine, Invoice, InvoiceLine, UnusedTime
from billing.selectors.claimed import BILLED, PROGRESS, billed_key, credited_of
from metering.selectors import usage_by_day
from monetization.kernel.money import Money, allocate
from monetization.kernel.period import Period
from monetization.ledger.accounts import Account
from monetization.ledger.models import Posting
from revrec.models import RevenueSlice
from revrec.selectors.beyond_plan import NEVER_ISSUED, BeyondPlan, beyond_plan

LineKey = tuple[UUID, str]


def month_end(month: date) -> date:
    """Return the first day after a month."""
    return (month.replace(day=1) + timedelta(days=31)).replace(day=1)


def should_be_recognized(schedules: Iterable[BillingSchedule], month: date) -> dict[LineKey, Money]:
    """Return what each contract line has earned by the end of a month.

    Fixed lines: their planned slices and what was billed beyond them, less what was credited
    of those days. Usage and top-ups to a minimum: the lines that bill them, draft or issued, as
    far as their days are over. Manual lines: once issued, by day. Of cancelled contracts only
    what is issued, by threshold invoices too.
    """
    by_id = {schedule.id: schedule for schedule in schedules}
    end = month_end(month)
    earned: dict[LineKey, Money] = {}

    def add(schedule_id: UUID, key: str, amount: Money) -> None:
        place = (schedule_id, key)
        earned[place] = earned.get(place, Money.zero(amount.currency)) + amount

    for row in (
        RevenueSlice.objects.filter(obligation__schedule__in=list(by_id), month__lt=end)
        .values("obligation__schedule", "obligation__item_key", "obligation__currency")
        .annotate(total=Sum("amount"))
    ):
        add(
            row["obligation__schedule"],
            row["obligation__item_key"],
            Money(row["total"], row["obligation__currency"]),
        )
    absorbed: dict[UUID, Money] = {}
    for other in beyond_plan(by_id.values(), before=end):
        absorbed[other.line_id] = other.absorbed
        at_once = other.is_earned_at_once
        part = other.amount if at_once else _days_before(other, other.amount, end)
        add(other.schedule.id, other.item_key, part)
    for line, schedule, billed in _used(by_id, end):
        amount = Money(billed, schedule.currency)
        add(schedule.id, line.item_key, _part_before(line, schedule, amount, end))
    for line in _manual_lines(by_id, end):
        schedule = by_id[line.invoice.schedule_id]
        amount = Money(line.amount, schedule.currency)
        add(schedule.id, line.item_key, _days_before(line, amount, end))
    for unused in UnusedTime.objects.filter(schedule__in=list(by_id), service_start__lt=end):
        schedule = by_id[unused.schedule_id]
        add(
            schedule.id,
            unused.item_key,
            _days_before(unused, Money(unused.amount, schedule.currency), end),
        )
    for credit in _credits(by_id, end):
        schedule = by_id[credit.invoice_line.invoice.schedule_id]
        whole = Money(credit.amount, schedule.currency)
        taken = min(whole, absorbed.get(credit.invoice_line_id, Money.zero(schedule.currency)))
        if taken:
            absorbed[credit.invoice_line_id] -= taken
        add(schedule.id, credit.item_key, -_days_before(credit.invoice_line, whole - taken, end))
    for line, given_up in _given_up_ahead(by_id, end):
        schedule = by_id[line.invoice.schedule_id]
        amount = Money(given_up, schedule.currency)
        add(schedule.id, line.item_key, -_days_before(line, amount, end))
    return earned


def _used(
    by_id: dict[UUID, BillingSchedule], end: date
) -> Iterator[tuple[InvoiceLine, BillingSchedule, Decimal]]:
    """Yield the lines that bill usage, with their contract and amount."""
    for line in _usage_lines(by_id, end):
        yield line, by_id[line.billing_period.schedule_id], line.amount
    for line, kept in _progress_alone(by_id, end):
        yield line, by_id[line.invoice.schedule_id], kept


def _usage_lines(by_id: dict[UUID, BillingSchedule], end: date) -> list[InvoiceLine]:
    return list(
        InvoiceLine.objects.filter(billing_period__schedule__in=list(by_id))
        .exclude(invoice__status=Invoice.Status.VOID)
        .exclude(NEVER_ISSUED)
        .filter(Q(kind="minimum", service_end__lte=end) | Q(reading__isnull=False))
        .filter(service_start__lt=end)
        .select_related("billing_period", "reading")
    )


def _progress_alone(
    by_id: dict[UUID, BillingSchedule], end: date
) -> Iterator[tuple[InvoiceLine, Decimal]]:
    """Yield what threshold invoices of cancelled contracts billed, less what was credited of it.

    As long as no issued invoice bills the whole period: that one's lines contain it.
    """
    cancelled = [
        schedule
        for schedule in by_id.values()
        if schedule.status == BillingSchedule.Status.CANCELLED
    ]
    issued = InvoiceLine.objects.filter(invoice__status=Invoice.Status.ISSUED)
    whole = set(
        issued.filter(invoice__schedule__in=cancelled, kind=BILLED).values_list(
            "invoice__schedule", "key"
        )
    )
    lines = [
        line
        for line in issued.filter(
            kind=PROGRESS, invoice__schedule__in=cancelled, service_start__lt=end
        ).select_related("invoice", "reading")
        if (line.invoice.schedule_id, billed_key(line.key, line.invoice.threshold_number or 0))
        not in whole
    ]
    credited = credited_of([line.id for line in lines])
    for line in lines:
        yield line, line.amount - credited.get(line.id, Decimal(0))


def _manual_lines(by_id: dict[UUID, BillingSchedule], end: date) -> list[InvoiceLine]:
    return list(
        InvoiceLine.objects.filter(
            is_manual=True,
            invoice__schedule__in=list(by_id),
            invoice__status=Invoice.Status.ISSUED,
            service_start__lt=end,
        ).select_related("invoice")
    )


def _credits(by_id: dict[UUID, BillingSchedule], end: date) -> list[CreditNoteLine]:
    return list(
        CreditNoteLine.objects.filter(
            invoice_line__invoice__schedule__in=list(by_id),
            invoice_line__service_start__lt=end,
        )
        .exclude(invoice_line__kind__in=[PROGRESS, "credit", "prepaid"])
        .select_related("invoice_line__invoice")
    )


def _given_up_ahead(
    by_id: dict[UUID, BillingSchedule], end: date
) -> Iterator[tuple[InvoiceLine, Decimal]]:
    """Yield what was credited of threshold invoices and not billed by their period's invoice.

    The period's invoice takes off what stands billed when it is issued, so a credit before then
    gives nothing up; one after then does.
    """
    lines = list(
        InvoiceLine.objects.filter(
            kind=PROGRESS,
            invoice__schedule__in=list(by_id),
            service_start__lt=end,
            credits__isnull=False,
        )
        .distinct()
        .select_related("invoice")
    )
    credited = credited_of([line.id for line in lines])
    for line in lines:
        number = line.invoice.threshold_number or 0
        whole = InvoiceLine.objects.filter(
            kind=BILLED,
            key=billed_key(line.key, number),
            invoice__schedule=line.invoice.schedule_id,
            invoice__status=Invoice.Status.ISSUED,
        ).first()
        if whole is not None:
            yield line, credited[line.id] - Decimal(whole.explanation["credited"])


def _part_before(line: InvoiceLine, schedule: BillingSchedule, amount: Money, end: date) -> Money:
    """Split a usage line that runs past the month by what was used before and after."""
    if line.service_end <= end or line.reading is None:
        return amount
    reading = line.reading
    days = usage_by_day(
        customer_id=reading.customer_id,
        meter_id=reading.meter_id,
        window_start=reading.window_start,
        window_end=reading.window_end,
        zone=schedule.time_zone,
    )
    before = sum((used for day, used in days if day < end), start=Decimal(0))
    after = sum((used for day, used in days if day >= end), start=Decimal(0))
    if before + after <= 0:
        return _days_before(line, amount, end)
    return allocate(amount, [Fraction(before), Fraction(after)])[0]


def _days_before(line: InvoiceLine | UnusedTime | BeyondPlan, amount: Money, end: date) -> Money:
    """Split an amount by the days of a line's service before and after the month's end."""
    if line.service_end <= end:
        return amount
    months = list(Period(line.service_start, line.service_end).calendar_months())
    parts = allocate(amount, [Decimal(month.days) for month in months])
    kept = Money.zero(amount.currency)
    for month, part in zip(months, parts, strict=True):
        if month.end <= end:
            kept = kept + part
    return kept


def recognized(schedule_ids: Iterable[UUID]) -> dict[LineKey, Money]:
    """Return the revenue posted per contract line, net of what credit notes took back."""
    rows = (
        Posting.objects.filter(contract_id__in=list(schedule_ids), account=Account.REVENUE)
        .values("contract_id", "item_key", "currency")
        .annotate(total=Sum("amount"))
    )
    return {
        (row["contract_id"], row["item_key"]): Money(-row["total"], row["currency"]) for row in rows
    }
