"""A company with a catalog, its people in the browser, and a draft to work on."""

from collections.abc import Callable, Iterator
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from metering.services import create_meter
from monetization.catalog.services import create_price, create_product
from monetization.customers.models import BillingContact
from monetization.tenancy.context import tenant_context
from quotes import services
from quotes.models import Quote
from tests.factories import make_member
from tests.factories_billing import make_customer

TIERS = [
    {"up_to": "1000", "unit_price": "0.10", "flat_fee": "0"},
    {"up_to": None, "unit_price": "0.08", "flat_fee": "0"},
]


def make_catalog() -> None:
    """Platform 500 a month, seats 60 each, calls by tier, set-up 1,000 once, all in dollars."""
    now = timezone.now()
    meter = create_meter(
        key="calls",
        name="Calls",
        unit="calls",
        event_type="call",
        aggregation="count",
        value_property="",
        now=now,
    )
    for code, kind, frequency, model in (
        ("platform", "fixed", "monthly", {"model": "flat", "amount": "500"}),
        ("seats", "seat", "monthly", {"model": "per_unit", "unit_price": "60"}),
        ("calls", "usage", "monthly", {"model": "graduated", "tiers": TIERS}),
        ("setup", "fixed", "one_time", {"model": "flat", "amount": "1000"}),
    ):
        product = create_product(
            code=code,
            name=code.title(),
            kind=kind,
            recognition="point_in_time" if code == "setup" else "",
        )
        create_price(
            product_id=product.id,
            code=f"{code}-usd",
            name=f"{code.title()} list",
            currency="USD",
            frequency=frequency,
            timing="in_advance",
            model=model,
            meter_id=meter.id if kind == "usage" else None,
            now=now,
        )


@pytest.fixture(autouse=True)
def _no_limits_left_over() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id, actor="test"):
        make_catalog()
    return tenant


@pytest.fixture
def inside(company: Any) -> Callable[[], Any]:
    """Bind the company, as a task would, to look behind the pages."""
    return lambda: tenant_context(company.id, actor="test")


def browser(tenant: Any, role: str = "revops") -> Client:
    client = Client()
    client.force_login(
        make_member(tenant, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


@pytest.fixture
def revops(company: Any) -> Client:
    return browser(company)


def make_quote(title: str = "Platform deal", customer: Any = None) -> Quote:
    """A quote whose customer has a contact to sign, with an empty year."""
    customer = customer or make_customer()
    if not customer.contacts.exists():
        BillingContact.objects.create(
            customer=customer, name="Ann Lee", email="ann@example.com", is_primary=True
        )
    return services.create_quote(
        customer_id=customer.id, title=title, start_on=date(2027, 1, 1), now=timezone.now()
    )


@pytest.fixture
def quote(inside: Callable[[], Any]) -> Quote:
    with inside():
        return make_quote()


class _Form(HTMLParser):
    """Collects what a browser would post from the form with an id."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.fields: dict[str, Any] = {}
        self._inside = False
        self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        a = dict(attrs)
        if tag == "form":
            self._inside = a.get("id", "") == self.form_id
        if not self._inside:
            return
        name = a.get("name", "")
        if tag == "input" and name and (a.get("type") != "checkbox" or "checked" in a):
            self.fields[name] = a.get("value") or ("on" if a.get("type") == "checkbox" else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in a or self._select not in self.fields:
                self.fields[self._select] = a.get("value", "")
        elif tag == "textarea":
            self._area = name
            self.fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area] += data.removeprefix("\n")


def fields_of(response: Any, form_id: str = "builder") -> dict[str, str]:
    """Return what the form on a page would post, as a browser without scripts does."""
    parser = _Form(form_id)
    parser.feed(response.content.decode())
    parser.fields.pop("csrfmiddlewaretoken", None)
    return parser.fields
