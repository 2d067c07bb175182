"""A company with the simulated Stripe, an invoice, and the events it sends."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.test import Client
from django.utils import timezone

from billing.models import Invoice
from billing.services.invoicing import issue_invoice
from integrations.models import OnlinePayment
from integrations.stripe import connecting, links, work
from integrations.stripe.gateway import Credentials
from integrations.stripe.simulator import Simulator, account_of, serve, signed
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.ledger.selectors import trial_balance
from monetization.tenancy.context import tenant_context
from tests.factories_billing import PLATFORM, billed, deal, make_customer

MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)


@contextmanager
def serving(folder: Path, settings: Any) -> Iterator[Simulator]:
    """A simulated Stripe that answers over HTTP and keeps its events back."""
    simulator = Simulator(folder, holds=True)
    server = serve(simulator, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings.STRIPE_API_URL = f"http://127.0.0.1:{server.server_port}"
    try:
        yield simulator
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        simulator.close()


@dataclass
class Shop:
    """A connected company and what happens to it."""

    tenant: Any
    stripe: Simulator
    secret: str = ""
    account: str = ""

    def connect(self) -> None:
        with tenant_context(self.tenant.id):
            connecting.connect(now=timezone.now())
        self.work()
        with tenant_context(self.tenant.id):
            found = connecting.connection()
            assert found is not None
            known = Credentials.from_json(found.credentials)
            self.secret, self.account = known.webhook_secrets[0], account_of(known.secret_key)

    def invoice(self, customer: str = "Acme", currency: str = "USD") -> Invoice:
        """Issue an invoice of 500.00 and 20 % tax: 600.00."""
        with tenant_context(self.tenant.id):
            buyer = make_customer(
                customer, currency=currency, tax_percent=Decimal(20), tax_name="VAT"
            )
            buyer.contacts.create(name="Ann", email="ann@acme.example", is_primary=True)
            schedule = billed(deal(PLATFORM, currency=currency), now=MARCH, customer=buyer)
            draft = schedule.invoices.get(bill_on=date(2026, 1, 1))
            return issue_invoice(invoice_id=draft.id, issued_on=date(2026, 3, 3), now=MARCH)

    def page(self, invoice: Invoice) -> str:
        return links.page_of(invoice).partition("127.0.0.1:8000")[2]

    def open_page(self, invoice: Invoice) -> str:
        """Press *Pay* as the customer; returns the session's id."""
        answer = Client().post(self.page(invoice))
        assert answer.status_code == 303, answer.content.decode()
        return str(answer["Location"].rpartition("/")[2])

    def pay(self, invoice: Invoice, units: int | None = None) -> str:
        return self.stripe.pay(self.account, self.open_page(invoice), units=units)

    def send(self, event: dict[str, Any], **changed: Any) -> Any:
        """Deliver an event as Stripe does."""
        body = changed.get("body") or json.dumps(event).encode()
        header = changed.get("header")
        if header is None:
            header = signed(
                changed.get("signs", body), changed.get("secret", self.secret), changed.get("at")
            )
        return Client().post(
            f"/callbacks/stripe/{changed.get('tenant', self.tenant).id}",
            data=body,
            content_type="application/json",
            headers={"Stripe-Signature": header} if header else {},
        )

    def told(self, type: str) -> dict[str, Any]:
        return next(each for each in self.stripe.held if each["type"] == type)

    def work(self) -> None:
        work.advance_tenant(self.tenant.id)

    def look(self) -> None:
        """Have everything looked at now, as after a quarter of an hour."""
        with tenant_context(self.tenant.id):
            OnlinePayment.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
            connecting.resume(now=timezone.now())
        self.work()

    def balances(self) -> dict[str, str]:
        with tenant_context(self.tenant.id):
            return {
                row.account.value: f"{row.balance:.2f}" for row in trial_balance() if row.balance
            }

    def books_agree(self) -> None:
        with tenant_context(self.tenant.id):
            books = Books()
            for id, check in CHECKS.items():
                if id.startswith(("I01", "I02", "I03")):
                    found = check.run(books)
                    assert not found.differing, (id, check.name, found.samples)
