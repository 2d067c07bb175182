"""Issue invoices: number them, post them, announce them; many with a few statements."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from billing.domain import lifecycle, posting_rules
from billing.domain.posting_rules import LineAmount, Position
from billing.models import BillingPeriod, BillingSchedule, Invoice, InvoiceLine
from billing.selectors.claimed import open_thresholds
from billing.services.approvals import unapproved
from billing.services.assertions import failing
from billing.services.credits.burning import Credits, burn, locked_plans
from billing.services.credits.journal import document_of
from billing.services.credits.planning import CREDIT, PREPAID
from billing.services.credits.selling import grant_sold
from billing.services.numbering import next_numbers
from monetization.events.services import NewEvent, append_events
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.ledger.accounts import Leg
from monetization.ledger.selectors import line_positions
from monetization.ledger.services import NewEntry, post_entries
from monetization.tenancy.bulk import bulk_cursor, collector_at_rest

Lines = Mapping[UUID, Sequence[InvoiceLine]]


class InvoiceNotDraft(Refusal):
    """Only a draft can be issued."""


class InvoiceHasNoLines(Refusal):
    """An invoice that claims nothing is not issued."""


class InvoiceBelowZero(Refusal):
    """A claim below zero is a credit note."""


class ServiceNotOver(Refusal):
    """A one-off invoice bills what was delivered: its revenue is earned with it."""


class ThresholdInvoiceOpen(Refusal):
    """What an invoice takes off must be billed first."""


class GracePeriodRunning(Refusal):
    """Late usage may still arrive; the contract waits before it bills."""


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
    :raises ThresholdInvoiceOpen: if it takes off what a draft bills.
    :raises CreditsChanged: if a grant holds less than the draft uses of it.
    :raises PeriodClosed: if the books of the invoice date are closed.
    """
    outcomes = issue_invoices(
        invoice_ids=[invoice_id], issued_on=issued_on, now=now, ignore_grace=ignore_grace
    )
    if invoice_id not in outcomes:
        raise Invoice.DoesNotExist("there is no such invoice")
    outcome = outcomes[invoice_id]
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


@collector_at_rest()
@transaction.atomic
def issue_invoices(
    *,
    invoice_ids: Sequence[UUID],
    issued_on: date,
    now: datetime,
    ignore_grace: bool = False,
    only_passing: bool = False,
) -> dict[UUID, Invoice | Refusal]:
    """Issue many drafts on one day, as ``issue_invoice`` does each; numbers follow their order.

    :param only_passing: refuse those that fail a rule nobody waived.
    :returns: by invoice, what was issued or why it was not; a refusal stops no other.
    :raises PeriodClosed: if the books of the day are closed; nothing is issued then.
    """
    found = {
        row.id: row
        for row in Invoice.objects.select_for_update(of=("self",))
        .select_related("legal_entity", "schedule")
        .defer("schedule__terms")
        .filter(id__in=list(invoice_ids))
        .order_by("id")
    }
    rows = [found[each] for each in dict.fromkeys(invoice_ids) if each in found]
    lines: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    # Drafts that were merged may have lines at one position; the hash needs one order of them.
    for line in InvoiceLine.objects.filter(invoice__in=rows).order_by("position", "key"):
        lines[line.invoice_id].append(line)
    refused: dict[UUID, Refusal] = {} if ignore_grace else _within_grace(rows, now)
    refused |= unapproved(rows)
    refused |= _taking_off_drafts(rows)
    for row in rows:
        why = _unissuable(row, lines[row.id], issued_on)
        if why is not None:
            refused[row.id] = why
    if only_passing:
        refused |= failing([row for row in rows if row.status == Invoice.Status.DRAFT])
    plans, grants, gone = locked_plans([row for row in rows if row.id not in refused])
    refused |= gone
    for several in _rounds([row for row in rows if row.id not in refused]):
        _issue(several, lines, Credits(plans, grants), issued_on, now)
    return {row.id: refused.get(row.id, row) for row in rows}


