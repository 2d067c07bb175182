"""Balances as of this moment: usage that is not billed yet is already taken off."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from billing.models import CreditTerms, InvoiceCredit
from billing.selectors.credits import OPEN, Standing, grants_of, standings
from billing.services.accrued import accrued_of_customers
from billing.services.credits.planning import customers_with_credits


@transaction.atomic
def live_standings(*, customer_ids: Sequence[UUID], now: datetime) -> list[Standing]:
    """Say where customers' grants stand if their running periods ended now. Stores nothing."""
    holders = customers_with_credits(customer_ids)
    grants = [grant for key in sorted(holders) for grant in grants_of(key)]
    if not grants:
        return []
    return standings(grants, now=now, planned=_planned(holders, now))


def _planned(customer_ids: set[UUID], now: datetime) -> dict[UUID, Decimal]:
    units: dict[UUID, Decimal] = defaultdict(Decimal)
    for bill in accrued_of_customers(customer_ids=sorted(customer_ids), now=now):
        for use in bill.uses:
            units[UUID(use.grant_id)] += use.units
    one_offs = InvoiceCredit.objects.filter(
        grant__customer__in=customer_ids,
        invoice__status__in=OPEN,
        invoice__schedule__isnull=True,
    )
    for row in one_offs.values("grant").annotate(units=Sum("units")):
        units[row["grant"]] += row["units"]
    return units


def pool_of(rule: CreditTerms, found: Sequence[Standing]) -> list[Standing]:
    """Return the active grants in the same units as some credits, of the same customer."""
    return [
        one
        for one in found
        if one.state == "active"
        and one.grant.customer_id == rule.customer_id
        and (one.grant.kind, one.grant.currency, one.grant.unit_code, one.grant.meter_id)
        == (rule.kind, rule.currency, rule.unit_code, rule.meter_id)
    ]
