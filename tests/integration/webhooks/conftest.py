"""A receiver that answers as it is told, and keeps what it got."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from monetization.events.models import Event, EventDelivery
from monetization.events.services import append_event, deliver
from monetization.webhooks import services, tasks
from monetization.webhooks.models import WebhookDelivery, WebhookEndpoint

NOON = datetime(2026, 4, 3, 12, tzinfo=UTC)


@dataclass
class Receiver:
    """``status`` is what it answers next; ``got`` what it was sent: headers and body."""

    url: str
    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOK_PRIVATE_NETWORKS = ["127.0.0.0/8"]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((dict(self.headers), body))
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    state = Receiver(f"http://127.0.0.1:{server.server_port}/hooks?from=us")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def endpoint(tenant: Any, receiver: Receiver) -> WebhookEndpoint:
    return services.create_endpoint(url=receiver.url, event_types=["meter.*"])


def happened(type: str = "meter.created", **data: str) -> Event:
    """Something happens, and the stream hands it on."""
    event = append_event(
        type=type,
        subject="meter/1",
        data=data or {"meter_id": "1", "key": "tokens"},
        occurred_at=NOON,
    )
    for owed in EventDelivery.objects.filter(event=event, handler="webhooks.fan_out"):
        deliver(delivery_id=owed.id, now=NOON)
    return event


def attempt(delivery: WebhookDelivery) -> WebhookDelivery:
    """Make the delivery due, let a worker try, and return what became of it."""
    WebhookDelivery.objects.filter(id=delivery.id, next_attempt_at__isnull=False).update(
        next_attempt_at=NOON
    )
    tasks.send_webhook(tenant_id=str(delivery.tenant_id), delivery_id=str(delivery.id))
    delivery.refresh_from_db()
    return delivery


def only_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.select_related("endpoint").get()
