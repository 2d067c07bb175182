"""Endpoints and their secrets; deliveries: fanned out with the event, sent after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from monetization.events.models import Event
from monetization.events.schemas import event_types
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import current_tenant_id
from monetization.webhooks.models import (
    EndpointHealth,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from monetization.webhooks.sender import Answer, NotAllowed, check_url
from monetization.webhooks.signing import new_secret

TESTED = "webhook.tested"
EVERYTHING = "*"
MAX_ENDPOINTS = 20
HANDOVER = timedelta(minutes=1)  # longer than one exchange may take
ROTATION = timedelta(hours=24)
BACKOFF = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)
)
PATIENCE = 5  # failures in a row before an endpoint is left alone for a while
LONGEST_QUIET = timedelta(minutes=15)

Status = WebhookDelivery.Status
Endpoint = WebhookEndpoint.Status


class EndpointInvalid(Refusal):
    """An endpoint cannot be set up like this."""


class EndpointDisabled(Refusal):
    """Nothing is sent to an endpoint that is switched off."""


# --- Endpoints --------------------------------------------------------------------------------


@transaction.atomic
def create_endpoint(
    *, url: str, event_types: Sequence[str], description: str = ""
) -> WebhookEndpoint:
    """Set up an address that is told of some types of events, with a new secret.

    :param event_types: names as in docs/webhooks.md; ``invoice.*`` and ``*`` stand for many.
    :raises EndpointInvalid: naming the field.
    """
    _check(url, event_types)
    if WebhookEndpoint.objects.exclude(status=Endpoint.REMOVED).count() >= MAX_ENDPOINTS:
        raise EndpointInvalid(f"url: there are {MAX_ENDPOINTS} endpoints already; remove one")
    endpoint = WebhookEndpoint.objects.create(
        url=url,
        event_types=sorted(set(event_types)),
        description=description,
        secret=new_secret(),
    )
    EndpointHealth.objects.create(endpoint=endpoint)
    return endpoint


@transaction.atomic
def change_endpoint(
    *, endpoint_id: UUID, url: str, event_types: Sequence[str], description: str
) -> WebhookEndpoint:
    """Change what an endpoint is. What already waits for it goes to the new address.

    :raises EndpointInvalid: naming the field.
    """
    _check(url, event_types)
    endpoint = _locked(endpoint_id)
    endpoint.url, endpoint.description = url, description
    endpoint.event_types = sorted(set(event_types))
    endpoint.save()
    _forget_failures(endpoint.id)
    return endpoint


def _check(url: str, wanted: Sequence[str]) -> None:
    try:
        check_url(url)
    except NotAllowed as error:
        raise EndpointInvalid(f"url: {error}") from None
    if not wanted:
        raise EndpointInvalid("event_types: choose at least one")
    known = {kind.name for kind in event_types()}
    families = {f"{name.partition('.')[0]}.*" for name in known}
    for name in wanted:
        if name not in known | families | {EVERYTHING}:
            raise EndpointInvalid(f"event_types: {name!r} is not a type of event")


@transaction.atomic
def rotate_secret(*, endpoint_id: UUID, now: datetime) -> WebhookEndpoint:
    """Give an endpoint a new secret; for a day the old one signs beside it."""
    endpoint = _locked(endpoint_id)
    endpoint.previous_secret, endpoint.previous_until = endpoint.secret, now + ROTATION
    endpoint.secret = new_secret()
    endpoint.save()
    return endpoint


@transaction.atomic
def switch_endpoint(*, endpoint_id: UUID, on: bool, now: datetime) -> WebhookEndpoint:
    """Switch an endpoint on or off. What happens meanwhile waits for it."""
    endpoint = _locked(endpoint_id)
    endpoint.status = Endpoint.ACTIVE if on else Endpoint.DISABLED
    endpoint.disabled_reason = "" if on else "Switched off by a person"
    endpoint.save()
    _forget_failures(endpoint.id)
    if on:
        _ring_due(endpoint, now)
    return endpoint


@transaction.atomic
def remove_endpoint(*, endpoint_id: UUID) -> None:
    """Send nothing to an endpoint any more, ever; its log stays."""
    endpoint = _locked(endpoint_id)
    endpoint.status = Endpoint.REMOVED
    endpoint.save()
    endpoint.deliveries.filter(status=Status.PENDING).update(
        status=Status.FAILED, next_attempt_at=None, last_error="the endpoint was removed"
    )


def _forget_failures(endpoint_id: UUID) -> None:
    EndpointHealth.objects.filter(endpoint=endpoint_id).exclude(failures=0).update(
        failures=0, quiet_until=None
    )


def _locked(endpoint_id: UUID) -> WebhookEndpoint:
    endpoint: WebhookEndpoint = (
        WebhookEndpoint.objects.select_for_update(of=("self",))
        .exclude(status=Endpoint.REMOVED)
        .get(id=endpoint_id)
    )
    return endpoint


# --- From an event to its deliveries ----------------------------------------------------------


def is_wanted(event_type: str) -> bool:
    """Whether any endpoint takes events of this type. One small query."""
    rows = WebhookEndpoint.objects.exclude(status=Endpoint.REMOVED)
    return any(_takes(types, event_type) for types in rows.values_list("event_types", flat=True))


def _takes(types: Sequence[str], event_type: str) -> bool:
    family = f"{event_type.partition('.')[0]}.*"
    return event_type != TESTED and not {EVERYTHING, family, event_type}.isdisjoint(types)


def fan_out(event: Event) -> None:
    """Owe an event to every endpoint that takes its type; the constraint says once."""
    endpoints = WebhookEndpoint.objects.exclude(status=Endpoint.REMOVED)
    for endpoint in endpoints:
        if _takes(endpoint.event_types, event.type):
            _owe(endpoint, event)


def _owe(endpoint: WebhookEndpoint, event: Event) -> WebhookDelivery:
    delivery, made = WebhookDelivery.objects.get_or_create(
        endpoint=endpoint, event=event, defaults={"next_attempt_at": event.recorded_at}
    )
    if made and endpoint.status == Endpoint.ACTIVE:
        _ring(delivery.id)
    return delivery


def _ring(delivery_id: UUID) -> None:
    from monetization.webhooks.tasks import send_webhook

    tenant_id = str(current_tenant_id())
    transaction.on_commit(
        lambda: send_webhook.delay(tenant_id=tenant_id, delivery_id=str(delivery_id)), robust=True
    )


def _ring_due(endpoint: WebhookEndpoint, now: datetime) -> None:
    due = endpoint.deliveries.filter(status=Status.PENDING, next_attempt_at__lte=now)
    for delivery_id in due.values_list("id", flat=True)[:500]:
        _ring(delivery_id)


@transaction.atomic
def test_endpoint(*, endpoint_id: UUID, now: datetime) -> WebhookDelivery:
    """Send one event to this endpoint alone, whatever types it takes.

    :raises EndpointDisabled: if it is switched off.
    """
    endpoint = _locked(endpoint_id)
    if endpoint.status != Endpoint.ACTIVE:
        raise EndpointDisabled("the endpoint is switched off; switch it on first")
    _forget_failures(endpoint.id)
    event = append_event(
        type="webhook.tested",
        subject=f"webhook/{endpoint.id}",
        data={"endpoint_id": str(endpoint.id), "url": endpoint.url},
        occurred_at=now,
    )
    return _owe(endpoint, event)


@transaction.atomic
def redeliver(*, delivery_id: UUID, now: datetime) -> WebhookDelivery:
    """Send a delivery once more, delivered or not, because a person asks.

    :raises EndpointDisabled: if its endpoint takes nothing.
    """
    delivery: WebhookDelivery = (
        WebhookDelivery.objects.select_for_update(of=("self",))
        .select_related("endpoint")
        .get(id=delivery_id)
    )
    if delivery.endpoint.status != Endpoint.ACTIVE:
        raise EndpointDisabled("the endpoint is switched off or removed; switch it on first")
    _forget_failures(delivery.endpoint_id)
    delivery.status, delivery.attempts, delivery.next_attempt_at = Status.PENDING, 0, now
    delivery.save(update_fields=["status", "attempts", "next_attempt_at"])
    _ring(delivery.id)
    return delivery


@transaction.atomic
def redeliver_failed(*, endpoint_id: UUID, now: datetime) -> int:
    """Make every failed delivery of an endpoint due again; return how many.

    :raises EndpointDisabled: if it is switched off.
    """
    endpoint = _locked(endpoint_id)
    if endpoint.status != Endpoint.ACTIVE:
        raise EndpointDisabled("the endpoint is switched off; switch it on first")
    _forget_failures(endpoint.id)
    count = endpoint.deliveries.filter(status=Status.FAILED).update(
        status=Status.PENDING, attempts=0, next_attempt_at=now
    )
    _ring_due(endpoint, now)
    return int(count)


# --- One attempt ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one attempt, and what it needs outside the transaction."""

    delivery_id: UUID
    number: int
    url: str
    keys: tuple[str, ...]
    event_id: str
    body: dict[str, Any]


