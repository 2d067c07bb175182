"""What Dropbox Sign calls us about: kept once, and looked up; its body is believed nothing."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from integrations.dropbox_sign import connecting, mapping
from integrations.dropbox_sign.mapping import Callback
from integrations.dropbox_sign.services import MOST_STRAYS, Kind, State, log, ring
from integrations.models import InboundWebhook, Provider, SignatureRequest


class CallbackRefused(Exception):
    """The callback is not signed with the tenant's API key, or there is no connection."""


@transaction.atomic
def note_callback(*, text: str, now: datetime) -> InboundWebhook:
    """Keep a callback, and have the request it names looked up. Its body is believed nothing.

    :raises NotACallback: if it cannot be read.
    :raises CallbackRefused: if it is not signed with our API key.
    """
    found = mapping.read_callback(text)
    connection = connecting.connection()
    key = connecting.Credentials.from_json(connection.credentials).api_key if connection else ""
    if not mapping.is_authentic(found, key):
        raise CallbackRefused("the event hash is not of this connection's API key")
    request = _named(found)
    if found.event_type == mapping.CALLBACK_TEST:
        outcome = InboundWebhook.Outcome.TEST
    else:
        outcome = InboundWebhook.Outcome.NOTED if request else InboundWebhook.Outcome.NOT_OURS
    kept: InboundWebhook
    kept, is_new = InboundWebhook.objects.get_or_create(
        provider=Provider.DROPBOX_SIGN,
        dedupe_key=found.dedupe_key,
        defaults={
            "event_type": found.event_type,
            "event_time": found.occurred_at,
            "external_id": found.signature_request_id,
            "payload": found.payload,
            "outcome": outcome,
            "received_at": now,
        },
    )
    if not is_new:
        InboundWebhook.objects.filter(id=kept.id).update(times=F("times") + 1)
    elif request is not None:
        _note_on(request, found, now)
    return kept


def _named(found: Callback) -> SignatureRequest | None:
    """Return the request a callback may be about: by its id, else by the reference in it."""
    if not found.signature_request_id:
        return None
    rows = SignatureRequest.objects.select_for_update(of=("self",))
    by_id: SignatureRequest | None = rows.filter(external_id=found.signature_request_id).first()
    if by_id is not None:
        return by_id
    about = found.payload.get("signature_request")
    metadata = about.get("metadata") if isinstance(about, dict) else None
    reference = metadata.get(mapping.REFERENCE) if isinstance(metadata, dict) else None
    try:
        by_reference: SignatureRequest | None = rows.filter(id=UUID(str(reference))).first()
    except ValueError:
        return None
    return by_reference


def _note_on(request: SignatureRequest, found: Callback, now: datetime) -> None:
    words = mapping.EVENTS.get(found.event_type, found.event_type)
    log(request, Kind.CALLBACK, words, now, signature=found.related_signature_id)
    if request.external_id != found.signature_request_id:
        if len(request.strays) < MOST_STRAYS:
            request.strays = [*request.strays, found.signature_request_id]
    elif found.event_type in mapping.NEEDS_A_PERSON and not request.is_over:
        said = f"{words}: {found.message}" if found.message else words
        request.needs_attention, request.last_error = True, f"Dropbox Sign reports: {said}."
    if request.state != State.COMPLETE:
        request.due_at = now
        ring()
    request.save()
