"""Freeze a draft, make its document, and give its signer a link."""

import base64
import hashlib
import secrets
from datetime import date, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from monetization.documents.services import render_pdf, store_document
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import OrderTerms, terms_hash
from monetization.tenancy.context import current_tenant_id
from quotes.domain import lifecycle
from quotes.models import QuoteVersion, SigningLink
from quotes.ports import OWN_LINK, SignatureMethod, available_methods, signature_method
from quotes.selectors import terms_of_draft
from quotes.services.common import announce, freeze, locked_draft


class DraftIncomplete(Refusal):
    """Something is missing before the quote can be sent."""


class SignatureMethodUnavailable(Refusal):
    """The order form cannot be signed in this way."""


@transaction.atomic
def send_version(*, version_id: UUID, now: datetime, signature_method: str = OWN_LINK) -> str:
    """Freeze a draft, store its document, and give its signer a link; returns the address.

    :param signature_method: one of ``quotes.ports``; a service that invites the signer itself
        learns of the version from the stream, and there is no link: the address is "".
    :raises DraftIncomplete: saying what is missing.
    :raises SignatureMethodUnavailable: if the tenant cannot use that method now.
    """
    version = locked_draft(version_id)
    method = _available_method(signature_method)
    terms = _complete_terms(version, now)
    priced = estimate(terms)
    digest = terms_hash(terms)
    context = {"version": version, "quote": version.quote, "terms": terms, "priced": priced}
    pdf = render_pdf("documents/order_form.html", {**context, "terms_sha256": digest})
    document = store_document(filename=f"{version.quote.number}-v{version.number}.pdf", content=pdf)
    freeze(version, terms, document)
    version.status = lifecycle.next_state(version.status, "send")
    version.sent_at, version.signature_method = now, method.key
    version.save()
    address = "" if method.invites_signer else _make_link(version, now)
    announce(version.quote, version, "quote.sent", now)
    return address


def _available_method(key: str) -> SignatureMethod:
    found = signature_method(key)
    if found is None or not found.is_available():
        known = ", ".join(one.key for one in available_methods())
        raise SignatureMethodUnavailable(f"signature_method must be one of {known}")
    return found


@transaction.atomic
def renew_link(*, version_id: UUID, now: datetime) -> str:
    """Give the signer of a sent version a new link; the ones before stop working.

    :raises QuoteTransitionRefused: if the version cannot be signed.
    """
    version: QuoteVersion = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote__legal_entity")
        .get(id=version_id)
    )
    if version.status not in ("sent", "viewed"):
        raise lifecycle.QuoteTransitionRefused(
            f"only a version that waits for its signature has a link, this one is {version.status}"
        )
    method = signature_method(version.signature_method)
    if method is not None and method.invites_signer:
        raise SignatureMethodUnavailable(f"{method.name} invites the signer itself; remind there")
    version.links.filter(revoked_at__isnull=True).update(revoked_at=now)
    address = _make_link(version, now)
    announce(version.quote, version, "quote.sent", now)
    return address


def _complete_terms(version: QuoteVersion, now: datetime) -> OrderTerms:
    missing = []
    if not version.signer_email or not version.signer_name:
        missing.append("the signer's name and e-mail address")
    if not any(phase.lines.exists() for phase in version.phases.all()):
        missing.append("at least one product")
    if version.expires_on < now.date():
        missing.append("an expiry date that is not over")
    if missing:
        raise DraftIncomplete(f"still needed: {'; '.join(missing)}")
    try:
        return terms_of_draft(version)
    except PriceError as error:
        raise DraftIncomplete(str(error)) from None


def _make_link(version: QuoteVersion, now: datetime) -> str:
    token = make_token()
    expires_at = datetime.combine(
        version.expires_on + timedelta(days=1), datetime.min.time(), tzinfo=now.tzinfo
    )
    SigningLink.objects.create(
        version=version,
        token_sha256=hashlib.sha256(token.encode()).hexdigest(),
        signer_name=version.signer_name,
        signer_email=version.signer_email,
        expires_at=expires_at,
    )
    address = f"{settings.PUBLIC_BASE_URL}/sign/{token}"
    quote = version.quote
    queue_mail(
        dedupe_key=f"quote-version/{version.id}/sent/{hashlib.sha256(token.encode()).hexdigest()[:16]}",
        to=version.signer_email,
        subject=f"{quote.legal_entity.name}: {quote.title} ({quote.number})",
        text=(
            f"Dear {version.signer_name},\n\n{quote.legal_entity.name} has sent you an order form"
            f" for {quote.title}.\n\nRead and sign it here until {version.expires_on:%d %B %Y}:\n"
            f"{address}\n"
        ),
        attachment_id=version.document_id,
        subject_ref=f"quote/{quote.id}",
        now=now,
    )
    return address


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


@transaction.atomic
def expire_versions(*, today: date, now: datetime) -> int:
    """Expire what can no longer be signed; return how many."""
    over = QuoteVersion.objects.select_for_update(of=("self",)).filter(
        status__in=["sent", "viewed"], expires_on__lt=today
    )
    count = 0
    for version in over:
        version.status = lifecycle.next_state(version.status, "expire")
        version.save(update_fields=["status"])
        announce(version.quote, version, "quote.expired", now)
        count += 1
    return count
