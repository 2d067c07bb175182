"""Read customers' own tax: what their profile says, and what holds from a day on."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from billing.models import CustomerTaxRate


@dataclass(frozen=True, slots=True)
class OwnTax:
    """A customer's own tax from a day on."""

    since: date
    treatment: str
    name: str
    percent: Decimal


@dataclass(frozen=True, slots=True)
class OwnTaxes:
    """The dated taxes of some customers, the latest first."""

    by_customer: Mapping[UUID, Sequence[OwnTax]]

    @classmethod
    def load(cls, customer_ids: Iterable[UUID]) -> "OwnTaxes":
        """Read those of some customers with one statement, however many there are."""
        rows = CustomerTaxRate.objects.filter(customer__id__any=set(customer_ids))
        found: dict[UUID, list[OwnTax]] = defaultdict(list)
        for customer_id, *tax in rows.order_by("-valid_from").values_list(
            "customer_id", "valid_from", "treatment", "name", "percent"
        ):
            found[customer_id].append(OwnTax(*tax))
        return cls(dict(found))

    def on(self, customer_id: UUID, day: date) -> OwnTax | None:
        """Return what holds on a tax day; None: what the profile says."""
        return next((t for t in self.by_customer.get(customer_id, ()) if t.since <= day), None)
