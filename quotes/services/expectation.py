"""A prospect's usage by month: read from a file or from the meters, and put into the draft."""

import csv
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from metering.models import Meter
from metering.selectors.measuring import ReadingRequest, read_usage
from monetization.kernel.decimals import NotExact, exact_decimal
from monetization.kernel.errors import Refusal
from monetization.kernel.period import add_months, start_instant
from monetization.pricing.terms import OrderTerms
from quotes.domain.expectation import nearest_rank
from quotes.models import QuoteLine, QuoteVersion
from quotes.services.common import locked_draft
from quotes.services.drafting import keep_value

MOST_MONTHS = 36
MOST_ROWS = 5000
MEASURED_MONTHS = 12
HEADER = ("month", "meter", "quantity")
_MONTH = re.compile(r"(?P<year>[12][0-9]{3})-(?P<month>0[1-9]|1[0-2])", re.ASCII)


class UsageHistoryInvalid(Refusal):
    """The usage of a prospect cannot be read; the message names the line and the column."""


@dataclass(frozen=True, slots=True)
class UsageRow:
    month: str  # 2026-01
    meter: str
    quantity: str


def read_history_file(content: bytes) -> list[UsageRow]:
    """Read a CSV file with the columns month, meter and quantity.

    :raises UsageHistoryInvalid: naming the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageHistoryInvalid("file: must be a CSV file in UTF-8") from None
    try:
        reader = csv.DictReader(text.splitlines(), strict=True)
        names = [str(name or "").strip().lower() for name in reader.fieldnames or ()]
        if sorted(names) != sorted(HEADER):
            raise UsageHistoryInvalid(f"file: the first line must be {','.join(HEADER)}")
        reader.fieldnames = names
        rows = list(reader)
    except csv.Error as error:
        raise UsageHistoryInvalid(f"file: {error}") from None
    return [UsageRow(*(str(row.get(name) or "").strip() for name in HEADER)) for row in rows]


def history_of(rows: Sequence[UsageRow], terms: OrderTerms) -> dict[str, list[Decimal]]:
    """Return units by meter and month, from the first month to the last; what is not there is 0.

    :raises UsageHistoryInvalid: naming the line, counted with the header as the first.
    """
    meters = meters_of(terms)
    if not meters:
        raise UsageHistoryInvalid("usage: nothing on the quote is billed by usage")
    if not rows:
        raise UsageHistoryInvalid("usage: has no months")
    if len(rows) > MOST_ROWS:
        raise UsageHistoryInvalid(f"usage: at most {MOST_ROWS} lines")
    found: dict[tuple[int, str], Decimal] = {}
    for number, row in enumerate(rows, start=2):
        month = _MONTH.fullmatch(row.month)
        if month is None:
            raise UsageHistoryInvalid(f"usage: line {number}: month must be like 2026-01")
        if row.meter not in meters:
            known = ", ".join(meters)
            raise UsageHistoryInvalid(
                f"usage: line {number}: the quote bills no meter {row.meter!r}, but {known}"
            )
        place = (int(month["year"]) * 12 + int(month["month"]), row.meter)
        if place in found:
            raise UsageHistoryInvalid(
                f"usage: line {number}: {row.meter} has {row.month} on an earlier line"
            )
        found[place] = _quantity(row.quantity, number)
    first, last = min(month for month, _ in found), max(month for month, _ in found)
    if last - first >= MOST_MONTHS:
        raise UsageHistoryInvalid(f"usage: must lie within {MOST_MONTHS} months")
    months = range(first, last + 1)
    return {meter: [found.get((month, meter), Decimal(0)) for month in months] for meter in meters}


def measured_history(
    *, customer_id: UUID, terms: OrderTerms, today: date
) -> dict[str, list[Decimal]]:
    """Return what a customer used in the last whole months, at most twelve, by the meters.

    The months begin with the first in which anything was used. They are read as billing reads.

    :raises UsageHistoryInvalid: if nothing was measured.
    """
    meters = Meter.objects.filter(key__in=meters_of(terms)).order_by("key")
    this_month = today.replace(day=1)
    days = [add_months(this_month, -back, anchor_day=1) for back in range(MEASURED_MONTHS, -1, -1)]
    edges = [start_instant(day, terms.time_zone) for day in days]
    windows = list(itertools.pairwise(edges))
    requests = [
        ReadingRequest(customer_id, meter.id, start, end, terms.time_zone)
        for meter in meters
        for start, end in windows
    ]
    read = [found.quantity for found in read_usage(requests)]
    rows = [read[at : at + len(windows)] for at in range(0, len(read), len(windows))]
    used = [number for number in range(len(windows)) if any(row[number] for row in rows)]
    if not used:
        raise UsageHistoryInvalid("usage: nothing was measured in the last twelve months")
    return {meter.key: row[used[0] :] for meter, row in zip(meters, rows, strict=True)}


def meters_of(terms: OrderTerms) -> list[str]:
    """Return the meters that the usage lines of terms bill, in their order."""
    items = (item for phase in terms.phases for item in phase.items if item.kind == "usage")
    return list(dict.fromkeys(item.meter for item in items if item.meter))


def _quantity(text: str, number: int) -> Decimal:
    try:
        quantity = exact_decimal(text)
    except NotExact as error:
        raise UsageHistoryInvalid(f"usage: line {number}: quantity {error}") from None
    if not 0 <= quantity < 10**12:
        raise UsageHistoryInvalid(
            f"usage: line {number}: quantity must be from 0 to less than 10^12"
        )
    return quantity


_MONTHS_IN = {"monthly": 1, "quarterly": 3, "half_yearly": 6, "yearly": 12}


@transaction.atomic
def expect_median(*, version_id: UUID, history: dict[str, list[Decimal]]) -> QuoteVersion:
    """Put the middle month of the history into the draft as its expected usage.

    Lines billed by the quarter or longer expect as many of it; weekly ones keep what they say.

    :raises VersionNotDraft: if the version was sent.
    """
    version = locked_draft(version_id)
    for line in _usage_lines(version):
        units = history.get(line.meter_key)
        if units and line.frequency in _MONTHS_IN:
            median = sorted(units)[nearest_rank(len(units), 50)]
            line.expected_quantity = median * _MONTHS_IN[line.frequency]
            line.save(update_fields=["expected_quantity"])
    keep_value(version)
    return version


def _usage_lines(version: QuoteVersion) -> Iterable[QuoteLine]:
    return QuoteLine.objects.filter(phase__version=version, product__kind="usage")
