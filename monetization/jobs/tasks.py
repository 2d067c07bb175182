"""Wake a worker for a job; find jobs whose worker died."""

import logging
from uuid import UUID

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from monetization.jobs import services
from monetization.jobs.models import Job
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

logger = logging.getLogger(__name__)


AT_ONCE = 2  # workers at one job, where it has lanes


@shared_task
def run_job(*, tenant_id: str, job_id: str, **_future: object) -> None:
    """Run a job to its end, batch by batch, unless somebody else holds it."""
    tenant, job = UUID(tenant_id), UUID(job_id)
    with tenant_context(tenant):
        token = services.claim_job(job_id=job, now=timezone.now())
        lanes = Job.objects.values_list("lanes", flat=True).get(id=job)
    if token is None:
        return
    for _ in range(min(AT_ONCE, lanes) - 1):
        try:
            help_job.delay(tenant_id=tenant_id, job_id=job_id, token=token)
        except Exception:  # without the broker it takes longer
            logger.warning("nobody helps with job %s", job_id, exc_info=True)
    work(tenant, job, token)


@shared_task
def help_job(*, tenant_id: str, job_id: str, token: int, **_future: object) -> None:
    """Run batches of a job another worker has claimed, as long as there is a lane left."""
    work(UUID(tenant_id), UUID(job_id), token)


def work(tenant: UUID, job: UUID, token: int) -> None:
    with tenant_context(tenant):
        actor = Job.objects.values_list("requested_by", flat=True).get(id=job)
    try:
        more = True
        while more:
            with tenant_context(tenant, actor=actor):
                more = services.run_next_batch(job_id=job, token=token, now=timezone.now())
    except services.LeaseLost as reason:
        logger.info("stopped: %s", reason)


@shared_task
def sweep_jobs(**_future: object) -> None:
    """Ring for every job that is queued, or whose worker let its lease run out."""
    now = timezone.now()
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with tenant_context(tenant_id):
            due = list(
                Job.objects.filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING])
                .filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now))
                .values_list("id", flat=True)
            )
        for job_id in due:
            run_job.delay(tenant_id=str(tenant_id), job_id=str(job_id))
