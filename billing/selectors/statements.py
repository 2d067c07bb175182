"""Read a customer's account: what was billed, credited, paid, and what is left."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import Q

from billing.models import CreditNote, Invoice, Payment
from billing.selectors.receivables import SETTLED, Aging, aging
from monetization.ledger.accounts import Account
from monetization.ledger.models import Posting

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an account. Charges are positive, what settles them negative."""

    day: date
    kind: str  # invoice, credit note, payment, write-off, write-off taken back
    text: str
    amount: Decimal
    balance: Decimal = ZERO  # after it
    invoice_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One customer's account in one currency over some days, both included."""

    currency: str
    since: date
    until: date
    opening: Decimal
    entries: tuple[Entry, ...]
    closing: Decimal
    open_invoices: tuple[Invoice, ...] = field(default=())  # today's, the oldest due first
    ages: Aging | None = None


def currencies_of(customer_id: UUID) -> list[str]:
    """Return the currencies a customer has an account in."""
    billed = Invoice.objects.filter(customer=customer_id, status=Invoice.Status.ISSUED)
    paid = Payment.objects.filter(customer=customer_id)
    return sorted(
        {
            *billed.order_by().values_list("currency", flat=True).distinct(),
            *paid.order_by().values_list("currency", flat=True).distinct(),
        }
    )


def statement(
    *, customer_id: UUID, currency: str, since: date, until: date, today: date
) -> Statement:
    """Return a customer's account. Void invoices are not on it: they were withdrawn."""
    moves = [
        *_invoices(customer_id, currency, until),
        *_credit_notes(customer_id, currency, until),
        *_payments(customer_id, currency, until),
        *_write_offs(customer_id, currency, until),
    ]
    opening = sum((move.amount for move in moves if move.day < since), start=ZERO)
    balance, entries = opening, []
    for move in sorted((m for m in moves if m.day >= since), key=lambda m: (m.day, m.text)):
        balance += move.amount
        entries.append(Entry(move.day, move.kind, move.text, move.amount, balance, move.invoice_id))
    still = (
        Invoice.objects.filter(
            customer=customer_id, currency=currency, status=Invoice.Status.ISSUED
        )
        .exclude(payment_status__in=SETTLED)
        .order_by("due_on", "number")
    )
    ages = aging(today=today, only=Q(customer=customer_id, currency=currency))
    return Statement(
        currency, since, until, opening, tuple(entries), balance, tuple(still),
        ages[0] if ages else None,
    )  # fmt: skip


def _invoices(customer_id: UUID, currency: str, until: date) -> list[Entry]:
    rows = Invoice.objects.filter(
        customer=customer_id, currency=currency, status=Invoice.Status.ISSUED, issued_on__lte=until
    )
    return [
        Entry(row.issued_on, "invoice", f"Invoice {row.number}", row.total_amount,
              invoice_id=row.id)
        for row in rows
    ]  # fmt: skip


def _credit_notes(customer_id: UUID, currency: str, until: date) -> list[Entry]:
    rows = CreditNote.objects.filter(
        customer=customer_id, currency=currency, issued_on__lte=until
    ).select_related("invoice")
    return [
        Entry(
            row.issued_on,
            "credit note",
            f"Credit note {row.number} for {row.invoice.number}",
            -row.total_amount,
            invoice_id=row.invoice_id,
        )
        for row in rows
    ]


def _payments(customer_id: UUID, currency: str, until: date) -> list[Entry]:
    rows = Payment.objects.filter(customer=customer_id, currency=currency, received_on__lte=until)
    return [
        Entry(row.received_on, "payment", f"Payment {row.reference}", -row.amount) for row in rows
    ]


def _write_offs(customer_id: UUID, currency: str, until: date) -> list[Entry]:
    rows = Posting.objects.filter(
        account=Account.BAD_DEBT,
        customer_id=customer_id,
        currency=currency,
        entry__entry_date__lte=until,
    ).select_related("entry")
    return [
        Entry(
            row.entry.entry_date,
            "write-off" if row.amount > 0 else "write-off taken back",
            row.entry.memo,
            -row.amount,
            invoice_id=row.invoice_id,
        )
        for row in rows
    ]
