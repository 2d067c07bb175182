"""Hand queued mail to the server, one at a time, outside any transaction."""

import logging
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from monetization.mail import services
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

logger = logging.getLogger(__name__)

BATCH = 200


@shared_task
def send_queued_mail(**_future: object) -> None:
    """Send what is due for every tenant; what a dead worker left is set aside for a person."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with tenant_context(tenant_id):
            services.expire_claims(now=timezone.now())
            due = list(
                OutgoingMail.objects.filter(
                    status=OutgoingMail.Status.QUEUED, next_attempt_at__lte=timezone.now()
                ).values_list("id", flat=True)[:BATCH]
            )
        for mail_id in due:
            send_one(tenant_id, mail_id)


def send_one(tenant_id: UUID, mail_id: UUID) -> None:
    with tenant_context(tenant_id):
        mail = services.claim_mail(mail_id=mail_id, now=timezone.now())
        if mail is None:
            return
        files = services.files_of(mail)  # loaded here: outside there is no tenant
    try:
        services.hand_over(mail, files)
    except services.OutcomeUnknown as error:
        logger.warning("mail %s may have been sent: %s", mail_id, error)
        with tenant_context(tenant_id):
            services.record_unknown(claim=mail, error=str(error))
        return
    except Exception as error:
        logger.warning("mail %s not sent: %s", mail_id, error)
        with tenant_context(tenant_id):
            services.record_failure(claim=mail, error=str(error), now=timezone.now())
        return
    with tenant_context(tenant_id):
        services.record_sent(mail_id=mail_id, now=timezone.now())
