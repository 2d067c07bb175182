"""Follow payments through Stripe: claim, call outside any transaction, record."""

import logging
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from integrations.errors import Refused, Unavailable
from integrations.models import OnlinePayment
from integrations.stripe import connecting, services
from integrations.stripe.gateway import Credentials, Gateway
from integrations.stripe.mapping import CHECKOUT, PAYOUT, Facts
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import tenant_context

logger = logging.getLogger(__name__)

BATCH = 200
ROUNDS = 5  # a payment page leads to a payment, which closes other pages


def advance_tenant(tenant_id: UUID) -> None:
    """Look at everything of one tenant that is due, until Stripe has had enough."""
    gateway = _open(tenant_id)
    if gateway is None:
        return
    for _ in range(ROUNDS):
        now = timezone.now()
        with tenant_context(tenant_id):
            rows = OnlinePayment.objects.filter(due_at__lte=now).filter(
                Q(lease_until__isnull=True) | Q(lease_until__lte=now)
            )
            due = list(rows.order_by("due_at", "id").values_list("id", flat=True)[:BATCH])
        if not due:
            return
        for row_id in due:
            if not advance_one(tenant_id, row_id, gateway):
                return


def _open(tenant_id: UUID) -> Gateway | None:
    """Return the line to the tenant's account; None while there is none or it is paused."""
    now = timezone.now()
    with tenant_context(tenant_id):
        connection = connecting.connection()
        if connection is None or not connection.is_connected:
            return None
        if connection.paused_until is not None and connection.paused_until > now:
            return None
        address = connecting.webhook_address()
    gateway = open_gateway(connection.credentials)
    if connection.checked_at is None and not _introduce(tenant_id, gateway, address):
        return None
    return gateway


def open_gateway(credentials: str | None) -> Gateway:
    return Gateway(base_url=connecting.base_url(), credentials=Credentials.from_json(credentials))


def _introduce(tenant_id: UUID, gateway: Gateway, address: str) -> bool:
    """Ask a new connection whose account it is, and have its events sent to us."""
    try:
        account = gateway.account()
        secret = gateway.listen_at(address)
    except (Refused, Unavailable) as reason:
        with tenant_context(tenant_id):
            connecting.pause(reason=reason, now=timezone.now())
        return False
    with tenant_context(tenant_id):
        connecting.record_account(account=account, webhook_secret=secret, now=timezone.now())
    return True


def advance_one(tenant_id: UUID, row_id: UUID, gateway: Gateway) -> bool:
    """Look once; False if Stripe does not answer, so that the others wait too."""
    with tenant_context(tenant_id):
        claim = services.claim(row_id=row_id, now=timezone.now())
    if claim is None:
        return True
    try:
        facts = _look(gateway, claim)
        with tenant_context(tenant_id, actor="Stripe"):
            services.record(claim=claim, facts=facts, now=timezone.now())
    except (Refused, Refusal) as reason:  # theirs, or our own books say no
        with tenant_context(tenant_id):
            services.record_trouble(claim=claim, reason=reason, now=timezone.now())
        return True
    except Unavailable as reason:
        logger.warning("payment %s is put off: %s", row_id, reason)
        with tenant_context(tenant_id):
            services.record_trouble(claim=claim, reason=reason, now=timezone.now())
            connecting.pause(reason=reason, now=timezone.now())
        return False
    with tenant_context(tenant_id):
        connecting.resume(now=timezone.now())
    return True


def _look(gateway: Gateway, claim: services.Claim) -> Facts:
    if claim.kind == PAYOUT:
        return gateway.payout(claim.external_id)
    if claim.kind == CHECKOUT:
        if claim.expires:
            gateway.expire_checkout(claim.external_id)
        return gateway.checkout(claim.external_id)
    for key, units in claim.refunds:
        gateway.refund(claim.external_id, units, idempotency_key=key)
    return gateway.payment(claim.external_id)
