"""Start, edit and revise quotes."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from monetization.catalog.models import PriceVersion, Product
from monetization.customers.models import Customer
from monetization.customers.references import refer
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.pricing.terms.modifiers import modifiers_from_data, modifiers_to_data
from monetization.tenancy.context import current_actor
from quotes.domain import lifecycle
from quotes.domain.assembly import number
from quotes.models import (
    Quote,
    QuoteLine,
    QuotePhase,
    QuoteReference,
    QuoteSequence,
    QuoteVersion,
)
from quotes.selectors import terms_of_draft
from quotes.services import agreeing
from quotes.services.commitments import read_term_discount, settle_term_discounts
from quotes.services.common import announce, locked_draft
from quotes.services.currencies import checked_currency, entity_of, phases_in, read_seller
from quotes.services.opportunities import link_quote
from quotes.services.payloads import payload_of, whole_payload
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
            setattr(version, name, _integer(payload[name], name, low, high))
    if "auto_renew" in payload:
        version.auto_renew = bool(payload["auto_renew"])
    agreeing.read_into(version, payload)
    version.save()
    if "title" in payload:
        Quote.objects.filter(id=version.quote_id).update(title=str(payload["title"])[:200])
    phases = payload.get("phases")
    if phases is None and version.currency != currency:
        phases = phases_in(payload_of(version)["phases"], currency, version.currency)
    if phases is not None:
        version.phases.all().delete()
        for position, row in enumerate(phases):
            _save_phase(version, position, row)
        _settle_choices(version)
    settle_term_discounts(version)
    keep_value(version)


def keep_value(version: QuoteVersion) -> None:
    """Keep what the draft is worth beside it, for lists; nothing while it cannot be priced."""
    version.quote.refresh_from_db(fields=["title"])
    try:
        priced = estimate(terms_of_draft(version))
    except PriceError:
        version.total_contract_value = version.annual_contract_value = None
    else:
        fits = max(priced.total_contract_value, priced.annual_contract_value).amount < 10**15
        version.total_contract_value = priced.total_contract_value.amount if fits else None
        version.annual_contract_value = priced.annual_contract_value.amount if fits else None
    version.save(update_fields=["total_contract_value", "annual_contract_value"])


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
    listed = _list_price(row.get("price_version"), product, phase.version.currency, path)
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
        modifiers=_modifiers(row, listed, f"{path}.modifiers"),
        quantity=number(row.get("quantity"), f"{path}.quantity"),
        expected_quantity=number(row.get("expected_quantity"), f"{path}.expected_quantity"),
        meter_key=str(row.get("meter_key") or meter),
        frequency=str(row.get("frequency") or (price.frequency if price else "monthly")),
        timing=str(row.get("timing") or (price.timing if price else "in_advance")),
        proration=str(row.get("proration") or (price.proration if price else "daily")),
        discount_percent=percent or 0,
        is_optional=bool(row.get("is_optional")) or bool(row.get("choice_group")),
        is_chosen=bool(row.get("is_chosen")),
        choice_group=" ".join(str(row.get("choice_group") or "").split())[:60],
        **read_term_discount(row, path),
    )


def _settle_choices(version: QuoteVersion) -> None:
    """Choose an item in all phases alike, and one of each group of alternatives.

    :raises PriceError: naming the second alternative that was chosen.
    """
    lines = QuoteLine.objects.filter(phase__version=version, is_optional=True)
    rows = list(lines.select_related("phase").order_by("phase__position", "position"))
    chosen = {row.item_key for row in rows if row.is_chosen}
    taken: dict[str, str] = {}
    for row in rows:
        if not row.choice_group or row.item_key not in chosen:
            continue
        other = taken.setdefault(row.choice_group, row.item_key)
        if other != row.item_key:
            path = f"phases[{row.phase.position - 1}].lines[{row.position - 1}]"
            raise PriceError(
                f"{path}.choice_group: {other} is chosen already; one alternative is in the offer"
            )
    for row in rows:
        if row.choice_group:
            chosen.add(taken.setdefault(row.choice_group, row.item_key))
    lines.filter(item_key__in=chosen).update(is_chosen=True)


def _modifiers(row: dict[str, Any], listed: PriceVersion | None, path: str) -> dict[str, Any]:
    """Read what a line says beside its charge model; what the list price says if it is silent.

    :raises PriceError: naming the field.
    """
    given = row.get("modifiers")
    if given is None:
        return dict(listed.modifiers) if listed else {}
    return modifiers_to_data(modifiers_from_data(given, path))


def _list_price(value: Any, product: Product, currency: str, path: str) -> PriceVersion | None:
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
    if found.price.currency != currency:
        raise PriceError(
            f"{path}.price_version: is in {found.price.currency}, the quote in {currency}; choose "
            f"the product's price in {currency}, or none and agree on one of its own"
        )
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
