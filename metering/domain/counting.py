"""Whether an event counts in a meter, and with which value. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from metering.domain.events import UsageEvent, stored_text
from monetization.kernel.decimals import NotExact, exact_decimal

# Text that counts as a number. One pattern for Python and Postgres, so that the hourly sums
# and the raw events never disagree; every number an event can carry is stored in this form.
NUMBER = r"-?(0|[1-9][0-9]{0,37})(\.[0-9]{1,12})?"
_NUMBER = re.compile(NUMBER)

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


def counted_value(meter: MeterDefinition, event: UsageEvent) -> Decimal | None:
    """Return what an event adds to an additive meter; None if it does not count.

    An event without the value, or with one that is no number, does not count.
    """
    if event.type != meter.event_type or not _passes(meter.filters, event):
        return None
    if meter.aggregation == "count":
        return Decimal(1)
    return counted_number(event.data.get(meter.value_property))


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


def _passes(filters: Mapping[str, Any], event: UsageEvent) -> bool:
    data = event.data
    return all(
        name in data and stored_text(data[name]) in [str(one) for one in allowed]
        for name, allowed in filters.items()
    )
