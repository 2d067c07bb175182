"""A JSON parser that refuses what would be silently misread."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 32
# Whole strings first, so that brackets inside them are passed over. One without an end goes to
# the end of the body, so that it is looked at once.
_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_HALF_PAIR = re.compile(rb"\\u[dD]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def strict_json(body: bytes) -> Any:
    """Parse UTF-8 JSON: exact decimals, no NaN, no duplicate keys, no NUL, no lone surrogates.

    :raises ParseError: saying what is wrong.
    """
    _check_depth(body)
    if b"\x00" in body or b"\\u0000" in body:
        raise ParseError("the body contains a NUL character")
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_constant,
            object_pairs_hook=_pairs,
        )
    except UnicodeDecodeError:
        raise ParseError("the body is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ParseError(f"the body is not valid JSON: {error}") from None
    if _HALF_PAIR.search(body):
        _check_text(value)
    return value


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _integer(digits: str) -> int:
    if len(digits) > 40:
        raise ValueError("a number has more than 38 digits")
    return int(digits)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key!r} appears twice in one object")
        result[key] = value
    return result


def _check_depth(body: bytes) -> None:
    depth = 0
    for found in _BRACKET.finditer(body):
        sign = found[0]
        if sign in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ParseError(f"the body nests deeper than {MAX_DEPTH} levels")
        elif sign in b"]}":
            depth -= 1


def _check_text(value: Any) -> None:
    """Refuse half a surrogate pair: what was a whole one is one character by now."""
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise ParseError("the body contains half a surrogate pair")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return strict_json(stream.read())
