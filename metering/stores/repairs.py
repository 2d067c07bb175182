"""What people decide about events that do not count yet, or say two things: kept for ever."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from metering.domain.counting import MeterDefinition
from metering.domain.events import SUPERSEDES, VOIDS, Correction, UsageEvent
from metering.stores import corrections
from metering.stores.deltas import write_deltas
from metering.stores.postgres import USAGE_LOCK, bulk_cursor
from monetization.kernel.ids import uuid7
from monetization.tenancy.context import current_actor

RELEASED, DISCARDED = "released", "discarded"
ACCEPTED, KEPT_FIRST = "accepted", "kept_first"


def join_batches() -> None:
    """Count by the same meters and aliases as the batches that are under way."""
    with bulk_cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock_shared({USAGE_LOCK})")


def release(event_ids: Sequence[UUID], meters: Sequence[MeterDefinition]) -> set[UUID]:
    """Let quarantined events count from now on, and the corrections among them take effect.

    A correction that can no longer take effect goes back into quarantine.

    :returns: the events that left quarantine.
    """
    asked = corrections.asked_by(event_ids)
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE metering_usageevent e SET quarantine = '', xact_id = pg_current_xact_id()"
            " WHERE e.tenant_id = current_tenant_id() AND e.id = ANY(%b) AND e.quarantine <> ''"
            f" AND e.retired_xact IS NULL RETURNING {corrections.RETURNED}",
            [list(event_ids)],
            binary=True,
        )
        rows = cursor.fetchall()
    left = {row[0] for row in rows}
    asked = [one for one in asked if one.event_id in left]
    refused = corrections.apply(asked, meters)
    voids = {one.event_id for one in asked if one.correction.kind == VOIDS}
    counting = [row for row in rows if row[0] not in refused and row[0] not in voids]
    write_deltas(corrections.counting_of(counting), meters)
    return {UUID(bytes=event_id) for event_id in left if event_id not in refused}


def discard(event_ids: Sequence[UUID]) -> set[UUID]:
    """Set aside for good those events that are quarantined or nobody's; return them."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE metering_usageevent SET retired_xact = pg_current_xact_id()"
            " WHERE tenant_id = current_tenant_id() AND id = ANY(%b) AND retired_xact IS NULL"
            " AND (quarantine <> '' OR customer_id IS NULL) RETURNING id",
            [list(event_ids)],
        )
        return {row[0] for row in cursor.fetchall()}


def take_conflicts(conflict_ids: Sequence[UUID], resolution: str) -> list[tuple[Any, ...]]:
    """Close open conflicts; return each one's id, its event's id, and the event it would be."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE metering_usageconflict c SET resolution = %b,"
            " resolved_at = transaction_timestamp() FROM metering_usageevent e"
            " WHERE c.tenant_id = current_tenant_id() AND c.id = ANY(%b) AND c.resolution = ''"
            " AND e.tenant_id = c.tenant_id AND e.id = c.event_id"
            " RETURNING c.id, c.event_id, c.source, c.source_event_id, COALESCE(c.type, e.type),"
            " COALESCE(c.subject, e.subject), COALESCE(c.occurred_at, e.occurred_at),"
            " c.data::text",
            [resolution, list(conflict_ids)],
        )
        return [(*row[:2], _in_place(*row)) for row in sorted(cursor.fetchall())]


def _in_place(
    conflict_id: UUID, event_id: UUID, source: str, name: str, kind: str, subject: str, time: Any,
    data: str,
) -> UsageEvent:  # fmt: skip
    return UsageEvent(
        source,
        f"{name}#{conflict_id}",
        kind,
        subject,
        time,
        orjson.loads(data),
        Correction(SUPERSEDES, source, name),
    )


def reopen_conflicts(conflict_ids: Sequence[UUID]) -> None:
    """Leave conflicts open after all."""
    if conflict_ids:
        with bulk_cursor() as cursor:
            cursor.execute(
                "UPDATE metering_usageconflict SET resolution = '', resolved_at = NULL"
                " WHERE tenant_id = current_tenant_id() AND id = ANY(%b)",
                [list(conflict_ids)],
            )


def note_repairs(event_ids: Sequence[UUID], action: str, reason: str) -> None:
    """Keep who decided what about events, and why."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_usagerepair (tenant_id, id, event_id, action, reason, actor)"
            " SELECT current_tenant_id(), u.id, u.event, %b::text, %b::text, %b::text"
            " FROM unnest(%b::uuid[], %b::uuid[]) AS u(id, event)",
            [action, reason, current_actor(), [uuid7() for _ in event_ids], list(event_ids)],
        )
