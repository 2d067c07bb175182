"""Read a request's body with bounded memory, compressed or not, whatever its length claims."""

import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, Protocol

from django.http import HttpRequest
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

from metering.ingest.zstd import ZstdDecoder, ZstdError, ZstdMissing

MAX_BODY = 10 * 1024 * 1024
# Objects cost memory by number, not by size: a body of [0,0,0,...] would need eight times
# its length. Commas and colons bound how many values there can be.
MAX_VALUES = 200_000
PIECE = 64 * 1024
JSON_TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")


class BodyTooLarge(APIException):
    """The body is larger than a batch may be."""

    status_code = 413
    default_code = "body_too_large"
    default_detail = f"A body may have at most {MAX_BODY // 1024 // 1024} MB; send smaller batches."


class BodyNotThere(APIException):
    """The connection ended before the body did."""

    status_code = 400
    default_code = "body_cut_short"
    default_detail = "The body ended before its Content-Length; send it again."


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    def feed(self, data: bytes) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class _Gunzip:
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    def close(self) -> None:
        """Nothing is held."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self.eof:
            raise zlib.error
        while data:
            yield self._zlib.decompress(data, PIECE)
            data = self._zlib.unconsumed_tail
        if self._zlib.unused_data:
            raise zlib.error


def _decoder(encoding: str) -> _Decoder:
    if encoding == "gzip":
        return _Gunzip()
    if encoding == "zstd":
        with suppress(ZstdMissing):
            return ZstdDecoder()
    raise UnsupportedMediaType(
        encoding, "Content-Encoding {media_type} is not taken; send gzip, zstd or nothing."
    )


def read_body(request: HttpRequest) -> tuple[bytes, bool]:
    """Return the decoded body and whether it is NDJSON.

    :raises UnsupportedMediaType: for another content type, charset or compression.
    :raises BodyTooLarge: beyond 10 MB, before or after decompression.
    """
    media, _, _ = (request.content_type or "").partition(";")
    charset = request.content_params.get("charset", "utf-8") if request.content_params else "utf-8"
    if media not in JSON_TYPES + NDJSON_TYPES:
        raise UnsupportedMediaType(request.headers.get("Content-Type", "nothing"))
    if charset.strip().strip('"').lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(f"charset {charset}", "Send UTF-8; {media_type} is not taken.")
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdigit() and int(length) > MAX_BODY:
        raise BodyTooLarge
    if encoding == "identity":
        body = _whole(_pieces(request, int(length) if length.isdigit() else PIECE))
        if length.isdigit() and len(body) < int(length):
            raise BodyNotThere
    else:
        with closing(_decoder(encoding)) as decoder:
            body = _whole(_decoded(_pieces(request, PIECE), decoder, encoding))
    if len(body) > MAX_VALUES and body.count(b",") + body.count(b":") > MAX_VALUES:
        raise BodyTooLarge(f"A body may have at most {MAX_VALUES:,} values; send smaller batches.")
    return body, media in NDJSON_TYPES


def _pieces(request: HttpRequest, size: int) -> Iterator[bytes]:
    """Read the body piece by piece, also when it is chunked and has no length.

    :param size: of a piece at most; one whole piece saves a copy of the body.
    """
    chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    source: Any = request
    if chunked and not request.META.get("CONTENT_LENGTH"):
        source = request.META["wsgi.input"]  # Django takes a body without a length for empty
    try:
        while piece := source.read(size or PIECE):
            yield piece
    except OSError:
        raise BodyNotThere from None


def _whole(pieces: Iterator[bytes]) -> bytes:
    body, length = [], 0
    for piece in pieces:
        body.append(piece)
        length += len(piece)
        if length > MAX_BODY:
            raise BodyTooLarge
    return body[0] if len(body) == 1 else b"".join(body)


def _decoded(pieces: Iterator[bytes], decoder: _Decoder, encoding: str) -> Iterator[bytes]:
    try:
        for piece in pieces:
            yield from decoder.feed(piece)
    except (zlib.error, ZstdError):
        raise ParseError(f"the body is not {encoding}, or goes on after its end") from None
    if not decoder.eof:
        raise ParseError(f"the {encoding} body is cut short")
