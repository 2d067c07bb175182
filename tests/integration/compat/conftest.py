"""A company with a key, and clients that reach it without a network."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from metering.models import Meter
from metering.selectors import ReadingRequest, list_events, read_usage
from metering.services import create_meter
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key
from tests.factories_billing import make_customer

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
UNIX = int(NOW.timestamp())
TEXT = "2026-03-03T12:00:00Z"


class Company:
    """A tenant with one customer, "acme", and one meter that sums ``value`` of ``tokens``."""

    def __init__(self, tenant: Any, key: str) -> None:
        self.tenant, self.key = tenant, key
        with tenant_context(tenant.id, actor="test"):
            self.customer = make_customer()
            self.meter: Meter = create_meter(
                key="tokens",
                name="Tokens",
                event_type="tokens",
                aggregation="sum",
                value_property="value",
                now=NOW,
            )

    def used(self) -> Decimal:
        """What the meter counted for acme in March."""
        march = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
        with tenant_context(self.tenant.id):
            found = read_usage([ReadingRequest(self.customer.id, self.meter.id, *march)])
        return found[0].quantity

    def stored(self) -> list[Any]:
        with tenant_context(self.tenant.id):
            return list_events()

    def send(self, path: str, body: Any, media: str = "application/json", **headers: str) -> Any:
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        headers = {"Authorization": f"Bearer {self.key}", **headers}
        return Client().post(f"/compat/{path}", data, content_type=media, headers=headers)


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Company:
    tenant = make_tenant("Northwind Software")
    return Company(tenant, make_api_key(tenant, "usage:write"))


@pytest.fixture
def reader(company: Company) -> str:
    """A key that may read usage and not send it."""
    return make_api_key(company.tenant, "usage:read")
