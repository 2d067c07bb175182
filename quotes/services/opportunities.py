"""Opportunities: kept as the CRM tells them, won and lost as their quotes are."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Subquery

from monetization.customers.models import Customer, CustomerReference
from monetization.customers.references import external_ids, refer
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import MoneyError, minor_unit
from quotes.models import (
    Opportunity,
    OpportunityReference,
    Quote,
    QuoteReference,
    QuoteVersion,
)

FIELDS = ("name", "stage", "amount", "currency", "close_on", "owner_label", "outcome")
Outcome = Opportunity.Outcome
_LOST = (QuoteVersion.Status.DECLINED, QuoteVersion.Status.EXPIRED)
_OFFERED = (
    QuoteVersion.Status.SENT,
    QuoteVersion.Status.VIEWED,
    QuoteVersion.Status.PARTIALLY_SIGNED,
)


class OpportunityInvalid(Refusal):
    """An opportunity cannot be what was written; the message names the field."""


@transaction.atomic
def save_opportunity(
    *,
    customer_id: UUID,
    now: datetime,
    opportunity_id: UUID | None = None,
    reference: tuple[str, str] | None = None,
    **details: Any,
) -> Opportunity:
    """Keep an opportunity as the CRM tells it; the same again changes nothing.

    Whether it was won is said by its quotes once one of them was sent; until then by the CRM.

    :param details: of ``FIELDS``; those left out stay.
    :param reference: a system and what it calls the opportunity.
    :raises OpportunityInvalid: naming the field.
    :raises ReferenceHeld: if the system means another opportunity.
    """
    _check(details)
    if opportunity_id is None:
        opportunity = Opportunity(customer_id=customer_id)
    else:
        opportunity = Opportunity.objects.select_for_update(of=("self",)).get(id=opportunity_id)
    before = {name: getattr(opportunity, name) for name in FIELDS}
    outcome = details.pop("outcome", opportunity.outcome)
    for name, value in details.items():
        setattr(opportunity, name, value)
    if opportunity.amount is not None and not opportunity.currency:
        opportunity.currency = Customer.objects.values_list("currency", flat=True).get(
            id=customer_id
        )
    if not opportunity.name.strip():
        raise OpportunityInvalid("name: is missing")
    opportunity.outcome = outcome_of_quotes(opportunity.id) or outcome
    _refuse_other_customer(opportunity, customer_id)
    opportunity.save()
    if reference is not None:
        refer(OpportunityReference, opportunity, *reference)
    if opportunity_id is None:
        _announce(opportunity, "opportunity.created", now)
    if before["outcome"] != opportunity.outcome:
        _announce(opportunity, f"opportunity.{_BECAME[opportunity.outcome]}", now)
    return opportunity


def _refuse_other_customer(opportunity: Opportunity, customer_id: UUID) -> None:
    """Move an opportunity to another customer while no quote says whose it is."""
    if opportunity.customer_id == customer_id:
        return
    if opportunity.quotes.exists():
        raise OpportunityInvalid(
            f"account: {opportunity.name} has quotes of {opportunity.customer.name} already"
        )
    opportunity.customer_id = customer_id


def _check(details: dict[str, Any]) -> None:
    unknown = details.keys() - set(FIELDS)
    if unknown:
        raise OpportunityInvalid(f"{min(unknown)}: is not a field of an opportunity")
    if currency := details.get("currency"):
        try:
            minor_unit(currency)
        except MoneyError as error:
            raise OpportunityInvalid(f"currency: {error}") from None
    amount = details.get("amount")
    if amount is not None and not 0 <= amount < 10**15:
        raise OpportunityInvalid("amount: must be zero or more, with at most 15 digits")
    if details.get("outcome", Outcome.OPEN) not in Outcome.values:
        raise OpportunityInvalid("outcome: must be open, won or lost")


@transaction.atomic
def link_quote(*, quote_id: UUID, opportunity_id: UUID | None, now: datetime) -> Quote:
    """Say which opportunity a quote is an offer for, or that it is for none.

    :raises OpportunityInvalid: if it is another customer's.
    """
    quote: Quote = Quote.objects.select_for_update(of=("self",)).get(id=quote_id)
    before = quote.opportunity_id
    if before == opportunity_id:
        return quote
    if opportunity_id is not None:
        opportunity = Opportunity.objects.get(id=opportunity_id)
        if opportunity.customer_id != quote.customer_id:
            raise OpportunityInvalid(
                f"opportunity: {opportunity.name} is another customer's, not that of the quote"
            )
    quote.opportunity_id = opportunity_id
    quote.save(update_fields=["opportunity"])
    for changed in (before, opportunity_id):
        if changed is not None:
            follow_quotes(changed, now)
    return quote


def outcome_of_quotes(opportunity_id: UUID) -> str:
    """Return what an opportunity's quotes say of it: won, lost, open; "" while none was sent.

    Won once one was accepted; lost when none can be signed any more; open while one can.
    """
    latest = QuoteVersion.objects.filter(quote=OuterRef("pk")).order_by("-number")
    quotes = Quote.objects.filter(opportunity_id=opportunity_id)
    states = set(
        quotes.annotate(state=Subquery(latest.values("status")[:1])).values_list("state", flat=True)
    )
    if QuoteVersion.Status.ACCEPTED in states:
        return Outcome.WON
    if states.intersection(_OFFERED):
        return Outcome.OPEN
    if states and states <= set(_LOST):
        return Outcome.LOST
    was_offered = QuoteVersion.objects.filter(
        quote__opportunity_id=opportunity_id, sent_at__isnull=False
    )
    return Outcome.OPEN if was_offered.exists() else ""


def follow_quotes(opportunity_id: UUID, now: datetime) -> None:
    """Make an opportunity won, lost or open again as its quotes are; says it once."""
    opportunity = Opportunity.objects.select_for_update(of=("self",)).get(id=opportunity_id)
    outcome = outcome_of_quotes(opportunity_id)
    if not outcome or outcome == opportunity.outcome:
        return
    opportunity.outcome = outcome
    opportunity.save(update_fields=["outcome"])
    _announce(opportunity, f"opportunity.{_BECAME[outcome]}", now)


_BECAME: dict[str, str] = {
    Outcome.WON: "won",
    Outcome.LOST: "lost",
    Outcome.OPEN: "reopened",
}


def _announce(opportunity: Opportunity, kind: str, now: datetime) -> None:
    ids = external_ids(OpportunityReference, opportunity.id)
    append_event(
        type=kind,
        subject=f"opportunity/{opportunity.id}",
        data={
            "opportunity_id": str(opportunity.id),
            "customer_id": str(opportunity.customer_id),
            "name": opportunity.name,
            **({"external_ids": ids} if ids else {}),
        },
        occurred_at=now,
    )


def names_elsewhere(quote: Quote) -> dict[str, Any]:
    """Return what CRMs call a quote, its customer and its opportunity: part of its events."""
    found: dict[str, Any] = {
        "external_ids": external_ids(QuoteReference, quote.id),
        "customer_external_ids": external_ids(CustomerReference, quote.customer_id),
    }
    if quote.opportunity_id is not None:
        found["opportunity_id"] = str(quote.opportunity_id)
        found["opportunity_external_ids"] = external_ids(OpportunityReference, quote.opportunity_id)
    return {name: value for name, value in found.items() if value}
