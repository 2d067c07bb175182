"""What revenue accounting does when something becomes true below it."""

from uuid import UUID

from monetization.events.models import Event
from revrec import services


def on_schedule_activated(event: Event) -> None:
    """Plan the contract's revenue."""
    services.plan_revenue(schedule_id=UUID(event.data["schedule_id"]))


def on_schedule_ended(event: Event) -> None:
    """Plan anew what a contract earns that ended before its term, or was cancelled."""
    services.replan_ended(schedule_id=UUID(event.data["schedule_id"]))
