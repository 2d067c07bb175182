"""A company, and clients that act with some of its permissions."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from monetization.tenancy.context import tenant_context
from monetization.users.permissions import SCOPES
from tests.factories import make_api_key, make_member


class Api:
    """Calls the API as one key, or as one signed-in member."""

    def __init__(self, tenant: Any, *scopes: str, role: str = "") -> None:
        self.tenant, self.client = tenant, Client()
        self.headers: dict[str, str] = {}
        if role:
            self.client.force_login(
                make_member(tenant, role),
                backend="django.contrib.auth.backends.ModelBackend",
            )
        else:
            key = make_api_key(tenant, *(scopes or SCOPES))
            self.headers = {"Authorization": f"Bearer {key}"}

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {} if body is None else {"data": json.dumps(body)}
        return getattr(self.client, method)(
            f"/api/v1/{path}",
            **sent,
            content_type="application/json",
            headers={**self.headers, **headers},
        )

    def get(self, path: str, query: Any = None) -> Any:
        return self.client.get(f"/api/v1/{path}", query_params=query, headers=self.headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("post", path, body, **headers)

    def made(self, path: str, body: Any = None, *, method: str = "post", status: int = 201) -> Any:
        """Make something and return it; anything else is a failure that shows the answer."""
        answer = self.call(method, path, body)
        assert answer.status_code == status, answer.content.decode()
        return answer.json()


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def api(company: Any) -> Api:
    return Api(company)


@pytest.fixture
def inside(company: Any) -> Callable[[], Any]:
    """Bind the company, as a task would, to look behind the API."""
    return lambda: tenant_context(company.id, actor="test")


@pytest.fixture
def customer(api: Api) -> Any:
    return api.made("customers", {"name": "Acme", "currency": "USD"})


def fields_of(answer: Any) -> set[str]:
    """The fields a 422 names."""
    assert answer.status_code == 422, answer.content.decode()
    assert answer["Content-Type"] == "application/problem+json"
    return {error["field"] for error in answer.json()["errors"]}


PLATFORM = {"model": "flat", "amount": "500"}
CALLS = {
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0.10"}, {"up_to": None, "unit_price": "0.08"}],
}


@pytest.fixture
def platform(api: Api) -> Any:
    """A monthly platform fee of 500.00 with its published list price."""
    product = api.made("products", {"code": "platform", "name": "Platform", "kind": "fixed"})
    return api.made(
        "prices",
        {
            "product": product["id"],
            "code": "platform-usd",
            "name": "Platform",
            "currency": "USD",
            "frequency": "monthly",
            "model": PLATFORM,
        },
    )


@pytest.fixture
def calls(api: Api) -> Any:
    """API calls at 0.10 up to 1,000 a month and 0.08 beyond, measured by a meter."""
    meter = api.made(
        "meters",
        {
            "key": "calls",
            "name": "API calls",
            "event_type": "api",
            "aggregation": "sum",
            "value_property": "calls",
        },
    )
    product = api.made("products", {"code": "calls", "name": "API calls", "kind": "usage"})
    return api.made(
        "prices",
        {
            "product": product["id"],
            "code": "calls-usd",
            "name": "API calls",
            "currency": "USD",
            "frequency": "monthly",
            "meter": meter["id"],
            "model": CALLS,
        },
    )


def line_of(price: Any, **changes: Any) -> dict[str, Any]:
    """A quote line that starts from a list price."""
    return {
        "product": price["product_code"],
        "price_version": price["versions"][0]["id"],
        **changes,
    }
