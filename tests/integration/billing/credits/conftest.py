"""A contract billed per call, whose customer may hold credits."""

from decimal import Decimal
from typing import Any

import pytest

from metering.services import create_meter
from tests.factories_billing import billed, deal, make_customer
from tests.factories_credits import MARCH, PLAIN, use


@pytest.fixture
def calls(tenant: Any) -> Any:
    return create_meter(
        key="calls", name="Calls", event_type="api", aggregation="sum", value_property="n",
        now=MARCH,
    )  # fmt: skip


@pytest.fixture
def acme(tenant: Any) -> Any:
    return make_customer(tax_treatment="taxable", tax_name="VAT", tax_percent=Decimal(10))


@pytest.fixture
def march(calls: Any, acme: Any) -> Any:
    """A contract that used 1,000 calls in February: 100.00, with tax 110.00, billed 1 March."""
    use(1000)
    return billed(deal(PLAIN), now=MARCH, customer=acme)
