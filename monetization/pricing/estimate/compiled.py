"""A price made ready for one currency: what does not depend on the quantity is done once.

Most lines price one quantity whole and then take discounts off. Thousands of customers on the
same price share what is prepared: labels, tiers used up, their rounded parts. The result is that
of ``rate`` and the modifiers, to the last digit; a property compares the two.
"""

import decimal
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from monetization.kernel.decimals import PRECISION
from monetization.kernel.money import ZERO, Money, minor_unit, whole_money
from monetization.pricing.arithmetic import Exact, add, plus
from monetization.pricing.estimate.lines import Component, Part, Rated, components_of, exact_of
from monetization.pricing.memo import by_identity
from monetization.pricing.modifiers import Change
from monetization.pricing.prices import ChargeModel
from monetization.pricing.rating import Charge, Reach, rate, reach_of

_MONEY = decimal.Context(
    PRECISION, decimal.ROUND_HALF_UP, traps=[decimal.InvalidOperation, decimal.FloatOperation]
)
_rounded, _cut = _MONEY.quantize, _MONEY.plus
_TOO_LONG = (TypeError, decimal.Inexact)  # more digits than decimals keep: fractions go on
_new = tuple.__new__  # a third of the time of calling a named tuple

Priced = tuple[Money, tuple[Component, ...], Exact]  # rounded, its parts, before rounding
Pricer = Callable[..., Priced]  # of a quantity and, perhaps, changes


class _Head(NamedTuple):
    """Tiers used up: the same on every line that goes beyond them."""

    exact: Decimal
    amount: Decimal  # the sum of the rounded parts
    components: tuple[Component, ...]


@by_identity
def _pricers(model: ChargeModel) -> dict[str, Pricer]:
    """Return a model's pricers by currency, filled as they are asked for."""
    return {}


def pricer(model: ChargeModel, currency: str) -> Pricer:
    """Return a function from a quantity, and the changes that follow, to a rounded line.

    It raises ValueError if the quantity is negative.

    >>> from monetization.pricing.prices import PerUnit
    >>> amount, components, exact = pricer(PerUnit(Decimal("0.25")), "USD")(Decimal("10.5"))
    >>> str(amount), components[0].label, str(exact)
    ('2.63 USD', 'Per unit', '2.625')
    """
    known = _pricers(model)
    found = known.get(currency)
    if found is None:
        reach = reach_of(model)
        found = known[currency] = (
            _by_pieces(model, currency) if reach is None else _quick(model, reach, currency)
        )
    return found


def changed(
    exact: Exact, parts: Sequence[Rated], changes: Sequence[Change]
) -> tuple[Exact, list[Rated]]:
    """Apply changes in order, each to what the ones before left.

    :returns: the amount, and the parts with one for every change that did something.
    """
    shown = list(parts)
    for key, label, of in changes:
        step = of(exact)
        if step:
            shown.append(Part(key, label, None, None, step))
            exact = add(exact, step)
    return exact, shown


def _by_pieces(model: ChargeModel, currency: str) -> Pricer:
    def price(quantity: Decimal, changes: Sequence[Change] = ()) -> Priced:
        parts = rate(model, quantity)
        exact, shown = changed(exact_of(parts), parts, changes)
        amount = Money.rounded(exact, currency)
        return amount, components_of(shown, amount), exact

    return price


def _quick(model: ChargeModel, reach: Reach, currency: str) -> Pricer:
    unit, find = minor_unit(currency), reach.find
    heads, zero = _heads(reach.full, unit), _rounded(ZERO, unit)
    by_pieces = _by_pieces(model, currency)

    def price(quantity: Decimal, changes: Sequence[Change] = ()) -> Priced:
        if quantity < ZERO:
            raise ValueError(f"cannot rate {quantity} units")
        found = find(quantity)
        if found is None:
            return by_pieces(quantity, changes)
        used_up, key, label, units, unit_price, exact = found
        shown: tuple[Component, ...] = ()
        booked, whole = ZERO, exact
        try:
            if used_up:
                before, booked, shown = heads[used_up]
                whole = plus(before, exact)
            for change in changes:
                step = change[2](whole)
                if step:  # so the part before is not the last: it is rounded on its own
                    amount = _rounded(exact, unit) or zero
                    booked += amount
                    last = _new(Component, (key, label, units, unit_price, _cut(exact), amount))
                    shown = (*shown, last)
                    (key, label, _), units, unit_price = change, None, None  # type: ignore[assignment]
                    exact, whole = step, plus(whole, step)  # type: ignore[arg-type,assignment]
        except _TOO_LONG:
            return by_pieces(quantity, changes)
        amount = _rounded(whole, unit) or zero
        own = amount - booked if shown else amount
        last = _new(Component, (key, label, units, unit_price, _cut(exact), own))
        return whole_money(amount, currency), (*shown, last) if shown else (last,), whole

    return price


def _heads(full: Sequence[Charge], unit: Decimal) -> tuple[_Head, ...]:
    """Return what every number of tiers used up comes to."""
    heads = [_Head(ZERO, ZERO, ())]
    for key, label, quantity, unit_price, exact in full:
        amount = _rounded(exact, unit) + ZERO
        component = Component(key, label, quantity, unit_price, _cut(exact), amount)
        before = heads[-1]
        heads.append(
            _Head(
                plus(before.exact, exact), before.amount + amount, (*before.components, component)
            )
        )
    return tuple(heads)
