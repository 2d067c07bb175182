"""Partitions of events come by themselves, before their quarter does."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction

from metering import services
from metering.domain.events import UsageEvent
from metering.selectors import list_events
from metering.stores import partitions
from monetization.tenancy.context import tenant_context
from tests.factories import make_tenant

MOMENT = datetime(2033, 5, 17, 12, tzinfo=UTC)


@pytest.mark.django_db
class TestPartitions:
    def test_of_a_quarter_take_what_arrived_before_they_were_there(self) -> None:
        ours = make_tenant("Ours")
        event = UsageEvent("api", "e1", "api", "acme", MOMENT, {})
        with tenant_context(ours.id, actor="test"):
            services.record_usage_events([event], now=MOMENT + timedelta(minutes=1))

            assert partitions.lay(until=date(2033, 4, 1)) == 2
            assert partitions.lay(until=date(2033, 6, 30)) == 0

            assert [found.source_event_id for found in list_events()] == ["e1"]
            assert _place_of("e1") == "metering_usageevent_2033q2"
            repeated = services.record_usage_events([event], now=MOMENT)
            assert [verdict.outcome for verdict in repeated] == ["duplicate"]

    def test_keep_companies_apart_also_when_named_themselves(self) -> None:
        ours, others = make_tenant("Ours"), make_tenant("Others")
        event = UsageEvent("api", "e1", "api", "acme", MOMENT, {})
        with tenant_context(ours.id, actor="test"):
            partitions.lay(until=MOMENT.date())
            services.record_usage_events([event], now=MOMENT)

        seen: Any = (0,)  # where the application has no right of its own to the partition
        with (
            tenant_context(others.id, actor="test"),
            suppress(ProgrammingError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT count(*) FROM metering_usageevent_2033q2")
            seen = cursor.fetchone()

        assert seen == (0,)


def _place_of(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text FROM metering_usageevent WHERE source_event_id = %s",
            [name],
        )
        row = cursor.fetchone()
        return str(row[0]) if row else ""
