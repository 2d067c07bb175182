"""Credits by themselves: plans and top-up rules, made, changed, paused and ended."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction

from billing.models import CreditPlan, CreditTerms, CreditTopUp
from billing.services.credits.clock import grant_by_plan
from billing.services.credits.granting import MOST, CreditsInvalid, CreditWords, checked
from monetization.kernel.errors import Refusal
from monetization.kernel.money import ZERO
from monetization.kernel.period import local_day

# What may be changed of a plan and of a rule: whose credits they are, in which units and how
# often is what makes them that plan; another one is made instead.
_TERMS = ("name", "amount", "priority", "products", "prices", "taxed_at", "allows_overdraft")
PLAN_CHANGES = (*_TERMS, "ends_on", "resets", "roll_over_fraction", "roll_over_most")
TOP_UP_CHANGES = (
    *_TERMS, "threshold", "target", "unit_cost", "expires_after_days", "issues_at_once",
)  # fmt: skip


Row = TypeVar("Row", CreditPlan, CreditTopUp)


class CreditsStopped(Refusal):
    """A plan or a rule that was ended stays ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRhythm:
    """When a plan grants, and what happens to what is left at the next step."""

    every: str
    starts_on: date
    ends_on: date | None = None
    resets: bool = True
    roll_over_fraction: Decimal = ZERO
    roll_over_most: Decimal | None = None


@transaction.atomic
def plan_credits(*, words: CreditWords, rhythm: PlanRhythm, now: datetime) -> CreditPlan:
    """Grant credits again and again; the clock makes each grant on its day.

    :raises CreditsInvalid: naming the field.
    """
    values = checked(words)
    if not now.year - 5 <= rhythm.starts_on.year <= 2200:
        raise CreditsInvalid("starts_on: must be at most five years ago")
    _check_rhythm(rhythm)
    more = {one.name: getattr(rhythm, one.name) for one in fields(rhythm)}
    plan: CreditPlan = CreditPlan.objects.create(**values, **more, created_at=now)
    return plan


def _check_rhythm(rhythm: PlanRhythm) -> None:
    if rhythm.every not in CreditPlan.Every.values:
        raise CreditsInvalid(f"every: must be one of {', '.join(CreditPlan.Every.values)}")
    if not 0 <= rhythm.roll_over_fraction <= 1:
        raise CreditsInvalid("roll_over_fraction: must be from 0 to 1")
    if rhythm.ends_on is not None and rhythm.ends_on <= rhythm.starts_on:
        raise CreditsInvalid("ends_on: must be after it starts")
    if rhythm.roll_over_most is not None and not 0 < rhythm.roll_over_most < MOST:
        raise CreditsInvalid("roll_over_most: must be above zero")


@transaction.atomic
def change_plan(*, plan_id: UUID, changes: Mapping[str, Any], now: datetime) -> CreditPlan:
    """Change what a plan grants from its next step on; grants made stay as they are.

    :param changes: of ``PLAN_CHANGES``. Roll-over follows the plan as it is when a grant ends.
    :raises CreditsInvalid: naming the field.
    :raises CreditsStopped: if it was ended.
    """
    plan = _plan(plan_id)
    grant_by_plan(plan_id=plan.id, now=now)
    rhythm = PlanRhythm(**{one.name: getattr(plan, one.name) for one in fields(PlanRhythm)})
    own = {one.name for one in fields(PlanRhythm)}
    _check_rhythm(
        replace(rhythm, **{name: value for name, value in changes.items() if name in own})
    )
    values = _changed_terms(plan, plan.amount, changes)
    return _written(plan, {**{name: changes[name] for name in own & changes.keys()}, **values})


@transaction.atomic
def pause_plan(*, plan_id: UUID, now: datetime) -> CreditPlan:
    """Make no grants until the plan is resumed; what is due by now is granted first."""
    plan = _plan(plan_id)
    grant_by_plan(plan_id=plan.id, now=now)
    return plan if plan.paused_at is not None else _written(plan, {"paused_at": now})


@transaction.atomic
def resume_plan(*, plan_id: UUID, now: datetime) -> CreditPlan:
    """Grant again, from today's step on; what came due while it was paused is left out."""
    plan = _plan(plan_id)
    if plan.paused_at is None:
        return plan
    today = local_day(now, plan.customer.time_zone)
    _written(plan, {"paused_at": None, "grants_from": today})
    grant_by_plan(plan_id=plan.id, now=now)
    return plan


