"""Settle many quarantined events at once: a few at a time, as a job, with a reason."""

from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from metering.selectors.queues import Held, count_held, held_ids
from metering.services.repairs import RepairNeedsReason, discard_events, release_events
from metering.stores.repairs import DISCARDED, RELEASED
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, NothingSelected, SkipItem, start_job
from monetization.kernel.ids import uuid7

CHUNK = 500
KIND = "usage.settle"
ACTIONS = {RELEASED: ("Release", release_events), DISCARDED: ("Discard", discard_events)}


@transaction.atomic
def settle_all(*, action: str, held: Held, reason: str, now: datetime) -> Job:
    """Release or discard everything in quarantine that fits, as a job.

    What comes in later is left alone. An interrupted job goes on where it stopped: what is
    settled is no longer in quarantine.

    :raises RepairNeedsReason: without a reason.
    :raises NothingSelected: if nothing fits.
    """
    if not reason.strip():
        raise RepairNeedsReason("give a reason")
    count = count_held(held)
    if not count:
        raise NothingSelected("nothing in quarantine fits")
    verb, _ = ACTIONS[action]
    parts = range(1, ceil(count / CHUNK) + 1)
    return start_job(
        kind=KIND,
        title=f"{verb} {count:,} quarantined event{'' if count == 1 else 's'}",
        items=[(str(n), f"Part {n}, {CHUNK} events at most") for n in parts],
        params={
            "action": action,
            "reason": reason.strip(),
            "reason_held": held.reason,
            "source": held.source,
            "alias": held.alias,
            "until": str(uuid7()),
        },
    )


def settle_part(job: Job, item: JobItem) -> dict[str, Any]:
    """Settle the oldest events that still fit.

    :raises SkipItem: if nothing is left.
    """
    asked = job.params
    held = Held(asked["reason_held"], asked["source"], asked["alias"])
    _, settle = ACTIONS[asked["action"]]
    ids = held_ids(held, until=UUID(asked["until"]), limit=CHUNK)
    if not ids:
        raise SkipItem("nothing was left")
    done = settle(event_ids=ids, reason=asked["reason"], now=timezone.now())
    return {"events": done}


SETTLE = JobKind(KIND, settle_part)
