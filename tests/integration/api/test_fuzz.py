"""Whatever is sent, the answer is an answer: never a 500, always JSON that says what is wrong."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from billing.domain.assertions import KINDS
from monetization.kernel.ids import uuid7
from tests.integration.api.calls import good_calls
from tests.integration.api.conftest import Api

HOSTILE: tuple[Any, ...] = (
    None,
    "",
    " ",
    0,
    -1,
    10**30,
    "1e300",
    "1e-13",
    "9" * 39,
    "NaN",
    True,
    [],
    [None],
    {},
    {"a": 1},
    "x" * 30_000,
    "9999-12-31",
    "0001-01-01",
    "2026-02-30T25:00:00Z",
    str(uuid7()),
    "ÅÄÖ 漢字 😀 \u202e '; --",
)
HOSTILE_TEXT = ("", "\x00", "-1", "9" * 50, "9999-12-31", "[] % 😀")


def mutations(body: Any) -> Iterator[Any]:
    """The body with one place after another replaced, left out or added to."""
    yield from HOSTILE
    if isinstance(body, dict):
        yield {**body, "surprise": 1}
        for key, value in body.items():
            yield {name: part for name, part in body.items() if name != key}
            for changed in mutations(value):
                yield {**body, key: changed}
    elif isinstance(body, list):
        yield body * 2
        for index, value in enumerate(body):
            for changed in mutations(value):
                yield [*body[:index], changed, *body[index + 1 :]]


@pytest.fixture
def calls_to_make(api: Api, inside: Any, platform: Any, calls: Any) -> dict[str, Any]:
    return good_calls(api, inside, platform, calls)


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 13])
def test_no_body_makes_the_server_fail(api: Api, calls_to_make: dict[str, Any], every: int) -> None:
    api.client.raise_request_exception = False
    for call, good in calls_to_make.items():
        method, path = call.split()
        for body in [good, *islice(mutations(good), 0, None, every)]:
            with transaction.atomic():
                answer = api.call(method, path, body)
                transaction.set_rollback(True)
            assert answer.status_code < 500, (call, body)
            if answer.status_code >= 400:
                assert answer["Content-Type"] == "application/problem+json", (call, body)
                assert json.loads(answer.content)["detail"], (call, body)
            if body is good:
                assert answer.status_code in (200, 201, 202, 204, 409), answer.content.decode()


def test_no_query_makes_the_server_fail(api: Api) -> None:
    api.client.raise_request_exception = False
    schema = SchemaGenerator().get_schema(request=None, public=True)
    for path, methods in schema["paths"].items():
        if "get" not in methods:
            continue
        short = path.removeprefix("/api/v1/")
        for name in ("id", "prefix", "pk", "line", "signer"):
            short = short.replace(f"{{{name}}}", str(uuid7()))
        assert api.get(short.replace("{number}", "999999")).status_code < 500, path
        for parameter in methods["get"].get("parameters", []):
            paging = parameter["name"] in ("cursor", "page_size") and short != "customers"
            if parameter["in"] != "query" or paging:
                continue
            for text in HOSTILE_TEXT:
                answer = api.get(short, {parameter["name"]: text})
                assert answer.status_code < 500, (path, parameter["name"], text)


def test_every_unsafe_call_of_the_schema_is_tried(calls_to_make: dict[str, Any]) -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    tried = {(call.split()[0], _shape(call.split()[1])) for call in calls_to_make}
    elsewhere = ("usage-events", "meters", "integrations", "api-keys", "jobs", "mail")
    declared = {
        (method, _shape(path.removeprefix("/api/v1/")))
        for path, methods in schema["paths"].items()
        for method in methods
        if method != "get" and not path.removeprefix("/api/v1/").startswith(elsewhere)
    }
    assert declared <= tried


def _shape(path: str) -> str:
    return "/".join(
        "*" if "{" in part or len(part) == 36 or part in {*KINDS, "invoice"} else part
        for part in path.split("/")
    )
