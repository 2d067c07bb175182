"""Bulk work on invoices, one item at a time; and what follows activation."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.models import Invoice
from billing.services import reviews
from billing.services.amendments import apply_amendment
from billing.services.approvals import approve_invoices
from billing.services.calculation import InvoiceChange
from billing.services.delivery import ensure_documents, send_invoice
from billing.services.invoicing import (
    advance_schedule,
    issue_invoices,
    preview_invoices,
    recalculate_invoices,
)
from billing.services.renewals import apply_renewal
from monetization.events.models import Event
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import Outcome, SkipItem
from monetization.kernel.errors import Refusal


def recalculate_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Recalculate one invoice; say what changed."""
    return _result(recalculate_batch(job, [item])[item.key])


def recalculate_batch(job: Job, items: Sequence[JobItem]) -> dict[str, Outcome]:
    """Recalculate invoices together; say what changed on each."""
    found = recalculate_invoices(invoice_ids=_ids(items), now=timezone.now())
    said: dict[str, Outcome] = {item.key: SkipItem("nothing changed") for item in items}
    return said | {str(change.invoice_id): _in_short(change) for change in found}


def _in_short(change: InvoiceChange) -> dict[str, Any]:
    return {
        "before": str(change.total_before),
        "after": str(change.total_after),
        "causes": ", ".join(sorted({line.cause for line in change.changes})),
    }


def preview_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Say what a recalculation would change on one invoice; nothing is written."""
    return _result(preview_batch(job, [item])[item.key])


def preview_batch(job: Job, items: Sequence[JobItem]) -> dict[str, Outcome]:
    """Say what a recalculation would change on invoices; nothing is written."""
    found = preview_invoices(invoice_ids=_ids(items), now=timezone.now())
    said: dict[str, Outcome] = {item.key: SkipItem("nothing would change") for item in items}
    return said | {str(change.invoice_id): reviews.as_data(change) for change in found}


def apply_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Write what was reviewed on one invoice, if that is still what would change."""
    return _result(apply_batch(job, [item])[item.key])


def apply_batch(job: Job, items: Sequence[JobItem]) -> dict[str, Outcome]:
    """Write what was reviewed on each of many invoices, where it is still what would change."""
    found = reviews.apply_reviewed(
        review_id=UUID(job.params["review"]), invoice_ids=_ids(items), now=timezone.now()
    )
    said: dict[str, Outcome] = {item.key: SkipItem("nothing changes any more") for item in items}
    for invoice_id, outcome in found.items():
        said[str(invoice_id)] = (
            outcome
            if isinstance(outcome, Refusal)
            else {"before": str(outcome.total_before), "after": str(outcome.total_after)}
        )
    return said


def _ids(items: Sequence[JobItem]) -> list[UUID]:
    return [UUID(item.key) for item in items]


def _result(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def approve_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Approve one draft in the name of who started the job."""
    if not approve_invoices(invoice_ids=[UUID(item.key)], now=timezone.now()):
        raise SkipItem("approved before")
    return {}


def issue_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Issue one draft on the date the person chose."""
    return _result(issue_batch(job, [item])[item.key])


def issue_batch(job: Job, items: Sequence[JobItem]) -> dict[str, Outcome]:
    """Issue drafts together on the date the person chose; they are numbered in their order."""
    rows = {str(row.id): row for row in Invoice.objects.filter(id__in=_ids(items))}
    said: dict[str, Outcome] = {
        item.key: SkipItem("it was deleted") for item in items if item.key not in rows
    }
    for key, row in rows.items():
        if row.status == Invoice.Status.ISSUED:
            said[key] = SkipItem(f"already issued as {row.number}")
        elif row.status == Invoice.Status.DRAFT and not row.total_amount:
            said[key] = SkipItem("nothing to bill")
    made = issue_invoices(
        invoice_ids=[UUID(item.key) for item in items if item.key not in said],
        issued_on=date.fromisoformat(job.params["issued_on"]),
        now=timezone.now(),
        only_passing=True,
    )
    for invoice_id, outcome in made.items():
        said[str(invoice_id)] = (
            outcome if isinstance(outcome, Refusal) else {"number": outcome.number}
        )
    return said


def send_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Send one issued invoice."""
    invoice = Invoice.objects.get(id=item.key)
    if invoice.sent_at is not None:
        raise SkipItem("sent before")
    made = send_invoice(invoice_id=invoice.id, now=timezone.now())
    return {"number": made.number}


def send_batch(job: Job, items: Sequence[JobItem]) -> dict[str, Outcome]:
    """Make the documents of many invoices at once, then queue each one's mail."""
    ensure_documents(invoice_ids=_ids(items))
    said: dict[str, Outcome] = {}
    for item in items:
        try:
            with transaction.atomic():
                said[item.key] = send_item(job, item)
        except (Refusal, SkipItem) as outcome:
            said[item.key] = outcome
    return said


def on_schedule_activated(event: Event) -> None:
    """Open the invoices that are due, so that nobody waits for the clock."""
    now = timezone.now()
    opened = advance_schedule(schedule_id=UUID(event.data["schedule_id"]), now=now)
    recalculate_invoices(invoice_ids=opened, now=now)


def on_order_form_signed(event: Event) -> None:
    """Bill amendments and renewals agreed in advance at once; others wait for a click."""
    form_id, now = UUID(event.data["order_form_id"]), timezone.now()
    apply_amendment(order_form_id=form_id, now=now)
    apply_renewal(order_form_id=form_id, now=now)
