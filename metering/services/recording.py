"""Take usage events in: who was first, whose they are, what they count."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from metering.domain.events import (
    VOIDS,
    Correction,
    Outcome,
    UsageEvent,
    Verdict,
    data_json,
    identities,
    payloads,
)
from metering.stores import arrays, claims, corrections, deltas
from metering.stores import postgres as store
from metering.stores.postgres import EventColumns, Setting
from monetization.kernel.ids import uuid7_block

T = TypeVar("T")
FUTURE_TOLERANCE = timedelta(hours=24)
KNOWN_OTHERWISE = "this id is known with another content; the first is kept"
_verdict = tuple.__new__  # a tenth of the cost of calling the class
CAME_CORRECTED = "an event that came earlier corrects this one; it does not count"


def record_usage_events(events: Sequence[UsageEvent], *, now: datetime) -> list[Verdict]:
    """Store a batch of usage events with a verdict for each; safe to repeat at any time.

    The unique identity (tenant, source, id) decides who was first, not a look-up, so
    concurrent repeats of a batch count once. Hourly deltas commit with the events.

    :param now: events more than 24 hours ahead of it, or older than the tenant's limit, are
        stored in quarantine: visible, and not counted until released.
    """
    with transaction.atomic():
        return record(events, now=now)


def record(
    events: Sequence[UsageEvent], *, now: datetime, lock_wait: str | None = None
) -> list[Verdict]:
    """Do the same in the caller's transaction, which must end if this raises.

    :param lock_wait: how long a lock may keep the batch waiting, "10s"; None: as long as set.
    """
    if not events:
        return []
    batch = _Batch(events)
    batch.claim(lock_wait)
    batch.judge_repeats()
    batch.store_new(now)
    return [verdict for verdict in batch.verdicts if verdict is not None]


class _Batch:
    """One batch on its way in. Lists run parallel to the events."""

    def __init__(self, events: Sequence[UsageEvent]) -> None:
        self.events = events
        self.verdicts: list[Verdict | None] = [None] * len(events)
        sources, names, _, _, _, data, _ = zip(*events, strict=True)
        self.data = list(map(data_json, data))
        self.keys = identities(sources, names)
        self.payloads = payloads(events, self.data)
        self.ids = uuid7_block(len(events))
        self.new: list[int] = []  # in the order of the events
        self.repeats: list[int] = []
        self.arrived_late: set[int] = set()  # what corrects them came before them
        self.known: dict[bytes, tuple[bytes, bytes]] = {}

    def claim(self, lock_wait: str | None) -> None:
        """Find out which events are new: the unique key says so."""
        first = dict(zip(self.keys, range(len(self.keys)), strict=True))
        if len(first) < len(self.keys):
            first = {}
            for index, key in enumerate(self.keys):
                if first.setdefault(key, index) != index:
                    self.repeats.append(index)
        # One order for every batch, so that two batches never wait for each other in a circle.
        order = sorted(first.values(), key=self.keys.__getitem__)
        claimed, self.known = claims.claim_identities(
            [self.keys[i] for i in order],
            [self.payloads[i] for i in order],
            [self.ids[i] for i in order],
            lock_wait=lock_wait,
        )
        if len(claimed) == len(first):
            self.new = list(first.values())
        else:
            self.new = [index for key, index in first.items() if key in claimed]
            taken = self._take_reserved([i for key, i in first.items() if key not in claimed])
            self.repeats += [i for key, i in first.items() if key not in claimed and i not in taken]
        if self.repeats:
            for index in self.new:
                self.known[self.keys[index]] = (self.payloads[index], self.ids[index])

    def _take_reserved(self, others: list[int]) -> set[int]:
        """Take identities that a correction reserved before its event came."""
        reserved = [i for i in others if self.known[self.keys[i]][0] == b""]
        if not reserved:
            return set()
        taken, still = corrections.take_reserved(
            [self.keys[i] for i in reserved],
            [self.payloads[i] for i in reserved],
            [self.ids[i] for i in reserved],
        )
        self.known |= still
        self.arrived_late = {i for i in reserved if self.keys[i] in taken}
        self.new = sorted((*self.new, *self.arrived_late))
        return self.arrived_late

    def judge_repeats(self) -> None:
        """Say of each event that is not new whether it says the same as the first."""
        conflicts = []
        for index in sorted(self.repeats):
            event = self.events[index]
            kept, event_id = self.known[self.keys[index]]
            if kept == self.payloads[index]:
                self.verdicts[index] = Verdict(index, event.id, Outcome.DUPLICATE)
                continue
            conflicts.append((UUID(bytes=event_id), event, self.data[index]))
            self.verdicts[index] = Verdict(index, event.id, Outcome.CONFLICT, "id", KNOWN_OTHERWISE)
        store.write_conflicts(conflicts)

    def store_new(self, now: datetime) -> None:
        if not self.new:
            return
        events, ids, data = self.events, self.ids, self.data
        if len(self.new) < len(events):
            events = [events[i] for i in self.new]
            ids, data = [ids[i] for i in self.new], [data[i] for i in self.new]
        sources, names, types, subjects, times, measured, corrects = zip(*events, strict=True)
        setting = store.read_setting(set(subjects))
        columns = EventColumns(
            ids=ids,
            sources=sources,
            names=names,
            types=types,
            subjects=subjects,
            customers=_holders(setting, subjects, times),
            moments=arrays.micros_of_all(times),
            data=data,
            quarantine=_quarantine_reasons(times, now, setting),
        )
        if self.arrived_late or corrects.count(None) < len(corrects):
            store.write_events(columns)
            self._correct(columns, corrects, setting)
            store.write_delta_rows(_deltas(columns, measured, self._uncounted(corrects), setting))
        else:
            store.write_events(columns, _deltas(columns, measured, set(), setting))
        self._say(columns, setting)

    def _say(self, columns: EventColumns, setting: Setting) -> None:
        """Write the verdicts on what was stored."""
        verdicts, created = self.verdicts, Outcome.CREATED
        for index, name, customer in zip(self.new, columns.names, columns.customers, strict=True):
            verdicts[index] = _verdict(
                Verdict, (index, name, created, "", "", customer is not None)
            )
        if self.arrived_late:
            for index in self.arrived_late:
                verdicts[index] = _known(verdicts[index])._replace(reason=CAME_CORRECTED)
        if any(columns.quarantine):
            for index, reason in zip(self.new, columns.quarantine, strict=True):
                if reason:
                    verdicts[index] = _known(verdicts[index])._replace(
                        outcome=Outcome.QUARANTINED,
                        field=setting.fields.get(reason, "time"),
                        reason=reason,
                    )

    def _uncounted(self, corrects: Sequence[Correction | None]) -> set[int]:
        """Return the places of events that never count: voids, and those corrected before."""
        return {
            place
            for place, (index, given) in enumerate(zip(self.new, corrects, strict=True))
            if index in self.arrived_late or (given is not None and given.kind == VOIDS)
        }

    def _correct(
        self, columns: EventColumns, corrects: Sequence[Correction | None], setting: Setting
    ) -> None:
        """Let the corrections among the new events take effect, or into quarantine."""
        retired = corrections.retire_arrived([self.keys[i] for i in sorted(self.arrived_late)])
        self.arrived_late = {i for i in self.arrived_late if self.ids[i] in retired}
        corrections.take_back(
            [
                self.keys[i]
                for i in sorted(self.arrived_late)
                if (given := self.events[i].corrects) is not None and given.kind == VOIDS
            ],
            setting.meters,
        )
        asked = [
            corrections.Asked(columns.ids[place], given, bool(columns.quarantine[place]))
            for place, given in enumerate(corrects)
            if given is not None
        ]
        refused = corrections.apply(asked, setting.meters)
        for place, (event_id, given) in enumerate(zip(columns.ids, corrects, strict=True)):
            if event_id in refused:
                columns.quarantine[place] = refused[event_id]
                setting.fields[refused[event_id]] = given.kind if given else ""


def _known(verdict: Verdict | None) -> Verdict:
    assert verdict is not None  # noqa: S101  (an event that was stored has one)
    return verdict


def _deltas(
    columns: EventColumns, data: Sequence[deltas.Data], uncounted: set[int], setting: Setting
) -> store.DeltaColumns:
    """Return what the events add to the hourly sums, but for those that do not count."""
    holders, reasons = columns.customers, columns.quarantine
    if not uncounted and None not in holders and not any(reasons):
        counts: Sequence[int] | None = None
    else:
        counts = [
            place
            for place, (customer, reason) in enumerate(zip(holders, reasons, strict=True))
            if customer is not None and not reason and place not in uncounted
        ]
    return deltas.deltas_of(
        _chosen(holders, counts),  # type: ignore[arg-type]  # none of these is None
        _chosen(columns.moments, counts),
        _chosen(columns.types, counts),
        _chosen(data, counts),
        setting.meters,
    )


def _chosen(column: Sequence[T], places: Sequence[int] | None) -> Sequence[T]:
    return column if places is None else [column[place] for place in places]


def _quarantine_reasons(times: Sequence[datetime], now: datetime, setting: Setting) -> list[str]:
    latest = now + FUTURE_TOLERANCE
    oldest = None if setting.age_limit_days is None else now - timedelta(setting.age_limit_days)
    if max(times) <= latest and (oldest is None or min(times) >= oldest):
        return [""] * len(times)
    return [_quarantine_reason(time, latest, oldest) for time in times]


def _quarantine_reason(time: datetime, latest: datetime, oldest: datetime | None) -> str:
    if time > latest:
        return "more than 24 hours in the future"
    if oldest is not None and time < oldest:
        return "older than the company's limit"
    return ""


def _holders(
    setting: Setting, subjects: Sequence[str], times: Sequence[datetime]
) -> Sequence[bytes | None]:
    """Return who held each event's alias at its time; None if nobody did."""
    always = {
        alias: held[0][0]
        for alias, held in setting.holders.items()
        if len(held) == 1 and held[0][1] is None and held[0][2] is None
    }
    if len(always) == len(setting.holders):
        return list(map(always.get, subjects))
    return [
        _holder_at(setting, subject, time) for subject, time in zip(subjects, times, strict=True)
    ]


def _holder_at(setting: Setting, subject: str, time: datetime) -> bytes | None:
    for customer_id, lower, upper in setting.holders.get(subject, ()):
        if (lower is None or lower <= time) and (upper is None or time < upper):
            return customer_id
    return None
