"""Start, edit and revise quotes."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from monetization.customers.models import Customer
from monetization.customers.references import refer
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.tenancy.context import current_actor
from quotes.domain import lifecycle
from quotes.models import Quote, QuotePhase, QuoteReference, QuoteSequence, QuoteVersion
from quotes.selectors import terms_of_draft
from quotes.services import agreeing
from quotes.services.commitments import settle_term_discounts
from quotes.services.common import announce, locked_draft
from quotes.services.currencies import checked_currency, entity_of, phases_in, read_seller
from quotes.services.opportunities import link_quote
from quotes.services.payloads import payload_of, whole_payload
from quotes.services.phases import integer, write_phases
from quotes.services.steps import keep_step


@transaction.atomic
def create_quote(
    *,
    customer_id: UUID,
    title: str,
    start_on: date,
    now: datetime,
    external_id: str = "",
    opportunity_id: UUID | None = None,
    reference: tuple[str, str] | None = None,
    legal_entity_id: UUID | None = None,
    currency: str = "",
) -> Quote:
    """Start a quote with an empty first version, on the customer's usual terms.

    :param legal_entity_id: who sells; by default who usually sells to the customer.
    :param currency: by default the customer's.
    :param reference: a system and what it calls the quote.
    :raises OpportunityInvalid: if the opportunity is another customer's.
    :raises PriceError: if there is no such legal entity or currency.
    :raises ReferenceHeld: if the system means another quote.
    """
    customer = Customer.objects.get(id=customer_id)
    contact = customer.contacts.filter(is_primary=True).first()
    quote = Quote.objects.create(
        number=_next_number(),
        customer=customer,
        title=title,
        owner_label=current_actor(),
        external_id=external_id,
    )
    if reference is not None:
        refer(QuoteReference, quote, *reference)
    if opportunity_id is not None:
        quote = link_quote(quote_id=quote.id, opportunity_id=opportunity_id, now=now)
    version = QuoteVersion.objects.create(
        quote=quote,
        number=1,
        legal_entity_id=entity_of(legal_entity_id).id
        if legal_entity_id
        else customer.legal_entity_id,
        currency=checked_currency(currency or customer.currency),
        time_zone=customer.time_zone,
        start_on=start_on,
        payment_terms_days=customer.payment_terms_days,
        expires_on=now.date() + timedelta(days=30),
        purchase_order=customer.purchase_order,
        signer_name=contact.name if contact else "",
        signer_email=contact.email if contact else "",
    )
    QuotePhase.objects.create(version=version, position=1, name="Term", months=12)
    announce(quote, version, "quote.created", now)
    return quote


def _next_number() -> str:
    locked = QuoteSequence.objects.select_for_update(of=("self",))
    sequence = locked.first()
    if sequence is None:
        QuoteSequence.objects.get_or_create()  # somebody else may make the first one now
        sequence = locked.get()
    found, sequence.next_number = sequence.next_number, sequence.next_number + 1
    sequence.save(update_fields=["next_number"])
    return f"Q-{found:05d}"


_HEADER_TEXT = (
    "time_zone",
    "purchase_order",
    "introduction",
    "special_terms",
    "signer_name",
    "signer_email",
)


@transaction.atomic
def save_draft(
    *, version_id: UUID, payload: dict[str, Any], now: datetime | None = None
) -> QuoteVersion:
    """Replace a draft by the builder's state; saving the same state again changes nothing.

    What it was before can be gone back to: :mod:`quotes.services.undoing`.

    :param payload: header fields and ``phases``, each with ``lines``; docs in the API schema.
    :raises PriceError: naming the field that cannot be read.
    :raises VersionNotDraft: once it was sent.
    """
    version = locked_draft(version_id)
    before = whole_payload(version)
    write_draft(version, payload)
    keep_step(version, before, now or timezone.now())
    return version


def write_draft(version: QuoteVersion, payload: dict[str, Any]) -> None:
    """Write a payload on a locked draft, with its discounts by rule and its value.

    :raises PriceError: naming the field that cannot be read.
    """
    currency = version.currency
    read_seller(version, payload)
    for name in _HEADER_TEXT:
        if name in payload:
            setattr(version, name, str(payload[name] or ""))
    for name in ("start_on", "expires_on"):
        if name in payload:
            setattr(version, name, _day(payload[name], name))
    for name, low, high in (("anchor_day", 1, 31), ("payment_terms_days", 0, 365)):
        if name in payload:
            setattr(version, name, integer(payload[name], name, low, high))
    if "auto_renew" in payload:
        version.auto_renew = bool(payload["auto_renew"])
    agreeing.read_into(version, payload)
    version.save()
    if "title" in payload:
        _retitle(version.quote, str(payload["title"])[:200])
    phases = payload.get("phases")
    if phases is None and version.currency != currency:
        phases = phases_in(payload_of(version)["phases"], currency, version.currency)
    if phases is not None:
        write_phases(version, phases)
    settle_term_discounts(version)
    keep_value(version)


def _retitle(quote: Quote, title: str) -> None:
    if quote.title != title:
        quote.title = title
        quote.save(update_fields=["title"])


def keep_value(version: QuoteVersion) -> None:
    """Keep what the draft is worth beside it, for lists; nothing while it cannot be priced."""
    try:
        priced = estimate(terms_of_draft(version))
    except PriceError:
        version.total_contract_value = version.annual_contract_value = None
    else:
        fits = max(priced.total_contract_value, priced.annual_contract_value).amount < 10**15
        version.total_contract_value = priced.total_contract_value.amount if fits else None
        version.annual_contract_value = priced.annual_contract_value.amount if fits else None
    version.save(update_fields=["total_contract_value", "annual_contract_value"])


def _day(value: Any, path: str) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise PriceError(f"{path}: must be a date like 2026-01-31") from None


@transaction.atomic
def revise_quote(*, quote_id: UUID, now: datetime) -> QuoteVersion:
    """Make the next version from the latest; the old one is superseded, its links withdrawn.

    :raises QuoteTransitionRefused: if the latest version was accepted.
    """
    quote = Quote.objects.select_for_update(of=("self",)).get(id=quote_id)
    last = quote.versions.order_by("-number").first()
    if last.status == QuoteVersion.Status.DRAFT:
        return last
    last.status = lifecycle.next_state(last.status, "supersede")
    last.save(update_fields=["status"])
    last.links.filter(revoked_at__isnull=True).update(revoked_at=now)
    announce(quote, last, "quote.superseded", now)
    last.approvals.filter(status__in=["open", "waiting"]).update(status="withdrawn")
    draft = QuoteVersion.objects.create(
        quote=quote,
        number=last.number + 1,
        expires_on=now.date() + timedelta(days=30),
        **{
            name: getattr(last, name)
            for name in (
                "legal_entity_id",
                "currency",
                "start_on",
                "anchor_day",
                "payment_terms_days",
                "auto_renew",
                "further_signers",
                "renewal_months",
                "renewal_uplift_percent",
                "renewal_notice_days",
                "change_rule",
                "counted_from",
                "asks_email_code",
                "total_contract_value",
                "annual_contract_value",
                *_HEADER_TEXT,
            )
        },
    )
    for phase in last.phases.order_by("position"):
        lines = list(phase.lines.order_by("position"))
        copy_row(phase, version=draft)
        for line in lines:
            copy_row(line, phase=phase)
    return draft


def copy_row(row: Any, **changes: Any) -> Any:
    """Store a copy of a row under a new id, with some fields changed; returns it."""
    row.pk = row._meta.pk.get_default()
    row._state.adding = True
    for name, value in changes.items():
        setattr(row, name, value)
    row.save()
    return row
