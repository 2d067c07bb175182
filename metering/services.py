"""Take in usage, attribute it, measure it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from metering.domain.events import (
    Outcome,
    UsageEvent,
    Verdict,
    identity_hash,
    payload_hash,
)
from metering.models import Meter, UsageReading
from metering.selectors import ReadingRequest, active_meters, measure, meter_definition
from metering.stores import postgres as store
from metering.stores.postgres import StoredEvent
from monetization.customers.models import CustomerAlias
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.ids import uuid7
from monetization.tenancy.context import current_tenant_id
from monetization.tenancy.models import Tenant

FUTURE_TOLERANCE = timedelta(hours=24)


class MeterKeyTaken(Refusal):
    """Another meter has this key."""


@transaction.atomic
def record_usage_events(events: Sequence[UsageEvent], *, now: datetime) -> list[Verdict]:
    """Store a batch of usage events with a verdict for each; safe to repeat at any time.

    The unique identity (tenant, source, id) decides who was first, not a look-up, so
    concurrent repeats of a batch count once. Hourly deltas commit with the events.

    :param now: events more than 24 hours ahead of it, or older than the tenant's limit, are
        stored in quarantine: visible, and not counted until released.
    """
    verdicts: list[Verdict | None] = [None] * len(events)
    first: dict[UUID, tuple[int, bytes, UUID]] = {}
    repeats: list[tuple[int, UUID, bytes]] = []
    for index, event in enumerate(events):
        key, payload = identity_hash(event.source, event.id), payload_hash(event)
        if key in first:
            repeats.append((index, key, payload))
        else:
            first[key] = (index, payload, uuid7())
    claimed, known = store.claim_identities(
        [(key, payload, event_id) for key, (_, payload, event_id) in first.items()]
    )
    known |= {key: (first[key][1], first[key][2]) for key in claimed}
    repeats += [(first[key][0], key, first[key][1]) for key in first if key not in claimed]
    _judge_repeats(events, repeats, known, verdicts)
    _store_new(events, {key: first[key] for key in first if key in claimed}, verdicts, now)
    return [verdict for verdict in verdicts if verdict is not None]


def _judge_repeats(
    events: Sequence[UsageEvent],
    repeats: Sequence[tuple[int, UUID, bytes]],
    known: Mapping[UUID, tuple[bytes, UUID]],
    verdicts: list[Verdict | None],
) -> None:
    conflicts = []
    for index, key, payload in repeats:
        kept, event_id = known[key]
        if kept == payload:
            verdicts[index] = Verdict(index, events[index].id, Outcome.DUPLICATE)
            continue
        conflicts.append((uuid7(), event_id, events[index]))
        reason = "this id is known with another content; the first is kept"
        verdicts[index] = Verdict(index, events[index].id, Outcome.CONFLICT, "id", reason)
    store.write_conflicts(conflicts)


def _store_new(
    events: Sequence[UsageEvent],
    new: Mapping[UUID, tuple[int, bytes, UUID]],
    verdicts: list[Verdict | None],
    now: datetime,
) -> None:
    holders = _holders({events[index].subject for index, _, _ in new.values()})
    oldest = _oldest_allowed(now)
    rows: list[StoredEvent] = []
    counted: list[tuple[UUID, UsageEvent]] = []
    for key, (index, payload, event_id) in new.items():
        event = events[index]
        customer_id = _holder_at(holders, event.subject, event.time)
        reason = _quarantine_reason(event.time, now, oldest)
        rows.append(StoredEvent(event_id, key, payload, event, customer_id, reason))
        outcome = Outcome.QUARANTINED if reason else Outcome.CREATED
        verdicts[index] = Verdict(
            index, event.id, outcome, "time" if reason else "", reason, customer_id is not None
        )
        if customer_id is not None and not reason:
            counted.append((customer_id, event))
    store.write_events(rows)
    store.write_deltas(counted, active_meters())


def _oldest_allowed(now: datetime) -> datetime | None:
    days = Tenant.objects.values_list("event_age_limit_days", flat=True).get(id=current_tenant_id())
    return None if days is None else now - timedelta(days=days)


def _quarantine_reason(time: datetime, now: datetime, oldest: datetime | None) -> str:
    if time > now + FUTURE_TOLERANCE:
        return "more than 24 hours in the future"
    if oldest is not None and time < oldest:
        return "older than the company's limit"
    return ""


_Holders = dict[str, list[tuple[UUID, Any]]]


def _holders(aliases: set[str]) -> _Holders:
    holders: _Holders = {}
    rows = CustomerAlias.objects.filter(alias__in=aliases).values_list(
        "alias", "customer_id", "valid"
    )
    for alias, customer_id, valid in rows:
        holders.setdefault(alias, []).append((customer_id, valid))
    return holders


def _holder_at(holders: _Holders, alias: str, time: datetime) -> UUID | None:
    for customer_id, valid in holders.get(alias, ()):
        if (valid.lower is None or valid.lower <= time) and (
            valid.upper is None or time < valid.upper
        ):
            return customer_id
    return None


@transaction.atomic
def attribute_alias(
    *, alias: str, customer_id: UUID, valid_from: datetime | None, valid_until: datetime | None
) -> int:
    """Give stored events without a customer to the one who holds their alias; count them.

    They become visible to later snapshots only, so a reading taken before knows them as late.
    """
    events = store.attribute(alias, customer_id, valid_from, valid_until)
    store.write_deltas([(customer_id, event) for event in events], active_meters())
    return len(events)


@transaction.atomic
def take_readings(*, requests: Sequence[ReadingRequest], now: datetime) -> list[UsageReading]:
    """Measure many windows as of one snapshot and keep what was found, in the same order."""
    if not requests:
        return []
    quantities, snapshot = measure(requests)
    return UsageReading.objects.bulk_create(
        UsageReading(
            meter_id=request.meter_id,
            customer_id=request.customer_id,
            window_start=request.window_start,
            window_end=request.window_end,
            quantity=found.quantity,
            event_count=found.event_count,
            snapshot=snapshot,
            taken_at=now,
        )
        for request, found in zip(requests, quantities, strict=True)
    )


@transaction.atomic
def create_meter(
    *,
    key: str,
    name: str,
    event_type: str,
    aggregation: str,
    now: datetime,
    unit: str = "units",
    value_property: str = "",
    filters: Mapping[str, Any] | None = None,
) -> Meter:
    """Define what is counted; events that are already there count too.

    :raises MeterKeyTaken: if the key is in use.
    """
    if Meter.objects.filter(key=key).exists():
        raise MeterKeyTaken(f"a meter with the key {key!r} exists; choose another")
    meter = Meter.objects.create(
        key=key,
        name=name,
        unit=unit,
        event_type=event_type,
        aggregation=aggregation,
        value_property=value_property,
        filters=dict(filters or {}),
    )
    store.rebuild_rollup(meter_definition(meter))
    append_event(
        type="meter.created",
        subject=f"meter/{meter.id}",
        data={"meter_id": str(meter.id), "key": key},
        occurred_at=now,
    )
    return meter


@transaction.atomic
def fold_usage() -> int:
    """Fold waiting deltas into the roll-up; return how many were folded."""
    return store.fold_deltas()
