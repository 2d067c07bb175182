"""Write what becomes of grants: each fact once, with what it means in the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.domain.credit_use import liability
from billing.domain.posting_rules import Document
from billing.models import CreditGrant, CreditTransaction, Invoice
from billing.selectors.credits import balances_of
from monetization.events.models import Event
from monetization.kernel.money import ZERO, Money

_Kind = CreditTransaction.Kind


@dataclass(frozen=True, slots=True)
class Move:
    """Units into or out of a grant. ``value`` is what they pay of a document."""

    grant_id: UUID
    kind: str
    units: Decimal
    value: Decimal = ZERO
    invoice_id: UUID | None = None
    line_key: str = ""
    credit_note_id: UUID | None = None
    returns_id: UUID | None = None


def lock_grants(grant_ids: Iterable[UUID]) -> dict[UUID, CreditGrant]:
    """Lock grants in one order for every transaction; they are used one after the other."""
    rows = (
        CreditGrant.objects.select_for_update(of=("self",))
        .filter(id__in=set(grant_ids))
        .order_by("id")
    )
    return {row.id: row for row in rows}


def write_moves(
    grants: dict[UUID, CreditGrant], moves: Sequence[Move], *, event: Event, now: datetime
) -> list[CreditTransaction]:
    """Write what becomes of locked grants, with the liability each move releases.

    The liability is a function of the balance, so the releases of a grant add up to what it was
    sold for, in whatever order it is used, given back or expires.
    """
    held = balances_of(grants)
    rows = []
    for position, move in enumerate(moves, start=1):
        grant = grants[move.grant_id]
        before = held.get(grant.id, ZERO)
        after = before + move.units
        held[grant.id] = after
        rows.append(
            CreditTransaction(
                grant=grant,
                kind=move.kind,
                units=move.units,
                value=move.value,
                released=(owed(grant, before) - owed(grant, after)).amount,
                invoice_id=move.invoice_id,
                line_key=move.line_key,
                credit_note_id=move.credit_note_id,
                returns_id=move.returns_id,
                position=position,
                event=event,
                happened_at=now,
            )
        )
    return list(CreditTransaction.objects.bulk_create(rows))


def owed(grant: CreditGrant, balance: Decimal) -> Money:
    """Return the contract liability of a balance, at what the grant was sold for."""
    return liability(Money(grant.cost_amount, grant.currency), grant.amount, balance)


def document_of(invoice: Invoice) -> Document:
    return Document(invoice.customer_id, invoice.id, invoice.schedule_id)


def account_of(grant: CreditGrant | UUID) -> str:
    """Return the line under which the ledger keeps a grant."""
    found: Any = grant.id if isinstance(grant, CreditGrant) else grant
    return f"grant:{found}"
