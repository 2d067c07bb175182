"""Take a quote in: under which ids, for which opportunity, and while a draft what it says."""

from datetime import datetime
from typing import Any

from django.db import transaction

from crm.services.common import CrmRecordInvalid, Name, Taken, account_of, find, needed, note
from monetization.customers.references import referred
from monetization.pricing.prices import PriceError
from monetization.tenancy.models import LegalEntity
from quotes.models import (
    Opportunity,
    OpportunityReference,
    Quote,
    QuoteReference,
    QuoteTemplate,
    QuoteVersion,
)
from quotes.services import create_quote, save_draft
from quotes.services.opportunities import link_quote
from quotes.services.templates import create_from_template

_DRAFTED = ("title", "legal_entity", "currency", "start_on", "expires_on", "purchase_order")


@transaction.atomic
def save_quote(name: Name, given: dict[str, Any], now: datetime) -> Taken:
    """Take a quote in. A new one is empty, or offers what the template it names offers.

    :raises CrmRecordInvalid: naming the field; also if what it says was sent otherwise, or a
        price of it is not in the currency it names.
    :raises QuoteTemplateInvalid: if the template cannot be used for the customer.
    """
    quote = find(QuoteReference, name) or _numbered(given.get("number") or "")
    given.pop("number", None)
    if given.get("legal_entity"):
        given["legal_entity"] = _entity(given["legal_entity"])
    if quote is None:
        return Taken(_create(name, given, now), "created")
    account = given.get("account")
    if account and account_of(name.source, account).id != quote.customer_id:
        raise CrmRecordInvalid(f"account: {quote.number} is {quote.customer.name}'s")
    changed = _link(quote, name, given, now)
    changed = _draft(quote, given) or changed
    is_news = note(QuoteReference, quote, name)
    return Taken(quote, "updated" if changed or is_news else "unchanged")


def _numbered(number: str) -> Quote | None:
    if not number:
        return None
    found: Quote | None = Quote.objects.filter(number=number).first()
    if found is None:
        raise CrmRecordInvalid(f"number: there is no quote {number}; leave it empty for a new one")
    return found


def _entity(code: str) -> str:
    """Return the id of a legal entity as the payload of a draft has it."""
    found: LegalEntity | None = LegalEntity.objects.filter(code=code).first()
    if found is None:
        raise CrmRecordInvalid(f"legal_entity: none has the code {code!r}")
    return str(found.id)


def _opportunity(name: Name, external_id: str) -> Opportunity:
    found: Opportunity | None = referred(OpportunityReference, name.source, external_id)
    if found is None:
        raise CrmRecordInvalid(
            f"opportunity: no opportunity of {name.source} has the id {external_id!r}; take "
            "opportunities in first"
        )
    return found


def _create(name: Name, given: dict[str, Any], now: datetime) -> Quote:
    needed(given, "title", "start_on")
    opportunity = _opportunity(name, given["opportunity"]) if given.get("opportunity") else None
    account = account_of(name.source, given["account"]) if given.get("account") else None
    if account is not None:
        customer_id = account.id
    elif opportunity is not None:
        customer_id = opportunity.customer_id
    else:
        raise CrmRecordInvalid("account: a new quote names its account or its opportunity")
    wanted = {
        "customer_id": customer_id,
        "title": given["title"],
        "start_on": given["start_on"],
        "now": now,
        "opportunity_id": opportunity.id if opportunity else None,
        "reference": name.reference,
        "legal_entity_id": given.get("legal_entity"),
        "currency": given.get("currency") or "",
    }
    try:
        quote = _made(given, wanted)
    except PriceError as error:
        raise CrmRecordInvalid(str(error)) from None
    _draft(quote, given)
    return quote


def _made(given: dict[str, Any], wanted: dict[str, Any]) -> Quote:
    if given.get("template"):
        template = QuoteTemplate.objects.filter(name=given["template"]).first()
        if template is None:
            raise CrmRecordInvalid(f"template: there is no template {given['template']!r}")
        return create_from_template(template_id=template.id, **wanted)
    return create_quote(**wanted)


def _link(quote: Quote, name: Name, given: dict[str, Any], now: datetime) -> bool:
    """Link the quote with the opportunity it names; one it does not name stays."""
    if not given.get("opportunity"):
        return False
    opportunity = _opportunity(name, given["opportunity"])
    if quote.opportunity_id == opportunity.id:
        return False
    link_quote(quote_id=quote.id, opportunity_id=opportunity.id, now=now)
    return True


def _draft(quote: Quote, given: dict[str, Any]) -> bool:
    """Change what a draft says; refuse to change what was sent."""
    version: QuoteVersion = quote.versions.order_by("-number")[:1].get()
    said = {field: getattr(version, field) for field in _DRAFTED[2:]}
    said |= {"title": quote.title, "legal_entity": str(version.legal_entity_id)}
    changed = {
        field: given[field]
        for field in _DRAFTED
        if given.get(field) is not None and given[field] != said[field]
    }
    if not changed:
        return False
    if version.status != QuoteVersion.Status.DRAFT:
        raise CrmRecordInvalid(
            f"{min(changed)}: version {version.number} of {quote.number} is "
            f"{version.get_status_display().lower()}; revise the quote to change it"
        )
    try:
        save_draft(version_id=version.id, payload=changed)
    except PriceError as error:
        raise CrmRecordInvalid(str(error)) from None
    return True
