"""Secret addresses at which somebody signs: made, mailed, replaced, found again."""

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.tenancy.context import current_tenant_id
from quotes.domain import lifecycle
from quotes.models import QuoteVersion, Signer, SigningLink
from quotes.ports import OWN_LINK, available_methods, signature_method
from quotes.services.common import announce, in_words

REMIND_AFTER = timedelta(days=3)
REMIND_BEFORE_END = timedelta(days=2)


class SigningLinkInvalid(Refusal):
    """The link is unknown, expired, used or withdrawn. Always the same words."""

    def __init__(self) -> None:
        super().__init__("This link is not valid any more. Ask the sender for a new one.")


class SignatureMethodUnavailable(Refusal):
    """The order form cannot be signed in this way."""


class SignerNotAsked(Refusal):
    """The person has signed, or it is not their turn."""


def valid_link(*, token: str, now: datetime, lock: bool = False) -> SigningLink:
    """Return the open signing link of a token.

    :raises SigningLinkInvalid: for every reason in the same words.
    """
    links = SigningLink.objects.select_related(
        "signer", "version__quote__customer", "version__legal_entity", "version__document"
    )
    if lock:
        links = links.select_for_update(of=("self",))
    link = links.filter(token_sha256=hashlib.sha256(token.encode()).hexdigest()).first()
    if (
        link is None
        or link.revoked_at is not None
        or link.expires_at <= now
        or link.version.status not in (*lifecycle.OPEN_FOR_SIGNING, "accepted")
    ):
        raise SigningLinkInvalid
    return link


def invite(version: QuoteVersion, signer: Signer, now: datetime, *, again: bool = False) -> str:
    """Mail a signer their link, and return the address; only its hash is kept.

    :param again: a reminder; links mailed before go on working.
    """
    token = make_token()
    digest = hashlib.sha256(token.encode()).hexdigest()
    last_day = datetime.combine(version.expires_on, datetime.min.time(), tzinfo=now.tzinfo)
    SigningLink.objects.create(
        version=version,
        signer=signer,
        token_sha256=digest,
        signer_name=signer.name,
        signer_email=signer.email,
        expires_at=last_day + timedelta(days=1),
    )
    if signer.status == Signer.Status.WAITING:
        signer.status, signer.invited_at = Signer.Status.INVITED, now
    if again:
        signer.reminded_at = now
    signer.save(update_fields=["status", "invited_at", "reminded_at"])
    address = f"{settings.PUBLIC_BASE_URL}/sign/{token}"
    quote = version.quote
    seller = version.legal_entity.name
    what = (
        f"{seller} has sent you an order form for {quote.title}."
        if signer.side == Signer.Side.CUSTOMER
        else f"The order form for {quote.title} waits for your counter-signature."
    )
    queue_mail(
        dedupe_key=f"quote-version/{version.id}/sent/{digest[:16]}",
        to=signer.email,
        subject=f"{'Reminder: ' if again else ''}{seller}: {quote.title} ({quote.number})",
        text=(
            f"Dear {signer.name},\n\n{what}\n\n"
            f"Read and sign it here until {in_words(version.expires_on)}:\n{address}\n"
        ),
        attachment_id=version.document_id,
        subject_ref=f"quote/{quote.id}",
        now=now,
    )
    return address


@transaction.atomic
def renew_link(*, version_id: UUID, now: datetime) -> str:
    """Give whose turn it is a new link; the ones before stop working.

    :raises QuoteTransitionRefused: if the version cannot be signed.
    """
    version = _open_version(version_id)
    method = signature_method(version.signature_method)
    if method is not None and method.invites_signer:
        raise SignatureMethodUnavailable(f"{method.name} invites the signer itself; remind there")
    signer = version.signers.filter(status__in=[Signer.Status.INVITED, Signer.Status.VIEWED])[:1]
    turn = signer.get()
    _revoke(turn, now)
    address = invite(version, turn, now)
    announce(version.quote, version, "quote.sent", now)
    return address


