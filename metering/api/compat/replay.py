"""``Idempotency-Key`` as Stripe's clients use it: a repeat gets the first answer again."""

import hashlib
from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from metering.api.compat.door import Fail, bytes_of
from monetization.interface.models import IdempotencyKey
from monetization.tenancy.context import current_actor

HEADER = "Idempotency-Key"
JSON = "application/json"


def once(request: HttpRequest, fail: Fail, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """Return the answer of the first request with this key, or make and keep it.

    The row is inserted first, in the transaction of the events: a concurrent repeat waits for
    it. An answer that says no is kept too, as Stripe does.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        return answer()
    if len(key) > 200 or "\x00" in key:
        return fail(400, "idempotency_error", f"{HEADER} has at most 200 characters.")
    digest = hashlib.sha256(bytes_of(request)).hexdigest()
    place = f"{request.method} {request.path}"[:300]
    identity = {"key": key, "principal": current_actor()}
    try:
        with transaction.atomic():
            claimed = IdempotencyKey.objects.create(
                **identity, method_and_path=place, body_sha256=digest
            )
    except IntegrityError:
        known = IdempotencyKey.objects.get(**identity)
        if (known.method_and_path, known.body_sha256) != (place, digest):
            return fail(400, "idempotency_error", f"This {HEADER} was used for another request.")
        again = HttpResponse(bytes(known.body or b""), status=known.status_code, content_type=JSON)
        again["Idempotent-Replayed"] = "true"
        return again
    response = answer()
    claimed.status_code, claimed.body = response.status_code, response.content
    claimed.save(update_fields=["status_code", "body"])
    return response
