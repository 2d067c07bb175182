"""Change what a meter counts: the new definition counts its history beside the old one first."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from metering.domain.counting import WEIGHTED
from metering.domain.expressions import ExpressionError, parse
from metering.models import Meter, MeterVersion
from metering.selectors import meter_definition
from metering.stores import deltas
from metering.stores import postgres as store
from monetization.events.services import append_event
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, SkipItem, start_job
from monetization.kernel.errors import Refusal
from monetization.kernel.period import add_months
from monetization.tenancy.bulk import current_snapshot

REBUILD = "meters.rebuild"
DEFINITION = (
    "event_type",
    "aggregation",
    "value_property",
    "expression",
    "filters",
    "group_by",
    "carries_over",
)
MAX_GROUPINGS = 5


class MeterUnchanged(Refusal):
    """The new definition is the one that counts already."""


class MeterDefinitionInvalid(Refusal):
    """A meter's definition makes no sense; ``field`` says which part of it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


def checked_definition(
    *,
    event_type: str,
    aggregation: str,
    value_property: str = "",
    expression: str = "",
    filters: Mapping[str, Any] | None = None,
    group_by: Sequence[str] = (),
    carries_over: bool = False,
) -> dict[str, Any]:
    """Return a definition's parts as they are kept.

    :raises MeterDefinitionInvalid: if a part is missing, too much, or cannot be read.
    """
    kind = Meter.Aggregation
    expression = expression.strip()
    if aggregation == kind.COUNT:
        if expression:
            raise MeterDefinitionInvalid("expression", "a count of events has no value")
        value_property = ""
    elif expression and value_property:
        raise MeterDefinitionInvalid("expression", "give a property or an expression, not both")
    elif aggregation == kind.COUNT_UNIQUE and expression:
        raise MeterDefinitionInvalid("expression", "distinct values are those of a property")
    elif not expression and not value_property:
        raise MeterDefinitionInvalid("value_property", "is needed by every aggregation but count")
    if expression:
        try:
            parse(expression)
        except ExpressionError as error:
            reason = str(error).removeprefix("expression: ")
            raise MeterDefinitionInvalid("expression", reason) from None
    if carries_over and aggregation not in WEIGHTED:
        raise MeterDefinitionInvalid("carries_over", "only a weighted level goes on")
    names = list(group_by)
    if len(set(names)) != len(names) or len(names) > MAX_GROUPINGS:
        raise MeterDefinitionInvalid("group_by", f"at most {MAX_GROUPINGS} properties, each once")
    return {
        "event_type": event_type,
        "aggregation": aggregation,
        "value_property": value_property,
        "expression": expression,
        "filters": dict(filters or {}),
        "group_by": names,
        "carries_over": carries_over,
    }


@transaction.atomic
def change_meter(*, meter_id: UUID, now: datetime, **definition: Any) -> tuple[MeterVersion, Job]:
    """Begin a new version of a meter; bills go on with the old one until all is counted again.

    From now on events count in both. What came before is counted month by month by a job,
    which makes the version the active one at its end. A version still being built is cancelled.

    :param definition: of ``checked_definition``; what it leaves out is empty.
    :raises MeterDefinitionInvalid: if the definition makes no sense.
    :raises MeterUnchanged: if nothing about the definition is new.
    """
    wanted = checked_definition(**definition)
    store.keep_batches_waiting()  # every event is either in the snapshot or counted by both
    meter = Meter.objects.select_for_update().get(id=meter_id)
    if wanted == {name: getattr(meter, name) for name in DEFINITION}:
        raise MeterUnchanged("this is what the meter counts already; change something")
    _keep_first(meter, now)
    _cancel_building(meter)
    version = MeterVersion.objects.create(
        meter=meter,
        number=_last_number(meter) + 1,
        status=MeterVersion.Status.BUILDING,
        snapshot=current_snapshot(),
        created_at=now,
        **wanted,
    )
    job = start_job(
        kind=REBUILD,
        title=f"Count {meter.name} again",
        items=_months(wanted["event_type"]),
        params={"version_id": str(version.id)},
    )
    return version, job


