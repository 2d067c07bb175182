"""A simulated Dropbox Sign in a thread, a tenant connected to it, and order forms sent there."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from integrations import tasks
from integrations.dropbox_sign import connecting, work
from integrations.dropbox_sign.gateway import Gateway
from integrations.dropbox_sign.simulator import Simulator, serve
from integrations.models import Connection, SignatureRequest
from monetization.catalog.models import PriceVersion
from monetization.customers.models import BillingContact
from monetization.events.models import EventDelivery
from monetization.events.services import deliver
from monetization.tenancy.context import tenant_context
from quotes import services as quotes
from quotes.models import QuoteVersion
from quotes.services.payloads import payload_of
from tests.factories_billing import make_customer
from tests.integration.quotes.conftest import make_catalog
from tests.integration.quotes.test_web_quotes import priced


@pytest.fixture(autouse=True)
def _no_limits_left_over() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def dropbox(tmp_path: Path, settings: Any) -> Iterator[Simulator]:
    """A simulated Dropbox Sign that answers over HTTP; its callbacks are only collected."""
    simulator = Simulator(tmp_path)
    server = serve(simulator, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings.DROPBOX_SIGN_API_URL = f"http://127.0.0.1:{server.server_port}"
    yield simulator
    server.shutdown()
    thread.join()
    server.server_close()
    simulator.close()


def offer_option(version: QuoteVersion, product: str) -> None:
    """Offer a product at its list price, to be chosen or not."""
    payload = payload_of(version)
    listed = PriceVersion.objects.get(price__product__code=product)
    payload["phases"][0]["lines"].append(
        {
            "product": product,
            "price_version": str(listed.id),
            "quantity": "5",
            "is_optional": True,
        }
    )
    quotes.save_draft(version_id=version.id, payload=payload)


class Signing:
    """One order form at Dropbox Sign, and everybody who has a hand in it."""

    def __init__(self, tenant: Any, dropbox: Simulator) -> None:
        self.tenant, self.dropbox = tenant, dropbox
        self.address = ""

    def send(
        self, method: str = "dropbox_sign", counter_signer: str = "", option: str = ""
    ) -> None:
        with tenant_context(self.tenant.id, actor="Ruben"):
            make_catalog()
            customer = make_customer()
            BillingContact.objects.create(
                customer=customer, name="Ann Lee", email="ann@example.com", is_primary=True
            )
            self.quote = quotes.create_quote(
                customer_id=customer.id,
                title="Platform deal",
                start_on=date(2027, 1, 1),
                now=timezone.now(),
            )
            version = priced(self.quote)
            if counter_signer:
                version.further_signers = [
                    {"name": "Cy Moss", "email": counter_signer, "side": "seller"}
                ]
                version.save(update_fields=["further_signers"])
            if option:
                offer_option(version, option)
            self.address = quotes.send_version(
                version_id=self.quote.versions.get().id,
                now=timezone.now(),
                signature_method=method,
            )
        self.deliver_events()

    def deliver_events(self) -> None:
        with tenant_context(self.tenant.id):
            waiting = EventDelivery.objects.filter(delivered_at__isnull=True)
            for delivery_id in waiting.values_list("id", flat=True):
                deliver(delivery_id=delivery_id, now=timezone.now())

    def work(self) -> None:
        """Have the worker take what is due."""
        tasks.advance_signatures()
        self.deliver_events()

    def wait(self) -> None:
        """Let the time pass until everything is due, and every pause is over."""
        with tenant_context(self.tenant.id):
            SignatureRequest.objects.filter(due_at__isnull=False).update(
                due_at=timezone.now(), lease_until=None
            )
            connecting.resume(now=timezone.now())
        self.work()

    def call(self, event: dict[str, Any], tenant_id: Any = None) -> Any:
        """Deliver a callback as Dropbox Sign does: a multipart form with one field."""
        return Client().post(
            f"/callbacks/dropbox-sign/{tenant_id or self.tenant.id}", {"json": json.dumps(event)}
        )

    def call_all(self, *types: str) -> None:
        """Deliver what happened over there, in this order."""
        for name in types:
            for event in self.dropbox.callbacks:
                if event["event"]["event_type"] == f"signature_request_{name}":
                    assert self.call(event).content == b"Hello API Event Received"

    @property
    def row(self) -> SignatureRequest:
        with tenant_context(self.tenant.id):
            found: SignatureRequest = SignatureRequest.objects.get()
            return found

    @property
    def there(self) -> dict[str, Any]:
        """The newest request over there."""
        return self.dropbox.desk.all()[0][0]

    @property
    def signature_id(self) -> str:
        return str(self.there["signatures"][0]["signature_id"])

    @property
    def status(self) -> str:
        with tenant_context(self.tenant.id):
            return str(QuoteVersion.objects.order_by("-number")[0].status)

    def gateway(self) -> Gateway:
        with tenant_context(self.tenant.id):
            return work.open_gateway(self.connection.credentials)

    @property
    def connection(self) -> Connection:
        with tenant_context(self.tenant.id):
            found = connecting.connection()
        assert found is not None
        return found

    def counts(self) -> SimpleNamespace:
        from monetization.events.models import Event
        from quotes.models import OrderForm

        with tenant_context(self.tenant.id):
            return SimpleNamespace(
                order_forms=OrderForm.objects.count(),
                signed=Event.objects.filter(type="order_form.signed").count(),
            )


@pytest.fixture
def signing(db: None, make_tenant: Callable[..., Any], dropbox: Simulator) -> Signing:
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id):
        connecting.connect(now=timezone.now())
    return Signing(tenant, dropbox)
