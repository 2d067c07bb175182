"""Draft, send, sign, decline and revise quotes."""

import base64
import hashlib
import secrets
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from monetization.catalog.models import PriceVersion, Product
from monetization.customers.models import Customer
from monetization.documents.models import Document
from monetization.documents.services import render_pdf, store_document
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import OrderTerms, terms_from_data, terms_hash, terms_to_data
from monetization.tenancy.context import current_actor, current_tenant_id
from quotes.domain import lifecycle
from quotes.domain.assembly import number
from quotes.models import (
    OrderForm,
    Quote,
    QuoteLine,
    QuotePhase,
    QuoteSequence,
    QuoteVersion,
    SigningLink,
)
from quotes.selectors import terms_of_draft

CONSENT = (
    "I have read this order form, I am authorized to sign for the customer, and I agree that my "
    "electronic signature has the effect of a handwritten one."
)


class VersionNotDraft(Refusal):
    """A sent version never changes; revise the quote to make the next one."""


class DraftIncomplete(Refusal):
    """Something is missing before the quote can be sent."""


class SigningLinkInvalid(Refusal):
    """The link is unknown, expired, used or withdrawn. Always the same words."""

    def __init__(self) -> None:
        super().__init__("This link is not valid any more. Ask the sender for a new one.")


class ConsentMissing(Refusal):
    """A signature needs consent, a name and an e-mail address."""


@transaction.atomic
def create_quote(
    *, customer_id: UUID, title: str, start_on: date, now: datetime, external_id: str = ""
) -> Quote:
    """Start a quote with an empty first version, on the customer's usual terms."""
    customer = Customer.objects.get(id=customer_id)
    contact = customer.contacts.filter(is_primary=True).first()
    quote = Quote.objects.create(
        number=_next_number(),
        customer=customer,
        legal_entity_id=customer.legal_entity_id,
        title=title,
        owner_label=current_actor(),
        external_id=external_id,
    )
    version = QuoteVersion.objects.create(
        quote=quote,
        number=1,
        currency=customer.currency,
        time_zone=customer.time_zone,
        start_on=start_on,
        payment_terms_days=customer.payment_terms_days,
        expires_on=now.date() + timedelta(days=30),
        purchase_order=customer.purchase_order,
        signer_name=contact.name if contact else "",
        signer_email=contact.email if contact else "",
    )
    QuotePhase.objects.create(version=version, position=1, name="Term", months=12)
    _announce(quote, version, "quote.created", now)
    return quote


def _next_number() -> str:
    QuoteSequence.objects.get_or_create()
    sequence = QuoteSequence.objects.select_for_update(of=("self",)).get()
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
def save_draft(*, version_id: UUID, payload: dict[str, Any]) -> QuoteVersion:
    """Replace a draft by the builder's state; saving the same state again changes nothing.

    :param payload: header fields and ``phases``, each with ``lines``; docs in the API schema.
    :raises PriceError: naming the field that cannot be read.
    :raises VersionNotDraft: once it was sent.
    """
    version = _locked_draft(version_id)
    for name in _HEADER_TEXT:
        if name in payload:
            setattr(version, name, str(payload[name] or ""))
    for name in ("start_on", "expires_on"):
        if name in payload:
            setattr(version, name, _day(payload[name], name))
    for name, low, high in (("anchor_day", 1, 31), ("payment_terms_days", 0, 365)):
        if name in payload:
            setattr(version, name, _integer(payload[name], name, low, high))
    if "auto_renew" in payload:
        version.auto_renew = bool(payload["auto_renew"])
    version.save()
    if "title" in payload:
        Quote.objects.filter(id=version.quote_id).update(title=str(payload["title"])[:200])
    if "phases" in payload:
        version.phases.all().delete()
        for position, row in enumerate(payload["phases"]):
            _save_phase(version, position, row)
    return version


def _save_phase(version: QuoteVersion, position: int, row: dict[str, Any]) -> None:
    path = f"phases[{position}]"
    months = row.get("months")
    percent = number(row.get("discount_percent"), f"{path}.discount_percent")
    _percent(percent, f"{path}.discount_percent")
    phase = QuotePhase.objects.create(
        version=version,
        position=position + 1,
        name=str(row.get("name") or f"Phase {position + 1}")[:80],
        kind=str(row.get("kind") or "standard"),
        months=None if months in (None, "") else _integer(months, f"{path}.months", 1, 240),
        minimum_amount=number(row.get("minimum_amount"), f"{path}.minimum_amount"),
        minimum_frequency=str(row.get("minimum_frequency") or ""),
        discount_percent=percent or 0,
        discount_label=str(row.get("discount_label") or "")[:120],
    )
    keys: set[str] = set()
    for index, line in enumerate(row.get("lines", [])):
        _save_line(phase, index, line, f"{path}.lines[{index}]", keys)


