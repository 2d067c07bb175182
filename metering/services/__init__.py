"""Take in usage, attribute it, measure it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from metering.models import Meter, UsageReading
from metering.selectors import ReadingRequest, measure, meter_definition
from metering.services.meters import (
    MeterDefinitionInvalid,
    MeterUnchanged,
    cancel_version,
    change_meter,
    checked_definition,
)
from metering.services.recording import record_usage_events
from metering.services.repairs import (
    RepairNeedsReason,
    discard_events,
    release_events,
    resolve_conflicts,
)
from metering.stores import corrections, deltas
from metering.stores import postgres as store
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.ids import uuid7s
from monetization.tenancy.bulk import insert_records
from monetization.tenancy.context import current_tenant_id

__all__ = (
    "READING_NAMES",
    "MeterDefinitionInvalid",
    "MeterKeyTaken",
    "MeterUnchanged",
    "RepairNeedsReason",
    "attribute_alias",
    "cancel_version",
    "change_meter",
    "checked_definition",
    "create_meter",
    "discard_events",
    "fold_usage",
    "record_usage_events",
    "release_events",
    "resolve_conflicts",
    "take_readings",
)


READING_NAMES = (
    "id", "tenant_id", "meter_id", "meter_version", "customer_id", "window_start", "window_end",
    "time_zone", "quantity", "event_count", "snapshot", "taken_at",
)  # fmt: skip


class MeterKeyTaken(Refusal):
    """Another meter has this key."""


@transaction.atomic
def attribute_alias(
    *, alias: str, customer_id: UUID, valid_from: datetime | None, valid_until: datetime | None
) -> int:
    """Give stored events without a customer to the one who holds their alias; count them.

    They become visible to later snapshots only, so a reading taken before knows them as late.
    """
    store.wait_for_batches()  # those that did not know the alias yet
    return corrections.attribute(alias, customer_id, valid_from, valid_until, store.read_meters())


@transaction.atomic
def take_readings(*, requests: Sequence[ReadingRequest], now: datetime) -> list[UsageReading]:
    """Measure many windows as of one snapshot and keep what was found, in the same order."""
    if not requests:
        return []
    quantities, snapshot = measure(requests)
    asked = Meter.objects.filter(id__in={request.meter_id for request in requests})
    versions = dict(asked.values_list("id", "version"))
    tenant_id = current_tenant_id()
    records: list[tuple[Any, ...]] = [
        (
            id,
            tenant_id,
            request.meter_id,
            versions[request.meter_id],
            request.customer_id,
            request.window_start,
            request.window_end,
            request.time_zone,
            found.quantity,
            found.event_count,
            snapshot,
            now,
        )
        for id, request, found in zip(uuid7s(len(requests)), requests, quantities, strict=True)
    ]
    insert_records(UsageReading, READING_NAMES, records)
    made: Any = UsageReading  # by position: by name, thousands take twice as long
    return [made(*record) for record in records]


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
    expression: str = "",
    filters: Mapping[str, Any] | None = None,
    group_by: Sequence[str] = (),
    carries_over: bool = False,
) -> Meter:
    """Define what is counted; events that are already there count too.

    :raises MeterDefinitionInvalid: if the definition makes no sense.
    :raises MeterKeyTaken: if the key is in use.
    """
    definition = checked_definition(
        event_type=event_type,
        aggregation=aggregation,
        value_property=value_property,
        expression=expression,
        filters=filters or {},
        group_by=group_by,
        carries_over=carries_over,
    )
    store.keep_batches_waiting()
    if Meter.objects.filter(key=key).exists():
        raise MeterKeyTaken(f"a meter with the key {key!r} exists; choose another")
    meter = Meter.objects.create(key=key, name=name, unit=unit, **definition)
    deltas.rebuild_rollup(meter_definition(meter))
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
    return deltas.fold_deltas()
