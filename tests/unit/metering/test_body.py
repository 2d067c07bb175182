"""A body is read whole, once, within bounds, however it is compressed and whatever it claims."""

import gzip
import subprocess
import time
import tracemalloc
from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

from metering.ingest.body import MAX_BODY, BodyTooLarge, read_body
from metering.ingest.zstd import ZstdMissing, _library
from monetization.interface.parsers import strict_json

EVENTS = b'[{"id": "a"}, {"id": "b"}]'


def _zstd(data: bytes) -> bytes:
    try:
        _library()
        return subprocess.run(
            ["zstd", "-q", "-c"], input=data, capture_output=True, check=True
        ).stdout
    except (ZstdMissing, FileNotFoundError):
        pytest.skip("needs libzstd and the zstd command")


PACKERS: dict[str, Any] = {"gzip": gzip.compress, "zstd": _zstd}


def post(body: bytes, encoding: str = "", **more: Any) -> Any:
    headers = {"Content-Encoding": encoding} if encoding else {}
    options = {"content_type": "application/json", **more}
    return RequestFactory().post("/", body, headers=headers, **options)


@pytest.mark.parametrize("encoding", PACKERS)
class TestCompressed:
    def test_is_unpacked(self, encoding: str) -> None:
        packed = PACKERS[encoding](EVENTS)

        assert read_body(post(packed, encoding)) == (EVENTS, False)

    def test_is_unpacked_at_any_size(self, encoding: str) -> None:
        text = b"[" + b" " * (3 * 1024 * 1024) + b"1]"

        assert read_body(post(PACKERS[encoding](text), encoding))[0] == text

    def test_cut_short_is_refused(self, encoding: str) -> None:
        with pytest.raises(ParseError, match="cut short"):
            read_body(post(PACKERS[encoding](EVENTS)[:-5], encoding))

    def test_going_on_after_its_end_is_refused(self, encoding: str) -> None:
        with pytest.raises(ParseError, match="after its end"):
            read_body(post(PACKERS[encoding](EVENTS) + b"more", encoding))

    def test_not_being_what_it_says_is_refused(self, encoding: str) -> None:
        with pytest.raises(ParseError, match=f"not {encoding}"):
            read_body(post(b"plainly not", encoding))

    def test_a_bomb_is_refused_in_little_memory(self, encoding: str) -> None:
        bomb = PACKERS[encoding](b"0" * 200_000_000)
        assert len(bomb) < 300_000
        tracemalloc.start()
        try:
            with pytest.raises(BodyTooLarge):
                read_body(post(bomb, encoding))
            assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BODY
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (post(EVENTS, "br"), UnsupportedMediaType),
        (post(EVENTS, content_type="text/plain"), UnsupportedMediaType),
        (post(EVENTS, content_type="application/json; charset=latin-1"), UnsupportedMediaType),
        (post(b" " * (MAX_BODY + 1)), BodyTooLarge),
        (post(b"[" + b"0," * 200_001 + b"0]"), BodyTooLarge),
        (post(EVENTS, CONTENT_LENGTH=str(MAX_BODY * 100)), BodyTooLarge),
    ],
)
def test_what_cannot_be_taken_is_refused(request_: Any, refusal: type[APIException]) -> None:
    with pytest.raises(refusal):
        read_body(request_)


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", "application/cloudevents-batch+json"]
)
def test_cloudevents_are_json(content_type: str) -> None:
    assert read_body(post(EVENTS, content_type=content_type)) == (EVENTS, False)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 2_000_000,
        b'"' + b'\\"' * 2_000_000 + b"\\",
        b'"' * 4_000_001,
        b"[" * 4_000_000,
        b'["' + b"[" * 4_000_000 + b'"',
    ],
    ids=["escapes", "escapes-cut", "quotes", "brackets", "brackets-in-text"],
)
def test_hostile_json_is_refused_quickly(body: bytes) -> None:
    began = time.process_time()
    with pytest.raises(ParseError):
        strict_json(body)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["', "[" * 38),
        (b'["\\"[", "]"]', ['"[', "]"]),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'{"\\\\ud800": 1}', {"\\ud800": 1}),
    ],
)
def test_brackets_and_escapes_inside_text_are_text(body: bytes, value: Any) -> None:
    assert strict_json(body) == value


@pytest.mark.parametrize("body", [b'"\\ud800"', b'{"\\udc00": 1}', b'[{"a": ["\\uD800x"]}]'])
def test_half_a_surrogate_pair_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError, match="surrogate"):
        strict_json(body)
