"""Balances of grants over time: recurring grants, expiry, resets with roll-over, overage. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from monetization.kernel.money import ZERO
from monetization.pricing.changes import step
from monetization.pricing.credits import Grant, burn
from monetization.pricing.recurrence import Cadence, steps_until


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A grant's balance is filled to its amount again at every step from an anchor."""

    every: Cadence | timedelta
    anchor: datetime

    def __post_init__(self) -> None:
        if isinstance(self.every, timedelta) and self.every <= timedelta(0):
            raise ValueError("every: must be more than nothing")


@dataclass(frozen=True, slots=True)
class GrantPlan:
    """A grant and what time does to it."""

    grant: Grant
    opening: Decimal | None = None  # balance at the start of the run, if it began before
    recurrence: Recurrence | None = None
    roll_over_least: Decimal = ZERO  # balance after a reset is at least this,
    roll_over_most: Decimal = ZERO  # and at most this
    roll_over_fraction: Decimal | None = None  # of the balance, instead of the bounds

    def rolled_over(self, balance: Decimal) -> Decimal:
        if self.roll_over_fraction is not None:
            return balance * self.roll_over_fraction
        return min(self.roll_over_most, max(self.roll_over_least, balance))


@dataclass(frozen=True, slots=True)
class Use:
    at: datetime
    quantity: Decimal
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """A usage period ends: balances roll over, and overage is forgiven unless it is kept."""

    at: datetime
    keeps_overage: bool = False


@dataclass(slots=True)
class Standing:
    """Balances at the end of a run, what no grant could pay, and what expired unused."""

    balances: dict[str, Decimal] = field(default_factory=dict)
    overage: Decimal = ZERO
    breakage: Decimal = ZERO


def run(
    plans: Sequence[GrantPlan],
    uses: Iterable[Use],
    start: datetime,
    end: datetime,
    resets: Sequence[Reset] = (),
    *,
    overdraft: bool = True,
    owed: Decimal = ZERO,
) -> Standing:
    """Follow balances over [start, end).

    At one moment things happen in this order: grants end, balances are reset, recurring
    grants are filled, new grants begin, overage is paid, usage burns. A reset at the very end
    counts; nothing else there does.

    :param overdraft: usage no grant can pay waits for the next grant; else it is lost.
    :param owed: overage from before the start.
    """
    standing = Standing(overage=owed)
    for plan in plans:
        began = plan.grant.effective_at < start
        opening = plan.grant.amount if plan.opening is None else plan.opening
        standing.balances[plan.grant.id] = (
            opening if began and plan.grant.is_active(start) else ZERO
        )
    ordered = sorted((use for use in uses if start <= use.at < end), key=lambda use: use.at)
    fills = {plan.grant.id: _fills(plan, start, end) for plan in plans}
    moments = {start, *(use.at for use in ordered)}
    moments.update(reset.at for reset in resets if start < reset.at <= end)
    for plan in plans:
        ends_at = min(plan.grant.expires_at, plan.grant.voided_at)
        moments.update(at for at in (plan.grant.effective_at, ends_at) if start <= at < end)
        moments.update(fills[plan.grant.id])
    for at in sorted(moments):
        _settle(standing, plans, fills, [reset for reset in resets if reset.at == at], at, end)
        for use in ordered:
            if use.at == at:
                _burn(standing, plans, use.quantity, at, use.key)
        if not overdraft:
            standing.overage = ZERO
    return standing


def _settle(
    standing: Standing,
    plans: Sequence[GrantPlan],
    fills: dict[str, frozenset[datetime]],
    resets: Sequence[Reset],
    at: datetime,
    end: datetime,
) -> None:
    for plan in plans:
        grant, balances = plan.grant, standing.balances
        if grant.effective_at < at and not grant.is_active(at):
            standing.breakage += balances[grant.id]
            balances[grant.id] = ZERO
        elif resets and grant.effective_at < at:
            balances[grant.id] = plan.rolled_over(balances[grant.id])
        is_filled = at in fills[grant.id] or grant.effective_at == at
        if at < end and is_filled and grant.is_active(at):
            balances[grant.id] = grant.amount
    if resets and not any(reset.keeps_overage for reset in resets):
        standing.overage = ZERO
    owed, standing.overage = standing.overage, ZERO
    _burn(standing, plans, owed, at, None)


def _burn(
    standing: Standing, plans: Sequence[GrantPlan], quantity: Decimal, at: datetime, key: str | None
) -> None:
    grants = [plan.grant for plan in plans]
    burned = burn(grants, standing.balances, quantity, at=at, key=key)
    standing.balances = burned.balances
    standing.overage += burned.uncovered


def _fills(plan: GrantPlan, start: datetime, end: datetime) -> frozenset[datetime]:
    """Return when a recurring grant is filled within a run."""
    rule = plan.recurrence
    if rule is None:
        return frozenset()
    moments = set()
    if isinstance(rule.every, timedelta):
        number = (start - rule.anchor) // rule.every
    else:
        number = steps_until(rule.anchor.date(), start.date(), rule.every)
    while (at := _nth(rule, number)) < end:
        if at > start:
            moments.add(at)
        number += 1
    return frozenset(moments)


def _nth(rule: Recurrence, number: int) -> datetime:
    if isinstance(rule.every, timedelta):
        return rule.anchor + rule.every * number
    return step(rule.anchor, rule.every, number)
