"""Contracts whose invoices are issued and sent by themselves, when nothing speaks against it."""

from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.models import BillingSchedule, Invoice
from billing.services.assertions import refuse_failing
from billing.services.delivery import send_invoice
from billing.services.invoicing import issue_invoice, recalculate_invoices
from monetization.events.services import append_event


@transaction.atomic
def set_automatic(*, schedule_id: UUID, issue: bool, send: bool, now: datetime) -> BillingSchedule:
    """Say whether a contract's drafts are issued, and its issued invoices sent, by themselves."""
    schedule: BillingSchedule = BillingSchedule.objects.select_for_update(of=("self",)).get(
        id=schedule_id
    )
    if (schedule.auto_issue, schedule.auto_send) == (issue, send):
        return schedule
    schedule.auto_issue, schedule.auto_send = issue, send
    schedule.save(update_fields=["auto_issue", "auto_send"])
    words = [name for name, is_on in (("issue", issue), ("send", send)) if is_on]
    append_event(
        type="schedule.automatic_changed",
        subject=f"schedule/{schedule.id}",
        data={"schedule_id": str(schedule.id), "automatic": ", ".join(words) or "nothing"},
        occurred_at=now,
    )
    return schedule


def due_automatically(*, today: date) -> list[UUID]:
    """Return the invoices the clock should issue or send, the earliest first.

    Drafts that fail a test are not among them: they wait for a person.
    """
    drafts = Q(
        schedule__auto_issue=True,
        status=Invoice.Status.DRAFT,
        failing_assertions=0,
        total_amount__gt=0,
        bill_on__lte=today,
    )
    unsent = Q(schedule__auto_send=True, status=Invoice.Status.ISSUED, sent_at__isnull=True)
    found = Invoice.objects.filter(drafts | unsent).order_by("bill_on", "id")
    return list(found.values_list("id", flat=True))


@transaction.atomic
def advance_automatically(*, invoice_id: UUID, today: date, now: datetime) -> Invoice:
    """Issue a draft as it is computed now, and send it, as its contract says. Again is harmless.

    :raises AssertionsFailed: if it fails a test by now.
    :raises GracePeriodRunning: while late usage is awaited; the clock comes back.
    :raises SecondPersonNeeded: above the limit, until somebody approves it.
    """
    recalculate_invoices(invoice_ids=[invoice_id], now=now)
    invoice: Invoice = Invoice.objects.select_related("schedule").get(id=invoice_id)
    contract = invoice.schedule
    if contract is None:
        return invoice
    if contract.auto_issue and invoice.status == Invoice.Status.DRAFT:
        refuse_failing(invoice)
        invoice = issue_invoice(invoice_id=invoice_id, issued_on=today, now=now)
    if contract.auto_send and invoice.status == Invoice.Status.ISSUED:
        invoice = send_invoice(invoice_id=invoice_id, now=now)
    return invoice
