"""Whether an event counts in a meter, and with which value. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from metering.domain.events import stored_text
from monetization.kernel.decimals import NotExact, exact_decimal

# Text that counts as a number. One pattern for Python and Postgres, so that the hourly sums
# and the raw events never disagree; every number an event can carry is stored in this form.
NUMBER = r"-?(0|[1-9][0-9]{0,37})(\.[0-9]{1,12})?"
_NUMBER = re.compile(NUMBER)

Counter = Callable[[Mapping[str, Any]], Decimal | int | None]
ADDITIVE = frozenset({"count", "sum", "average"})  # these can be kept as hourly sums


@dataclass(frozen=True, slots=True)
class MeterDefinition:
    """What a meter counts, as a value."""

    id: UUID
    event_type: str
    aggregation: str
    value_property: str
    filters: Mapping[str, Any]  # property -> list of allowed values
    rollup_id: UUID | None = None  # under which its hourly sums are kept, if not its own

    @property
    def rollup(self) -> UUID:
        return self.rollup_id or self.id

    @property
    def is_additive(self) -> bool:
        return self.aggregation in ADDITIVE


def counter(meter: MeterDefinition) -> Counter:
    """Return the function that says what the measurements of an event of its type add.

    None: the event does not count. One without the value, or with one that is no number,
    does not count in a sum.
    """
    value_of = _one if meter.aggregation == "count" else _number_of(meter.value_property)
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


def _one(_data: Mapping[str, Any]) -> int:
    return 1


def _number_of(name: str) -> Counter:
    def value_of(data: Mapping[str, Any]) -> Decimal | int | None:
        value = data.get(name)
        if type(value) is str and value.isdigit() and value.isascii() and len(value) <= 38:
            return int(value) if value[0] != "0" or value == "0" else None
        return counted_number(value)

    return value_of


def counted_number(value: object) -> Decimal | None:
    """Return what a property's value counts: numbers, and text that is a plain number.

    >>> counted_number("12.50"), counted_number("12e2")
    (Decimal('12.50'), None)
    """
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    try:
        return exact_decimal(value)
    except NotExact:
        return None
