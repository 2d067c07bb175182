"""Errors of the API as ``application/problem+json`` (RFC 9457) with a stable ``code``."""

import logging
from typing import Any

import psycopg
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import InterfaceError, OperationalError, transaction
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response

from monetization.kernel.errors import Refusal
from monetization.pricing.prices import PriceError

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = 5  # seconds
# Lost connections, time-outs, a full disk: from Django, and from cursors that go past it.
DATABASE_AWAY = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
logger = logging.getLogger(__name__)


def problem_body(
    status_code: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"/docs/problems#{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status_code,
        "code": code,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors  # [{"field": "lines[0].quantity", "message": "..."}]
    return body


def problem_response(
    status_code: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> HttpResponse:
    """Answer with a problem outside DRF (middleware, hand-written views)."""
    return JsonResponse(
        problem_body(status_code, code, detail, errors),
        status=status_code,
        content_type=CONTENT_TYPE,
    )


def unavailable_response(error: Exception) -> HttpResponse:
    """Answer with 503 outside DRF: the database did not do what it should."""
    logger.warning("The database did not do a request: %s", error)
    problem = Unavailable()
    response = problem_response(problem.status_code, problem.default_code, str(problem.detail))
    response["Retry-After"] = str(RETRY_AFTER)
    return response


def field_errors(detail: Any, path: str = "") -> list[dict[str, str]]:
    """Flatten DRF's nested errors into one ``{field, message}`` each."""
    if isinstance(detail, dict):
        return [
            error
            for key, value in detail.items()
            for error in field_errors(value, _join(path, key))
        ]
    if isinstance(detail, list):
        if all(not isinstance(item, (dict, list)) for item in detail):
            return [{"field": path, "message": str(item)} for item in detail]
        return [
            error
            for index, item in enumerate(detail)
            for error in field_errors(item, f"{path}[{index}]")
        ]
    return [{"field": path, "message": str(detail)}]


def _join(path: str, key: Any) -> str:
    if key == "non_field_errors":
        return path
    if isinstance(key, int):  # the position in a list
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn refusals and DRF's own exceptions into problems; anything else stays a 500."""
    if isinstance(exc, Refusal):
        _roll_back()
        return _problem(409, exc.code, str(exc))
    if isinstance(exc, (Http404, ObjectDoesNotExist)):
        _roll_back()
        return _problem(404, "not_found", "No such resource.")
    if isinstance(exc, DATABASE_AWAY):
        _roll_back()
        logger.warning("The database did not do a request: %s", exc)
        exc = Unavailable()
    if isinstance(exc, PriceError):
        exc = price_problem(exc)
    if isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied(str(exc) or None)
    if not isinstance(exc, exceptions.APIException):
        return None
    _roll_back()
    if isinstance(exc, exceptions.ValidationError):
        errors = field_errors(exc.detail)
        detail = "; ".join(
            f"{error['field']}: {error['message']}" if error["field"] else error["message"]
            for error in errors[:3]
        )
        return _problem(422, "invalid", detail, errors)
    headers = {}
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = exc.auth_header  # type: ignore[attr-defined]
    if getattr(exc, "wait", None) is not None:
        headers["Retry-After"] = str(int(exc.wait) + 1)  # type: ignore[attr-defined]
    code = exc.get_codes() if isinstance(exc.detail, str) else exc.default_code
    return _problem(exc.status_code, str(code), str(exc.detail), headers=headers)


def price_problem(error: PriceError) -> exceptions.ValidationError:
    """Turn the pricing core's "field: what is wrong" into the error of that field."""
    field, colon, message = str(error).partition(": ")
    if not colon or " " in field:
        return exceptions.ValidationError(str(error))
    return exceptions.ValidationError({field: message})


def _roll_back() -> None:
    # DRF's own set_rollback looks at ATOMIC_REQUESTS; our transaction is the tenant's.
    if transaction.get_connection().in_atomic_block:
        transaction.set_rollback(True)


def _problem(
    status_code: int,
    code: str,
    detail: str,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    return Response(
        problem_body(status_code, code, detail, errors),
        status=status_code,
        headers=headers,
        content_type=CONTENT_TYPE,
    )


class Unavailable(exceptions.APIException):
    """The database is away, full, or busy for too long; nothing of the request was stored.

    A commit whose answer was lost may have been stored: every call can be repeated safely.
    """

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "The database cannot do this now; send the request again in some seconds."
    wait = RETRY_AFTER - 1  # the answer says one more


class Unprocessable(exceptions.APIException):
    """A well-formed request that cannot be carried out."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "unprocessable"
