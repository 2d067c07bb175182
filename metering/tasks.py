"""Background upkeep of the roll-ups."""

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from metering import services
from metering.services.moving import follow
from metering.stores import partitions
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

logger = logging.getLogger(__name__)


@shared_task
def follow_usage(**_future: object) -> None:
    """Send ClickHouse what came to the companies that moved there."""
    for tenant_id in Tenant.objects.values_list("id", flat=True) if settings.CLICKHOUSE_URL else ():
        try:
            with tenant_context(tenant_id):
                follow()
        except Exception:  # one company must not stop the others
            logger.exception("raw usage of company %s was not sent on", tenant_id)


@shared_task
def fold_usage(**_future: object) -> None:
    """Fold the waiting deltas of every tenant, a bounded batch per transaction."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        folded = 1
        while folded:
            with tenant_context(tenant_id):
                folded = services.fold_usage()


@shared_task
def lay_partitions(**_future: object) -> None:
    """Lay the partitions of usage events for the next two years, where they are missing."""
    partitions.lay(until=timezone.now().date() + timedelta(days=731))