def _save_line(
    phase: QuotePhase, index: int, row: dict[str, Any], path: str, keys: set[str]
) -> None:
    product = Product.objects.filter(code=str(row.get("product", ""))).first()
    if product is None:
        raise PriceError(f"{path}.product: no product has the code {row.get('product')!r}")
    key = str(row.get("item_key") or product.code)
    if key in keys:
        raise PriceError(f"{path}.item_key: {key!r} appears twice in the phase")
    keys.add(key)
    listed = _list_price(row.get("price_version"), product, path)
    percent = number(row.get("discount_percent"), f"{path}.discount_percent")
    _percent(percent, f"{path}.discount_percent")
    price = listed.price if listed else None
    meter = price.meter.key if price and price.meter else ""
    QuoteLine.objects.create(
        phase=phase,
        position=index + 1,
        item_key=key,
        product=product,
        price_version=listed,
        description=str(row.get("description") or "")[:300],
        model=row.get("model") or (listed.model if listed else {}),
        quantity=number(row.get("quantity"), f"{path}.quantity"),
        expected_quantity=number(row.get("expected_quantity"), f"{path}.expected_quantity"),
        meter_key=str(row.get("meter_key") or meter),
        frequency=str(row.get("frequency") or (price.frequency if price else "monthly")),
        timing=str(row.get("timing") or (price.timing if price else "in_advance")),
        proration=str(row.get("proration") or (price.proration if price else "daily")),
        discount_percent=percent or 0,
    )


def _list_price(value: Any, product: Product, path: str) -> PriceVersion | None:
    if not value:
        return None
    try:
        found: PriceVersion | None = (
            PriceVersion.objects.filter(id=UUID(str(value)), price__product=product)
            .select_related("price__meter")
            .first()
        )
    except ValueError:
        found = None
    if found is None:
        raise PriceError(f"{path}.price_version: is not a price of {product.name}")
    return found


def _percent(value: Any, path: str) -> None:
    if value is not None and value > 100:
        raise PriceError(f"{path}: must be from 0 to 100")


def _integer(value: Any, path: str, low: int, high: int) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or not low <= int(text[:6]) <= high:
        raise PriceError(f"{path}: must be a whole number from {low} to {high}")
    return int(text)


def _day(value: Any, path: str) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise PriceError(f"{path}: must be a date like 2026-01-31") from None


def _locked_draft(version_id: UUID) -> QuoteVersion:
    version: QuoteVersion = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote__customer", "quote__legal_entity")
        .get(id=version_id)
    )
    if version.status != QuoteVersion.Status.DRAFT:
        raise VersionNotDraft(
            f"version {version.number} is {version.status}; revise the quote to change it"
        )
    return version


@transaction.atomic
def send_version(*, version_id: UUID, now: datetime) -> str:
    """Freeze a draft, store its document, and give its signer a link; returns the address.

    :raises DraftIncomplete: saying what is missing.
    """
    version = _locked_draft(version_id)
    terms = _complete_terms(version, now)
    priced = estimate(terms)
    digest = terms_hash(terms)
    context = {"version": version, "quote": version.quote, "terms": terms, "priced": priced}
    pdf = render_pdf("documents/order_form.html", {**context, "terms_sha256": digest})
    document = store_document(filename=f"{version.quote.number}-v{version.number}.pdf", content=pdf)
    version.terms, version.terms_sha256 = terms_to_data(terms), digest
    version.document, version.document_sha256 = document, document.sha256
    version.total_contract_value = priced.total_contract_value.amount
    version.annual_contract_value = priced.annual_contract_value.amount
    version.status = lifecycle.next_state(version.status, "send")
    version.sent_at = now
    version.save()
    address = _make_link(version, now)
    _announce(version.quote, version, "quote.sent", now)
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


def valid_link(*, token: str, now: datetime, lock: bool = False) -> SigningLink:
    """Return the open signing link of a token.

    :raises SigningLinkInvalid: for every reason in the same words.
    """
    links = SigningLink.objects.select_related(
        "version__quote__customer", "version__quote__legal_entity", "version__document"
    )
    if lock:
        links = links.select_for_update(of=("self",))
    link = links.filter(token_sha256=hashlib.sha256(token.encode()).hexdigest()).first()
    if (
        link is None
        or link.revoked_at is not None
        or link.expires_at <= now
        or link.version.status not in ("sent", "viewed", "accepted")
    ):
        raise SigningLinkInvalid
    return link


