"""Arrays in Postgres' binary form, put together without an object per element.

psycopg's own list adaptation costs about as much as storing the row; these cost a tenth.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain
from struct import Struct
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_UUID, _TEXT, _BYTEA, _MOMENT, _BIGINT = 2950, 25, 17, 1184, 20
_HEAD = Struct("!iiIii")
_LENGTH = Struct("!i").pack
_NULL = _LENGTH(-1)
_SIXTEEN = _LENGTH(16)
_EIGHT = 8
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class UuidArray(bytes):
    """Elements of 16 bytes."""


class TextArray(bytes):
    """Elements of UTF-8."""


class BytesArray(bytes):
    """Elements of bytes."""


class MomentArray(bytes):
    """Elements of microseconds since 2000-01-01 UTC."""


class BigintArray(bytes):
    """Elements of 64-bit integers."""


def _dumper(oid: int) -> type[Dumper]:
    class ArrayDumper(Dumper):
        format = Format.BINARY

        def dump(self, obj: Any) -> bytes:
            return bytes(obj)

    ArrayDumper.oid = oid
    return ArrayDumper


# The oids of uuid[], text[], bytea[], timestamptz[] and bigint[].
for _class, _oid in (
    (UuidArray, 2951),
    (TextArray, 1009),
    (BytesArray, 1001),
    (MomentArray, 1185),
    (BigintArray, 1016),
):
    psycopg.adapters.register_dumper(_class, _dumper(_oid))


def _array(element: int, parts: Iterable[bytes], count: int, *, nulls: bool = False) -> bytes:
    if not count:
        return Struct("!iiI").pack(0, 0, element)
    return _HEAD.pack(1, int(nulls), element, count, 1) + b"".join(parts)


def micros_of(moment: datetime) -> int:
    """Return microseconds since Postgres' epoch, 2000-01-01 UTC."""
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def uuids(values: Sequence[bytes | None]) -> UuidArray:
    parts = [_SIXTEEN + value if value is not None else _NULL for value in values]
    return UuidArray(_array(_UUID, parts, len(values), nulls=None in values))


def texts(values: Sequence[str]) -> TextArray:
    """Return an array of texts; those that repeat are encoded once."""
    known: dict[str, bytes] = {}
    parts = []
    for value in values:
        part = known.get(value)
        if part is None:
            encoded = value.encode()
            part = known[value] = _LENGTH(len(encoded)) + encoded
        parts.append(part)
    return TextArray(_array(_TEXT, parts, len(values)))


def utf8(values: Sequence[bytes]) -> TextArray:
    """Return an array of texts that are encoded already."""
    return TextArray(_array(_TEXT, [_LENGTH(len(v)) + v for v in values], len(values)))


def blobs(values: Sequence[bytes]) -> BytesArray:
    return BytesArray(_array(_BYTEA, [_LENGTH(len(v)) + v for v in values], len(values)))


def _eights(values: Sequence[int]) -> list[bytes]:
    packed = Struct("!" + "iq" * len(values))
    return [packed.pack(*chain.from_iterable((_EIGHT, value) for value in values))]


def moments(values: Sequence[int]) -> MomentArray:
    return MomentArray(_array(_MOMENT, _eights(values), len(values)))


def bigints(values: Sequence[int]) -> BigintArray:
    return BigintArray(_array(_BIGINT, _eights(values), len(values)))
