"""Read the month-end grid: its rows, their order, their sums."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import (
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Window,
)
from django.db.models.functions import Coalesce

from billing.models import AssertionFailure, Invoice, InvoiceLine
from billing.selectors.receivables import overdue
from monetization.customers.models import Customer
from monetization.kernel.period import add_months
from monetization.tenancy.bulk import bulk_cursor

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

    @property
    def looks_at_all(self) -> bool:
        """Say whether no index finds what is shown: every invoice of the period is looked at."""
        return bool(self.search or self.flagged)


_SORTS: dict[str, tuple[Any, ...]] = {
    "customer": ("customer__name", "bill_on", "id"),
    "-customer": ("-customer__name", "-bill_on", "-id"),
    "bill_on": ("bill_on", "customer__name", "id"),
    "-bill_on": ("-bill_on", "customer__name", "id"),
    "total": ("currency", "total_amount", "id"),
    "-total": ("currency", "-total_amount", "id"),
    "change": ("change", "id"),
    "-change": ("-change", "-id"),
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
    """Return the grid's invoices in their order. What is shown of them is read with ``shown``."""
    rows = Invoice.objects.all()
    if wanted.changed or wanted.sort.endswith("change"):
        rows = _with_change(rows)
    if wanted.search:
        rows = rows.filter(
            Q(customer__in=Customer.objects.filter(name__icontains=wanted.search))
            | Q(number__icontains=wanted.search)
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
        rows = rows.filter(
            Exists(InvoiceLine.objects.filter(invoice=OuterRef("pk"), is_flagged=True))
        )
    rows = _by_delivery_and_payment(_by_assertions(rows, wanted), wanted, today)
    if wanted.changed:
        sign = {"up": Q(change__gt=0), "down": Q(change__lt=0), "same": Q(change=0)}
        rows = rows.filter(sign.get(wanted.changed, Q()))
    return rows.order_by(*_SORTS.get(wanted.sort, _SORTS["customer"]))


def shown(rows: Any) -> Any:
    """Return invoices with all a row of the grid shows: names, last month's total, the change."""
    return _with_change(rows).select_related("customer", "legal_entity")


def stretch(rows: QuerySet[Invoice], start: int, stop: int) -> list[Invoice]:
    """Return a stretch of the grid as it is shown.

    The order is settled on ids alone; what is shown is read of the stretch, not of all before it.
    """
    return in_order(list(rows.values_list("pk", flat=True)[start:stop]))


def first_ids(rows: QuerySet[Invoice], most: int) -> tuple[list[UUID], int]:
    """Return the first ids of a grid in their order, and how many there are, by one statement.

    For filters that look at every invoice, which should not do so twice.
    """
    counted = rows.annotate(in_all=Window(Count("pk"))).values_list("pk", "in_all")[:most]
    found = list(counted)
    return [pk for pk, _ in found], found[0][1] if found else 0


def order_of(rows: QuerySet[Invoice]) -> bytes:
    """Return the ids of a grid in their order, 16 bytes each, put together by the database."""
    try:
        sql, params = rows.values_list("pk", flat=True).query.sql_with_params()
    except EmptyResultSet:
        return b""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT string_agg(uuid_send(o.pk), ''::bytea) FROM ({sql}) o(pk)",  # noqa: S608
            params,
        )
        return bytes(cursor.fetchone()[0] or b"")


def in_order(ids: Sequence[UUID]) -> list[Invoice]:
    """Return invoices as they are shown, in the order of their ids; what is gone drops out."""
    found = {row.id: row for row in shown(Invoice.objects.filter(pk__in=ids))}
    return [found[each] for each in ids if each in found]


def _with_change(rows: QuerySet[Invoice]) -> QuerySet[Invoice]:
    """Add ``previous``, the total of the same contract's invoice before, and ``change``."""
    return rows.annotate(
        previous=F("previous_amount"),
        change=F("total_amount") - Coalesce(F("previous_amount"), ZERO),
    )


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


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """How many invoices of one currency, and their sums. Currencies are never added up."""

    currency: str
    count: int
    total: Decimal
    previous: Decimal | None  # None: not compared

    @property
    def change(self) -> Decimal | None:
        return None if self.previous is None else self.total - self.previous


def totals(rows: QuerySet[Invoice], *, is_compared: bool = True) -> list[CurrencyTotal]:
    """Sum a grid per currency.

    :param is_compared: also the invoices before them. Over several months that sums most of the
        book twice and says nothing.
    """
    summed: dict[str, Any] = {"count": Count("id"), "total": Sum("total_amount", default=ZERO)}
    rows = rows.order_by()
    if is_compared:
        rows = _with_change(rows)
        summed["before"] = Sum(Coalesce(F("previous"), ZERO), default=ZERO)
    found: Iterable[Any] = rows.values("currency").annotate(**summed)
    return [
        CurrencyTotal(row["currency"], row["count"], row["total"], row.get("before"))
        for row in sorted(found, key=lambda row: (-row["count"], row["currency"]))
    ]


