"""Every page can be named, reached by keyboard and read, in the light and in the dark theme."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLResolver

from monetization.tenancy.context import tenant_context
from tests.factories import make_member
from tests.integration.quotes.conftest import make_catalog, make_quote
from tests.integration.quotes.test_web_quotes import priced

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

CHECK = (Path(__file__).parent / "accessibility.js").read_text()
ELSEWHERE = ("api/", "admin/", "accounts/", "sign/", "callbacks/", "compat/")


def plain_routes(patterns: Any, prefix: str = "") -> Iterator[str]:
    """Return every route without a parameter."""
    for one in patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from plain_routes(one.url_patterns, route)
        elif "<" not in route and not route.startswith(ELSEWHERE) and "^" not in route:
            yield f"/{route}"


def whole_pages(client: Client, paths: Iterator[str]) -> list[str]:
    """Return those that answer with a page, not with a part, a file or a redirect."""
    found = []
    for path in paths:
        answer = client.get(path)
        is_html = answer.get("Content-Type", "").startswith("text/html")
        if answer.status_code == 200 and is_html and b"<html" in answer.content[:300]:
            found.append(path)
    return found


def problems_on(page: Any, path: str) -> list[str]:
    page.emulate_media(reduced_motion="reduce")  # a color on its way to another is neither
    page.goto(path)
    found = []
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.bsTheme = theme }", theme)
        found += [f"{path} ({theme}) {rule}: {where}" for rule, where in page.evaluate(CHECK)]
    return found


def test_every_page_can_be_named_reached_and_read(
    make_tenant: Callable[..., Any], sign_in: Callable[..., Any]
) -> None:
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id, actor="test"):
        make_catalog()
        quote = make_quote("Two years")
        priced(quote)
        customer_id = quote.customer_id
    owner = make_member(tenant, "owner")
    client = Client()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    paths = whole_pages(client, plain_routes(get_resolver().url_patterns))
    assert len(paths) > 30
    page = sign_in(owner)

    problems = []
    for path in (
        *paths,
        f"/quotes/{quote.id}/",
        f"/quotes/{quote.id}/edit/",
        f"/quotes/{quote.id}/send/",
        f"/customers/{customer_id}",
    ):
        problems += problems_on(page, path)

    assert not problems, "\n".join(problems)


def test_signing_in_and_signing_can_be_named_reached_and_read(
    make_tenant: Callable[..., Any], open_page: Callable[..., Any]
) -> None:
    from django.utils import timezone

    from quotes.services import send_version

    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id, actor="test"):
        make_catalog()
        quote = make_quote("Two years")
        address = send_version(version_id=priced(quote).id, now=timezone.now())
    page = open_page(viewport={"width": 390, "height": 844})

    problems = [
        *problems_on(page, "/accounts/login/"),
        *problems_on(page, "/accounts/password/reset/"),
        *problems_on(page, f"/sign/{address.rpartition('/')[2]}"),
    ]

    assert not problems, "\n".join(problems)
