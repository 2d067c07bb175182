"""What a signature service tells us, once it was asked: viewed, signed, declined."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from monetization.documents.services import store_document
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.pricing.terms import terms_from_data, terms_hash
from quotes.domain import lifecycle
from quotes.models import OrderForm, QuoteVersion, SignatureEvidence, Signer
from quotes.ports import signature_method
from quotes.services.common import announce
from quotes.services.evidence import append_evidence
from quotes.services.links import invite
from quotes.services.order_forms import make_order_form, order_form_number


class TermsChanged(Refusal):
    """The stored terms are not those whose hash was frozen; nothing may be signed."""


def _locked(version_id: UUID) -> QuoteVersion:
    version: QuoteVersion = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote", "legal_entity", "document")
        .get(id=version_id)
    )
    return version


@dataclass(frozen=True, slots=True)
class ExternalSignature:
    """One signature that was given over there."""

    position: int  # of the signer in the order of signing, from 1
    name: str
    email: str
    signed_at: datetime


@transaction.atomic
def record_external_progress(
    *,
    version_id: UUID,
    viewed: Collection[int],
    signed: Collection[ExternalSignature],
    statement: str,
    now: datetime,
) -> None:
    """Note who opened it over there and who has signed, while others still have to.

    :param viewed: positions of the signers who opened it.
    :param statement: what stands in place of our own consent text.
    """
    version = _locked(version_id)
    if version.status not in lifecycle.OPEN_FOR_SIGNING:
        return
    unread = (Signer.Status.WAITING, Signer.Status.INVITED)
    version.signers.filter(position__in=viewed, status__in=unread).update(
        status=Signer.Status.VIEWED
    )
    if _append_signatures(version, signed, statement):
        version.status = lifecycle.next_state(version.status, "sign")
        version.save(update_fields=["status"])
        _invite_next(version, now)
    elif viewed and version.status == QuoteVersion.Status.SENT:
        version.status = lifecycle.next_state(version.status, "view")
        version.save(update_fields=["status"])
        announce(version.quote, version, "quote.viewed", now)


def _invite_next(version: QuoteVersion, now: datetime) -> None:
    """Mail our link to whose turn it is, unless the service writes to its signers itself."""
    method = signature_method(version.signature_method)
    if method is None or method.invites_signer:
        return
    turn = version.signers.exclude(status=Signer.Status.SIGNED).order_by("position").first()
    if turn is not None and turn.status == Signer.Status.WAITING:
        invite(version, turn, now)


def _append_signatures(
    version: QuoteVersion, signed: Collection[ExternalSignature], statement: str
) -> bool:
    """Append the evidence of whoever is new among the signers, and announce it; say if any was."""
    known = set(version.evidence.values_list("position", flat=True))
    sides = dict(version.signers.values_list("position", "side"))
    news = sorted(
        (one for one in signed if one.position not in known), key=lambda one: one.position
    )
    for one in news:
        row = append_evidence(
            version=version,
            position=one.position,
            side=sides.get(one.position, Signer.Side.CUSTOMER),
            kind=SignatureEvidence.Kind.PROVIDER,
            name=one.name,
            email=one.email,
            consent_text=statement,
            signed_at=one.signed_at,
        )
        version.signers.filter(position=one.position).update(
            status=Signer.Status.SIGNED, signed_at=one.signed_at
        )
        announce(
            version.quote,
            version,
            "quote.signed",
            one.signed_at,
            by=one.email,
            evidence_sha256=row.sha256,
        )
    return bool(news)


@transaction.atomic
def record_external_signature(
    *,
    version_id: UUID,
    signatures: Sequence[ExternalSignature],
    statement: str,
    content: bytes,
    mail_copy: bool,
    now: datetime,
) -> OrderForm:
    """Make the order form of a version that was signed at a signature service. Once.

    :param signatures: of everybody, at least one.
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
    version.decided_at = max(one.signed_at for one in signatures)
    version.save(update_fields=["status", "decided_at"])
    _append_signatures(version, signatures, statement)
    rows = list(version.evidence.order_by("sequence"))
    number = order_form_number(version)
    stored = store_document(filename=f"{number}-signed.pdf", content=content)
    form = make_order_form(version, rows, signed_document=stored)
    announce(version.quote, version, "quote.accepted", version.decided_at)
    if mail_copy:
        queue_mail(
            dedupe_key=f"order-form/{form.id}/signed/{form.signer_email}",
            to=form.signer_email,
            subject=f"Signed: {version.quote.title} ({number})",
            text=f"Dear {form.signer_name},\n\nattached is your signed copy of {number}.\n",
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
