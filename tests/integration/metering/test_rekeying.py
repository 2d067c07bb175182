"""Identities move to another hash part by part: killed and begun again, each moves once."""

from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from metering.domain.events import VOIDS, Correction, Outcome, UsageEvent
from metering.services import record_usage_events
from monetization.kernel.ids import uuid7
from tests.factories_billing import make_customer

NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
moving = import_module("metering.migrations.0007_lean_batches")


class Stopped(Exception):
    """What a kill is in this test."""


class Dying:
    """A cursor that dies at its n-th statement."""

    def __init__(self, cursor: Any, at: int) -> None:
        self.cursor, self.left = cursor, at

    def execute(self, *arguments: Any) -> None:
        self.left -= 1
        if not self.left:
            raise Stopped
        self.cursor.execute(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)


class Quiet:
    """Runs the statements that change rows; the owner's rights are the owner's."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor

    def execute(self, sql: str, *arguments: Any) -> None:
        if not sql.startswith("ALTER TABLE"):
            self.cursor.execute(sql, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)


def event(id: str, **more: Any) -> UsageEvent:
    return UsageEvent("s", id, "api", "acme", NOW, {"n": Decimal(1)}, **more)


def keys() -> set[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT key_hash, payload_hash, event_id FROM metering_usagekey")
        found = {(row[0], bytes(row[1]), row[2]) for row in cursor.fetchall()}
        cursor.execute("SELECT target_key, target_source_event_id FROM metering_usagecorrection")
        return found | set(cursor.fetchall())


@pytest.fixture
def events(tenant: Any) -> list[UsageEvent]:
    """Timed and other ids, and a correction of an event that has not come yet."""
    make_customer()
    made = [event(str(uuid7())) for _ in range(25)] + [event(f"plain-{n}") for n in range(5)]
    made.append(event("fix", corrects=Correction(VOIDS, "s", str(uuid7()))))
    record_usage_events(made, now=NOW)
    return made


def move(old: Any, new: Any, *, dies_at: int = 0) -> int:
    with connection.cursor() as cursor:
        bound: Any = Quiet(cursor)
        if dies_at:
            bound = Quiet(Dying(cursor, dies_at))
        return int(moving.rekey(bound, old, new, part=7))


def test_identities_go_there_and_back(events: list[UsageEvent]) -> None:
    timed = keys()

    assert move(moving.timed_identity, moving.plain_identity) == 26
    plain = keys()
    assert move(moving.plain_identity, moving.timed_identity) == 26

    assert len(timed & plain) == 6  # the plain ids, and the correction's own
    assert keys() == timed
    repeated = record_usage_events(events, now=NOW)
    assert {verdict.outcome for verdict in repeated} == {Outcome.DUPLICATE}


def test_begun_again_after_any_step_they_end_the_same(events: list[UsageEvent]) -> None:
    timed = keys()
    for step in range(1, 9):
        move(moving.timed_identity, moving.plain_identity)
        try:
            move(moving.plain_identity, moving.timed_identity, dies_at=step)
        except Stopped:
            assert keys() != timed or step > 6
        move(moving.plain_identity, moving.timed_identity)
        assert keys() == timed


def test_what_has_moved_stays(events: list[UsageEvent]) -> None:
    assert move(moving.plain_identity, moving.timed_identity) == 0
