"""Write what invoices should say where it differs: a statement per kind of row."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from billing.domain.recalculation import LineChange
from billing.models import Invoice, Recalculation
from billing.services.approvals import withdraw_approvals
from billing.services.calculation.outcomes import Outcome
from monetization.tenancy.bulk import bulk_cursor, insert_rows
from monetization.tenancy.context import current_actor

TOTALS = ["subtotal_amount", "tax_amount", "total_amount"]


def write(outcomes: Sequence[Outcome], now: datetime) -> None:
    """Replace the computed lines that differ and the totals over them; remember both."""
    changed = [outcome for outcome in outcomes if outcome.changes]
    if changed:
        withdraw_approvals([outcome.work.invoice.id for outcome in changed])
    _delete([line_id for outcome in changed for line_id in outcome.stale])
    insert_rows([line for outcome in changed for line in outcome.changed_lines()])
    _move([pair for outcome in outcomes for pair in outcome.moved])
    _write_totals(changed, now)
    never = [
        outcome.work.invoice.id
        for outcome in outcomes
        if not outcome.changes and outcome.work.invoice.calculated_at is None
    ]
    if never:
        Invoice.objects.filter(id__in=never).update(calculated_at=now)
    _remember(changed, now)


def set_totals(invoice: Invoice, subtotal: Decimal, tax: Decimal) -> None:
    """Put the totals on an invoice; the caller saves ``TOTALS``."""
    invoice.subtotal_amount, invoice.tax_amount = subtotal, tax
    invoice.total_amount = subtotal + tax


def _delete(lines: Sequence[UUID]) -> None:
    """Delete lines without asking what hangs on them: on an open invoice, nothing does."""
    if lines:
        with bulk_cursor() as cursor:
            cursor.execute("DELETE FROM billing_invoiceline WHERE id = ANY(%b)", [list(lines)])


def _move(pairs: Sequence[tuple[UUID, UUID]]) -> None:
    if not pairs:
        return
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE billing_invoiceline l SET reading_id = u.reading"
            " FROM unnest(%b::uuid[], %b::uuid[]) AS u(line, reading) WHERE l.id = u.line",
            [[line for line, _ in pairs], [reading for _, reading in pairs]],
        )


def _write_totals(outcomes: Sequence[Outcome], now: datetime) -> None:
    if not outcomes:
        return
    for outcome in outcomes:
        set_totals(outcome.work.invoice, outcome.subtotal, outcome.tax)
        outcome.work.invoice.calculated_at = now
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE billing_invoice i SET subtotal_amount = u.subtotal, tax_amount = u.tax,"
            " total_amount = u.subtotal + u.tax, calculated_at = %b"
            " FROM unnest(%b::uuid[], %b::numeric[], %b::numeric[]) AS u(id, subtotal, tax)"
            " WHERE i.id = u.id",
            [
                now,
                [outcome.work.invoice.id for outcome in outcomes],
                [outcome.subtotal for outcome in outcomes],
                [outcome.tax for outcome in outcomes],
            ],
        )


def _remember(outcomes: Sequence[Outcome], now: datetime) -> None:
    actor = current_actor()
    insert_rows(
        [
            Recalculation(
                invoice_id=change.invoice_id,
                at=now,
                actor=actor,
                total_before=change.total_before,
                total_after=change.total_after,
                changes=[_jsonable(line) for line in change.changes],
            )
            for change in (outcome.change() for outcome in outcomes)
        ]
    )


def _jsonable(change: LineChange) -> dict[str, str | None]:
    return {
        "key": change.key,
        "description": change.description,
        "before": None if change.before is None else str(change.before),
        "after": None if change.after is None else str(change.after),
        "cause": change.cause,
    }
