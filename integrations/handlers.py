"""What the stream tells us. Handlers only write down what is owed."""

from uuid import UUID

from django.utils import timezone

from integrations import services
from integrations.dropbox_sign import services as signatures
from monetization.events.models import Event


def on_invoice_issued(event: Event) -> None:
    services.enqueue_invoice(invoice_id=UUID(event.data["invoice_id"]), now=timezone.now())


def on_quote_sent(event: Event) -> None:
    signatures.open_request(version_id=UUID(event.data["version_id"]), now=timezone.now())


def on_quote_withdrawn(event: Event) -> None:
    signatures.withdraw(version_id=UUID(event.data["version_id"]), now=timezone.now())
