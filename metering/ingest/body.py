"""Read a request's body with bounded memory, compressed or not."""

import zlib
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

MAX_BODY = 20 * 1024 * 1024
JSON_TYPES = ("application/json", "application/cloudevents-batch+json")
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")


class BodyTooLarge(APIException):
    """The body is larger than a batch may be."""

    status_code = 413
    default_code = "body_too_large"
    default_detail = f"A body may have at most {MAX_BODY // 1024 // 1024} MB; send smaller batches."


def read_body(request: HttpRequest) -> tuple[bytes, bool]:
    """Return the decoded body and whether it is NDJSON.

    :raises UnsupportedMediaType: for another content type or charset.
    :raises BodyTooLarge: beyond 20 MB, before or after decompression.
    """
    media, _, _ = (request.content_type or "").partition(";")
    charset = request.content_params.get("charset", "utf-8") if request.content_params else "utf-8"
    if media not in JSON_TYPES + NDJSON_TYPES or charset.lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(request.headers.get("Content-Type", ""))
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > MAX_BODY:
        raise BodyTooLarge
    try:
        body = request.body
    except RequestDataTooBig:
        raise BodyTooLarge from None
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding == "gzip":
        body = _gunzip(body)
    elif encoding != "identity":
        raise UnsupportedMediaType(f"Content-Encoding {encoding}")
    return body, media in NDJSON_TYPES


def _gunzip(body: bytes) -> bytes:
    decoder: Any = zlib.decompressobj(wbits=31)
    try:
        plain = decoder.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise ParseError("the body is not gzip") from None
    if len(plain) > MAX_BODY:
        raise BodyTooLarge
    if not decoder.eof:
        raise ParseError("the gzip body is cut short")
    return bytes(plain)
