"""When a figure has crossed its limit. Pure."""

from dataclasses import dataclass
from decimal import Decimal

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a rule asks of a figure.

    :param basis: ``amount``: the threshold is the limit; ``percent``: a percentage of a base.
    :param direction: ``up``: at the limit or above it; ``down``: at it or below.
    """

    threshold: Decimal
    basis: str = "amount"
    direction: str = "up"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured over a period.

    :param base: what a percentage is of, e.g. the units included; None: there is none.
    :param is_running: it can still grow: its period is not over.
    :param is_level: it goes up and down, like a balance or a latest value; not a sum from zero.
    """

    value: Decimal
    base: Decimal | None = None
    is_running: bool = True
    is_level: bool = False


def limit_of(condition: Condition, base: Decimal | None) -> Decimal | None:
    """Return the limit in the figure's own unit; None if a percentage has nothing to be of.

    >>> limit_of(Condition(Decimal(80), "percent"), Decimal(5000))
    Decimal('4000')
    """
    if condition.basis == "amount":
        return condition.threshold
    if not base or base < 0:
        return None
    return base * condition.threshold / HUNDRED


def has_crossed(condition: Condition, figure: Figure) -> bool:
    """Say whether a figure is at its limit or beyond.

    A sum begins at zero: that it is below a limit means something once its period is over.
    """
    limit = limit_of(condition, figure.base)
    if limit is None:
        return False
    if condition.direction == "up":
        return figure.value >= limit
    return figure.value <= limit and (figure.is_level or not figure.is_running)


def percent_of(value: Decimal, base: Decimal | None) -> Decimal | None:
    """Return a value as a percentage of its base, to one decimal place, towards zero.

    Cut, not rounded: 99.96 % is not shown as all of it.

    >>> percent_of(Decimal("4999"), Decimal(5000))
    Decimal('99.9')
    """
    if not base or base < 0:
        return None
    return Decimal(int(value * HUNDRED * 10 / base)) / 10
