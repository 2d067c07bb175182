"""A priced line and its visible parts: exact inside, rounded once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from monetization.kernel.decimals import PRECISION, plain
from monetization.kernel.money import Money, rounded_parts
from monetization.kernel.period import Period
from monetization.pricing.arithmetic import Exact, as_decimal, total_of
from monetization.pricing.rating import Charge
from monetization.pricing.timeline import ChargePeriod


class Component(NamedTuple):
    """A visible part of a line: a tier, a discount. Components add up to the line."""

    key: str
    label: str
    quantity: Decimal | None
    unit_price: Decimal | None
    exact: Decimal  # at 60 digits
    amount: Decimal  # of the line's currency, rounded


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One line of a document: exact inside, rounded once."""

    key: str  # stable: item:service_start, or minimum:service_start
    item_key: str
    phase_key: str
    kind: str  # item, minimum
    label: str
    service: Period
    full: Period
    bill_on: date
    quantity: Decimal | None
    unit_price: Decimal | None  # where one price applies to every unit
    exact: Decimal  # before rounding, at 60 digits
    amount: Money
    components: tuple[Component, ...]
    explanation: dict[str, Any] = field(compare=False)
    is_flagged: bool = False  # the measured quantity was negative and was clamped to zero


_component = partial(tuple.__new__, Component)  # a third of the time of calling it


class Part(NamedTuple):
    """A part of a line before it is rounded."""

    key: str
    label: str
    quantity: Decimal | None
    unit_price: Decimal | None
    exact: Exact


Rated = Charge | Part  # alike in shape


def line_key(period: ChargePeriod) -> str:
    """Return the key of the line a charge period becomes, the same at every recalculation."""
    return f"{period.item_key}:{period.phase_key}:{period.service.start.isoformat()}"


def explain(
    explanation: dict[str, Any],
    amount: Money,
    components: Sequence[Component],
    exact: Exact,
) -> None:
    """Write the steps of a line and what they come to into its explanation."""
    explanation["steps"] = [_step(component) for component in components]
    explanation["exact"] = decimal_text(exact)
    explanation["amount"] = str(amount.amount)


def exact_of(parts: Sequence[Rated]) -> Exact:
    """Return the exact sum of parts."""
    return parts[0][-1] if len(parts) == 1 else total_of([part[-1] for part in parts])


def components_of(parts: Sequence[Rated], amount: Money) -> tuple[Component, ...]:
    """Round every part and put the residue on the last, so that parts add up to the line."""
    if len(parts) == 1:
        key, label, quantity, unit_price, exact = parts[0]
        return (_component((key, label, quantity, unit_price, as_decimal(exact), amount.amount)),)
    amounts = rounded_parts([part[-1] for part in parts], amount)
    return tuple(
        [
            _component((key, label, quantity, unit_price, as_decimal(exact), rounded))
            for (key, label, quantity, unit_price, exact), rounded in zip(
                parts, amounts, strict=True
            )
        ]
    )


def _step(component: Component) -> dict[str, Any]:
    return {
        "key": component.key,
        "label": component.label,
        "quantity": None if component.quantity is None else plain(component.quantity),
        "unit_price": None if component.unit_price is None else plain(component.unit_price),
        "exact": plain(component.exact),
        "amount": str(component.amount),
    }


def decimal_text(value: Exact) -> str:
    return f"{plain(as_decimal(value))[:PRECISION]}"


def span_data(period: ChargePeriod) -> dict[str, Any]:
    """Return what an explanation says about the time a line covers."""
    return {
        "factor": [period.factor.numerator, period.factor.denominator],
        "service": [period.service.start.isoformat(), period.service.end.isoformat()],
        "full": [period.full.start.isoformat(), period.full.end.isoformat()],
    }
