"""What customers owe by now for periods that are not billed yet: the coming invoices, live.

The figures are those the invoices would have if their periods ended now: the same lines, by the
same computation, over usage as of one snapshot. Nothing is stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.domain.credit_use import Use
from billing.models import BillingPeriod, BillingSchedule, Invoice, InvoiceLine, TaxSetting
from billing.services.calculation import ComputedInvoice, compute
from billing.services.invoicing import OPEN_STATES
from billing.services.taxing import tax_fields, tax_settings
from monetization.kernel.money import Money, total

RUNNING = (BillingSchedule.Status.ACTIVE, BillingSchedule.Status.SUSPENDED)


@dataclass(frozen=True, slots=True)
class AccruedLine:
    """One line of a coming invoice as of now. ``has_begun`` is false for service to come."""

    line: InvoiceLine
    amount: Money  # net
    tax: Money
    has_begun: bool


@dataclass(frozen=True, slots=True)
class AccruedBill:
    """One coming invoice of a schedule: a billing date and what it would claim now."""

    schedule: BillingSchedule
    bill_on: date
    period_start: date
    period_end: date  # exclusive
    status: str  # draft: its period is over; in_progress: it runs
    lines: tuple[AccruedLine, ...]
    invoice_id: UUID | None  # None: the invoice is not opened yet
    uses: tuple[Use, ...] = ()  # what credits would pay of it

    @property
    def accrued(self) -> Money:
        """The net amount of service that has begun: what has been earned or used by now."""
        return self._sum(line.amount for line in self.lines if line.has_begun)

    @property
    def to_come(self) -> Money:
        """The net amount billed in advance for service that has not begun."""
        return self._sum(line.amount for line in self.lines if not line.has_begun)

    @property
    def tax(self) -> Money:
        return self._sum(line.tax for line in self.lines)

    @property
    def total(self) -> Money:
        """What the invoice would claim, tax included."""
        return self.accrued + self.to_come + self.tax

    @property
    def prepaid(self) -> Money:
        """What credits would settle of the total."""
        return self._sum(use.value for use in self.uses if not use.reduces_base)

    def _sum(self, amounts: Iterable[Money]) -> Money:
        return total(amounts, self.schedule.currency)


@dataclass(frozen=True, slots=True)
class AccruedTotal:
    """What has accrued in one currency: in periods that run, and in drafts under review."""

    running: Money
    under_review: Money

    def plus(self, bill: AccruedBill) -> "AccruedTotal":
        if bill.status == Invoice.Status.DRAFT:
            return AccruedTotal(self.running, self.under_review + bill.accrued)
        return AccruedTotal(self.running + bill.accrued, self.under_review)


@transaction.atomic
def accrued_of_schedule(*, schedule_id: UUID, now: datetime) -> list[AccruedBill]:
    """Return the coming invoices of a schedule, by billing date."""
    return _accrued(BillingSchedule.objects.filter(id=schedule_id), now)


@transaction.atomic
def accrued_of_schedules(*, schedule_ids: Sequence[UUID], now: datetime) -> list[AccruedBill]:
    """Return the coming invoices of schedules, by billing date."""
    return _accrued(BillingSchedule.objects.filter(id__in=list(schedule_ids)), now)


@transaction.atomic
def accrued_of_customers(*, customer_ids: Sequence[UUID], now: datetime) -> list[AccruedBill]:
    """Return the coming invoices of every schedule of some customers, by billing date.

    The number of queries does not depend on the number of customers, nor the time on the
    number of usage events behind meters that are sums: those are read from hourly totals.
    """
    return _accrued(BillingSchedule.objects.filter(customer__in=list(customer_ids)), now)


def totals_by_currency(bills: Iterable[AccruedBill]) -> list[AccruedTotal]:
    """Add bills up per currency, in alphabetical order of currencies."""
    sums: dict[str, AccruedTotal] = {}
    for bill in bills:
        zero = Money.zero(bill.schedule.currency)
        before = sums.get(zero.currency, AccruedTotal(zero, zero))
        sums[zero.currency] = before.plus(bill)
    return [sums[currency] for currency in sorted(sums)]


def _accrued(schedules: QuerySet[BillingSchedule], now: datetime) -> list[AccruedBill]:
    periods = Invoice.objects.filter(threshold_number__isnull=True, status__in=OPEN_STATES)
    is_open = periods.filter(schedule=OuterRef("id"))
    rows = schedules.filter(Q(status__in=RUNNING) | Exists(is_open)).select_related("customer")
    rows = rows.defer("terms")  # read with those of equal contracts
    by_id = {schedule.id: schedule for schedule in rows}
    if not by_id:
        return []
    opened = list(
        periods.filter(schedule__in=list(by_id)).select_related("customer").order_by("bill_on")
    )
    running = {key: row for key, row in by_id.items() if row.status in RUNNING}
    unopened, waiting = _unopened(running, now)
    computed = compute([*opened, *unopened], now=now, waiting=waiting)
    stored = {invoice.id for invoice in opened}
    bills = [_bill(by_id, found, stored, now) for found in computed]
    return sorted(bills, key=lambda bill: (bill.bill_on, bill.schedule.number))


def _unopened(
    schedules: dict[UUID, BillingSchedule], now: datetime
) -> tuple[list[Invoice], list[BillingPeriod]]:
    """Return invoices as they will be opened, for dates with a period that runs already.

    Only the next billing date of a schedule has an open invoice: a year billed in arrears waits
    behind eleven months, and a new month until the clock opens it.
    """
    begun = BillingPeriod.objects.filter(
        schedule=OuterRef("schedule"),
        bill_on=OuterRef("bill_on"),
        invoice__isnull=True,
        starts_at__lte=now,
    )
    rows = (
        BillingPeriod.objects.filter(Exists(begun), schedule__in=list(schedules), invoice=None)
        .select_related("phase")
        .order_by("service_start", "kind", "item_key")
    )
    invoices: dict[tuple[UUID, date], Invoice] = {}
    settings = tax_settings()
    waiting = []
    for row in rows:
        place = (row.schedule_id, row.bill_on)
        if place not in invoices:
            schedule = schedules[row.schedule_id]
            setting = settings.get(schedule.legal_entity_id)
            invoices[place] = _as_opened(schedule, row, setting)
        invoice = invoices[place]
        invoice.period_start = min(invoice.period_start, row.service_start)
        invoice.period_end = max(invoice.period_end, row.service_end)
        row.invoice = invoice
        waiting.append(row)
    return list(invoices.values()), waiting


def _as_opened(
    schedule: BillingSchedule, row: BillingPeriod, setting: TaxSetting | None
) -> Invoice:
    customer = schedule.customer
    return Invoice(
        schedule=schedule,
        customer=customer,
        legal_entity_id=schedule.legal_entity_id,
        status=Invoice.Status.IN_PROGRESS,
        currency=schedule.currency,
        bill_on=row.bill_on,
        period_start=row.service_start,
        period_end=row.service_end,
        **tax_fields(customer, setting),
    )


def _bill(
    schedules: Mapping[UUID, BillingSchedule],
    found: ComputedInvoice,
    stored: set[UUID],
    now: datetime,
) -> AccruedBill:
    invoice = found.invoice
    assert invoice.schedule_id is not None  # noqa: S101 - a one-off invoice accrues nothing
    schedule = schedules[invoice.schedule_id]
    return AccruedBill(
        schedule=schedule,
        bill_on=invoice.bill_on,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        status=invoice.status,
        lines=tuple(
            _line(line, found.begins.get(line.key), schedule.currency, now) for line in found.lines
        ),
        invoice_id=invoice.id if invoice.id in stored else None,
        uses=found.uses,
    )


def _line(line: InvoiceLine, begins: datetime | None, currency: str, now: datetime) -> AccruedLine:
    return AccruedLine(
        line=line,
        amount=Money(line.amount, currency),
        tax=Money(line.tax_amount, currency),
        has_begun=begins is None or begins <= now,
    )
