"""Take usage events in: who was first, whose they are, what they count."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from metering.domain.events import (
    VOIDS,
    Outcome,
    UsageEvent,
    Verdict,
    data_json,
    identity_bytes,
    payload_bytes,
)
from metering.stores import arrays, corrections, deltas
from metering.stores import postgres as store
from metering.stores.postgres import EventColumns, Setting
from monetization.kernel.ids import uuid7_block

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


def record(events: Sequence[UsageEvent], *, now: datetime) -> list[Verdict]:
    """Do the same in the caller's transaction, which must end if this raises."""
    if not events:
        return []
    batch = _Batch(events)
    batch.claim()
    batch.judge_repeats()
    batch.store_new(now)
    return [verdict for verdict in batch.verdicts if verdict is not None]


class _Batch:
    """One batch on its way in. Lists run parallel to the events."""

    def __init__(self, events: Sequence[UsageEvent]) -> None:
        self.events = events
        self.verdicts: list[Verdict | None] = [None] * len(events)
        self.data = [data_json(event.data) for event in events]
        self.keys = [identity_bytes(event.source, event.id) for event in events]
        self.payloads = [
            payload_bytes(event, data) for event, data in zip(events, self.data, strict=True)
        ]
        self.ids = uuid7_block(len(events))
        self.new: list[int] = []
        self.repeats: list[int] = []
        self.arrived_late: set[int] = set()  # what corrects them came before them
        self.known: dict[bytes, tuple[bytes, bytes]] = {}

    def claim(self) -> None:
        """Find out which events are new: the unique key says so."""
        first: dict[bytes, int] = {}
        for index, key in enumerate(self.keys):
            if first.setdefault(key, index) != index:
                self.repeats.append(index)
        # One order for every batch, so that two batches never wait for each other in a circle.
        order = sorted(first.values(), key=self.keys.__getitem__)
        claimed, self.known = store.claim_identities(
            [self.keys[i] for i in order],
            [self.payloads[i] for i in order],
            [self.ids[i] for i in order],
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
        self.new += sorted(self.arrived_late)
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
        events, new = self.events, self.new
        setting = store.read_setting({events[index].subject for index in new})
        customers = _holders(setting, [events[index] for index in new])
        reasons = _quarantine_reasons([events[index].time for index in new], now, setting)
        columns = EventColumns(
            ids=[self.ids[i] for i in new],
            events=[events[i] for i in new],
            customers=customers,
            moments=[arrays.micros_of(events[i].time) for i in new],
            data=[self.data[i] for i in new],
            quarantine=reasons,
        )
        store.write_events(columns)
        if self.arrived_late or any(events[index].corrects for index in new):
            self._correct(columns, setting)
        deltas.write_deltas(_counting(columns, self._uncounted(columns)), setting.meters)
        self._say(columns, setting)

    def _say(self, columns: EventColumns, setting: Setting) -> None:
        """Write the verdicts on what was stored."""
        verdicts, corrected = self.verdicts, self.arrived_late
        created, quarantined = Outcome.CREATED, Outcome.QUARANTINED
        for index, event, customer, reason in zip(
            self.new, columns.events, columns.customers, columns.quarantine, strict=True
        ):
            outcome, field = created, ""
            if reason:
                outcome, field = quarantined, setting.fields.get(reason, "time")
            elif index in corrected:
                reason = CAME_CORRECTED
            verdicts[index] = _verdict(
                Verdict, (index, event.id, outcome, field, reason, customer is not None)
            )

    def _uncounted(self, columns: EventColumns) -> set[int]:
        """Return the places of events that never count: voids, and those corrected before."""
        if not self.arrived_late and not any(event.corrects for event in columns.events):
            return set()
        return {
            place
            for place, index in enumerate(self.new)
            if index in self.arrived_late
            or ((given := self.events[index].corrects) is not None and given.kind == VOIDS)
        }

    def _correct(self, columns: EventColumns, setting: Setting) -> None:
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
            corrections.Asked(columns.ids[place], event.corrects, bool(columns.quarantine[place]))
            for place, event in enumerate(columns.events)
            if event.corrects is not None
        ]
        refused = corrections.apply(asked, setting.meters)
        for place, event_id in enumerate(columns.ids):
            if event_id in refused:
                columns.quarantine[place] = refused[event_id]
                event = columns.events[place]
                setting.fields[refused[event_id]] = event.corrects.kind if event.corrects else ""


def _counting(columns: EventColumns, uncounted: set[int]) -> list[deltas.Counting]:
    return [
        (customer, moment, event)
        for place, (customer, moment, event, reason) in enumerate(
            zip(columns.customers, columns.moments, columns.events, columns.quarantine, strict=True)
        )
        if customer is not None and not reason and place not in uncounted
    ]


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


def _holders(setting: Setting, events: Sequence[UsageEvent]) -> list[bytes | None]:
    """Return who held each event's alias at its time; None if nobody did."""
    always = {
        alias: held[0][0]
        for alias, held in setting.holders.items()
        if len(held) == 1 and held[0][1] is None and held[0][2] is None
    }
    if len(always) == len(setting.holders):
        return [always.get(event.subject) for event in events]
    return [_holder_at(setting, event) for event in events]


def _holder_at(setting: Setting, event: UsageEvent) -> bytes | None:
    held = setting.holders.get(event.subject)
    if held is None:
        return None
    for customer_id, lower, upper in held:
        if (lower is None or lower <= event.time) and (upper is None or event.time < upper):
            return customer_id
    return None
