"""Make the order form once everybody has signed: frozen terms, evidence page, mails."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from monetization.documents.models import Document
from monetization.documents.services import letterhead, render_pdf, store_document
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.pricing.estimate import estimate
from monetization.pricing.terms import terms_from_data
from quotes.models import OrderForm, QuoteVersion, SignatureEvidence, Signer
from quotes.services.common import announce_signature


class NothingToSign(Refusal):
    """A version that was not sent has no document."""


def make_order_form(
    version: QuoteVersion,
    evidence: Sequence[SignatureEvidence],
    *,
    signed_document: Document | None = None,
) -> OrderForm:
    """Put the signed document together and announce it.

    The customer's first signature stands for the order form; the evidence has all of them.

    :param signed_document: as a provider made it; without one our own, with an evidence page.
    """
    if version.document is None:  # a sent version has one, by constraint
        raise NothingToSign("the version was not sent")
    form = OrderForm(
        number=order_form_number(version),
        version=version,
        customer_id=version.quote.customer_id,
        legal_entity_id=version.legal_entity_id,
        terms=version.terms,
        terms_sha256=version.terms_sha256,
        document=version.document,
        document_sha256=version.document_sha256,
        **facts_of_signing(evidence),
    )
    form.signed_document = signed_document or _with_evidence(form, version, evidence)
    form.signed_document_sha256 = form.signed_document.sha256
    form.save()
    announce_signature(form, version)
    return form


def facts_of_signing(evidence: Sequence[SignatureEvidence]) -> dict[str, Any]:
    """Return what an order form repeats of its evidence, by field: whose it is, and until when."""
    first = next((row for row in evidence if row.side == Signer.Side.CUSTOMER), evidence[0])
    last = max(evidence, key=lambda row: row.sequence)
    return {
        "signer_name": first.name,
        "signer_email": first.email,
        "signer_title": first.title,
        "consent_text": first.consent_text,
        "ip_address": first.ip_address,
        "user_agent": first.user_agent,
        "signed_at": last.signed_at,
        "evidence_sha256": last.sha256,
    }


def order_form_number(version: QuoteVersion) -> str:
    return f"{version.quote.number}-v{version.number}"


def _with_evidence(
    form: OrderForm, version: QuoteVersion, evidence: Sequence[SignatureEvidence]
) -> Document:
    terms = terms_from_data(version.terms)
    pdf = render_pdf(
        "documents/order_form.html",
        {
            "version": version,
            "quote": version.quote,
            "paper": letterhead(version.legal_entity_id),
            "terms": terms,
            "priced": estimate(terms),
            "terms_sha256": version.terms_sha256,
            "evidence": evidence,
        },
    )
    return store_document(filename=f"{form.number}-signed.pdf", content=pdf)


def mail_signed_copies(form: OrderForm, version: QuoteVersion, now: datetime) -> None:
    """Mail the signed copy to everybody who signed and whom it was sent to, and its owner."""
    people = {row.email: row.name for row in version.evidence.all()}
    people |= {signer.email: signer.name for signer in version.signers.all()}
    owner = version.quote.owner_label
    if "@" in owner and " " not in owner:
        people.setdefault(owner, owner)
    for to, name in people.items():
        queue_mail(
            dedupe_key=f"order-form/{form.id}/signed/{to}",
            to=to,
            subject=f"Signed: {version.quote.title} ({form.number})",
            text=f"Dear {name},\n\nattached is the signed copy of {form.number}.\n",
            attachment_id=form.signed_document_id,
            subject_ref=f"quote/{version.quote_id}",
            now=now,
        )
