"""Make an issued invoice's document once, and mail it."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.template.loader import render_to_string

from billing.models import CreditNote, Invoice
from monetization.documents.models import Document
from monetization.documents.services import render_pdf, store_document
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail


class InvoiceNotSendable(Refusal):
    """Only an issued invoice is sent."""


class NoBillingContact(Refusal):
    """The customer has nobody to send invoices to."""


@transaction.atomic
def send_invoice(*, invoice_id: UUID, now: datetime) -> Invoice:
    """Queue an issued invoice, with its PDF, to the customer's primary contact.

    Sending again queues nothing more: one mail per invoice.

    :raises InvoiceNotSendable: if it is not issued.
    :raises NoBillingContact: if the customer has no contact.
    """
    invoice = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("customer", "legal_entity")
        .get(id=invoice_id)
    )
    if invoice.status != Invoice.Status.ISSUED:
        raise InvoiceNotSendable(f"{invoice.number or 'a draft'} is not issued")
    if invoice.sent_at is not None:
        return invoice
    contacts = list(invoice.customer.contacts.order_by("-is_primary", "id"))
    if not contacts:
        raise NoBillingContact(f"{invoice.customer.name} has no billing contact")
    document = ensure_document(invoice)
    context = {"invoice": invoice, "contact": contacts[0]}
    queue_mail(
        dedupe_key=f"invoice/{invoice.id}",
        to=contacts[0].email,
        cc=[contact.email for contact in contacts[1:]],
        subject=f"Invoice {invoice.number} from {invoice.legal_entity.name}",
        text=render_to_string("emails/invoice.txt", context),
        attachment_id=document.id,
        subject_ref=f"invoice/{invoice.id}",
        now=now,
    )
    invoice.sent_at = now
    invoice.save(update_fields=["sent_at"])
    append_event(
        type="invoice.sent",
        subject=f"invoice/{invoice.id}",
        data={"invoice_id": str(invoice.id)},
        occurred_at=now,
    )
    return invoice


def ensure_document(invoice: Invoice) -> Document:
    """Return the stored PDF of an issued invoice, made the first time it is asked for."""
    if invoice.document is not None:
        return invoice.document
    document = store_document(filename=f"{invoice.number}.pdf", content=render_invoice(invoice))
    invoice.document = document
    invoice.save(update_fields=["document"])
    return document


def render_invoice(invoice: Invoice) -> bytes:
    """Lay out an invoice, draft or issued."""
    lines = invoice.lines.order_by("position", "key")
    return render_pdf("documents/invoice.html", {"invoice": invoice, "lines": lines})


@transaction.atomic
def ensure_credit_note_document(note: CreditNote) -> Document:
    """Return the stored PDF of a credit note, made the first time it is asked for."""
    if note.document is not None:
        return note.document
    content = render_pdf(
        "documents/credit_note.html", {"note": note, "lines": note.lines.order_by("position")}
    )
    note.document = store_document(filename=f"{note.number}.pdf", content=content)
    note.save(update_fields=["document"])
    return note.document
