"""The quick parser reads what the strict one reads, or leaves it to it."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from metering.domain.events import UsageEvent, Verdict, payload_hash
from metering.ingest import quick
from metering.ingest.parser import parse_batch, read_events
from tests.properties.test_usage import almost_events, anything, many

NUMBERS = (
    *("0", "-0", "1", "-7", "1.5", "-0.000000000001", "0.1234567890123", "1e3", "1E-3", "1e400"),
    *("12345678901234567890", "1234567890.123456789012", "9" * 38, "9" * 39, "1e-400", "4.35"),
    *("100000000000000.25", "0.30000000000000004", "1.0", "1e22", "123456789012345.6", "1.e3"),
)
SPACES = ("", " ", "\t", "\n", "\r\n")
HEAD = '"id": "e", "type": "api", "customer": "acme", "time": "2026-01-01T00:00:00Z"'
KEYS = ("a", "tokens", "a\\u0062", 'a\\":', "id", "", "x" * 101, "\\u0000", "\u00e4")


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw JSON as nobody's library would write it: spaces, numbers and keys of all kinds."""
    space = lambda: draw(st.sampled_from(SPACES))  # noqa: E731
    key = st.sampled_from(KEYS)
    value = st.sampled_from(NUMBERS) | st.sampled_from(
        ('"1.5"', "true", "null", '"\\ud800"', '"a"', "[]", '{"a": 1, "a": 2}', "NaN")
    )
    written = []
    for number in range(draw(st.integers(1, 3))):
        pairs = ",".join(
            f'{space()}"{draw(key)}"{space()}:{space()}{draw(value)}{space()}'
            for _ in range(draw(st.integers(0, 3)))
        )
        written.append(
            f'{{"id": "e{number}", "type": "api", "customer": "acme",'
            f' "time": "2026-01-01T00:00:00{draw(st.sampled_from(("Z", ".5Z", "+00:00")))}",'
            f' "data"{space()}: {{{pairs}}}}}'
        )
    return f"[{','.join(written)}]".encode("utf-8", "surrogatepass")


def strictly(body: bytes, *, ndjson: bool) -> list[UsageEvent | Verdict] | None:
    try:
        return read_events(parse_batch(body, ndjson=ndjson), default_source="s")
    except ParseError:
        return None


def _alike(body: bytes, *, ndjson: bool) -> None:
    read = quick.read_batch(body, ndjson=ndjson, default_source="s")
    if read is None:
        return
    strict = strictly(body, ndjson=ndjson)
    assert strict is not None, "the strict parser refuses the body"
    assert [hashed(item) for item in read] == [hashed(item) for item in strict]


def hashed(item: UsageEvent | Verdict) -> Any:
    return (item[:5], payload_hash(item)) if isinstance(item, UsageEvent) else item


class TestQuickParser:
    @many
    @example(b'[{"id":"a","id":"b","type":"t","customer":"c","time":"2026-01-01T00:00:00Z"}]')
    @example(
        b'[{"id":"a","type":"t","customer":"c","time":"2026-01-01T00:00:00Z","data":{"q":1e400}}]'
    )
    @given(bodies())
    def test_reads_odd_json_as_the_strict_one_or_leaves_it(self, body: bytes) -> None:
        _alike(body, ndjson=False)

    @many
    @given(st.lists(almost_events | anything, max_size=3), st.booleans(), st.booleans())
    def test_judges_events_as_the_strict_one(
        self, raw: list[Any], is_ascii: object, is_spaced: object
    ) -> None:
        separators = (", ", ": ") if is_spaced else (",", ":")
        text = json.dumps(raw, ensure_ascii=bool(is_ascii), separators=separators)
        _alike(text.encode("utf-8", "surrogatepass"), ndjson=False)

    @pytest.mark.parametrize("number", NUMBERS)
    def test_cuts_no_number(self, number: str) -> None:
        for written in (number, f" {number}", f'"{number}"'):
            event = f'{{{HEAD}, "data": {{"q":{written}, "r":1.5}}}}'
            _alike(f"[{event}, {event}]".encode(), ndjson=False)
            _alike(f"{event}\n{event}".encode(), ndjson=True)

    @pytest.mark.parametrize("key", KEYS)
    def test_takes_no_name_the_strict_one_refuses(self, key: str) -> None:
        _alike(f'{{{HEAD}, "data": {{"q": 1, "{key}":2}}}}'.encode(), ndjson=False)
        _alike(f'{{{HEAD}, "{key}":2}}'.encode(), ndjson=False)

    @pytest.mark.parametrize("field", ["id", "source", "type", "customer", "subject", "voids"])
    @pytest.mark.parametrize("text", ["", " ", "\u3000", "a" * 200, "a" * 201, "a b", "é"])
    def test_takes_no_text_the_strict_one_refuses(self, field: str, text: str) -> None:
        event = {**json.loads(f"{{{HEAD}}}"), field: text}
        if field == "subject":
            del event["customer"]
        _alike(json.dumps([event]).encode(), ndjson=False)

    @given(st.lists(almost_events, max_size=3), st.sampled_from(["\n", "\r\n", "\n\n", ""]))
    def test_judges_lines_as_the_strict_one(self, raw: list[Any], between: str) -> None:
        _alike(between.join(json.dumps(item) for item in raw).encode(), ndjson=True)

    @pytest.mark.parametrize("ndjson", [False, True])
    def test_takes_what_clients_usually_send(self, ndjson: object) -> None:
        event = {
            "id": "e1",
            "type": "api.request",
            "customer": "acme",
            "time": "2026-01-01T00:00:00.123Z",
            "data": {"tokens": 12, "seconds": 1.25, "model": "small", "cached": False},
        }
        body = json.dumps(event).encode() if ndjson else json.dumps([event, event]).encode()

        read = quick.read_batch(body, ndjson=bool(ndjson), default_source="s")

        assert read is not None
        assert isinstance(read[0], UsageEvent)
        assert read[0].data == {
            "tokens": "12",
            "seconds": "1.25",
            "model": "small",
            "cached": False,
        }
