"""Write mails about documents: in the company's words, or in ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from billing.domain.mail_texts import KINDS, checked, days_in_words, merged, merged_body
from billing.models import CreditNote, Invoice, MailText
from billing.ports import payment_link
from billing.services.paper import recipient_of
from monetization.documents.services import stationery_of, template_of
from monetization.documents.stationery import Stationery
from monetization.tenancy.models import LegalEntity

__all__ = ["WrittenMail", "document_values", "mail_about", "set_mail_text", "text_of"]


@dataclass(frozen=True, slots=True)
class WrittenMail:
    """A mail as it goes out."""

    subject: str
    text: str


def text_of(legal_entity_id: UUID, kind: str, language: str) -> tuple[str, str, bool]:
    """Return subject and body of a kind of mail, and whether they are the company's own."""
    own = MailText.objects.filter(legal_entity_id=legal_entity_id, kind=kind).first()
    if own is not None:
        return own.subject, own.body, True
    return KINDS[kind].subject[language], KINDS[kind].body[language], False


@transaction.atomic
def set_mail_text(*, legal_entity_id: UUID, kind: str, subject: str, body: str) -> None:
    """Keep a company's own words for a kind of mail; both empty takes ours again.

    :raises MailTextInvalid: naming a field that does not exist.
    """
    LegalEntity.objects.get(id=legal_entity_id)
    if kind in KINDS and not subject.strip() and not body.strip():
        MailText.objects.filter(legal_entity_id=legal_entity_id, kind=kind).delete()
        return
    subject, body = checked(kind, subject, body)
    MailText.objects.update_or_create(
        legal_entity_id=legal_entity_id, kind=kind, defaults={"subject": subject, "body": body}
    )


def mail_about(
    kind: str,
    document: Invoice | CreditNote,
    *,
    contact_name: str,
    more: Mapping[str, str] | None = None,
    days_late: int = 0,
) -> WrittenMail:
    """Write a mail about a document, in its recipient's language.

    :param more: values beyond the document's own.
    """
    recipient = recipient_of(document.customer)
    paper = stationery_of(template_of(document.legal_entity_id), recipient.language)
    values = document_values(document, paper, contact_name)
    values["days_late"] = days_in_words(days_late, paper.language)
    values |= more or {}
    subject, body, _ = text_of(document.legal_entity_id, kind, paper.language)
    return WrittenMail(" ".join(merged(subject, values).split()), merged_body(body, values))


def document_values(
    document: Invoice | CreditNote, paper: Stationery, contact_name: str
) -> dict[str, str]:
    """Return the values of the merge fields of a document."""
    entity, customer = document.legal_entity, document.customer
    shared = {
        "contact_name": contact_name,
        "customer_name": customer.legal_name or customer.name,
        "seller_name": entity.name,
        "bank_details": entity.bank_details,
        "number": document.number,
        "total": paper.money(document.total_amount, document.currency),
        "issued_on": paper.day(document.issued_on),
    }
    invoice = document if isinstance(document, Invoice) else document.invoice
    shared |= {
        "invoice_number": invoice.number,
        "purchase_order": invoice.purchase_order,
        "period": paper.period(invoice.period_start, invoice.period_end),
    }
    if isinstance(document, CreditNote):
        return {**shared, "reason": document.reason}
    settled = document.paid_amount + document.credited_amount + document.prepaid_amount
    settled += document.written_off_amount
    return {
        **shared,
        "due_on": paper.day(document.due_on),
        "payment_link": payment_link(document),
        "open_amount": paper.money(document.total_amount - settled, document.currency),
    }
