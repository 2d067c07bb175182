"""Aggregations, conversion, rounding, included units, identity of events."""

from collections.abc import Mapping
from typing import Any

from metering.domain.aggregation import (
    DayDelta,
    Delta,
    Presence,
    Sample,
    aggregate,
    by_property,
    deduplicate,
    prorated_sum,
    prorated_unique_count,
    weighted_sum,
)
from monetization.config.conformance.registry import (
    UnknownShape,
    adapter,
    day,
    instant,
    number,
    result,
    some,
)
from monetization.pricing.quantities import Conversion, apply_allowance, round_units

Case = Mapping[str, Any]
_ROUNDINGS = {
    "round": "half_up",
    "half_up": "half_up",
    "ceil": "up",
    "ceiling": "up",
    "up": "up",
    "floor": "down",
    "down": "down",
    "nearest": "half_up",
    "half-up": "half_up",
    "none": "none",
    "None": "none",
}


def _aggregation(kind: str) -> None:
    @adapter(f"aggregation.{kind}")
    def read(given: Case) -> Mapping[str, Any]:
        samples = [
            Sample(event, instant(event["at"]) if event.get("at") else None, received=place)
            for place, event in enumerate(given.get("events", ()))
        ]
        value_of = by_property(str(given.get("field", "value")))
        value = aggregate(kind, samples, value_of, _filters(given.get("filter")))
        return result(value=value if value is not None else 0)


for _kind in ("count", "sum", "max", "min", "latest", "average", "count_unique"):
    _aggregation(_kind)


def _filters(given: Any) -> dict[str, list[Any]]:
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise UnknownShape("the filter is not an object of allowed values")
    return {
        name: list(allowed) if isinstance(allowed, (list, tuple)) else [allowed]
        for name, allowed in given.items()
    }


@adapter("aggregation.weighted_sum")
def weighted(given: Case) -> Mapping[str, Any]:
    deltas = [
        Delta(instant(event["at"]), number(event["delta"])) for event in given.get("events", ())
    ]
    start, end = instant(given["period_from"]), instant(given["period_to"])
    return result(value=weighted_sum(start, end, deltas, number(given.get("initial"), "0")))


def _days(given: Case) -> int:
    """Return the days of the full period; where none are given the period is whole."""
    span = day(given["period_to"]) - day(given["period_from"])
    return some(given.get("full_period_days", span.days))


@adapter("aggregation.prorated_sum_days")
def prorated_days(given: Case) -> Mapping[str, Any]:
    deltas = [
        DayDelta(day(event["day"]), number(event["value"])) for event in given.get("events", ())
    ]
    value = prorated_sum(
        day(given["period_from"]),
        day(given["period_to"]),
        deltas,
        days_in_full=_days(given),
        opening=number(given.get("initial"), "0"),
    )
    return result(value=value)


@adapter("aggregation.prorated_unique_count")
def prorated_unique(given: Case) -> Mapping[str, Any]:
    items = [
        Presence(
            day(item["add"]) if item.get("add") else None,
            day(item["remove"]) if item.get("remove") else None,
        )
        for item in given["items"]
    ]
    start, end = day(given["period_from"]), day(given["period_to"])
    days = _days(given)
    return result(value=prorated_unique_count(start, end, items, days_in_full=days))


@adapter("meter.unit_conversion")
def conversion(given: Case) -> Mapping[str, Any]:
    rule = Conversion(
        str(given["op"]),
        number(given["factor"]),
        _rounding(given.get("rounding")),
        int(given.get("precision") or 0),
    )
    return result(quantity=rule.convert(number(given["quantity"])))


@adapter("rounding.units")
def rounding(given: Case) -> Mapping[str, Any]:
    places = int(given.get("precision") or 0)
    return result(value=round_units(number(given["value"]), _rounding(given.get("mode")), places))


def _rounding(name: Any) -> str:
    if str(name) not in _ROUNDINGS:
        raise UnknownShape(f"rounding {name!r} is not one we know")
    return _ROUNDINGS[str(name)]


@adapter("discount.usage_quantity")
def included_units(given: Case) -> Mapping[str, Any]:
    included = apply_allowance(
        number(given["quantity"]),
        number(given["free_quantity"]),
        number(given.get("pre_line_quantity"), "0"),
    )
    return result(
        billable_quantity=included.billable,
        billable_pre_line=included.billable_before,
        discounted_quantity=included.included,
    )


@adapter("events.dedupe")
def dedupe(given: Case) -> Mapping[str, Any]:
    """Count after one event per identity is kept: here the last received, as the source does."""
    samples = [
        Sample(event, received=int(event.get("received", place)))
        for place, event in enumerate(given.get("events", ()))
    ]
    kept = deduplicate(samples, given["key"], keep=str(given.get("keep", "last")))
    filters = _filters(given.get("filter"))
    return result(
        count=aggregate("count", kept, filters=filters),
        sum=aggregate("sum", kept, by_property(str(given.get("field", "value"))), filters),
    )
