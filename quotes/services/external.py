"""What a signature service tells us, once it was asked and answered: viewed, signed, declined."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from monetization.documents.services import store_document
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.pricing.terms import terms_from_data, terms_hash
from quotes.domain import lifecycle
from quotes.models import OrderForm, QuoteVersion, SignatureEvidence, Signer
from quotes.services.common import announce
from quotes.services.evidence import append_evidence
from quotes.services.order_forms import make_order_form, order_form_number


class TermsChanged(Refusal):
    """The stored terms are not those whose hash was frozen; nothing may be signed."""


def _locked(version_id: UUID) -> QuoteVersion:
    version: QuoteVersion = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote__legal_entity", "document")
        .get(id=version_id)
    )
    return version


@transaction.atomic
def record_external_view(*, version_id: UUID, now: datetime) -> bool:
    """Note that the signer opened it over there; returns whether that was news."""
    version = _locked(version_id)
    if version.status != QuoteVersion.Status.SENT:
        return False
    version.status = lifecycle.next_state(version.status, "view")
    version.save(update_fields=["status"])
    version.signers.filter(status=Signer.Status.WAITING).update(status=Signer.Status.VIEWED)
    announce(version.quote, version, "quote.viewed", now)
    return True


@transaction.atomic
def record_external_signature(
    *,
    version_id: UUID,
    signer_name: str,
    signer_email: str,
    statement: str,
    signed_at: datetime,
    content: bytes,
    mail_copy: bool,
    now: datetime,
) -> OrderForm:
    """Make the order form of a version that was signed at a signature service. Once.

    :param statement: what stands in place of our own consent text.
    :param content: the signed PDF with the service's audit trail, as it was downloaded.
    :param mail_copy: mail the signed copy, where the service does not.
    :raises QuoteTransitionRefused: if the version was withdrawn, declined or expired here.
    :raises TermsChanged: if the stored terms fail their hash.
    """
    version = _locked(version_id)
    signed: OrderForm | None = OrderForm.objects.filter(version=version).first()
    if signed is not None:
        return signed
    if terms_hash(terms_from_data(version.terms)) != version.terms_sha256:
        raise TermsChanged("the stored terms are not those that were sent; nothing was signed")
    version.status = lifecycle.next_state(version.status, "accept")
    version.decided_at = signed_at
    version.save(update_fields=["status", "decided_at"])
    signer = version.signers.first()
    signed_row = append_evidence(
        version=version,
        position=signer.position if signer else 1,
        side=Signer.Side.CUSTOMER,
        kind=SignatureEvidence.Kind.PROVIDER,
        name=signer_name,
        email=signer_email,
        consent_text=statement,
        signed_at=signed_at,
    )
    version.signers.update(status=Signer.Status.SIGNED, signed_at=signed_at)
    number = order_form_number(version)
    stored = store_document(filename=f"{number}-signed.pdf", content=content)
    form = make_order_form(version, [signed_row], signed_document=stored)
    announce(version.quote, version, "quote.accepted", signed_at)
    if mail_copy:
        queue_mail(
            dedupe_key=f"order-form/{form.id}/signed/{signer_email}",
            to=signer_email,
            subject=f"Signed: {version.quote.title} ({number})",
            text=f"Dear {signer_name},\n\nattached is your signed copy of {number}.\n",
            attachment_id=form.signed_document_id,
            subject_ref=f"quote/{version.quote_id}",
            now=now,
        )
    return form


@transaction.atomic
def record_external_decline(*, version_id: UUID, reason: str, now: datetime) -> bool:
    """Record that the signer declined over there; returns whether that was news.

    :raises QuoteTransitionRefused: if it was signed, withdrawn or expired here.
    """
    version = _locked(version_id)
    if version.status == QuoteVersion.Status.DECLINED:
        return False
    version.status = lifecycle.next_state(version.status, "decline")
    version.decided_at = now
    version.save(update_fields=["status", "decided_at"])
    version.links.filter(revoked_at__isnull=True).update(revoked_at=now)
    announce(version.quote, version, "quote.declined", now, reason=reason[:1000])
    return True