@dataclass(frozen=True, slots=True)
class GroupTotal:
    """The invoices of one customer or legal entity in one currency, and their sums."""

    key: Any  # what the filter of the group takes: a customer's id, an entity's code
    name: str
    currency: str
    count: int
    total: Decimal
    previous: Decimal | None  # None: not compared
    failing: int

    @property
    def change(self) -> Decimal | None:
        return None if self.previous is None else self.total - self.previous


@dataclass(frozen=True, slots=True)
class _Group:
    """What a grid can be grouped by: the owner's column, table, and what names it."""

    owner: str
    table: str
    key: str
    name: str


_GROUPS = {
    "customer": _Group("customer_id", "customers_customer", "customer_id", "customer__name"),
    "entity": _Group(
        "legal_entity_id", "tenancy_legalentity", "legal_entity__code", "legal_entity__name"
    ),
}
GROUPS = tuple(_GROUPS)
GroupKey = tuple[UUID, str]  # a customer or legal entity, and a currency


def group_keys(rows: Any, group: str, start: int, stop: int) -> tuple[list[GroupKey], int]:
    """Return a stretch of a grid's groups in the order of their names, and how many there are.

    Invoices are made distinct before names are looked up: there are many of each.
    """
    by = _GROUPS[group]
    try:
        sql, params = (
            rows.order_by().values_list(by.owner, "currency").distinct().query.sql_with_params()
        )
    except EmptyResultSet:
        return [], 0
    statement = (
        f"WITH g (id, currency) AS MATERIALIZED ({sql})"  # noqa: S608 - the ORM's own
        " SELECT page.id, page.currency, whole.count"
        "  FROM (SELECT count(*) FROM g) whole LEFT JOIN LATERAL ("
        f"   SELECT g.id, g.currency, n.name FROM g JOIN {by.table} n ON n.id = g.id"
        "    ORDER BY n.name, g.currency, g.id LIMIT %s OFFSET %s) page ON true"
        " ORDER BY page.name, page.currency, page.id"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, stop - start, start])
        found = cursor.fetchall()
    return [(row[0], row[1]) for row in found if row[0]], int(found[0][2])


def group_totals(
    rows: Any, group: str, wanted: Sequence[GroupKey] | None = None, *, is_compared: bool = True
) -> list[GroupTotal]:
    """Sum a grid by customer or legal entity, and currency, in the order of their names.

    :param group: one of ``GROUPS``.
    :param wanted: sum these groups alone; all by default.
    :param is_compared: also the invoices before them.
    """
    by = _GROUPS[group]
    rows = rows.order_by()
    if wanted is not None:
        rows = rows.filter(**{f"{by.owner}__in": {owner for owner, _ in wanted}})
    summed: dict[str, Any] = {
        "count": Count("pk"),
        "total": Sum("total_amount", default=ZERO),
        "failing": Sum("failing_assertions", filter=Q(status=Invoice.Status.DRAFT), default=0),
    }
    if is_compared:
        rows = _with_change(rows)
        summed["before"] = Sum(Coalesce(F("previous"), ZERO), default=ZERO)
    found = (
        rows.values("currency", owner=F(by.owner), key=F(by.key), name=F(by.name))
        .annotate(**summed)
        .order_by("name", "currency", "owner")
    )
    return [
        GroupTotal(
            row["key"],
            row["name"],
            row["currency"],
            row["count"],
            row["total"],
            row.get("before"),
            row["failing"],
        )
        for row in found
        if wanted is None or (row["owner"], row["currency"]) in wanted
    ]


_MONTHS = """
WITH RECURSIVE months AS (
  SELECT date_trunc('month', max(bill_on))::date AS first FROM billing_invoice
   WHERE tenant_id = current_tenant_id()
  UNION ALL
  SELECT (SELECT date_trunc('month', max(i.bill_on))::date FROM billing_invoice i
           WHERE i.tenant_id = current_tenant_id() AND i.bill_on < months.first)
    FROM months WHERE months.first IS NOT NULL)
SELECT first FROM months WHERE first IS NOT NULL LIMIT %b
"""
_CURRENCIES = """
WITH RECURSIVE known AS (
  SELECT min(currency) AS currency FROM billing_invoice WHERE tenant_id = current_tenant_id()
  UNION ALL
  SELECT (SELECT min(i.currency) FROM billing_invoice i
           WHERE i.tenant_id = current_tenant_id() AND i.currency > known.currency)
    FROM known WHERE known.currency IS NOT NULL)
SELECT currency FROM known WHERE currency IS NOT NULL
"""


def months_with_invoices(limit: int = 18) -> list[date]:
    """Return the months in which something is billed, newest first: a look at an index each."""
    with bulk_cursor() as cursor:
        cursor.execute(_MONTHS, [limit])
        return [row[0] for row in cursor]


def currencies_billed() -> list[str]:
    """Return the currencies of invoices in alphabetical order: a look at an index each."""
    with bulk_cursor() as cursor:
        cursor.execute(_CURRENCIES)
        return [row[0] for row in cursor]
