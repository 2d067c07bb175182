"""What is long, wide or printed: names wrap, amounts stay in sight, paper is white."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from billing.domain.manual_lines import ManualEntry
from billing.services.drafts import create_one_off
from monetization.customers.models import Customer
from monetization.tenancy.context import tenant_context
from tests.factories import make_member
from tests.factories_billing import make_customer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


def test_a_long_name_wraps_and_the_amounts_stay_in_sight(
    make_tenant: Callable[..., Any], sign_in: Callable[[Any], Any]
) -> None:
    company = make_tenant("Northwind Software")
    with tenant_context(company.id, actor="test"):
        customer = make_customer()
        Customer.objects.update(name=LONG, legal_name=LONG)
        invoice = create_one_off(
            customer_id=customer.id,
            bill_on=date(2026, 11, 1),
            entries=[ManualEntry(LONG, amount=Decimal("9999999.99"))],
            now=timezone.now(),
        )
    page = sign_in(make_member(company, "finance"))
    page.goto(f"/billing/invoices/{invoice.id}/")
    lines = page.locator(".paper .scroll")
    assert lines.evaluate("each => each.scrollWidth <= each.clientWidth")

    page.set_viewport_size({"width": 390, "height": 800})
    for address in (page.url, f"/customers/{customer.id}", "/billing/invoices/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("USD", "123456789012.34"), ("JPY", "123456789012"), ("KWD", "123456789012.345")],
)
def test_twelve_digits_fit_the_paper(
    make_tenant: Callable[..., Any], sign_in: Callable[[Any], Any], currency: str, amount: str
) -> None:
    company = make_tenant("Northwind Software")
    with tenant_context(company.id, actor="test"):
        invoice = create_one_off(
            customer_id=make_customer(currency=currency).id,
            bill_on=date(2026, 11, 1),
            entries=[
                ManualEntry(LONG, amount=Decimal(amount)),
                ManualEntry(
                    "Help", quantity=Decimal("98765432.5"), unit_price=Decimal("1234.56789")
                ),
            ],
            now=timezone.now(),
        )
    page = sign_in(make_member(company, "finance"))
    page.set_viewport_size({"width": 1280, "height": 860})
    page.goto(f"/billing/invoices/{invoice.id}/")

    lines = page.locator(".paper .scroll")
    assert lines.evaluate("each => each.scrollWidth <= each.clientWidth")
    page.get_by_text("98,765,432.5 × ").wait_for()


def test_on_a_phone_the_current_tab_is_in_sight(
    make_tenant: Callable[..., Any], sign_in: Callable[[Any], Any]
) -> None:
    page = sign_in(make_member(make_tenant("Northwind Software"), "finance"))
    page.set_viewport_size(PHONE)
    for address in ("/usage/health", "/revenue/months/"):
        page.goto(address)
        tab = page.locator(".tabs [aria-current]").bounding_box()
        assert tab["x"] >= 0, address
        assert tab["x"] + tab["width"] <= PHONE["width"], address


def test_what_is_printed_from_the_dark_is_dark_on_white(
    make_tenant: Callable[..., Any], sign_in: Callable[[Any], Any]
) -> None:
    page = sign_in(make_member(make_tenant("Northwind Software"), "finance"))
    page.emulate_media(color_scheme="dark")
    page.goto("/revenue/months/")
    ink = "getComputedStyle(document.querySelector('.subtitle')).color"
    on_screen = page.evaluate(ink)
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = {ink}; }})")

    page.pdf()

    assert page.evaluate("window.printed") == "rgb(93, 107, 130)"
    assert page.evaluate(ink) == on_screen != "rgb(93, 107, 130)"
