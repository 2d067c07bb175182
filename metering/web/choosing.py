"""Customers chosen by name: what a datalist offers, and whom a written name means."""

from collections.abc import Iterable
from itertools import pairwise
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError

from metering.models import Meter
from metering.selectors import EventRow
from monetization.customers.models import Customer

OFFERED = 2000


def customer_labels() -> dict[str, UUID]:
    """Return customers by a label that names exactly one of them."""
    labels: dict[str, UUID] = {}
    rows = Customer.objects.filter(is_archived=False).order_by("name", "id")
    names = list(rows.values_list("id", "name", "external_id")[:OFFERED])
    written = [name for _, name, _ in names]
    twice = {name for name, following in pairwise(written) if name == following}
    for id, name, external_id in names:
        label = f"{name} ({external_id or str(id)[-6:]})" if name in twice else name
        labels[label] = id
    return labels


class CustomerNameField(forms.CharField):
    """A customer written by name, as ``<datalist id="customers">`` offers it."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"max_length": 400, "label": "Customer", **kwargs})  # type: ignore[arg-type]
        self.widget.attrs |= {"list": "customers", "autocomplete": "off"}

    def clean(self, value: object) -> Customer | None:
        text = super().clean(value)
        if not text:
            return None
        named = list(Customer.objects.filter(name__iexact=text)[:2])
        if len(named) == 1:
            return named[0]
        found = customer_labels().get(text)
        if found is not None:
            customer: Customer = Customer.objects.get(id=found)
            return customer
        if named:
            raise ValidationError("Several customers have this name; choose one of the list.")
        raise ValidationError("No customer has this name; choose one of the list.")


def event_types() -> list[str]:
    """Return the types of events meters count, for a datalist."""
    return sorted(set(Meter.objects.values_list("event_type", flat=True)))


def property_names(events: Iterable[EventRow]) -> list[str]:
    """Return properties to choose from: those of some events and those meters look at."""
    found = {name for event in events for name in event.data}
    for group_by, filters in Meter.objects.values_list("group_by", "filters"):
        found |= {*group_by, *filters}
    return sorted(found)


def offered_zones(company: str) -> list[str]:
    """Return the zones usage is looked at in: the company's, its customers', and UTC."""
    zones = Customer.objects.filter(is_archived=False).values_list("time_zone", flat=True)
    return sorted({company, "UTC", *zones.order_by().distinct()})
