"""A second person looks at large invoices before they go out."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.domain.assertions import SECOND_PERSON, read_parameters
from billing.models import Invoice, InvoiceApproval
from billing.services.assertions import check, enabled_rules
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import current_actor


class SecondPersonNeeded(Refusal):
    """An invoice this large is approved by one person and issued by another."""


class NothingToApprove(Refusal):
    """Only drafts are approved."""


@transaction.atomic
def approve_invoices(*, invoice_ids: Iterable[UUID], now: datetime) -> int:
    """Approve drafts as they are; a later change takes it back. Approving again changes nothing.

    :returns: how many were approved that were not.
    :raises NothingToApprove: if none of them is a draft.
    """
    rows = list(
        Invoice.objects.select_for_update(of=("self",))
        .filter(id__in=list(invoice_ids), status=Invoice.Status.DRAFT)
        .select_related("customer")
        .order_by("id")
    )
    if not rows:
        raise NothingToApprove("only a draft is approved")
    known = dict(
        InvoiceApproval.objects.filter(invoice__in=rows).values_list("invoice_id", "total_amount")
    )
    fresh = [row for row in rows if known.get(row.id) != row.total_amount]
    for row in fresh:
        InvoiceApproval.objects.update_or_create(
            invoice=row,
            defaults={
                "total_amount": row.total_amount,
                "approved_by": current_actor(),
                "approved_at": now,
            },
        )
        append_event(
            type="invoice.approved",
            subject=f"invoice/{row.id}",
            data={"invoice_id": str(row.id), "total": str(row.total_amount)},
            occurred_at=now,
        )
    check(rows, now=now)
    return len(fresh)


def withdraw_approvals(invoice_ids: Sequence[UUID]) -> None:
    """Take approvals back: what was looked at is not what is there any more."""
    InvoiceApproval.objects.filter(invoice__id__any=invoice_ids).delete()


def unapproved(rows: Sequence[Invoice]) -> dict[UUID, Refusal]:
    """Return, of large invoices that nobody else has approved as they are, what is missing."""
    rule = next((rule for rule in enabled_rules() if rule.kind == SECOND_PERSON), None)
    if rule is None:
        return {}
    limit = read_parameters(rule.kind, rule.parameters)["limit"]
    large = [row for row in rows if row.total_amount > limit]
    approvals = {
        each.invoice_id: each for each in InvoiceApproval.objects.filter(invoice__in=large)
    }
    missing: dict[UUID, Refusal] = {}
    for row in large:
        approval = approvals.get(row.id)
        if approval is None or approval.total_amount != row.total_amount:
            missing[row.id] = SecondPersonNeeded(
                "it is above the limit: somebody approves it, another issues it"
            )
        elif approval.approved_by == current_actor():
            missing[row.id] = SecondPersonNeeded(
                "you approved it; above the limit somebody else issues it"
            )
    return missing
