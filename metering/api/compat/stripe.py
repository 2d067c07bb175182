"""Stripe: meter events v1 (form encoded) and v2 (JSON), and v2 streams with their sessions."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from metering.api.compat.door import (
    bytes_of,
    dialect,
    json_of,
    presented_key,
)
from metering.api.compat.intake import (
    KNOWN,
    Raw,
    now_text,
    objects,
    present,
    rfc3339,
    take,
    unix_time,
    vendor_field,
)
from metering.api.compat.replay import once
from metering.domain.events import Outcome, Verdict
from metering.ingest.parser import Invalid
from monetization.interface.problems import Unprocessable
from monetization.kernel.ids import uuid7
from monetization.users.middleware import principal_of
from monetization.users.models import ApiKey
from monetization.users.permissions import Principal

SOURCE = "stripe"
CUSTOMER_KEY = "stripe_customer_id"
SESSION = timedelta(minutes=15)
SALT = "stripe-meter-event-session"
MAX_STREAM = 100

_NAMES = {
    "type": "event_name",
    "id": "identifier",
    "time": "timestamp",
    "customer": f"payload[{CUSTOMER_KEY}]",
    "subject": f"payload[{CUSTOMER_KEY}]",
    "data": "payload",
}


def fail(status: int, code: str, message: str, field: str = "") -> HttpResponse:
    error = {"message": message, "type": "invalid_request_error", "code": code}
    if status == 429:
        error["type"] = "rate_limit_error"
    if code == "idempotency_error":
        error["type"] = code
    if code == "session_expired":
        error["type"] = "temporary_session_expired"
    return JsonResponse({"error": error | ({"param": field} if field else {})}, status=status)


@dialect(fail)
def meter_events_v1(request: HttpRequest) -> HttpResponse:
    """``POST /v1/billing/meter_events``."""
    return once(request, fail, lambda: _create_v1(request))


def _create_v1(request: HttpRequest) -> HttpResponse:
    sent = _form(request)
    sent.setdefault("identifier", str(uuid7()))
    given = sent.get("timestamp")
    try:
        time = unix_time(given) if given else now_text()
    except Invalid as error:
        return fail(400, "parameter_invalid", f"{error.field} {error.reason}", error.field)
    refused = _record(sent, time)
    if refused is not None:
        return refused
    now = int(timezone.now().timestamp())
    return JsonResponse(
        {
            "object": "billing.meter_event",
            "created": now,
            "event_name": sent["event_name"],
            "identifier": sent["identifier"],
            "livemode": True,
            "payload": sent["payload"],
            "timestamp": int(given) if given else now,
        }
    )


def _form(request: HttpRequest) -> dict[str, Any]:
    """Read ``event_name=x&payload[value]=1``."""
    media = (request.content_type or "").partition(";")[0]
    if media != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType(media)
    try:
        pairs = parse_qsl(bytes_of(request).decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise ParseError("the body is not form encoded UTF-8") from None
    sent: dict[str, Any] = {"payload": {}}
    for name, value in pairs:
        if name.startswith("payload[") and name.endswith("]"):
            place, key = sent["payload"], name[8:-1]
        else:
            place, key = sent, name
        if key in place and place[key] != {}:
            raise ParseError(f"{name} is given twice")
        place[key] = value
    if not isinstance(sent["payload"], dict):
        raise ParseError("payload must be given as payload[name]=value")
    return sent


@dialect(fail)
def meter_events_v2(request: HttpRequest) -> HttpResponse:
    """``POST /v2/billing/meter_events``."""
    return once(request, fail, lambda: _create_v2(request))


def _create_v2(request: HttpRequest) -> HttpResponse:
    sent = json_of(request, "application/json")
    if not isinstance(sent, dict):
        raise ParseError("the body must be an object")
    sent = {"identifier": str(uuid7()), **present(**sent)}
    time = sent.get("timestamp", now_text())
    refused = _record(sent, time)
    if refused is not None:
        return refused
    return JsonResponse(
        {
            "object": "v2.billing.meter_event",
            "created": rfc3339(timezone.now()),
            "event_name": sent["event_name"],
            "identifier": sent["identifier"],
            "livemode": True,
            "payload": sent["payload"],
            "timestamp": time,
        }
    )


def _record(sent: Mapping[str, Any], time: Any) -> HttpResponse | None:
    """Record one event; return the refusal, or None once it is stored."""
    return _refusal(take([_raw(sent, time)], source=SOURCE)[0])


def _raw(sent: Mapping[str, Any], time: Any) -> Raw:
    payload = sent.get("payload", {})
    if not isinstance(payload, dict):
        return Invalid("data", "must be an object")
    data = {key: value for key, value in payload.items() if key != CUSTOMER_KEY}
    return present(
        type=sent.get("event_name"),
        id=sent.get("identifier"),
        customer=payload.get(CUSTOMER_KEY),
        time=time,
        data=data,
    )


def _refusal(verdict: Verdict) -> HttpResponse | None:
    if verdict.outcome in KNOWN:
        # Word for word: clients look for this sentence to know that it was sent before.
        message = f"An event already exists with identifier {verdict.id}."
        return fail(400, "resource_already_exists", message, "identifier")
    return _invalid(verdict) if verdict.outcome == Outcome.INVALID else None


def _invalid(verdict: Verdict, at: str = "") -> HttpResponse:
    field = at + vendor_field(verdict.field, _NAMES, "payload[{}]")
    missing = verdict.reason == "is missing"
    code = "parameter_missing" if missing else "parameter_invalid"
    return fail(400, code, f"{field}: {verdict.reason}", field)


# --- Streams: a short-lived token of a key, and many events a call ----------------------------


@dialect(fail)
def meter_event_session(request: HttpRequest) -> HttpResponse:
    """``POST /v2/billing/meter_event_session``: a token that stands for the key for 15 minutes."""
    now = timezone.now()
    prefix = presented_key(request).partition(".")[0]
    return JsonResponse(
        {
            "object": "v2.billing.meter_event_session",
            "id": str(uuid7()),
            "authentication_token": signing.dumps(prefix, salt=SALT),
            "created": rfc3339(now),
            "expires_at": rfc3339(now + SESSION),
            "livemode": True,
        }
    )


def _holder_of_session(request: HttpRequest) -> Principal | None:
    """Return the key a session's token stands for, if that key is still good."""
    try:
        prefix = signing.loads(presented_key(request), salt=SALT, max_age=SESSION)
    except signing.BadSignature:
        return None
    api_key = ApiKey.objects.filter(prefix=prefix).first()
    return principal_of(api_key) if api_key else None


def _fail_stream(status: int, code: str, message: str, field: str = "") -> HttpResponse:
    if status == 401:
        message = "The session has expired or is unknown; make another meter event session."
        return fail(status, "session_expired", message)
    return fail(status, code, message, field)


@dialect(_fail_stream, who=_holder_of_session)
def meter_event_stream(request: HttpRequest) -> HttpResponse:
    """``POST /v2/billing/meter_event_stream``: known ones are passed over, as in a stream."""
    sent = json_of(request, "application/json")
    events = objects(sent.get("events") if isinstance(sent, dict) else None, "events")
    if len(events) > MAX_STREAM:
        raise Unprocessable(f"events has at most {MAX_STREAM} items; this has {len(events)}")
    named = [{"identifier": str(uuid7()), **present(**event)} for event in events]
    raw = [_raw(event, event.get("timestamp", now_text())) for event in named]
    for verdict in take(raw, source=SOURCE):
        if verdict.outcome == Outcome.INVALID:
            return _invalid(verdict, f"events[{verdict.index}].")
    return JsonResponse({})
