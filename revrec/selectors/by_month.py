"""Revenue by month: what is posted, and what is still planned."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from django.db.models import Max, Min, Sum
from django.db.models.functions import Coalesce, TruncMonth

from monetization.customers.models import Customer
from monetization.ledger.accounts import Account
from monetization.ledger.models import JournalEntry, Posting
from revrec.models import PerformanceObligation, RevenueSlice
from revrec.selectors.recognition import month_end

ZERO = Decimal(0)
Grouping = Literal["product", "customer"]


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
class RevenueLine:
    """Revenue of one product or customer in one currency, by month."""

    name: str
    amounts: dict[date, Decimal]
    total: Decimal


@dataclass(frozen=True, slots=True)
class RevenueByMonth:
    """Revenue of one currency over months: what is posted, then what is still planned."""

    currency: str
    months: tuple[date, ...]
    planned_from: date  # months from here on hold plans; those before hold postings alone
    lines: tuple[RevenueLine, ...]
    totals: dict[date, Decimal]

    @property
    def total(self) -> Decimal:
        return sum(self.totals.values(), start=ZERO)

    @property
    def recognized(self) -> Decimal:
        return sum((v for month, v in self.totals.items() if month < self.planned_from), start=ZERO)

    @property
    def planned(self) -> Decimal:
        return self.total - self.recognized


def latest_recognized_month() -> date | None:
    """Return the last month whose revenue was recognized; None before the first.

    A catch-up counts for the month it belongs to, not for the open one it is dated in.
    """
    day: date | None = JournalEntry.objects.filter(rule__startswith="revenue_recognized").aggregate(
        latest=Max(Coalesce("period_of_origin", "entry_date"))
    )["latest"]
    return day.replace(day=1) if day else None


def revenue_by_month(
    *, start: date, end: date, currency: str, by: Grouping = "product"
) -> RevenueByMonth:
    """Return revenue per product or customer for the months of [start, end).

    Months up to the last recognized one show what the ledger has, whatever was planned. Later
    months show the planned slices of fixed lines and what is posted in them already (a credit
    note). Usage has no plan: it is earned when it is used.
    """
    latest = latest_recognized_month()
    planned_from = month_end(latest) if latest else start
    found: dict[UUID | str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    posted = (
        Posting.objects.filter(
            account=Account.REVENUE,
            currency=currency,
            entry__entry_date__gte=start,
            entry__entry_date__lt=end,
        )
        .values("contract_id", "item_key", "customer_id", month=TruncMonth("entry__entry_date"))
        .annotate(total=Sum("amount"))
    )
    products = product_names() if by == "product" else {}
    for row in posted:
        key = (
            products.get((row["contract_id"], row["item_key"])) or name_of_line(row["item_key"])
            if by == "product"
            else row["customer_id"]
        )
        found[key][row["month"]] -= row["total"]
    group = "obligation__name" if by == "product" else "obligation__schedule__customer"
    planned = (
        RevenueSlice.objects.filter(
            month__gte=max(start, planned_from), month__lt=end, obligation__currency=currency
        )
        .values(group, "month")
        .annotate(total=Sum("amount"))
    )
    for row in planned:
        found[row[group]][row["month"]] += row["total"]
    names = _names(found) if by == "customer" else {}
    months = tuple(months_between(start, end))
    return RevenueByMonth(
        currency,
        months,
        planned_from,
        _lines(found, names),
        {
            month: sum((row.get(month, ZERO) for row in found.values()), start=ZERO)
            for month in months
        },
    )


def _names(keys: dict[UUID | str, dict[date, Decimal]]) -> dict[UUID | str, str]:
    return dict(Customer.objects.filter(id__in=list(keys)).values_list("id", "name"))


def _lines(
    found: dict[UUID | str, dict[date, Decimal]], names: dict[UUID | str, str]
) -> tuple[RevenueLine, ...]:
    lines = [
        RevenueLine(names.get(key) or str(key), dict(amounts), sum(amounts.values(), start=ZERO))
        for key, amounts in found.items()
        if any(amounts.values())
    ]
    return tuple(sorted(lines, key=lambda line: (-line.total, line.name)))


def months_between(start: date, end: date) -> list[date]:
    """Return the first days of the months of [start, end).

    >>> [f"{month:%b}" for month in months_between(date(2026, 12, 1), date(2027, 2, 1))]
    ['Dec', 'Jan']
    """
    months, month = [], start.replace(day=1)
    while month < end:
        months.append(month)
        month = month_end(month)
    return months


def product_names() -> dict[tuple[UUID, str], str]:
    """Return what each contract line sells, as its obligation says."""
    return {
        (schedule, key): name
        for schedule, key, name in PerformanceObligation.objects.order_by("run").values_list(
            "schedule_id", "item_key", "name"
        )
    }


def name_of_line(item_key: str) -> str:
    """Return words for a contract line without an obligation of its own."""
    if item_key.startswith("minimum"):
        return "Minimum commitment"
    return item_key.replace("-", " ").replace("_", " ").capitalize() or "Other"


def revenue_currencies() -> list[str]:
    """Return the currencies with revenue, posted or planned."""
    posted = Posting.objects.filter(account=Account.REVENUE).values_list("currency", flat=True)
    planned = PerformanceObligation.objects.values_list("currency", flat=True)
    return sorted({*posted.distinct(), *planned.distinct()})


def first_month_of_books() -> date | None:
    """Return the month of the first entry or planned slice."""
    entry = JournalEntry.objects.aggregate(first=Min("entry_date"))["first"]
    planned = RevenueSlice.objects.aggregate(first=Min("month"))["first"]
    days = [day for day in (entry, planned) if day is not None]
    return min(days).replace(day=1) if days else None
