"""Read the month-end grid: its rows, their order, their sums."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce

from billing.models import AssertionFailure, Invoice
from billing.selectors.receivables import overdue
from monetization.kernel.period import add_months

ZERO = Decimal(0)


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
    assertions: str = ""  # failed, waived, passed
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
    "unexplained": (F("comparisons__unexplained_amount").asc(nulls_first=True), "id"),
    "-unexplained": (F("comparisons__unexplained_amount").desc(nulls_last=True), "id"),
    "failing": ("failing_assertions", "customer__name", "id"),
    "-failing": ("-failing_assertions", "customer__name", "id"),
    "number": ("number", "id"),
    "-number": ("-number", "-id"),
    "due_on": (F("due_on").asc(nulls_last=True), "id"),
    "-due_on": (F("due_on").desc(nulls_last=True), "id"),
}
SORTS = tuple(_SORTS)


def invoices(wanted: InvoiceFilter, *, today: date) -> QuerySet[Invoice]:
    """Return the grid's invoices, each with ``previous`` (last month's total) and ``change``."""
    rows = Invoice.objects.select_related("customer", "legal_entity").annotate(
        previous=Case(When(threshold_number__isnull=True, then=_previous_total()))
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
    rows = _by_delivery_and_payment(_by_assertions(rows, wanted), wanted, today)
    if wanted.changed:
        sign = {"up": Q(change__gt=0), "down": Q(change__lt=0), "same": Q(change=0)}
        rows = rows.filter(sign.get(wanted.changed, Q()))
    return rows.order_by(*_SORTS.get(wanted.sort, _SORTS["customer"]))


def _by_assertions(rows: Any, wanted: InvoiceFilter) -> Any:
    waived = AssertionFailure.objects.filter(invoice=OuterRef("pk"), waived_at__isnull=False)
    match wanted.assertions:
        case "failed":
            return rows.filter(failing_assertions__gt=0, status=Invoice.Status.DRAFT)
        case "waived":
            return rows.filter(Exists(waived))
        case "passed":
            return rows.filter(failing_assertions=0, status=Invoice.Status.DRAFT)
    return rows


def _by_delivery_and_payment(rows: Any, wanted: InvoiceFilter, today: date) -> Any:
    if wanted.delivery:
        rows = rows.filter(status=Invoice.Status.ISSUED, sent_at__isnull=wanted.delivery != "sent")
    if wanted.payment == "overdue":
        return rows.filter(overdue(today))
    if wanted.payment:
        rows = rows.filter(status=Invoice.Status.ISSUED, payment_status=wanted.payment)
    return rows


def _previous_total() -> Subquery:
    """Return the total of the same contract's invoice before this one."""
    return Subquery(
        Invoice.objects.filter(
            schedule=OuterRef("schedule"),
            bill_on__lt=OuterRef("bill_on"),
            threshold_number__isnull=True,
        )
        .exclude(status=Invoice.Status.VOID)
        .order_by("-bill_on")
        .values("total_amount")[:1]
    )


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


@dataclass(frozen=True, slots=True)
class GroupTotal:
    """The invoices of one customer or legal entity in one currency, and their sums."""

    key: Any  # what the filter of the group takes: a customer's id, an entity's code
    name: str
    currency: str
    count: int
    total: Decimal
    previous: Decimal
    failing: int

    @property
    def change(self) -> Decimal:
        return self.total - self.previous


GROUPS = {
    "customer": ("customer_id", "customer__name"),
    "entity": ("legal_entity__code", "legal_entity__name"),
}


def group_totals(rows: Any, group: str) -> Any:
    """Sum a grid by customer or legal entity, and currency; ``GroupTotal(**row)`` of each.

    :param group: a key of ``GROUPS``.
    """
    key, name = GROUPS[group]
    return (
        rows.order_by()
        .values("currency", key=F(key), name=F(name))
        .annotate(
            count=Count("pk"),
            total=Sum("total_amount", default=ZERO),
            previous=Sum(Coalesce(F("previous"), ZERO), default=ZERO),
            failing=Sum("failing_assertions", filter=Q(status=Invoice.Status.DRAFT), default=0),
        )
        .order_by("name", "currency", "key")
    )


def months_with_invoices(limit: int = 18) -> list[date]:
    """Return the months in which something is billed, newest first."""
    found = Invoice.objects.dates("bill_on", "month", order="DESC")
    return list(found[:limit])
