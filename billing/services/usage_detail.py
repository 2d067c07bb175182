"""The usage behind an invoice by day, for its pages or a file beside it."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import StringIO

from billing.models import Invoice, InvoiceLine
from metering.selectors import days_of_reading
from monetization.interface.exports import safe_cell
from monetization.kernel.decimals import plain

MAX_PAGE_ROWS = 400  # days of all meters; more goes to a file (WeasyPrint takes seconds)


@dataclass(frozen=True, slots=True)
class UsageDetail:
    """One usage line with its days."""

    line: InvoiceLine
    meter: str
    unit: str
    quantity: Decimal  # as measured for the line
    days: list[tuple[date, Decimal]]
    adds_up: bool  # False: the meter is no sum over time


def usage_detail(invoice: Invoice, lines: Sequence[InvoiceLine]) -> list[UsageDetail]:
    """Return the days of every line that rests on a reading, of the events it counted."""
    zone = invoice.schedule.time_zone if invoice.schedule else "UTC"
    found = []
    for line in lines:
        reading = line.reading
        if reading is None:
            continue
        days = days_of_reading(reading, zone=zone)
        whole = sum((quantity for _, quantity in days), Decimal(0))
        found.append(
            UsageDetail(
                line,
                reading.meter.name,
                reading.meter.unit,
                reading.quantity,
                days,
                whole == reading.quantity,
            )
        )
    return found


def usage_csv(invoice: Invoice, lines: Sequence[InvoiceLine]) -> bytes:
    """Return the usage by day as CSV: a row per line and day, quantities exact."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["invoice", "line", "meter", "unit", "day", "quantity"])
    for each in usage_detail(invoice, lines):
        for day, quantity in each.days:
            rows.writerow(
                [
                    invoice.number,
                    *map(safe_cell, (each.line.description, each.meter, each.unit)),
                    day.isoformat(),
                    plain(quantity),
                ]
            )
    return text.getvalue().encode()
