"""Follow order forms through Dropbox Sign: claim, call outside any transaction, record."""

import logging
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from integrations.dropbox_sign import connecting, services
from integrations.dropbox_sign.gateway import Credentials, FileNotReady, Gateway, Gone
from integrations.dropbox_sign.mapping import Standing
from integrations.dropbox_sign.services import Claim
from integrations.errors import Refused, Unavailable
from integrations.models import SignatureLogEntry, SignatureRequest
from monetization.tenancy.context import tenant_context

logger = logging.getLogger(__name__)

BATCH = 200
_WAITS = ("sent", "viewed", "partly_signed")
Call = tuple[str, str]  # what we asked, and what came of it


def advance_tenant(tenant_id: UUID) -> None:
    """Take every due request of one tenant a step further, until Dropbox Sign has had enough."""
    gateway = _open(tenant_id)
    if gateway is None:
        return
    now = timezone.now()
    with tenant_context(tenant_id):
        rows = SignatureRequest.objects.filter(due_at__lte=now).filter(
            Q(lease_until__isnull=True) | Q(lease_until__lte=now)
        )
        due = list(rows.order_by("due_at", "id").values_list("id", flat=True)[:BATCH])
    for request_id in due:
        if not advance_one(tenant_id, request_id, gateway):
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
        address = connecting.callback_address()
    gateway = open_gateway(connection.credentials)
    if connection.checked_at is None and not _introduce(tenant_id, gateway, address):
        return None
    return gateway


def open_gateway(credentials: str | None) -> Gateway:
    return Gateway(base_url=connecting.base_url(), credentials=Credentials.from_json(credentials))


def _introduce(tenant_id: UUID, gateway: Gateway, address: str) -> bool:
    """Ask a new connection whose account it is, and have its app's events sent to us."""
    try:
        account = gateway.account()
        if account.callback_url != address:
            gateway.set_callback_url(address)
    except (Refused, Unavailable) as reason:
        problem: Exception = reason
    except Gone:
        problem = Unavailable("Dropbox Sign knows no API app with this client id; connect again")
    else:
        with tenant_context(tenant_id):
            connecting.record_account(account=account, now=timezone.now())
        return True
    with tenant_context(tenant_id):
        connecting.pause(reason=problem, now=timezone.now())
    return False


def advance_one(tenant_id: UUID, request_id: UUID, gateway: Gateway) -> bool:
    """Make one attempt; False if Dropbox Sign does not answer, so that the others wait too."""
    with tenant_context(tenant_id):
        taken = services.claim(request_id=request_id, now=timezone.now())
    if taken is None:
        return True
    calls: list[Call] = []
    try:
        found, signed_file = _act(gateway, taken, calls)
    except Unavailable as reason:
        logger.warning("signature request %s is put off: %s", request_id, reason)
        with tenant_context(tenant_id):
            _log(request_id, calls)
            services.record_unavailable(taken=taken, reason=reason, now=timezone.now())
        return False
    except Refused as reason:
        with tenant_context(tenant_id):
            _log(request_id, calls)
            services.record_refused(taken=taken, reason=reason, now=timezone.now())
        return True
    except Gone:
        with tenant_context(tenant_id):
            _log(request_id, calls)
            services.record_gone(taken=taken, now=timezone.now())
        return True
    with tenant_context(tenant_id):
        _log(request_id, calls)
        services.record_standing(
            taken=taken, found=found, signed_file=signed_file, now=timezone.now()
        )
        connecting.resume(now=timezone.now())
    return True


def _log(request_id: UUID, calls: list[Call]) -> None:
    for text, outcome in calls:
        SignatureLogEntry.objects.create(
            request_id=request_id,
            kind=SignatureLogEntry.Kind.CALL,
            text=(f"{text}: {outcome}" if outcome else text)[:500],
            occurred_at=timezone.now(),
        )


def _act(gateway: Gateway, taken: Claim, calls: list[Call]) -> tuple[Standing, bytes | None]:
    """Do what is wanted, and ask how the request stands."""
    try:
        found = _found_or_sent(gateway, taken, calls)
        for stray in taken.strays:
            if stray != found.id and gateway.cancel_stray(
                stray, reference=taken.envelope.reference
            ):
                calls.append(("Canceled a second request for the same order form", stray))
        if not taken.is_wanted and found.state in _WAITS:
            calls.append(("Asked to cancel", ""))
            gateway.cancel(found.id)
            found = gateway.get(found.id)
        elif taken.wants_reminder and found.state in _WAITS:
            _remind(gateway, found, calls)
    except FileNotReady as conflict:
        raise Unavailable(f"Dropbox Sign is still busy with it: {conflict}") from conflict
    if found.state != "signed":
        return found, None
    try:
        signed_file = gateway.signed_file(found.id)
    except FileNotReady:
        return found, None
    calls.append(("Fetched the signed file", f"{len(signed_file):,} bytes"))
    return found, signed_file


def _found_or_sent(gateway: Gateway, taken: Claim, calls: list[Call]) -> Standing:
    """Return the request as it stands; it is sent where it is not there yet.

    A create has no idempotency key: whenever one may have arrived, it is looked for first, by
    what a callback named and by its title.
    """
    if taken.external_id:
        return gateway.get(taken.external_id)
    if taken.may_be_there:
        there = _said_to_be_there(gateway, taken) + gateway.find(taken.envelope)
        standing = [one for one in there if one.state in (*_WAITS, "signed")]
        if standing:
            first, *others = {one.id: one for one in standing}.values()
            calls.append(("Found it there", ""))
            for other in others:
                gateway.cancel_stray(other.id, reference=taken.envelope.reference)
                calls.append(("Canceled a second request for the same order form", other.id))
            return first
    if not taken.is_wanted:
        raise Gone("it never arrived there")
    sent = gateway.send(taken.envelope)
    how = "to be signed on our page" if taken.envelope.is_embedded else "by e-mail"
    calls.append((f"Sent {how}", ""))
    return sent


def _said_to_be_there(gateway: Gateway, taken: Claim) -> list[Standing]:
    found = []
    for stray in taken.strays:
        try:
            one = gateway.get(stray)
        except Gone:
            continue
        if one.reference == taken.envelope.reference:
            found.append(one)
    return found


def _remind(gateway: Gateway, found: Standing, calls: list[Call]) -> None:
    waiting = [one for one in found.signatures if one.status == "awaiting_signature"]
    if not waiting:
        return
    signer = min(waiting, key=lambda one: one.order)
    try:
        gateway.remind(found.id, signer.email)
        calls.append(("Reminded", signer.email))
    except Refused as reason:
        calls.append(("Asked to remind", str(reason)))
