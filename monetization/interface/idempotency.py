"""``Idempotency-Key`` for unsafe API calls: a repeat gets the first answer, not a second effect."""

import hashlib
import json
from typing import Any

from django.db import IntegrityError, transaction
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.models import IdempotencyKey
from monetization.interface.problems import Unprocessable

HEADER = "Idempotency-Key"
_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class KeyInUse(exceptions.APIException):
    """The first call with this key is still under way."""

    status_code = 409
    default_code = "idempotency_key_in_use"
    default_detail = "A call with this Idempotency-Key is still running; try again."
    wait = 1


class IdempotentMixin:
    """Mix into a DRF view or viewset, leftmost.

    The key row is inserted before the view runs, in the request's transaction: a concurrent
    repeat waits for it and then replays the stored answer. A call that fails rolls it back,
    so it may be repeated. Keys belong to the principal; the header is optional. Fields named
    in ``shown_once`` are secrets: they are not kept, and a replay answers without them.
    """

    shown_once: tuple[str, ...] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        self._idempotency: IdempotencyKey | None = None
        key = request.headers.get(HEADER)
        if not key or request.method not in _UNSAFE:
            return
        if len(key) > 200:
            raise Unprocessable(f"{HEADER} is longer than 200 characters")
        self._idempotency = _claim(request, key)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        final: Response = super().finalize_response(  # type: ignore[misc]
            request, response, *args, **kwargs
        )
        claimed = getattr(self, "_idempotency", None)
        if claimed is not None and final.status_code < 400:
            final.add_post_render_callback(
                lambda rendered: _remember(claimed, rendered, self.shown_once)
            )
        return final

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, _Replay):
            self.headers: dict[str, str] = {}
            return exc.response
        return super().handle_exception(exc)  # type: ignore[misc]


class _Replay(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _claim(request: Request, key: str) -> IdempotencyKey:
    principal = str(request._request.principal.identity)  # type: ignore[attr-defined]
    path = f"{request.method} {request.path}"[:300]
    digest = hashlib.sha256(request._request.body).hexdigest()
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(
                key=key, principal=principal, method_and_path=path, body_sha256=digest
            )
    except IntegrityError:
        known = IdempotencyKey.objects.get(key=key, principal=principal)
    if (known.method_and_path, known.body_sha256) != (path, digest):
        raise Unprocessable(f"this {HEADER} was used for another request")
    if known.status_code is None:
        raise KeyInUse
    raise _Replay(_stored_answer(known))


def _stored_answer(known: IdempotencyKey) -> Response:
    body = bytes(known.body)
    response = Response(json.loads(body) if body else None, status=known.status_code)
    response["Idempotency-Replayed"] = "true"
    return response


def _remember(claimed: IdempotencyKey, rendered: Response, secret: tuple[str, ...]) -> None:
    claimed.status_code = rendered.status_code
    claimed.body = rendered.content
    if any(name in (rendered.data or ()) for name in secret):
        shown = json.loads(rendered.content)
        kept = {name: value for name, value in shown.items() if name not in secret}
        claimed.body = json.dumps(kept).encode()
    claimed.save(update_fields=["status_code", "body"])
