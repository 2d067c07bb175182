"""What a reading counted, broken down for prices that look at more than a quantity."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metering.domain.counting import MeterDefinition
from metering.models import UsageReading
from metering.selectors import definition_of_reading
from metering.stores.aggregates import aggregate_sql, counting_sql, reach_sql
from metering.stores.postgres import COUNTED_AS_OF, bulk_cursor
from monetization.pricing.usage import Usage, UsagePart


@dataclass(frozen=True, slots=True)
class Breakdown:
    """By what the usage of a window is told apart."""

    names: tuple[str, ...] = ()  # properties of the events, in order
    zone: str = ""  # by the minute of the week on a clock there; empty: not by time
    by_event: bool = False  # every event for itself, in the order they happened


@dataclass(frozen=True, slots=True)
class BreakdownRequest:
    reading: UsageReading  # stored or not; its window, meter and snapshot decide what counts
    by: Breakdown


def break_down(requests: Sequence[BreakdownRequest]) -> list[Usage]:
    """Return the parts of what readings counted: exactly their events, no later ones.

    One query per meter and kind of breakdown. Parts of sums and counts add up to the reading.
    """
    found: list[list[UsagePart]] = [[] for _ in requests]
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for index, request in enumerate(requests):
        reading = request.reading
        group = (reading.meter_id, reading.meter_version, reading.snapshot, request.by)
        groups[group].append(index)
    for (_, _, snapshot, by), places in groups.items():
        readings = [requests[place].reading for place in places]
        meter = definition_of_reading(readings[0])
        for index, part in _read(meter, by, snapshot, readings):
            found[places[index]].append(part)
    return [Usage.of(parts) for parts in found]


def _read(
    meter: MeterDefinition, by: Breakdown, snapshot: str, readings: Sequence[UsageReading]
) -> list[tuple[int, UsagePart]]:
    value, value_parameters = aggregate_sql(meter)
    where, parameters = counting_sql(meter)
    columns, column_parameters = _columns(by)
    grouping = ", ".join(["w.i", *(str(place) for place in range(3, 3 + len(columns)))])
    order = "min(e.occurred_at), min(e.id::text)" if by.by_event else grouping
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT w.i, {value}{''.join(f', {column}' for column in columns)}"
            " FROM unnest(%b::int[], %b::uuid[], %b::timestamptz[], %b::timestamptz[], %b::text[])"
            " AS w(i, customer_id, lo, hi, zone)"
            " JOIN metering_usageevent e ON e.customer_id = w.customer_id"
            f" AND {reach_sql(meter)}"
            f" WHERE {where} AND {COUNTED_AS_OF} GROUP BY {grouping} ORDER BY w.i, {order}",
            [
                *value_parameters,
                *column_parameters,
                list(range(len(readings))),
                [reading.customer_id for reading in readings],
                [reading.window_start for reading in readings],
                [reading.window_end for reading in readings],
                [reading.time_zone for reading in readings],
                *parameters,
                snapshot,
                snapshot,
            ],
        )
        rows = cursor.fetchall()
    return [(row[0], _part(by, row[1], row[2:])) for row in rows]


def _columns(by: Breakdown) -> tuple[list[str], list[Any]]:
    """Return what events are told apart by as SQL, with its parameters."""
    columns, parameters = ["e.data ->> %b"] * len(by.names), [*by.names]
    if by.zone:
        local = "(e.occurred_at AT TIME ZONE %b)"
        columns.append(
            f"((extract(isodow FROM {local}) - 1) * 1440 + extract(hour FROM {local}) * 60"
            f" + extract(minute FROM {local}))::int"
        )
        parameters += [by.zone] * 3
    if by.by_event:
        columns.append("e.id::text")
    return columns, parameters


def _part(by: Breakdown, quantity: Any, row: Sequence[Any]) -> UsagePart:
    properties = {
        name: value
        for name, value in zip(by.names, row[: len(by.names)], strict=True)
        if value is not None
    }
    return UsagePart(quantity, properties, row[len(by.names)] if by.zone else None)
