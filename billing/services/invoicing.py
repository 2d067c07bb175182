"""Draft, recalculate and issue invoices. Calculation is set-based over many invoices."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Min, QuerySet

from billing.domain import lifecycle, posting_rules
from billing.domain.posting_rules import Document, LineAmount, Position
from billing.models import BillingPeriod, BillingSchedule, Invoice, InvoiceLine
from billing.services.approvals import refuse_unapproved
from billing.services.calculation import InvoiceChange, calculate, outdated, preview
from billing.services.numbering import next_number
from billing.services.schedules import extend_periods
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.kernel.period import local_day
from monetization.ledger.accounts import Leg
from monetization.ledger.selectors import line_positions
from monetization.ledger.services import post_entry

OPEN_STATES = (Invoice.Status.IN_PROGRESS, Invoice.Status.DRAFT)


class InvoiceNotDraft(Refusal):
    """Only a draft can be issued."""


class InvoiceHasNoLines(Refusal):
    """An invoice that claims nothing is not issued."""


class InvoiceBelowZero(Refusal):
    """A claim below zero is a credit note."""


class ServiceNotOver(Refusal):
    """A one-off invoice bills what was delivered: its revenue is earned with it."""


class GracePeriodRunning(Refusal):
    """Late usage may still arrive; the contract waits before it bills."""


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
    due = [row for row in dates if row["bill_on"] <= today]
    upcoming = [row for row in dates if row["bill_on"] > today][:1]
    if schedule.invoices.filter(status=Invoice.Status.IN_PROGRESS).exists():
        upcoming = []
    opened = []
    for row in due + upcoming:
        invoice = _open_invoice(schedule, row["bill_on"], row["start"], row["end"], today)
        waiting.filter(bill_on=row["bill_on"]).update(invoice=invoice)
        opened.append(invoice.id)
    return opened


def _open_invoice(
    schedule: BillingSchedule, bill_on: date, start: date, end: date, today: date
) -> Invoice:
    customer = schedule.customer
    status = Invoice.Status.DRAFT if bill_on <= today else Invoice.Status.IN_PROGRESS
    invoice: Invoice
    invoice, _ = Invoice.objects.exclude(status=Invoice.Status.VOID).get_or_create(
        schedule=schedule,
        bill_on=bill_on,
        defaults={
            "customer": customer,
            "legal_entity_id": schedule.legal_entity_id,
            "status": status,
            "currency": schedule.currency,
            "period_start": start,
            "period_end": end,
            "tax_treatment": customer.tax_treatment,
            "tax_name": customer.tax_name,
            "tax_percent": customer.tax_percent,
            "payment_terms_days": schedule.payment_terms_days,
            "purchase_order": schedule.purchase_order or customer.purchase_order,
        },
    )
    return invoice


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


@transaction.atomic
def recalculate_invoices(*, invoice_ids: Iterable[UUID], now: datetime) -> list[InvoiceChange]:
    """Compute what open invoices should say, and write only the difference.

    Invoices that are issued or void are left alone, and so are those nothing has happened to
    since they were computed. Running it twice changes nothing.

    :returns: one change per invoice that differed, with a cause per line.
    """
    invoices = list(_due(invoice_ids, now).select_for_update(of=("self",)))
    return calculate(invoices, now=now)


@transaction.atomic
def preview_invoices(*, invoice_ids: Iterable[UUID], now: datetime) -> list[InvoiceChange]:
    """Say what a recalculation would change, with a cause per line. Writes nothing."""
    return preview(list(_due(invoice_ids, now)), now=now)


def _due(invoice_ids: Iterable[UUID], now: datetime) -> QuerySet[Invoice]:
    """Return the open invoices that would be computed, in one order for every transaction."""
    ids = outdated(list(invoice_ids), now=now)
    found: QuerySet[Invoice] = Invoice.objects.filter(id__in=ids, status__in=OPEN_STATES)
    # Terms are long; many contracts have the same ones, and those are read once.
    return found.select_related("schedule", "customer").defer("schedule__terms").order_by("id")


@transaction.atomic
def issue_invoice(
    *, invoice_id: UUID, issued_on: date, now: datetime, ignore_grace: bool = False
) -> Invoice:
    """Turn a draft into a claim: number it, post it to the ledger, announce it.

    One transaction: after it the invoice is issued, its journal entry balances and the
    ``invoice.issued`` event is on the stream, or nothing happened.

    :param issued_on: invoice date in the seller's zone; decides the month it is booked in.
    :param ignore_grace: issue although late usage may still be on its way.
    :raises InvoiceNotDraft: if it is not a draft, so that a second click is visible.
    :raises InvoiceHasNoLines: if there is nothing to claim.
    :raises InvoiceBelowZero: if it claims less than nothing.
    :raises ServiceNotOver: if a one-off invoice bills days to come.
    :raises SecondPersonNeeded: above the company's limit, unless somebody else approved it.
    :raises GracePeriodRunning: before the contract's grace period is over.
    :raises PeriodClosed: if the books of the invoice date are closed.
    """
    invoice = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("legal_entity", "schedule")
        .get(id=invoice_id)
    )
    lines = list(invoice.lines.order_by("position"))
    _refuse_unissuable(invoice, lines, issued_on)
    refuse_unapproved(invoice)
    if not ignore_grace:
        _refuse_within_grace(invoice, now)
    invoice.status = lifecycle.next_state(lifecycle.INVOICE, invoice.status, "issue")
    invoice.issued_on = issued_on
    invoice.due_on = issued_on + timedelta(days=invoice.payment_terms_days)
    positions = locked_positions(invoice)
    invoice.number = next_number(invoice.legal_entity, "invoice")
    invoice.content_sha256 = content_hash(invoice, lines)
    invoice.save(update_fields=["status", "number", "issued_on", "due_on", "content_sha256"])
    event = append_event(
        type="invoice.issued",
        subject=f"invoice/{invoice.id}",
        data={
            "invoice_id": str(invoice.id),
            "number": invoice.number,
            "customer_id": str(invoice.customer_id),
        },
        occurred_at=now,
    )
    post_entry(
        event=event,
        rule="invoice_issued",
        entry_date=issued_on,
        legal_entity_id=invoice.legal_entity_id,
        legs=_issue_legs(invoice, lines, positions),
        memo=f"Invoice {invoice.number}",
    )
    return invoice


def _issue_legs(
    invoice: Invoice, lines: Sequence[InvoiceLine], positions: dict[str, Position]
) -> tuple[Leg, ...]:
    facts = (
        document_of(invoice),
        line_amounts(lines, invoice.currency),
        Money(invoice.tax_amount, invoice.currency),
    )
    if invoice.schedule_id is None:
        return posting_rules.one_off_issued(*facts)
    return posting_rules.invoice_issued(*facts, positions)


def _refuse_unissuable(invoice: Invoice, lines: Sequence[InvoiceLine], issued_on: date) -> None:
    if invoice.status != Invoice.Status.DRAFT:
        shown = invoice.get_status_display().lower()
        raise InvoiceNotDraft(f"{invoice.number or 'the invoice'} is {shown}, not a draft")
    if not any(line.amount for line in lines):
        raise InvoiceHasNoLines("there is nothing to claim on this invoice")
    if invoice.total_amount < 0:
        raise InvoiceBelowZero("its total is below zero; credit an earlier invoice instead")
    if invoice.schedule_id is None and invoice.period_end > issued_on + timedelta(days=1):
        raise ServiceNotOver(
            f"issued_on: an invoice without a contract bills what was delivered, and this one "
            f"runs to {invoice.period_end - timedelta(days=1):%d %b %Y}; bill it through a schedule"
        )


def _refuse_within_grace(invoice: Invoice, now: datetime) -> None:
    if invoice.schedule is None:
        return
    usage = BillingPeriod.objects.filter(invoice=invoice, lines__reading__isnull=False)
    last = usage.aggregate(last=Max("ends_at"))["last"]
    if last is None:
        return
    over = last + timedelta(hours=invoice.schedule.grace_hours)
    if now < over:
        raise GracePeriodRunning(
            f"late usage is awaited until {over:%d %b %Y %H:%M} UTC; issue then, or ignore it"
        )


def locked_positions(invoice: Invoice) -> dict[str, Position]:
    """Lock the contract and return what each of its lines has been billed and earned ahead."""
    if invoice.schedule_id is None:
        return {}
    BillingSchedule.objects.select_for_update(of=("self",)).get(id=invoice.schedule_id)
    found = line_positions(contract_ids=[invoice.schedule_id], currency=invoice.currency)
    return {key: Position(p.deferred, p.unbilled) for (_, key), p in found.items()}


def document_of(invoice: Invoice) -> Document:
    return Document(invoice.customer_id, invoice.id, invoice.schedule_id)


def line_amounts(lines: Sequence[InvoiceLine], currency: str) -> list[LineAmount]:
    return [LineAmount(line.item_key, Money(line.amount, currency)) for line in lines]


def content_hash(invoice: Invoice, lines: Sequence[InvoiceLine]) -> str:
    """Return SHA-256 of what an issued invoice says; ``verify`` computes it again."""
    content = {
        "number": invoice.number,
        "customer": str(invoice.customer_id),
        "currency": invoice.currency,
        "issued_on": str(invoice.issued_on),
        "due_on": str(invoice.due_on),
        "subtotal": _text(invoice.subtotal_amount),
        "tax": _text(invoice.tax_amount),
        "total": _text(invoice.total_amount),
        "lines": [
            [line.key, line.description, _text(line.amount), _text(line.tax_amount)]
            for line in lines
        ],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _text(amount: object) -> str:
    return f"{amount:.4f}"
