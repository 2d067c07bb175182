"""What a contract billed before, for prices that look back: minimums, caps, running tiers.

A yearly minimum over monthly usage is topped up on the last invoice of the year by what all
of them lack. So the lines of the earlier invoices are part of computing that one.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from billing.domain.tax import TAX_INCLUDED
from billing.models import Invoice, InvoiceLine
from monetization.kernel.money import Money
from monetization.kernel.period import Period
from monetization.pricing.estimate import PricedLine
from monetization.pricing.terms import OrderTerms

_Dated = tuple[date, UUID]  # when an invoice bills, and which it is


def looks_back(terms: OrderTerms) -> bool:
    """Say whether a contract has prices that depend on earlier invoices."""
    return bool(terms.minimums or terms.caps) or any(
        phase.minimum
        or phase.further_minimums
        or phase.caps
        or any(item.accumulation != "per_period" for item in phase.items)
        for phase in terms.phases
    )


class EarlierLines:
    """The computed lines of contracts by invoice: as stored, or as just computed anew."""

    def __init__(self, invoices: Iterable[tuple[Invoice, OrderTerms]]) -> None:
        """Load the lines of every contract that looks back, with one statement."""
        needed = {invoice.schedule_id for invoice, terms in invoices if looks_back(terms)}
        self._needed = needed
        self._lines: dict[UUID, dict[_Dated, Sequence[PricedLine]]] = defaultdict(dict)
        if not needed:
            return
        rows = (
            InvoiceLine.objects.filter(
                invoice__schedule__in=needed, is_manual=False, billing_period__isnull=False
            )
            .exclude(invoice__status=Invoice.Status.VOID)
            .select_related("invoice", "billing_period__phase")
            .order_by("position")
        )
        found: dict[tuple[UUID, _Dated], list[PricedLine]] = defaultdict(list)
        for row in rows:
            place = (row.invoice.bill_on, row.invoice_id)
            found[row.invoice.schedule_id, place].append(_as_priced(row))
        for (schedule_id, place), lines in found.items():
            self._lines[schedule_id][place] = lines

    def before(self, invoice: Invoice) -> list[PricedLine]:
        """Return what the contract's invoices of earlier dates charge."""
        if invoice.schedule_id is None or invoice.schedule_id not in self._needed:
            return []
        by_invoice = self._lines[invoice.schedule_id]
        return [
            line
            for (bill_on, _), lines in sorted(by_invoice.items())
            if bill_on < invoice.bill_on
            for line in lines
        ]

    def remember(self, invoice: Invoice, lines: Sequence[PricedLine]) -> None:
        """Take the lines of an invoice as just computed, for the ones after it."""
        if invoice.schedule_id is not None and invoice.schedule_id in self._needed:
            self._lines[invoice.schedule_id][invoice.bill_on, invoice.id] = lines


def measured_before(
    terms: OrderTerms, earlier: Sequence[PricedLine]
) -> dict[tuple[str, date], Decimal]:
    """Return what was measured before, for the prices whose tiers run on."""
    running = {
        item.key
        for phase in terms.phases
        for item in phase.items
        if item.accumulation != "per_period"
    }
    return {
        (line.item_key, line.service.start): Decimal(line.explanation["measured"])
        for line in earlier
        if line.item_key in running and "measured" in line.explanation
    }


def _priced_amount(row: InvoiceLine) -> Decimal:
    return row.amount + row.tax_amount if TAX_INCLUDED in row.explanation else row.amount


def _as_priced(row: InvoiceLine) -> PricedLine:
    period = row.billing_period
    assert period is not None  # noqa: S101 - selected so
    return PricedLine(
        key=row.key,
        item_key=row.item_key,
        phase_key=period.phase.key,
        kind=row.kind,
        label=row.description,
        service=Period(row.service_start, row.service_end),
        full=Period(period.full_start, period.full_end),
        bill_on=row.invoice.bill_on,
        quantity=row.quantity,
        unit_price=row.unit_price,
        exact=row.exact_amount,
        amount=Money(_priced_amount(row), row.invoice.currency),
        components=(),
        explanation=row.explanation,
    )
