"""Aggregations as SQL over raw events ``e``: what counts, its value, and what it comes to."""

from dataclasses import dataclass
from typing import Any

from metering.domain.counting import MeterDefinition
from metering.domain.numbers import NUMBER
from metering.stores.expression_sql import expression_sql

_IS_NUMBER = f"^{NUMBER}$"


@dataclass(frozen=True, slots=True)
class Span:
    """SQL of the window that is read, and of the one that a weighted level is a part of.

    They differ where a window is read day by day: the days then add up to the window.
    """

    lo: str = "w.lo"
    hi: str = "w.hi"
    zone: str = "w.zone"  # whose days a level by the day counts
    whole_lo: str = ""  # of the whole window, where that is another
    whole_hi: str = ""

    @property
    def whole(self) -> tuple[str, str]:
        return self.whole_lo or self.lo, self.whole_hi or self.hi


WINDOW = Span()


def value_sql(meter: MeterDefinition) -> str:
    """Return SQL of an event's value; its parameters come from ``value_parameters``."""
    if meter.aggregation == "count":
        return "1::numeric"
    if meter.expression:
        return expression_sql(meter.expression)
    return "(e.data ->> %b)::numeric"


def value_parameters(meter: MeterDefinition) -> list[Any]:
    has_none = meter.aggregation == "count" or meter.expression
    return [] if has_none else [meter.value_property]


def counting_sql(meter: MeterDefinition) -> tuple[str, list[Any]]:
    """Return the condition under which an event counts, with its parameters."""
    conditions = ["e.type = %b"]
    parameters: list[Any] = [meter.event_type]
    for name, allowed in meter.filters.items():
        conditions.append("e.data ->> %b = ANY(%b::text[])")
        parameters += [name, [str(value) for value in allowed]]
    if meter.aggregation == "count_unique":
        conditions.append("e.data ->> %b IS NOT NULL")
        parameters.append(meter.value_property)
    elif meter.expression:
        conditions.append(f"{expression_sql(meter.expression)} IS NOT NULL")
    elif meter.aggregation != "count":
        conditions.append("e.data ->> %b ~ %b")
        parameters += [meter.value_property, _IS_NUMBER]
    return " AND ".join(conditions), parameters


def reach_sql(meter: MeterDefinition, span: Span = WINDOW) -> str:
    """Return the condition that an event's time bears on a window: in it, or before it too."""
    if meter.carries_over:
        return f"e.occurred_at < {span.hi}"
    return f"e.occurred_at >= {span.whole[0]} AND e.occurred_at < {span.hi}"


def partial_sql(meter: MeterDefinition) -> tuple[str, list[Any]]:
    """Return SQL of what parts of a window add to an additive meter; the reader divides it."""
    if meter.aggregation == "count":
        return "count(*)::numeric", []
    return f"COALESCE(sum({value_sql(meter)}), 0)", value_parameters(meter)


def aggregate_sql(meter: MeterDefinition, span: Span = WINDOW) -> tuple[str, list[Any]]:
    """Return SQL of a meter's quantity over the events of a window, with its parameters."""
    value, named = value_sql(meter), value_parameters(meter)
    match meter.aggregation:
        case "count" | "sum":
            return partial_sql(meter)
        case "average":
            return f"COALESCE(usage_ratio_round(ARRAY[sum({value}), count(*)], 12), 0)", named
        case "max" | "min":
            return f"COALESCE({meter.aggregation}({value}), 0)", named
        case "latest":
            order = "ORDER BY e.occurred_at DESC, e.id DESC"
            return f"COALESCE((array_agg({value} {order}))[1], 0)", named
        case "count_unique":
            return "count(DISTINCT e.data ->> %b)::numeric", [meter.value_property]
        case "weighted_sum" | "prorated_sum":
            between = _days if meter.aggregation == "prorated_sum" else _micros
            held = between(f"GREATEST(e.occurred_at, {span.lo})", span.hi, span.zone)
            whole = between(*span.whole, span.zone)
            levels = f"ARRAY[sum({value} * {held}), max({whole})]"
            return f"COALESCE(usage_ratio_round({levels}, 12), 0)", named
    raise ValueError(f"unknown aggregation {meter.aggregation}")


def _micros(start: str, end: str, zone: str) -> str:
    return f"(extract(epoch FROM {end} - {start}) * 1000000)"


def _days(start: str, end: str, zone: str) -> str:
    """Return SQL of the local days from one moment to another, both of them touched."""
    last = f"(({end} - interval '1 microsecond') AT TIME ZONE {zone})::date"
    return f"({last} + 1 - ({start} AT TIME ZONE {zone})::date)::numeric"
