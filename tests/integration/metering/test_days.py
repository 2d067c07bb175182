"""Days are the sum of their hours at every moment, and windows of any zone read exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from metering import selectors, services
from metering.domain.events import VOIDS, Correction, UsageEvent
from metering.models import UsageReading
from metering.selectors.staleness import stale_readings
from metering.services import take_readings
from metering.stores.deltas import rebuild_rollup
from tests.factories_billing import make_customer

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
START = datetime(2026, 10, 3, tzinfo=UTC)
HOURS = 8 * 24
# Local midnights of these zones: days of UTC, whole hours beside them, half and quarter hours.
SHIFTS = [timedelta(minutes=each) for each in (0, 300, -60, -330, -345)]
days = import_module("metering.migrations.0010_days")


@dataclass
class Truth:
    """What was sent and counts, in Python."""

    customer: Any
    meter: Any
    counted: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    sent: int = 0

    def send(self, random: Random) -> None:
        events = []
        for _ in range(random.randint(1, 40)):
            self.sent += 1
            time = START + timedelta(minutes=random.randrange(HOURS * 60))
            calls = random.randint(-3, 9)
            events.append(self._event(time, {"calls": str(calls)}))
            self.counted[str(self.sent)] = (time, calls)
        if self.counted and random.random() < 0.5:
            gone = random.choice(sorted(self.counted))
            time, _ = self.counted.pop(gone)
            self.sent += 1
            events.append(self._event(time, {}, Correction(VOIDS, "app", gone)))
        services.record_usage_events(events, now=NOW)

    def _event(self, time: datetime, data: Any, corrects: Correction | None = None) -> UsageEvent:
        return UsageEvent("app", str(self.sent), "api", "acme", time, data, corrects=corrects)

    def of(self, request: selectors.ReadingRequest) -> tuple[Decimal, int]:
        found = [
            calls
            for time, calls in self.counted.values()
            if request.window_start <= time < request.window_end
        ]
        return Decimal(sum(found)), len(found)

    def windows(self, random: Random) -> list[selectors.ReadingRequest]:
        found = []
        for shift in SHIFTS:
            begin = random.randrange(6)
            end = random.randrange(begin + 1, 9)
            found.append((START + begin * DAY + shift, START + end * DAY + shift))
        for _ in range(4):
            begin = random.randrange(HOURS)
            end = random.randrange(begin + 1, HOURS + 1)
            found.append((START + begin * HOUR, START + end * HOUR))
        return [selectors.ReadingRequest(self.customer.id, self.meter.id, *each) for each in found]


DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def made(tenant: Any) -> Truth:
    customer = make_customer()
    meter = services.create_meter(
        key="calls",
        name="Calls",
        event_type="api",
        aggregation="sum",
        value_property="calls",
        now=NOW,
    )
    return Truth(customer, meter)


def differing_days() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM (SELECT customer_id, date_trunc('day', hour, 'UTC') AS day,"
            "  sum(quantity) AS q, sum(events) AS n FROM metering_usagerollup GROUP BY 1, 2) h"
            " FULL JOIN metering_usageday d USING (customer_id, day)"
            " WHERE COALESCE(h.q, 0) <> COALESCE(d.quantity, 0)"
            " OR COALESCE(h.n, 0) <> COALESCE(d.events, 0)"
        )
        return list(cursor.fetchall())


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.reuse, Phase.generate],  # a shorter schedule says no more, and takes minutes
)
@given(random=st.randoms(use_true_random=False))
def test_any_window_reads_what_was_sent_whatever_is_folded(made: Truth, random: Random) -> None:
    with transaction.atomic():
        truth = Truth(made.customer, made.meter)
        readings: list[tuple[UsageReading, selectors.ReadingRequest]] = []
        steps = random.choices(["send", "fold", "read", "rebuild"], [3, 2, 2, 1], k=6)
        for step in ["send", "send", "read", *steps]:
            match step:
                case "send":
                    truth.send(random)
                case "fold":
                    services.fold_usage()
                case "read":
                    wanted = truth.windows(random)
                    readings += zip(take_readings(requests=wanted, now=NOW), wanted, strict=True)
                case "rebuild":
                    rebuild_rollup(selectors.meter_definition(truth.meter))
            assert differing_days() == []
            check_windows(truth, random, readings)
        transaction.set_rollback(True)


def check_windows(
    truth: Truth,
    random: Random,
    readings: Sequence[tuple[UsageReading, selectors.ReadingRequest]],
) -> None:
    wanted = truth.windows(random)
    found = selectors.read_usage(wanted)
    assert [(one.quantity, one.event_count) for one in found] == [truth.of(each) for each in wanted]
    moved = {
        reading.id
        for reading, request in readings
        if (reading.quantity, reading.event_count) != truth.of(request)
    }
    assert stale_readings([reading.id for reading, _ in readings]) == moved


def test_a_folder_of_an_earlier_release_keeps_the_days_too(made: Truth) -> None:
    made.send(Random(1))  # noqa: S311
    with connection.cursor() as cursor:  # as it folded before there were days
        cursor.execute(
            "INSERT INTO metering_usagerollup (tenant_id, meter_id, customer_id, hour, quantity,"
            " events) SELECT tenant_id, meter_id, customer_id, hour, quantity, events"
            " FROM metering_usagedelta"
        )
        cursor.execute("DELETE FROM metering_usagedelta")
        cursor.execute("UPDATE metering_usagerollup SET quantity = quantity + 1")
    assert differing_days() == []


def test_the_migration_adds_up_what_is_there(made: Truth) -> None:
    for seed in range(5):
        made.send(Random(seed))  # noqa: S311
        services.fold_usage()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM metering_usageday ORDER BY day")
        kept = cursor.fetchall()
        cursor.execute("DELETE FROM metering_usageday")
        for sql in days.FILL:
            if not sql.startswith(("ALTER", "LOCK")):  # the owner's rights are the owner's
                cursor.execute(sql)
        cursor.execute("SELECT * FROM metering_usageday ORDER BY day")
        assert cursor.fetchall() == kept != []
