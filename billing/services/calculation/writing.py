"""Write what invoices should say where it differs: a statement per kind of row."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from billing.domain.credit_use import Use
from billing.domain.recalculation import LineChange
from billing.models import Invoice, InvoiceCredit, InvoiceLine, Recalculation
from billing.selectors.parts import open_parts
from billing.services.approvals import withdraw_approvals
from billing.services.calculation.crediting import manual_facts, settled
from billing.services.calculation.outcomes import LINE_NAMES, Outcome
from billing.services.credits.planning import Bill, customers_with_credits, plan
from monetization.kernel.ids import uuid7s
from monetization.tenancy.bulk import bulk_cursor, insert_records, insert_rows, update_records
from monetization.tenancy.context import current_actor

TOTALS = ["subtotal_amount", "tax_amount", "total_amount"]


def write(outcomes: Sequence[Outcome], now: datetime) -> None:
    """Replace the computed lines that differ and the totals over them; remember both."""
    changed = [outcome for outcome in outcomes if outcome.changes]
    _write_credits([outcome for outcome in outcomes if outcome.new_uses])
    if changed:
        withdraw_approvals([outcome.work.invoice.id for outcome in changed])
    _write_lines(changed)
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


def _write_lines(outcomes: Sequence[Outcome]) -> None:
    """Write the lines that differ; one that stays on its invoice stays the same row."""
    _delete([line_id for outcome in outcomes for line_id in outcome.gone])
    rewritten = [line for outcome in outcomes for line in outcome.rewritten_lines()]
    if rewritten:
        update_records(InvoiceLine, LINE_NAMES, rewritten)
    new = [(outcome, line) for outcome in outcomes for line in outcome.new_lines()]
    if new:
        made = zip(uuid7s(len(new)), new, strict=True)
        records = [outcome.values(id, line) for id, (outcome, line) in made]
        insert_records(InvoiceLine, LINE_NAMES, records)


def _write_credits(outcomes: Sequence[Outcome]) -> None:
    """Replace what credits would pay of invoices."""
    ids = [outcome.work.invoice.id for outcome in outcomes]
    if not ids:
        return
    InvoiceCredit.objects.filter(invoice__in=ids).delete()
    for outcome in outcomes:
        outcome.work.invoice.prepaid_amount = outcome.prepaid
        store_uses(outcome.work.invoice, outcome.uses)


def store_uses(invoice: Invoice, uses: Sequence[Use]) -> None:
    """Store what credits would pay of an open invoice, and the part that settles it."""
    Invoice.objects.filter(id=invoice.id).update(prepaid_amount=invoice.prepaid_amount)
    insert_rows(
        [
            InvoiceCredit(
                invoice_id=invoice.id,
                grant_id=UUID(use.grant_id),
                line_key=use.line_key,
                position=position,
                reduces_base=use.reduces_base,
                units=use.units,
                value=use.value.amount,
            )
            for position, use in enumerate(uses, start=1)
        ]
    )


def settle_stored(invoice: Invoice, *, zone: str) -> None:
    """Plan what credits settle of a draft whose lines are not computed with a period.

    With it of its other open parts, if it was split.

    Those are invoices without a contract and at a threshold. Their taxable base stays as it is.
    """
    if not customers_with_credits([invoice.customer_id]):
        return
    parts = [invoice, *(part for part in open_parts(invoice) if part.id != invoice.id)]
    bills = [
        Bill(
            part,
            [manual_facts(line, part.currency, zone) for line in part.lines.order_by("position")],
            settles_only=True,
        )
        for part in parts
    ]
    plans = plan(bills)
    InvoiceCredit.objects.filter(invoice__in=parts).delete()
    for part in parts:
        part.prepaid_amount = settled(plans[part.id])
        store_uses(part, plans[part.id])


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
    if not outcomes:
        return
    actor = current_actor()
    made = zip(uuid7s(len(outcomes)), (outcome.change() for outcome in outcomes), strict=True)
    insert_records(
        Recalculation,
        ("id", "invoice_id", "at", "actor", "total_before", "total_after", "changes"),
        [
            (
                id,
                change.invoice_id,
                now,
                actor,
                change.total_before,
                change.total_after,
                [_jsonable(line) for line in change.changes],
            )
            for id, change in made
        ],
    )


def _jsonable(change: LineChange) -> dict[str, str | None]:
    return {
        "key": change.key,
        "description": change.description,
        "before": None if change.before is None else str(change.before),
        "after": None if change.after is None else str(change.after),
        "cause": change.cause,
    }
