"""Read what is owed and how late it is."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, Q, Sum

from billing.models import Invoice

ZERO = Decimal(0)
SETTLED = (Invoice.PaymentStatus.PAID, Invoice.PaymentStatus.UNCOLLECTIBLE)


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


def open_amount_sql() -> Any:
    """Return what an invoice still owes, for queries."""
    owed = F("total_amount") - F("paid_amount") - F("credited_amount")
    return owed - F("prepaid_amount") - F("written_off_amount")


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


def aging(*, today: date, only: Q | None = None) -> list[Aging]:
    """Return what is open per currency, by days past the due date.

    :param only: a condition on the invoices, e.g. one customer's.
    """
    owed = open_amount_sql()
    rows = (
        Invoice.objects.filter(only or Q(), status=Invoice.Status.ISSUED)
        .exclude(payment_status__in=SETTLED)
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
