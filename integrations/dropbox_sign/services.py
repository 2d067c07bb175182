"""Order forms at Dropbox Sign: owe one, take one for an attempt, record what it answered.

Dropbox Sign itself is called by ``integrations.dropbox_sign.work``, between these transactions.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from integrations.dropbox_sign import connecting, mapping
from integrations.dropbox_sign.mapping import Envelope, Signer, Standing
from integrations.errors import Refused, Unavailable
from integrations.models import SignatureLogEntry, SignatureRequest
from monetization.documents.services import store_document
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import current_tenant_id
from quotes import services as quotes
from quotes.domain.lifecycle import QuoteTransitionRefused
from quotes.models import QuoteVersion

EMAILED, EMBEDDED = "dropbox_sign", "dropbox_sign_embedded"
METHODS = (EMAILED, EMBEDDED)
LEASE = timedelta(minutes=5)  # longer than the calls of one attempt with their timeouts
LOOK_AGAIN = timedelta(minutes=30)  # callbacks get lost
FILE_WAIT = timedelta(minutes=2)  # until the signed file is asked for without a callback
FIRST_RETRY = timedelta(minutes=1)  # a search over there may not know a new request at once
LONGEST_RETRY = timedelta(hours=6)
PATIENCE = 12  # attempts without an answer before a person is told
MOST_STRAYS = 5

State, Wanted, Kind = SignatureRequest.State, SignatureRequest.Wanted, SignatureLogEntry.Kind


class NothingToRetry(Refusal):
    """The signature request is complete, or was withdrawn."""


class NotRemindable(Refusal):
    """Nobody can be reminded: it is not waiting, or not mailed by Dropbox Sign."""


# --- What is owed ---------------------------------------------------------------------------


def ring() -> None:
    """Have a worker look at once when this is committed; it would look within seconds anyway."""
    tenant_id = str(current_tenant_id())

    def call() -> None:
        from integrations.tasks import advance_signatures

        advance_signatures.delay(tenant_id=tenant_id)

    transaction.on_commit(call, robust=True)


@transaction.atomic
def open_request(*, version_id: UUID, now: datetime) -> SignatureRequest | None:
    """Owe Dropbox Sign a version that was sent to be signed there. Once."""
    version = QuoteVersion.objects.select_related("quote").get(id=version_id)
    if version.signature_method not in METHODS:
        return None
    connection = connecting.connection()
    request: SignatureRequest
    request, made = SignatureRequest.objects.get_or_create(
        version=version,
        defaults={
            "label": f"{version.quote.number}-v{version.number}: {version.quote.title}"[:200],
            "is_embedded": version.signature_method == EMBEDDED,
            "is_test": bool(connection and connection.settings.get("is_test")),
            "due_at": now,
        },
    )
    if made and version.status not in ("sent", "viewed"):
        withdraw(version_id=version_id, now=now)
    ring()
    return request


@transaction.atomic
def withdraw(*, version_id: UUID, now: datetime) -> None:
    """Want a version's request canceled: it was revised, declined or has expired here."""
    request = _lock(SignatureRequest.objects.filter(version_id=version_id).first())
    if request is None or request.is_over or request.wanted == Wanted.CANCELED:
        return
    request.wanted, request.due_at = Wanted.CANCELED, now
    request.save(update_fields=["wanted", "due_at"])
    ring()


@transaction.atomic
def retry(*, request_id: UUID, now: datetime) -> SignatureRequest:
    """Look again now; what failed over there is sent anew, and the failed one canceled.

    :raises NothingToRetry: if it is complete or withdrawn.
    """
    request = SignatureRequest.objects.select_for_update(of=("self",)).get(id=request_id)
    if request.state in (State.COMPLETE, State.CANCELED, State.DECLINED, State.EXPIRED):
        raise NothingToRetry(f"{request.label} is {request.get_state_display().lower()}")
    if request.state in (State.FAILED, State.GONE):
        if request.external_id:
            request.strays = [*request.strays, request.external_id][-MOST_STRAYS:]
        request.external_id, request.state, request.was_asked_for = "", State.NEW, False
    request.needs_attention, request.last_error, request.attempts = False, "", 0
    request.due_at = now
    request.save()
    ring()
    return request


@transaction.atomic
def look_again(*, version_id: UUID, now: datetime) -> None:
    """Have a request that is under way looked up: somebody says that it was signed."""
    rows = SignatureRequest.objects.filter(version_id=version_id, due_at__gt=now)
    if rows.update(due_at=now):
        ring()


