"""The quote builder in a real browser, and the signing page in one without scripts."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from billing.services.taxing import set_tax_rate
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from quotes.models import OrderForm
from tests.factories import make_member
from tests.integration.quotes.conftest import make_catalog, make_quote
from tests.integration.quotes.test_currency import euro_prices, gmbh

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def seller(make_tenant: Callable[..., Any]) -> Any:
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id, actor="test"):
        make_catalog()
    return tenant


def press(page: Any, name: str) -> None:
    """Press a button of the builder and wait until both sides came back."""
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button", name=name, exact=True).first.click()
    page.locator(".htmx-request").first.wait_for(state="detached")


def type_into(page: Any, field: str, value: str) -> None:
    """Type into a field and wait until the document on the right followed."""
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.locator(f"#id_{field}").fill(value)
    page.locator(".htmx-request").first.wait_for(state="detached")


def add(page: Any, product: str) -> None:
    page.locator("#id_phases-0-add").select_option(label=f"{product} list")
    press(page, "Add")
    page.locator("fieldset.line", has_text=f"{product} list").first.wait_for()


def test_a_three_phase_quote_is_built_live_and_signed_without_scripts(
    seller: Any, sign_in: Callable[..., Any], open_page: Callable[..., Any]
) -> None:
    with tenant_context(seller.id, actor="test"):
        quote = make_quote("Three phases")
    page = sign_in(make_member(seller, "revops"))
    page.goto(f"/quotes/{quote.id}/edit/")

    add(page, "Platform")
    add(page, "Seats")
    type_into(page, "phases-0-lines-1-quantity", "20")
    preview = page.locator("#preview")
    # Twelve months of 500 and of 20 seats at 60.
    preview.get_by_text("$20,400.00").first.wait_for()
    type_into(page, "phases-0-lines-1-unit_price", "50")
    preview.get_by_text("$18,000.00").first.wait_for()
    type_into(page, "phases-0-name", "Year 1")
    press(page, "Copy")
    type_into(page, "phases-1-name", "Year 2")
    type_into(page, "phases-1-lines-0-amount", "600")
    press(page, "Add free trial in front")

    # A free month, 18,000, and 12 x (600 + 1,000) = 19,200.
    preview.get_by_text("$37,200.00").first.wait_for()
    assert page.locator("#timeline .timeline > div").count() == 3
    expect(page.locator("#id_phases-0-name")).to_be_focused()
    page.get_by_role("button", name=re.compile("Send for signature")).click()
    page.wait_for_url("**/send/")
    page.get_by_role("button", name="Send to ann@example.com").click()
    page.locator("#signing-link").wait_for()
    address = page.locator("#signing-link").inner_text()

    sign(open_page(java_script_enabled=False, viewport={"width": 390, "height": 800}), address)
    page.reload()
    page.get_by_text("Order form signed").wait_for()
    with tenant_context(seller.id, actor="test"):
        form = OrderForm.objects.get()
        assert [phase["name"] for phase in form.terms["phases"]] == ["Trial", "Year 1", "Year 2"]
        assert form.version.total_contract_value == 37200
        assert OutgoingMail.objects.filter(subject__startswith="Signed").exists()


def test_what_is_typed_last_goes_along_when_it_is_sent_at_once(
    seller: Any, sign_in: Callable[..., Any]
) -> None:
    with tenant_context(seller.id, actor="test"):
        quote = make_quote("At once")
    page = sign_in(make_member(seller, "revops"))
    questions: list[str] = []

    def note(dialog: Any) -> None:
        questions.append(dialog.type)
        dialog.accept()

    page.on("dialog", note)
    page.goto(f"/quotes/{quote.id}/edit/")
    add(page, "Platform")

    page.locator("#id_phases-0-lines-0-amount").fill("5000")  # a month
    page.get_by_role("button", name=re.compile("Send for signature")).click()

    page.wait_for_url("**/send/")
    page.get_by_text("$60,000.00").first.wait_for()
    page.wait_for_load_state("networkidle")
    assert questions == []


def test_the_keyboard_builds_undoes_and_redoes(seller: Any, sign_in: Callable[..., Any]) -> None:
    with tenant_context(seller.id, actor="test"):
        quote = make_quote("By keyboard")
    page = sign_in(make_member(seller, "revops"))
    page.goto(f"/quotes/{quote.id}/edit/")

    def hit(keys: str) -> None:
        """Press keys and wait until the button they stand for was answered."""
        with page.expect_response(lambda answer: "do=" in (answer.request.post_data or "")):
            page.keyboard.press(keys)
        page.locator(".htmx-request").first.wait_for(state="detached")

    page.keyboard.press("?")
    page.locator("dialog#keys[open]").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+l")
    expect(page.locator("#id_phases-0-add")).to_be_focused()
    page.locator("#id_phases-0-add").select_option(label="Platform list")
    hit("Enter")
    expect(page.locator("#id_phases-0-lines-0-amount")).to_have_value("500")
    hit("Alt+c")
    expect(page.locator("#id_phases-0-lines-1-amount")).to_have_value("500")
    type_into(page, "phases-0-lines-1-amount", "700")
    hit("Alt+ArrowUp")
    expect(page.locator("#id_phases-0-lines-0-amount")).to_have_value("700")

    hit("Control+z")
    expect(page.locator("#id_phases-0-lines-0-amount")).to_have_value("500")
    hit("Control+z")
    expect(page.locator("#id_phases-0-lines-1-amount")).to_have_value("500")
    page.reload()
    page.locator("#id_title").focus()
    hit("Control+Shift+Z")
    expect(page.locator("#id_phases-0-lines-1-amount")).to_have_value("700")
    page.locator("#id_phases-0-lines-1-amount").focus()
    hit("Alt+Delete")
    expect(page.locator("#id_phases-0-lines-1-amount")).to_have_count(0)
    # What was chosen and cannot be saved, as no price is in it, goes back by the same keys.
    page.locator("#id_currency").select_option("EUR")
    expect(page.locator("#id_phases-0-lines-0-amount")).to_have_value("500 USD")
    page.locator("#id_currency").focus()
    hit("Control+z")
    expect(page.locator("#id_currency")).to_have_value("USD")
    expect(page.locator("#id_phases-0-lines-0-amount")).to_have_value("500")
    hit("Alt+p")
    expect(page.locator("#id_phases-1-name")).to_be_focused()


def test_seller_and_currency_are_chosen_and_a_line_goes_to_another_phase(
    seller: Any, sign_in: Callable[..., Any]
) -> None:
    with tenant_context(seller.id, actor="test"):
        euro_prices()
        set_tax_rate(
            legal_entity_id=gmbh().id,
            category="standard",
            country="",
            treatment="taxable",
            name="VAT",
            percent=Decimal(19),
            now=timezone.now(),
        )
        quote = make_quote("Chosen")
    page = sign_in(make_member(seller, "revops"))
    page.goto(f"/quotes/{quote.id}/edit/")
    preview, said = page.locator("#preview"), page.locator("#said")

    def choose(field: str, label: str) -> None:
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            page.locator(f"#id_{field}").select_option(label=label)
        page.locator(".htmx-request").first.wait_for(state="detached")

    def hit(keys: str) -> None:
        with page.expect_response(lambda answer: "do=" in (answer.request.post_data or "")):
            page.keyboard.press(keys)
        page.locator(".htmx-request").first.wait_for(state="detached")

    add(page, "Platform")
    add(page, "Seats")
    type_into(page, "phases-0-lines-1-quantity", "10")
    choose("currency", "EUR · Euro")
    expect(said).to_contain_text("At their list price in EUR: Platform, Seats.")
    expect(page.locator("#id_phases-0-lines-0-amount")).to_have_value("450")
    expect(page.locator("#id_phases-0-lines-1-quantity")).to_have_value("10")
    # Twelve months of 450 and of ten seats at 55.
    preview.get_by_text("€12,000.00").first.wait_for()
    choose("legal_entity", "Northwind GmbH")
    # The first month: 19% of 1,000.
    expect(preview).to_contain_text("VAT 19%, added to the prices")
    preview.locator("tr", has_text="with tax, estimated").get_by_text("€1,190.00").wait_for()

    press(page, "Copy")
    line = page.locator('[data-line="0:1"]')
    line.get_by_label("To another phase").click()
    press(page, "Move to phase 2: Term (copy)")
    moved = page.locator("#id_phases-1-lines-2-quantity")
    expect(moved).to_have_value("10")
    expect(page.locator("#id_phases-0-lines-1-quantity")).to_have_count(0)
    moved.focus()
    hit("Alt+Shift+ArrowUp")
    expect(page.locator("#id_phases-0-lines-1-quantity")).to_have_value("10")
    expect(page.locator("#id_phases-0-lines-1-description")).to_be_focused()
    hit("Alt+Shift+c")
    expect(page.locator("#id_phases-1-lines-2-quantity")).to_have_value("10")
    hit("Control+z")
    hit("Control+z")
    expect(page.locator("#id_phases-1-lines-2-quantity")).to_have_value("10")
    expect(page.locator("#id_phases-0-lines-1-quantity")).to_have_count(0)
    for _ in range(4):
        hit("Control+z")
    expect(page.locator("#id_currency")).to_have_value("USD")
    preview.get_by_text("$13,200.00").first.wait_for()
    page.wait_for_load_state("networkidle")  # the revenue beside it is asked for last


def sign(page: Any, address: str) -> None:
    """Read, tick the box, sign and keep the copy: on a phone, without scripts or an account."""
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_label("Your title").fill("CFO")
    page.get_by_label("I have read this order form").check()
    page.get_by_role("button", name="Sign this order form").click()
    page.get_by_text("The signed copy is on its way").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the signed copy").click()
    assert download.value.suggested_filename.endswith("signed.pdf")
