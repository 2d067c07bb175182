"""Which readings counted an event."""

from collections.abc import Sequence
from uuid import UUID

from metering.models import UsageReading
from metering.stores.postgres import COUNTED_AS_OF, bulk_cursor


def readings_with(event_id: UUID, readings: Sequence[UsageReading]) -> set[UUID]:
    """Return those readings whose snapshot saw an event and counted it.

    The readings must be of the event's customer and time, and of meters that count it.
    """
    found = set()
    with bulk_cursor() as cursor:
        for reading in readings:
            cursor.execute(
                "SELECT 1 FROM metering_usageevent e"
                f" WHERE e.tenant_id = current_tenant_id() AND e.id = %b AND {COUNTED_AS_OF}",
                [event_id, reading.snapshot, reading.snapshot],
            )
            if cursor.fetchone():
                found.add(reading.id)
    return found
