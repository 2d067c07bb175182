"""The simulated Xero in a thread, a tenant connected to it, and issued invoices."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.models import Invoice
from billing.services.invoicing import issue_invoice
from integrations import services
from integrations.xero.simulator import Simulator, serve
from monetization.events.models import EventDelivery
from monetization.events.services import deliver
from monetization.tenancy.context import tenant_context
from tests.factories_billing import PLATFORM, billed, deal, make_customer

MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture
def xero(tmp_path: Path, settings: Any) -> Iterator[Simulator]:
    """A simulated Xero that answers over HTTP."""
    simulator = Simulator(tmp_path)
    server = serve(simulator, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings.XERO_API_URL = f"http://127.0.0.1:{server.server_port}"
    yield simulator
    server.shutdown()
    thread.join()
    server.server_close()
    simulator.close()


@pytest.fixture
def seller(transactional_db: None, make_tenant: Callable[..., Any], xero: Simulator) -> Any:
    """A tenant connected to the simulated Xero; nothing is bound."""
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id):
        services.connect_xero(now=MARCH)
    return tenant


@pytest.fixture
def issue(seller: Any) -> Callable[..., Invoice]:
    """Issue an invoice and deliver the news; 500.00 plus 20 % tax unless told otherwise."""

    def make(customer: str = "Acme", percent: str = "20", currency: str = "USD") -> Invoice:
        with tenant_context(seller.id):
            buyer = make_customer(
                customer, currency=currency, tax_percent=Decimal(percent), tax_name="VAT"
            )
            schedule = billed(deal(PLATFORM, currency=currency), now=MARCH, customer=buyer)
            draft = schedule.invoices.get(bill_on=date(2026, 1, 1))
            invoice = issue_invoice(invoice_id=draft.id, issued_on=date(2026, 3, 3), now=MARCH)
        deliver_all(seller)
        return invoice

    return make


def deliver_all(tenant: Any) -> None:
    with tenant_context(tenant.id):
        waiting = EventDelivery.objects.filter(delivered_at__isnull=True)
        for delivery_id in waiting.values_list("id", flat=True):
            deliver(delivery_id=delivery_id, now=MARCH)
