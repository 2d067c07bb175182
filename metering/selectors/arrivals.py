"""Whose usage came in lately."""

from datetime import datetime
from uuid import UUID

from metering.stores.postgres import bulk_cursor


def customers_with_new_usage(*, since: datetime) -> list[UUID]:
    """Return customers with usage received since a moment, by the clock of who received it.

    Ids of events begin with their milliseconds, so this reads the end of an index. What a
    long transaction commits later has an older id: look again now and then at everybody.
    """
    first = UUID(int=int(since.timestamp() * 1000) << 80)
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT customer_id FROM metering_usageevent"
            " WHERE tenant_id = current_tenant_id() AND id >= %b AND customer_id IS NOT NULL",
            [first],
        )
        return [row[0] for row in cursor.fetchall()]
