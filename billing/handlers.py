"""Bulk work on invoices, one item at a time; and what follows activation."""

from datetime import date
from typing import Any
from uuid import UUID

from django.utils import timezone

from billing.models import Invoice
from billing.services import reviews
from billing.services.assertions import refuse_failing
from billing.services.delivery import send_invoice
from billing.services.invoicing import (
    advance_schedule,
    issue_invoice,
    preview_invoices,
    recalculate_invoices,
)
from monetization.events.models import Event
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import SkipItem


def recalculate_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Recalculate one invoice; say what changed."""
    changes = recalculate_invoices(invoice_ids=[UUID(item.key)], now=timezone.now())
    if not changes:
        raise SkipItem("nothing changed")
    found = changes[0]
    causes = sorted({line.cause for line in found.changes})
    return {
        "before": str(found.total_before),
        "after": str(found.total_after),
        "causes": ", ".join(causes),
    }


def preview_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Say what a recalculation would change on one invoice; nothing is written."""
    changes = preview_invoices(invoice_ids=[UUID(item.key)], now=timezone.now())
    if not changes:
        raise SkipItem("nothing would change")
    return reviews.as_data(changes[0])


def apply_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Write what was reviewed on one invoice, if that is still what would change."""
    found = reviews.apply_reviewed(
        review_id=UUID(job.params["review"]), invoice_id=UUID(item.key), now=timezone.now()
    )
    if found is None:
        raise SkipItem("nothing changes any more")
    return {"before": str(found.total_before), "after": str(found.total_after)}


def issue_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Issue one draft on the date the person chose."""
    invoice = Invoice.objects.get(id=item.key)
    if invoice.status == Invoice.Status.ISSUED:
        raise SkipItem(f"already issued as {invoice.number}")
    if invoice.status == Invoice.Status.DRAFT and not invoice.total_amount:
        raise SkipItem("nothing to bill")
    refuse_failing(invoice)
    made = issue_invoice(
        invoice_id=invoice.id,
        issued_on=date.fromisoformat(job.params["issued_on"]),
        now=timezone.now(),
    )
    return {"number": made.number}


def send_item(job: Job, item: JobItem) -> dict[str, Any]:
    """Send one issued invoice."""
    invoice = Invoice.objects.get(id=item.key)
    if invoice.sent_at is not None:
        raise SkipItem("sent before")
    made = send_invoice(invoice_id=invoice.id, now=timezone.now())
    return {"number": made.number}


def on_schedule_activated(event: Event) -> None:
    """Open the invoices that are due, so that nobody waits for the clock."""
    now = timezone.now()
    opened = advance_schedule(schedule_id=UUID(event.data["schedule_id"]), now=now)
    recalculate_invoices(invoice_ids=opened, now=now)
