"""Draft, recalculate and issue invoices. Calculation is set-based over many invoices."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Min, OuterRef, QuerySet, Subquery

from billing.domain import lifecycle
from billing.models import BillingSchedule, Invoice
from billing.selectors.parts import with_open_parts
from billing.services.calculation import (
    InvoiceChange,
    Seen,
    calculate,
    outdated,
    preview,
)
from billing.services.issuing import (
    GracePeriodRunning,
    InvoiceBelowZero,
    InvoiceHasNoLines,
    InvoiceNotDraft,
    ServiceNotOver,
    ThresholdInvoiceOpen,
    content_hash,
    document_of,
    issue_invoice,
    issue_invoices,
    line_amounts,
    locked_positions,
    payment_status,
)
from billing.services.schedules import extend_periods
from billing.services.taxing import tax_fields_of
from monetization.events.services import append_event
from monetization.kernel.period import local_day
from monetization.tenancy.bulk import collector_at_rest

__all__ = [
    "OPEN_STATES",
    "GracePeriodRunning",
    "InvoiceBelowZero",
    "InvoiceHasNoLines",
    "InvoiceNotDraft",
    "ServiceNotOver",
    "ThresholdInvoiceOpen",
    "advance_schedule",
    "content_hash",
    "document_of",
    "issue_invoice",
    "issue_invoices",
    "line_amounts",
    "locked_positions",
    "payment_status",
    "preview_invoices",
    "recalculate_invoices",
]

OPEN_STATES = (Invoice.Status.IN_PROGRESS, Invoice.Status.DRAFT)


@transaction.atomic
def advance_schedule(*, schedule_id: UUID, now: datetime) -> list[UUID]:
    """Bring a schedule's invoices up to date: drafts for what is over, one for what runs.

    Every billing date that has come gets its draft; the next one is in progress. Running it
    again changes nothing: one live invoice per schedule and date, by constraint.

    :returns: the invoices that were opened or whose period has closed, to be calculated.
    """
    schedule = BillingSchedule.objects.select_for_update(of=("self",)).get(id=schedule_id)
    today = local_day(now, schedule.time_zone)
    if schedule.status == BillingSchedule.Status.PENDING and today >= schedule.start_on:
        schedule.status = lifecycle.next_state(lifecycle.SCHEDULE, schedule.status, "begin")
        schedule.save(update_fields=["status"])
    if schedule.status != BillingSchedule.Status.ACTIVE:
        return []
    extend_periods(schedule, today=today)
    touched = _close_periods(schedule, today)
    touched += _open_invoices(schedule, today)
    _complete(schedule, today, now)
    return touched


def _close_periods(schedule: BillingSchedule, today: date) -> list[UUID]:
    over = schedule.invoices.filter(status=Invoice.Status.IN_PROGRESS, bill_on__lte=today)
    touched = list(over.values_list("id", flat=True))
    over.update(status=Invoice.Status.DRAFT)
    return touched


def _open_invoices(schedule: BillingSchedule, today: date) -> list[UUID]:
    waiting = schedule.periods.filter(invoice__isnull=True)
    dates = list(
        waiting.values("bill_on")
        .annotate(start=Min("service_start"), end=Max("service_end"))
        .order_by("bill_on")
    )
    wanted = [row for row in dates if row["bill_on"] <= today]
    upcoming = [row for row in dates if row["bill_on"] > today][:1]
    if upcoming and not schedule.invoices.filter(status=Invoice.Status.IN_PROGRESS).exists():
        wanted += upcoming
    if not wanted:
        return []
    invoices = _live_invoices(schedule, wanted)
    missing = [row for row in wanted if row["bill_on"] not in invoices]
    invoices |= {row.bill_on: row for row in _new_invoices(schedule, missing, today)}
    found = Invoice.objects.filter(
        id__in=[row.id for row in invoices.values()], bill_on=OuterRef("bill_on")
    )
    waiting.filter(bill_on__in=list(invoices)).update(invoice=Subquery(found.values("id")))
    return [invoices[row["bill_on"]].id for row in wanted]


def _live_invoices(
    schedule: BillingSchedule, wanted: Sequence[Mapping[str, Any]]
) -> dict[date, Invoice]:
    """Return the invoices there are for some dates: one for each, by constraint."""
    live = schedule.invoices.exclude(status=Invoice.Status.VOID)
    rows = live.filter(
        bill_on__in=[row["bill_on"] for row in wanted], threshold_number=None, part=0
    )
    return {row.bill_on: row for row in rows}


def _new_invoices(
    schedule: BillingSchedule, wanted: Sequence[Mapping[str, Any]], today: date
) -> list[Invoice]:
    if not wanted:
        return []
    customer = schedule.customer
    taxes = tax_fields_of(customer, schedule.legal_entity_id)
    invoices: list[Invoice] = Invoice.objects.bulk_create(
        Invoice(
            schedule=schedule,
            bill_on=row["bill_on"],
            customer=customer,
            legal_entity_id=schedule.legal_entity_id,
            status=Invoice.Status.DRAFT if row["bill_on"] <= today else Invoice.Status.IN_PROGRESS,
            currency=schedule.currency,
            period_start=row["start"],
            period_end=row["end"],
            payment_terms_days=schedule.payment_terms_days,
            purchase_order=schedule.purchase_order or customer.purchase_order,
            **taxes,
        )
        for row in wanted
    )
    return invoices


def _complete(schedule: BillingSchedule, today: date, now: datetime) -> None:
    if schedule.end_on is None or today < schedule.end_on:
        return
    if schedule.periods.filter(invoice__isnull=True).exists():
        return
    schedule.status = lifecycle.next_state(lifecycle.SCHEDULE, schedule.status, "complete")
    schedule.save(update_fields=["status"])
    append_event(
        type="schedule.completed",
        subject=f"schedule/{schedule.id}",
        data={"schedule_id": str(schedule.id), "customer_id": str(schedule.customer_id)},
        occurred_at=now,
    )


@collector_at_rest()
@transaction.atomic
def recalculate_invoices(*, invoice_ids: Iterable[UUID], now: datetime) -> list[InvoiceChange]:
    """Compute what open invoices should say, and write only the difference.

    Invoices that are issued or void are left alone, and so are those nothing has happened to
    since they were computed. Running it twice changes nothing. The open parts of a draft that was
    split are computed with it: together they get what the whole would get.

    :returns: one change per invoice that differed, with a cause per line.
    """
    seen = Seen.now()
    due = outdated(with_open_parts(invoice_ids), now=now, seen=seen)
    invoices = list(_open(due).select_for_update(of=("self",)))
    return calculate(invoices, now=now, seen=seen)


@collector_at_rest()
@transaction.atomic
def preview_invoices(*, invoice_ids: Iterable[UUID], now: datetime) -> list[InvoiceChange]:
    """Say what a recalculation would change, with a cause per line. Writes nothing."""
    return preview(list(_open(outdated(with_open_parts(invoice_ids), now=now))), now=now)


def _open(ids: Sequence[UUID]) -> QuerySet[Invoice]:
    """Return those of the invoices that are computed, in one order for every transaction."""
    # A threshold invoice says what had accrued when it was made; it stays as it is.
    found: QuerySet[Invoice] = Invoice.objects.filter(
        id__any=ids, status__in=OPEN_STATES, threshold_number__isnull=True
    )
    return found.select_related("customer").order_by("id")