def _rounds(rows: Sequence[Invoice]) -> Iterator[list[Invoice]]:
    """Take the invoices of one contract after each other: a posting changes what is next."""
    waiting = list(rows)
    while waiting:
        known: set[UUID] = set()
        first: list[Invoice] = []
        later: list[Invoice] = []
        for row in waiting:
            (later if row.schedule_id in known else first).append(row)
            if row.schedule_id is not None:
                known.add(row.schedule_id)
        yield first
        waiting = later


def _issue(
    rows: Sequence[Invoice], lines: Lines, credits: Credits, issued_on: date, now: datetime
) -> None:
    """Issue locked drafts that nothing speaks against, at most one of each contract."""
    positions = _positions_of(rows)
    _number(rows)
    for row in rows:
        row.status = lifecycle.next_state(lifecycle.INVOICE, row.status, "issue")
        row.issued_on = issued_on
        row.due_on = issued_on + timedelta(days=row.payment_terms_days)
        row.payment_status = payment_status(row)
        row.content_sha256 = content_hash(row, lines[row.id])
    _write(rows)
    events = append_events(
        [
            NewEvent(
                type="invoice.issued",
                subject=f"invoice/{row.id}",
                data={
                    "invoice_id": str(row.id),
                    "number": row.number,
                    "customer_id": str(row.customer_id),
                },
            )
            for row in rows
        ],
        occurred_at=now,
    )
    post_entries(
        [
            NewEntry(
                event=event,
                rule="invoice_issued",
                entry_date=issued_on,
                legal_entity_id=row.legal_entity_id,
                legs=[
                    *_issue_legs(row, lines[row.id], positions.get(row.id, {})),
                    *grant_sold(row, lines[row.id], event=event, now=now),
                    *burn(row, credits, event=event, now=now),
                ],
                memo=f"Invoice {row.number}",
            )
            for row, event in zip(rows, events, strict=True)
        ]
    )


def _number(rows: Sequence[Invoice]) -> None:
    """Give invoices the next numbers of their entities, in their order."""
    by_entity: dict[UUID, list[Invoice]] = defaultdict(list)
    for row in rows:
        by_entity[row.legal_entity_id].append(row)
    for _, several in sorted(by_entity.items()):  # in one order for every transaction
        numbers = next_numbers(several[0].legal_entity, "invoice", len(several))
        for row, number in zip(several, numbers, strict=True):
            row.number = number


def _write(rows: Sequence[Invoice]) -> None:
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE billing_invoice i SET status = 'issued', number = u.number,"
            " issued_on = %b, due_on = u.due_on, content_sha256 = u.hash,"
            " payment_status = u.payment"
            " FROM unnest(%b::uuid[], %b::text[], %b::date[], %b::text[], %b::text[])"
            " AS u(id, number, due_on, hash, payment)"
            " WHERE i.tenant_id = current_tenant_id() AND i.id = u.id",
            [
                rows[0].issued_on,
                [row.id for row in rows],
                [row.number for row in rows],
                [row.due_on for row in rows],
                [row.content_sha256 for row in rows],
                [row.payment_status for row in rows],
            ],
        )


def _issue_legs(
    invoice: Invoice, lines: Sequence[InvoiceLine], positions: Mapping[str, Position]
) -> tuple[Leg, ...]:
    facts = (
        document_of(invoice),
        line_amounts(lines, invoice.currency),
        Money(invoice.tax_amount, invoice.currency),
    )
    if invoice.schedule_id is None:
        return posting_rules.one_off_issued(*facts)
    return posting_rules.invoice_issued(*facts, positions)


