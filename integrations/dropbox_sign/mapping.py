"""Our order forms in Dropbox Sign's words, and its answers in ours. Pure."""

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

REPLY = "Hello API Event Received"  # anything else is a failed delivery, tried again
REFERENCE = "throughline_request"  # metadata: our row, by which a request is known again
CALLBACK_TEST = "callback_test"

# Every event Dropbox Sign calls about, in words for the log. All but the test mean the same:
# ask it how things stand.
EVENTS = {
    "signature_request_sent": "Sent to its signers",
    "signature_request_viewed": "Opened by a signer",
    "signature_request_signed": "Signed by a signer",
    "signature_request_all_signed": "Signed by everybody",
    "signature_request_downloadable": "The signed file can be fetched",
    "signature_request_declined": "Declined",
    "signature_request_canceled": "Canceled",
    "signature_request_expired": "Expired",
    "signature_request_reassigned": "Reassigned to another signer",
    "signature_request_invalid": "Dropbox Sign found the request invalid",
    "signature_request_email_bounce": "The mail to a signer came back",
    "signature_request_remind": "A signer was reminded",
    "signature_request_prepared": "Prepared",
    "signature_request_destroyed": "Destroyed",
    "signature_request_signer_removed": "A signer was removed",
    "signature_request_incomplete_qes": "The qualified signature was not completed",
    "file_error": "Dropbox Sign could not process the file",
    "unknown_error": "Dropbox Sign met an unknown error",
    "sign_url_invalid": "A signing address was invalid",
    CALLBACK_TEST: "A test of the callback address",
}
NEEDS_A_PERSON = frozenset(
    {
        "signature_request_email_bounce",
        "signature_request_invalid",
        "signature_request_incomplete_qes",
        "signature_request_signer_removed",
        "file_error",
        "unknown_error",
    }
)


class NotACallback(ValueError):
    """The body is not what Dropbox Sign sends."""


@dataclass(frozen=True, slots=True)
class Callback:
    """What a callback claims. Its hash covers time and type only, not what it is about."""

    event_type: str
    event_time: str  # Unix seconds, as sent
    event_hash: str
    signature_request_id: str
    related_signature_id: str
    message: str
    payload: dict[str, Any]

    @property
    def occurred_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.event_time), UTC)

    @property
    def dedupe_key(self) -> str:
        """Two requests can have the same event in the same second, and so the same hash."""
        facts = (self.event_hash, self.signature_request_id, self.related_signature_id)
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def read_callback(text: str) -> Callback:
    """Read the ``json`` field of a callback.

    :raises NotACallback: if it is not one.
    """
    try:
        data = json.loads(text)
        event = data["event"]
        metadata = event.get("event_metadata") or {}
        about = data.get("signature_request") or {}
        found = Callback(
            event_type=_text(event["event_type"], 60),
            event_time=_text(event["event_time"], 20),
            event_hash=_text(event["event_hash"], 128),
            signature_request_id=_text(about.get("signature_request_id") or "", 80),
            related_signature_id=_text(metadata.get("related_signature_id") or "", 80),
            message=str(metadata.get("event_message") or "")[:300],
            payload=data,
        )
        _ = found.occurred_at
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
        raise NotACallback("the json field must hold a Dropbox Sign event") from None
    return found


def _text(value: Any, longest: int) -> str:
    text = str(value)
    if len(text) > longest or "\x00" in text:
        raise ValueError(text[:20])
    return text


def is_authentic(callback: Callback, api_key: str) -> bool:
    """Say whether the sender knows the API key. Compared in constant time."""
    signed = f"{callback.event_time}{callback.event_type}".encode()
    expected = hmac.new(api_key.encode(), signed, hashlib.sha256).hexdigest()
    return bool(api_key) and hmac.compare_digest(expected.encode(), callback.event_hash.encode())