@transaction.atomic
def claim_delivery(*, delivery_id: UUID, now: datetime) -> Claim | None:
    """Take a due delivery for one attempt; None if it is not due or another worker has it.

    A worker that dies after it leaves a delivery that is due again within a minute: the
    receiver may see it twice, never not at all.
    """
    delivery: WebhookDelivery | None = (
        WebhookDelivery.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("endpoint", "event")
        .filter(id=delivery_id, status=Status.PENDING, next_attempt_at__lte=now)
        .filter(endpoint__status=Endpoint.ACTIVE)
        .first()
    )
    if delivery is None:
        return None
    endpoint = delivery.endpoint
    quiet_until = EndpointHealth.objects.values_list("quiet_until", flat=True).get(
        endpoint=endpoint
    )
    if quiet_until is not None and quiet_until > now:
        delivery.next_attempt_at = quiet_until
        delivery.save(update_fields=["next_attempt_at"])
        return None
    delivery.attempts += 1
    delivery.claims += 1
    delivery.next_attempt_at = now + HANDOVER
    delivery.save(update_fields=["attempts", "claims", "next_attempt_at"])
    keys = [endpoint.secret]
    if endpoint.previous_secret and endpoint.previous_until and endpoint.previous_until > now:
        keys.append(endpoint.previous_secret)
    return Claim(
        delivery_id=delivery.id,
        number=delivery.claims,
        url=endpoint.url,
        keys=tuple(keys),
        event_id=str(delivery.event_id),
        body=event_body(delivery.event),
    )