@transaction.atomic
def want_reminder(*, request_id: UUID, now: datetime) -> SignatureRequest:
    """Have the signer whose turn it is reminded by mail.

    :raises NotRemindable: if it does not wait, or is signed on our page.
    """
    request = SignatureRequest.objects.select_for_update(of=("self",)).get(id=request_id)
    waits = request.state in (State.SENT, State.VIEWED, State.PARTLY_SIGNED)
    if request.is_embedded or not waits or request.wanted == Wanted.CANCELED:
        raise NotRemindable("only a signer who waits for Dropbox Sign's mail can be reminded")
    request.wants_reminder, request.due_at = True, now
    request.save(update_fields=["wants_reminder", "due_at"])
    ring()
    return request


def _lock(request: SignatureRequest | None) -> SignatureRequest | None:
    if request is None:
        return None
    found: SignatureRequest = SignatureRequest.objects.select_for_update(of=("self",)).get(
        id=request.id
    )
    return found


def log(request: SignatureRequest, kind: str, text: str, now: datetime, **data: object) -> None:
    """Write down what was said between us and Dropbox Sign."""
    SignatureLogEntry.objects.create(
        request=request, kind=kind, text=text[:500], data=data, occurred_at=now
    )


# --- One attempt ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A request taken for one attempt: everything the calls need, read in one transaction."""

    request_id: UUID
    number: int  # which claim of this request it is; a later one overrules it
    external_id: str
    is_wanted: bool
    may_be_there: bool  # it was sent before, and no answer came
    due_at: datetime  # on the row meanwhile; an earlier time says that somebody asked again
    wants_reminder: bool
    strays: tuple[str, ...]
    envelope: Envelope


@transaction.atomic
def claim(*, request_id: UUID, now: datetime) -> Claim | None:
    """Take a due request for one attempt; None if it is not due, or another worker has it."""
    request: SignatureRequest | None = (
        SignatureRequest.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(id=request_id, due_at__lte=now)
        .first()
    )
    if request is None or (request.lease_until is not None and request.lease_until > now):
        return None
    if request.wanted == Wanted.CANCELED and not request.external_id and not request.was_asked_for:
        request.state, request.due_at = State.CANCELED, None  # it never left
        request.save()
        return None
    taken = Claim(
        request_id=request.id,
        number=request.claims + 1,
        external_id=request.external_id,
        is_wanted=request.wanted == Wanted.OPEN,
        may_be_there=request.was_asked_for,
        due_at=now + LEASE,
        wants_reminder=request.wants_reminder,
        strays=tuple(request.strays),
        envelope=_envelope(request),
    )
    request.claims, request.was_asked_for = taken.number, True
    request.attempts = request.attempts + 1
    request.lease_until = request.due_at = taken.due_at
    request.save()
    return taken


def _envelope(request: SignatureRequest) -> Envelope:
    version = QuoteVersion.objects.select_related("quote", "legal_entity", "document").get(
        id=request.version_id
    )
    quote, document = version.quote, version.document
    return Envelope(
        reference=str(request.id),
        number=f"{quote.number}-v{version.number}",
        title=quote.title,
        seller=version.legal_entity.name,
        signers=tuple(Signer(one.name, one.email) for one in version.signers.all()),
        expires_at=_last_moment(version),
        is_embedded=request.is_embedded,
        is_test=request.is_test,
        filename=document.filename,
        pdf=bytes(document.content),
    )


def _last_moment(version: QuoteVersion) -> datetime:
    day = version.expires_on + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(version.time_zone))


def _held(taken: Claim) -> SignatureRequest | None:
    request = SignatureRequest.objects.select_for_update(of=("self",)).get(id=taken.request_id)
    return request if request.claims == taken.number else None


@transaction.atomic
def record_unavailable(*, taken: Claim, reason: Unavailable, now: datetime) -> None:
    """Try again later, ever more slowly; as late as asked, for everybody, after a 429."""
    request = _held(taken)
    if request is None:
        return
    request.lease_until, request.last_error = None, str(reason)[:2000]
    if reason.retry_after is not None:
        request.attempts = max(request.attempts - 1, 0)
        request.due_at = now + reason.retry_after
        connecting.pause(reason=reason, now=now)
    else:
        wait = FIRST_RETRY * 2 ** min(request.attempts - 1, 10)
        request.due_at = now + min(wait, LONGEST_RETRY)
        request.needs_attention = request.needs_attention or request.attempts >= PATIENCE
    request.save()
    log(request, Kind.PROBLEM, str(reason), now)


@transaction.atomic
def record_refused(*, taken: Claim, reason: Refused, now: datetime) -> None:
    """Keep Dropbox Sign's words for a person."""
    request = _held(taken)
    if request is None:
        return
    _release(request, taken, None, now)
    request.needs_attention, request.last_error = True, str(reason)[:2000]
    request.save()
    log(request, Kind.PROBLEM, str(reason), now, **reason.response)