@dataclass(frozen=True, slots=True)
class Signer:
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """One order form to be signed."""

    reference: str  # our row
    number: str  # the quote's number and version
    title: str
    seller: str
    signers: tuple[Signer, ...]  # in the order of signing
    expires_at: datetime
    is_embedded: bool
    is_test: bool
    filename: str
    pdf: bytes


def envelope_title(envelope: Envelope) -> str:
    """Return the title over there; it begins with our number, by which it can be searched."""
    return f"{envelope.number}: {envelope.title}"[:255]


def request_facts(envelope: Envelope, client_id: str) -> dict[str, Any]:
    """Return what the SDK's request gets, but for the file."""
    facts: dict[str, Any] = {
        "client_id": client_id,
        "title": envelope_title(envelope),
        "subject": f"{envelope.seller}: {envelope.title} ({envelope.number})"[:255],
        "message": (
            f"{envelope.seller} has sent you the order form {envelope.number} for"
            f" {envelope.title}. Please read and sign it."
        )[:5000],
        "signers": [
            {"name": one.name, "email_address": one.email, "order": order}
            for order, one in enumerate(envelope.signers)
        ],
        "metadata": {REFERENCE: envelope.reference, "number": envelope.number},
        "allow_decline": True,
        "expires_at": int(envelope.expires_at.timestamp()),
        "test_mode": envelope.is_test,
    }
    return facts


@dataclass(frozen=True, slots=True)
class Signature:
    """One signer's part, as Dropbox Sign answers."""

    id: str
    name: str
    email: str
    order: int
    status: str
    signed_at: int | None
    viewed_at: int | None
    decline_reason: str
    error: str

    def to_data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a request stands, by Dropbox Sign's own answer."""

    id: str
    reference: str
    title: str
    is_complete: bool
    is_declined: bool
    has_error: bool
    is_test: bool
    signatures: tuple[Signature, ...]
    raw: dict[str, Any]

    @property
    def state(self) -> str:
        """Return a value of ``SignatureRequest.State``. Complete is still without its file."""
        statuses = {one.status for one in self.signatures}
        if self.is_complete:
            return "signed"
        if self.is_declined or "declined" in statuses:
            return "declined"
        if "expired" in statuses:
            return "expired"
        if self.has_error or any(status.startswith("error") for status in statuses):
            return "failed"
        if "signed" in statuses:
            return "partly_signed"
        return "viewed" if any(one.viewed_at for one in self.signatures) else "sent"

    @property
    def decline_reason(self) -> str:
        reasons = [one.decline_reason for one in self.signatures if one.decline_reason]
        return reasons[0] if reasons else ""

    @property
    def problem(self) -> str:
        return "; ".join(one.error for one in self.signatures if one.error)


def standing(answer: dict[str, Any]) -> Standing:
    """Read a signature request as the API answers it."""
    return Standing(
        id=str(answer["signature_request_id"]),
        reference=str((answer.get("metadata") or {}).get(REFERENCE) or ""),
        title=str(answer.get("title") or ""),
        is_complete=answer.get("is_complete") is True,
        is_declined=answer.get("is_declined") is True,
        has_error=answer.get("has_error") is True,
        is_test=answer.get("test_mode") is True,
        signatures=tuple(
            Signature(
                id=str(one.get("signature_id") or ""),
                name=str(one.get("signer_name") or ""),
                email=str(one.get("signer_email_address") or ""),
                order=int(one.get("order") or 0),
                status=str(one.get("status_code") or ""),
                signed_at=one.get("signed_at"),
                viewed_at=one.get("last_viewed_at"),
                decline_reason=str(one.get("decline_reason") or "")[:1000],
                error=str(one.get("error") or "")[:500],
            )
            for one in answer.get("signatures") or []
        ),
        raw=answer,
    )


def statement(found: Standing) -> str:
    """Say in the order form's evidence who took the signature."""
    who = ", ".join(f"{one.name} <{one.email}>" for one in found.signatures if one.signed_at)
    test = " Test mode: not legally binding." if found.is_test else ""
    return f"Signed with Dropbox Sign, signature request {found.id}, by {who}.{test}"
