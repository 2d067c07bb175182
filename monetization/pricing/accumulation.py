"""Tiers that run over a longer window than the invoice: bill the difference of two ratings."""

from decimal import Decimal

from monetization.kernel.money import ZERO
from monetization.pricing.arithmetic import minus
from monetization.pricing.prices import ChargeModel
from monetization.pricing.rating import rated_amount

WINDOWS = ("per_period", "over_contract_year", "over_contract")


def rate_delta(model: ChargeModel, before: Decimal, after: Decimal) -> Decimal:
    """Return the exact amount of the units from ``before`` to ``after`` of one window.

    That is rate(after) - rate(before), so the deltas of a window add up to the rating of its
    whole quantity. A window in which nothing was used before starts from nothing billed. It
    may be negative: under volume prices more units can cost less.

    >>> from monetization.pricing.prices import Graduated, Tier
    >>> yearly = Graduated((Tier(Decimal(1000), Decimal(15)), Tier(None, Decimal(12))))
    >>> str(rate_delta(yearly, Decimal(900), Decimal(1100)))
    '2700'
    """
    billed = rated_amount(model, before) if before else ZERO
    return minus(rated_amount(model, after), billed)


def still_to_bill(rated: Decimal, already_billed: Decimal) -> Decimal:
    """Return what late usage adds: rate(all usage) - already billed; negative is a credit."""
    return minus(rated, already_billed)