@transaction.atomic
def record_gone(*, taken: Claim, now: datetime) -> None:
    """Write down that it is not there: canceled if we wanted that, else somebody removed it."""
    request = _held(taken)
    if request is None:
        return
    _release(request, taken, None, now)
    request.attempts = 0
    if taken.is_wanted and request.wanted == Wanted.OPEN:
        _turn(request, State.GONE, now)
        request.needs_attention = True
        request.last_error = "It is no longer at Dropbox Sign: canceled or deleted there."
    else:
        _turn(request, State.CANCELED, now)
        request.needs_attention, request.last_error = False, ""
    request.save()


@transaction.atomic
def record_standing(
    *, taken: Claim, found: Standing, signed_file: bytes | None, now: datetime
) -> None:
    """Write down how it stands by its own answer, and what follows from that for the quote."""
    request = _held(taken)
    if request is None or request.state == State.COMPLETE:
        return
    request.external_id, request.checked_at = found.id, now
    request.signatures = [one.to_data() for one in found.signatures]
    request.attempts = 0
    if not request.needs_attention:
        request.last_error = ""
    _turn(request, found.state, now)
    _release(request, taken, _next_look(found.state, taken, now), now)
    if found.state in (State.VIEWED, State.PARTLY_SIGNED):
        _progress(request, found, now)
    elif found.state == State.SIGNED and signed_file is not None:
        _complete(request, found, signed_file, now)
    elif found.state == State.DECLINED:
        _decline(request, found, now)
    elif found.state == State.FAILED:
        request.needs_attention = True
        request.last_error = f"Dropbox Sign reports an error: {found.problem or 'no details'}."
    request.save()


def _next_look(state: str, taken: Claim, now: datetime) -> datetime | None:
    if state in (State.DECLINED, State.EXPIRED, State.FAILED):
        return None
    if state == State.SIGNED:
        return now + FILE_WAIT
    return now + (LOOK_AGAIN if taken.is_wanted else FIRST_RETRY)


def _release(
    request: SignatureRequest, taken: Claim, due_at: datetime | None, now: datetime
) -> None:
    """Give the request back; what was asked for during the attempt is due at once."""
    asked_again = request.due_at != taken.due_at
    request.lease_until, request.due_at = None, now if asked_again else due_at
    request.wants_reminder = request.wants_reminder and not taken.wants_reminder
    request.strays = [one for one in request.strays if one not in taken.strays]


def _turn(request: SignatureRequest, state: str, now: datetime) -> None:
    if request.state != state:
        request.state = state
        log(request, Kind.STATE, str(State(state).label), now)


def _given(found: Standing) -> list[quotes.ExternalSignature]:
    return [
        quotes.ExternalSignature(
            position=one.order + 1,
            name=one.name,
            email=one.email,
            signed_at=datetime.fromtimestamp(one.signed_at, UTC),
        )
        for one in found.signatures
        if one.signed_at
    ]


def _progress(request: SignatureRequest, found: Standing, now: datetime) -> None:
    quotes.record_external_progress(
        version_id=request.version_id,
        viewed=[one.order + 1 for one in found.signatures if one.viewed_at],
        signed=_given(found),
        statement=mapping.statement(found),
        now=now,
    )


def _complete(
    request: SignatureRequest, found: Standing, signed_file: bytes, now: datetime
) -> None:
    """Make the order form; where the quote was withdrawn meanwhile, keep the file and say so."""
    request.evidence = {
        "signature_request": found.raw,
        "file_sha256": hashlib.sha256(signed_file).hexdigest(),
        "fetched_at": now.isoformat(),
    }
    request.due_at, request.needs_attention, request.last_error = None, False, ""
    try:
        with transaction.atomic():
            form = quotes.record_external_signature(
                version_id=request.version_id,
                signatures=_given(found),
                statement=mapping.statement(found),
                content=signed_file,
                mail_copy=request.is_embedded,
                now=now,
            )
        request.signed_document = form.signed_document
    except Refusal as refusal:
        name = f"{request.label.partition(':')[0]}-signed-but-withdrawn.pdf"
        request.signed_document = store_document(filename=name, content=signed_file)
        request.needs_attention = True
        request.last_error = (
            f"It was signed at Dropbox Sign, but here: {refusal}. The signed file is kept; agree"
            " with the customer what holds."
        )
    _turn(request, State.COMPLETE, now)


def _decline(request: SignatureRequest, found: Standing, now: datetime) -> None:
    try:
        with transaction.atomic():
            quotes.record_external_decline(
                version_id=request.version_id, reason=found.decline_reason, now=now
            )
    except QuoteTransitionRefused:
        pass  # withdrawn or expired here before they declined there