@transaction.atomic
def record_view(*, link_id: UUID, now: datetime) -> None:
    """Note that the signer opened the page; reading never signs."""
    link = SigningLink.objects.select_for_update(of=("self",)).get(id=link_id)
    if link.first_viewed_at is not None:
        return
    link.first_viewed_at = now
    link.save(update_fields=["first_viewed_at"])
    version = QuoteVersion.objects.select_for_update(of=("self",)).get(id=link.version_id)
    if version.status == QuoteVersion.Status.SENT:
        version.status = lifecycle.next_state(version.status, "view")
        version.save(update_fields=["status"])
        _announce(version.quote, version, "quote.viewed", now)


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
) -> OrderForm:
    """Sign the version behind a link: the order form, its frozen terms and the evidence.

    A second submit returns the same order form.

    :raises SigningLinkInvalid: if the link is not open.
    :raises ConsentMissing: without consent, name or e-mail address.
    """
    link = valid_link(token=token, now=now, lock=True)
    version = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote__legal_entity")
        .get(id=link.version_id)
    )
    signed: OrderForm | None = OrderForm.objects.filter(version=version).first()
    if signed is not None:
        return signed
    if not consent or not name.strip() or "@" not in email:
        raise ConsentMissing("give your name and e-mail address and tick the consent box")
    if terms_hash(terms_from_data(version.terms)) != version.terms_sha256:
        raise SigningLinkInvalid
    version.status = lifecycle.next_state(version.status, "accept")
    version.decided_at = now
    version.save(update_fields=["status", "decided_at"])
    link.used_at = now
    link.save(update_fields=["used_at"])
    form = _order_form(version, name, email, title, ip_address, user_agent, now)
    append_event(
        type="order_form.signed",
        subject=f"order-form/{form.id}",
        data={
            "order_form_id": str(form.id),
            "quote_id": str(version.quote_id),
            "version_id": str(version.id),
            "customer_id": str(form.customer_id),
        },
        occurred_at=now,
    )
    _announce(version.quote, version, "quote.accepted", now)
    for to in {email, version.signer_email}:
        queue_mail(
            dedupe_key=f"order-form/{form.id}/signed/{to}",
            to=to,
            subject=f"Signed: {version.quote.title} ({form.number})",
            text=f"Dear {name},\n\nattached is your signed copy of {form.number}.\n",
            attachment_id=form.signed_document_id,
            subject_ref=f"quote/{version.quote_id}",
            now=now,
        )
    return form


def _frozen_document(version: QuoteVersion) -> Document:
    if version.document is None:  # a sent version has one, by constraint
        raise SigningLinkInvalid
    return version.document


def _order_form(
    version: QuoteVersion,
    name: str,
    email: str,
    title: str,
    ip_address: str | None,
    user_agent: str,
    now: datetime,
) -> OrderForm:
    terms = terms_from_data(version.terms)
    form = OrderForm(
        number=f"{version.quote.number}-v{version.number}",
        version=version,
        customer_id=version.quote.customer_id,
        legal_entity_id=version.quote.legal_entity_id,
        terms=version.terms,
        terms_sha256=version.terms_sha256,
        document=_frozen_document(version),
        document_sha256=version.document_sha256,
        signer_name=name.strip()[:200],
        signer_email=email,
        signer_title=title.strip()[:120],
        consent_text=CONSENT,
        ip_address=ip_address,
        user_agent=user_agent[:500],
        signed_at=now,
    )
    pdf = render_pdf(
        "documents/order_form.html",
        {
            "version": version,
            "quote": version.quote,
            "terms": terms,
            "priced": estimate(terms),
            "terms_sha256": version.terms_sha256,
            "evidence": form,
        },
    )
    form.signed_document = store_document(filename=f"{form.number}-signed.pdf", content=pdf)
    form.save()
    return form


@transaction.atomic
def decline_version(*, token: str, reason: str, now: datetime) -> QuoteVersion:
    """Record that the customer declines.

    :raises SigningLinkInvalid: if the link is not open.
    """
    link = valid_link(token=token, now=now, lock=True)
    version = QuoteVersion.objects.select_for_update(of=("self",)).get(id=link.version_id)
    version.status = lifecycle.next_state(version.status, "decline")
    version.decided_at = now
    version.save(update_fields=["status", "decided_at"])
    link.revoked_at = now
    link.save(update_fields=["revoked_at"])
    _announce(version.quote, version, "quote.declined", now, reason=reason[:1000])
    return version


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
    draft = QuoteVersion.objects.create(
        quote=quote,
        number=last.number + 1,
        expires_on=now.date() + timedelta(days=30),
        **{
            name: getattr(last, name)
            for name in (
                "currency",
                "start_on",
                "anchor_day",
                "payment_terms_days",
                "auto_renew",
                *_HEADER_TEXT,
            )
        },
    )
    for phase in last.phases.order_by("position"):
        lines = list(phase.lines.order_by("position"))
        _copy(phase, version=draft)
        for line in lines:
            _copy(line, phase=phase)
    return draft


def _copy(row: Any, **changes: Any) -> None:
    row.pk = row._meta.pk.get_default()
    row._state.adding = True
    for name, value in changes.items():
        setattr(row, name, value)
    row.save()


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
        _announce(version.quote, version, "quote.expired", now)
        count += 1
    return count


def _announce(quote: Quote, version: QuoteVersion, type: str, now: datetime, **extra: str) -> None:
    append_event(
        type=type,
        subject=f"quote/{quote.id}",
        data={"quote_id": str(quote.id), "version_id": str(version.id), **extra},
        occurred_at=now,
    )
