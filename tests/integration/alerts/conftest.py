"""A company whose customer pays for calls: 1,000 included, and a commitment."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from alerts.models import AlertRule
from alerts.services.evaluation import evaluate
from alerts.services.rules import RuleTerms, create_rule
from metering.domain.events import UsageEvent
from metering.models import Meter
from metering.services import create_meter, record_usage_events
from monetization.customers.models import Customer
from monetization.kernel.period import Frequency
from monetization.pricing.prices import PerUnit
from monetization.pricing.terms import IncludedTerms, MinimumTerms
from tests.factories_billing import CALLS, PLATFORM, billed, deal

MARCH = datetime(2026, 3, 10, 12, tzinfo=UTC)
APRIL = datetime(2026, 4, 2, 12, tzinfo=UTC)

INCLUSIVE = replace(CALLS, model=PerUnit(Decimal("0.10")), included=IncludedTerms(Decimal(1000)))
COMMITTED: dict[str, Any] = {
    "minimum": MinimumTerms(amount=Decimal(400), frequency=Frequency.MONTHLY)
}


def use(
    calls: int | str, id: str, *, customer: str = "acme", at: datetime = MARCH, type: str = "api"
) -> None:
    event = UsageEvent("t", id, type, customer, at, {"n": Decimal(calls)})
    record_usage_events([event], now=at)


@pytest.fixture
def calls(tenant: Any) -> Meter:
    return create_meter(
        key="calls",
        name="Calls",
        event_type="api",
        aggregation="sum",
        value_property="n",
        unit="calls",
        now=MARCH,
    )


@pytest.fixture
def schedule(calls: Meter) -> Any:
    return billed(deal(PLATFORM, INCLUSIVE, **COMMITTED), now=MARCH)


def rule(**terms: Any) -> AlertRule:
    return create_rule(RuleTerms(**{"name": "Rule", **terms}), now=MARCH)


def look(now: datetime = MARCH) -> list[Any]:
    """Evaluate everybody; return the alerts that were new."""
    ids = list(Customer.objects.values_list("id", flat=True))
    return evaluate(customer_ids=ids, now=now)
