"""Events that take earlier ones back: first come, first applied; before their target too.

The identity of a target that has not come yet is reserved in the key table, so a correction
and its target that arrive at the same moment wait for each other there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from metering.domain.counting import MeterDefinition
from metering.domain.events import VOIDS, Correction, UsageEvent, identity_bytes
from metering.stores import arrays
from metering.stores.claims import known_identities
from metering.stores.deltas import Counting, write_deltas
from metering.stores.postgres import bulk_cursor

ALREADY = "the event it names is already corrected; correct the event that did"
COUNTS_NOT = "the event it names never counts: it was discarded or only voids another"


@dataclass(frozen=True, slots=True)
class Asked:
    """A correction that an event asks for."""

    event_id: bytes
    correction: Correction
    is_quarantined: bool  # it waits until the event is released

    @property
    def target(self) -> bytes:
        return identity_bytes(self.correction.source, self.correction.id)


def take_reserved(
    keys: Sequence[bytes], payloads: Sequence[bytes], ids: Sequence[bytes]
) -> tuple[set[bytes], dict[bytes, tuple[bytes, bytes]]]:
    """Fill reserved identities with the events that came for them.

    :returns: the keys filled now, and what the others hold: somebody else was quicker.
    """
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE metering_usagekey k SET payload_hash = u.payload, event_id = u.id"
            " FROM unnest(%b::uuid[], %b::bytea[], %b::uuid[]) AS u(key, payload, id)"
            " WHERE k.tenant_id = current_tenant_id() AND k.key_hash = u.key"
            " AND k.payload_hash = '' RETURNING uuid_send(k.key_hash)",
            [arrays.uuids(keys), arrays.blobs(payloads), arrays.uuids(ids)],
            binary=True,
        )
        taken = {row[0] for row in cursor.fetchall()}
    return taken, known_identities([key for key in keys if key not in taken])


def retire_arrived(keys: Sequence[bytes]) -> set[bytes]:
    """Mark events that came after what corrects them, so that they never count.

    :returns: the ids of those events.
    """
    if not keys:
        return set()
    with bulk_cursor() as cursor:
        cursor.execute(
            "WITH found AS (UPDATE metering_usagecorrection c SET target_id = k.event_id"
            "  FROM metering_usagekey k WHERE c.tenant_id = current_tenant_id() AND c.is_applied"
            "  AND c.target_key = ANY(%b::uuid[]) AND k.tenant_id = c.tenant_id"
            "  AND k.key_hash = c.target_key RETURNING c.target_id, c.event_id)"
            " UPDATE metering_usageevent e SET retired_xact = pg_current_xact_id(),"
            "  retired_by = f.event_id FROM found f"
            " WHERE e.tenant_id = current_tenant_id() AND e.id = f.target_id"
            " RETURNING uuid_send(e.id)",
            [arrays.uuids(keys)],
            binary=True,
        )
        return {row[0] for row in cursor.fetchall()}


def take_back(void_keys: Sequence[bytes], meters: Sequence[MeterDefinition]) -> None:
    """Take back what corrected events that turn out to be voids: those cannot be corrected.

    It would have waited in quarantine, had the void come first.
    """
    if not void_keys:
        return
    with bulk_cursor() as cursor:
        cursor.execute(
            "WITH undone AS (UPDATE metering_usagecorrection SET is_applied = false"
            "  WHERE tenant_id = current_tenant_id() AND is_applied"
            "  AND target_key = ANY(%b::uuid[]) RETURNING event_id, target_id)"
            " UPDATE metering_usageevent e SET retired_xact = pg_current_xact_id(),"
            "  retired_by = u.target_id FROM undone u"
            " WHERE e.tenant_id = current_tenant_id() AND e.id = u.event_id"
            f" AND e.retired_xact IS NULL RETURNING {RETURNED}",
            [arrays.uuids(void_keys)],
            binary=True,
        )
        write_deltas(counting_of(cursor.fetchall()), meters, sign=-1)


def apply(asked: Sequence[Asked], meters: Sequence[MeterDefinition]) -> dict[bytes, str]:
    """Let corrections take effect: their targets stop counting, the hourly sums follow.

    :returns: the reason of each that could not; its event is set into quarantine.
    """
    if not asked:
        return {}
    _note(asked)
    ready = [one for one in asked if not one.is_quarantined]
    refused = {one.event_id: ALREADY for one in ready}
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE metering_usagecorrection c SET is_applied = true"
            " WHERE c.tenant_id = current_tenant_id() AND c.event_id = ANY(%b::uuid[])"
            " AND NOT EXISTS (SELECT FROM metering_usagecorrection o WHERE o.is_applied"
            "  AND o.tenant_id = c.tenant_id AND o.target_key = c.target_key)"
            " AND c.event_id = (SELECT o.event_id FROM metering_usagecorrection o"
            "  WHERE o.tenant_id = c.tenant_id AND o.target_key = c.target_key"
            "  AND o.event_id = ANY(%b::uuid[]) ORDER BY o.event_id LIMIT 1)"
            " RETURNING uuid_send(c.event_id)",
            [arrays.uuids([one.event_id for one in ready])] * 2,
            binary=True,
        )
        for row in cursor.fetchall():
            del refused[row[0]]
        won = [one for one in ready if one.event_id not in refused]
        refused |= _retire(cursor, won, meters)
        _stop_counting(cursor, [one for one in ready if one.event_id not in refused])
        _quarantine(cursor, refused)
    return refused


def _note(asked: Sequence[Asked]) -> None:
    """Reserve the targets and keep what was asked, not applied yet.

    The reservation comes first: whoever else corrects or sends the same target waits there.
    """
    ready = sorted((one for one in asked if not one.is_quarantined), key=lambda one: one.target)
    targets = {one.target: one for one in ready}
    with bulk_cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_usagekey (tenant_id, key_hash, payload_hash, event_id)"
            " SELECT current_tenant_id(), u.key, '', u.id"
            " FROM unnest(%b::uuid[], %b::uuid[]) AS u(key, id) ON CONFLICT DO NOTHING",
            [arrays.uuids(list(targets)), arrays.uuids([o.event_id for o in targets.values()])],
        )
        cursor.execute(
            "SELECT FROM metering_usagekey WHERE tenant_id = current_tenant_id()"
            " AND key_hash = ANY(%b::uuid[]) ORDER BY key_hash FOR UPDATE",
            [arrays.uuids(list(targets))],
        )
        cursor.execute(
            "INSERT INTO metering_usagecorrection"
            " (tenant_id, event_id, kind, target_source, target_source_event_id, target_key)"
            " SELECT current_tenant_id(), * FROM unnest(%b::uuid[], %b::text[], %b::text[],"
            " %b::text[], %b::uuid[]) ON CONFLICT (tenant_id, event_id) DO NOTHING",
            [
                arrays.uuids([one.event_id for one in asked]),
                arrays.texts([one.correction.kind for one in asked]),
                arrays.texts([one.correction.source for one in asked]),
                arrays.texts([one.correction.id for one in asked]),
                arrays.uuids([one.target for one in asked]),
            ],
        )


def _retire(
    cursor: Any, won: Sequence[Asked], meters: Sequence[MeterDefinition]
) -> dict[bytes, str]:
    """Retire the targets that are there; return those that cannot be, with the reason."""
    if not won:
        return {}
    by_target = {one.target: one for one in won}
    there = {
        event_id: by_target[key]
        for key, (payload, event_id) in known_identities(list(by_target)).items()
        if payload
    }
    cursor.execute(
        "SELECT uuid_send(event_id) FROM metering_usagecorrection WHERE kind = 'voids'"
        " AND tenant_id = current_tenant_id() AND event_id = ANY(%b::uuid[])",
        [arrays.uuids(list(there))],
        binary=True,
    )
    voids = {row[0]: there.pop(row[0]) for row in cursor.fetchall()}
    cursor.execute(
        "UPDATE metering_usageevent e SET retired_xact = pg_current_xact_id(), retired_by = u.by"
        " FROM unnest(%b::uuid[], %b::uuid[]) AS u(id, by)"
        " WHERE e.tenant_id = current_tenant_id() AND e.id = u.id AND e.retired_xact IS NULL"
        f" RETURNING {RETURNED}",
        [arrays.uuids(list(there)), arrays.uuids([one.event_id for one in there.values()])],
        binary=True,
    )
    retired = cursor.fetchall()
    write_deltas(counting_of(retired), meters, sign=-1)
    done = {row[0] for row in retired}
    cursor.execute(
        "UPDATE metering_usagecorrection c SET target_id = u.target"
        " FROM unnest(%b::uuid[], %b::uuid[]) AS u(event, target)"
        " WHERE c.tenant_id = current_tenant_id() AND c.event_id = u.event",
        [arrays.uuids([one.event_id for one in there.values()]), arrays.uuids(list(there))],
    )
    refused = [one for target, one in there.items() if target not in done]
    return {one.event_id: COUNTS_NOT for one in (*refused, *voids.values())}


RETURNED = (
    "uuid_send(e.id), uuid_send(e.customer_id), e.source, e.source_event_id, e.type, e.subject,"
    " e.occurred_at, e.data::text, e.quarantine, e.retired_xact IS NOT NULL"
)


def counting_of(rows: Sequence[Sequence[Any]], *, retired: bool = True) -> list[Counting]:
    """Return what rows of ``RETURNED`` count; those in quarantine or unmatched count nothing.

    :param retired: whether retired events are wanted, to take away what they added.
    """
    return [
        (customer_id, arrays.micros_of(time), _event(source, name, kind, subject, time, data))
        for _, customer_id, source, name, kind, subject, time, data, held, is_retired in rows
        if customer_id is not None and not held and (retired or not is_retired)
    ]


def _event(
    source: str, name: str, kind: str, subject: str, time: datetime, data: str
) -> UsageEvent:
    return UsageEvent(source, name, kind, subject, time, orjson.loads(data))


def _stop_counting(cursor: Any, applied: Sequence[Asked]) -> None:
    """Retire events that only void others: they never count themselves."""
    voids = [one.event_id for one in applied if one.correction.kind == VOIDS]
    if voids:
        cursor.execute(
            "UPDATE metering_usageevent SET retired_xact = pg_current_xact_id()"
            " WHERE tenant_id = current_tenant_id() AND id = ANY(%b::uuid[])",
            [arrays.uuids(voids)],
        )


def _quarantine(cursor: Any, refused: dict[bytes, str]) -> None:
    if not refused:
        return
    ids = arrays.uuids(list(refused))
    cursor.execute(
        "UPDATE metering_usageevent e SET quarantine = u.reason"
        " FROM unnest(%b::uuid[], %b::text[]) AS u(id, reason)"
        " WHERE e.tenant_id = current_tenant_id() AND e.id = u.id",
        [ids, arrays.texts(list(refused.values()))],
    )
    cursor.execute(
        "UPDATE metering_usagecorrection SET is_applied = false"
        " WHERE tenant_id = current_tenant_id() AND event_id = ANY(%b::uuid[])",
        [ids],
    )


def asked_by(event_ids: Sequence[UUID]) -> list[Asked]:
    """Return the corrections that events asked for and that were not applied."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT uuid_send(event_id), kind, target_source, target_source_event_id"
            " FROM metering_usagecorrection WHERE tenant_id = current_tenant_id()"
            " AND event_id = ANY(%b) AND NOT is_applied ORDER BY event_id",
            [list(event_ids)],
            binary=True,
        )
        return [
            Asked(row[0], Correction(*row[1:]), is_quarantined=False) for row in cursor.fetchall()
        ]


def attribute(
    alias: str,
    customer_id: UUID,
    valid_from: datetime | None,
    valid_until: datetime | None,
    meters: Sequence[MeterDefinition],
) -> int:
    """Give stored events of an alias to its customer and count them; return how many count."""
    with bulk_cursor() as cursor:
        cursor.execute(
            "UPDATE metering_usageevent e SET customer_id = %b, xact_id = pg_current_xact_id()"
            " WHERE e.tenant_id = current_tenant_id() AND e.subject = %b AND e.customer_id IS NULL"
            " AND (%b::timestamptz IS NULL OR e.occurred_at >= %b::timestamptz)"
            " AND (%b::timestamptz IS NULL OR e.occurred_at < %b::timestamptz)"
            f" RETURNING {RETURNED}",
            [customer_id, alias, valid_from, valid_from, valid_until, valid_until],
            binary=True,
        )
        found = counting_of(cursor.fetchall(), retired=False)
    write_deltas(found, meters)
    return len(found)
