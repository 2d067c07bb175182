"""Upkeep of quotes."""

from celery import shared_task
from django.utils import timezone

from monetization.kernel.period import local_day
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant
from quotes.models import ContractRenewal
from quotes.services import expire_versions, remind_signers
from quotes.services.renewals import plan_renewals, renew_contract, send_notices


@shared_task
def expire_quotes(**_future: object) -> int:
    """Expire what can no longer be signed, by each tenant's own date; return how many."""
    count = 0
    for tenant in Tenant.objects.only("id", "time_zone"):
        now = timezone.now()
        with tenant_context(tenant.id):
            count += expire_versions(today=local_day(now, tenant.time_zone), now=now)
    return count


@shared_task
def remind_quotes(**_future: object) -> int:
    """Remind whose turn it is to sign; return how many mails."""
    count = 0
    for tenant in Tenant.objects.only("id"):
        with tenant_context(tenant.id):
            count += remind_signers(now=timezone.now())
    return count


@shared_task
def renew_contracts(**_future: object) -> int:
    """Plan renewals, tell customers in time, renew what nobody ended; return how many renewed.

    Days are the tenant's own; each contract is renewed in a transaction of its own.
    """
    count = 0
    for tenant in Tenant.objects.only("id", "time_zone"):
        now = timezone.now()
        today = local_day(now, tenant.time_zone)
        with tenant_context(tenant.id):
            plan_renewals(today=today)
            send_notices(today=today, now=now)
            due = ContractRenewal.objects.filter(status="upcoming", decide_by__lt=today)
            for renewal_id in list(due.values_list("id", flat=True)):
                renewal = renew_contract(renewal_id=renewal_id, today=today, now=now)
                count += renewal.status == "renewed"
    return count
