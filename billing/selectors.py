"""Read what is owed: the invoices grid, last month beside this month, schedules, balances."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from billing.domain.comparison import ComparedLine, Difference, differences, main_cause
from billing.models import BillingPeriod, BillingSchedule, Invoice, InvoiceLine
from monetization.kernel.money import Money
from monetization.kernel.period import Period, add_months
from monetization.pricing.estimate import PricedLine, price_periods
from monetization.pricing.proration import prorate_factor
from monetization.pricing.terms import OrderTerms, terms_from_data
from monetization.pricing.timeline import ChargePeriod

ZERO = Decimal(0)
TREND_MONTHS = 6


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """What the grid shows. Empty fields do not filter."""

    search: str = ""
    month: date | None = None  # of the billing date
    status: str = ""
    payment: str = ""  # a payment status, or "overdue"
    delivery: str = ""  # sent, unsent
    currency: str = ""
    entity: str = ""  # code of the legal entity
    customer_id: UUID | None = None
    changed: str = ""  # up, down, same against last month
    flagged: bool = False
    sort: str = "customer"


_SORTS: dict[str, tuple[Any, ...]] = {
    "customer": ("customer__name", "bill_on", "id"),
    "-customer": ("-customer__name", "-bill_on", "-id"),
    "bill_on": ("bill_on", "customer__name", "id"),
    "-bill_on": ("-bill_on", "customer__name", "id"),
    "total": ("currency", "total_amount", "id"),
    "-total": ("currency", "-total_amount", "id"),
    "change": ("change", "id"),
    "-change": (F("change").desc(nulls_last=True), "id"),
    "number": ("number", "id"),
    "-number": ("-number", "-id"),
    "due_on": (F("due_on").asc(nulls_last=True), "id"),
    "-due_on": (F("due_on").desc(nulls_last=True), "id"),
}
SORTS = tuple(_SORTS)


def invoices(wanted: InvoiceFilter, *, today: date) -> QuerySet[Invoice]:
    """Return the grid's invoices, each with ``previous`` (last month's total) and ``change``."""
    rows = Invoice.objects.select_related("customer", "legal_entity").annotate(
        previous=_previous_total()
    )
    rows = rows.annotate(change=F("total_amount") - Coalesce(F("previous"), ZERO))
    if wanted.search:
        rows = rows.filter(
            Q(customer__name__icontains=wanted.search) | Q(number__icontains=wanted.search)
        )
    if wanted.month:
        following = add_months(wanted.month, 1, anchor_day=1)
        rows = rows.filter(bill_on__gte=wanted.month, bill_on__lt=following)
    for name, value in (
        ("status", wanted.status),
        ("currency", wanted.currency),
        ("legal_entity__code", wanted.entity),
        ("customer_id", wanted.customer_id),
    ):
        if value:
            rows = rows.filter(**{name: value})
    if wanted.flagged:
        rows = rows.filter(lines__is_flagged=True).distinct()
    rows = _by_delivery_and_payment(rows, wanted, today)
    if wanted.changed:
        sign = {"up": Q(change__gt=0), "down": Q(change__lt=0), "same": Q(change=0)}
        rows = rows.filter(sign.get(wanted.changed, Q()))
    return rows.order_by(*_SORTS.get(wanted.sort, _SORTS["customer"]))


def _by_delivery_and_payment(rows: Any, wanted: InvoiceFilter, today: date) -> Any:
    if wanted.delivery:
        rows = rows.filter(status=Invoice.Status.ISSUED, sent_at__isnull=wanted.delivery != "sent")
    if wanted.payment == "overdue":
        return rows.filter(overdue(today))
    if wanted.payment:
        rows = rows.filter(status=Invoice.Status.ISSUED, payment_status=wanted.payment)
    return rows


def overdue(today: date) -> Q:
    """Return the condition of invoices that should have been paid by now."""
    return Q(
        status=Invoice.Status.ISSUED,
        due_on__lt=today,
        payment_status__in=[
            Invoice.PaymentStatus.UNPAID,
            Invoice.PaymentStatus.PARTIALLY_PAID,
        ],
    )


def _previous_total() -> Subquery:
    """Return the total of the same contract's invoice before this one."""
    return Subquery(
        Invoice.objects.filter(
            schedule=OuterRef("schedule"),
            bill_on__lt=OuterRef("bill_on"),
        )
        .exclude(status=Invoice.Status.VOID)
        .order_by("-bill_on")
        .values("total_amount")[:1]
    )


@dataclass(slots=True)
class Comparison:
    """An invoice beside the one before it."""

    previous_id: UUID | None = None
    found: tuple[Difference, ...] = ()
    trend: list[Decimal] = field(default_factory=list)

    @property
    def cause(self) -> str:
        return main_cause(self.found)


def compare(rows: Sequence[Invoice]) -> dict[UUID, Comparison]:
    """Compare invoices with those before them, in three queries however many there are."""
    schedules = {row.schedule_id for row in rows if row.schedule_id}
    history: dict[UUID, list[Any]] = defaultdict(list)
    for each in (
        Invoice.objects.filter(schedule__in=schedules)
        .exclude(status=Invoice.Status.VOID)
        .order_by("bill_on")
        .values("id", "schedule_id", "bill_on", "total_amount")
    ):
        history[each["schedule_id"]].append(each)
    compared: dict[UUID, Comparison] = {}
    for row in rows:
        known = history[row.schedule_id] if row.schedule_id else []
        earlier = [h for h in known if h["bill_on"] < row.bill_on]
        trend = [h["total_amount"] for h in earlier[1 - TREND_MONTHS :]]
        compared[row.id] = Comparison(
            earlier[-1]["id"] if earlier else None, (), [*trend, row.total_amount]
        )
    lines = _compared_lines(
        [*compared, *(c.previous_id for c in compared.values() if c.previous_id)]
    )
    for row in rows:
        one = compared[row.id]
        if one.previous_id is not None:
            one.found = differences(lines[one.previous_id], lines[row.id])
    return compared


