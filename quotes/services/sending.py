"""Freeze a draft, make its document, and invite its first signer."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from monetization.documents.services import letterhead, render_pdf, store_document
from monetization.kernel.errors import Refusal
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import OrderTerms, terms_hash
from quotes.domain import lifecycle
from quotes.models import QuoteVersion, Signer
from quotes.ports import OWN_LINK, SignatureMethod, available_methods, signature_method
from quotes.selectors import optional_groups, terms_to_sign
from quotes.services.approvals import needs_of, refuse_unapproved
from quotes.services.common import announce, freeze, locked_draft
from quotes.services.links import SignatureMethodUnavailable, invite


class DraftIncomplete(Refusal):
    """Something is missing before the quote can be sent."""


@transaction.atomic
def send_version(*, version_id: UUID, now: datetime, signature_method: str = OWN_LINK) -> str:
    """Freeze a draft, store its document, and give its first signer a link; returns the address.

    :param signature_method: one of ``quotes.ports``; a service that invites the signer itself
        learns of the version from the stream, and there is no link: the address is "".
    :raises DraftIncomplete: saying what is missing.
    :raises ApprovalMissing: naming who has to agree first.
    :raises SignatureMethodUnavailable: if the tenant cannot use that method now.
    """
    version = locked_draft(version_id, approved=True)
    method = _available_method(signature_method, version)
    terms = _complete_terms(version, now)
    refuse_unapproved(version, terms, now)
    make_document(version, terms)
    version.status = lifecycle.next_state(version.status, "send")
    version.sent_at, version.signature_method = now, method.key
    version.save()
    first = _name_signers(version)[0]
    address = "" if method.invites_signer else invite(version, first, now)
    announce(version.quote, version, "quote.sent", now)
    return address


def make_document(version: QuoteVersion, terms: OrderTerms) -> None:
    """Store the document of a version and freeze its terms; the version is not saved yet."""
    printed = {
        "version": version,
        "quote": version.quote,
        "terms": terms,
        "priced": estimate(terms),
        "paper": letterhead(version.legal_entity_id),
        "terms_sha256": terms_hash(terms),
    }
    pdf = render_pdf("documents/order_form.html", printed)
    document = store_document(filename=f"{version.quote.number}-v{version.number}.pdf", content=pdf)
    freeze(version, terms, document)


def _available_method(key: str, version: QuoteVersion) -> SignatureMethod:
    found = signature_method(key)
    if found is None or not found.is_available():
        known = ", ".join(one.key for one in available_methods())
        raise SignatureMethodUnavailable(f"signature_method must be one of {known}")
    if version.further_signers and not found.takes_several:
        raise SignatureMethodUnavailable(
            f"signature_method: {found.name} takes one signer, this quote has several"
        )
    if found.invites_signer and optional_groups(version):
        raise SignatureMethodUnavailable(
            f"signature_method: {found.name} has no place to choose optional items; let the "
            "customer choose on our page, or make them part of the offer"
        )
    return found


def _name_signers(version: QuoteVersion) -> list[Signer]:
    """Write down who signs, in order: the first signer, then the further ones."""
    people = [
        {"name": version.signer_name, "email": version.signer_email, "side": "customer"},
        *version.further_signers,
    ]
    return [
        Signer.objects.create(
            version=version,
            position=position,
            name=person["name"],
            email=person["email"],
            side=person["side"],
        )
        for position, person in enumerate(people, start=1)
    ]


@dataclass(frozen=True, slots=True)
class Missing:
    """Something a draft lacks before it can be sent, and the builder's field it is at."""

    what: str
    field: str = ""


def missing_before_sending(version: QuoteVersion, today: date) -> list[Missing]:
    """Return what a draft lacks before it can be sent, in words; approvals are said apart."""
    missing = []
    if not version.signer_name:
        missing.append(Missing("the signer's name", "signer_name"))
    if not version.signer_email:
        missing.append(Missing("the signer's e-mail address", "signer_email"))
    if not any(phase.lines.exists() for phase in version.phases.all()):
        missing.append(Missing("at least one product", "phases-0-add"))
    if version.expires_on < today:
        missing.append(Missing("an expiry date that is not over", "expires_on"))
    return missing


def needed_before_sending(version: QuoteVersion, terms: OrderTerms, now: datetime) -> list[Missing]:
    """Return what a draft lacks, and whose agreement with the reasons for it."""
    return [
        *missing_before_sending(version, now.date()),
        *(
            Missing(f"an approval: {need.rule.name}. {' '.join(need.reasons)}")
            for need in needs_of(version, terms, now)
            if need.agreement is None
        ),
    ]


def _complete_terms(version: QuoteVersion, now: datetime) -> OrderTerms:
    missing = missing_before_sending(version, now.date())
    if missing:
        raise DraftIncomplete(f"still needed: {'; '.join(one.what for one in missing)}")
    try:
        return terms_to_sign(version)
    except PriceError as error:
        raise DraftIncomplete(str(error)) from None


@transaction.atomic
def expire_versions(*, today: date, now: datetime) -> int:
    """Expire what can no longer be signed; return how many."""
    over = QuoteVersion.objects.select_for_update(of=("self",)).filter(
        status__in=lifecycle.OPEN_FOR_SIGNING, expires_on__lt=today
    )
    count = 0
    for version in over:
        version.status = lifecycle.next_state(version.status, "expire")
        version.save(update_fields=["status"])
        announce(version.quote, version, "quote.expired", now)
        count += 1
    return count
