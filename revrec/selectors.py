"""What should be earned, what is posted, and what is still to come."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from django.db.models import Q, Sum

from billing.models import BillingSchedule, CreditNoteLine, Invoice, InvoiceLine
from metering.selectors import usage_by_day
from monetization.kernel.money import Money, allocate
from monetization.kernel.period import Period
from monetization.ledger.accounts import Account
from monetization.ledger.models import Posting
from revrec.models import RevenueSlice

LineKey = tuple[UUID, str]


def month_end(month: date) -> date:
    """Return the first day after a month."""
    return (month.replace(day=1) + timedelta(days=31)).replace(day=1)


def should_be_recognized(schedules: Iterable[BillingSchedule], month: date) -> dict[LineKey, Money]:
    """Return what each contract line has earned by the end of a month.

    Fixed lines: their planned slices, less what was credited of those days. Usage and top-ups
    to a minimum: the lines that bill them, draft or issued, as far as their days are over.
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
    for line in _usage_lines(by_id, end):
        schedule = by_id[line.billing_period.schedule_id]
        amount = Money(line.amount, schedule.currency)
        add(schedule.id, line.item_key, _part_before(line, schedule, amount, end))
    for credit in _credits(by_id, end):
        schedule = by_id[credit.invoice_line.billing_period.schedule_id]
        whole = Money(credit.amount, schedule.currency)
        add(schedule.id, credit.item_key, -_days_before(credit.invoice_line, whole, end))
    return earned


def _usage_lines(by_id: dict[UUID, BillingSchedule], end: date) -> list[InvoiceLine]:
    return list(
        InvoiceLine.objects.filter(billing_period__schedule__in=list(by_id))
        .exclude(invoice__status=Invoice.Status.VOID)
        .filter(Q(kind="minimum", service_end__lte=end) | Q(reading__isnull=False))
        .filter(service_start__lt=end)
        .select_related("billing_period", "reading")
    )


def _credits(by_id: dict[UUID, BillingSchedule], end: date) -> list[CreditNoteLine]:
    return list(
        CreditNoteLine.objects.filter(
            invoice_line__billing_period__schedule__in=list(by_id),
            invoice_line__service_start__lt=end,
        ).select_related("invoice_line__billing_period")
    )


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


def _days_before(line: InvoiceLine, amount: Money, end: date) -> Money:
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


@dataclass(frozen=True, slots=True)
class WaterfallRow:
    """Revenue of one product in one currency by month: posted, and still planned."""

    product: str
    currency: str
    planned: dict[date, Decimal]
    total: Decimal


def waterfall(*, start: date, end: date, currency: str | None = None) -> list[WaterfallRow]:
    """Return the planned revenue of fixed lines per product and month in [start, end)."""
    slices = RevenueSlice.objects.filter(month__gte=start, month__lt=end)
    if currency:
        slices = slices.filter(obligation__currency=currency)
    rows: dict[tuple[str, str], dict[date, Decimal]] = defaultdict(dict)
    for row in (
        slices.values("obligation__name", "obligation__currency", "month")
        .annotate(total=Sum("amount"))
        .order_by("obligation__name", "month")
    ):
        rows[row["obligation__name"], row["obligation__currency"]][row["month"]] = row["total"]
    return [
        WaterfallRow(product, code, months, sum(months.values(), start=Decimal(0)))
        for (product, code), months in sorted(rows.items())
    ]


@dataclass(frozen=True, slots=True)
class RollForwardRow:
    """Deferred revenue of one currency over one month."""

    month: date
    currency: str
    opening: Decimal
    billed: Decimal
    recognized: Decimal
    credited: Decimal
    closing: Decimal


def deferred_roll_forward(*, start: date, end: date) -> list[RollForwardRow]:
    """Return opening + billed - recognized - credited = closing, by month and currency."""
    postings = Posting.objects.filter(account=Account.DEFERRED_REVENUE)
    opening: dict[str, Decimal] = {
        row["currency"]: -row["total"]
        for row in postings.filter(entry__entry_date__lt=start)
        .values("currency")
        .annotate(total=Sum("amount"))
    }
    moves: dict[tuple[date, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in (
        postings.filter(entry__entry_date__gte=start, entry__entry_date__lt=end)
        .values("entry__entry_date", "entry__rule", "currency")
        .annotate(total=Sum("amount"))
    ):
        month = row["entry__entry_date"].replace(day=1)
        moves[month, row["currency"]][_cause(row["entry__rule"])] -= row["total"]
    currencies = sorted({*opening, *(currency for _, currency in moves)})
    rows = []
    month = start.replace(day=1)
    while month < end:
        for currency in currencies:
            move = moves[month, currency]
            before = opening.get(currency, Decimal(0))
            closing = before + move["billed"] + move["recognized"] + move["credited"]
            rows.append(
                RollForwardRow(
                    month,
                    currency,
                    before,
                    move["billed"],
                    -move["recognized"],
                    -move["credited"],
                    closing,
                )
            )
            opening[currency] = closing
        month = month_end(month)
    return rows


def _cause(rule: str) -> str:
    if rule.startswith("revenue_recognized"):
        return "recognized"
    return "credited" if rule in ("credit_note_issued", "invoice_voided") else "billed"