def _compared_lines(invoice_ids: Iterable[UUID]) -> dict[UUID, list[ComparedLine]]:
    found: dict[UUID, list[ComparedLine]] = defaultdict(list)
    for line in (
        InvoiceLine.objects.filter(invoice__in=list(invoice_ids))
        .order_by("service_start", "position")
        .only(
            "invoice_id",
            "item_key",
            "description",
            "service_start",
            "service_end",
            "quantity",
            "amount",
            "tax_amount",
            "explanation",
        )
    ):
        found[line.invoice_id].append(
            ComparedLine(
                item_key=line.item_key or line.key,
                description=line.description,
                service_start=line.service_start,
                service_end=line.service_end,
                quantity=line.quantity,
                amount=line.amount,
                tax=line.tax_amount,
                explanation=line.explanation,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """How many invoices of one currency, and their sums. Currencies are never added up."""

    currency: str
    count: int
    total: Decimal
    previous: Decimal

    @property
    def change(self) -> Decimal:
        return self.total - self.previous


def totals(rows: QuerySet[Invoice]) -> list[CurrencyTotal]:
    """Sum a grid per currency, this month and the one before."""
    found = (
        rows.order_by()
        .values("currency")
        .annotate(
            count=Count("id"),
            total=Sum("total_amount", default=ZERO),
            before=Sum(Coalesce(F("previous"), ZERO), default=ZERO),
        )
    )
    return [
        CurrencyTotal(row["currency"], row["count"], row["total"], row["before"])
        for row in sorted(found, key=lambda row: -row["count"])
    ]


def upcoming_lines(schedule: BillingSchedule, limit: int = 12) -> list[tuple[date, Money]]:
    """Return the next billing dates of a schedule with what they will bill at least.

    Fixed and seat lines at their terms, usage at what the quote expected: not a promise.
    """
    terms = terms_from_data(schedule.terms)
    rows = list(
        schedule.periods.filter(invoice__isnull=True)
        .select_related("phase")
        .order_by("bill_on", "service_start")[:200]
    )
    charges = [charge_period(terms, row) for row in rows]
    expected: dict[tuple[str, date], Decimal] = {}
    for charge in charges:
        if charge.kind == "item":
            item = terms.phase(charge.phase_key).item(charge.item_key)
            if item.expected_quantity is not None:
                expected[charge.item_key, charge.service.start] = item.expected_quantity
    by_date: dict[date, Money] = {}
    for line in price_periods(terms, charges, expected):
        by_date[line.bill_on] = _plus(by_date.get(line.bill_on), line)
    return sorted(by_date.items())[:limit]


def _plus(before: Money | None, line: PricedLine) -> Money:
    return line.amount if before is None else before + line.amount


def charge_period(terms: OrderTerms, row: BillingPeriod) -> ChargePeriod:
    """Return a stored billing period as the pricing core knows it."""
    service = Period(row.service_start, row.service_end)
    full = Period(row.full_start, row.full_end)
    phase = terms.phase(row.phase.key)
    proration = "daily" if row.kind == "minimum" else phase.item(row.item_key).proration
    return ChargePeriod(
        phase_key=phase.key,
        item_key=row.item_key,
        kind=row.kind,
        service=service,
        full=full,
        bill_on=row.bill_on,
        factor=prorate_factor(service, full, proration),
    )


def months_with_invoices(limit: int = 18) -> list[date]:
    """Return the months in which something is billed, newest first."""
    found = Invoice.objects.dates("bill_on", "month", order="DESC")
    return list(found[:limit])


@dataclass(frozen=True, slots=True)
class Aging:
    """Open receivables of one currency by how late they are."""

    currency: str
    current: Decimal
    to_30: Decimal
    to_60: Decimal
    over_60: Decimal

    @property
    def total(self) -> Decimal:
        return self.current + self.to_30 + self.to_60 + self.over_60


def aging(*, today: date) -> list[Aging]:
    """Return what is open per currency, by days past the due date."""
    owed = F("total_amount") - F("paid_amount") - F("credited_amount")
    rows = (
        Invoice.objects.filter(status=Invoice.Status.ISSUED)
        .exclude(payment_status=Invoice.PaymentStatus.PAID)
        .values("currency")
        .annotate(
            current=Sum(owed, filter=Q(due_on__gte=today), default=ZERO),
            to_30=Sum(owed, filter=_late(today, 0, 30), default=ZERO),
            to_60=Sum(owed, filter=_late(today, 30, 60), default=ZERO),
            over_60=Sum(owed, filter=Q(due_on__lt=today - timedelta(days=60)), default=ZERO),
        )
        .order_by("currency")
    )
    return [
        Aging(row["currency"], row["current"], row["to_30"], row["to_60"], row["over_60"])
        for row in rows
    ]


def _late(today: date, low: int, high: int) -> Q:
    return Q(due_on__lt=today - timedelta(days=low), due_on__gte=today - timedelta(days=high))
