"""Pages for what went wrong: in our words, on a phone too, and not in the framework's."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from tests.factories import make_member, make_tenant

pytestmark = pytest.mark.django_db


def broken(request: Any) -> HttpResponse:
    raise RuntimeError("on purpose")


def cut(request: Any) -> HttpResponse:
    from django.core.exceptions import BadRequest

    raise BadRequest("half a body")


urlpatterns = [path("broken", broken), path("cut", cut)]


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/broken", 500, "Something broke"),
        ("/cut", 400, "This did not arrive whole"),
        ("/no", 404, "Nothing here"),
    ],
)
@pytest.mark.urls("tests.integration.settings.test_problem_pages")
def test_says_what_happened_and_where_to_go(address: str, status: int, words: str) -> None:
    answer = Client(raise_request_exception=False).get(address)
    body = answer.content.decode()
    assert answer.status_code == status
    assert words in body
    assert 'name="viewport"' in body
    assert '<a href="/">' in body


def test_a_form_of_an_old_page_says_that_nothing_was_done() -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_member(make_tenant("Northwind")))
    answer = strict.post("/customers/new", {})
    assert answer.status_code == 403
    assert "This page is too old" in answer.content.decode()
