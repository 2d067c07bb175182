"""What time does to credits: grants by plan, expiry with roll-over, top-ups. Safe to repeat."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max, Q

from billing.domain import posting_rules
from billing.domain.credit_use import PLACES
from billing.models import (
    BillingSchedule,
    CreditGrant,
    CreditPlan,
    CreditSale,
    CreditTopUp,
    CreditTransaction,
    Invoice,
)
from billing.selectors.credits import OPEN, balances_of, planned_on
from billing.services.calculation import forget_marks
from billing.services.credits.granting import CreditWords, make_grant, sell_credits
from billing.services.credits.journal import Move, account_of, lock_grants, write_moves
from billing.services.credits.live import live_standings, pool_of
from billing.services.invoicing import issue_invoice, recalculate_invoices
from monetization.events.models import Event
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import ZERO, Money
from monetization.kernel.period import local_day, start_instant
from monetization.ledger.accounts import Account, Leg
from monetization.ledger.services import first_open_day, post_entry
from monetization.pricing.credits import top_up_due
from monetization.pricing.recurrence import CADENCES, nth_date
from monetization.tenancy.models import tenant_today

MOST_STEPS = 1200  # a hundred years of months: a plan that starts long ago ends somewhere
_Kind = CreditTransaction.Kind


@dataclass(frozen=True, slots=True)
class Step:
    """One grant a plan makes: the day it begins, and the next one's."""

    on: date
    following: date


def steps_of(plan: CreditPlan, today: date) -> Iterator[Step]:
    """Yield the steps of a plan that have come, counted from its start."""
    cadence = CADENCES[plan.every]
    for number in range(MOST_STEPS):
        day = nth_date(plan.starts_on, cadence, number)
        if day > today or (plan.ends_on is not None and day >= plan.ends_on):
            return
        yield Step(day, nth_date(plan.starts_on, cadence, number + 1))


@transaction.atomic
def grant_by_plan(*, plan_id: UUID, now: datetime) -> list[CreditGrant]:
    """Make the grants of a plan that are due: one per step, by constraint.

    Where each grant ends with the next, steps that are over already are left out.
    """
    plan: CreditPlan = (
        CreditPlan.objects.select_for_update(of=("self",))
        .select_related("customer")
        .get(id=plan_id)
    )
    if plan.stopped_at is not None or plan.paused_at is not None:
        return []
    zone = plan.customer.time_zone
    given = plan.grants.exclude(origin=CreditGrant.Origin.ROLL_OVER)
    made = set(given.values_list("plan_on", flat=True))
    grants = []
    for step in steps_of(plan, local_day(now, zone)):
        ends = start_instant(step.following, zone) if plan.resets else None
        is_left_out = plan.grants_from is not None and step.on < plan.grants_from
        if step.on in made or is_left_out or (ends is not None and ends <= now):
            continue
        values = {name: getattr(plan, name) for name in _COPIED} | {"amount": plan.amount}
        grants.append(
            make_grant(
                values,
                now=now,
                effective_at=start_instant(step.on, zone),
                expires_at=ends,
                origin=CreditGrant.Origin.PLAN,
                plan=plan,
                plan_on=step.on,
            )
        )
    return grants


_COPIED = (
    "customer_id", "legal_entity_id", "schedule_id", "name", "kind", "currency", "meter_id",
    "unit_code", "priority", "products", "prices", "taxed_at", "allows_overdraft",
)  # fmt: skip


def due_to_expire(*, now: datetime) -> list[UUID]:
    """Return grants whose time is over, once late usage of it is no longer awaited."""
    grace = (
        BillingSchedule.objects.filter(status__in=["active", "suspended", "completed"])
        .values("customer")
        .annotate(hours=Max("grace_hours"))
    )
    hours = {row["customer"]: row["hours"] for row in grace}
    rows = CreditGrant.objects.filter(
        Q(expires_at__lte=now) | Q(voided_at__isnull=False), ended_at__isnull=True
    ).order_by(F("expires_at").asc(nulls_first=True), "id")
    return [
        row.id
        for row in rows
        if row.voided_at is not None
        or row.expires_at + timedelta(hours=hours.get(row.customer_id, 0)) <= now
    ]


@transaction.atomic
def expire_grant(*, grant_id: UUID, now: datetime) -> CreditGrant:
    """End a grant whose time is over: what no open invoice needs of it expires.

    The customer's open invoices are computed first, so that usage from before the end is paid.
    What rolls over becomes a grant of the next period; the rest was paid for or not: what was
    paid is earned (breakage), in the month of the end or the first open one after it.
    """
    customer = CreditGrant.objects.values_list("customer_id", flat=True).get(id=grant_id)
    waiting = Invoice.objects.filter(customer=customer, status__in=OPEN)
    recalculate_invoices(invoice_ids=list(waiting.values_list("id", flat=True)), now=now)
    grants = lock_grants([grant_id])
    grant = grants[grant_id]
    is_over = grant.expires_at is not None and grant.expires_at <= now
    if grant.ended_at is not None or not (is_over or grant.voided_at is not None):
        return grant
    needed = sum((one.units for one in planned_on([grant.id]).get(grant.id, ())), ZERO)
    held = balances_of([grant.id]).get(grant.id, ZERO)
    spare = held - needed
    if spare > 0:
        _let_go(grants, grant, spare, now)
    if needed == 0:
        grant.ended_at = now
        grant.save(update_fields=["ended_at"])
    return grant


