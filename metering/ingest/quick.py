"""The quick way through: orjson, where it reads exactly what the strict parser reads.

orjson cuts long numbers to floats and keeps the last of two equal keys. Both leave traces
that are cheap to look for; with any doubt about a body, or anything nested in it, the answer
is None and the strict parser reads it. What both take, they take alike (a property test).
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from operator import itemgetter
from typing import Any

import orjson

from metering.domain.events import SUPERSEDES, VOIDS, UsageEvent, Verdict
from metering.ingest import parser
from metering.ingest.parser import FIELDS, Invalid
from monetization.kernel.decimals import NotExact, exact_decimal, plain

# What hides keys from being counted, or a NUL, by the one character that must be there for it:
# looking for one costs a tenth of looking for two.
_STRANGE = (
    (b"\\", (b"\\u0000", b'\\":')),
    (b" ", (b" :",)),
    (b"\t", (b"\t:",)),
    (b"\n", (b"\n:",)),
    (b"\r", (b"\r:",)),
)
# A number that a float may not hold exactly: many digits, or a written exponent.
_DOUBTFUL = re.compile(rb"[:,\[\s]-?(?:[0-9.]{16}|[0-9.]+[eE])")
# The usual spellings of a moment: seconds, with or without a fraction, and Z.
_usual_moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII).fullmatch
_usual_moments = re.compile(
    r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z\n)+", re.ASCII
).fullmatch
_SIMPLE = frozenset((bool, type(None)))
_new = tuple.__new__  # a tenth of the cost of calling the class
_NOTHING: dict[str, Any] = {}
_MAX_KNOWN = 10_000
_types: set[str] = set()  # names of types seen to be well formed
_layouts: dict[tuple[str, ...], str] = {}  # an event's fields in order -> which is its customer


class _Doubt(Exception):
    """The strict parser must read this body."""


def read_batch(
    body: bytes, *, ndjson: bool, default_source: str
) -> list[UsageEvent | Verdict] | None:
    """Return the events of a body, or None if the strict parser has to look."""
    for sign, marks in _STRANGE:
        if sign in body and any(mark in body for mark in marks):
            return None
    keys = body.count(b'":')
    try:
        raw = _lines(body) if ndjson else orjson.loads(body)
        if type(raw) is not list:
            raw = [raw]
        return _alike(raw, keys, body, default_source) or _read(raw, keys, body, default_source)
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


def _alike(
    raw: list[Any], keys: int, body: bytes, default_source: str
) -> list[UsageEvent | Verdict] | None:
    """Read events that are alike, as those of one batch mostly are, column by column.

    :returns: None if they are not, or if any of them needs a closer look; nothing is changed then.
    """
    if not raw or set(map(type, raw)) != {dict}:
        return None
    layouts = set(map(tuple, raw))
    layout = next(iter(layouts))
    subject_key = _subject_of(layout)
    if len(layouts) > 1 or not subject_key or "data" not in layout:
        return None
    names, kinds, subjects, times, data = zip(
        *map(itemgetter("id", "type", subject_key, "time", "data"), raw), strict=True
    )
    sources = [item["source"] for item in raw] if "source" in layout else [default_source]
    if set(map(type, data)) != {dict} or keys != len(layout) * len(raw) + sum(map(len, data)):
        return None
    for column in (names, kinds, subjects, times, sources):
        if set(map(type, column)) != {str}:
            return None
    for text in (names, set(subjects), set(sources)):
        if max(map(len, text)) > parser.MAX_TEXT or any(map(_is_blank, text)):
            return None
    if not all(kind in _types or _is_type(kind) for kind in set(kinds)):
        return None
    if not _usual_moments("\n".join(times) + "\n"):
        return None
    try:
        moments = list(map(datetime.fromisoformat, times))
        _make_plain_columns(data, body)
    except (ValueError, NotExact):
        return None
    if len(sources) < len(raw):
        sources *= len(raw)
    rows = zip(sources, names, kinds, subjects, moments, data, repeat(None), strict=False)
    return list(map(_new, repeat(UsageEvent), rows))


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _make_plain_columns(data: Sequence[dict[str, Any]], body: bytes) -> None:
    """Write the measurements' numbers as plain text, column by column.

    :raises ValueError: or ``NotExact`` if a closer look is needed; nothing is changed then.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in data:
        groups.setdefault(tuple(one), []).append(one)
    written: list[tuple[str, list[dict[str, Any]], list[Any]]] = []
    for properties, alike in groups.items():
        if len(properties) > parser.MAX_PROPERTIES:
            raise ValueError
        for name in properties:
            if not name or len(name) > 100:
                raise ValueError
            column = [one[name] for one in alike]
            kinds = set(map(type, column))
            if kinds == {int}:
                written.append((name, alike, list(map(str, column))))
            elif kinds == {str}:
                if max(map(len, column)) > 2000:
                    raise ValueError
            elif not _SIMPLE.issuperset(kinds):
                if float in kinds and _DOUBTFUL.search(body):
                    raise _Doubt
                written.append((name, alike, list(map(_plain, column))))
    for name, alike, column in written:
        for one, value in zip(alike, column, strict=True):
            one[name] = value


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return plain(exact_decimal(repr(value)))
    if kind is int:
        return str(value)
    if kind is dict or kind is list:
        raise _Doubt
    if kind is str and len(value) > 2000:
        raise ValueError
    return value