@transaction.atomic
def remind_signer(*, signer_id: UUID, now: datetime) -> None:
    """Mail somebody whose turn it is once more, with a link of its own.

    :raises SignerNotAsked: if they have signed, or others come first.
    :raises QuoteTransitionRefused: if the version cannot be signed.
    """
    version, signer = _turn(signer_id)
    method = signature_method(version.signature_method)
    if method is None or method.invites_signer:
        raise SignatureMethodUnavailable("a signature service invites the signer; remind there")
    invite(version, signer, now, again=True)


@transaction.atomic
def reassign_signer(
    *, signer_id: UUID, name: str, email: str, now: datetime, reason: str = ""
) -> str:
    """Let somebody else sign instead; links of the person before stop working.

    :returns: the new signer's address, or nothing if it is not their turn yet.
    :raises SignerNotAsked: if the person has signed, or the new one is not named in full.
    """
    signer = Signer.objects.get(id=signer_id)
    version = _open_version(signer.version_id)
    _refuse_elsewhere(version)
    signer.refresh_from_db()
    if signer.status in (Signer.Status.SIGNED, Signer.Status.DECLINED):
        raise SignerNotAsked(f"{signer.name} has {signer.get_status_display().lower()} already")
    if not name.strip() or "@" not in email:
        raise SignerNotAsked("name: give the name and e-mail address of who signs instead")
    before, is_turn = signer.email, signer.status != Signer.Status.WAITING
    _revoke(signer, now)
    signer.name, signer.email = name.strip()[:200], email.strip()
    if is_turn:
        signer.status = Signer.Status.INVITED
        signer.invited_at = now
    signer.save()
    announce(
        version.quote,
        version,
        "quote.reassigned",
        now,
        by=before,
        to=signer.email,
        reason=reason.strip()[:1000],
    )
    return invite(version, signer, now) if is_turn else ""


@transaction.atomic
def remind_signers(*, now: datetime) -> int:
    """Remind whose turn it is: three days after the last mail, and before the end; how many."""
    turns = Signer.objects.filter(
        status__in=[Signer.Status.INVITED, Signer.Status.VIEWED],
        version__status__in=lifecycle.OPEN_FOR_SIGNING,
        version__expires_on__gte=now.date(),
        version__signature_method__in=[
            method.key for method in available_methods() if not method.invites_signer
        ],
        links__isnull=False,
    ).select_related("version")
    count = 0
    for signer in turns.distinct():
        last = signer.reminded_at or signer.invited_at or now
        ends = datetime.combine(signer.version.expires_on, datetime.max.time(), tzinfo=now.tzinfo)
        is_ending = ends - now < REMIND_BEFORE_END and last < ends - REMIND_BEFORE_END
        if is_ending or now - last >= REMIND_AFTER:
            remind_signer(signer_id=signer.id, now=now)
            count += 1
    return count


def _turn(signer_id: UUID) -> tuple[QuoteVersion, Signer]:
    version = _open_version(Signer.objects.only("version_id").get(id=signer_id).version_id)
    signer: Signer = Signer.objects.get(id=signer_id)
    if signer.status not in (Signer.Status.INVITED, Signer.Status.VIEWED):
        raise SignerNotAsked(f"{signer.name}: {signer.get_status_display().lower()}")
    return version, signer


def _open_version(version_id: UUID) -> QuoteVersion:
    version: QuoteVersion = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote", "legal_entity")
        .get(id=version_id)
    )
    if version.status not in lifecycle.OPEN_FOR_SIGNING:
        raise lifecycle.QuoteTransitionRefused(
            "only a version that waits for its signature has a link, this one is "
            f"{version.get_status_display().lower()}"
        )
    return version


def _refuse_elsewhere(version: QuoteVersion) -> None:
    if version.signature_method != OWN_LINK:
        raise SignatureMethodUnavailable(
            "it is signed at a signature service, which knows its signers; revise the quote to "
            "name another"
        )


def _revoke(signer: Signer, now: datetime) -> None:
    signer.links.filter(revoked_at__isnull=True).update(revoked_at=now)


def make_token() -> str:
    """Return a secret of 256 bits that also says which tenant to look in."""
    raw = current_tenant_id().bytes + secrets.token_bytes(32)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def tenant_of_token(token: str) -> UUID | None:
    """Return the tenant a token claims to belong to; None if it cannot be one."""
    if len(token) != 64:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(token.encode())[:16])
    except ValueError:
        return None
