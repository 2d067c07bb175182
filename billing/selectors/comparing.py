"""Read invoices beside those before them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from billing.domain.assertions import InvoiceFacts, LineFacts
from billing.domain.comparison import (
    ComparedLine,
    Difference,
    by_cause,
    differences,
    main_cause,
    unexplained,
)
from billing.models import Invoice
from billing.selectors.claimed import BILLED
from billing.selectors.own_tax import OwnTax, OwnTaxes
from monetization.kernel.money import ZERO
from monetization.tenancy.bulk import bulk_cursor

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
    """Compare invoices with those before them, in two queries however many there are."""
    schedules = {row.schedule_id for row in rows if row.schedule_id}
    history: dict[UUID | None, list[Any]] = defaultdict(list)
    for each in (
        Invoice.objects.filter(schedule__in=schedules, threshold_number__isnull=True)
        .exclude(status=Invoice.Status.VOID)
        .order_by("bill_on", "-part")  # of one that was split, the first part
        .values("id", "schedule_id", "bill_on", "total_amount")
    ):
        history[each["schedule_id"]].append(each)
    compared: dict[UUID, Comparison] = {}
    for row in rows:
        is_alone = row.schedule_id is None or row.threshold_number is not None
        known = [] if is_alone else history[row.schedule_id]
        earlier = [h for h in known if h["bill_on"] < row.bill_on]
        trend = [h["total_amount"] for h in earlier[1 - TREND_MONTHS :]]
        compared[row.id] = Comparison(
            earlier[-1]["id"] if earlier else None, (), [*trend, row.total_amount]
        )
    earlier_ids = [one.previous_id for one in compared.values() if one.previous_id]
    lines = _stored_lines([*compared, *earlier_ids])
    for row in rows:
        compared[row.id].found = _found(row, compared[row.id].previous_id, lines)
    return compared


def _found(
    row: Invoice, previous_id: UUID | None, lines: Mapping[UUID, Sequence["LineView"]]
) -> tuple[Difference, ...]:
    if previous_id is None:
        return ()
    before, after = lines.get(previous_id, ()), lines.get(row.id, ())
    moved = _sums(before).items() ^ _sums(after).items()
    keys = {key for key, _ in moved}
    taxes = sum((line.tax for line in before), ZERO), sum((line.tax for line in after), ZERO)
    return differences(_compared(before, keys), _compared(after, keys), row.currency, taxes=taxes)


def _sums(lines: Sequence["LineView"]) -> dict[str, Decimal]:
    """Return what each contract line comes to."""
    found: dict[str, Decimal] = {}
    for line in lines:
        key = _key(line)
        found[key] = found.get(key, ZERO) + line.amount
    return found


def _key(line: "LineView") -> str:
    """Return what a line is compared by: the contract's line, with what took off of it apart."""
    return f"{BILLED}:{line.item_key}" if line.kind == BILLED else line.item_key or line.key


class LineView(NamedTuple):
    """A line as comparisons and tests look at it."""

    key: str
    item_key: str
    description: str
    service_start: date
    service_end: date  # exclusive
    quantity: Decimal | None
    amount: Decimal
    tax: Decimal
    explanation: str | dict[str, Any]  # text where it was read, until somebody needs it
    is_manual: bool
    is_usage: bool
    is_flagged: bool
    position: int
    kind: str


# Invoice by invoice: with no statistics of a new company yet, Postgres reads all lines it has.
_LINES = """
SELECT w.place, l.*
  FROM unnest(%b::uuid[]) WITH ORDINALITY AS w(id, place) CROSS JOIN LATERAL (
  SELECT key, item_key, description, service_start, service_end, quantity, amount, tax_amount,
         explanation::text, is_manual, reading_id IS NOT NULL, is_flagged, position, kind
    FROM billing_invoiceline WHERE invoice_id = w.id
   ORDER BY position, key COLLATE "C" OFFSET 0) l
"""


def _stored_lines(invoice_ids: Iterable[UUID]) -> dict[UUID, list[LineView]]:
    """Return the lines of invoices in the order they are printed, with one statement."""
    asked = list(dict.fromkeys(invoice_ids))
    found: list[list[LineView]] = [[] for _ in asked]
    with bulk_cursor() as cursor:
        cursor.execute(_LINES, [asked], binary=True)
        for place, *values in cursor:
            found[place - 1].append(LineView(*values))
    return dict(zip(asked, found, strict=True))


def as_printed(line: LineView) -> tuple[int, str]:
    """Return what lines of an invoice are ordered by."""
    return line.position, line.key


