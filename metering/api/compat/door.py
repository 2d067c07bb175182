"""What every dialect shares: the key, the tenant, the body, and errors in the vendor's shape."""

import base64
import binascii
import zlib
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

from metering.ingest.body import MAX_BODY, BodyTooLarge
from metering.ingest.limits import limiter
from monetization.interface.parsers import strict_json
from monetization.interface.problems import DATABASE_AWAY, Unavailable
from monetization.tenancy.context import tenant_context
from monetization.users.middleware import principal_of_key
from monetization.users.permissions import Principal

PERMISSION = "usage:write"
View = Callable[[HttpRequest], HttpResponse]
KeyReader = Callable[[HttpRequest], Principal | None]


class Fail(Protocol):
    """Writes an error as the vendor does; ``field`` is the vendor's name of what is wrong."""

    def __call__(self, status: int, code: str, message: str, field: str = "") -> HttpResponse: ...


def dialect(fail: Fail, *, who: KeyReader | None = None) -> Callable[[View], View]:
    """Run a view as the company of the key it is called with; errors are written by ``fail``.

    The events are committed before the answer is returned. A request that fails as a whole
    stores nothing.

    :param who: finds who calls; by default from our API key, as ``Bearer`` or as the user name
        of ``Basic``.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest) -> HttpResponse:
            if request.method != "POST":
                return fail(405, "method_not_allowed", "Send events with POST.")
            try:
                principal = (who or principal_of_request)(request)
                if principal is None:
                    return fail(
                        401, "invalid_api_key", "The API key is unknown, expired or revoked."
                    )
                if not principal.may(PERMISSION):
                    return fail(
                        403, "permission_denied", f"The API key lacks the scope {PERMISSION}."
                    )
                tenant_id = principal.tenant_id
                with limiter.place(tenant_id), tenant_context(tenant_id, actor=principal.label):
                    return view(request)
            except APIException as error:
                return _failed(fail, error)
            except DATABASE_AWAY:
                return _failed(fail, Unavailable())

        guarded.required_permission = PERMISSION  # type: ignore[attr-defined]
        guarded.csrf_exempt = True  # type: ignore[attr-defined]
        return guarded

    return decorate


def _failed(fail: Fail, error: APIException) -> HttpResponse:
    code = error.get_codes() if isinstance(error.detail, str) else error.default_code
    response = fail(error.status_code, str(code), str(error.detail))
    wait = getattr(error, "wait", None)
    if wait is not None:
        response["Retry-After"] = str(int(wait) + 1)
    return response


def principal_of_request(request: HttpRequest) -> Principal | None:
    """Return whose key a request carries; None without a valid one."""
    key = presented_key(request)
    return principal_of_key(key) if key else None


def presented_key(request: HttpRequest) -> str:
    """Return the key of an ``Authorization`` header, or nothing."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def json_of(request: HttpRequest, *media_types: str) -> Any:
    """Return a request's JSON, parsed as strictly as everywhere.

    :raises UnsupportedMediaType: for another content type than these.
    :raises ParseError: if it is not JSON.
    """
    media = (request.content_type or "").partition(";")[0].strip().lower()
    if media not in media_types:
        raise UnsupportedMediaType(request.headers.get("Content-Type", ""))
    return strict_json(bytes_of(request))


def bytes_of(request: HttpRequest) -> bytes:
    """Return a request's body, decompressed.

    :raises BodyTooLarge: before or after decompression.
    """
    try:
        body = request.body
    except RequestDataTooBig:
        raise BodyTooLarge from None
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise UnsupportedMediaType(f"Content-Encoding {encoding}")
    decoder = zlib.decompressobj(wbits=31)
    try:
        plain = decoder.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise ParseError("the body is not gzip") from None
    if len(plain) > MAX_BODY:
        raise BodyTooLarge
    if not decoder.eof:
        raise ParseError("the gzip body is cut short")
    return plain
