"""The months of the books: open or closed, and what stands in the way of closing one."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Count, Sum
from django.db.models.functions import TruncMonth

from billing.models import BillingSchedule, Invoice
from monetization.kernel.money import Money
from monetization.ledger.accounts import Account
from monetization.ledger.models import AccountingPeriod, JournalEntry, Posting
from monetization.ledger.selectors import trial_balance
from revrec.models import PerformanceObligation
from revrec.selectors.by_month import first_month_of_books, latest_recognized_month, months_between
from revrec.selectors.recognition import month_end, recognized, should_be_recognized

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class MonthOfBooks:
    """One month: its state, its entries and the revenue in it per currency."""

    month: date
    is_closed: bool
    is_over: bool
    is_recognized: bool
    closed_at: datetime | None
    closed_by: str
    entries: int
    revenue: tuple[tuple[str, Decimal], ...]

    @property
    def state(self) -> str:
        if self.is_closed:
            return "closed"
        return "open" if self.is_over else "in progress"


def months_of_books(*, today: date) -> list[MonthOfBooks]:
    """Return the months with books up to today's, newest first."""
    first = first_month_of_books()
    if first is None:
        return []
    periods = {row.month: row for row in AccountingPeriod.objects.all()}
    counts = dict(
        JournalEntry.objects.order_by()
        .annotate(month=TruncMonth("entry_date"))
        .values_list("month")
        .annotate(Count("id"))
    )
    revenue: dict[date, dict[str, Decimal]] = {}
    for row in (
        Posting.objects.filter(account=Account.REVENUE)
        .values("currency", month=TruncMonth("entry__entry_date"))
        .annotate(total=Sum("amount"))
    ):
        revenue.setdefault(row["month"], {})[row["currency"]] = -row["total"]
    latest = latest_recognized_month()
    months = []
    for month in reversed(months_between(first, max(month_end(today), month_end(first)))):
        period = periods.get(month)
        closed = period is not None and period.status == AccountingPeriod.Status.CLOSED
        months.append(
            MonthOfBooks(
                month=month,
                is_closed=closed,
                is_over=month_end(month) <= today,
                is_recognized=latest is not None and month <= latest,
                closed_at=period.closed_at if period is not None and closed else None,
                closed_by=period.closed_by if period is not None and closed else "",
                entries=counts.get(month, 0),
                revenue=tuple(sorted(revenue.get(month, {}).items())),
            )
        )
    return months


def unrecognized(month: date) -> list[Money]:
    """Return what contracts earned by a month's end and the ledger lacks, per currency.

    Compared as of the last month that was recognized, if that is later: recognizing it caught
    up whatever an earlier month still lacked.
    """
    latest = latest_recognized_month()
    as_of = max(month, latest) if latest else month
    schedules = list(
        BillingSchedule.objects.filter(activated_at__isnull=False, start_on__lt=month_end(as_of))
    )
    should = should_be_recognized(schedules, as_of)
    posted = recognized([schedule.id for schedule in schedules])
    gaps: dict[str, Money] = {}
    for key in {*should, *posted}:
        zero = Money.zero((should[key] if key in should else posted[key]).currency)
        gap = should.get(key, zero) - posted.get(key, zero)
        gaps[zero.currency] = gaps.get(zero.currency, zero) + gap
    return [gap for _, gap in sorted(gaps.items()) if gap]


def unplanned_contracts(month: date) -> int:
    """Return how many contracts that began by a month's end have no obligations yet."""
    began = BillingSchedule.objects.filter(
        activated_at__isnull=False, start_on__lt=month_end(month)
    )
    planned = PerformanceObligation.objects.values("schedule_id")
    return int(began.exclude(id__in=planned).count())


@dataclass(frozen=True, slots=True)
class DraftsOfMonth:
    """Drafts with an amount that the month still waits for, in one currency."""

    currency: str
    count: int
    total: Decimal


def drafts_of_month(month: date) -> list[DraftsOfMonth]:
    rows = (
        Invoice.objects.filter(
            status=Invoice.Status.DRAFT,
            bill_on__gte=month,
            bill_on__lt=month_end(month),
            total_amount__gt=0,
        )
        .values("currency")
        .annotate(count=Count("id"), total=Sum("total_amount"))
        .order_by("currency")
    )
    return [DraftsOfMonth(row["currency"], row["count"], row["total"]) for row in rows]


def earlier_open_month(month: date) -> date | None:
    """Return the first earlier month that has entries and is open; months close in order."""
    closed = set(
        AccountingPeriod.objects.filter(
            status=AccountingPeriod.Status.CLOSED, month__lt=month
        ).values_list("month", flat=True)
    )
    found = JournalEntry.objects.filter(entry_date__lt=month).dates("entry_date", "month")
    return next((one for one in found if one not in closed), None)


def out_of_balance() -> list[Money]:
    """Return by how much debits and credits differ, per currency; nothing when they agree."""
    sums: dict[str, Decimal] = {}
    for row in trial_balance():
        sums[row.currency] = sums.get(row.currency, ZERO) + row.balance
    return [Money(total, currency) for currency, total in sorted(sums.items()) if total]
