"""Background upkeep of the roll-ups."""

from celery import shared_task

from metering import services
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant


@shared_task
def fold_usage(**_future: object) -> None:
    """Fold the waiting deltas of every tenant, a bounded batch per transaction."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        folded = 1
        while folded:
            with tenant_context(tenant_id):
                folded = services.fold_usage()
