"""What was used: a quantity, and the parts of it that prices by event look at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from monetization.pricing.arithmetic import exact_sum


@dataclass(frozen=True, slots=True)
class UsagePart:
    """One event, or several that price alike: units or money, and what decides its price."""

    quantity: Decimal
    properties: Mapping[str, str] = field(default_factory=dict)
    minute: int | None = None  # local minute of the week, 0 is Monday 00:00


@dataclass(frozen=True, slots=True)
class Usage:
    """The measured quantity of one charge period and, where the price asks for them, its parts."""

    quantity: Decimal
    parts: tuple[UsagePart, ...] = ()

    @classmethod
    def of(cls, parts: Iterable[UsagePart]) -> "Usage":
        kept = tuple(parts)
        return cls(exact_sum(part.quantity for part in kept), kept)


def minute_of_week(instant: datetime, zone: str) -> int:
    """Return the local minute of the week of an instant: what a wall clock there shows.

    In the night clocks go back the same minutes happen twice and are priced alike.

    >>> from datetime import UTC
    >>> minute_of_week(datetime(2026, 3, 2, 8, 30, tzinfo=UTC), "Europe/Paris")
    570
    """
    local = instant.astimezone(ZoneInfo(zone))
    return local.weekday() * 1440 + local.hour * 60 + local.minute
