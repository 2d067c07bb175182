"""Customers, their contacts, and the names usage knows them by."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from monetization.customers.models import BillingContact, Customer, CustomerAlias
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import MoneyError, minor_unit
from monetization.kernel.period import time_zones
from monetization.tenancy.models import LegalEntity


class AliasHeld(Refusal):
    """Another customer holds the alias during that time."""


class ContactEmailTaken(Refusal):
    """Another contact of the customer has this address."""


class CustomerDetailsInvalid(Refusal):
    """A field of the customer cannot be what it is."""


class ExternalIdTaken(Refusal):
    """Another customer has this external id."""


@transaction.atomic
def create_customer(
    *,
    name: str,
    currency: str,
    now: datetime,
    legal_entity_id: UUID | None = None,
    **details: Any,
) -> Customer:
    """Add a customer of a legal entity, by default the company's main one.

    :param details: further fields of ``Customer``.
    :raises CustomerDetailsInvalid: for an unknown currency or time zone.
    :raises ExternalIdTaken: if the CRM's id is in use.
    """
    _check(currency=currency, **details)
    entity = (
        LegalEntity.objects.get(id=legal_entity_id)
        if legal_entity_id
        else LegalEntity.objects.get(is_default=True)
    )
    customer = Customer.objects.create(name=name, currency=currency, legal_entity=entity, **details)
    append_event(
        type="customer.created",
        subject=f"customer/{customer.id}",
        data={"customer_id": str(customer.id)},
        occurred_at=now,
    )
    return customer


def _check(**details: Any) -> None:
    if "currency" in details:
        try:
            minor_unit(details["currency"])
        except MoneyError as error:
            raise CustomerDetailsInvalid(f"currency: {error}") from None
    zone = details.get("time_zone")
    if zone is not None and zone not in time_zones():
        raise CustomerDetailsInvalid(f"time_zone: {zone!r} is not an IANA time zone")
    external_id = details.get("external_id")
    if external_id and Customer.objects.filter(external_id=external_id).exists():
        raise ExternalIdTaken(f"external_id: {external_id!r} belongs to another customer")


@transaction.atomic
def update_customer(*, customer_id: UUID, **details: Any) -> Customer:
    """Change a customer's details; documents already issued keep theirs.

    :raises CustomerDetailsInvalid: for an unknown currency or time zone.
    """
    customer = Customer.objects.select_for_update(of=("self",)).get(id=customer_id)
    if details.get("external_id") == customer.external_id:
        details.pop("external_id")
    _check(**details)
    for field, value in details.items():
        setattr(customer, field, value)
    customer.save()
    return customer


@transaction.atomic
def add_contact(
    *, customer_id: UUID, name: str, email: str, is_primary: bool = False
) -> BillingContact:
    """Add somebody who receives documents; the first one is the primary.

    Adding an address that is there already renames it; the primary stays until another takes over.
    """
    customer = Customer.objects.select_for_update(of=("self",)).get(id=customer_id)
    primary = is_primary or not customer.contacts.exclude(email=email).filter(is_primary=True)
    if primary:
        customer.contacts.filter(is_primary=True).update(is_primary=False)
    contact, _ = BillingContact.objects.update_or_create(
        customer=customer, email=email, defaults={"name": name, "is_primary": primary}
    )
    return contact


@transaction.atomic
def update_contact(*, contact_id: UUID, name: str, email: str, is_primary: bool) -> BillingContact:
    """Change who receives documents; a customer's primary contact stays until another takes over.

    :raises ContactEmailTaken: if another contact of the customer has the address.
    """
    contact = BillingContact.objects.get(id=contact_id)
    customer = Customer.objects.select_for_update(of=("self",)).get(id=contact.customer_id)
    others = customer.contacts.exclude(id=contact_id)
    if others.filter(email=email).exists():
        raise ContactEmailTaken(f"email: {email} already receives this customer's documents")
    if is_primary:
        others.filter(is_primary=True).update(is_primary=False)
    contact.name, contact.email = name, email
    contact.is_primary = is_primary or contact.is_primary
    contact.save(update_fields=["name", "email", "is_primary"])
    return contact


@transaction.atomic
def remove_contact(*, contact_id: UUID) -> None:
    """Stop sending documents to somebody; the oldest other contact becomes the primary.

    Documents already sent keep their recipients.
    """
    contact = BillingContact.objects.get(id=contact_id)
    customer = Customer.objects.select_for_update(of=("self",)).get(id=contact.customer_id)
    contact.delete()
    if not customer.contacts.filter(is_primary=True).exists():
        following = customer.contacts.order_by("id").first()
        if following is not None:
            following.is_primary = True
            following.save(update_fields=["is_primary"])


@transaction.atomic
def map_alias(
    *,
    customer_id: UUID,
    alias: str,
    now: datetime,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> CustomerAlias:
    """Say that usage under a name belongs to a customer, for ever or for a stretch of time.

    Stored events that nobody held are attributed by the ``alias.mapped`` event.

    :raises AliasHeld: if another customer holds it at some moment of that time.
    """
    customer = Customer.objects.get(id=customer_id)
    known = CustomerAlias.objects.filter(customer=customer, alias=alias).first()
    if known is not None and valid_from is None and valid_until is None:
        return known
    try:
        with transaction.atomic():
            row = CustomerAlias.objects.create(
                customer=customer, alias=alias, valid=(valid_from, valid_until)
            )
    except IntegrityError:
        holder = CustomerAlias.objects.filter(alias=alias).select_related("customer").first()
        name = holder.customer.name if holder else "another customer"
        raise AliasHeld(f"{alias!r} is held by {name} at that time") from None
    append_event(
        type="alias.mapped",
        subject=f"customer/{customer.id}",
        data={"alias_id": str(row.id), "alias": alias, "customer_id": str(customer.id)},
        occurred_at=now,
    )
    return row
