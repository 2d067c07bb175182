"""Lago: single events and batches."""

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from rest_framework.exceptions import ParseError

from metering.api.compat.door import dialect, json_of
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
from metering.domain.events import Outcome, Verdict
from metering.ingest.parser import Invalid

SOURCE = "lago"
MAX_EVENTS = 100
_NAMES = {
    "type": "code",
    "id": "transaction_id",
    "customer": "external_subscription_id",
    "subject": "external_subscription_id",
    "time": "timestamp",
    "data": "properties",
}
_WORDS = {
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    422: "Unprocessable Entity",
}


def fail(status: int, code: str, message: str, field: str = "") -> HttpResponse:
    if status == 422:
        return _unprocessable({field or "base": [message]})
    body = {"status": status, "error": _WORDS.get(status, message)}
    return JsonResponse(body if status == 401 else body | {"code": code}, status=status)


def _unprocessable(details: Mapping[str, Any]) -> HttpResponse:
    body = {
        "status": 422,
        "error": _WORDS[422],
        "code": "validation_errors",
        "error_details": details,
    }
    return JsonResponse(body, status=422)


@dialect(fail)
def create(request: HttpRequest) -> HttpResponse:
    """``POST /api/v1/events``."""
    body = json_of(request, "application/json")
    event = body.get("event") if isinstance(body, dict) else None
    if not isinstance(event, dict):
        raise ParseError("param is missing or the value is empty: event")
    raw = _raw(event)
    (verdict,) = take([raw], source=SOURCE)
    details = _details(verdict)
    if details:
        return _unprocessable(details)
    return JsonResponse({"event": _event_data(event, raw)})


@dialect(fail)
def batch(request: HttpRequest) -> HttpResponse:
    """``POST /api/v1/events/batch``. What is wrong is named by its place; the rest is stored."""
    body = json_of(request, "application/json")
    events = objects(body.get("events") if isinstance(body, dict) else None, "events")
    if len(events) > MAX_EVENTS:
        return _unprocessable({"events": ["too_many_events"]})
    raw = [_raw(event) for event in events]
    verdicts = take(raw, source=SOURCE)
    wrong = {str(v.index): details for v in verdicts if (details := _details(v))}
    if wrong:
        return _unprocessable(wrong)
    answered = [_event_data(event, item) for event, item in zip(events, raw, strict=True)]
    return JsonResponse({"events": answered})


def _raw(event: Mapping[str, Any]) -> Raw:
    properties = event.get("properties") or {}
    if not isinstance(properties, dict):
        return Invalid("data", "must be an object")
    cents = event.get("precise_total_amount_cents")
    if cents is not None:
        properties = {**properties, "precise_total_amount_cents": cents}
    timestamp = event.get("timestamp")
    try:
        time = now_text() if timestamp is None else unix_time(timestamp)
    except Invalid as error:
        return error
    return present(
        id=event.get("transaction_id"),
        type=event.get("code"),
        customer=event.get("external_subscription_id") or event.get("external_customer_id"),
        time=time,
        data=properties,
    )


def _details(verdict: Verdict) -> dict[str, list[str]]:
    if verdict.outcome in KNOWN:
        return {"transaction_id": ["value_already_exist"]}
    if verdict.outcome != Outcome.INVALID:
        return {}
    field = vendor_field(verdict.field, _NAMES)
    if verdict.reason == "is missing":
        return {field: ["value_is_mandatory"]}
    return {field: ["value_is_invalid", verdict.reason]}


def _event_data(event: Mapping[str, Any], raw: Raw) -> dict[str, Any]:
    time = raw["time"] if isinstance(raw, Mapping) else None
    transaction_id = event.get("transaction_id")
    return {
        "lago_id": str(uuid5(NAMESPACE_URL, f"lago/{transaction_id}")),
        "transaction_id": transaction_id,
        "lago_customer_id": None,
        "external_customer_id": event.get("external_customer_id"),
        "code": event.get("code"),
        "timestamp": time,
        "properties": _plain(event.get("properties") or {}),
        "precise_total_amount_cents": _plain(event.get("precise_total_amount_cents")),
        "lago_subscription_id": None,
        "external_subscription_id": event.get("external_subscription_id"),
        "created_at": rfc3339(timezone.now()),
    }


def _plain(value: Any) -> Any:
    """Write exact numbers as text, which JSON keeps exact."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    is_plain = value is None or isinstance(value, (str, bool, int))
    return value if is_plain else str(value)
