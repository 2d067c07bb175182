"""What quotes learn from the stream."""

from uuid import UUID

from django.utils import timezone

from monetization.events.models import Event
from quotes.services.renewals import end_renewal_of


def on_schedule_ended(event: Event) -> None:
    """Renew nothing after a contract that ended before its term."""
    if form_id := event.data.get("order_form_id"):
        end_renewal_of(
            order_form_id=UUID(form_id), reason="Ended before its term", now=timezone.now()
        )
