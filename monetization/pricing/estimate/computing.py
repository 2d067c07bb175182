"""From the inputs of a line, as they are stored with it, to its exact amount and parts."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.decimals import plain
from monetization.kernel.money import ZERO, Money
from monetization.kernel.period import Period
from monetization.pricing.arithmetic import (
    ONE,
    Exact,
    exact_sum,
    minus,
    plus,
    scaled,
)
from monetization.pricing.codec import price_from_data
from monetization.pricing.estimate.compiled import Priced, changed, pricer
from monetization.pricing.estimate.lines import Part, Rated, components_of, exact_of
from monetization.pricing.modifiers import (
    Change,
    amount_change,
    cap_change,
    percent_change,
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
CLAMPED = "clamped"  # the part that brings a line of events back to nothing


def rerate(explanation: Mapping[str, Any]) -> Money:
    """Compute a line again from its stored inputs alone; it must give the stored amount."""
    return compute(explanation)[0]


def compute(explanation: Mapping[str, Any], model: ChargeModel | None = None) -> Priced:
    """Return the amount of a line, its parts and its exact amount from its inputs.

    :param model: the explanation's model where the caller has it already.
    """
    currency = explanation["currency"]
    if explanation["kind"] == "minimum":
        exact, parts = _compute_minimum(explanation)
    elif explanation["kind"] in ("progress", "billed"):
        parts = _progress_parts(explanation)
        exact = exact_of(parts)
    else:
        model = model or price_from_data(explanation["model"])
        changes = _changes(explanation)
        if is_whole(explanation, model):
            quantity = _billable(explanation, Decimal(explanation["quantity"]))
            return pricer(model, currency)(quantity, changes)
        rated = _not_below_zero(_rated(explanation, model), explanation)
        if "pricing_unit" in explanation:
            worth = Decimal(explanation["pricing_unit"]["rate"])
            rated = [_scaled(part, worth) for part in rated]
        exact, parts = changed(exact_of(rated), rated, changes)
    amount = Money.rounded(exact, currency)
    return amount, components_of(parts, amount), exact


def is_whole(explanation: Mapping[str, Any], model: ChargeModel) -> bool:
    """Say whether a line prices one quantity in full, with nothing before it."""
    if not _PARTIAL.isdisjoint(explanation):
        return False
    if explanation["is_usage"] or isinstance(model, PercentOf):
        return True
    numerator, denominator = explanation["factor"]
    return bool(numerator == denominator)


_PARTIAL = frozenset({"parts", "before", "balances", "pricing_unit"})


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


def _not_below_zero(rated: Sequence[Rated], explanation: Mapping[str, Any]) -> Sequence[Rated]:
    """Charge nothing where corrections of dear events take back more than cheap ones cost."""
    below = exact_of(rated) if "parts" in explanation and rated else ZERO
    if below >= 0:
        return rated
    return [*rated, Part(CLAMPED, "Corrections beyond what is charged", None, None, -below)]


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


def _changes(explanation: Mapping[str, Any]) -> list[Change]:
    """Return what follows the rating: percentages, then amounts, then caps."""
    listed = [row for row in explanation["discounts"] if "free_units" not in row]
    percents, amounts = [], []
    for number, row in enumerate(listed, start=1):
        key, label = f"discount-{number}", str(row["label"])
        if "amount" in row:
            off = scaled(Decimal(row["amount"]), _share(explanation))
            amounts.append(Change(key, label, amount_change(off)))
        else:
            percent = Decimal(row["percent"])
            label = f"{label} {plain(percent)}%"
            percents.append(Change(key, label, percent_change(percent)))
    caps = [
        Change(f"cap-{number}", cap["label"], cap_change(Fraction(cap["room"])))
        for number, cap in enumerate(explanation.get("caps", ()), start=1)
    ]
    return [*percents, *amounts, *caps]


def _share(explanation: Mapping[str, Any]) -> Exact:
    factor = factor_of(explanation)
    return ONE if factor == WHOLE else factor


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
