"""How a transaction price is divided over performance obligations. Pure.

Source: IFRS 15 paragraphs 73-86; ASC 606-10-32-28 to 32-41.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.money import Money, allocate, total


@dataclass(frozen=True, slots=True)
class Allocation:
    """What each obligation is allocated, and what an accountant should look at."""

    amounts: dict[str, Money]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """Obligations regularly sold together for less than apart, and their price together."""

    names: tuple[str, ...]
    price: Money


def allocate_by_ssp(price: Money, selling_prices: Mapping[str, Decimal]) -> Allocation:
    """Divide a price in proportion to standalone selling prices, losing and inventing nothing.

    Worked example (IFRS 15, Example 33): a price of 100 over selling prices of 50, 25 and 75
    is 33, 17 and 50.
    """
    names = list(selling_prices)
    parts = allocate(price, [Fraction(selling_prices[name]) for name in names])
    return Allocation(dict(zip(names, parts, strict=True)))


def allocate_with_residual(
    price: Money,
    selling_prices: Mapping[str, Decimal],
    residual: str | None,
    bundles: tuple[Bundle, ...] = (),
) -> Allocation:
    """Give observable selling prices first, and the rest to the one whose price varies widely.

    A discount that is observed on a bundle belongs to the bundle alone. What is left, even
    nothing or less, goes to the residual obligation with a warning: then the result does not
    show what the entity expects to be entitled to (IFRS 15 paragraphs 79(c), 80; IE177).

    :param selling_prices: of every obligation but the residual one.
    :param residual: None where every selling price is observable; then a price that they do
        not add up to is divided in proportion to what they got.
    """
    bundled = {name for bundle in bundles for name in bundle.names}
    amounts = {
        name: Money.rounded(selling_price, price.currency)
        for name, selling_price in selling_prices.items()
        if name not in bundled and name != residual
    }
    for bundle in bundles:
        shares = {name: selling_prices[name] for name in bundle.names}
        amounts |= allocate_by_ssp(bundle.price, shares).amounts
    amounts = {name: amounts[name] for name in selling_prices if name in amounts}
    rest = price - total(amounts.values(), price.currency)
    if residual is None:
        if rest:
            observed = {name: amount.amount for name, amount in amounts.items()}
            return allocate_by_ssp(price, observed)
        return Allocation(amounts)
    amounts[residual] = rest
    warnings: tuple[str, ...] = ()
    if rest <= Money.zero(price.currency) or _is_little(rest, amounts):
        warnings = (f"{residual}: a residual of {rest} does not meet the allocation objective",)
    return Allocation(amounts, warnings)


def _is_little(rest: Money, amounts: Mapping[str, Money]) -> bool:
    """Say whether a residual is under a fifth of the average of the others: look at it."""
    others = [amount.amount for amount in amounts.values() if amount is not rest]
    return bool(others) and rest.amount * len(others) < sum(others, start=Decimal(0)) / 5
