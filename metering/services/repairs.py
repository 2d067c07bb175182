"""Settle what waits: quarantined events, nobody's events, and events that say two things."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from metering.domain.events import Outcome
from metering.services.recording import record
from metering.stores import repairs
from metering.stores.postgres import read_meters
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal

MAX_REASON = 500


class RepairNeedsReason(Refusal):
    """A decision about usage says why."""


@transaction.atomic
def release_events(*, event_ids: Sequence[UUID], reason: str, now: datetime) -> int:
    """Let quarantined events count, as of now: readings taken before know them as late.

    :returns: how many left quarantine; those that were not there, or whose correction can no
        longer take effect, stay as they are.
    :raises RepairNeedsReason: without a reason.
    """
    reason = _checked(reason)
    repairs.join_batches()
    done = repairs.release(event_ids, read_meters())
    return _noted(repairs.RELEASED, done, reason, now)


@transaction.atomic
def discard_events(*, event_ids: Sequence[UUID], reason: str, now: datetime) -> int:
    """Set quarantined or unmatched events aside for good; they stay readable.

    :returns: how many; events that count are left alone, a void takes those back.
    :raises RepairNeedsReason: without a reason.
    """
    reason = _checked(reason)
    repairs.join_batches()
    return _noted(repairs.DISCARDED, repairs.discard(event_ids), reason, now)


@transaction.atomic
def resolve_conflicts(
    *, conflict_ids: Sequence[UUID], accept: bool, reason: str, now: datetime
) -> int:
    """Close conflicts: keep the first content, or let the other one supersede it.

    :returns: how many were settled so; an accepted one whose event was corrected meanwhile
        stays open.
    :raises RepairNeedsReason: without a reason.
    """
    reason = _checked(reason)
    resolution = repairs.ACCEPTED if accept else repairs.KEPT_FIRST
    taken = repairs.take_conflicts(conflict_ids, resolution)
    done = {event_id for _, event_id, _ in taken}
    if accept:
        verdicts = record([event for _, _, event in taken], now=now)
        refused = [
            row for row, v in zip(taken, verdicts, strict=True) if v.outcome is not Outcome.CREATED
        ]
        repairs.reopen_conflicts([conflict_id for conflict_id, _, _ in refused])
        done -= {event_id for _, event_id, _ in refused}
    return _noted(resolution, done, reason, now)


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise RepairNeedsReason(f"give a reason of at most {MAX_REASON} characters")
    return reason


def _noted(action: str, event_ids: set[UUID], reason: str, now: datetime) -> int:
    if event_ids:
        repairs.note_repairs(sorted(event_ids), action, reason)
        append_event(
            type="usage.repaired",
            subject="usage",
            data={"action": action, "events": len(event_ids), "reason": reason},
            occurred_at=now,
        )
    return len(event_ids)
