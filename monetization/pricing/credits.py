"""Prepaid and promotional credits: which grant pays first, and what each use took. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from monetization.kernel.money import ZERO

NEVER = datetime.max.replace(tzinfo=UTC)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Grant:
    """Credits given or sold: in money, a meter's units, or a custom unit."""

    id: str
    amount: Decimal
    priority: int = 0  # the lowest number pays first
    effective_at: datetime = LONG_AGO
    expires_at: datetime = NEVER  # exclusive
    voided_at: datetime = NEVER
    cost_basis: Decimal = ZERO  # what one unit was sold for; 0 is promotional
    scope: frozenset[str] | None = None  # prices or meters it may pay; None: everything
    created: int = 0  # order of creation
    taxed_at: str = "use"  # use: pays the taxed total; grant: reduces the taxable base

    def is_active(self, at: datetime) -> bool:
        return self.effective_at <= at < min(self.expires_at, self.voided_at)

    def covers(self, key: str | None) -> bool:
        return self.scope is None or (key is not None and key in self.scope)


def burn_key(grant: Grant) -> tuple[int, datetime, bool, bool, int, datetime, int, str]:
    """Return where a grant stands in the order of burning.

    Priority, soonest expiry, promotional before paid, narrower scope, earlier effective,
    earlier created, id: a total order, so that every run burns alike.
    """
    return (
        grant.priority,
        grant.expires_at,
        grant.cost_basis > 0,
        grant.scope is None,  # everything is the widest
        len(grant.scope or ()),
        grant.effective_at,
        grant.created,
        grant.id,
    )


@dataclass(frozen=True, slots=True)
class Consumption:
    """What one use took from one grant."""

    grant_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Burned:
    """The result of one use; ``uncovered`` is what no grant could pay."""

    consumptions: tuple[Consumption, ...]
    balances: dict[str, Decimal]
    uncovered: Decimal


def burn(
    grants: Iterable[Grant],
    balances: Mapping[str, Decimal],
    amount: Decimal,
    *,
    at: datetime | None = None,
    key: str | None = None,
) -> Burned:
    """Take an amount from the grants, in burn order, never below zero.

    :param at: only grants active then pay; None: all of them.
    :param key: the price or meter used; scoped grants pay only theirs.
    """
    left = max(ZERO, amount)
    after = dict(balances)
    taken = []
    for grant in sorted(grants, key=burn_key):
        if (at is not None and not grant.is_active(at)) or not grant.covers(key):
            continue
        part = min(left, max(ZERO, after.get(grant.id, ZERO)))
        if part:
            taken.append(Consumption(grant.id, part))
            after[grant.id] -= part
            left -= part
    return Burned(tuple(taken), after, left)


def unwind(
    consumptions: Sequence[Consumption], balances: Mapping[str, Decimal], amount: Decimal | None
) -> Burned:
    """Give a use back to the grants it was taken from, in the order it was recorded.

    :param amount: how much; None: all of it.
    :returns: what was given back, the balances, and what exceeded the use.
    """
    left = sum((c.amount for c in consumptions), start=ZERO) if amount is None else amount
    after = dict(balances)
    given = []
    for consumption in consumptions:
        part = min(left, consumption.amount)
        if part:
            given.append(Consumption(consumption.grant_id, part))
            after[consumption.grant_id] = after.get(consumption.grant_id, ZERO) + part
            left -= part
    return Burned(tuple(given), after, left)


@dataclass(frozen=True, slots=True)
class PaidLine:
    """A line and what each grant paid of it."""

    key: str
    amount: Decimal
    consumptions: tuple[Consumption, ...]

    @property
    def due(self) -> Decimal:
        return self.amount - sum((c.amount for c in self.consumptions), start=ZERO)


def pay_lines(
    grants: Sequence[Grant],
    balances: Mapping[str, Decimal],
    lines: Sequence[tuple[str, Decimal]],
    *,
    at: datetime | None = None,
) -> tuple[tuple[PaidLine, ...], dict[str, Decimal]]:
    """Pay lines in their order; negative lines are left alone."""
    paid, after = [], dict(balances)
    for key, amount in lines:
        burned = burn(grants, after, amount, at=at, key=key)
        after = burned.balances
        paid.append(PaidLine(key, amount, burned.consumptions))
    return tuple(paid), after


def top_up_due(
    balance: Decimal, threshold: Decimal, target: Decimal | None, fixed: Decimal
) -> Decimal:
    """Return what an automatic top-up buys when a balance falls below its threshold.

    :param target: fill up to it; None: buy the fixed amount.

    >>> top_up_due(Decimal(8), Decimal(10), Decimal(50), Decimal(0))
    Decimal('42')
    """
    if balance >= threshold:
        return ZERO
    return fixed if target is None else max(ZERO, target - balance)
