"""Charge models: cases of one quantity or a few events, and what they cost."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.config.conformance.registry import (
    ADAPTERS,
    UnknownShape,
    adapter,
    block_tiers,
    number,
    optional,
    result,
    stairs,
    tiers,
    units,
)
from monetization.pricing.accumulation import rate_delta, still_to_bill
from monetization.pricing.modifiers import (
    AmountOff,
    Discount,
    PercentOff,
    over_cap,
    scheduled_discount,
    true_up,
)
from monetization.pricing.prices import (
    Capacity,
    CapacityTier,
    ChargeModel,
    Graduated,
    GraduatedPercentage,
    Matrix,
    MatrixCell,
    Package,
    Percentage,
    PercentTier,
    PerUnit,
    Volume,
)
from monetization.pricing.rating import rate, rated_amount
from monetization.pricing.rating_events import rate_usage, usage_amount
from monetization.pricing.seats import walk_levels
from monetization.pricing.usage import Usage, UsagePart

Case = Mapping[str, Any]


@adapter("charge.per_unit")
def per_unit(given: Case) -> Mapping[str, Any]:
    return result(amount=rated_amount(PerUnit(number(given["unit"])), units(given["quantity"])))


@adapter("charge.graduated")
def graduated(given: Case) -> Mapping[str, Any]:
    return _rated(Graduated(tiers(given["tiers"])), given)


@adapter("charge.volume")
def volume(given: Case) -> Mapping[str, Any]:
    return _rated(Volume(tiers(given["tiers"])), given)


@adapter("charge.graduated_blocks")
def graduated_blocks(given: Case) -> Mapping[str, Any]:
    return _rated(Graduated(block_tiers(given["tiers"])), given)


@adapter("charge.volume_blocks")
def volume_blocks(given: Case) -> Mapping[str, Any]:
    return _rated(Volume(block_tiers(given["tiers"])), given)


@adapter("charge.stair_step")
def stair_step(given: Case) -> Mapping[str, Any]:
    return _rated(stairs(given["steps"] if "steps" in given else given["tiers"]), given)


@adapter("charge.package")
def package(given: Case) -> Mapping[str, Any]:
    return _rated(_package(given, at_least_one=bool(given.get("at_least_one"))), given)


@adapter("charge.package_min_one")
def package_min_one(given: Case) -> Mapping[str, Any]:
    return _rated(_package(given, at_least_one=True), given)


def _package(given: Case, *, at_least_one: bool) -> Package:
    return Package(
        number(given["package_size"]),
        number(given["package_amount"]),
        number(given.get("free_units"), "0"),
        at_least_one,
        whole_only=given.get("rounding", given.get("round", "up")) in ("down", "floor"),
    )


@adapter("charge.graduated_percentage")
def graduated_percentage(given: Case) -> Mapping[str, Any]:
    return _rated(_percent_tiers(given), given)


@adapter("charge.graduated_delta", "charge.graduated_percentage_delta", "charge.volume_delta")
def delta(given: Case) -> Mapping[str, Any]:
    model: ChargeModel = (
        _percent_tiers(given)
        if any("rate_pct" in row for row in given["tiers"])
        else Graduated(tiers(given["tiers"]))
    )
    return result(amount=rate_delta(model, units(given.get("from", 0)), units(given["to"])))


def _percent_tiers(given: Case) -> GraduatedPercentage:
    rows = [
        PercentTier(
            optional(row.get("up_to")), number(row["rate_pct"]), number(row.get("flat"), "0")
        )
        for row in given["tiers"]
    ]
    if not rows:
        raise UnknownShape("there are no tiers")
    last = rows[-1]
    return GraduatedPercentage((*rows[:-1], PercentTier(None, last.percent, last.flat_fee)))


@adapter("charge.percentage")
def percentage(given: Case) -> Mapping[str, Any]:
    free_events = given.get("free_events")
    model = Percentage(
        number(given["rate_pct"]),
        number(given.get("fixed_per_event"), "0"),
        int(free_events) or None if free_events is not None else None,
        optional(given.get("free_amount")),
        optional(given.get("min_per_event")),
        optional(given.get("max_per_event")),
    )
    usage = Usage.of(UsagePart(number(event)) for event in given.get("events", ()))
    return result(amount=usage_amount(model, usage))


@adapter("charge.matrix")
def matrix(given: Case) -> Mapping[str, Any]:
    names = {name for cell in given.get("cells", ()) for name in cell["match"]}
    names.update(given.get("group_by") or ())
    model = Matrix(
        tuple(
            MatrixCell(
                tuple((name, _values(allowed)) for name, allowed in cell["match"].items()),
                number(cell["unit"]),
            )
            for cell in given.get("cells", ())
        ),
        number(given.get("default_unit"), "0"),
        tuple(given.get("group_by") or ()),
    )
    usage = Usage.of(
        UsagePart(
            number(event.get("value"), "1"),
            {name: str(event[name]) for name in names if event.get(name) is not None},
        )
        for event in given.get("events", ())
    )
    lines: dict[str, Decimal] = {}
    for charge in rate_usage(model, usage):
        _, _, group = charge.key.partition(":")
        name = "(default)" if charge.key == "default" else group or charge.key
        lines[name] = lines.get(name, Decimal(0)) + charge.amount
    return result(total=usage_amount(model, usage), amount=usage_amount(model, usage), lines=lines)


def _values(allowed: Any) -> tuple[str, ...]:
    return (allowed,) if isinstance(allowed, str) else tuple(map(str, allowed))


@adapter("charge.capacity_tier")
def capacity(given: Case) -> Mapping[str, Any]:
    model = Capacity(
        tuple(
            CapacityTier(
                number(tier["price"]),
                tuple((unit, optional(limit)) for unit, limit in tier["limits"].items()),
            )
            for tier in given["tiers"]
        )
    )
    usage = Usage.of(UsagePart(number(q), {"unit": unit}) for unit, q in given["usage"].items())
    return result(amount=usage_amount(model, usage))


@adapter("charge.discount_schedule")
def discount_schedule(given: Case) -> Mapping[str, Any]:
    rows: list[tuple[Decimal | None, Discount]] = []
    for row in given["tiers"]:
        if "discount_pct" in row:
            off: Discount = PercentOff(number(row["discount_pct"]))
        else:
            off = AmountOff(number(row.get("discount_amount")))
        rows.append((optional(row.get("up_to")), off))
    if not rows:
        raise UnknownShape("there are no tiers")
    rows[-1] = (None, rows[-1][1])
    model = scheduled_discount(number(given["list_price"]), rows, str(given["type"]))
    return _rated(model, given)


@adapter("charge.already_billed_delta")
def already_billed(given: Case) -> Mapping[str, Any]:
    rows = given["tiers"]
    read = block_tiers(rows) if any("block_size" in row for row in rows) else tiers(rows)
    model = Volume(read) if given.get("tier_type") in ("volume", "top_tier") else Graduated(read)
    rated = rated_amount(model, units(given["quantity"]))
    to_bill = still_to_bill(rated, number(given["already_billed"]))
    return result(rated=rated, to_bill=to_bill)


@adapter("charge.graduated_prorated_events")
def prorated_events(given: Case) -> Mapping[str, Any]:
    steps = [
        (number(full), Fraction(number(part)) / Fraction(number(full)))
        for full, part in zip(given["events_full"], given["events_prorated"], strict=True)
        if number(full)
    ]
    per_unit_part, fees = walk_levels(Graduated(tiers(given["tiers"])), steps)
    return result(amount=per_unit_part + fees)


@adapter("charge.per_unit_minmax", "charge.per_unit_delta_max")
def per_unit_bounded(given: Case) -> Mapping[str, Any]:
    return _bounded(rated_amount(PerUnit(number(given["unit"])), units(given["quantity"])), given)


@adapter("charge.volume_minmax")
def volume_bounded(given: Case) -> Mapping[str, Any]:
    return _bounded(rated_amount(Volume(tiers(given["tiers"])), units(given["quantity"])), given)


@adapter("charge.graduated_minmax")
def graduated_bounded(given: Case) -> Mapping[str, Any]:
    model = Graduated(tiers(given["tiers"]))
    return _bounded(rated_amount(model, units(given["quantity"])), given)


def _bounded(usage: Decimal, given: Case) -> Mapping[str, Any]:
    """Cap, then top up to the minimum; what was billed earlier in the period counts for both."""
    before = number(given.get("previously_billed"), "0")
    maximum, minimum = optional(given.get("maximum")), optional(given.get("minimum"))
    over = Fraction(0 if maximum is None else over_cap(usage, maximum, before))
    kept = Fraction(usage) - over
    missing = Fraction(0 if minimum is None else true_up(Fraction(before) + kept, minimum))
    return result(usage=usage, max_discount=over, true_up=missing, total=kept + missing)


@adapter("invoice.sum_charges")
def sum_charges(given: Case) -> Mapping[str, Any]:
    amount = Fraction(0)
    for charge in given["charges"]:
        if charge["kind"] not in ADAPTERS:
            raise UnknownShape(f"no translation for {charge['kind']}")
        priced = ADAPTERS[charge["kind"]](charge)
        amount += Fraction(priced["amount"] if "amount" in priced else priced["total"])
    return result(amount=amount)


def _rated(model: ChargeModel, given: Case) -> Mapping[str, Any]:
    quantity = units(given["quantity"])
    charges = rate(model, quantity)
    return result(
        amount=rated_amount(model, quantity),
        tier_amounts=[charge.amount for charge in charges],
    )
