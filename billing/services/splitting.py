"""Split a draft in two, or merge drafts: by purchase order, legal entity, or as people like it.

Lines stay with their billing periods, so every draft is computed again as before; the amounts of
both are those of the one. It can be undone as long as both are open.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from billing.domain.priced_together import why_together
from billing.models import (
    BillingPeriod,
    DraftChange,
    Invoice,
    InvoiceComment,
    InvoiceCredit,
    InvoiceLine,
)
from billing.selectors.parts import CREDIT, locked_with_parts, own_lines
from billing.services.drafts import InvoiceNotOpen, copy_lines, total_draft
from billing.services.invoicing import OPEN_STATES, recalculate_invoices
from billing.services.taxing import tax_fields_of
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import ZERO
from monetization.pricing.terms import terms_from_data
from monetization.tenancy.context import current_actor
from monetization.tenancy.models import LegalEntity

Kind = DraftChange.Kind
_KEPT = (
    "purchase_order", "memo", "change_note", "payment_terms_days", "currency", "tax_treatment",
    "tax_name", "tax_percent", "tax_method", "prices_include_tax", "status", "part",
)  # fmt: skip


class SplitInvalid(Refusal):
    """A draft cannot be split so; the message names what is wrong."""


class PricedTogether(Refusal):
    """The price of one line depends on others; they stay on one invoice."""


class MergeInvalid(Refusal):
    """These drafts cannot become one."""


class NothingToUndo(Refusal):
    """It was undone before, or one of the drafts is not open any more."""


@transaction.atomic
def split_draft(
    *,
    invoice_id: UUID,
    line_ids: Sequence[UUID],
    now: datetime,
    purchase_order: str | None = None,
    legal_entity_id: UUID | None = None,
) -> Invoice:
    """Put some lines of a draft on a draft of their own and return that one.

    :param purchase_order: of the new draft; the same one by default.
    :param legal_entity_id: who invoices it; the same one by default. It decides number and tax.
    :raises InvoiceNotOpen: if it is issued or void.
    :raises SplitInvalid: if no line is named, or every line.
    :raises PricedTogether: if the contract has prices that look at several lines.
    """
    origin = _open(invoice_id)
    _brought_up_to_date([origin], now)
    lines = own_lines(origin)
    chosen = [line for line in lines if line.id in set(line_ids)]
    if origin.lines.filter(id__in=line_ids, kind=CREDIT).exists():
        raise SplitInvalid("lines: what credits pay goes with the line they pay; leave it out")
    if len(chosen) != len(set(line_ids)):
        raise SplitInvalid("lines: a line is not on this draft; it may have been recalculated")
    if not chosen or len(chosen) == len(lines):
        raise SplitInvalid("lines: choose some of the lines, and leave some")
    _refuse_priced_together(origin)
    target = _part_of(origin, purchase_order, legal_entity_id, now)
    change = _moved(Kind.SPLIT, origin, target, chosen, now)
    _recompute([origin, target], sum((line.amount for line in lines), ZERO), now)
    _refuse_below_zero([origin, target])
    _announce_change("invoice.split", origin, change, now)
    target.refresh_from_db()
    return target


@transaction.atomic
def merge_drafts(*, into_id: UUID, invoice_ids: Sequence[UUID], now: datetime) -> Invoice:
    """Put everything on other drafts onto one, and let the others go.

    :raises InvoiceNotOpen: if one of them is issued or void.
    :raises MergeInvalid: if customer, currency, legal entity, tax or contract differ.
    """
    rows = locked_with_parts([into_id, *invoice_ids])
    target = _still_open(rows[into_id])
    others = [_still_open(rows[each]) for each in sorted(set(invoice_ids) - {into_id})]
    if not others:
        raise MergeInvalid("invoices: name another draft")
    for origin in others:
        _refuse_different(target, origin)
    _brought_up_to_date([target, *others], now)
    before = sum((line.amount for each in (target, *others) for line in own_lines(each)), ZERO)
    for origin in others:
        if origin.schedule_id is not None:
            _refuse_priced_together(origin)
        lines = list(origin.lines.order_by("position", "key"))  # with what credits pay
        change = _moved(Kind.MERGE, origin, target, lines, now)
        _copy_comments(origin, target)
        _announce_change("invoice.merged", target, change, now)
        _let_go(origin)
    _recompute([target], before, now)
    target.refresh_from_db()
    return target


@transaction.atomic
def undo_change(*, change_id: UUID, now: datetime) -> Invoice:
    """Take a split or a merge back; returns the draft that has the lines again.

    Lines that were written or moved since stay where they are.

    :raises NothingToUndo: if it was undone, or a draft was issued meanwhile.
    """
    change = DraftChange.objects.select_for_update(of=("self",)).get(id=change_id)
    if change.undone_at is not None or change.target_id is None:
        raise NothingToUndo("it was undone before, or that draft is gone")
    target = locked_with_parts([change.target_id])[change.target_id]
    if target.status not in OPEN_STATES:
        raise NothingToUndo(f"{target.number} is issued; void it first")
    if change.kind == Kind.MERGE:
        origin = _drafted_again(change, target)
    elif change.origin_id is None or _locked(change.origin_id).status not in OPEN_STATES:
        raise NothingToUndo("the draft it was split from is not open any more")
    else:
        origin = _locked(change.origin_id)
    _brought_up_to_date([target], now)
    own = own_lines(target)
    before = sum((line.amount for line in [*own, *own_lines(origin)]), ZERO)
    moving = [
        line
        for line in own
        if str(line.billing_period_id) in change.periods or line.key in change.manual_keys
    ]
    BillingPeriod.objects.filter(id__in=change.periods, invoice=target).update(invoice=origin)
    _move(target, origin, moving, now)
    DraftChange.objects.filter(id=change.id).update(
        undone_at=now, undone_by=current_actor(), origin=origin
    )
    if change.kind == Kind.SPLIT and len(moving) == len(own):
        target.lines.filter(kind=CREDIT).delete()
        _copy_comments(target, origin)
        _let_go(target)
        _recompute([origin], before, now)
    else:
        _recompute([origin, target], before, now)
    _announce_change(
        "invoice.split_undone" if change.kind == Kind.SPLIT else "invoice.merge_undone",
        origin,
        change,
        now,
    )
    origin.refresh_from_db()
    return origin


def mergeable_with(invoice: Invoice) -> list[Invoice]:
    """Return the drafts of the same customer that may be merged into one."""
    if invoice.status not in OPEN_STATES:
        return []
    rows = Invoice.objects.filter(
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        legal_entity_id=invoice.legal_entity_id,
        status__in=OPEN_STATES,
    ).exclude(id=invoice.id)
    found = []
    for row in rows.select_related("schedule").order_by("bill_on", "id")[:50]:
        try:
            _refuse_different(invoice, row)
            if row.schedule_id is not None:
                _refuse_priced_together(row)
        except Refusal:
            continue
        found.append(row)
    return found


def _refuse_different(target: Invoice, origin: Invoice) -> None:
    names = {
        "customer_id": "customer", "currency": "currency", "legal_entity_id": "legal entity",
        "tax_treatment": "tax", "tax_percent": "tax", "tax_method": "tax",
        "prices_include_tax": "tax",
    }  # fmt: skip
    for field, name in names.items():
        if getattr(target, field) != getattr(origin, field):
            raise MergeInvalid(f"invoices: they differ in {name}; they stay apart")
    if origin.schedule_id not in (None, target.schedule_id):
        raise MergeInvalid("invoices: they bill different contracts; they stay apart")


def _refuse_priced_together(invoice: Invoice) -> None:
    if invoice.schedule is None:
        return
    computed = invoice.lines.filter(is_manual=False, billing_period__isnull=True)
    takes_off = computed.exclude(kind=CREDIT).exists()
    if invoice.threshold_number is not None or takes_off:
        raise PricedTogether(
            "usage that was billed ahead of its period is taken off on one invoice, line by line;"
            " its lines stay together. Issue it whole, credit what somebody else is to pay, and"
            " bill that without a contract under their order or entity"
        )
    terms = terms_from_data(invoice.schedule.terms)
    reasons = why_together(terms)
    if reasons:
        raise PricedTogether(
            f"lines of {invoice.schedule.number} are priced together and stay on one invoice: "
            f"{'; '.join(reasons)}. Issue it whole, credit what somebody else is to pay, and bill"
            " that without a contract under their order or entity; or amend the contract"
        )


def _part_of(
    origin: Invoice, purchase_order: str | None, legal_entity_id: UUID | None, now: datetime
) -> Invoice:
    entity_id = legal_entity_id or origin.legal_entity_id
    if not LegalEntity.objects.filter(id=entity_id).exists():
        raise SplitInvalid("legal_entity: there is none with this id")
    fields = {name: getattr(origin, name) for name in _KEPT}
    if entity_id != origin.legal_entity_id:
        fields |= tax_fields_of(origin.customer, entity_id)
    if purchase_order is not None:
        fields["purchase_order"] = purchase_order.strip()[:60]
    fields["part"] = _next_part(origin.schedule_id, origin.bill_on)
    return Invoice.objects.create(
        customer_id=origin.customer_id,
        legal_entity_id=entity_id,
        schedule_id=origin.schedule_id,
        bill_on=origin.bill_on,
        period_start=origin.period_start,
        period_end=origin.period_end,
        calculated_at=now,
        **fields,
    )


def _next_part(schedule_id: UUID | None, bill_on: date) -> int:
    if schedule_id is None:
        return 0
    rows = Invoice.objects.filter(schedule=schedule_id, bill_on=bill_on)
    last = rows.exclude(status=Invoice.Status.VOID).aggregate(last=Max("part"))["last"]
    return 0 if last is None else last + 1


def _moved(
    kind: str, origin: Invoice, target: Invoice, lines: Sequence[InvoiceLine], now: datetime
) -> DraftChange:
    """Move lines with their periods, and remember which they were."""
    fields: dict[str, Any] = {}
    if kind == Kind.MERGE:
        names = ("bill_on", "period_start", "period_end", *_KEPT)
        fields = {name: str(getattr(origin, name)) for name in names}
        fields["schedule_id"] = str(origin.schedule_id) if origin.schedule_id else ""
        fields["prices_include_tax"] = "yes" if origin.prices_include_tax else ""
    periods = list(origin.periods.values_list("id", flat=True))
    if kind == Kind.SPLIT:
        periods = [line.billing_period_id for line in lines if line.billing_period_id]
    change = DraftChange.objects.create(
        kind=kind,
        origin=origin,
        target=target,
        origin_fields=fields,
        periods=[str(each) for each in periods],
        manual_keys=[line.key for line in lines if line.is_manual],
        actor=current_actor(),
        at=now,
    )
    BillingPeriod.objects.filter(id__in=periods).update(invoice=target)
    _move(origin, target, lines, now)
    return change


def _move(origin: Invoice, target: Invoice, lines: Sequence[InvoiceLine], now: datetime) -> None:
    periods = [line.billing_period_id for line in lines if line.billing_period_id]
    BillingPeriod.objects.filter(id__in=periods).update(invoice=target)
    copy_lines([line for line in lines if line.is_manual], target, now)
    InvoiceLine.objects.filter(id__in=[line.id for line in lines]).delete()


def _recompute(invoices: Sequence[Invoice], before: Decimal, now: datetime) -> None:
    """Compute drafts anew and refuse if together they do not claim what they did."""
    for invoice in invoices:
        _set_span(invoice)
    recalculate_invoices(invoice_ids=[each.id for each in invoices], now=now)
    after = ZERO
    for invoice in invoices:
        invoice.refresh_from_db()
        total_draft(invoice, now)
        _set_span(invoice)
        after += sum((line.amount for line in own_lines(invoice)), ZERO)
    if after != before and not any(each.prices_include_tax for each in invoices):
        raise PricedTogether("apart, these lines would cost something else; they stay together")


def _refuse_below_zero(parts: Sequence[Invoice]) -> None:
    """Refuse a part that claims less than nothing while credits pay the other.

    They would pay more of that than they pay of both together.
    """
    if not InvoiceCredit.objects.filter(invoice__in=parts).exists():
        return
    for part in parts:
        if sum((line.amount for line in own_lines(part)), ZERO) < 0:
            raise SplitInvalid(
                "lines: credits pay it, and one of the two would be below zero; leave what takes"
                " off with a line it is taken off from"
            )


def _set_span(invoice: Invoice) -> None:
    """Let the draft's service be that of its periods and lines."""
    spans = [
        *invoice.periods.values_list("service_start", "service_end"),
        *invoice.lines.filter(is_manual=True).values_list("service_start", "service_end"),
    ]
    if spans:
        invoice.period_start = min(start for start, _ in spans)
        invoice.period_end = max(end for _, end in spans)
        invoice.save(update_fields=["period_start", "period_end"])