def _unissuable(invoice: Invoice, lines: Sequence[InvoiceLine], issued_on: date) -> Refusal | None:
    if invoice.status != Invoice.Status.DRAFT:
        shown = invoice.get_status_display().lower()
        return InvoiceNotDraft(f"{invoice.number or 'the invoice'} is {shown}, not a draft")
    if not any(line.amount for line in lines):
        return InvoiceHasNoLines("there is nothing to claim on this invoice")
    if invoice.total_amount < 0:
        return InvoiceBelowZero("its total is below zero; credit an earlier invoice instead")
    if invoice.schedule_id is None and invoice.period_end > issued_on + timedelta(days=1):
        way = (
            "issue it then, or write a line on the contract's next draft"
            if invoice.supplements_id
            else "bill it through a schedule"
        )
        return ServiceNotOver(
            f"issued_on: an invoice without a contract bills what was delivered, and this one "
            f"runs to {invoice.period_end - timedelta(days=1):%-d %b %Y}; {way}"
        )
    return None


def _taking_off_drafts(rows: Sequence[Invoice]) -> dict[UUID, Refusal]:
    return {
        invoice_id: ThresholdInvoiceOpen(
            f"it takes off what threshold invoice {', '.join(map(str, numbers))} bills, which is a"
            " draft; issue that first"
        )
        for invoice_id, numbers in open_thresholds(rows).items()
    }


def _within_grace(rows: Sequence[Invoice], now: datetime) -> dict[UUID, Refusal]:
    ends = dict(
        BillingPeriod.objects.filter(invoice__in=rows, lines__reading__isnull=False)
        .values("invoice_id")
        .annotate(last=Max("ends_at"))
        .values_list("invoice_id", "last")
    )
    refused: dict[UUID, Refusal] = {}
    for row in rows:
        if row.schedule is None or row.id not in ends:
            continue
        over = ends[row.id] + timedelta(hours=row.schedule.grace_hours)
        if now < over:
            refused[row.id] = GracePeriodRunning(
                f"late usage is awaited until {over:%-d %b %Y %H:%M} UTC; issue then, or ignore it"
            )
    return refused


def locked_positions(invoice: Invoice) -> dict[str, Position]:
    """Lock the contract and return what each of its lines has been billed and earned ahead."""
    return _positions_of([invoice]).get(invoice.id, {})


def _positions_of(rows: Iterable[Invoice]) -> dict[UUID, dict[str, Position]]:
    """Lock contracts and return by invoice what each line has been billed and earned ahead."""
    by_currency: dict[str, dict[UUID, UUID]] = defaultdict(dict)
    for row in rows:
        if row.schedule_id is not None:
            by_currency[row.currency][row.schedule_id] = row.id
    schedules = [each for billed in by_currency.values() for each in billed]
    locked = BillingSchedule.objects.select_for_update(of=("self",)).filter(id__in=schedules)
    list(locked.order_by("id").values_list("id"))
    found: dict[UUID, dict[str, Position]] = defaultdict(dict)
    for currency, billed in by_currency.items():
        positions = line_positions(contract_ids=billed, currency=currency)
        for (schedule_id, key), position in positions.items():
            found[billed[schedule_id]][key] = Position(position.deferred, position.unbilled)
    return found


def line_amounts(lines: Sequence[InvoiceLine], currency: str) -> list[LineAmount]:
    """Return what lines claim for service; credits are posted by what they are, not by line."""
    return [
        LineAmount(line.item_key, Money(line.amount, currency))
        for line in lines
        if line.kind not in (CREDIT, PREPAID)
    ]


def payment_status(invoice: Invoice) -> str:
    """Say how far an invoice is settled by payments and credits."""
    if invoice.written_off_amount:
        return Invoice.PaymentStatus.UNCOLLECTIBLE
    settled = invoice.paid_amount + invoice.credited_amount + invoice.prepaid_amount
    if settled >= invoice.total_amount:
        return Invoice.PaymentStatus.PAID
    return Invoice.PaymentStatus.PARTIALLY_PAID if settled > 0 else Invoice.PaymentStatus.UNPAID


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