def event_body(event: Event) -> dict[str, Any]:
    """Return an event as receivers get it."""
    return {
        "id": str(event.id),
        "type": event.type,
        "schema_version": event.schema_version,
        "occurred_at": event.occurred_at.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
        "subject": event.subject,
        "data": event.data,
    }


@transaction.atomic
def record_attempt(*, claim: Claim, answer: Answer, now: datetime) -> None:
    """Write down what was answered and say when to try again, ever more slowly.

    After the last attempt a person must look. 410 switches the endpoint off. A worker whose
    claim ran out only adds to the log.
    """
    delivery = (
        WebhookDelivery.objects.select_for_update(of=("self",))
        .select_related("endpoint")
        .get(id=claim.delivery_id)
    )
    WebhookAttempt.objects.create(
        delivery=delivery,
        number=claim.number,
        attempted_at=now - timedelta(milliseconds=answer.duration_ms),
        duration_ms=answer.duration_ms,
        response_status=answer.status,
        response_excerpt=answer.excerpt,
        error=answer.error,
    )
    if delivery.claims == claim.number and delivery.status == Status.PENDING:
        _settle(delivery, answer, now)
    _note_health(delivery.endpoint, answer, now)


def _settle(delivery: WebhookDelivery, answer: Answer, now: datetime) -> None:
    delivery.last_error = answer.error
    if answer.is_accepted:
        delivery.status, delivery.delivered_at = Status.DELIVERED, now
        delivery.next_attempt_at = None
    elif delivery.attempts > len(BACKOFF):
        delivery.status, delivery.next_attempt_at = Status.FAILED, None
    else:
        delivery.next_attempt_at = now + BACKOFF[delivery.attempts - 1]
    delivery.save(update_fields=["status", "delivered_at", "next_attempt_at", "last_error"])


def _note_health(endpoint: WebhookEndpoint, answer: Answer, now: datetime) -> None:
    """Remember failures in a row: an endpoint that is down must not keep the workers busy."""
    if answer.is_accepted:
        _forget_failures(endpoint.id)
        return
    health = EndpointHealth.objects.select_for_update(of=("self",)).get(endpoint=endpoint)
    health.failures += 1
    if health.failures > PATIENCE:
        rest = timedelta(seconds=5) * 2 ** min(health.failures - PATIENCE, 10)
        health.quiet_until = now + min(rest, LONGEST_QUIET)
    health.save()
    if answer.status == 410:
        reason = "The receiver answered 410: it wants no more"
        if WebhookEndpoint.objects.filter(id=endpoint.id, status=Endpoint.ACTIVE).update(
            status=Endpoint.DISABLED, disabled_reason=reason
        ):
            append_event(
                type="webhook.disabled",
                subject=f"webhook/{endpoint.id}",
                data={"endpoint_id": str(endpoint.id), "url": endpoint.url, "reason": reason},
                occurred_at=now,
            )