@transaction.atomic
def cancel_version(*, meter_id: UUID) -> bool:
    """Give up the version that is being built; say whether there was one."""
    store.keep_batches_waiting()
    meter = Meter.objects.select_for_update().get(id=meter_id)
    is_building = meter.versions.filter(status=MeterVersion.Status.BUILDING).exists()
    _cancel_building(meter)
    return is_building


def _keep_first(meter: Meter, now: datetime) -> None:
    """Write down the definition a meter was made with, before it gets another."""
    if not meter.versions.exists():
        MeterVersion.objects.create(
            meter=meter,
            number=meter.version,
            status=MeterVersion.Status.ACTIVE,
            rollup_id=meter.rollup_id or meter.id,
            created_at=meter.created_at,
            activated_at=now,
            **{name: getattr(meter, name) for name in DEFINITION},
        )


def _cancel_building(meter: Meter) -> None:
    for version in meter.versions.filter(status=MeterVersion.Status.BUILDING):
        version.status = MeterVersion.Status.CANCELLED
        version.save(update_fields=["status"])
        deltas.forget_rollup(version.rollup_id)


def _last_number(meter: Meter) -> int:
    return max(meter.versions.values_list("number", flat=True))


def _months(event_type: str) -> list[tuple[str, str]]:
    """Return the months with events of a type, as items: first days; one that is always there."""
    span = store.span_of_type(event_type)
    if span is None:
        return [("none", "No events yet")]
    month = span[0].astimezone(UTC).date().replace(day=1)
    found = []
    while month <= span[1].astimezone(UTC).date():
        found.append((month.isoformat(), f"{month:%B %Y}"))
        month = add_months(month, 1, anchor_day=1)
    return found


def _rebuild_month(job: Job, item: JobItem) -> dict[str, Any]:
    version = MeterVersion.objects.select_for_update(of=("self",)).get(id=job.params["version_id"])
    if version.status != MeterVersion.Status.BUILDING:
        raise SkipItem("a newer definition took its place")
    definition = meter_definition(version)
    if item.key == "none" or not definition.is_additive:
        raise SkipItem("nothing is kept by the hour")
    start = datetime.fromisoformat(item.key).replace(tzinfo=UTC)
    following = add_months(start.date(), 1, anchor_day=1)
    end = datetime(following.year, following.month, 1, tzinfo=UTC)
    hours = deltas.count_again(definition, version.snapshot, start, end)
    return {"hours": hours}


def _activate(job: Job) -> None:
    """Let the version count in the meter's place, once every month is counted."""
    if job.failed:
        return
    version = MeterVersion.objects.select_for_update(of=("self",)).get(id=job.params["version_id"])
    if version.status != MeterVersion.Status.BUILDING:
        return
    store.keep_batches_waiting()
    meter = Meter.objects.select_for_update().get(id=version.meter_id)
    now = job.finished_at or version.created_at
    meter.versions.filter(status=MeterVersion.Status.ACTIVE).update(
        status=MeterVersion.Status.REPLACED
    )
    version.status, version.activated_at = MeterVersion.Status.ACTIVE, now
    version.save(update_fields=["status", "activated_at"])
    deltas.forget_rollup(meter.rollup_id or meter.id)
    meter.version, meter.rollup_id = version.number, version.rollup_id
    for name in DEFINITION:
        setattr(meter, name, getattr(version, name))
    meter.save()
    append_event(
        type="meter.changed",
        subject=f"meter/{meter.id}",
        data={"meter_id": str(meter.id), "key": meter.key, "version": version.number},
        occurred_at=now,
    )


KIND = JobKind(name=REBUILD, run_item=_rebuild_month, on_finished=_activate)