@transaction.atomic
def stop_plan(*, plan_id: UUID, now: datetime) -> CreditPlan:
    """Make no more grants by a plan, ever; those made stay."""
    plan: CreditPlan = CreditPlan.objects.select_for_update(of=("self",)).get(id=plan_id)
    return plan if plan.stopped_at is not None else _written(plan, {"stopped_at": now})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selling:
    """When a rule sells, at which price, and what becomes of the draft."""

    threshold: Decimal
    unit_cost: Decimal
    target: Decimal | None = None
    expires_after_days: int | None = None
    issues_at_once: bool = False


@transaction.atomic
def set_top_up(*, words: CreditWords, selling: Selling, now: datetime) -> CreditTopUp:
    """Sell credits by themselves whenever a customer's live balance falls below a threshold.

    With a target they are filled up to it, and the words' amount is not used.

    :raises CreditsInvalid: naming the field.
    """
    values = checked(words)
    _check_selling(selling)
    if selling.target is not None:
        values["amount"] = None
    more = {one.name: getattr(selling, one.name) for one in fields(selling)}
    rule: CreditTopUp = CreditTopUp.objects.create(**values, **more, created_at=now)
    return rule


def _check_selling(selling: Selling) -> None:
    if not 0 <= selling.threshold < MOST:
        raise CreditsInvalid("threshold: must not be below zero")
    if not 0 < selling.unit_cost < 10**12:
        raise CreditsInvalid("unit_cost: must be above zero")
    if selling.target is not None and not selling.threshold < selling.target < MOST:
        raise CreditsInvalid("target: must be above the threshold")
    days = selling.expires_after_days
    if days is not None and not 1 <= days <= 36500:
        raise CreditsInvalid("expires_after_days: must be from 1 to 36500")


@transaction.atomic
def change_top_up(*, rule_id: UUID, changes: Mapping[str, Any], now: datetime) -> CreditTopUp:
    """Change what a rule sells from its next sale on; a draft that waits stays as it is.

    :param changes: of ``TOP_UP_CHANGES``. A target takes the place of the amount.
    :raises CreditsInvalid: naming the field.
    :raises CreditsStopped: if it was ended.
    """
    rule = _rule(rule_id)
    own = {one.name for one in fields(Selling)}
    selling = Selling(**{name: getattr(rule, name) for name in own})
    selling = replace(selling, **{name: value for name, value in changes.items() if name in own})
    _check_selling(selling)
    amount = changes.get("amount") or rule.amount
    if selling.target is None and amount is None:
        raise CreditsInvalid("amount: say how much is sold, or a target to fill up to")
    values = _changed_terms(rule, amount or Decimal(1), changes)
    values |= {name: getattr(selling, name) for name in own}
    return _written(rule, {**values, "amount": None if selling.target is not None else amount})


@transaction.atomic
def pause_top_up(*, rule_id: UUID, now: datetime) -> CreditTopUp:
    """Sell nothing by a rule until it is resumed; a draft that waits stays."""
    rule = _rule(rule_id)
    return rule if rule.paused_at is not None else _written(rule, {"paused_at": now})


@transaction.atomic
def resume_top_up(*, rule_id: UUID, now: datetime) -> CreditTopUp:
    """Sell by a rule again, at once if the balance is below its threshold."""
    return _written(_rule(rule_id), {"paused_at": None})


@transaction.atomic
def stop_top_up(*, rule_id: UUID, now: datetime) -> CreditTopUp:
    """Sell nothing more by a rule, ever."""
    rule: CreditTopUp = CreditTopUp.objects.select_for_update(of=("self",)).get(id=rule_id)
    return rule if rule.stopped_at is not None else _written(rule, {"stopped_at": now})


def _plan(plan_id: UUID) -> CreditPlan:
    rows = CreditPlan.objects.select_for_update(of=("self",)).select_related("customer")
    plan: CreditPlan = rows.get(id=plan_id)
    _refuse_stopped(plan)
    return plan


def _rule(rule_id: UUID) -> CreditTopUp:
    rule: CreditTopUp = CreditTopUp.objects.select_for_update(of=("self",)).get(id=rule_id)
    _refuse_stopped(rule)
    return rule


def _refuse_stopped(row: CreditPlan | CreditTopUp) -> None:
    if row.stopped_at is not None:
        raise CreditsStopped(f"{row.name} was ended; make another one")


def _changed_terms(row: CreditTerms, amount: Decimal, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Check the terms as they would be, and return those that change."""
    now_said = {
        one.name: getattr(row, one.name) for one in fields(CreditWords) if one.name != "amount"
    }
    wanted = {name: changes[name] for name in _TERMS if changes.get(name) is not None}
    values = checked(CreditWords(**{"amount": amount, **now_said, **wanted}))
    return {name: values[name] for name in wanted}


def _written(row: Row, values: Mapping[str, Any]) -> Row:
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))
    return row
