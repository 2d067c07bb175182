"""Metronome: a list of events, known ones passed over in silence."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from metering.api.compat.door import dialect, json_of
from metering.api.compat.intake import Raw, objects, present, take, vendor_field
from metering.domain.events import Outcome
from metering.ingest.parser import Invalid

SOURCE = "metronome"
_NAMES = {
    "type": "event_type",
    "id": "transaction_id",
    "customer": "customer_id",
    "subject": "customer_id",
    "time": "timestamp",
    "data": "properties",
}


def fail(status: int, code: str, message: str, field: str = "") -> HttpResponse:
    return JsonResponse({"message": message}, status=400 if status == 422 else status)


@dialect(fail)
def ingest(request: HttpRequest) -> HttpResponse:
    """``POST /v1/ingest``. What is wrong is named by its place; the rest is stored."""
    events = objects(json_of(request, "application/json"), "the body")
    verdicts = take([_raw(event) for event in events], source=SOURCE)
    wrong = [
        f"[{verdict.index}].{vendor_field(verdict.field, _NAMES)}: {verdict.reason}"
        for verdict in verdicts
        if verdict.outcome == Outcome.INVALID
    ]
    if wrong:
        return fail(400, "invalid", "; ".join(wrong[:20]))
    return JsonResponse({})


def _raw(event: Mapping[str, Any]) -> Raw:
    properties = event.get("properties") or {}
    if not isinstance(properties, dict):
        return Invalid("data", "must be an object")
    return present(
        id=event.get("transaction_id"),
        type=event.get("event_type"),
        customer=event.get("customer_id"),
        time=event.get("timestamp"),
        data=properties,
    )
