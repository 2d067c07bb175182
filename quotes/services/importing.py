"""Contracts that were signed elsewhere, taken over as they are."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from monetization.documents.services import store_document
from monetization.pricing.terms import canonical_json
from quotes.domain import lifecycle
from quotes.models import OrderForm, SignatureEvidence, Signer
from quotes.selectors import terms_to_sign
from quotes.services.common import announce, freeze, locked_draft
from quotes.services.evidence import append_evidence
from quotes.services.order_forms import make_order_form, order_form_number

_CONSENT = "Signed outside Throughline on {:%d %B %Y}; the terms were taken over as they were."


@transaction.atomic
def import_order_form(
    *,
    version_id: UUID,
    signed_at: datetime,
    signer_name: str,
    signer_email: str,
    content: bytes | None = None,
    filename: str = "",
    content_type: str = "application/pdf",
) -> OrderForm:
    """Record that a draft's terms were signed outside, e.g. when moving from another system.

    :param content: the signed file; without one the terms themselves, as canonical JSON,
        are the document.
    :raises VersionNotDraft: if the version was sent already.
    :raises PriceError: naming what is missing in the terms.
    """
    version = locked_draft(version_id)
    terms = terms_to_sign(version)
    number = order_form_number(version)
    if content is None:
        content, filename = canonical_json(terms), f"{number}.json"
        content_type = "application/json"
    document = store_document(filename=filename, content=content, content_type=content_type)
    freeze(version, terms, document)
    version.status = lifecycle.next_state(version.status, "import")
    version.sent_at = version.decided_at = signed_at
    version.save()
    signed = append_evidence(
        version=version,
        position=1,
        side=Signer.Side.CUSTOMER,
        kind=SignatureEvidence.Kind.IMPORTED,
        name=signer_name,
        email=signer_email,
        consent_text=_CONSENT.format(signed_at),
        signed_at=signed_at,
    )
    form = make_order_form(version, [signed], signed_document=document)
    announce(version.quote, version, "quote.accepted", signed_at)
    return form
