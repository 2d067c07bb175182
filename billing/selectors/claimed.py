"""What threshold invoices claimed of usage whose period's invoice is still to come."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Sum
from django.db.models.functions import Coalesce

from billing.domain.tax import TAX_INCLUDED
from billing.models import CreditNoteLine, Invoice, InvoiceLine
from monetization.kernel.money import Money
from monetization.pricing.estimate import Claimed

PROGRESS, BILLED = "progress", "billed"  # kinds of lines


class ClaimedLine(NamedTuple):
    """One line of a threshold invoice."""

    key: str  # of the line it is a part of
    threshold_number: int
    is_void: bool
    cumulative: Decimal  # what the line came to by then
    tax_percent: Decimal
    claimed: Claimed  # as it is priced: with the tax, where prices contain it
    tax_name: str = ""
    tax_treatment: str = ""


def claimed_of_schedules(schedule_ids: Iterable[UUID]) -> dict[UUID, list[ClaimedLine]]:
    """Return the lines of contracts' threshold invoices in their order, void ones too."""
    ids = list(schedule_ids)
    found: dict[UUID, list[ClaimedLine]] = defaultdict(list)
    if not ids:
        return found
    rows = (
        InvoiceLine.objects.filter(
            kind=PROGRESS, invoice__schedule__id__any=ids, invoice__threshold_number__isnull=False
        )
        .select_related("invoice")
        .order_by("invoice__threshold_number", "position")
    )
    lines = list(rows)
    credited = _credited_with_tax([line.id for line in lines])
    for line in lines:
        net, tax = credited.get(line.id, (Decimal(0), Decimal(0)))
        invoice, currency = line.invoice, line.invoice.currency
        assert invoice.threshold_number is not None  # noqa: S101 - selected so
        found[invoice.schedule_id].append(
            ClaimedLine(
                line.key,
                invoice.threshold_number,
                invoice.status == Invoice.Status.VOID,
                Decimal(line.explanation["cumulative"]),
                line.tax_percent,
                Claimed(
                    label_of(invoice),
                    Money(line.amount + _inside(line, line.tax_amount), currency),
                    Money(net + _inside(line, tax), currency),
                ),
                line.tax_name,
                line.tax_treatment,
            )
        )
    return found


def credited_of(line_ids: Iterable[UUID]) -> dict[UUID, Decimal]:
    """Return the net amount credited of invoice lines."""
    rows = (
        CreditNoteLine.objects.filter(invoice_line__in=list(line_ids))
        .values("invoice_line")
        .annotate(net=Coalesce(Sum("amount"), Decimal(0)))
    )
    return {row["invoice_line"]: row["net"] for row in rows}


def _credited_with_tax(line_ids: Iterable[UUID]) -> dict[UUID, tuple[Decimal, Decimal]]:
    rows = (
        CreditNoteLine.objects.filter(invoice_line__in=list(line_ids))
        .values("invoice_line")
        .annotate(net=Coalesce(Sum("amount"), Decimal(0)))
        .annotate(tax=Coalesce(Sum("tax_amount"), Decimal(0)))
    )
    return {row["invoice_line"]: (row["net"], row["tax"]) for row in rows}


def _inside(line: InvoiceLine, tax: Decimal) -> Decimal:
    return tax if TAX_INCLUDED in line.explanation else Decimal(0)


def label_of(invoice: Invoice) -> str:
    """Name a threshold invoice on others."""
    if invoice.number:
        return f"billed on {invoice.number}"
    return f"billed on threshold invoice {invoice.threshold_number}, a draft"


def billed_key(key: str, threshold_number: int) -> str:
    """Return the key of the line that takes a threshold invoice's line off its period's."""
    return f"T{threshold_number}:{key}"


def open_thresholds(invoices: Sequence[Invoice]) -> dict[UUID, list[int]]:
    """Return, by invoice, the threshold invoices it takes off that are drafts themselves."""
    contracts = {row.id: row.schedule_id for row in invoices if row.schedule_id}
    drafts: dict[UUID, set[int]] = defaultdict(set)
    waiting = Invoice.objects.filter(
        schedule__in=set(contracts.values()),
        threshold_number__isnull=False,
        status=Invoice.Status.DRAFT,
    )
    for schedule_id, number in waiting.values_list("schedule_id", "threshold_number"):
        drafts[schedule_id].add(number)
    if not drafts:
        return {}
    found: dict[UUID, set[int]] = defaultdict(set)
    lines = InvoiceLine.objects.filter(invoice__in=list(contracts), kind=BILLED)
    for invoice_id, key in lines.values_list("invoice_id", "key"):
        number = int(key[1:].split(":", 1)[0])
        if number in drafts[contracts[invoice_id]]:
            found[invoice_id].add(number)
    return {invoice_id: sorted(numbers) for invoice_id, numbers in found.items()}


def issued_period_of(invoice: Invoice) -> Invoice | None:
    """Return an issued invoice from which a threshold invoice was taken off already."""
    keys = [
        billed_key(key, invoice.threshold_number or 0)
        for key in invoice.lines.filter(kind=PROGRESS).values_list("key", flat=True)
    ]
    found: Invoice | None = Invoice.objects.filter(
        schedule=invoice.schedule_id,
        status=Invoice.Status.ISSUED,
        lines__kind=BILLED,
        lines__key__in=keys,
    ).first()
    return found