def _let_go(
    grants: dict[UUID, CreditGrant], grant: CreditGrant, spare: Decimal, now: datetime
) -> None:
    rolled = _rolled_over(grant, spare)
    event = append_event(
        type="credits.expired",
        subject=f"customer/{grant.customer_id}",
        data={
            "grant_id": str(grant.id),
            "customer_id": str(grant.customer_id),
            "name": grant.name,
            "units": format((spare - rolled).normalize(), "f"),
        },
        occurred_at=now,
    )
    kind = _Kind.VOIDED if grant.voided_at is not None else _Kind.EXPIRED
    moves = [Move(grant.id, _Kind.ROLLED_OVER, -rolled)] if rolled else []
    if spare > rolled:
        moves.append(Move(grant.id, kind, rolled - spare))
    legs: list[Leg] = []
    for row in write_moves(grants, moves, event=event, now=now):
        released = Money(row.released, grant.currency)
        if row.kind == _Kind.ROLLED_OVER:
            legs += _roll_over(grant, rolled, released, event, now)
        else:
            legs += posting_rules.credits_expired(grant.customer_id, account_of(grant), released)
    over = grant.voided_at or grant.expires_at
    assert over is not None  # noqa: S101 - its time is over
    ended_on = local_day(over, grant.customer.time_zone)
    day = first_open_day(ended_on)
    post_entry(
        event=event,
        rule="credits_expired",
        entry_date=day,
        legal_entity_id=grant.legal_entity_id,
        legs=legs,
        memo=f"{grant.name} ended",
        period_of_origin=ended_on.replace(day=1) if day != ended_on else None,
    )


def _rolled_over(grant: CreditGrant, spare: Decimal) -> Decimal:
    """Return what goes into the next period. What rolled over once does not again."""
    plan = grant.plan
    if plan is None or grant.origin == CreditGrant.Origin.ROLL_OVER or grant.voided_at is not None:
        return ZERO
    if not plan.roll_over_fraction:
        return ZERO
    part = (spare * plan.roll_over_fraction) // PLACES * PLACES
    if grant.kind == CreditGrant.Kind.MONEY:
        part = Money.rounded(part, grant.currency, rounding="ROUND_DOWN").amount
    return part if plan.roll_over_most is None else min(part, plan.roll_over_most)


def _roll_over(
    grant: CreditGrant, units: Decimal, cost: Money, event: Event, now: datetime
) -> list[Leg]:
    """Grant what rolls over for one more period; what it was sold for goes along."""
    plan = grant.plan
    assert plan is not None  # noqa: S101 - only grants of a plan roll over
    assert grant.expires_at is not None  # noqa: S101 - the same
    zone = grant.customer.time_zone
    begins = local_day(grant.expires_at, zone)
    ends = next(
        (step.following for step in steps_of(plan, begins) if step.on <= begins < step.following),
        None,
    )
    fresh = CreditGrant.objects.create(
        **{name: getattr(grant, name) for name in _COPIED},
        amount=units,
        cost_amount=cost.amount,
        effective_at=grant.expires_at,
        expires_at=start_instant(ends, zone) if ends else None,
        origin=CreditGrant.Origin.ROLL_OVER,
        plan=plan,
        plan_on=begins,
        rolled_from=grant,
        created_at=now,
    )
    write_moves({fresh.id: fresh}, [Move(fresh.id, _Kind.GRANTED, units)], event=event, now=now)
    forget_marks(customer_id=grant.customer_id)
    return [
        Leg(Account.CUSTOMER_CREDITS, amount, customer_id=grant.customer_id, item_key=key)
        for amount, key in ((cost, account_of(grant)), (-cost, account_of(fresh)))
    ]


@transaction.atomic
def top_up(*, rule_id: UUID, now: datetime) -> Invoice | None:
    """Sell credits if what the customer holds, usage so far taken off, is below the threshold.

    One sale at a time: while its draft waits, nothing more is sold; a constraint says so.
    """
    rule: CreditTopUp = CreditTopUp.objects.select_for_update(of=("self",)).get(id=rule_id)
    if rule.stopped_at is not None or rule.paused_at is not None:
        return None
    if CreditSale.objects.filter(top_up=rule, is_open=True).exists():
        return None
    found = live_standings(customer_ids=[rule.customer_id], now=now)
    left = sum((one.left for one in pool_of(rule, found)), ZERO)
    units = top_up_due(left, rule.threshold, rule.target, rule.amount or ZERO)
    price = Money.rounded(units * rule.unit_cost, rule.currency)
    if units <= 0 or price.amount <= 0:
        return None
    names = (*_COPIED, "amount")
    taken = {name: getattr(rule, name) for name in names if name in CreditWords.__slots__}
    words = CreditWords(**{**taken, "amount": units})
    invoice = sell_credits(
        words=words,
        price=price.amount,
        expires_after_days=rule.expires_after_days,
        top_up=rule,
        now=now,
    )
    if rule.issues_at_once:
        try:
            with transaction.atomic():
                return issue_invoice(invoice_id=invoice.id, issued_on=tenant_today(), now=now)
        except Refusal:  # the draft waits for a person, and says why on its page
            pass
    return invoice
