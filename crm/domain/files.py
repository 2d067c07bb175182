"""CSV files as people save them: read as rows with their line numbers. Pure."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BYTES = 10 * 1024**2
MAX_ROWS = 50_000
MAX_COLUMNS = 200
MAX_CELL = 20_000


class FileRefused(ValueError):
    """The file cannot be read as rows under a header."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row and the line of the file it begins on; the header is line 1."""

    line: int
    cells: list[str]


def read_file(content: bytes) -> tuple[list[str], list[Row]]:
    r"""Return the header and the rows; blank lines are passed over.

    Separators are commas, semicolons or tabs, whichever the header has most of.

    :raises FileRefused: saying what is wrong with the file.

    >>> read_file(b"id;name\n1;Acme\n\n2;Borg\n")[1]
    [Row(line=2, cells=['1', 'Acme']), Row(line=4, cells=['2', 'Borg'])]
    """
    if len(content) > MAX_BYTES:
        raise FileRefused("has more than 10 MB; split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1}"
        raise FileRefused(f"is not UTF-8 text ({where}); save it as CSV UTF-8") from None
    if "\x00" in text:
        raise FileRefused("has NUL characters; save it as CSV UTF-8")
    rows = list(_rows(text))
    if not rows:
        raise FileRefused("is empty")
    header = [name.strip() for name in rows[0].cells]
    named = [name for name in header if name]
    if len(set(named)) != len(named):
        double = next(name for name in named if named.count(name) > 1)
        raise FileRefused(f"has two columns called {double!r}")
    if len(named) != len(header):
        raise FileRefused("has a column without a name")
    if len(header) > MAX_COLUMNS:
        raise FileRefused(f"has more than {MAX_COLUMNS} columns")
    if len(rows) == 1:
        raise FileRefused("has no rows after its header")
    if len(rows) > MAX_ROWS + 1:
        raise FileRefused(f"has more than {MAX_ROWS:,} rows; split it")
    return header, rows[1:]


def _rows(text: str) -> Iterator[Row]:
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    previous = csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Row(begins, cells)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise FileRefused(f"cannot be read from line {begins} on: {error}") from None
    finally:
        csv.field_size_limit(previous)
