"""Contracts that were signed elsewhere, taken over as they are."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from monetization.documents.services import store_document
from monetization.events.services import append_event
from monetization.pricing.estimate import estimate
from monetization.pricing.terms import canonical_json, terms_hash, terms_to_data
from quotes.domain import lifecycle
from quotes.models import OrderForm
from quotes.selectors import terms_of_draft
from quotes.services.common import announce, locked_draft

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
    priced = estimate(terms)
    number = f"{version.quote.number}-v{version.number}"
    if content is None:
        content, filename, content_type = (
            canonical_json(terms),
            f"{number}.json",
            "application/json",
        )
    document = store_document(filename=filename, content=content, content_type=content_type)
    version.terms, version.terms_sha256 = terms_to_data(terms), terms_hash(terms)
    version.document, version.document_sha256 = document, document.sha256
    version.total_contract_value = priced.total_contract_value.amount
    version.annual_contract_value = priced.annual_contract_value.amount
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
    append_event(
        type="order_form.signed",
        subject=f"order-form/{form.id}",
        data={
            "order_form_id": str(form.id),
            "quote_id": str(version.quote_id),
            "version_id": str(version.id),
            "customer_id": str(form.customer_id),
        },
        occurred_at=signed_at,
    )
    announce(version.quote, version, "quote.accepted", signed_at)
    return form
