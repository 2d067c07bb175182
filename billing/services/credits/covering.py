"""A grant covers what was used before it: overdrafts are paid from what comes next."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.domain import posting_rules
from billing.models import CreditGrant, CreditTransaction
from billing.selectors.credits import balances_of
from billing.services.calculation import forget_marks
from billing.services.credits.journal import Move, account_of, lock_grants, write_moves
from billing.services.credits.planning import as_pure
from monetization.events.services import append_event
from monetization.kernel.money import ZERO, Money
from monetization.kernel.period import local_day
from monetization.ledger.accounts import Leg
from monetization.ledger.services import first_open_day, post_entry
from monetization.pricing.credits import burn_key

_Kind = CreditTransaction.Kind


def overdrawn_customers() -> list[UUID]:
    """Return the customers of grants that are below zero."""
    deep = list(CreditGrant.objects.filter(allows_overdraft=True).values_list("id", "customer_id"))
    held = balances_of(key for key, _ in deep)
    return sorted({customer for key, customer in deep if held.get(key, ZERO) < 0})


@transaction.atomic
def cover_overdrafts(*, customer_id: UUID, now: datetime) -> int:
    """Bring a customer's overdrawn grants back to zero from active ones that hold something.

    The oldest overdraft first, from grants in burn order that may pay all it may pay, in the
    same units, taxed alike. What the uses were worth is settled already; only what they cost
    moves: from promotional credits to the liability of the grant that pays now, or back.

    :returns: how many grants were covered, in full or in part.
    """
    rows = list(CreditGrant.objects.filter(customer=customer_id).order_by("effective_at", "id"))
    if not any(row.allows_overdraft for row in rows):
        return 0
    grants = lock_grants(row.id for row in rows)
    held = balances_of(grants)
    active = [
        grant
        for grant in sorted(grants.values(), key=lambda one: burn_key(as_pure(one)))
        if held.get(grant.id, ZERO) > 0 and _is_active(grant, now)
    ]
    moves: list[Move] = []
    for deep in (grants[row.id] for row in rows if held.get(row.id, ZERO) < 0):
        for grant in active:
            units = min(held[grant.id], -held[deep.id])
            if units <= 0 or not may_cover(grant, deep):
                continue
            held[grant.id] -= units
            held[deep.id] += units
            moves.append(Move(grant.id, _Kind.COVERING, -units))
            moves.append(Move(deep.id, _Kind.COVERED, units))
    if moves:
        _write(grants, moves, customer_id, now)
    return len({move.grant_id for move in moves if move.kind == _Kind.COVERED})


def _is_active(grant: CreditGrant, now: datetime) -> bool:
    is_over = grant.expires_at is not None and grant.expires_at <= now
    return grant.voided_at is None and grant.effective_at <= now and not is_over


def may_cover(grant: CreditGrant, deep: CreditGrant) -> bool:
    """Say whether a grant may pay whatever an overdrawn one may have paid."""
    alike = ("kind", "currency", "meter_id", "unit_code", "legal_entity_id", "taxed_at")
    if grant.id == deep.id or any(getattr(grant, one) != getattr(deep, one) for one in alike):
        return False
    if grant.schedule_id is not None and grant.schedule_id != deep.schedule_id:
        return False
    return all(
        not mine or (theirs and set(theirs) <= set(mine))
        for mine, theirs in ((grant.products, deep.products), (grant.prices, deep.prices))
    )


def _write(
    grants: dict[UUID, CreditGrant], moves: Sequence[Move], customer_id: UUID, now: datetime
) -> None:
    first = grants[moves[0].grant_id]
    event = append_event(
        type="credits.overdraft_covered",
        subject=f"customer/{customer_id}",
        data={
            "customer_id": str(customer_id),
            "grants": sorted({str(one.grant_id) for one in moves if one.kind == _Kind.COVERED}),
        },
        occurred_at=now,
    )
    rows = write_moves(grants, moves, event=event, now=now)
    legs: dict[UUID, list[Leg]] = {}
    for row in rows:
        grant = grants[row.grant_id]
        released = Money(row.released, grant.currency)
        legs.setdefault(grant.legal_entity_id, []).extend(
            posting_rules.overdraft_covered(customer_id, account_of(grant), released)
        )
    day = first_open_day(local_day(now, first.customer.time_zone))
    for entity_id, entity_legs in legs.items():
        post_entry(
            event=event,
            rule="overdraft_covered",
            entry_date=day,
            legal_entity_id=entity_id,
            legs=entity_legs,
            memo="Overdraft of credits covered",
        )
    forget_marks(customer_id=customer_id)
