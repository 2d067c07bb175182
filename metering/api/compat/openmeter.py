"""OpenMeter: CloudEvents, one or many."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from metering.api.compat.door import dialect, json_of
from metering.api.compat.intake import Raw, now_text, objects, present, take, vendor_field
from metering.domain.events import Outcome
from metering.ingest.parser import Invalid

SOURCE = "openmeter"
_MEDIA = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
_NAMES = {"customer": "subject"}
_TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}


def fail(status: int, code: str, message: str, field: str = "") -> HttpResponse:
    return _problem(400 if status == 422 else status, code, message, [])


def _problem(status: int, code: str, message: str, errors: list[dict[str, str]]) -> HttpResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status, code),
        "status": status,
        "detail": message,
    }
    if errors:
        body["extensions"] = {"validationErrors": errors}
    return JsonResponse(body, status=status, content_type="application/problem+json")


@dialect(fail)
def ingest(request: HttpRequest) -> HttpResponse:
    """``POST /api/v1/events``. What is wrong is named by its place; the rest is stored."""
    body = json_of(request, *_MEDIA)
    events = objects([body] if isinstance(body, dict) else body, "the body")
    verdicts = take([_raw(event) for event in events], source=SOURCE)
    errors = [
        {
            "field": f"[{v.index}].{vendor_field(v.field, _NAMES, 'data.{}')}",
            "message": v.reason,
        }
        for v in verdicts
        if v.outcome == Outcome.INVALID
    ]
    if errors:
        detail = "; ".join(f"{error['field']}: {error['message']}" for error in errors[:20])
        return _problem(400, "invalid", detail, errors)
    return HttpResponse(status=204)


def _raw(event: Mapping[str, Any]) -> Raw:
    if event.get("specversion", "1.0") != "1.0":
        return Invalid("specversion", 'must be "1.0"')
    data = event.get("data")
    if data is not None and not isinstance(data, dict):
        return Invalid("data", "must be an object")
    return present(
        id=event.get("id"),
        source=event.get("source"),
        type=event.get("type"),
        subject=event.get("subject"),
        time=event.get("time") or now_text(),
        data=data or {},
    )
