"""The payload of every event type: its fields (strings; ids elsewhere by system) and its version.

An upper app registers its types in ``AppConfig.ready`` through ``register_event_type``.
"""

from dataclasses import dataclass
from typing import Any


class PayloadInvalid(ValueError):
    """An event's data does not fit the schema of its type."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of fact. ``description`` is what people read in the activity feed."""

    name: str
    description: str
    required: frozenset[str]
    optional: frozenset[str]
    version: int = 1


_types: dict[str, EventType] = {}


def register_event_type(
    name: str, description: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    """Declare a type of event; registering the same name twice replaces it (autoreload)."""
    _types[name] = EventType(name, description, frozenset(required), frozenset(optional))


def event_type(name: str) -> EventType:
    """Return a registered type.

    :raises PayloadInvalid: if no app registered it.
    """
    try:
        return _types[name]
    except KeyError:
        raise PayloadInvalid(f"unknown event type {name!r}; register it in its app") from None


def event_types() -> tuple[EventType, ...]:
    return tuple(_types[name] for name in sorted(_types))


def validate_payload(name: str, data: dict[str, Any]) -> int:
    """Check the data of an event and return the schema version to record.

    :raises PayloadInvalid: for an unknown type, a missing field or one too many.
    """
    kind = event_type(name)
    missing = kind.required - data.keys()
    unknown = data.keys() - kind.required - kind.optional
    if missing or unknown:
        raise PayloadInvalid(f"{name}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    return kind.version
