"""Contracts that were signed elsewhere, taken over as they are."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from monetization.documents.services import store_document
from monetization.pricing.terms import canonical_json
from quotes.domain import lifecycle
from quotes.models import OrderForm
from quotes.selectors import terms_of_draft
from quotes.services.common import announce, announce_signature, freeze, locked_draft

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
    terms = terms_of_draft(version)
    number = f"{version.quote.number}-v{version.number}"
    if content is None:
        content, filename = canonical_json(terms), f"{number}.json"
        content_type = "application/json"
    document = store_document(filename=filename, content=content, content_type=content_type)
    freeze(version, terms, document)
    version.status = lifecycle.next_state(version.status, "import")
    version.sent_at = version.decided_at = signed_at
    version.save()
    form = OrderForm.objects.create(
        number=number,
        version=version,
        customer_id=version.quote.customer_id,
        legal_entity_id=version.quote.legal_entity_id,
        terms=version.terms,
        terms_sha256=version.terms_sha256,
        document=document,
        document_sha256=document.sha256,
        signed_document=document,
        signer_name=signer_name,
        signer_email=signer_email,
        consent_text=_CONSENT.format(signed_at),
        signed_at=signed_at,
    )
    announce_signature(form, version)
    announce(version.quote, version, "quote.accepted", signed_at)
    return form
