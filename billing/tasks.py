"""The clock of billing: idempotent, one transaction per schedule."""

import logging
from collections.abc import Callable
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from billing.models import CreditPlan, CreditTopUp
from billing.selectors.clock import schedules_to_advance
from billing.services import estimates
from billing.services.automatic import advance_automatically, due_automatically
from billing.services.calculation import forget_noted
from billing.services.credits.clock import (
    due_to_expire,
    expire_grant,
    grant_by_plan,
    top_up,
)
from billing.services.credits.covering import cover_overdrafts, overdrawn_customers
from billing.services.invoicing import advance_schedule, recalculate_invoices
from billing.services.reminders import due_reminders, send_reminder
from billing.services.thresholds import bill_threshold, due_thresholds
from monetization.kernel.errors import Refusal
from monetization.kernel.period import local_day
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

logger = logging.getLogger(__name__)


@shared_task
def advance_billing(**_future: object) -> None:
    """Open and close invoices as their days come, for every tenant, where any has come."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with tenant_context(tenant_id):
            ids = schedules_to_advance(now=timezone.now())
        for schedule_id in ids:
            now = timezone.now()
            try:
                with tenant_context(tenant_id):
                    touched = advance_schedule(schedule_id=schedule_id, now=now)
                    recalculate_invoices(invoice_ids=touched, now=now)
            except Exception:  # one schedule must not stop the others
                logger.exception("schedule %s was not advanced", schedule_id)


@shared_task
def advance_credits(**_future: object) -> None:
    """Grant by plan, end what is over, top up what runs low: for every tenant, each once."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        now = timezone.now()
        with tenant_context(tenant_id):
            plans = CreditPlan.objects.filter(stopped_at=None, paused_at=None).values_list(
                "id", flat=True
            )
            over = due_to_expire(now=now)
            rules = CreditTopUp.objects.filter(stopped_at=None, paused_at=None).values_list(
                "id", flat=True
            )
            work: list[tuple[Callable[..., object], str, UUID]] = [
                *((grant_by_plan, "plan_id", key) for key in plans),
                *((cover_overdrafts, "customer_id", key) for key in overdrawn_customers()),
                *((expire_grant, "grant_id", key) for key in over),
                *((top_up, "rule_id", key) for key in rules),
            ]
        for step, name, key in work:
            try:
                with tenant_context(tenant_id):
                    step(**{name: key}, now=now)
            except Refusal as refusal:
                logger.info("credits %s %s: %s", name, key, refusal)
            except Exception:  # one customer must not stop the others
                logger.exception("credits %s %s", name, key)


@shared_task
def issue_automatically(**_future: object) -> None:
    """Issue and send what contracts let go out by itself; what is refused waits for a person."""
    for tenant_id, zone in Tenant.objects.values_list("id", "time_zone"):
        now = timezone.now()
        today = local_day(now, zone)
        with tenant_context(tenant_id):
            due = due_automatically(today=today)
        for invoice_id in due:
            try:
                with tenant_context(tenant_id):
                    advance_automatically(invoice_id=invoice_id, today=today, now=now)
            except Refusal as refusal:
                logger.info("invoice %s stays: %s", invoice_id, refusal)
            except Exception:  # one invoice must not stop the others
                logger.exception("invoice %s was not issued by itself", invoice_id)


@shared_task
def bill_thresholds(**_future: object) -> None:
    """Draft the invoices of thresholds that were reached, for every tenant; each once."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        now = timezone.now()
        with tenant_context(tenant_id):
            due = due_thresholds(now=now)
        for schedule_id in due:
            try:
                with tenant_context(tenant_id):
                    bill_threshold(schedule_id=schedule_id, now=timezone.now())
            except Exception:  # one contract must not stop the others
                logger.exception("the threshold of schedule %s was not billed", schedule_id)


@shared_task
def true_up_estimates(**_future: object) -> None:
    """Carry differences to billed estimates onto drafts, for every tenant; each once."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with tenant_context(tenant_id):
            due = estimates.due_true_ups()
        for schedule_id in due:
            try:
                with tenant_context(tenant_id):
                    estimates.true_up_estimates(schedule_id=schedule_id, now=timezone.now())
            except Exception:  # one contract must not stop the others
                logger.exception("the estimates of schedule %s were not trued up", schedule_id)


@shared_task
def send_reminders(**_future: object) -> None:
    """Remind every tenant's customers of what is due; each step once, however often this runs."""
    for tenant_id, zone in Tenant.objects.values_list("id", "time_zone"):
        now = timezone.now()
        today = local_day(now, zone)
        with tenant_context(tenant_id):
            due = due_reminders(today=today)
        for invoice_id, days in due:
            try:
                with tenant_context(tenant_id):
                    send_reminder(invoice_id=invoice_id, days=days, today=today, now=now)
            except Refusal as refusal:
                logger.info("invoice %s was not reminded of: %s", invoice_id, refusal)
            except Exception:  # one invoice must not stop the others
                logger.exception("invoice %s was not reminded of", invoice_id)


@shared_task
def forget_noted_changes(**_future: object) -> None:
    """Delete, for every tenant, the notes of changes that nothing asks for any more."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with tenant_context(tenant_id):
            forget_noted()
