"""Doorbells. The message is not the letter: the facts are in the database."""

import logging
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from monetization.events import services
from monetization.events.models import EventDelivery
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

logger = logging.getLogger(__name__)

SWEEP_LIMIT = 500


@shared_task
def deliver_event(*, tenant_id: str, delivery_id: str, **_future: object) -> None:
    """Run one handler for one event; a failure waits on its row for the next attempt."""
    tenant, delivery = UUID(tenant_id), UUID(delivery_id)
    try:
        with tenant_context(tenant):
            services.deliver(delivery_id=delivery, now=timezone.now())
    except Exception as error:
        logger.exception("delivery %s failed", delivery_id)
        with tenant_context(tenant):
            services.record_failed_delivery(
                delivery_id=delivery,
                error=f"{type(error).__name__}: {error}",
                now=timezone.now(),
            )


@shared_task
def deliver_events(*, tenant_id: str, delivery_ids: list[str], **_future: object) -> None:
    """Run handlers for events that came together, each as ``deliver_event`` does."""
    for delivery_id in delivery_ids:
        deliver_event(tenant_id=tenant_id, delivery_id=delivery_id)


@shared_task
def ring_overdue_deliveries(**_future: object) -> None:
    """Ring again for deliveries whose message was lost or whose retry is due."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with tenant_context(tenant_id):
            due = list(
                EventDelivery.objects.filter(
                    delivered_at__isnull=True, next_attempt_at__lte=timezone.now()
                )
                .order_by("next_attempt_at")
                .values_list("id", flat=True)[:SWEEP_LIMIT]
            )
        for delivery_id in due:
            deliver_event.delay(tenant_id=str(tenant_id), delivery_id=str(delivery_id))
