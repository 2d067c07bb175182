"""From bytes to usage events: strict, exact, one verdict per event."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from metering.domain.events import (
    SUPERSEDES,
    VOIDS,
    Correction,
    Outcome,
    UsageEvent,
    Value,
    Verdict,
)
from monetization.interface.parsers import strict_json
from monetization.kernel.decimals import NotExact, exact_decimal

MAX_TEXT = 200
MAX_PROPERTIES = 100
FIELDS = frozenset(
    [
        *("id", "source", "type", "subject", "customer", "time", "data", "specversion"),
        *(SUPERSEDES, VOIDS),
    ]
)

_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXTENSION = re.compile(r"[a-z0-9]{1,40}|data_base64", re.ASCII)
TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


class Invalid(ValueError):
    """One event cannot be taken; ``field`` says which part."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def parse_batch(body: bytes, *, ndjson: bool) -> list[Any]:
    """Return the raw events of a body: a JSON array, one object, or a line each.

    A line of NDJSON that is not JSON becomes an ``Invalid`` in its place.

    :raises ParseError: if a JSON body as a whole cannot be read.
    """
    if not ndjson:
        value = strict_json(body)
        return value if isinstance(value, list) else [value]
    return list(_lines(body))


def _lines(body: bytes) -> Iterator[Any]:
    from rest_framework.exceptions import ParseError

    for line in body.split(b"\n"):
        if not line.strip():
            continue
        try:
            yield strict_json(line)
        except ParseError as error:
            yield Invalid("", str(error.detail))


def read_events(raw: list[Any], *, default_source: str) -> list[UsageEvent | Verdict]:
    """Turn raw objects into events, or into the verdict that refuses them, in order."""
    result: list[UsageEvent | Verdict] = []
    for index, item in enumerate(raw):
        try:
            if isinstance(item, Invalid):
                raise item
            result.append(read_event(item, default_source=default_source))
        except Invalid as error:
            result.append(refused(index, item, error))
    return result


def refused(index: int, item: Any, error: Invalid) -> Verdict:
    """Return the verdict on an event that cannot be taken."""
    given = item.get("id") if isinstance(item, dict) else None
    name = given[:MAX_TEXT] if isinstance(given, str) else ""
    return Verdict(index, name, Outcome.INVALID, error.field, error.reason)


def read_event(item: Any, *, default_source: str) -> UsageEvent:
    """Read one event object.

    :raises Invalid: naming the field.
    """
    if not isinstance(item, dict):
        raise Invalid("", "must be an object")
    unknown = sorted(set(item) - FIELDS)
    if unknown:
        _check_extensions(item, unknown)
    if "subject" in item and "customer" in item:
        raise Invalid("customer", "give subject or customer, not both")
    kind = _text(item, "type")
    if not TYPE.fullmatch(kind):
        raise Invalid("type", "must be letters, digits, dots, dashes or underscores")
    source, name = _text(item, "source", default_source), _text(item, "id")
    return UsageEvent(
        source=source,
        id=name,
        type=kind,
        subject=_text(item, "customer" if "customer" in item else "subject"),
        time=read_time(item.get("time")),
        data=_data(item.get("data", {})),
        corrects=_correction(item, source, name),
    )


def _check_extensions(item: dict[str, Any], names: list[str]) -> None:
    """Let a CloudEvent carry attributes that are not ours; they are not kept."""
    if item.get("specversion") != "1.0":
        raise Invalid(names[0], "is not a known field; put measurements under data")
    for name in names:
        if name == "data_base64":
            raise Invalid(name, "is not JSON; send data")
        if name == "datacontenttype" and "json" not in str(item[name]):
            raise Invalid(name, "must be application/json")
        if not _EXTENSION.fullmatch(name):
            raise Invalid(name, "is not a known field; put measurements under data")
        if isinstance(item[name], (dict, list)):
            raise Invalid(name, "must be text, a number, true or false")


def _correction(item: dict[str, Any], source: str, name: str) -> Correction | None:
    """Read which event this one supersedes or voids: an id, or an id with its source."""
    kinds = [kind for kind in (SUPERSEDES, VOIDS) if item.get(kind) is not None]
    if not kinds:
        return None
    if len(kinds) > 1:
        raise Invalid(VOIDS, "give supersedes or voids, not both")
    kind, given = kinds[0], item[kinds[0]]
    if not isinstance(given, dict):
        given = {"id": given}
    if set(given) - {"source", "id"}:
        raise Invalid(kind, "has an id and, for another source, a source")
    try:
        found = Correction(kind, _text(given, "source", source), _text(given, "id"))
    except Invalid as error:
        raise Invalid(f"{kind}.{error.field}", error.reason) from None
    if (found.source, found.id) == (source, name):
        raise Invalid(kind, "must name an earlier event")
    return found


def _text(item: dict[str, Any], name: str, default: str | None = None) -> str:
    value = item.get(name, default)
    if value is None:
        raise Invalid(name, "is missing")
    if not isinstance(value, str) or not value.strip():
        raise Invalid(name, "must be text")
    if len(value) > MAX_TEXT:
        raise Invalid(name, f"must have at most {MAX_TEXT} characters")
    _printable(name, value)
    return value


def _printable(name: str, value: str) -> None:
    if "\x00" in value:
        raise Invalid(name, "must not contain a NUL character")
    if not value.isascii() and _SURROGATE.search(value):
        raise Invalid(name, "must not contain half a surrogate pair")


def read_time(value: object) -> datetime:
    """Read an RFC 3339 moment with its offset; nanoseconds are cut to microseconds.

    :raises Invalid: without offset, for epoch numbers, 24:00, leap seconds, impossible dates.
    """
    if value is None:
        raise Invalid("time", "is missing")
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Invalid("time", "must be like 2026-01-31T12:00:00Z, with an offset")
    *parts, fraction, offset = match.groups()
    try:
        zone = UTC if offset in "Zz" else _zone(offset)
        moment = datetime(*(int(part) for part in parts), tzinfo=zone)  # type: ignore[arg-type,misc]
        micro = int((fraction or ".0")[1:7].ljust(6, "0"))
        return (moment + timedelta(microseconds=micro)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("time", f"is not a moment that exists: {error}") from None


def _zone(offset: str) -> timezone:
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if minutes > 59:
        raise ValueError("an offset has at most 59 minutes")
    ahead = timedelta(hours=hours, minutes=minutes)
    return timezone(-ahead if offset[0] == "-" else ahead)


def _data(value: object) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise Invalid("data", "must be an object")
    if len(value) > MAX_PROPERTIES:
        raise Invalid("data", f"must have at most {MAX_PROPERTIES} properties")
    return {key: _property(key, item) for key, item in value.items()}


def _property(key: str, value: object) -> Value:
    path = f"data.{key}"
    if not key or len(key) > 100:
        raise Invalid(path[:120], "must be a name of at most 100 characters")
    _printable("data", key)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > 2000:
            raise Invalid(path, "must have at most 2000 characters")
        _printable(path, value)
        return value
    if isinstance(value, (int, Decimal)):
        try:
            return exact_decimal(value)
        except NotExact as error:
            raise Invalid(path, str(error)) from None
    raise Invalid(path, "must be text, a number, true, false or null")
