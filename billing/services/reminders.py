"""Remind customers of what is due: by a plan, once per step, until it is paid."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from billing.domain.dunning import due_step, read_steps
from billing.models import CustomerBilling, Invoice, Reminder, ReminderPlan
from billing.selectors.receivables import SETTLED
from billing.services.collections import open_amount
from billing.services.delivery import ensure_document
from billing.services.mail_texts import mail_about
from monetization.customers.models import Customer
from monetization.documents.services import PdfUnavailable
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail

DEFAULT_DAYS = (-3, 1, 7, 14, 30)


class NothingToRemindOf(Refusal):
    """The invoice is not owed, or was never sent."""


class NobodyToRemind(Refusal):
    """The customer has no billing contact."""


def reminder_plan() -> ReminderPlan:
    """Return the company's plan; until it has one, the usual days, switched off, and not stored."""
    found: ReminderPlan | None = ReminderPlan.objects.first()
    return found or ReminderPlan(days=list(DEFAULT_DAYS))


@transaction.atomic
def set_reminder_plan(*, is_enabled: bool, days: Sequence[int]) -> ReminderPlan:
    """Set when unpaid invoices are reminded of.

    :param days: from the due date, negative before it.
    :raises StepsInvalid: for days that make no sense.
    """
    plan, _ = ReminderPlan.objects.update_or_create(
        defaults={"is_enabled": is_enabled, "days": list(read_steps(days))}
    )
    found: ReminderPlan = plan
    return found


@transaction.atomic
def set_customer_billing(
    *, customer_id: UUID, requires_purchase_order: bool, reminder_days: Sequence[int] | None
) -> CustomerBilling:
    """Set how one customer is billed where it differs from the rest.

    :param reminder_days: None follows the company's plan; empty never reminds.
    :raises StepsInvalid: for days that make no sense.
    """
    steps = None if reminder_days is None else list(read_steps(reminder_days))
    customer = Customer.objects.select_for_update(of=("self",)).get(id=customer_id)
    row, _ = CustomerBilling.objects.update_or_create(
        customer=customer,
        defaults={"requires_purchase_order": requires_purchase_order, "reminder_days": steps},
    )
    found: CustomerBilling = row
    return found


def due_reminders(*, today: date) -> list[tuple[UUID, int]]:
    """Return the invoices to remind of today with the step of each; nothing while switched off."""
    plan = reminder_plan()
    if not plan.is_enabled:
        return []
    own = dict(
        CustomerBilling.objects.filter(reminder_days__isnull=False).values_list(
            "customer_id", "reminder_days"
        )
    )
    sent: dict[UUID, list[int]] = defaultdict(list)
    owed = Invoice.objects.filter(
        status=Invoice.Status.ISSUED, sent_at__isnull=False, due_on__isnull=False
    ).exclude(payment_status__in=SETTLED)
    for invoice_id, days in Reminder.objects.filter(invoice__in=owed).values_list(
        "invoice_id", "days"
    ):
        sent[invoice_id].append(days)
    found = []
    for row in owed.order_by("due_on", "number").only("id", "customer_id", "due_on"):
        steps = own.get(row.customer_id, plan.days)
        step = due_step(steps, due_on=row.due_on, today=today, sent=sent[row.id])
        if step is not None:
            found.append((row.id, step))
    return found


@transaction.atomic
def send_reminder(*, invoice_id: UUID, days: int, today: date, now: datetime) -> Reminder:
    """Queue one reminder, with the invoice attached; the same step again returns the first.

    :param days: the step: from the due date, negative before it.
    :raises NothingToRemindOf: if it is paid, written off, void or was never sent.
    :raises NobodyToRemind: if the customer has no contact.
    """
    invoice = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("customer", "legal_entity", "document")
        .get(id=invoice_id)
    )
    before = Reminder.objects.filter(invoice=invoice, days=days).first()
    if before is not None:
        return before
    owes = invoice.status == Invoice.Status.ISSUED and open_amount(invoice) > 0
    if not owes or invoice.sent_at is None or invoice.due_on is None:
        raise NothingToRemindOf(f"{invoice.number or 'the draft'} is not owed, or was never sent")
    contacts = list(invoice.customer.contacts.order_by("-is_primary", "id"))
    if not contacts:
        raise NobodyToRemind(f"{invoice.customer.name} has no billing contact")
    late = (today - invoice.due_on).days
    kind = "reminder_late" if late > 0 else "reminder_before"
    mail_text = mail_about(kind, invoice, contact_name=contacts[0].name, days_late=late)
    mail = queue_mail(
        dedupe_key=f"reminder/{invoice.id}/{days}",
        to=contacts[0].email,
        cc=[contact.email for contact in contacts[1:]],
        subject=mail_text.subject,
        text=mail_text.text,
        attachment_id=_attachment(invoice),
        subject_ref=f"invoice/{invoice.id}",
        now=now,
    )
    reminder = Reminder.objects.create(invoice=invoice, days=days, mail=mail, at=now)
    append_event(
        type="invoice.reminded",
        subject=f"invoice/{invoice.id}",
        data={"invoice_id": str(invoice.id), "number": invoice.number, "days_late": str(late)},
        occurred_at=now,
    )
    return reminder


def _attachment(invoice: Invoice) -> UUID | None:
    try:
        found: UUID = ensure_document(invoice).id
    except PdfUnavailable:
        return None  # the customer has the invoice from when it was sent
    return found
