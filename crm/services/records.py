"""Take one CRM record in: found by its external id, made if it is new, changed if it differs.

Fields that are left out stay as they are. The same record again changes nothing.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction

from crm.services.common import (
    CrmRecordInvalid,
    Name,
    Taken,
    account_of,
    changes,
    find,
    needed,
    note,
)
from crm.services.quotes import save_quote
from monetization.customers.models import (
    BillingContact,
    ContactReference,
    Customer,
    CustomerReference,
)
from monetization.customers.services import (
    add_contact,
    create_customer,
    update_contact,
    update_customer,
)
from monetization.tenancy.context import current_tenant_id
from monetization.tenancy.models import Tenant
from quotes.models import Opportunity, OpportunityReference
from quotes.services.opportunities import save_opportunity


@transaction.atomic
def save_account(name: Name, given: dict[str, Any], now: datetime) -> Taken:
    """Take an account in as a customer.

    A customer whose *CRM id* is the account's, and whom the system has no other name for, is it.

    :raises CrmRecordInvalid: naming the field.
    :raises CustomerDetailsInvalid: for an unknown currency or time zone.
    """
    customer = find(CustomerReference, name) or _customer_with_id(name)
    if customer is None:
        needed(given, "name")
        details = {field: value for field, value in given.items() if value is not None}
        details.setdefault("currency", "")
        details["currency"] = details["currency"] or _default_currency()
        customer = create_customer(**details, now=now)
        note(CustomerReference, customer, name)
        return Taken(customer, "created")
    changed = changes(customer, given)
    if changed.get("name") == "":
        raise CrmRecordInvalid("name: is missing")
    if changed:
        customer = update_customer(customer_id=customer.pk, **changed)
    is_news = note(CustomerReference, customer, name)
    return Taken(customer, "updated" if changed or is_news else "unchanged")


def _customer_with_id(name: Name) -> Customer | None:
    if not name.external_id:
        return None
    rows = Customer.objects.filter(external_id=name.external_id)
    found: Customer | None = rows.exclude(references__source=name.source).first()
    return found


def _default_currency() -> str:
    return Tenant.objects.values_list("default_currency", flat=True).get(id=current_tenant_id())


@transaction.atomic
def save_contact(name: Name, given: dict[str, Any], now: datetime) -> Taken:
    """Take a contact in as somebody who receives a customer's documents.

    A contact of the account with the same address is it.

    :raises CrmRecordInvalid: naming the field.
    :raises ContactEmailTaken: if another contact of the customer has the address.
    """
    contact: BillingContact | None = find(ContactReference, name)
    account = given.pop("account", None)
    customer = account_of(name.source, account) if account else None
    if contact is None:
        needed({**given, "account": account}, "account", "name", "email")
        contact = BillingContact.objects.filter(customer=customer, email=given["email"]).first()
    if contact is None and customer is not None:
        is_primary = bool(given.pop("is_primary", False))
        contact = add_contact(customer_id=customer.id, is_primary=is_primary, **given)
        note(ContactReference, contact, name)
        return Taken(contact, "created")
    if contact is None:  # an account is needed for a new one, and was found
        raise CrmRecordInvalid("account: is needed for a new record")
    if customer is not None and customer.id != contact.customer_id:
        raise CrmRecordInvalid(f"account: {contact.name} belongs to {contact.customer.name}")
    changed = changes(contact, given)
    if changed.get("is_primary") is False:
        del changed["is_primary"]  # a primary contact stays until another takes over
    if changed:
        kept = {field: getattr(contact, field) for field in ("name", "email", "is_primary")}
        contact = update_contact(contact_id=contact.id, **{**kept, **changed})
    is_news = note(ContactReference, contact, name)
    return Taken(contact, "updated" if changed or is_news else "unchanged")


@transaction.atomic
def save_opportunity_record(name: Name, given: dict[str, Any], now: datetime) -> Taken:
    """Take an opportunity in; its quotes say whether it was won once one was sent.

    :raises CrmRecordInvalid: naming the field.
    :raises OpportunityInvalid: naming the field.
    """
    opportunity: Opportunity | None = find(OpportunityReference, name)
    account = given.pop("account", None)
    if "owner" in given:
        given["owner_label"] = given.pop("owner")
    if opportunity is None:
        needed({**given, "account": account}, "account", "name")
        opportunity = save_opportunity(
            customer_id=account_of(name.source, str(account)).id,
            now=now,
            reference=name.reference,
            **{field: value for field, value in given.items() if value is not None},
        )
        return Taken(opportunity, "created")
    blank = {field: None for field in ("amount", "close_on") if given.get(field, "") is None}
    changed = {**changes(opportunity, given), **changes_to_none(opportunity, blank)}
    if opportunity.quotes.filter(versions__sent_at__isnull=False).exists():
        changed.pop("outcome", None)  # its quotes say
    owner = account_of(name.source, account).id if account else opportunity.customer_id
    moved = owner != opportunity.customer_id
    if changed or moved:
        opportunity = save_opportunity(
            customer_id=owner,
            opportunity_id=opportunity.id,
            now=now,
            **changed,
        )
    is_news = note(OpportunityReference, opportunity, name)
    return Taken(opportunity, "updated" if changed or moved or is_news else "unchanged")


def changes_to_none(row: Any, blank: dict[str, None]) -> dict[str, None]:
    """Return which of the emptied fields hold something."""
    return {name: None for name in blank if getattr(row, name) is not None}


Saver = Callable[[Name, dict[str, Any], datetime], Taken]
SAVERS: dict[str, Saver] = {
    "accounts": save_account,
    "contacts": save_contact,
    "opportunities": save_opportunity_record,
    "quotes": save_quote,
}


def save_record(kind: str, source: str, given: dict[str, Any], now: datetime) -> Taken:
    """Take one record of a kind in.

    :param given: its fields, with ``external_id`` or our ``id``.
    :raises Refusal: naming the field where one is wrong.
    """
    fields = dict(given)
    name = Name(source, fields.pop("external_id", "") or "", fields.pop("id", "") or "")
    return SAVERS[kind](name, fields, now)
