"""One contract line over one stretch of service."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.decimals import plain
from monetization.kernel.money import ZERO
from monetization.pricing.arithmetic import as_decimal, exact_sum
from monetization.pricing.codec import price_to_data
from monetization.pricing.estimate.computing import (
    CLAMPED,
    compute,
    measured_total,
    parts_data,
)
from monetization.pricing.estimate.lines import PricedLine, explain, line_key, span_data
from monetization.pricing.memo import by_identity
from monetization.pricing.prices import ChargeModel, Flat, PercentOf, PerUnit, Seat
from monetization.pricing.rating_events import compacted
from monetization.pricing.seats import BalanceChange
from monetization.pricing.terms import (
    OVERAGE_SUFFIX,
    DiscountTerms,
    ItemTerms,
    OrderTerms,
    PhaseTerms,
)
from monetization.pricing.terms.codec import conversion_to_data
from monetization.pricing.terms.validation import BY_EVENT
from monetization.pricing.timeline import ChargePeriod, period_share
from monetization.pricing.usage import Usage


@dataclass(frozen=True, slots=True)
class SeatBalances:
    """Seats held at the start of the service, and the absolute numbers after each change."""

    opening: Decimal
    changes: tuple[BalanceChange, ...] = ()


Measured = Decimal | Usage | SeatBalances


@dataclass(frozen=True, slots=True)
class Context:
    """What a line needs to know of the others."""

    before: Decimal | None = None  # units used earlier in the window that accumulates
    base: Decimal | None = None  # what a percentage of other lines is taken of
    caps: tuple[tuple[str, Fraction], ...] = ()  # (label, room that is left)


def price_charge_period(
    terms: OrderTerms,
    period: ChargePeriod,
    quantity: Measured | None = None,
    context: Context | None = None,
) -> PricedLine:
    """Price one contract line over one stretch of service.

    Order: conversion, included units, charge model, proration, percentage discounts on the
    running total, fixed discounts, caps. Rounded once.

    :param quantity: measured units for usage, with their parts where the price asks for them,
        or seat balances; fixed lines, and seats without balances, take theirs from the terms.
        Negative measurements (corrections) are clamped to zero and the line is flagged.
    """
    context = context or Context()
    phase = terms.phase(period.phase_key)
    item = phase.item(period.item_key)
    measured = _measured(item, period, quantity, context)
    explanation: dict[str, Any] = {
        "kind": "item",
        "currency": terms.currency,
        "model": _model_data(item.model),
        "quantity": plain(max(measured, ZERO)),
        "measured": plain(measured),
        "is_usage": item.kind == "usage",
        **span_data(period),
        "discounts": [discount_data(discount) for discount in _discounts_of(phase, item.key)],
    }
    _explain_modifiers(explanation, phase, item, period, quantity, context)
    amount, components, exact = compute(explanation, item.model)
    explain(explanation, amount, components, exact)
    return PricedLine(
        key=line_key(period),
        item_key=period.item_key,
        phase_key=phase.key,
        kind="item",
        label=item.description or item.product_name,
        service=period.service,
        full=period.full,
        bill_on=period.bill_on,
        quantity=max(measured, ZERO) if not isinstance(item.model, Flat) else Decimal(1),
        unit_price=_unit_price(item),
        exact=as_decimal(exact),
        amount=amount,
        components=components,
        explanation=explanation,
        is_flagged=measured < 0
        or (item.accumulation != "per_period" and exact < 0)
        or any(component.key == CLAMPED for component in components),
    )


@by_identity
def _model_data(model: ChargeModel) -> dict[str, Any]:
    return price_to_data(model)


def _unit_price(item: ItemTerms) -> Decimal | None:
    is_plain = isinstance(item.model, PerUnit) and item.conversion is None
    return item.model.unit_price if is_plain and item.pricing_unit is None else None  # type: ignore[union-attr]


def _measured(
    item: ItemTerms, period: ChargePeriod, quantity: Measured | None, context: Context
) -> Decimal:
    if isinstance(item.model, PercentOf):
        return context.base if context.base is not None else ZERO
    is_overage = period.item_key.endswith(OVERAGE_SUFFIX)
    if isinstance(item.model, Seat) and item.overage_frequency is not None and not is_overage:
        return item.model.contracted_minimum
    if isinstance(quantity, SeatBalances):
        return max((quantity.opening, *(change.balance for change in quantity.changes)))
    if item.kind != "usage":
        return item.quantity
    if isinstance(quantity, Usage):
        return measured_total(quantity)
    return quantity if quantity is not None else ZERO


def _explain_modifiers(
    explanation: dict[str, Any],
    phase: PhaseTerms,
    item: ItemTerms,
    period: ChargePeriod,
    quantity: Measured | None,
    context: Context,
) -> None:
    """Write the inputs only some lines have; what is not used is not said."""
    if item.conversion is not None:
        explanation["conversion"] = conversion_to_data(item.conversion)
    included = _included(phase, item, period)
    if included:
        explanation["included"] = plain(included)
    if item.accumulation != "per_period":
        explanation["before"] = plain(context.before or ZERO)
    if item.pricing_unit is not None:
        unit = item.pricing_unit
        explanation["pricing_unit"] = {"code": unit.code, "rate": plain(unit.rate)}
    if isinstance(item.model, BY_EVENT) and isinstance(quantity, Usage) and quantity.parts:
        # Corrections beyond what was used are clamped: then no part of them is charged.
        kept = compacted(item.model, quantity) if measured_total(quantity) >= 0 else Usage(ZERO)
        explanation |= {"parts": parts_data(kept)} if kept.parts else {}
    if isinstance(item.model, Seat):
        _explain_seats(explanation, item, period, quantity)
    if context.caps:
        explanation["caps"] = [{"label": label, "room": str(room)} for label, room in context.caps]


def _explain_seats(
    explanation: dict[str, Any], item: ItemTerms, period: ChargePeriod, quantity: Measured | None
) -> None:
    """Say which seats a line charges: all, the contracted minimum, or those beyond it."""
    is_overage = period.item_key.endswith(OVERAGE_SUFFIX)
    if item.overage_frequency is not None and not is_overage:
        return  # the contracted minimum at its own rhythm, whatever is held
    held = quantity if isinstance(quantity, SeatBalances) else SeatBalances(item.quantity)
    if not isinstance(quantity, SeatBalances) and not is_overage:
        return
    explanation["balances"] = {
        "opening": plain(held.opening),
        "changes": [[change.on.isoformat(), plain(change.balance)] for change in held.changes],
    }
    if is_overage and item.overage_frequency is not None:
        # The price is per period of the line; overage is charged for periods of its own.
        scale = period_share(item.overage_frequency, item.frequency)
        explanation["balances"]["beyond_minimum_scale"] = [scale.numerator, scale.denominator]


def _included(phase: PhaseTerms, item: ItemTerms, period: ChargePeriod) -> Decimal:
    """Return the units that are free in this period: included ones and unit discounts."""
    units = exact_sum(
        discount.free_units
        for discount in _discounts_of(phase, item.key)
        if discount.free_units is not None
    )
    if item.included is None:
        return units
    own = item.included.units
    if item.included.is_prorated:
        own = as_decimal(Fraction(own) * period.factor)
    return units + own


def discount_data(discount: DiscountTerms) -> dict[str, str]:
    if discount.amount is not None:
        return {"amount": plain(discount.amount), "label": discount.label}
    if discount.free_units is not None:
        return {"free_units": plain(discount.free_units), "label": discount.label}
    return {"percent": plain(discount.percent), "label": discount.label}


def _discounts_of(phase: PhaseTerms, item_key: str) -> Iterable[DiscountTerms]:
    return (
        discount
        for discount in phase.discounts
        if discount.item_keys is None or item_key in discount.item_keys
    )


def scope_of(keys: Sequence[str] | None, phase: PhaseTerms, item_key: str, *, fixed: bool) -> bool:
    """Say whether a minimum or cap counts a line: named, or usage, or everything."""
    if keys is not None:
        return item_key.removesuffix(OVERAGE_SUFFIX) in keys
    return phase.item(item_key).kind == "usage" or fixed
