"""Lists as XLSX files: numbers are numbers, dates are dates, text is never a formula."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

from django.http import HttpResponse
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # a file with these does not open


def xlsx_response(
    filename: str, header: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "Invoices"
) -> HttpResponse:
    """Answer with a workbook of one sheet; its first row stays while one scrolls."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "B2"
    bold = Font(bold=True)
    top = []
    for label in header:
        cell = WriteOnlyCell(sheet, value=label)
        cell.font = bold
        top.append(cell)
    sheet.append(top)
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    buffer = BytesIO()
    book.save(buffer)
    response = HttpResponse(buffer.getvalue(), content_type=CONTENT_TYPE)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _cell(sheet: Any, value: Any) -> Any:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=None, microsecond=0)  # a sheet knows no zones
    if isinstance(value, Decimal):
        cell = WriteOnlyCell(sheet, value=value)  # type: ignore[arg-type]  # kept exact
        places = max(0, -int(value.normalize().as_tuple().exponent))
        cell.number_format = f"#,##0.{'0' * max(2, places)}"
        return cell
    if isinstance(value, (int, date)):
        return value
    cell = WriteOnlyCell(sheet, value=_CONTROL.sub("", str(value))[:32_000])
    cell.data_type = "s"  # "=1+1" is somebody's name
    return cell
