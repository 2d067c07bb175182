"""Every page of the product, whatever is sent to it: never a 500, and walls that hold.

The pages are those of the resolver, so a new one is tried the day it has an address. What can be
sent to it are the fields of its forms and the names its module reads from a request.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import Resolver404, resolve

from monetization.users.permissions import permissions_of
from tests import quick_pdf
from tests.factories import make_member, make_tenant
from tests.integration.pages.company import BACKEND, Addresses, Company, pages
from tests.integration.pages.forms import Form, Forms

ODD = (
    "\x00",
    "9999-12-31",
    "nonsense",
    "9" * 40,
    "",
    "-1",
    "9999-12",
    "1e400",
    "0001-01-01",
    "NaN",
    "2026-13",
    "\N{ARABIC-INDIC DIGIT THREE}",
    "0.1234567890123456",
    "01a20379-7c5d-7000-8cd7-92035195bf2f",
    "x" * 5000,
    "<b id=odd>\N{RIGHT-TO-LEFT OVERRIDE}\"'😀",
)
WORST = 4  # how many of them are tried everywhere, in turn, in quick runs too
BY_TOKEN = ("signing:", "dropbox_sign:", "pay")  # open to whoever has the link
READ = re.compile(r'(?:GET|POST)(?:\.get|\.getlist|\[)?[(\[]"([\w-]+)"|read_\w+\(\w+, "([\w-]+)"')
CLOSED = (302, 403, 405)


@pytest.fixture
def company(db: None, settings: Any, tmp_path: Any, monkeypatch: Any) -> Iterator[Company]:
    settings.VAR_DIR = tmp_path
    cache.clear()
    for module in ("quotes.web.signing", "integrations.web.payment_page"):
        monkeypatch.setattr(f"{module}.is_too_fast", lambda request: False)
    monkeypatch.setattr(quick_pdf, "_is_real", False)
    made = Company(make_tenant("Northwind Software"))
    made.fill()
    yield made
    cache.clear()


def everything(company: Company) -> dict[str, tuple[Any, list[str]]]:
    """Every page with addresses of it; a page without one is a hole in the company."""
    with company.inside():
        addresses = Addresses(company)
        found = {name: (page.callback, addresses.of(name, page)) for name, page in pages()}
    assert not [name for name, (_, some) in found.items() if not some]
    return found


def signed_in(tenant: Any, role: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_member(tenant, role), backend=BACKEND)
    return client


def send(client: Client, method: str, path: str, data: Any = None) -> Any:
    """Send and take back whatever it did."""
    with transaction.atomic():
        sent = {"query_params": data} if method == "get" else {"data": data}
        answer = getattr(client, method)(path, **sent)
        answer.body = b"".join(answer) if answer.streaming else answer.content
        transaction.set_rollback(True)
    return answer


def test_walls_hold_around_every_page(company: Company) -> None:
    nobody, stranger = Client(), signed_in(make_tenant("Elsewhere"), "owner")
    roles = {role: signed_in(company.tenant, role) for role in ("revops", "engineer", "auditor")}
    for name, (view, addresses) in everything(company).items():
        if name.startswith(BY_TOKEN) or not hasattr(view, "required_permission"):
            assert name.startswith(BY_TOKEN) or name == "usage/<path:rest>/", name
            continue
        path = addresses[0]
        has_id = resolve(path).kwargs.keys() - {"kind", "month"}
        for method in ("get", "post"):
            assert send(nobody, method, path).status_code in CLOSED, (name, method)
            answer = send(stranger, method, path)
            assert b"Northwind" not in answer.body, (name, method)
            if has_id:
                assert answer.status_code in (404, 405), (name, method)
            for role, client in roles.items():
                if view.required_permission not in permissions_of(role):
                    assert send(client, method, path).status_code in (403, 405), (name, role)


@pytest.mark.parametrize("is_thorough", [pytest.param(True, marks=pytest.mark.slow), False])
def test_nothing_odd_makes_a_page_fail(company: Company, is_thorough: bool) -> None:
    client = company.clients["owner"]
    client.raise_request_exception = False
    for turn, (method, path, data) in enumerate(list(attempts(client, everything(company)))):
        bents = [dict.fromkeys(data, ODD[turn % WORST])]
        if is_thorough:
            every = [bent for place, odd in enumerate(ODD) for bent in bend(data, place, odd)]
            bents += every[turn % 5 :: 5]
        for bent in bents:
            answer = send(client, method, path, bent)
            assert answer.status_code < 500, (method, path, bent, fault(answer))
            assert b"<b id=odd>" not in answer.body, (method, path, bent)


def attempts(
    client: Client, found: dict[str, tuple[Any, list[str]]]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What can be sent where: a page's filters, its forms, and what its module reads."""
    forms: dict[Any, Form] = {}
    for name, (view, addresses) in found.items():
        reads = dict.fromkeys((*names_read(view), "page", "sort"), "")
        shown = [(path, send(client, "get", path)) for path in addresses[:2]]
        if shown[0][1].status_code == 405:
            forms[name, None] = Form(addresses[0], {"method": "post"})
            forms[name, None].data = {field: [""] for field in reads}
            continue
        yield "get", addresses[0], reads
        for path, answer in shown:
            if "html" in answer["Content-Type"]:
                for form in Forms(path, answer.content.decode()).found:
                    forms.setdefault((route_of(form), frozenset(form.data)), form)
    for form in forms.values():
        if route_of(form) and not route_of(form).startswith("account"):
            yield form.method, form.to, form.data


def bend(data: dict[str, Any], place: int, odd: str) -> Iterator[dict[str, Any]]:
    """The data with one field odd, each field in its turn, and with all of them odd."""
    names = list(data)
    for index in range(place % 4, len(names), 4):
        yield {**data, names[index]: odd}
    yield dict.fromkeys(data, odd)


def names_read(view: Any) -> list[str]:
    source = inspect.getsource(sys.modules[inspect.unwrap(view).__module__])
    return sorted({one or other for one, other in READ.findall(source)})


def route_of(form: Form) -> str:
    try:
        return resolve(form.to.partition("?")[0]).view_name
    except Resolver404:
        return ""


def fault(answer: Any) -> str:
    return repr(answer.exc_info[1]) if getattr(answer, "exc_info", None) else ""
