"""Append facts to the stream; hand them to whoever subscribed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from monetization.events.models import Event, EventDelivery
from monetization.events.schemas import validate_payload
from monetization.tenancy.bulk import insert_rows
from monetization.tenancy.context import current_actor, current_tenant_id
from monetization.tenancy.joining import joined

Handler = Callable[[Event], None]

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=5)
RUNG_TOGETHER = 20  # deliveries of one message, one after the other, each in its transaction

_handlers: dict[str, dict[str, Handler]] = {}
_watchers: dict[str, tuple[Callable[[str], bool], Handler]] = {}


def subscribe(event_type: str, name: str, handler: Handler) -> None:
    """Run ``handler`` for every event of a type. Called from ``AppConfig.ready``.

    Handlers may run late, twice or out of order: they look at what is true now, and a
    unique constraint protects their effect.
    """
    _handlers.setdefault(event_type, {})[name] = handler


def watch(name: str, handler: Handler, *, wants: Callable[[str], bool]) -> None:
    """Run ``handler`` for events of whatever type somebody wants. Called from ``AppConfig.ready``.

    :param wants: is asked for every event, in its transaction: it must be cheap.
    """
    _watchers[name] = (wants, handler)


def handler_named(event_type: str, name: str) -> Handler:
    if name in _watchers:
        return _watchers[name][1]
    return _handlers[event_type][name]


def _interested(event_type: str) -> list[str]:
    watching = [name for name, (wants, _) in _watchers.items() if wants(event_type)]
    return [*_handlers.get(event_type, {}), *watching]


@joined
def append_event(
    *,
    type: str,
    subject: str,
    data: dict[str, Any],
    occurred_at: datetime,
    source: str = "throughline",
    source_event_id: str | None = None,
    caused_by: Event | None = None,
) -> Event:
    """Append one business fact and, in the same transaction, one delivery per subscriber.

    :param type: past tense, registered in ``events/schemas.py``.
    :param source_event_id: the source's own id; unique per source. Ours when not given.
    :raises PayloadInvalid: if the data does not fit the type's schema.
    :raises IntegrityError: if this source already said this.
    """
    new = NewEvent(type, subject, data, source, source_event_id, caused_by)
    return append_events([new], occurred_at=occurred_at)[0]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A business fact to append; the fields are those of ``append_event``."""

    type: str
    subject: str
    data: dict[str, Any]
    source: str = "throughline"
    source_event_id: str | None = None
    caused_by: Event | None = None


@joined
def append_events(facts: Sequence[NewEvent], *, occurred_at: datetime) -> list[Event]:
    """Append business facts in their order, each as ``append_event`` does, a statement per table.

    :raises PayloadInvalid: if the data of one does not fit its type's schema.
    :raises IntegrityError: if a source already said one of them.
    """
    actor = current_actor()
    events = Event.objects.bulk_create(
        Event(
            source=fact.source,
            source_event_id=fact.source_event_id or str(uuid4()),
            type=fact.type,
            subject=fact.subject,
            occurred_at=occurred_at,
            schema_version=validate_payload(fact.type, fact.data),
            data=fact.data,
            actor=actor,
            caused_by=fact.caused_by,
        )
        for fact in facts
    )
    handlers = {type: _interested(type) for type in dict.fromkeys(fact.type for fact in facts)}
    deliveries = [
        EventDelivery(event=event, handler=name, next_attempt_at=occurred_at + FIRST_RETRY)
        for event in events
        for name in handlers[event.type]
    ]
    insert_rows(deliveries)
    tenant_id = current_tenant_id()
    together = RUNG_TOGETHER if len(events) > 1 else 1  # handlers of one event run side by side
    for start in range(0, len(deliveries), together):
        ids = [delivery.id for delivery in deliveries[start : start + together]]
        _ring_on_commit(tenant_id, ids)
    return events


def _ring_on_commit(tenant_id: UUID, delivery_ids: list[UUID]) -> None:
    # Not a partial: Django names what failed by its __qualname__, which a partial has not.
    transaction.on_commit(lambda: _ring(tenant_id, delivery_ids), robust=True)


def _ring(tenant_id: UUID, delivery_ids: Sequence[UUID]) -> None:
    from monetization.events.tasks import deliver_event, deliver_events

    if len(delivery_ids) == 1:
        deliver_event.delay(tenant_id=str(tenant_id), delivery_id=str(delivery_ids[0]))
    else:
        ids = [str(delivery_id) for delivery_id in delivery_ids]
        deliver_events.delay(tenant_id=str(tenant_id), delivery_ids=ids)


@joined
def deliver(*, delivery_id: UUID, now: datetime) -> bool:
    """Run one handler for one event, exactly once in effect; False if it was done already.

    The row lock and ``delivered_at`` commit together with whatever the handler writes, so a
    duplicate message, a crash before the acknowledgement, or two workers change nothing twice.
    """
    delivery = (
        EventDelivery.objects.select_for_update(of=("self",))
        .select_related("event")
        .get(id=delivery_id)
    )
    if delivery.delivered_at is not None:
        return False
    handler_named(delivery.event.type, delivery.handler)(delivery.event)
    delivery.delivered_at, delivery.next_attempt_at = now, None
    delivery.attempts += 1
    delivery.last_error = ""
    delivery.save(update_fields=["delivered_at", "next_attempt_at", "attempts", "last_error"])
    return True


@transaction.atomic
def record_failed_delivery(*, delivery_id: UUID, error: str, now: datetime) -> None:
    """Keep the error on the row and say when to try again; after eight tries, a person must."""
    delivery = EventDelivery.objects.select_for_update(of=("self",)).get(id=delivery_id)
    if delivery.delivered_at is not None:
        return
    delivery.attempts += 1
    delivery.last_error = error[:4000]
    delivery.next_attempt_at = (
        now + FIRST_RETRY * 2**delivery.attempts if delivery.attempts < MAX_ATTEMPTS else None
    )
    delivery.save(update_fields=["attempts", "last_error", "next_attempt_at"])


@transaction.atomic
def replay_delivery(*, delivery_id: UUID, now: datetime) -> None:
    """Make a failed delivery due again now."""
    EventDelivery.objects.filter(id=delivery_id, delivered_at__isnull=True).update(
        attempts=0, next_attempt_at=now
    )
    tenant_id = current_tenant_id()
    transaction.on_commit(lambda: _ring(tenant_id, [delivery_id]), robust=True)
