"""Orb: a list of events; with ``debug=true`` the answer says which were new."""

import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from metering.api.compat.door import dialect, json_of
from metering.api.compat.intake import KNOWN, Raw, objects, present, take, vendor_field
from metering.domain.events import Outcome
from metering.ingest.parser import Invalid

SOURCE = "orb"
_ERRORS = "https://docs.withorb.com/reference/error-responses"  # clients look for these types
_TYPES = {
    400: ("#400-request-validation-errors", "Request validation errors"),
    401: ("#401-authentication-error", "Authentication error"),
    413: ("#413-request-too-large", "Request too large"),
    429: ("#429-too-many-requests", "Too many requests"),
}
_NAMES = {
    "type": "event_name",
    "id": "idempotency_key",
    "customer": "external_customer_id",
    "subject": "external_customer_id",
    "time": "timestamp",
    "data": "properties",
}
_OFFSET = re.compile(r"([Zz]|[+-]\d{2}:\d{2})$")


def fail(status: int, code: str, message: str, field: str = "") -> HttpResponse:
    status = 400 if status in (405, 415, 422) else status
    place, title = _TYPES.get(status, ("", code))
    body: dict[str, Any] = {
        "type": _ERRORS + place,
        "status": status,
        "title": title,
        "detail": message,
    }
    if status == 400:
        body |= {"validation_errors": [message], "validation_failed": []}
    return JsonResponse(body, status=status)


@dialect(fail)
def ingest(request: HttpRequest) -> HttpResponse:
    """``POST /ingest``. What is wrong is named by its key; the rest is stored."""
    body = json_of(request, "application/json")
    events = objects(body.get("events") if isinstance(body, dict) else None, "events")
    verdicts = take([_raw(event) for event in events], source=SOURCE)
    keys = [str(event.get("idempotency_key", "")) for event in events]
    failed = [
        {
            "idempotency_key": keys[verdict.index],
            "validation_errors": [f"{vendor_field(verdict.field, _NAMES)}: {verdict.reason}"],
        }
        for verdict in verdicts
        if verdict.outcome == Outcome.INVALID
    ]
    answer: dict[str, Any] = {"validation_failed": failed}
    if request.GET.get("debug", "").lower() == "true":
        stored = (Outcome.CREATED, Outcome.QUARANTINED)
        answer["debug"] = {
            "duplicate": [keys[v.index] for v in verdicts if v.outcome in KNOWN],
            "ingested": [keys[v.index] for v in verdicts if v.outcome in stored],
        }
    if not failed:
        return JsonResponse(answer)
    place, title = _TYPES[400]
    errors = [error for row in failed for error in row["validation_errors"]]
    detail = f"{len(failed)} of {len(events)} events were refused; the others are stored"
    problem = {
        "type": _ERRORS + place,
        "status": 400,
        "title": title,
        "detail": detail,
        "validation_errors": errors,
    }
    return JsonResponse(problem | answer, status=400)


def _raw(event: Mapping[str, Any]) -> Raw:
    customer, external = event.get("customer_id"), event.get("external_customer_id")
    if customer is not None and external is not None:
        return Invalid("customer", "give customer_id or external_customer_id, not both")
    properties = event.get("properties") or {}
    if not isinstance(properties, dict):
        return Invalid("data", "must be an object")
    time = event.get("timestamp")
    if isinstance(time, str) and not _OFFSET.search(time):
        time += "Z"  # a time without an offset is UTC here
    return present(
        id=event.get("idempotency_key"),
        type=event.get("event_name"),
        customer=customer if external is None else external,
        time=time,
        data=properties,
    )