def _compared(lines: Sequence[LineView], moved: Set[str]) -> list[ComparedLine]:
    """Return the lines of those contract lines that moved, as they are compared."""
    return [
        ComparedLine(
            key,
            line.description,
            line.service_start,
            line.service_end,
            line.quantity,
            line.amount,
            line.tax,
            _explained(line),
            _phase_of(line.key, line.item_key),
            line.is_manual,
        )
        for line in sorted(lines, key=_by_service)
        if (key := _key(line)) in moved
    ]


def _explained(line: LineView) -> Any:
    return orjson.loads(line.explanation) if isinstance(line.explanation, str) else line.explanation


def _by_service(line: LineView) -> tuple[date, int]:
    return line.service_start, line.position


def _phase_of(key: str, item_key: str) -> str:
    """Return the phase in a computed line's key, ``item:phase:2026-01-01``."""
    return key[len(item_key) + 1 : -11] if item_key and key.startswith(f"{item_key}:") else ""


_BEFORE = """
SELECT i.id, h.id, h.total_amount, coalesce(b.requires_purchase_order, false),
       EXISTS (SELECT FROM billing_invoiceapproval a
                WHERE a.tenant_id = i.tenant_id AND a.invoice_id = i.id
                  AND a.total_amount = i.total_amount)
  FROM billing_invoice i
  LEFT JOIN billing_customerbilling b
    ON b.tenant_id = i.tenant_id AND b.customer_id = i.customer_id
  LEFT JOIN LATERAL (
    SELECT e.id, e.total_amount FROM billing_invoice e
     WHERE e.tenant_id = i.tenant_id AND e.schedule_id = i.schedule_id
       AND e.bill_on < i.bill_on AND e.status <> 'void'
       AND e.threshold_number IS NULL AND i.threshold_number IS NULL
     ORDER BY e.bill_on DESC, e.part LIMIT 1) h ON true
 WHERE i.tenant_id = current_tenant_id() AND i.id = ANY(%b)
"""


@dataclass(frozen=True, slots=True)
class Tested:
    """What the assertions look at on a draft, and how far it moved against the one before it."""

    facts: InvoiceFacts
    found: tuple[Difference, ...]

    @property
    def unexplained(self) -> Decimal:
        """How much moved that neither the contract nor the note explains."""
        return unexplained(by_cause(self.found), self.facts.change_note)


def to_be_tested(
    rows: Sequence[Invoice], in_hand: Mapping[UUID, Sequence[LineView]]
) -> dict[UUID, Tested]:
    """Return drafts beside those before them, in three queries however many there are.

    :param in_hand: lines of invoices that need not be read, in the order they are printed.
    """
    ids = [row.id for row in rows]
    with bulk_cursor() as cursor:
        cursor.execute(_BEFORE, [ids], binary=True)
        known = {found[0]: found[1:] for found in cursor}
    looked_at = [*ids, *(before[0] for before in known.values() if before[0])]
    lines = {**_stored_lines(each for each in looked_at if each not in in_hand), **in_hand}
    own = OwnTaxes.load(row.customer_id for row in rows)
    return {
        row.id: Tested(
            _facts(row, known[row.id], lines, own.on(row.customer_id, row.bill_on)),
            _found(row, known[row.id][0], lines),
        )
        for row in rows
    }


def _facts(
    row: Invoice,
    known: tuple[Any, ...],
    lines: Mapping[UUID, Sequence[LineView]],
    own: OwnTax | None,
) -> InvoiceFacts:
    previous_id, previous_total, requires_purchase_order, is_approved = known
    return InvoiceFacts(
        currency=row.currency,
        subtotal=row.subtotal_amount,
        tax=row.tax_amount,
        total=row.total_amount,
        lines=_line_facts(lines.get(row.id, ())),
        previous_total=previous_total,
        previous_lines=_line_facts(lines.get(previous_id, ())),
        change_note=row.change_note,
        purchase_order=row.purchase_order,
        requires_purchase_order=requires_purchase_order,
        tax_treatment=own.treatment if own else row.tax_treatment,
        customer_tax_percent=own.percent if own else row.customer.tax_percent,
        customer_country=row.customer.country,
        is_approved=is_approved,
    )


def _line_facts(lines: Sequence[LineView]) -> list[LineFacts]:
    return [
        LineFacts(
            line.item_key,
            line.description,
            line.amount,
            line.quantity,
            line.is_usage,
            line.is_flagged,
            (line.service_end - line.service_start).days,
        )
        for line in lines
        if line.kind != BILLED  # the rules look at the period, however it was billed
    ]
