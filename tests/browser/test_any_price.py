"""A price by property, from the catalog to the explained invoice, in a real browser."""

import json
import os
import re
import urllib.request
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from django.utils import timezone

from billing.models import InvoiceLine
from metering.services import create_meter
from monetization.catalog.services import create_product
from monetization.kernel.period import add_months
from monetization.tenancy.context import tenant_context
from quotes.services import create_quote
from tests.browser.test_quotes import press, sign, type_into
from tests.factories import make_api_key, make_member
from tests.factories_billing import make_customer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def seller(make_tenant: Callable[..., Any]) -> Any:
    """A company that sells tokens, measured, without a price yet; a customer with a signer."""
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id, actor="test"):
        create_meter(
            key="tokens",
            name="Tokens",
            unit="tokens",
            event_type="tokens",
            aggregation="sum",
            value_property="n",
            now=timezone.now(),
        )
        create_product(code="tokens", name="Tokens", kind="usage")
        customer = make_customer()
        customer.contacts.create(name="Ann Lee", email="ann@example.com", is_primary=True)
    return tenant


def shot(page: Any, name: str) -> None:
    """Keep a picture in light and dark where a folder is named for them."""
    folder = os.environ.get("BROWSER_SHOTS", "")
    for theme in ("light", "dark") if folder else ():
        page.evaluate(f"document.documentElement.dataset.bsTheme = '{theme}'")
        page.screenshot(path=f"{folder}/{name}-{theme}.png", full_page=True)


def pick(page: Any, selector: str, value: str, wanted: str) -> None:
    """Choose, and wait for the fields that the choice brings."""
    page.locator(selector).select_option(value)
    page.locator(wanted).first.wait_for()


def write_price(page: Any) -> None:
    """Large models 0.50 in the EU, 0.40 elsewhere; others 0.10; the first 100 are included."""
    page.goto("/catalog/")
    page.get_by_role("link", name="Tokens", exact=True).click()
    page.get_by_role("link", name="Add price").click()
    page.locator("#id_name").fill("Tokens by model")
    page.locator("#id_currency").fill("USD")
    page.locator("#id_meter").select_option(label="Tokens")
    pick(page, "#id_model", "matrix", "#id_dimensions")
    page.locator("#id_dimensions").fill("model, region")
    page.locator("#id_dimensions").blur()
    page.locator("#id_tiers-0-value_1").wait_for()
    page.get_by_role("button", name="Add row").focus()
    page.keyboard.press("Enter")
    page.locator("#id_tiers-1-value_0").wait_for()
    for field, value in {
        "tiers-0-value_0": "large",
        "tiers-0-value_1": "eu",
        "tiers-0-unit_price": "0.50",
        "tiers-1-value_0": "large",
        "tiers-1-unit_price": "0.40",
        "default_unit_price": "0.10",
    }.items():
        page.locator(f"#id_{field}").fill(value)
    page.locator("details.more summary").click()
    page.locator("#id_cap_amount").fill("1000")
    shot(page, "price-form-matrix")
    page.locator("main form .btn-primary").last.click()
    page.get_by_text("Tokens by model is added").wait_for()
    page.locator("#id_quantity").fill("10")
    page.get_by_text("$5.00").first.wait_for()
    shot(page, "price-matrix")
    page.goto(page.url + "?property-1=–&quantity=10")
    page.locator("#calculation").get_by_text("$4.00").first.wait_for()


def send_quote(page: Any, seller: Any, start: date) -> tuple[str, str]:
    """Put the list price on a quote and send it; return the quote's and the signer's address."""
    with tenant_context(seller.id, actor="test"):
        from monetization.customers.models import Customer

        quote = create_quote(
            customer_id=Customer.objects.get().id,
            title="Tokens",
            start_on=start,
            now=timezone.now(),
        )
    page.goto(f"/quotes/{quote.id}/edit/")
    page.locator("#id_phases-0-add").select_option(label="Tokens by model")
    press(page, "Add")
    page.locator("fieldset.line", has_text="Tokens by model").first.wait_for()
    type_into(page, "phases-0-lines-0-tiers-1-unit_price", "0.45")
    page.locator("#preview").get_by_text("$0.45 each").first.wait_for()
    shot(page, "builder-matrix")
    page.get_by_role("button", name=re.compile("Send for signature")).click()
    page.wait_for_url("**/send/")
    page.get_by_role("button", name="Send to ann@example.com").click()
    page.locator("#signing-link").wait_for()
    return page.url, page.locator("#signing-link").inner_text()


def post_usage(site: str, key: str, month: date) -> None:
    rows = [("large", "eu", "100"), ("large", "us", "200"), ("small", "eu", "50")]
    events = [
        {
            "id": f"tokens-{number}",
            "type": "tokens",
            "customer": "acme",
            "time": datetime.combine(month, time(9 + number), tzinfo=UTC).isoformat(),
            "data": {"n": units, "model": model, "region": region},
        }
        for number, (model, region, units) in enumerate(rows)
    ]
    request = urllib.request.Request(  # noqa: S310 - our own live server
        f"{site}/api/v1/usage-events",
        data=json.dumps(events).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert json.load(answer)["counts"] == {"created": 3}


def test_a_matrix_goes_from_the_catalog_to_an_explained_invoice(
    seller: Any, site: str, sign_in: Callable[..., Any], open_page: Callable[..., Any]
) -> None:
    start = add_months(timezone.now().date().replace(day=1), -1, anchor_day=1)
    page = sign_in(make_member(seller, "owner"))
    write_price(page)
    quote_url, address = send_quote(page, seller, start)
    sign(open_page(java_script_enabled=False, viewport={"width": 390, "height": 800}), address)

    page.goto(quote_url)
    page.get_by_role("button", name="Create billing schedule").click()
    page.get_by_text("Bills what was signed").wait_for()
    post_usage(site, make_api_key(seller, "usage:write"), start)
    page.get_by_role("button", name="Activate").click()
    page.get_by_text("Activated.").wait_for()

    # 100 x 0.50 + 200 x 0.45 as agreed + 50 x 0.10 = 145.00.
    page.goto(f"/billing/invoices/?month={add_months(start, 1, anchor_day=1):%Y-%m}")
    page.get_by_role("link", name="Acme").first.click()
    page.get_by_text("$145.00").first.wait_for()
    page.locator("tr", has_text="Tokens").get_by_role("link", name="Explain").first.click()
    page.get_by_text("the same to the cent").wait_for()
    for step in ("large, eu", "large", "Other"):
        page.get_by_role("cell", name=step, exact=True).first.wait_for()
    shot(page, "explain-matrix")
    with tenant_context(seller.id, actor="test"):
        line = InvoiceLine.objects.get(item_key="tokens", amount=145)
        assert [step["amount"] for step in line.explanation["steps"]] == ["50.00", "90.00", "5.00"]
