"""Which function translates which kind of case, and how a case's fields are read."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.decimals import exact_decimal
from monetization.pricing.prices import Graduated, PerUnit, StairStep, Tier, Volume

Adapter = Callable[[Mapping[str, Any]], Mapping[str, Any]]
ADAPTERS: dict[str, Adapter] = {}
CURRENCY_OF_SCALE = {0: "JPY", 2: "USD", 3: "KWD", 4: "CLF"}


class UnknownShape(Exception):
    """The case's input is not of the form its kind has."""


def adapter(*kinds: str) -> Callable[[Adapter], Adapter]:
    """Register a translation for one or more kinds."""

    def register(function: Adapter) -> Adapter:
        for kind in kinds:
            ADAPTERS[kind] = function
        return function

    return register


def without_nothing(given: Any) -> Any:
    """Read what is null as absent; only a limit of null means something."""
    if isinstance(given, Mapping):
        return {
            name: value if name == "limits" else without_nothing(value)
            for name, value in given.items()
            if value is not None
        }
    if isinstance(given, list):
        return [without_nothing(one) for one in given if one is not None]
    return given


def number(value: Any, default: str | None = None) -> Decimal:
    """Read a number of a case."""
    if value is None and default is not None:
        value = default
    if value is None:
        raise UnknownShape("a number is missing")
    return exact_decimal(value if isinstance(value, (str, int, Decimal)) else str(value))


def units(value: Any) -> Decimal:
    """Read a measured quantity; a negative one (corrections) is clamped before it is priced."""
    return max(Decimal(0), number(value))


def optional(value: Any) -> Decimal | None:
    return None if value is None else number(value)


def some(value: Any) -> int:
    """Read a number of things of which there must be one."""
    count = int(number(value))
    if count < 1:
        raise UnknownShape(f"{value} where at least one is needed")
    return count


def day(value: Any) -> date:
    """Read a date; the day of an instant."""
    return date.fromisoformat(str(value)[:10])


def instant(value: Any) -> datetime:
    """Read an instant; a bare date is its midnight, UTC."""
    text = str(value)
    if len(text) <= len("2026-01-31"):
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def currency(given: Mapping[str, Any]) -> str:
    """Return a currency with as many decimals as the case's amounts."""
    scale = int(given.get("scale", 2))
    if scale not in CURRENCY_OF_SCALE:
        raise UnknownShape(f"scale {scale} is no currency's")
    return CURRENCY_OF_SCALE[scale]


def tiers(rows: Any) -> tuple[Tier, ...]:
    """Read tiers; a bounded last tier is open, since more usage must have a price."""
    read = [
        Tier(
            optional(row.get("up_to")),
            number(row.get("unit", row.get("unit_price")), "0"),
            number(row.get("flat", row.get("amount")), "0"),
        )
        for row in rows
    ]
    return _opened(read)


def block_tiers(rows: Any) -> tuple[Tier, ...]:
    """Read tiers given by their width: so many blocks of a size."""
    read, reached = [], Decimal(0)
    for row in rows:
        size, blocks = number(row["block_size"]), optional(row.get("max_blocks"))
        reached = reached + size * blocks if blocks is not None else reached
        bound = None if blocks is None or blocks < 0 else reached
        read.append(Tier(bound, number(row["price"]), Decimal(0), size))
    return _opened(read)


def _opened(read: list[Tier]) -> tuple[Tier, ...]:
    if not read:
        raise UnknownShape("there are no tiers")
    last = read[-1]
    return (*read[:-1], Tier(None, last.unit_price, last.flat_fee, last.block_size))


def tiered(given: Mapping[str, Any]) -> PerUnit | Graduated | Volume:
    """Read a price of seats or units: one unit price, or tiers."""
    if "tiers" not in given:
        return PerUnit(number(given["unit"]))
    named = [str(value) for name, value in given.items() if name.endswith(("type", "mode"))]
    return (Volume if "volume" in named else Graduated)(tiers(given["tiers"]))


def stairs(rows: Any) -> StairStep:
    return StairStep(tiers(rows))


def result(**values: Decimal | Fraction | Any) -> Mapping[str, Any]:
    return values