def _read(
    raw: list[Any], keys: int, body: bytes, default_source: str
) -> list[UsageEvent | Verdict]:
    result: list[UsageEvent | Verdict] = []
    exact = False  # whether the body's floats are known to be exact
    for index, item in enumerate(raw):
        if type(item) is not dict:
            raise _Doubt
        data = item.get("data", _NOTHING)
        if type(data) is not dict:
            if data is not None:
                raise _Doubt
            data = _NOTHING
        keys -= len(item) + len(data)
        is_usual, has_float = _make_plain(data)
        if has_float and not exact:
            if _DOUBTFUL.search(body):
                raise _Doubt
            exact = True
        event = _event(item, data, default_source) if is_usual else None
        if event is None:
            _refuse_nesting(item)
            result.append(_strictly(item, index, default_source))
        else:
            result.append(event)
    if keys:  # some object had a key twice
        raise _Doubt
    return result


def _make_plain(data: dict[str, Any]) -> tuple[bool, bool]:
    """Write numbers as plain text; say whether all is as usual, and whether floats were there."""
    has_float = False
    is_usual = len(data) <= parser.MAX_PROPERTIES
    for name, value in data.items():
        kind = type(value)
        if kind is str:
            if len(value) > 2000:
                is_usual = False
        elif kind is int:
            data[name] = str(value)
        elif kind is float:
            has_float = True
            try:
                data[name] = plain(exact_decimal(repr(value)))
            except NotExact:
                is_usual = False
        elif kind is dict or kind is list:
            raise _Doubt
        if not name or len(name) > 100:
            is_usual = False
    return is_usual, has_float


def _event(item: dict[str, Any], data: dict[str, Any], default_source: str) -> UsageEvent | None:
    """Return the event if it is as most are; None if it needs a closer look."""
    subject_key = _subject_of(tuple(item))
    if not subject_key:
        return None
    source = item.get("source", default_source)
    name, kind, subject, time = item["id"], item["type"], item[subject_key], item["time"]
    if not (
        type(source) is type(name) is type(kind) is type(subject) is type(time) is str
        and 0 < len(source) <= 200
        and 0 < len(name) <= 200
        and 0 < len(subject) <= 200
        and (kind in _types or _is_type(kind))
        and not (source.isspace() or name.isspace() or subject.isspace())
        and ("data" not in item or item["data"] is data)
    ):
        return None
    if not _usual_moment(time):
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return _new(UsageEvent, (source, name, kind, subject, moment, data, None))


def _subject_of(layout: tuple[str, ...]) -> str:
    found = _layouts.get(layout)
    if found is None:
        found = _layouts[layout] = _subject_key(layout)
    return found


def _subject_key(layout: tuple[str, ...]) -> str:
    """Return which of an event's fields names the customer; empty if it is no usual event."""
    if len(_layouts) >= _MAX_KNOWN:
        _layouts.clear()
    given = [key for key in ("customer", "subject") if key in layout]
    usual = FIELDS.issuperset(layout) and {"id", "type", "time"}.issubset(layout)
    if not usual or len(given) != 1 or not {SUPERSEDES, VOIDS}.isdisjoint(layout):
        return ""
    return given[0]


def _refuse_nesting(item: dict[str, Any]) -> None:
    """Leave objects in odd places to the strict parser: it sees their keys twice."""
    for name, value in item.items():
        if name != "data" and (type(value) is dict or type(value) is list):
            raise _Doubt


def _is_type(kind: str) -> bool:
    if not parser.TYPE.fullmatch(kind):
        return False
    if len(_types) >= _MAX_KNOWN:
        _types.clear()
    _types.add(kind)
    return True


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
