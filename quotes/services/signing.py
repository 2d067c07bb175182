"""The signer's side: open the link, sign or decline; the evidence is kept."""

import hashlib
from datetime import datetime
from uuid import UUID

from django.db import transaction

from monetization.documents.models import Document
from monetization.documents.services import render_pdf, store_document
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.pricing.estimate import estimate
from monetization.pricing.terms import terms_from_data, terms_hash
from quotes.domain import lifecycle
from quotes.models import OrderForm, QuoteVersion, SigningLink
from quotes.ports import OWN_LINK
from quotes.services.common import announce, announce_signature
from quotes.services.sending import SignatureMethodUnavailable

CONSENT = (
    "I have read this order form, I am authorized to sign for the customer, and I agree that my "
    "electronic signature has the effect of a handwritten one."
)


class SigningLinkInvalid(Refusal):
    """The link is unknown, expired, used or withdrawn. Always the same words."""

    def __init__(self) -> None:
        super().__init__("This link is not valid any more. Ask the sender for a new one.")


class ConsentMissing(Refusal):
    """A signature needs consent, a name and an e-mail address."""


def valid_link(*, token: str, now: datetime, lock: bool = False) -> SigningLink:
    """Return the open signing link of a token.

    :raises SigningLinkInvalid: for every reason in the same words.
    """
    links = SigningLink.objects.select_related(
        "version__quote__customer", "version__quote__legal_entity", "version__document"
    )
    if lock:
        links = links.select_for_update(of=("self",))
    link = links.filter(token_sha256=hashlib.sha256(token.encode()).hexdigest()).first()
    if (
        link is None
        or link.revoked_at is not None
        or link.expires_at <= now
        or link.version.status not in ("sent", "viewed", "accepted")
    ):
        raise SigningLinkInvalid
    return link


@transaction.atomic
def record_view(*, link_id: UUID, now: datetime) -> None:
    """Note that the signer opened the page; reading never signs."""
    link = SigningLink.objects.select_for_update(of=("self",)).get(id=link_id)
    if link.first_viewed_at is not None:
        return
    link.first_viewed_at = now
    link.save(update_fields=["first_viewed_at"])
    version = QuoteVersion.objects.select_for_update(of=("self",)).get(id=link.version_id)
    if version.status == QuoteVersion.Status.SENT:
        version.status = lifecycle.next_state(version.status, "view")
        version.save(update_fields=["status"])
        announce(version.quote, version, "quote.viewed", now)


@transaction.atomic
def sign_version(
    *,
    token: str,
    name: str,
    email: str,
    title: str,
    consent: bool,
    ip_address: str | None,
    user_agent: str,
    now: datetime,
) -> OrderForm:
    """Sign the version behind a link: the order form, its frozen terms and the evidence.

    A second submit returns the same order form.

    :raises SigningLinkInvalid: if the link is not open.
    :raises ConsentMissing: without consent, name or e-mail address.
    """
    link = valid_link(token=token, now=now, lock=True)
    version = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote__legal_entity")
        .get(id=link.version_id)
    )
    signed: OrderForm | None = OrderForm.objects.filter(version=version).first()
    if signed is not None:
        return signed
    if version.signature_method != OWN_LINK:
        raise SignatureMethodUnavailable("this order form is not signed here; follow the link")
    if not consent or not name.strip() or "@" not in email:
        raise ConsentMissing("give your name and e-mail address and tick the consent box")
    if terms_hash(terms_from_data(version.terms)) != version.terms_sha256:
        raise SigningLinkInvalid
    version.status = lifecycle.next_state(version.status, "accept")
    version.decided_at = now
    version.save(update_fields=["status", "decided_at"])
    link.used_at = now
    link.save(update_fields=["used_at"])
    form = _order_form(version, name, email, title, ip_address, user_agent, now)
    announce_signature(form, version)
    announce(version.quote, version, "quote.accepted", now)
    for to in {email, version.signer_email}:
        queue_mail(
            dedupe_key=f"order-form/{form.id}/signed/{to}",
            to=to,
            subject=f"Signed: {version.quote.title} ({form.number})",
            text=f"Dear {name},\n\nattached is your signed copy of {form.number}.\n",
            attachment_id=form.signed_document_id,
            subject_ref=f"quote/{version.quote_id}",
            now=now,
        )
    return form


def _frozen_document(version: QuoteVersion) -> Document:
    if version.document is None:  # a sent version has one, by constraint
        raise SigningLinkInvalid
    return version.document


def _order_form(
    version: QuoteVersion,
    name: str,
    email: str,
    title: str,
    ip_address: str | None,
    user_agent: str,
    now: datetime,
) -> OrderForm:
    terms = terms_from_data(version.terms)
    form = OrderForm(
        number=f"{version.quote.number}-v{version.number}",
        version=version,
        customer_id=version.quote.customer_id,
        legal_entity_id=version.quote.legal_entity_id,
        terms=version.terms,
        terms_sha256=version.terms_sha256,
        document=_frozen_document(version),
        document_sha256=version.document_sha256,
        signer_name=name.strip()[:200],
        signer_email=email,
        signer_title=title.strip()[:120],
        consent_text=CONSENT,
        ip_address=ip_address,
        user_agent=user_agent[:500],
        signed_at=now,
    )
    pdf = render_pdf(
        "documents/order_form.html",
        {
            "version": version,
            "quote": version.quote,
            "terms": terms,
            "priced": estimate(terms),
            "terms_sha256": version.terms_sha256,
            "evidence": form,
        },
    )
    form.signed_document = store_document(filename=f"{form.number}-signed.pdf", content=pdf)
    form.save()
    return form


@transaction.atomic
def decline_version(*, token: str, reason: str, now: datetime) -> QuoteVersion:
    """Record that the customer declines.

    :raises SigningLinkInvalid: if the link is not open.
    """
    link = valid_link(token=token, now=now, lock=True)
    version = QuoteVersion.objects.select_for_update(of=("self",)).get(id=link.version_id)
    version.status = lifecycle.next_state(version.status, "decline")
    version.decided_at = now
    version.save(update_fields=["status", "decided_at"])
    link.revoked_at = now
    link.save(update_fields=["revoked_at"])
    announce(version.quote, version, "quote.declined", now, reason=reason[:1000])
    return version
