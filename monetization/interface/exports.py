"""Lists as CSV files that a spreadsheet opens without running anything."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse

from monetization.kernel.decimals import plain

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Echo:
    def write(self, text: str) -> str:
        return text


def safe_cell(value: Any) -> str:
    """Write a cell; text a spreadsheet would run as a formula gets an apostrophe before it.

    Numbers stay numbers, negative ones too.

    >>> safe_cell("=1+1"), safe_cell(Decimal("-2.50"))
    ("'=1+1", '-2.5')
    """
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    text = str(value)
    if not isinstance(value, int) and text.startswith(_FORMULA):
        return f"'{text}"
    return text


def csv_response(
    filename: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """Answer with a CSV file, UTF-8 with a byte order mark so that Excel reads accents.

    The rows are read now, inside the request's transaction; only the text is streamed.
    """
    lines = [[safe_cell(cell) for cell in row] for row in rows]

    def written() -> Iterator[str]:
        writer = csv.writer(_Echo())
        yield "\ufeff"
        yield writer.writerow(header)
        for line in lines:
            yield writer.writerow(line)

    response = StreamingHttpResponse(written(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
