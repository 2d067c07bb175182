"""Read invoices beside those before them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, Subquery

from billing.domain.assertions import InvoiceFacts, LineFacts
from billing.domain.comparison import (
    ComparedLine,
    Difference,
    by_cause,
    differences,
    main_cause,
    unexplained,
)
from billing.models import CustomerBilling, Invoice, InvoiceApproval, InvoiceLine

TREND_MONTHS = 13


@dataclass(slots=True)
class Comparison:
    """An invoice beside the one before it."""

    previous_id: UUID | None = None
    found: tuple[Difference, ...] = ()
    trend: list[Decimal] = field(default_factory=list)

    @property
    def cause(self) -> str:
        return main_cause(self.found)

    @property
    def by_cause(self) -> dict[str, Decimal]:
        """Return what each cause moved; the sums add up to the change."""
        return by_cause(self.found)

    def unexplained(self, note: str) -> Decimal:
        """Return how much moved that neither the contract nor the note explains."""
        return unexplained(self.by_cause, note)


def compare(rows: Sequence[Invoice]) -> dict[UUID, Comparison]:
    """Compare invoices with those before them, in three queries however many there are."""
    schedules = {row.schedule_id for row in rows if row.schedule_id}
    history: dict[UUID, list[Any]] = defaultdict(list)
    for each in (
        Invoice.objects.filter(schedule__in=schedules)
        .exclude(status=Invoice.Status.VOID)
        .order_by("bill_on")
        .values("id", "schedule_id", "bill_on", "total_amount")
    ):
        history[each["schedule_id"]].append(each)
    compared: dict[UUID, Comparison] = {}
    for row in rows:
        known = history[row.schedule_id] if row.schedule_id else []
        earlier = [h for h in known if h["bill_on"] < row.bill_on]
        trend = [h["total_amount"] for h in earlier[1 - TREND_MONTHS :]]
        compared[row.id] = Comparison(
            earlier[-1]["id"] if earlier else None, (), [*trend, row.total_amount]
        )
    lines = _compared_lines(
        [*compared, *(c.previous_id for c in compared.values() if c.previous_id)]
    )
    for row in rows:
        one = compared[row.id]
        if one.previous_id is not None:
            one.found = differences(lines[one.previous_id], lines[row.id], row.currency)
    return compared


def _compared_lines(invoice_ids: Iterable[UUID]) -> dict[UUID, list[ComparedLine]]:
    found: dict[UUID, list[ComparedLine]] = defaultdict(list)
    rows = (
        InvoiceLine.objects.filter(invoice__in=list(invoice_ids))
        .order_by("service_start", "position")
        .values_list(
            "invoice_id",
            "key",
            "item_key",
            "description",
            "service_start",
            "service_end",
            "quantity",
            "amount",
            "tax_amount",
            "explanation",
            "is_manual",
        )
    )
    for invoice_id, key, item, text, start, end, quantity, amount, tax, why, is_manual in rows:
        phase = _phase_of(key, item)
        found[invoice_id].append(
            ComparedLine(
                item or key, text, start, end, quantity, amount, tax, why, phase, is_manual
            )
        )
    return found


def _phase_of(key: str, item_key: str) -> str:
    """Return the phase in a computed line's key, ``item:phase:2026-01-01``."""
    return key[len(item_key) + 1 : -11] if item_key and key.startswith(f"{item_key}:") else ""


def facts_of(rows: Sequence[Invoice]) -> dict[UUID, InvoiceFacts]:
    """Return what the assertions look at, in five queries however many invoices there are."""
    earlier = (
        Invoice.objects.filter(schedule=OuterRef("schedule"), bill_on__lt=OuterRef("bill_on"))
        .exclude(status=Invoice.Status.VOID)
        .order_by("-bill_on")
    )
    previous = {
        row["id"]: row
        for row in Invoice.objects.filter(id__in=[row.id for row in rows]).values(
            "id",
            before=Subquery(earlier.values("id")[:1]),
            before_total=Subquery(earlier.values("total_amount")[:1]),
        )
    }
    wanted = [*previous, *(row["before"] for row in previous.values() if row["before"])]
    lines = _line_facts(wanted)
    approved = set(
        InvoiceApproval.objects.filter(
            invoice__in=list(previous), total_amount=F("invoice__total_amount")
        ).values_list("invoice_id", flat=True)
    )
    demanding = set(
        CustomerBilling.objects.filter(
            customer__in={row.customer_id for row in rows}, requires_purchase_order=True
        ).values_list("customer_id", flat=True)
    )
    return {
        row.id: InvoiceFacts(
            currency=row.currency,
            subtotal=row.subtotal_amount,
            tax=row.tax_amount,
            total=row.total_amount,
            lines=lines[row.id],
            previous_total=previous[row.id]["before_total"],
            previous_lines=lines[previous[row.id]["before"]],
            change_note=row.change_note,
            purchase_order=row.purchase_order,
            requires_purchase_order=row.customer_id in demanding,
            tax_treatment=row.tax_treatment,
            customer_tax_percent=row.customer.tax_percent,
            customer_country=row.customer.country,
            is_approved=row.id in approved,
        )
        for row in rows
    }


def _line_facts(invoice_ids: Iterable[UUID]) -> dict[UUID | None, list[LineFacts]]:
    found: dict[UUID | None, list[LineFacts]] = defaultdict(list)
    for invoice_id, item_key, text, amount, quantity, reading_id, is_flagged, start, end in (
        InvoiceLine.objects.filter(invoice__in=list(invoice_ids))
        .order_by("position", "key")
        .values_list(
            "invoice_id",
            "item_key",
            "description",
            "amount",
            "quantity",
            "reading_id",
            "is_flagged",
            "service_start",
            "service_end",
        )
    ):
        is_usage, days = reading_id is not None, (end - start).days
        found[invoice_id].append(
            LineFacts(item_key, text, amount, quantity, is_usage, is_flagged, days)
        )
    return found