def _drafted_again(change: DraftChange, target: Invoice) -> Invoice:
    kept = dict(change.origin_fields)
    schedule_id = UUID(kept.pop("schedule_id")) if kept["schedule_id"] else None
    kept.pop("schedule_id", None)
    kept["prices_include_tax"] = bool(kept["prices_include_tax"])
    kept["part"] = _next_part(schedule_id, date.fromisoformat(kept["bill_on"]))
    return _locked(
        Invoice.objects.create(
            customer_id=target.customer_id,
            legal_entity_id=target.legal_entity_id,
            schedule_id=schedule_id,
            **kept,
        ).id
    )


def _let_go(draft: Invoice) -> None:
    """Delete a draft all lines of which are elsewhere now."""
    if draft.lines.exists() or draft.periods.exists():
        raise MergeInvalid("a draft that still has lines is not let go")
    draft.delete()


def _copy_comments(origin: Invoice, target: Invoice) -> None:
    for comment in origin.comments.filter(replaced_by__isnull=True).order_by("at"):
        InvoiceComment.objects.create(
            invoice=target, author=comment.author, text=comment.text, at=comment.at
        )


def _brought_up_to_date(invoices: Sequence[Invoice], now: datetime) -> None:
    recalculate_invoices(invoice_ids=[each.id for each in invoices], now=now)
    for invoice in invoices:
        invoice.refresh_from_db()


def _open(invoice_id: UUID) -> Invoice:
    return _still_open(locked_with_parts([invoice_id])[invoice_id])


def _still_open(invoice: Invoice) -> Invoice:
    if invoice.status not in OPEN_STATES:
        shown = invoice.get_status_display().lower()
        raise InvoiceNotOpen(f"{invoice.number} is {shown}: it never changes; credit or void it")
    return invoice


def _locked(invoice_id: UUID) -> Invoice:
    invoice: Invoice = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("customer", "schedule")
        .get(id=invoice_id)
    )
    return invoice


def _announce_change(fact: str, invoice: Invoice, change: DraftChange, now: datetime) -> None:
    append_event(
        type=fact,
        subject=f"invoice/{invoice.id}",
        data={
            "invoice_id": str(invoice.id),
            "change_id": str(change.id),
            "lines": str(len(change.periods) + len(change.manual_keys)),
        },
        occurred_at=now,
    )
