"""What happened to one usage event since it arrived."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from metering.domain.events import identity_hash
from metering.stores.postgres import bulk_cursor


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to an event.

    ``what``: received, quarantined, supersedes, voids, superseded, voided, conflict, released,
    discarded, accepted, kept_first. ``other`` is the other event of a correction, if it is there.
    """

    at: datetime
    what: str
    other: UUID | None = None
    detail: str = ""
    actor: str = ""


_STEPS = """
SELECT e.recorded_at, 0, 'received', NULL::uuid, '', '' FROM metering_usageevent e
 WHERE e.tenant_id = current_tenant_id() AND e.id = %b
UNION ALL
SELECT e.recorded_at, 1, 'quarantined', NULL, e.quarantine, '' FROM metering_usageevent e
 WHERE e.tenant_id = current_tenant_id() AND e.id = %b AND e.quarantine <> ''
UNION ALL
SELECT c.recorded_at, 2, c.kind, c.target_id, c.target_source || ' ' || c.target_source_event_id
       || CASE WHEN c.is_applied THEN '' ELSE ' (not applied)' END, ''
  FROM metering_usagecorrection c
 WHERE c.tenant_id = current_tenant_id() AND c.event_id = %b
UNION ALL
SELECT c.recorded_at, 3, CASE c.kind WHEN 'voids' THEN 'voided' ELSE 'superseded' END, c.event_id,
       e.source || ' ' || e.source_event_id, ''
  FROM metering_usagecorrection c JOIN metering_usageevent e
       ON e.tenant_id = c.tenant_id AND e.id = c.event_id
 WHERE c.tenant_id = current_tenant_id() AND c.is_applied AND c.target_key = %b
UNION ALL
SELECT f.recorded_at, 4, 'conflict', NULL, f.data::text, '' FROM metering_usageconflict f
 WHERE f.tenant_id = current_tenant_id() AND f.event_id = %b
UNION ALL
SELECT r.recorded_at, 5, r.action, NULL, r.reason, r.actor FROM metering_usagerepair r
 WHERE r.tenant_id = current_tenant_id() AND r.event_id = %b
ORDER BY 1, 2 LIMIT 200
"""


def event_history(event_id: UUID, *, source: str, source_event_id: str) -> list[Step]:
    """Return what happened to an event, first to last; at most 200 steps."""
    key = identity_hash(source, source_event_id)
    with bulk_cursor() as cursor:
        cursor.execute(_STEPS, [event_id, event_id, event_id, key, event_id, event_id])
        return [
            Step(at, what, other, detail, actor)
            for at, _, what, other, detail, actor in cursor.fetchall()
        ]


def event_id_of(source: str, source_event_id: str) -> UUID | None:
    """Return our id of the event that a sender knows by these; None if it never came."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT event_id FROM metering_usagekey WHERE tenant_id = current_tenant_id()"
            " AND key_hash = %b AND payload_hash <> ''",
            [identity_hash(source, source_event_id)],
        )
        row = cursor.fetchone()
        return row[0] if row else None
