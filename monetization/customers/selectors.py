"""Customers as lists and pages read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Prefetch, Q, QuerySet
from django.db.models.functions import Lower

from monetization.audit.models import AuditEntry
from monetization.customers.models import BillingContact, Customer, CustomerAlias
from monetization.events.models import Event
from monetization.events.schemas import PayloadInvalid, event_type

SORTS = {
    "name": (Lower("name"),),
    "entity": ("legal_entity__name", Lower("name")),
    "country": ("country", Lower("name")),
    "currency": ("currency", Lower("name")),
    "terms": ("payment_terms_days", Lower("name")),
    "created": ("-created_at",),
}


def list_customers(
    *, search: str = "", currency: str = "", country: str = "", archived: str = "", sort: str = ""
) -> "QuerySet[Customer]":
    """List customers with their entity, primary contact and number of aliases.

    :param search: part of a name, an external id, or a whole usage alias.
    :param archived: "" for active ones, "yes" for archived, "all" for both.
    :param sort: a name of ``SORTS``; anything else sorts by name.
    """
    rows = Customer.objects.select_related("legal_entity").prefetch_related(
        Prefetch(
            "contacts",
            BillingContact.objects.filter(is_primary=True),
            to_attr="primary_contacts",
        )
    )
    if search:
        held = CustomerAlias.objects.filter(alias=search).values("customer_id")
        rows = rows.filter(
            Q(name__icontains=search)
            | Q(legal_name__icontains=search)
            | Q(external_id__icontains=search)
            | Q(id__in=held)
        )
    if currency:
        rows = rows.filter(currency=currency)
    if country:
        rows = rows.filter(country=country)
    if archived != "all":
        rows = rows.filter(is_archived=archived == "yes")
    order = SORTS.get(sort, SORTS["name"])
    return rows.annotate(alias_count=Count("aliases", distinct=True)).order_by(*order, "id")


def currencies_and_countries() -> tuple[list[str], list[str]]:
    """Return which currencies and countries customers have, for filters."""
    pairs = Customer.objects.values_list("currency", "country").distinct()
    return sorted({pair[0] for pair in pairs}), sorted({pair[1] for pair in pairs if pair[1]})


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that happened to a customer, in words."""

    what: str
    detail: str
    who: str
    at: datetime


def activity(customer_id: UUID, *, limit: int = 100) -> Sequence[Activity]:
    """Return the facts of the stream and the changed details of a customer, newest first."""
    events = Event.objects.filter(subject=f"customer/{customer_id}").order_by("-occurred_at", "-id")
    changes = AuditEntry.objects.filter(row_id=customer_id, action="UPDATE").order_by("-at", "-id")
    found = [
        Activity(
            _words(event.type), str(event.data.get("alias", "")), event.actor, event.occurred_at
        )
        for event in events[:limit]
    ]
    found += [
        Activity("Details changed", _changed(entry.changes), entry.actor, entry.at)
        for entry in changes[:limit]
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)[:limit]


def _words(type: str) -> str:
    try:
        return event_type(type).description
    except PayloadInvalid:
        return type.replace(".", " ").replace("_", " ").capitalize()


def _changed(changes: dict[str, Any]) -> str:
    """Say what changed: "Payment terms days: 30 → 45; Country: none → FR"."""
    parts = []
    for column, (before, after) in sorted(changes.items()):
        if column == "is_archived":
            parts.append("Archived" if after else "Restored")
            continue
        label = column.removesuffix("_id").replace("_", " ").capitalize()
        parts.append(f"{label}: {_shown(before)} → {_shown(after)}")
    return "; ".join(parts)


def _shown(value: Any) -> str:
    text = str(value if value not in (None, "") else "none").replace("\n", ", ")
    return f"{text[:80]}…" if len(text) > 80 else text
