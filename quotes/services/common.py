"""What the steps of a quote share: its lock, its freezing and its announcements."""

from datetime import date, datetime
from uuid import UUID

from django.utils.dateformat import format as formatted

from monetization.documents.models import Document
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.pricing.estimate import estimate
from monetization.pricing.terms import OrderTerms, terms_hash, terms_to_data
from quotes.models import OrderForm, Quote, QuoteVersion
from quotes.services.opportunities import follow_quotes, names_elsewhere


class VersionNotDraft(Refusal):
    """A sent version never changes; revise the quote to make the next one."""


def in_words(day: date | None) -> str:
    """Write a day as mails do: 1 January 2027."""
    return formatted(day, "j F Y") if day else ""


def locked_draft(version_id: UUID, *, approved: bool = False) -> QuoteVersion:
    """Lock a version that is still a draft.

    :param approved: also one that is approved and waits to be sent.
    :raises VersionNotDraft: saying what it is instead.
    """
    version: QuoteVersion = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote__customer", "legal_entity")
        .get(id=version_id)
    )
    status = version.status
    if status == QuoteVersion.Status.DRAFT or (approved and status == QuoteVersion.Status.APPROVED):
        return version
    shown = version.get_status_display().lower()
    way = (
        "go back to the draft to change it"
        if status in (QuoteVersion.Status.IN_APPROVAL, QuoteVersion.Status.APPROVED)
        else "revise the quote to change it"
    )
    raise VersionNotDraft(f"version {version.number} is {shown}; {way}")


def announce(quote: Quote, version: QuoteVersion, type: str, now: datetime, **extra: str) -> None:
    """Say on the stream what happened to a quote; its opportunity is won and lost with it."""
    append_event(
        type=type,
        subject=f"quote/{quote.id}",
        data={
            "quote_id": str(quote.id),
            "version_id": str(version.id),
            **names_elsewhere(quote),
            **extra,
        },
        occurred_at=now,
    )
    if quote.opportunity_id is not None:
        follow_quotes(quote.opportunity_id, now)


def freeze(version: QuoteVersion, terms: OrderTerms, document: Document) -> None:
    """Put the terms, their hash, their document and their value on a version; not saved yet."""
    priced = estimate(terms)
    version.terms, version.terms_sha256 = terms_to_data(terms), terms_hash(terms)
    version.document, version.document_sha256 = document, document.sha256
    version.total_contract_value = priced.total_contract_value.amount
    version.annual_contract_value = priced.annual_contract_value.amount


def announce_signature(form: OrderForm, version: QuoteVersion) -> None:
    """Say on the stream that an order form was signed."""
    append_event(
        type="order_form.signed",
        subject=f"order-form/{form.id}",
        data={
            "order_form_id": str(form.id),
            "quote_id": str(version.quote_id),
            "version_id": str(version.id),
            "customer_id": str(form.customer_id),
            **names_elsewhere(version.quote),
        },
        occurred_at=form.signed_at,
    )
