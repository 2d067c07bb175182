"""What Stripe calls us about: verified, kept once, and looked up; its body is believed nothing."""

import json
import re
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F

from integrations.models import InboundWebhook, OnlinePayment, Provider
from integrations.stripe import connecting, mapping
from integrations.stripe.gateway import Credentials
from integrations.stripe.services import ring
from monetization.tenancy.context import current_tenant_id

TOLERANCE = 300  # seconds an event may be old, or ahead of our clock
_STAMP = re.compile(r"(?:^|,)\s*t=(\d{1,12})(?:,|$)")


class NoticeRefused(Exception):
    """The event is not signed with a secret of ours, or at another time, or nobody listens."""


def is_authentic(body: bytes, signature: str, secrets: Sequence[str], now: datetime) -> bool:
    """Say whether an event is signed with one of our secrets, within five minutes of now."""
    import stripe

    stamp = _STAMP.search(signature)
    if stamp is None or abs(int(stamp[1]) - now.timestamp()) > TOLERANCE:
        return False
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, None)
        except (stripe.SignatureVerificationError, ValueError):
            continue
        return True
    return False


@transaction.atomic
def note_event(*, body: bytes, signature: str, now: datetime) -> InboundWebhook:
    """Keep an event, and have what it names looked up.

    :raises NoticeRefused: if it is not signed with a secret of ours.
    :raises NotANotice: if it cannot be read.
    """
    connection = connecting.connection()
    known = Credentials.from_json(connection.credentials) if connection else Credentials("")
    if not is_authentic(body, signature, known.webhook_secrets, now):
        raise NoticeRefused("the signature is not of this connection's secret, or not of now")
    try:
        payload = json.loads(body)
    except ValueError:
        raise mapping.NotANotice("the body is no JSON") from None
    found = mapping.read_notice(payload, current_tenant_id())
    row = _row_of(found, now)
    kept: InboundWebhook
    kept, is_new = InboundWebhook.objects.get_or_create(
        provider=Provider.STRIPE,
        dedupe_key=found.id,
        defaults={
            "event_type": found.type,
            "event_time": found.at,
            "external_id": found.external_id,
            "payload": found.payload,
            "outcome": InboundWebhook.Outcome.NOTED if row else InboundWebhook.Outcome.NOT_OURS,
            "received_at": now,
        },
    )
    if not is_new:
        InboundWebhook.objects.filter(id=kept.id).update(times=F("times") + 1)
    elif row is not None:
        OnlinePayment.objects.filter(id=row.id).update(due_at=now)
        ring()
    return kept


def _row_of(found: mapping.Notice, now: datetime) -> OnlinePayment | None:
    """Return the row an event is about; a new one where it names an invoice of ours."""
    rows = OnlinePayment.objects.filter(provider=Provider.STRIPE)
    known: OnlinePayment | None = rows.filter(external_id=found.external_id).first()
    if known is not None or not (found.kind and found.is_ours and found.type in mapping.EVENTS):
        return known
    made: OnlinePayment
    made, _ = OnlinePayment.objects.get_or_create(
        provider=Provider.STRIPE,
        external_id=found.external_id,
        defaults={"kind": found.kind, "due_at": now},
    )
    return made
