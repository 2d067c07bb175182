"""From the inputs of a line, as they are stored with it, to its exact amount and parts."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import orjson

from monetization.kernel.decimals import plain
from monetization.kernel.money import ZERO, Money
from monetization.kernel.period import Period
from monetization.pricing.arithmetic import (
    ONE,
    Exact,
    add,
    exact_sum,
    less,
    minus,
    negated,
    plus,
    scaled,
)
from monetization.pricing.codec import price_from_data
from monetization.pricing.estimate.lines import Part, Rated, exact_of
from monetization.pricing.modifiers import (
    AmountOff,
    Discount,
    PercentOff,
    discount_steps,
    true_up,
)
from monetization.pricing.prices import ChargeModel, PercentOf, Seat
from monetization.pricing.quantities import apply_allowance
from monetization.pricing.rating import Charge, rate
from monetization.pricing.rating_events import rate_usage
from monetization.pricing.seats import BalanceChange, rate_seats
from monetization.pricing.terms.codec import conversion_from_data
from monetization.pricing.usage import Usage, UsagePart

WHOLE = Fraction(1)


def rerate(explanation: Mapping[str, Any]) -> Money:
    """Compute a line again from its stored inputs alone; it must give the stored amount."""
    exact, _ = compute(explanation)
    return Money.rounded(exact, explanation["currency"])


def compute(
    explanation: Mapping[str, Any], model: ChargeModel | None = None
) -> tuple[Exact, list[Rated]]:
    """Return the exact amount and its parts from the inputs of a line.

    :param model: the explanation's model where the caller has it already.
    """
    if explanation["kind"] == "minimum":
        return _compute_minimum(explanation)
    if explanation["kind"] in ("progress", "billed"):
        steps = _progress_parts(explanation)
        return exact_of(steps), steps
    model = model or _model_of(explanation["model"])
    parts = _rated(explanation, model)
    if "pricing_unit" in explanation:
        worth = Decimal(explanation["pricing_unit"]["rate"])
        parts = [_scaled(part, worth) for part in parts]
    exact = exact_of(parts)
    changes = _discount_parts(explanation, exact) if explanation["discounts"] else []
    exact = add(exact, exact_of(changes)) if changes else exact
    for number, cap in enumerate(explanation.get("caps", ()), start=1):
        over = less(exact, Fraction(cap["room"]))
        if over > 0:
            changes.append(Part(f"cap-{number}", cap["label"], None, None, negated(over)))
            exact = less(exact, over)
    return exact, [*parts, *changes]


def _model_of(data: Any) -> ChargeModel:
    """Read a charge model; the same data gives the same object, which rating remembers."""
    return _model_from_text(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=4096)
def _model_from_text(text: bytes) -> ChargeModel:
    return price_from_data(orjson.loads(text))


def _progress_parts(explanation: Mapping[str, Any]) -> list[Rated]:
    """Return a line as it is by now less what was claimed of it, or what was claimed alone."""
    if explanation["kind"] == "billed":
        return _claimed_parts(explanation)
    whole = rerate(explanation["of"]).amount
    quantity = explanation["of"].get("quantity")
    used = None if quantity is None else Decimal(quantity)
    parts: list[Rated] = [Part("used", explanation["label"], used, None, whole)]
    for claimed in explanation["claimed"]:
        parts.extend(_claimed_parts(claimed))
    return parts


def _claimed_parts(claimed: Mapping[str, Any]) -> list[Rated]:
    billed, credited = Decimal(claimed["billed"]), Decimal(claimed["credited"])
    parts: list[Rated] = [Part("billed", claimed["label"], None, None, -billed)]
    if credited:
        parts.append(Part("credited", "Credited since", None, None, credited))
    return parts


def _scaled(part: Rated, factor: Exact) -> Rated:
    key, label, quantity, unit_price, exact = part
    return Part(key, label, quantity, unit_price, scaled(exact, factor))


def factor_of(explanation: Mapping[str, Any]) -> Fraction:
    numerator, denominator = explanation["factor"]
    return Fraction(numerator, denominator)


def _rated(explanation: Mapping[str, Any], model: ChargeModel) -> Sequence[Rated]:
    if isinstance(model, Seat) and "balances" in explanation:
        return _seat_parts(explanation, model)
    charges = _charges(explanation, model)
    # What was used is used, however short the period; a percentage follows its base.
    if explanation["is_usage"] or isinstance(model, PercentOf):
        return charges
    factor = factor_of(explanation)
    return charges if factor == WHOLE else [_scaled(charge, factor) for charge in charges]


def _charges(explanation: Mapping[str, Any], model: ChargeModel) -> Sequence[Charge]:
    """Convert, take included units off, and rate: the whole, or beyond what came before."""
    if "parts" in explanation:
        return rate_usage(model, _converted_usage(explanation))
    quantity = Decimal(explanation["quantity"])
    if "before" not in explanation:
        return rate(model, _billable(explanation, quantity))
    before = Decimal(explanation["before"])
    earlier = _billable(explanation, before)
    later = _billable(explanation, plus(before, quantity))
    return _delta(rate(model, earlier) if earlier else (), rate(model, later))


def _billable(explanation: Mapping[str, Any], quantity: Decimal) -> Decimal:
    """Convert a quantity of the window and take its included units off."""
    converted = _converted(explanation, quantity)
    if "included" not in explanation:
        return converted
    return apply_allowance(converted, Decimal(explanation["included"])).billable


def _converted(explanation: Mapping[str, Any], quantity: Decimal) -> Decimal:
    if "conversion" not in explanation:
        return quantity
    return conversion_from_data(explanation["conversion"]).convert(quantity)


def _converted_usage(explanation: Mapping[str, Any]) -> Usage:
    return Usage.of(
        UsagePart(
            _converted(explanation, Decimal(row["quantity"])),
            row.get("properties", {}),
            row.get("minute"),
        )
        for row in explanation["parts"]
    )


def _delta(before: Sequence[Charge], after: Sequence[Charge]) -> Sequence[Charge]:
    """Return what the later rating has beyond the earlier one, tier by tier."""
    earlier = {charge.key: charge for charge in before}
    changes = []
    for charge in after:
        known = earlier.pop(charge.key, None)
        if known is None:
            changes.append(charge)
            continue
        units, amount = minus(charge.quantity, known.quantity), minus(charge.amount, known.amount)
        if units or amount:
            changes.append(Charge(charge.key, charge.label, units, charge.unit_price, amount))
    gone = [Charge(c.key, c.label, -c.quantity, c.unit_price, -c.amount) for c in earlier.values()]
    return [*gone, *changes]


def _seat_parts(explanation: Mapping[str, Any], model: Seat) -> list[Part]:
    held = explanation["balances"]
    changes = [
        BalanceChange(date.fromisoformat(on), Decimal(balance)) for on, balance in held["changes"]
    ]
    service = Period(*map(date.fromisoformat, explanation["service"]))
    full = Period(*map(date.fromisoformat, explanation["full"]))
    charge = rate_seats(model, service, full, Decimal(held["opening"]), changes)
    parts = [
        Part(f"seats-{number}", f"{plain(s.seats)} seats from {s.since}", s.seats, None, exact)
        for number, (s, exact) in enumerate(zip(charge.steps, charge.exacts, strict=True), start=1)
    ]
    if charge.flat_fees:
        parts.append(Part("flat-fees", "Flat fees", None, None, charge.flat_fees))
    if "beyond_minimum_scale" in held:
        contracted = rate_seats(model, service, full, ZERO)
        label = "Contracted minimum, billed on its own"
        parts.append(Part("contracted", label, None, None, -contracted.exact))
        scale = Fraction(*held["beyond_minimum_scale"])
        parts = [part._replace(exact=scaled(part.exact, scale)) for part in parts]
    return parts


def _discount_parts(explanation: Mapping[str, Any], amount: Exact) -> list[Part]:
    listed = [row for row in explanation["discounts"] if "free_units" not in row]
    factor = factor_of(explanation)
    share = ONE if factor == WHOLE else factor
    discounts: list[Discount] = [
        AmountOff(scaled(Decimal(row["amount"]), share))
        if "amount" in row
        else PercentOff(Decimal(row["percent"]))
        for row in listed
    ]
    taken = discount_steps(amount, discounts)
    parts = []
    for number, (row, off) in enumerate(zip(listed, taken, strict=True), start=1):
        if off:
            label = str(row["label"])
            label = label if "amount" in row else f"{label} {plain(Decimal(row['percent']))}%"
            parts.append(
                (("amount" in row), Part(f"discount-{number}", label, None, None, negated(off)))
            )
    return [part for _, part in sorted(parts, key=lambda pair: pair[0])]  # as they were applied


def _compute_minimum(explanation: Mapping[str, Any]) -> tuple[Exact, list[Rated]]:
    """Top up to the commitment, or charge what lies beyond it by its factor."""
    committed = Fraction(Decimal(explanation["committed"])) * factor_of(explanation)
    charged = Fraction(Decimal(explanation["charged"]))
    due = true_up(charged, committed)
    parts: list[Rated] = [Part("minimum", "Top-up to the minimum", None, None, due)]
    if "overage_factor" in explanation and charged > committed:
        extra = Fraction(Decimal(explanation["overage_factor"])) - 1
        due = (charged - committed) * extra
        parts = [Part("overage", "Spend beyond the commitment", None, None, due)]
    return due, parts


def parts_data(usage: Usage) -> list[dict[str, Any]]:
    """Write usage parts as data, in their order."""
    rows = []
    for part in usage.parts:
        row: dict[str, Any] = {"quantity": plain(part.quantity)}
        if part.properties:
            row["properties"] = dict(sorted(part.properties.items()))
        if part.minute is not None:
            row["minute"] = part.minute
        rows.append(row)
    return rows


def measured_total(usage: Usage) -> Decimal:
    return exact_sum(part.quantity for part in usage.parts) if usage.parts else usage.quantity
