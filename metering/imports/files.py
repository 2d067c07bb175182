"""Read a CSV file in parts that can be found again by their byte offsets. No database.

What a record is, is decided by one reader (``records``) for cutting the file and for reading
its parts, so that a part always starts where the one before ended.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from monetization.kernel.errors import Refusal

MAX_LINE = 1024 * 1024
MAX_FILE = 20 * 1024**3
HEAD = 8 * 1024 * 1024  # how much of a file a preview looks at
_BLOCK = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class FileUnreadable(Refusal):
    """The file is not a CSV file with a header, or is damaged."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the file, or what is wrong with it."""

    line: int  # of the file, the header is 1
    start: int  # bytes, in the decompressed file
    end: int  # exclusive
    cells: list[str]  # empty for a blank line
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of whole records."""

    start: int
    end: int
    first_line: int
    last_line: int


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if its content is gzip whatever its name says.

    :raises FileUnreadable: if it is not there or not readable.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise FileUnreadable(f"{path}: {error.strerror}") from None
    magic = file.read(2)
    file.seek(0)
    return gzip.open(file, "rb") if magic == b"\x1f\x8b" else file  # type: ignore[return-value]


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the decompressed content in blocks.

    :raises FileUnreadable: for damaged gzip, or beyond 20 GB.
    """
    size = 0
    with open_plain(path) as file:
        try:
            while block := file.read(_BLOCK):
                size += len(block)
                if size > MAX_FILE:
                    raise FileUnreadable(f"{path.name} has more than 20 GB; split it")
                yield block
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise FileUnreadable(f"{path.name} is cut short or damaged gzip") from None


def copy_plain(path: Path, target: Path) -> str:
    """Write the decompressed content to ``target`` and return its SHA-256 in hex."""
    digest = hashlib.sha256()
    with target.open("wb") as copy:
        for block in blocks(path):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def head(path: Path) -> bytes:
    """Return whole lines from the beginning of a file, some megabytes at most."""
    content = b""
    for block in blocks(path):
        content += block
        if len(content) >= HEAD:
            return content[: content.rfind(b"\n") + 1]
    return content


class _Lines:
    """Decoded lines up to an offset, for csv.reader; knows where it is."""

    def __init__(self, file: BinaryIO, start: int, end: int | None, line: int) -> None:
        self.file, self.offset, self.end, self.line = file, start, end, line
        self.undecodable = False
        file.seek(start)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self.end is not None and self.offset >= self.end:
            raise StopIteration
        line = self.file.readline(MAX_LINE)
        if not line:
            raise StopIteration
        if len(line) == MAX_LINE:
            raise FileUnreadable(f"line {self.line} has more than 1 MB; is this a CSV file?")
        self.offset += len(line)
        self.line += 1
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.undecodable = True
            return line.decode(errors="replace")


def records(file: BinaryIO, *, start: int, end: int | None, line: int) -> Iterator[Record]:
    """Yield the records between two offsets.

    A quote that does not close spoils its own line only: reading goes on with the next one.

    :param line: the number of the line at ``start``.
    """
    lines = _Lines(file, start, end, line)
    reader = csv.reader(lines, strict=True)
    while True:
        offset, number, lines.undecodable = lines.offset, lines.line, False
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines = _Lines(file, offset, end, number)
            with suppress(StopIteration):
                next(lines)
            reader = csv.reader(lines, strict=True)
            yield Record(number, offset, lines.offset, [], f"is not CSV: {error}")
            continue
        problem = "is not UTF-8" if lines.undecodable else ""
        yield Record(number, offset, lines.offset, cells, problem)


def read_header(file: BinaryIO) -> tuple[list[str], Record]:
    """Return the names of the columns, and where the header ends.

    :raises FileUnreadable: if there is no header, or it cannot be read.
    """
    file.seek(0)
    start = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
    found = next(records(file, start=start, end=None, line=1), None)
    if found is None or found.problem or not found.cells:
        problem = f": {found.problem}" if found is not None and found.problem else ""
        raise FileUnreadable(f"the first line must name the columns{problem}")
    return [cell.strip() for cell in found.cells], found


def cut(file: BinaryIO, *, records_per_part: int) -> Iterator[Part]:
    """Yield the parts of a file after its header."""
    _, header = read_header(file)
    first, count, last = header, 0, header
    for record in records(file, start=header.end, end=None, line=header.line + _height(header)):
        if count == 0:
            first = record
        count, last = count + 1, record
        if count == records_per_part:
            yield Part(first.start, last.end, first.line, last.line)
            count = 0
    if count:
        yield Part(first.start, last.end, first.line, last.line)


def _height(header: Record) -> int:
    return 1 + sum(cell.count("\n") for cell in header.cells)


def read_part(path: Path, part_start: int, part_end: int) -> bytes:
    """Return the bytes of a part."""
    with path.open("rb") as file:
        file.seek(part_start)
        return file.read(part_end - part_start)


def records_of(content: bytes, *, line: int) -> Iterator[Record]:
    """Yield the records of a part's bytes; offsets count from its start."""
    return records(io.BytesIO(content), start=0, end=None, line=line)
