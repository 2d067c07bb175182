"""The quick way through: orjson, where it reads exactly what the strict parser reads.

orjson cuts long numbers to floats and keeps the last of two equal keys. Both leave traces
that are cheap to look for; with any doubt about a body, or anything nested in it, the answer
is None and the strict parser reads it. What both take, they take alike (a property test).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from metering.domain.events import UsageEvent, Verdict
from metering.ingest import parser
from metering.ingest.parser import FIELDS, Invalid
from monetization.kernel.decimals import NotExact, exact_decimal, plain

_STRANGE = (b"\\u0000", b'\\":', b" :", b"\t:", b"\n:", b"\r:")
# A number that a float may not hold exactly: many digits, or a written exponent.
_DOUBTFUL = re.compile(rb"[:,\[\s]-?(?:[0-9.]{16}|[0-9.]+[eE])")
_types: dict[str, bool] = {}  # type names seen to be well formed
_MAX_TYPES = 10_000


class _Doubt(Exception):
    """The strict parser must read this body."""


def read_batch(
    body: bytes, *, ndjson: bool, default_source: str
) -> list[UsageEvent | Verdict] | None:
    """Return the events of a body, or None if the strict parser has to look."""
    if any(mark in body for mark in _STRANGE):
        return None
    keys = body.count(b'":')
    try:
        raw = _lines(body) if ndjson else orjson.loads(body)
        if type(raw) is not list:
            raw = [raw]
        return _read(raw, keys, body, default_source)
    except (orjson.JSONDecodeError, _Doubt, UnicodeEncodeError):
        return None


def _lines(body: bytes) -> Any:
    """Read NDJSON as one array; every line must be an object by itself."""
    lines = [line for line in map(bytes.strip, body.split(b"\n")) if line]
    if not all(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
        raise _Doubt
    raw = orjson.loads(b"[" + b",\n".join(lines) + b"]")
    if len(raw) != len(lines):
        raise _Doubt
    return raw


def _read(
    raw: list[Any], keys: int, body: bytes, default_source: str
) -> list[UsageEvent | Verdict]:
    result: list[UsageEvent | Verdict] = []
    exact = False  # whether the body's floats are known to be exact
    for index, item in enumerate(raw):
        if type(item) is not dict:
            raise _Doubt
        keys -= len(item)
        data = item.get("data")
        if type(data) is dict:
            keys -= len(data)
        elif data is not None:
            raise _Doubt
        else:
            data = {}
        stored, has_float = _measurements(data)
        if has_float and not exact:
            if _DOUBTFUL.search(body):
                raise _Doubt
            exact = True
        event = _event(item, stored, default_source)
        result.append(event or _strictly(item, index, default_source))
    if keys:  # some object had a key twice
        raise _Doubt
    return result


def _measurements(data: Mapping[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """Return data with numbers as plain text, and whether floats were among them.

    None for what the strict parser must judge.
    """
    stored: dict[str, Any] = {}
    has_float = False
    for name, value in data.items():
        kind = type(value)
        if kind is str:
            if len(value) > 2000:
                return None, has_float
        elif kind is int:
            value = str(value)
        elif kind is float:
            has_float = True
            try:
                value = plain(exact_decimal(repr(value)))
            except NotExact:
                return None, True
        elif kind is dict or kind is list:
            raise _Doubt
        if not name or len(name) > 100:
            return None, has_float
        stored[name] = value
    return (stored if len(stored) <= parser.MAX_PROPERTIES else None), has_float


def _event(
    item: dict[str, Any], data: dict[str, Any] | None, default_source: str
) -> UsageEvent | None:
    """Return the event if it is as most are; None if it needs a closer look."""
    if data is None or not FIELDS.issuperset(item):
        _refuse_nesting(item)
        return None
    get = item.get
    source, name, kind, time = get("source", default_source), get("id"), get("type"), get("time")
    if "customer" not in item:
        subject = get("subject")
    elif "subject" in item:
        return None
    else:
        subject = get("customer")
    if not (
        type(source) is type(name) is type(kind) is type(subject) is type(time) is str
        and 0 < len(source) <= 200
        and 0 < len(name) <= 200
        and 0 < len(subject) <= 200
        and (kind in _types or _is_type(kind))
    ):
        _refuse_nesting(item)
        return None
    if source.isspace() or name.isspace() or subject.isspace():
        return None
    if "supersedes" in item or "voids" in item or ("data" in item and item["data"] is None):
        _refuse_nesting(item)
        return None
    moment = _moment(time)
    return None if moment is None else UsageEvent(source, name, kind, subject, moment, data)


def _refuse_nesting(item: dict[str, Any]) -> None:
    """Leave objects in odd places to the strict parser: it sees their keys twice."""
    for name, value in item.items():
        if name != "data" and (type(value) is dict or type(value) is list):
            raise _Doubt


def _is_type(kind: str) -> bool:
    if not parser.TYPE.fullmatch(kind):
        return False
    if len(_types) < _MAX_TYPES:
        _types[kind] = True
    return True


def _moment(time: str) -> datetime | None:
    """Read the usual spellings: seconds, with or without a fraction, and Z."""
    if not (
        time[-1:] == "Z"
        and len(time) >= 20
        and time.isascii()
        and time[4:5] == time[7:8] == "-"
        and time[10:11] == "T"
        and time[13:14] == time[16:17] == ":"
        and (len(time) == 20 or (time[19] == "." and len(time) <= 30 and time[20:-1].isdigit()))
    ):
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return moment if moment.tzinfo is UTC else None


def _exact(item: dict[str, Any]) -> dict[str, Any]:
    return {
        key: Decimal(repr(value)) if type(value) is float else value for key, value in item.items()
    }


def _strictly(item: dict[str, Any], index: int, default_source: str) -> UsageEvent | Verdict:
    """Let the strict parser judge one event that orjson read; its floats are exact here."""
    exact = _exact(item)
    if type(item.get("data")) is dict:
        exact["data"] = _exact(item["data"])
    try:
        return parser.read_event(exact, default_source=default_source)
    except Invalid as error:
        return parser.refused(index, item, error)
