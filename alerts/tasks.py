"""Look at figures as usage arrives, and at everybody now and then."""

import logging
from collections.abc import Callable
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from alerts.services import evaluation
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

logger = logging.getLogger(__name__)

CHUNK = 200  # customers per transaction


@shared_task
def watch_arrivals(**_future: object) -> None:
    """Evaluate customers whose usage has just come in; everybody after a rule changed."""
    _for_every_tenant(lambda: evaluation.customers_to_watch(now=timezone.now()))


@shared_task
def watch_everybody(**_future: object) -> None:
    """Evaluate every customer a rule looks at: periods end, and repairs tell of nothing."""
    _for_every_tenant(evaluation.watched_customers)


def _for_every_tenant(whom: Callable[[], list[UUID]]) -> None:
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        try:
            with tenant_context(tenant_id):
                ids = whom()
            for at in range(0, len(ids), CHUNK):
                with tenant_context(tenant_id):
                    evaluation.evaluate(customer_ids=ids[at : at + CHUNK], now=timezone.now())
        except Exception:  # one company must not stop the others
            logger.exception("alerts of %s were not evaluated", tenant_id)
