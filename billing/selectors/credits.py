"""Read credits: balances, what open invoices plan to use, what became of a grant."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet, Sum

from billing.domain.credit_use import liability
from billing.models import CreditGrant, CreditNote, CreditTransaction, Invoice, InvoiceCredit
from monetization.kernel.money import ZERO, Money

STATES = [
    ("active", "Active"),
    ("upcoming", "Upcoming"),
    ("used_up", "Used up"),
    ("expired", "Expired"),
    ("voided", "Voided"),
]
OPEN = (Invoice.Status.IN_PROGRESS, Invoice.Status.DRAFT)


def balances_of(grant_ids: Iterable[UUID]) -> dict[UUID, Decimal]:
    """Return what grants hold: the sum of their transactions. Planned uses are not in it."""
    rows = (
        CreditTransaction.objects.filter(grant__in=list(grant_ids))
        .values("grant")
        .annotate(units=Sum("units"))
    )
    return {row["grant"]: row["units"] for row in rows}


@dataclass(frozen=True, slots=True)
class Planned:
    """Units an open invoice plans to use."""

    bill_on: date
    invoice_id: UUID
    units: Decimal


def planned_on(
    grant_ids: Iterable[UUID], *, beside: Iterable[UUID] = ()
) -> dict[UUID, list[Planned]]:
    """Return what open invoices plan to use of grants, but for some of the invoices."""
    rows = (
        InvoiceCredit.objects.filter(grant__in=list(grant_ids), invoice__status__in=OPEN)
        .exclude(invoice__in=list(beside))
        .values("grant", "invoice", "invoice__bill_on")
        .annotate(units=Sum("units"))
    )
    found: dict[UUID, list[Planned]] = defaultdict(list)
    for row in rows:
        found[row["grant"]].append(Planned(row["invoice__bill_on"], row["invoice"], row["units"]))
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """A grant and where it stands. Units, but for ``owed``."""

    grant: CreditGrant
    balance: Decimal  # after issued invoices
    planned: Decimal  # by open invoices and usage so far
    burned: Decimal  # on issued invoices or overdrawn before, less what was given back or covered
    expired: Decimal
    state: str  # active, upcoming, used_up, expired, voided

    @property
    def left(self) -> Decimal:
        """What is left when usage so far is paid: the live balance."""
        return self.balance - self.planned

    @property
    def owed(self) -> Money:
        """The contract liability of the balance, at what it was sold for."""
        cost = Money(self.grant.cost_amount, self.grant.currency)
        return liability(cost, self.grant.amount, self.balance)

    @property
    def percent_left(self) -> Decimal:
        return max(ZERO, self.left * 100 / self.grant.amount)


def standings(
    grants: Sequence[CreditGrant], *, now: datetime, planned: dict[UUID, Decimal] | None = None
) -> list[Standing]:
    """Say where grants stand.

    :param planned: units by grant that open invoices would use now; what is stored by default.
    """
    ids = [grant.id for grant in grants]
    sums: dict[UUID, dict[str, Decimal]] = defaultdict(dict)
    for row in (
        CreditTransaction.objects.filter(grant__in=ids)
        .values("grant", "kind")
        .annotate(units=Sum("units"))
    ):
        sums[row["grant"]][row["kind"]] = row["units"]
    if planned is None:
        planned = {
            key: sum((one.units for one in rows), ZERO) for key, rows in planned_on(ids).items()
        }
    return [_standing(grant, sums[grant.id], planned.get(grant.id, ZERO), now) for grant in grants]


def _standing(
    grant: CreditGrant, sums: dict[str, Decimal], planned: Decimal, now: datetime
) -> Standing:
    balance = sum(sums.values(), ZERO)
    return Standing(
        grant,
        balance,
        planned,
        -sum((sums.get(kind, ZERO) for kind in _USES), ZERO),
        -sums.get("expired", ZERO),
        _state(grant, balance, now),
    )


_USES = ("burned", "returned", "covering", "covered")


def _state(grant: CreditGrant, balance: Decimal, now: datetime) -> str:
    if grant.voided_at is not None:
        return "voided"
    if grant.ended_at is not None or (grant.expires_at is not None and grant.expires_at <= now):
        return "expired"
    if grant.effective_at > now:
        return "upcoming"
    return "active" if balance > 0 or grant.allows_overdraft else "used_up"


def credits_of(invoice: Invoice) -> list[InvoiceCredit]:
    """Return what credits pay of an invoice in burn order; each knows the line it pays."""
    labels = dict(invoice.lines.values_list("key", "description"))
    rows = list(
        InvoiceCredit.objects.filter(invoice=invoice)
        .select_related("grant", "grant__meter")
        .order_by("position")
    )
    for row in rows:
        row.label = labels.get(row.line_key, row.line_key)
    return rows


def settled_on(invoice: Invoice) -> Decimal:
    """Return what credits settle of an invoice with tax: as issued, or as its draft plans it.

    What credit notes gave back since is not taken off: a document says what it said.
    """
    rows = InvoiceCredit.objects.filter(invoice=invoice, reduces_base=False)
    found: Decimal | None = rows.aggregate(value=Sum("value"))["value"]
    return found or ZERO


def given_back_by(note: CreditNote) -> Decimal:
    """Return the part of a credit note that went back to credits instead of being owed."""
    rows = CreditTransaction.objects.filter(
        credit_note=note, kind=CreditTransaction.Kind.RETURNED, grant__taxed_at="use"
    )
    found: Decimal | None = rows.aggregate(value=Sum("value"))["value"]
    return -(found or ZERO)


def grants_of(customer_id: UUID) -> "QuerySet[CreditGrant]":
    """Return a customer's grants, the newest first."""
    return (
        CreditGrant.objects.filter(customer=customer_id)
        .select_related("meter", "invoice", "schedule", "plan")
        .order_by("-effective_at", "-id")
    )


def transactions_of(customer_id: UUID) -> "QuerySet[CreditTransaction]":
    """Return what became of a customer's credits, the newest first."""
    return (
        CreditTransaction.objects.filter(grant__customer=customer_id)
        .select_related("grant", "grant__meter", "invoice", "credit_note")
        .order_by("-happened_at", "-id")
    )
