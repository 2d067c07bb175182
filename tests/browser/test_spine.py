"""One deal in a real browser: quote, signature, schedule, usage by API, invoice, revenue, Xero."""

import json
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from integrations.services import connect_xero
from integrations.tasks import push_due
from integrations.xero.simulator import Simulator, serve
from metering.services import create_meter
from monetization.catalog.services import create_price, create_product
from monetization.kernel.period import add_months
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key, make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def xero(tmp_path: Path, settings: Any) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path)
    server = serve(simulator, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings.XERO_API_URL = f"http://127.0.0.1:{server.server_port}"
    yield simulator
    server.shutdown()
    thread.join()
    server.server_close()
    simulator.close()


@pytest.fixture
def seller(make_tenant: Callable[..., Any], xero: Simulator) -> Any:
    """A company with a platform fee of 500 a month and calls at 0.10, then 0.08 beyond 1,000."""
    tenant = make_tenant("Northwind Software")
    now = timezone.now()
    with tenant_context(tenant.id):
        meter = create_meter(
            key="calls",
            name="API calls",
            unit="calls",
            event_type="api.called",
            aggregation="sum",
            value_property="calls",
            now=now,
        )
        platform = create_product(code="platform", name="Platform", kind="fixed")
        calls = create_product(code="calls", name="API calls", kind="usage")
        common: dict[str, Any] = {"currency": "USD", "frequency": "monthly", "now": now}
        create_price(
            product_id=platform.id,
            code="platform",
            name="Platform monthly",
            timing="in_advance",
            model={"model": "flat", "amount": "500"},
            **common,
        )
        tiers = [
            {"up_to": "1000", "unit_price": "0.10", "flat_fee": "0"},
            {"up_to": None, "unit_price": "0.08", "flat_fee": "0"},
        ]
        create_price(
            product_id=calls.id,
            code="calls",
            name="Calls graduated",
            timing="in_arrears",
            model={"model": "graduated", "tiers": tiers},
            meter_id=meter.id,
            **common,
        )
        connect_xero(now=now)
    return tenant


def post_usage(site: str, key: str, alias: str, month: date) -> dict[str, int]:
    """Send 1,500 calls of a month over REST, as an engineer does, and one of them twice."""
    events = [
        {
            "id": f"calls-{number}",
            "type": "api.called",
            "customer": alias,
            "time": datetime.combine(month, time(9 + number), tzinfo=UTC).isoformat(),
            "data": {"calls": "500"},
        }
        for number in range(3)
    ]
    request = urllib.request.Request(  # noqa: S310 - our own live server
        f"{site}/api/v1/usage-events",
        data=json.dumps([*events, events[0]]).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        counts: dict[str, int] = json.load(answer)["counts"]
    return counts


def test_a_deal_goes_from_quote_to_recognized_revenue(
    seller: Any, site: str, sign_in: Callable[..., Any], open_page: Callable[..., Any]
) -> None:
    start = add_months(timezone.now().date().replace(day=1), -2, anchor_day=1)
    page = sign_in(make_member(seller, "owner"))
    make_customer(page)
    quote_url = make_quote(page, start)
    sign(open_page, signing_address(seller))

    page.goto(quote_url)
    page.get_by_role("button", name="Create billing schedule").click()
    page.get_by_text("Bills what was signed").wait_for()
    key = make_api_key(seller, "usage:write")
    assert post_usage(site, key, "acme-prod", start) == {"created": 3, "duplicate": 1}
    page.get_by_role("button", name="Activate").click()
    page.get_by_text("Activated.").wait_for()

    # A month of platform, 500.00, and 1,000 x 0.10 + 500 x 0.08 = 140.00 of calls.
    second = add_months(start, 1, anchor_day=1)
    issue(page, f"{start:%Y-%m}", "$500.00")
    issue(page, f"{second:%Y-%m}", "$640.00")
    send_and_explain(page, f"{second:%Y-%m}")
    close_books(page, start)
    push_due()
    page.goto("/integrations/")
    page.get_by_text("NW-INV-000002").first.wait_for()
    assert page.get_by_text("Pushed").count() >= 3  # the contact and both invoices


def make_customer(page: Any) -> None:
    page.goto("/customers/")
    page.get_by_role("link", name="New customer").click()
    page.locator("#id_name").fill("Acme")
    page.locator("#id_currency").fill("USD")
    page.get_by_role("button", name="Add customer").click()
    page.get_by_text("Usage aliases").wait_for()
    page.get_by_text("Map an alias").click()
    page.locator("#id_alias").fill("acme-prod")
    page.get_by_role("button", name="Map alias").click()
    page.get_by_role("cell", name="acme-prod").wait_for()
    page.locator("#contacts summary").click()
    page.locator("#contacts input[name=name]").fill("Ann Lee")
    page.locator("#contacts input[name=email]").fill("ann@acme.example")
    page.get_by_role("button", name="Add contact").click()
    page.get_by_role("cell", name="ann@acme.example").wait_for()


def make_quote(page: Any, start: date) -> str:
    page.goto("/quotes/new/")
    page.locator("select[name=customer]").select_option(label="Acme")
    page.locator("input[name=title]").fill("Platform and calls")
    page.locator("input[name=start_on]").fill(start.isoformat())
    page.locator("main form button.btn-primary").first.click()
    page.wait_for_url("**/edit/")
    for product in ("Platform monthly", "Calls graduated"):
        page.locator("#id_phases-0-add").select_option(label=product)
        page.get_by_role("button", name="Add", exact=True).click()
        page.locator("fieldset.line", has_text=product).wait_for()
    page.locator(".saved").wait_for()
    assert page.get_by_text("$6,000.00").count()  # twelve months of platform
    page.get_by_role("button", name=re.compile("Send for signature")).click()
    page.wait_for_url("**/send/")
    page.locator("main form button.btn-primary").click()
    page.wait_for_url(re.compile(r"/quotes/[0-9a-f-]{36}/$"))
    return str(page.url)


def signing_address(seller: Any) -> str:
    with tenant_context(seller.id):
        mail = OutgoingMail.objects.get(to="ann@acme.example")
    found = re.search(r"/sign/\S+", mail.text)
    assert found is not None
    return found.group()


def sign(open_page: Callable[..., Any], address: str) -> None:
    """Sign as the customer does: no account, no scripts, on a phone."""
    page = open_page(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page.goto(address)
    page.locator("input[name=name]").fill("Ann Lee")
    page.locator("input[name=email]").fill("ann@acme.example")
    page.locator("input[name=consent]").check()
    page.get_by_role("button", name="Sign this order form").click()
    page.get_by_text("The signed copy is on its way").wait_for()


def in_bulk(page: Any, view: str, action: str, day: str = "") -> None:
    """Pick the row, choose the action, confirm, and watch the job end."""
    page.goto(view)
    page.get_by_label("Select Acme").check()
    page.locator(f".bulkbar button:has-text('{action}')").click()
    if day:
        page.get_by_label("Invoice date").fill(day)
    page.locator("main form button.btn-primary").click()
    page.get_by_text("1 of 1 done").wait_for()


def issue(page: Any, month: str, total: str) -> None:
    view = f"/billing/invoices/?month={month}"
    in_bulk(page, view, "Recalculate")
    assert page.get_by_text(total).count()
    in_bulk(page, view, "Issue", f"{month}-03")


def send_and_explain(page: Any, month: str) -> None:
    """Send from the grid; on the invoice, walk an amount down to its events."""
    view = f"/billing/invoices/?month={month}"
    in_bulk(page, view, "Send")
    page.goto(view)
    page.get_by_role("link", name="Acme").first.click()
    page.get_by_text("Accounts receivable").first.wait_for()
    page.locator("tr", has_text="API calls").get_by_role("link", name="Explain").click()
    page.get_by_text("the same to the cent").wait_for()
    page.get_by_text("calls-2").first.wait_for()
    address = page.get_by_role("link", name="PDF", exact=True).get_attribute("href")
    assert page.request.get(address).body().startswith(b"%PDF")
    page.goto("/outbox/")
    page.get_by_text("NW-INV-000002").first.wait_for()


def close_books(page: Any, month: date) -> None:
    """Recognize and close a month; what its usage earned is in the waterfall."""
    page.goto(f"/revenue/months/{month:%Y-%m}/")
    page.get_by_role("button", name=re.compile("^Recognize")).click()
    page.get_by_role("button", name=re.compile("^Close")).click()
    page.get_by_text("Closed").first.wait_for()
    page.goto(f"/revenue/?start={month:%Y-%m}")
    calls = page.locator("tr", has_text="API calls")
    calls.first.wait_for()
    assert "$140.00" in calls.first.inner_text()
    page.goto("/revenue/journal/")
    page.get_by_text("Revenue of").first.wait_for()
