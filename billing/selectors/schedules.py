"""Read schedules: what they will bill, and their periods as the pricing core knows them."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import orjson

from billing.models import BillingPeriod, BillingSchedule
from monetization.kernel.money import Money
from monetization.kernel.period import Period
from monetization.pricing.estimate import PricedLine, price_periods
from monetization.pricing.proration import prorate_factor
from monetization.pricing.terms import OrderTerms, terms_from_data
from monetization.pricing.timeline import ChargePeriod
from monetization.tenancy.bulk import bulk_cursor

KEPT_TERMS = 2000  # parsed terms kept in a process, about 20 KB each


def terms_of(schedule_ids: Iterable[UUID]) -> dict[UUID, OrderTerms]:
    """Return the terms of schedules by id, with one statement.

    Reading the same text gives the same terms, so a text that was read before, of another
    contract or in an earlier chunk, is not read again.
    """
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT id, terms::text FROM billing_billingschedule WHERE id = ANY(%b)",
            [list(schedule_ids)],
        )
        return {id: _terms_from_text(text) for id, text in cursor}


@lru_cache(maxsize=KEPT_TERMS)
def _terms_from_text(text: str) -> OrderTerms:
    return terms_from_data(orjson.loads(text))


def upcoming_lines(schedule: BillingSchedule, limit: int = 12) -> list[tuple[date, Money]]:
    """Return the next billing dates of a schedule with what they will bill at least.

    Fixed and seat lines at their terms, usage at what the quote expected: not a promise.
    """
    terms = terms_from_data(schedule.terms)
    rows = list(
        schedule.periods.filter(invoice__isnull=True)
        .order_by("bill_on", "service_start")
        .values_list(*PERIOD_COLUMNS)[:200]
    )
    charges = [charge_period(terms, PeriodRow(*row)) for row in rows]
    expected: dict[tuple[str, date], Decimal] = {}
    for charge in charges:
        if charge.kind == "item":
            item = terms.phase(charge.phase_key).item(charge.item_key)
            if item.expected_quantity is not None:
                expected[charge.item_key, charge.service.start] = item.expected_quantity
    by_date: dict[date, Money] = {}
    for line in price_periods(terms, charges, expected):
        by_date[line.bill_on] = _plus(by_date.get(line.bill_on), line)
    return sorted(by_date.items())[:limit]


def _plus(before: Money | None, line: PricedLine) -> Money:
    return line.amount if before is None else before + line.amount


class PeriodRow(NamedTuple):
    """A billing period as it is computed with, by the hundred thousand: no model instance."""

    id: UUID
    invoice_id: UUID | None
    phase_key: str
    kind: str
    item_key: str
    service_start: date
    service_end: date  # exclusive
    full_start: date
    full_end: date
    starts_at: datetime
    ends_at: datetime
    bill_on: date


_COLUMNS = ("phase__key" if name == "phase_key" else name for name in PeriodRow._fields)
PERIOD_COLUMNS = tuple(_COLUMNS)


_BILLED = """
SELECT p.id, p.invoice_id, h.key, p.kind, p.item_key, p.service_start, p.service_end,
       p.full_start, p.full_end, p.starts_at, p.ends_at, p.bill_on
  FROM billing_billingperiod p JOIN billing_phase h ON h.id = p.phase_id
 WHERE p.tenant_id = current_tenant_id() AND p.invoice_id = ANY(%b)
 ORDER BY p.service_start, p.kind, p.item_key
"""


def billed_periods(invoice_ids: list[UUID]) -> list[PeriodRow]:
    """Return the periods invoices bill, with one statement."""
    with bulk_cursor() as cursor:
        return [PeriodRow._make(row) for row in cursor.execute(_BILLED, [invoice_ids], binary=True)]


def period_row(row: BillingPeriod) -> PeriodRow:
    """Return a period that is at hand as a row; its phase is read with it."""
    values = {name: getattr(row, name) for name in PeriodRow._fields if name != "phase_key"}
    return PeriodRow(phase_key=row.phase.key, **values)


def charge_period(terms: OrderTerms, row: PeriodRow) -> ChargePeriod:
    """Return a stored billing period as the pricing core knows it."""
    service = Period(row.service_start, row.service_end)
    full = Period(row.full_start, row.full_end)
    phase = terms.phase(row.phase_key)
    proration = "daily" if row.kind == "minimum" else phase.item(row.item_key).proration
    return ChargePeriod(
        phase_key=phase.key,
        item_key=row.item_key,
        kind=row.kind,
        service=service,
        full=full,
        bill_on=row.bill_on,
        factor=prorate_factor(service, full, proration, terms.time_zone),
    )
