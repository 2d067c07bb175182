"""The limit of ``bench rating``: the least a program must do to price lines in decimals.

Written as somebody would by hand for these prices alone: plain lists and loops, no checks, no
labels, no explanation. It gives every line rounded to the cent, and its parts with the residue
on the last, as an invoice shows them.
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Part = list[Any]  # name, units, unit price, amount
Rated = tuple[Decimal, list[Part]]  # exact
Rule = Callable[[Decimal], Rated]
Tiers = Sequence[tuple[Decimal | None, Decimal, Decimal]]  # up to, unit price, flat fee

CENT = Decimal("0.01")
ZERO = Decimal(0)
ONE = Decimal(1)


def line(rule: Rule, quantity: Decimal) -> Rated:
    """Round a line once, its parts too, and put what is left on the last part."""
    whole, parts = rule(quantity)
    amount = whole.quantize(CENT, ROUND_HALF_UP)
    left = amount
    for part in parts:
        part[3] = part[3].quantize(CENT, ROUND_HALF_UP)
        left -= part[3]
    if left:
        parts[-1][3] += left
    return amount, parts


def flat(amount: Decimal) -> Rule:
    def price(quantity: Decimal) -> Rated:
        return amount, [["flat", ONE, amount, amount]]

    return price


def per_unit(unit_price: Decimal) -> Rule:
    def price(quantity: Decimal) -> Rated:
        amount = quantity * unit_price
        return amount, [["unit", quantity, unit_price, amount]]

    return price


def graduated(tiers: Tiers) -> Rule:
    def price(quantity: Decimal) -> Rated:
        parts = []
        floor = whole = ZERO
        for place, (up_to, unit_price, fee) in enumerate(tiers):
            if up_to is None or quantity <= up_to:
                units = quantity - floor
                amount = units * unit_price + fee
                parts.append([place, units, unit_price, amount])
                return whole + amount, parts
            units = up_to - floor
            amount = units * unit_price + fee
            parts.append([place, units, unit_price, amount])
            whole += amount
            floor = up_to
        return whole, parts

    return price


def volume(tiers: Tiers) -> Rule:
    """Also stair steps: tiers whose unit price is zero."""

    def price(quantity: Decimal) -> Rated:
        for place, (up_to, unit_price, fee) in enumerate(tiers):
            if up_to is None or quantity <= up_to:
                amount = quantity * unit_price + fee
                return amount, [[place, quantity, unit_price, amount]]
        return ZERO, []

    return price


def package(size: Decimal, package_price: Decimal, free: Decimal) -> Rule:
    def price(quantity: Decimal) -> Rated:
        packages, rest = divmod(max(ZERO, quantity - free), size)
        if rest:
            packages += 1
        amount = packages * package_price
        return amount, [["package", packages, package_price, amount]]

    return price


def modified(rule: Rule, percent: Decimal, cap: Decimal, minimum: Decimal) -> Rule:
    """Take a percentage off a rule, then at most the cap, then at least the minimum."""
    share = percent / 100

    def price(quantity: Decimal) -> Rated:
        whole, parts = rule(quantity)
        off = whole * share
        if off:
            parts.append(["discount", None, None, -off])
            whole -= off
        if whole > cap:
            parts.append(["cap", None, None, cap - whole])
            whole = cap
        if whole < minimum:
            parts.append(["minimum", None, None, minimum - whole])
            whole = minimum
        return whole, parts

    return price
