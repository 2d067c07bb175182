"""What the stream tells us. Handlers only write down what is owed."""

from uuid import UUID

from django.utils import timezone

from integrations import services
from monetization.events.models import Event


def on_invoice_issued(event: Event) -> None:
    services.enqueue_invoice(invoice_id=UUID(event.data["invoice_id"]), now=timezone.now())
