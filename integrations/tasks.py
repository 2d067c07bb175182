"""Hand over what is due: read and claim, call outside any transaction, record."""

import logging
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from integrations import selectors, services
from integrations.dropbox_sign import work
from integrations.errors import Refused, Unavailable
from integrations.models import Push
from integrations.stripe import work as payments
from integrations.xero.gateway import Credentials, Gateway, Recorded
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

logger = logging.getLogger(__name__)

BATCH = 200


@shared_task
def push_due(**_future: object) -> None:
    """Push what is due for every tenant: contacts first, then invoices."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        try:
            push_tenant(tenant_id)
        except Exception:  # one tenant must not stop the others
            logger.exception("pushes of tenant %s stopped", tenant_id)


@shared_task
def advance_signatures(*, tenant_id: str = "", **_future: object) -> None:
    """Take what is at Dropbox Sign a step further; for one tenant when it has called."""
    tenants = [UUID(tenant_id)] if tenant_id else Tenant.objects.values_list("id", flat=True)
    for one in tenants:
        try:
            work.advance_tenant(one)
        except Exception:  # one tenant must not stop the others
            logger.exception("signature requests of tenant %s stopped", one)


@shared_task
def advance_payments(*, tenant_id: str = "", **_future: object) -> None:
    """Ask Stripe what became of payments; for one tenant when it has called."""
    tenants = [UUID(tenant_id)] if tenant_id else Tenant.objects.values_list("id", flat=True)
    for one in tenants:
        try:
            payments.advance_tenant(one)
        except Exception:  # one tenant must not stop the others
            logger.exception("payments of tenant %s stopped", one)


def push_tenant(tenant_id: UUID) -> None:
    """Push what is due for one tenant, until all is done or Xero has had enough for now."""
    gateway = _open(tenant_id)
    if gateway is None:
        return
    seen: set[UUID] = set()
    while True:  # invoices become due when their contact is there
        with tenant_context(tenant_id):
            found = selectors.due_pushes(now=timezone.now(), limit=BATCH)
        due = [push_id for push_id in found if push_id not in seen]
        if not due:
            return
        seen.update(due)
        for push_id in due:
            if not push_one(tenant_id, push_id, gateway):
                return


def _open(tenant_id: UUID) -> Gateway | None:
    """Return the line to the tenant's Xero; None while there is none or it is paused."""
    now = timezone.now()
    with tenant_context(tenant_id):
        connection = selectors.xero_connection()
        if connection is None or not connection.is_connected:
            return None
        if connection.paused_until is not None and connection.paused_until > now:
            return None
    gateway = Gateway(
        base_url=services.xero_url(),
        credentials=Credentials.from_json(connection.credentials),
        organisation_id=connection.organisation_id,
    )
    if connection.checked_at is None and not _introduce(tenant_id, gateway):
        return None
    return gateway


def _introduce(tenant_id: UUID, gateway: Gateway) -> bool:
    """Ask a new connection whose books it opens."""
    try:
        organisation = gateway.organisation()
    except (Refused, Unavailable) as reason:
        with tenant_context(tenant_id):
            services.pause_connection(reason=reason, now=timezone.now())
        return False
    gateway.organisation_id = organisation.id
    with tenant_context(tenant_id):
        services.record_organisation(organisation=organisation, now=timezone.now())
    return True


def push_one(tenant_id: UUID, push_id: UUID, gateway: Gateway) -> bool:
    """Make one attempt; False if Xero does not answer, so that the others wait too."""
    with tenant_context(tenant_id):
        claim = services.claim_push(push_id=push_id, now=timezone.now())
    if claim is None:
        return True
    try:
        recorded = _call(gateway, claim)
    except Refused as reason:
        with tenant_context(tenant_id):
            services.record_refused(claim=claim, reason=reason)
        return True
    except Unavailable as reason:
        logger.warning("push %s is put off: %s", push_id, reason)
        with tenant_context(tenant_id):
            services.record_unavailable(claim=claim, reason=reason, now=timezone.now())
        return False
    with tenant_context(tenant_id):
        services.record_pushed(claim=claim, recorded=recorded, now=timezone.now())
        services.resume_connection(now=timezone.now())
    return True


def _call(gateway: Gateway, claim: services.Claim) -> Recorded:
    if claim.kind == Push.Kind.CONTACT:
        return gateway.push_contact(claim.request, idempotency_key=claim.idempotency_key)
    if claim.expected is None:
        raise Refused("an invoice is pushed with the figures to compare")
    return gateway.push_invoice(
        claim.request, expected=claim.expected, idempotency_key=claim.idempotency_key
    )
