"""Files that are not CSV, read as if they were: Parquet and NDJSON become rows, a few at a time.

Importing cuts a file into parts by byte offsets and reads each part again when it must. A column
store and lines of different shapes cannot be cut like that, so they are written out as CSV once,
with bounded memory, and what follows is the same for every format. Values stay exact: numbers
are written as they stand, never through a float of ours.
"""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

from metering.imports.files import MAX_LINE, FileUnreadable, copy_plain, open_plain
from metering.imports.files import head as plain_head
from monetization.kernel.decimals import plain

ROWS = 2_000  # of a Parquet file in memory at once
MAX_COLUMNS = 1_000
MAX_DEPTH = 5
_PARQUET = b"PAR1"
_BLANKS = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def format_of(path: Path) -> str:
    """Tell by a file's content, whatever its name says, how it is written.

    :returns: ``parquet``, ``ndjson`` or ``csv``.
    :raises FileUnreadable: if it is not there or not readable.
    """
    with open_plain(path) as file:
        try:
            start = file.read(4096)
        except (EOFError, OSError):
            return "csv"  # damaged gzip; reading it says so
    if start.startswith(_PARQUET):
        return "parquet"
    return "ndjson" if start.removeprefix(_BOM).lstrip(_BLANKS)[:1] == b"{" else "csv"


def write_csv(path: Path, target: BinaryIO, *, limit: int | None = None) -> None:
    """Write a Parquet or NDJSON file as CSV: a header, then a row per record.

    :param limit: stop after so many rows.
    :raises FileUnreadable: naming the line, or saying what is wrong with the file.
    """
    rows = _parquet(path) if format_of(path) == "parquet" else _ndjson(path)
    text = TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    header = next(rows)
    writer.writerow(header)
    for number, row in enumerate(rows):
        if limit is not None and number >= limit:
            break
        writer.writerow(row)
    text.detach()


def copy_csv(path: Path, target: Path) -> str:
    """Write the content as CSV to ``target`` and return its SHA-256 in hex."""
    if format_of(path) == "csv":
        return copy_plain(path, target)
    with target.open("wb") as copy:
        write_csv(path, copy)
    with target.open("rb") as copy:
        return hashlib.file_digest(copy, "sha256").hexdigest()


def head(path: Path, *, rows: int) -> bytes:
    """Return whole records from the beginning of a file as CSV, with its header."""
    if format_of(path) == "csv":
        return plain_head(path)
    content = BytesIO()
    write_csv(path, content, limit=rows)
    return content.getvalue()


def _parquet(path: Path) -> Iterator[list[str]]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise FileUnreadable(
            f"{path.name} is a Parquet file, and the package pyarrow that reads them is not"
            " installed here; install it, or send CSV or NDJSON"
        ) from None
    try:
        file = parquet.ParquetFile(path, pre_buffer=False, memory_map=False)
        names = list(file.schema_arrow.names)
        _refuse_wide(path, len(names))
        yield names
        for batch in file.iter_batches(batch_size=ROWS):
            columns = [
                [_text(value) for value in _in_micros(column).to_pylist()]
                for column in batch.columns
            ]
            yield from (list(row) for row in zip(*columns, strict=True))
    except (OSError, ValueError, OverflowError, NotImplementedError) as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise FileUnreadable(f"{path.name} is a damaged Parquet file: {first}") from None


def _in_micros(column: Any) -> Any:
    """Cut the nanoseconds of instants, as events do; Python knows none."""
    kind = column.type
    if str(kind).startswith("timestamp[ns"):
        arrow = import_module("pyarrow")
        return column.cast(arrow.timestamp("us", tz=kind.tz), safe=False)
    return column


def _refuse_wide(path: Path, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise FileUnreadable(f"{path.name} has {columns:,} columns; at most {MAX_COLUMNS:,} fit")


def _ndjson(path: Path) -> Iterator[list[str]]:
    """Yield the names of all properties, in the order they first come, then the records."""
    names: dict[str, None] = {}
    for record in _records(path):
        names.update(dict.fromkeys(record))
        _refuse_wide(path, len(names))
    if not names:
        raise FileUnreadable(f"{path.name} has no record")
    yield list(names)
    for record in _records(path):
        yield [record.get(name, "") for name in names]


def _records(path: Path) -> Iterator[dict[str, str]]:
    with open_plain(path) as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise FileUnreadable(f"line {number} has more than 1 MB; is this NDJSON?")
            line = line.removeprefix(_BOM) if number == 1 else line
            if not line.strip():
                continue
            found = _loaded(line, number)
            if not isinstance(found, dict):
                raise FileUnreadable(f"line {number} is not a JSON object in braces")
            yield dict(_flat(found))


def _loaded(line: bytes, number: int) -> Any:
    try:
        return json.loads(
            line.decode(), parse_float=str, parse_int=str, parse_constant=str,
            object_pairs_hook=_once,
        )  # fmt: skip
    except UnicodeDecodeError:
        raise FileUnreadable(f"line {number} is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise FileUnreadable(f"line {number} is not JSON: {str(error)[:120]}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _flat(record: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, str]]:
    """Yield the values of a record by name; those within others by names with dots."""
    for name, value in record.items():
        if isinstance(value, dict) and depth < MAX_DEPTH:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    """Write a value as a cell: exact, times with their offset, nothing as nothing."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case Decimal():
            return plain(value)
        case float():
            return plain(Decimal(repr(value))) if value == value and abs(value) < 1e300 else ""
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case bytes():
            return value.decode(errors="replace")
        case list() | dict() | tuple():
            return json.dumps(value, default=_text, ensure_ascii=False)
    return str(value)
