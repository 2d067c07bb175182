"""Send deliveries, one at a time, outside any transaction."""

import json
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant
from monetization.webhooks import sender, services
from monetization.webhooks.models import WebhookDelivery, WebhookEndpoint
from monetization.webhooks.signing import HEADER, signature

SWEEP_LIMIT = 200


@shared_task
def send_webhook(*, tenant_id: str, delivery_id: str, **_future: object) -> None:
    """Make one attempt if the delivery is due."""
    tenant = UUID(tenant_id)
    with tenant_context(tenant):
        claim = services.claim_delivery(delivery_id=UUID(delivery_id), now=timezone.now())
    if claim is None:
        return
    body = json.dumps(claim.body, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Throughline-Webhooks/1",
        "Throughline-Event-Id": claim.event_id,
        "Throughline-Attempt": str(claim.number),
        HEADER: signature(claim.keys, int(timezone.now().timestamp()), body),
    }
    answer = sender.post(claim.url, body, headers)
    with tenant_context(tenant):
        services.record_attempt(claim=claim, answer=answer, now=timezone.now())


@shared_task
def send_due_webhooks(**_future: object) -> None:
    """Ring for deliveries whose message was lost, whose worker died, or whose retry is due."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with tenant_context(tenant_id):
            due = list(
                WebhookDelivery.objects.filter(
                    status=WebhookDelivery.Status.PENDING,
                    next_attempt_at__lte=timezone.now(),
                    endpoint__status=WebhookEndpoint.Status.ACTIVE,
                )
                .order_by("next_attempt_at")
                .values_list("id", flat=True)[:SWEEP_LIMIT]
            )
        for delivery_id in due:
            send_webhook.delay(tenant_id=str(tenant_id), delivery_id=str(delivery_id))
