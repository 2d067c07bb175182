"""The signers' side: open the link, sign or decline in turn; the evidence is kept."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from monetization.kernel.errors import Refusal
from monetization.pricing.terms import terms_from_data, terms_hash
from quotes.domain import lifecycle
from quotes.models import OrderForm, QuoteVersion, Signer, SigningLink
from quotes.ports import OWN_LINK
from quotes.services.common import announce
from quotes.services.evidence import append_evidence
from quotes.services.links import SignatureMethodUnavailable, SigningLinkInvalid, invite, valid_link
from quotes.services.order_forms import mail_signed_copies, make_order_form

CONSENT = (
    "I have read this order form, I am authorized to sign for the customer, and I agree that my "
    "electronic signature has the effect of a handwritten one."
)
COUNTER_CONSENT = (
    "I have read this order form, I am authorized to sign for the seller, and I agree that my "
    "electronic signature has the effect of a handwritten one."
)


class ConsentMissing(Refusal):
    """A signature needs consent, a name and an e-mail address."""


def consent_of(link: SigningLink) -> str:
    """Return the words a signer agrees to, by the side they sign for."""
    is_seller = link.signer is not None and link.signer.side == Signer.Side.SELLER
    return COUNTER_CONSENT if is_seller else CONSENT


@transaction.atomic
def record_view(*, link_id: UUID, now: datetime) -> None:
    """Note that the signer opened the page; reading never signs."""
    link = SigningLink.objects.select_for_update(of=("self",)).get(id=link_id)
    if link.first_viewed_at is not None:
        return
    link.first_viewed_at = now
    link.save(update_fields=["first_viewed_at"])
    Signer.objects.filter(id=link.signer_id, status=Signer.Status.INVITED).update(
        status=Signer.Status.VIEWED
    )
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
    has_email_code: bool = False,
) -> OrderForm | None:
    """Sign the version behind a link. The last signature makes the order form.

    A second submit changes nothing and returns the same.

    :returns: the order form; None while others have to sign.
    :raises SigningLinkInvalid: if the link is not open.
    :raises ConsentMissing: without consent, name or e-mail address.
    """
    link = valid_link(token=token, now=now, lock=True)
    version = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote", "legal_entity", "document")
        .get(id=link.version_id)
    )
    signer = Signer.objects.filter(id=link.signer_id).first()
    if signer is None:
        raise SigningLinkInvalid
    if signer.status == Signer.Status.SIGNED:
        return OrderForm.objects.filter(version=version).first()
    if version.signature_method != OWN_LINK:
        raise SignatureMethodUnavailable("this order form is not signed here; follow the link")
    if not consent or not name.strip() or "@" not in email:
        raise ConsentMissing("give your name and e-mail address and tick the consent box")
    if terms_hash(terms_from_data(version.terms)) != version.terms_sha256:
        raise SigningLinkInvalid
    link.used_at = now
    link.save(update_fields=["used_at"])
    append_evidence(
        version=version,
        position=signer.position,
        side=signer.side,
        name=name,
        email=email,
        title=title,
        consent_text=consent_of(link),
        ip_address=ip_address,
        user_agent=user_agent,
        has_email_code=has_email_code,
        signed_at=now,
    )
    signer.status, signer.signed_at = Signer.Status.SIGNED, now
    signer.save(update_fields=["status", "signed_at"])
    return _proceed(version, email, now)


def _proceed(version: QuoteVersion, email: str, now: datetime) -> OrderForm | None:
    """Invite whose turn is next; accept the version after the last."""
    rows = list(version.evidence.order_by("sequence"))
    following = version.signers.filter(status=Signer.Status.WAITING).order_by("position").first()
    announce(version.quote, version, "quote.signed", now, by=email, evidence_sha256=rows[-1].sha256)
    if following is not None:
        version.status = lifecycle.next_state(version.status, "sign")
        version.save(update_fields=["status"])
        invite(version, following, now)
        return None
    version.status = lifecycle.next_state(version.status, "accept")
    version.decided_at = now
    version.save(update_fields=["status", "decided_at"])
    form = make_order_form(version, rows)
    announce(version.quote, version, "quote.accepted", now)
    mail_signed_copies(form, version, now)
    return form


@transaction.atomic
def decline_version(*, token: str, reason: str, now: datetime) -> QuoteVersion:
    """Record that a signer declines; nobody signs the version any more.

    :raises SigningLinkInvalid: if the link is not open.
    """
    link = valid_link(token=token, now=now, lock=True)
    version = QuoteVersion.objects.select_for_update(of=("self",)).get(id=link.version_id)
    version.status = lifecycle.next_state(version.status, "decline")
    version.decided_at = now
    version.save(update_fields=["status", "decided_at"])
    version.links.filter(revoked_at__isnull=True).update(revoked_at=now)
    Signer.objects.filter(id=link.signer_id).update(status=Signer.Status.DECLINED)
    announce(version.quote, version, "quote.declined", now, reason=reason[:1000])
    return version
