"""Whether an event counts in a meter, and with which value. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat
from typing import Any
from uuid import UUID

from metering.domain.events import stored_text
from metering.domain.expressions import parse
from metering.domain.numbers import counted_number

Counter = Callable[[Mapping[str, Any]], Decimal | int | None]
ADDITIVE = frozenset({"count", "sum", "average"})  # these can be kept as hourly sums
WEIGHTED = frozenset({"weighted_sum", "prorated_sum"})  # by the time left in the window


@dataclass(frozen=True, slots=True)
class MeterDefinition:
    """What a meter counts, as a value."""

    id: UUID
    event_type: str
    aggregation: str
    value_property: str
    filters: Mapping[str, Any]  # property -> list of allowed values
    rollup_id: UUID | None = None  # under which its hourly sums are kept, if not its own
    expression: str = ""  # the value, instead of a property
    group_by: tuple[str, ...] = ()  # properties it is told apart by when it is read
    carries_over: bool = False  # of a weighted one: its level goes on from before the window

    @property
    def rollup(self) -> UUID:
        return self.rollup_id or self.id

    @property
    def is_additive(self) -> bool:
        return self.aggregation in ADDITIVE

    @property
    def is_weighted(self) -> bool:
        return self.aggregation in WEIGHTED


def counter(meter: MeterDefinition) -> Counter:
    """Return the function that says what the measurements of an event of its type add.

    None: the event does not count. One without the value, or with one that is no number,
    does not count in a sum.
    """
    value_of = _value_of(meter)
    if not meter.filters:
        return value_of
    filters = [
        (name, frozenset(str(one) for one in allowed)) for name, allowed in meter.filters.items()
    ]

    def filtered(data: Mapping[str, Any]) -> Decimal | int | None:
        for name, allowed in filters:
            value = data.get(name)
            if (value if type(value) is str else stored_text(value)) not in allowed:
                return None
        return value_of(data)

    return filtered


def values_of(
    meter: MeterDefinition, data: Sequence[Mapping[str, Any]]
) -> Iterable[Decimal | int | None]:
    """Return what ``counter`` says of each; whole numbers, as most are, all at once."""
    if not meter.filters and not meter.expression:
        if meter.aggregation == "count":
            return repeat(1, len(data))
        name = meter.value_property
        found = [measured.get(name) for measured in data]
        if set(map(type, found)) == {str} and _all_whole(found):  # type: ignore[arg-type]
            return map(int, found)  # type: ignore[arg-type]
    return map(counter(meter), data)


def _all_whole(texts: Sequence[str]) -> bool:
    joined = "".join(texts)
    return (
        joined.isascii()
        and joined.isdigit()
        and all(texts)
        and max(map(len, texts)) <= 38
        and not any(text[0] == "0" and text != "0" for text in texts)
    )


def _value_of(meter: MeterDefinition) -> Counter:
    if meter.aggregation == "count":
        return _one
    if meter.expression:
        return parse(meter.expression).decimal
    return _number_of(meter.value_property)


def _one(_data: Mapping[str, Any]) -> int:
    return 1


def _number_of(name: str) -> Counter:
    def value_of(data: Mapping[str, Any]) -> Decimal | int | None:
        value = data.get(name)
        if type(value) is str and value.isdigit() and value.isascii() and len(value) <= 38:
            return int(value) if value[0] != "0" or value == "0" else None
        return counted_number(value)

    return value_of
