"""Read a customer's account: what was billed, credited, paid, and what is left."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, Sum

from billing.models import (
    CreditGrant,
    CreditNote,
    CreditTransaction,
    Invoice,
    InvoiceCredit,
    Payment,
    PaymentRefund,
)
from billing.selectors.receivables import SETTLED, Aging, aging
from monetization.kernel.period import local_day, start_instant
from monetization.ledger.accounts import Account
from monetization.ledger.models import Posting

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an account. Charges are positive, what settles them negative."""

    day: date
    kind: str  # invoice, credits used or given back, credit note, payment, refund, write-off
    text: str
    amount: Decimal
    balance: Decimal = ZERO  # after it
    invoice_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Credits held at the end of the days, in their own unit; they are no part of the balance."""

    grant: CreditGrant
    units: Decimal

    @property
    def ends_on(self) -> date | None:
        """The first local day it is over; None: never."""
        if self.grant.expires_at is None:
            return None
        return local_day(self.grant.expires_at, self.grant.customer.time_zone)


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
    held: tuple[Held, ...] = ()


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
    moves = [  # of one day, in this order
        *_invoices(customer_id, currency, until),
        *_credits_used(customer_id, currency, until),
        *_credit_notes(customer_id, currency, until),
        *_credits_given_back(customer_id, currency, until),
        *_payments(customer_id, currency, until),
        *_refunds(customer_id, currency, until),
        *_write_offs(customer_id, currency, until),
    ]
    opening = sum((move.amount for move in moves if move.day < since), start=ZERO)
    balance, entries = opening, []
    ranks = {move.kind: rank for rank, move in enumerate(reversed(moves))}
    for move in sorted(
        (move for move in moves if move.day >= since),
        key=lambda move: (move.day, -ranks[move.kind], move.text),
    ):
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
        ages[0] if ages else None, _held(customer_id, currency, until),
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


def _credits_used(customer_id: UUID, currency: str, until: date) -> list[Entry]:
    """List what credits settled of invoices; those that lowered the taxable base are in it."""
    rows = (
        InvoiceCredit.objects.filter(
            invoice__customer=customer_id,
            invoice__currency=currency,
            invoice__status=Invoice.Status.ISSUED,
            invoice__issued_on__lte=until,
            reduces_base=False,
        )
        .order_by()
        .values("invoice", "invoice__number", "invoice__issued_on")
        .annotate(paid=Sum("value"))
    )
    return [
        Entry(
            row["invoice__issued_on"],
            "credits used",
            f"Credits used {row['invoice__number']}",
            -row["paid"],
            invoice_id=row["invoice"],
        )
        for row in rows
    ]


def _credits_given_back(customer_id: UUID, currency: str, until: date) -> list[Entry]:
    """List what credit notes gave back as credits; it is owed no more, so it is charged."""
    rows = (
        CreditTransaction.objects.filter(
            credit_note__customer=customer_id,
            credit_note__currency=currency,
            credit_note__issued_on__lte=until,
            kind=CreditTransaction.Kind.RETURNED,
            grant__taxed_at=CreditGrant.TaxedAt.USE,
        )
        .order_by()
        .values("invoice", "credit_note__number", "credit_note__issued_on")
        .annotate(paid=Sum("value"))
    )
    return [
        Entry(
            row["credit_note__issued_on"],
            "credits given back",
            f"Credits given back {row['credit_note__number']}",
            -row["paid"],
            invoice_id=row["invoice"],
        )
        for row in rows
    ]


def _held(customer_id: UUID, currency: str, until: date) -> tuple[Held, ...]:
    """Return the balances of grants in a currency at the end of a day, what ends first first."""
    grants = list(
        CreditGrant.objects.filter(customer=customer_id, currency=currency)
        .select_related("meter", "customer")
        .order_by("expires_at", "effective_at", "id")
    )
    if not grants:
        return ()
    end = start_instant(until + timedelta(days=1), grants[0].customer.time_zone)
    sums = (
        CreditTransaction.objects.filter(grant__in=grants, happened_at__lt=end)
        .order_by()
        .values("grant")
        .annotate(units=Sum("units"))
    )
    units = {row["grant"]: row["units"] for row in sums}
    return tuple(Held(grant, units[grant.id]) for grant in grants if units.get(grant.id))


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


def _refunds(customer_id: UUID, currency: str, until: date) -> list[Entry]:
    rows = PaymentRefund.objects.filter(
        payment__customer=customer_id, payment__currency=currency, refunded_on__lte=until
    )
    return [Entry(row.refunded_on, "refund", f"Refund {row.reference}", row.amount) for row in rows]


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
