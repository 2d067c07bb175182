"""Templates: what a quote offers, kept under a name to start other quotes from."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from monetization.kernel.errors import Refusal
from monetization.pricing.prices import PriceError
from monetization.tenancy.context import current_actor
from quotes.models import Quote, QuoteTemplate, QuoteVersion
from quotes.services.currencies import phases_in
from quotes.services.drafting import create_quote, save_draft
from quotes.services.payloads import payload_of


class QuoteTemplateInvalid(Refusal):
    """A quote template cannot be kept or used like this; the message names the field."""


@transaction.atomic
def save_template(*, quote_id: UUID, name: str) -> QuoteTemplate:
    """Keep what a quote's latest version offers; customer, dates and signers are left out.

    The same name again replaces what was kept under it.

    :raises QuoteTemplateInvalid: without a name.
    """
    version = QuoteVersion.objects.filter(quote_id=quote_id).latest("number")
    template, _ = QuoteTemplate.objects.update_or_create(
        name=_name(name),
        defaults={
            "currency": version.currency,
            "payload": payload_of(version),
            "created_by": current_actor(),
        },
    )
    return template


@transaction.atomic
def rename_template(*, template_id: UUID, name: str) -> QuoteTemplate:
    """Call a template otherwise.

    :raises QuoteTemplateInvalid: without a name, or where another has it.
    """
    template = QuoteTemplate.objects.select_for_update().get(id=template_id)
    wanted = _name(name)
    if QuoteTemplate.objects.filter(name=wanted).exclude(id=template.id).exists():
        raise QuoteTemplateInvalid(f"name: there is a template {wanted!r} already")
    template.name = wanted
    template.save(update_fields=["name"])
    return template


@transaction.atomic
def delete_template(*, template_id: UUID) -> None:
    """Forget a template; quotes made from it stay as they are."""
    QuoteTemplate.objects.filter(id=template_id).delete()


@transaction.atomic
def create_from_template(
    *,
    template_id: UUID,
    customer_id: UUID,
    title: str,
    start_on: date,
    now: datetime,
    **elsewhere: Any,
) -> Quote:
    """Start a quote with what a template holds.

    For another currency every price is taken from the list there.

    :param elsewhere: ids, opportunity, seller and currency, as ``create_quote`` takes them.
    :raises QuoteTemplateInvalid: if a product or price of the template is gone, or has no
        list price in the quote's currency.
    """
    template = QuoteTemplate.objects.get(id=template_id)
    quote = create_quote(
        customer_id=customer_id,
        title=title,
        start_on=start_on,
        now=now,
        **elsewhere,
    )
    version = quote.versions.get()
    payload = template.payload
    if version.currency != template.currency:
        try:
            phases = phases_in(payload["phases"], template.currency, version.currency)
        except PriceError as error:
            raise QuoteTemplateInvalid(
                f"template: {template.name} is in {template.currency}, the quote in "
                f"{version.currency}: {error}"
            ) from None
        payload = {**payload, "phases": phases}
    try:
        save_draft(version_id=version.id, payload=payload)
    except PriceError as error:
        raise QuoteTemplateInvalid(f"template: {template.name} is out of date: {error}") from None
    return quote


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > 120:
        raise QuoteTemplateInvalid("name: is needed, at most 120 characters")
    return name
