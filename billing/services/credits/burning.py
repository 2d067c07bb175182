"""Use credits when an invoice is issued, and give them back when it is withdrawn or credited."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from billing.domain import posting_rules
from billing.domain.credit_use import returned_units
from billing.domain.posting_rules import Document
from billing.models import (
    CreditGrant,
    CreditNote,
    CreditTransaction,
    Invoice,
    InvoiceCredit,
)
from billing.selectors.credits import balances_of
from billing.services.credits.journal import (
    Move,
    account_of,
    document_of,
    lock_grants,
    write_moves,
)
from monetization.events.models import Event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import ZERO, Money
from monetization.ledger.accounts import Leg

_Kind = CreditTransaction.Kind


class CreditsChanged(Refusal):
    """What the draft pays with credits is not there any more; it has to be recalculated."""


@dataclass(frozen=True, slots=True)
class Credits:
    """What drafts use of credits, with the grants, locked."""

    plans: Mapping[UUID, Sequence[InvoiceCredit]]
    grants: dict[UUID, CreditGrant]


def locked_plans(
    rows: Sequence[Invoice],
) -> tuple[dict[UUID, list[InvoiceCredit]], dict[UUID, CreditGrant], dict[UUID, Refusal]]:
    """Lock the grants drafts use; refuse drafts whose grants hold less than they plan.

    :returns: what each draft uses in order, the grants, and the refusals by invoice.
    """
    plans: dict[UUID, list[InvoiceCredit]] = defaultdict(list)
    for row in InvoiceCredit.objects.filter(invoice__in=rows).order_by("position"):
        plans[row.invoice_id].append(row)
    if not plans:
        return {}, {}, {}
    grants = lock_grants(row.grant_id for rows_of in plans.values() for row in rows_of)
    left = balances_of(grants)
    refused: dict[UUID, Refusal] = {}
    for invoice in rows:
        wanted: dict[UUID, Decimal] = defaultdict(Decimal)
        for row in plans.get(invoice.id, ()):
            wanted[row.grant_id] += row.units
        short = [
            grants[key]
            for key, units in wanted.items()
            if grants[key].voided_at is not None
            or (units > left.get(key, ZERO) and not grants[key].allows_overdraft)
        ]
        if invoice.prepaid_amount > invoice.total_amount:
            refused[invoice.id] = CreditsChanged(
                "credits would settle more than it claims now; recalculate the draft"
            )
            continue
        if short:
            refused[invoice.id] = CreditsChanged(
                f"{short[0].name} holds less than this draft uses of it; recalculate the draft"
            )
            continue
        for key, units in wanted.items():
            left[key] = left.get(key, ZERO) - units
    return plans, grants, refused


def burn(invoice: Invoice, credits: Credits, *, event: Event, now: datetime) -> list[Leg]:
    """Take what an invoice uses from its grants, in the order it was planned.

    :returns: what it means in the ledger.
    """
    moves = [
        Move(row.grant_id, _Kind.BURNED, -row.units, row.value, invoice.id, row.line_key)
        for row in credits.plans.get(invoice.id, ())
        if row.units
    ]
    if not moves:
        return []
    grants = {move.grant_id: credits.grants[move.grant_id] for move in moves}
    rows = write_moves(grants, moves, event=event, now=now)
    return _legs(document_of(invoice), invoice.currency, rows)


def unwind_all(invoice: Invoice, document: Document, *, event: Event, now: datetime) -> list[Leg]:
    """Give everything back that an invoice used, in the order it was recorded."""
    return _give_back(invoice, document, None, None, event=event, now=now)


def unwind(
    invoice: Invoice,
    document: Document,
    wanted: dict[str, Decimal],
    settled: Decimal,
    note: CreditNote,
    *,
    event: Event,
    now: datetime,
) -> list[Leg]:
    """Give back what a credit note takes off: by line where the base was reduced, then settled.

    :param wanted: by the key of the line paid and its grant, how much of the base goes back.
    :param settled: how much of what credits settled goes back.
    """
    return _give_back(invoice, document, wanted, settled, event=event, now=now, note=note)


def _give_back(
    invoice: Invoice,
    document: Document,
    wanted: dict[str, Decimal] | None,
    settled: Decimal | None,
    *,
    event: Event,
    now: datetime,
    note: CreditNote | None = None,
) -> list[Leg]:
    burned = list(
        CreditTransaction.objects.filter(invoice=invoice, kind=_Kind.BURNED)
        .select_related("grant")
        .order_by("position", "id")
    )
    if not burned:
        return []
    grants = lock_grants(row.grant_id for row in burned)
    reduces = {
        (row.grant_id, row.line_key): row.reduces_base
        for row in InvoiceCredit.objects.filter(invoice=invoice)
    }
    earlier = {
        row["returns"]: (row["units"], -row["value"])
        for row in CreditTransaction.objects.filter(returns__in=burned)
        .values("returns")
        .annotate(units=Sum("units"), value=Sum("value"))
    }
    moves, left = [], settled
    for row in burned:
        units_before, before = earlier.get(row.id, (ZERO, ZERO))
        open_value = row.value - before
        if wanted is None:
            back = open_value
        elif reduces[row.grant_id, row.line_key]:
            back = min(open_value, wanted.get(f"{row.grant_id}:{row.line_key}", ZERO))
        else:
            assert left is not None  # noqa: S101 - given with ``wanted``
            back = min(open_value, left)
            left -= back
        if back <= 0:
            continue
        units = returned_units(-row.units, row.value, before, back)
        if before + back >= row.value:
            units = -row.units - units_before
        if units > 0:
            moves.append(
                Move(
                    row.grant_id, _Kind.RETURNED, units, -back, invoice.id, row.line_key,
                    note.id if note else None, row.id,
                )
            )  # fmt: skip
    _open_again(grants, {move.grant_id for move in moves})
    return _legs(document, invoice.currency, write_moves(grants, moves, event=event, now=now))


def _open_again(grants: dict[UUID, CreditGrant], given: set[UUID]) -> None:
    """Let the clock look again at grants that had ended and hold something now."""
    for key in given:
        if grants[key].ended_at is not None:
            grants[key].ended_at = None
            grants[key].save(update_fields=["ended_at"])


def _legs(document: Document, currency: str, rows: Sequence[CreditTransaction]) -> list[Leg]:
    legs: list[Leg] = []
    for row in rows:
        legs += posting_rules.credits_used(
            document,
            account_of(row.grant_id),
            Money(row.value, currency),
            Money(row.released, currency),
        )
    return legs
