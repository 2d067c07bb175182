"""Append facts to the stream; hand them to whoever subscribed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from monetization.events.models import Event, EventDelivery
from monetization.events.schemas import validate_payload
from monetization.tenancy.context import current_actor, current_tenant_id

Handler = Callable[[Event], None]

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=5)

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


@transaction.atomic
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
    version = validate_payload(type, data)
    event = Event.objects.create(
        source=source,
        source_event_id=source_event_id or str(uuid4()),
        type=type,
        subject=subject,
        occurred_at=occurred_at,
        schema_version=version,
        data=data,
        actor=current_actor(),
        caused_by=caused_by,
    )
    deliveries = EventDelivery.objects.bulk_create(
        EventDelivery(event=event, handler=name, next_attempt_at=occurred_at + FIRST_RETRY)
        for name in _interested(type)
    )
    tenant_id = current_tenant_id()
    for delivery in deliveries:
        transaction.on_commit(partial(_ring, tenant_id, delivery.id), robust=True)
    return event


def _ring(tenant_id: UUID, delivery_id: UUID) -> None:
    from monetization.events.tasks import deliver_event

    deliver_event.delay(tenant_id=str(tenant_id), delivery_id=str(delivery_id))


@transaction.atomic
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
    transaction.on_commit(lambda: _ring(tenant_id, delivery_id), robust=True)
