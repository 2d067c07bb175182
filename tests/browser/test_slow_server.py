"""A slow or failing server in a real browser: what waits, what was pressed, what was typed."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from billing.domain.manual_lines import ManualEntry
from billing.services.drafts import create_one_off
from monetization.jobs.models import Job
from monetization.tenancy.context import tenant_context
from quotes.models import Quote
from tests.factories import make_member
from tests.factories_billing import make_customer
from tests.integration.quotes.conftest import make_catalog, make_quote

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ROWS = 130  # the page brings the first 50


class Server:
    """Holds back what a page asks for, or answers it with a fault, until told otherwise."""

    def __init__(self, page: Any, pattern: str) -> None:
        self.page, self.pattern = page, pattern
        self.held: list[Any] = []

    def hold(self) -> None:
        self.page.route(self.pattern, lambda route: self.held.append(route))

    def fail(self, status: int, **headers: str) -> None:
        self.page.route(
            self.pattern, lambda route: route.fulfill(status=status, headers=headers, body="")
        )

    def abort(self) -> None:
        self.page.route(self.pattern, lambda route: route.abort())

    def recover(self) -> None:
        for route in self.held:
            route.continue_()
        self.held.clear()
        self.page.unroute(self.pattern)


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def grid(company: Any, sign_in: Callable[[Any], Any]) -> Any:
    """Finance looks at 130 drafts."""
    now = timezone.now()
    with tenant_context(company.id, actor="test"):
        customer = make_customer()
        for n in range(ROWS):
            create_one_off(
                customer_id=customer.id,
                bill_on=(now - timedelta(days=n)).date(),
                entries=[ManualEntry(f"Help {n}", amount=Decimal(n + 1))],
                now=now,
            )
    page = sign_in(make_member(company, "finance"))
    page.goto("/billing/invoices/?sort=-bill_on")
    page.locator("[data-grid-ready] .tabulator-row").first.wait_for()
    return page


def scroll_to(page: Any, row: int) -> None:
    page.evaluate(f"document.querySelector('.tabulator-tableholder').scrollTop = {35 * row}")


def test_rows_on_their_way_are_drawn_in_outline_and_nothing_moves(grid: Any) -> None:
    server = Server(grid, "**/invoices/rows*")
    server.hold()
    scroll_to(grid, 60)

    expect(grid.locator("[data-grid-ready]")).to_have_attribute("aria-busy", "true")
    assert grid.locator(".tabulator-row .waits").count() > 10
    before = grid.locator("[data-grid-ready]").bounding_box()
    expect(grid.locator("#spoken")).to_have_text("Loading …", timeout=3000)
    server.recover()

    expect(grid.locator(".tabulator-row .waits")).to_have_count(0)
    expect(grid.locator("[data-grid-ready][aria-busy]")).to_have_count(0)
    assert grid.locator("[data-grid-ready]").bounding_box() == before
    assert grid.locator("#spoken").text_content() == ""


def test_rows_that_failed_say_so_and_come_when_asked_again(
    grid: Any, expected_faults: Callable[[], None]
) -> None:
    expected_faults()
    server = Server(grid, "**/invoices/rows*")
    server.fail(503, **{"Retry-After": "20"})
    scroll_to(grid, 60)
    told = grid.get_by_role("alert").filter(has_text="These rows could not be loaded.")
    expect(told).to_contain_text("The server is busy just now.")
    assert told.is_visible()
    assert grid.locator(".tabulator-row .waits").count() > 10

    server.recover()
    told.get_by_role("button", name="Try again").click()

    expect(grid.locator(".tabulator-row .waits")).to_have_count(0)
    expect(told).to_have_count(0)


def test_a_second_press_on_a_slow_server_starts_nothing_more(company: Any, grid: Any) -> None:
    server = Server(grid, "**/invoices/bulk*")
    server.hold()
    grid.locator("input[data-at]").first.check()
    grid.get_by_role("button", name="Review changes").evaluate(
        """button => {
          setTimeout(() => button.click());
          setTimeout(() => button.click(), 200);
          setTimeout(() => sessionStorage.setItem("busy", button.ariaBusy + button.className), 400);
        }"""
    )
    grid.wait_for_timeout(1200)
    assert len(server.held) == 1
    server.recover()

    grid.wait_for_url("**/reviews/**")
    with tenant_context(company.id):
        assert Job.objects.filter(kind="invoices.preview").count() == 1
    busy = grid.evaluate("sessionStorage.getItem('busy')")
    assert busy.startswith("true")
    assert "pressed" in busy


def test_a_file_says_that_it_is_made_and_when_it_could_not_be(
    grid: Any, expected_faults: Callable[[], None]
) -> None:
    expected_faults()
    server = Server(grid, "**/export.csv*")
    server.fail(500)
    link = grid.get_by_role("link", name="CSV")
    link.click()
    told = grid.get_by_role("alert").filter(has_text="The file could not be made.")
    expect(told).to_be_visible()
    server.recover()
    with grid.expect_download() as download:
        told.get_by_role("button", name="Try again").click()
    assert download.value.suggested_filename.endswith(".csv")
    expect(grid.locator("a[aria-busy]")).to_have_count(0)


@pytest.fixture
def builder(company: Any, sign_in: Callable[[Any], Any]) -> Iterator[Any]:
    """Sales builds a quote."""
    with tenant_context(company.id, actor="test"):
        make_catalog()
        quote = make_quote("As it was")
    page = sign_in(make_member(company, "revops"))
    page.goto(f"/quotes/{quote.id}/edit/")
    page.wait_for_load_state("networkidle")
    yield page
    page.wait_for_timeout(300)  # the revenue beside it is asked for last
    expect(page.locator("[aria-busy]")).to_have_count(0)


def saved_title(company: Any) -> str:
    with tenant_context(company.id):
        return str(Quote.objects.get().title)


def test_what_is_typed_stays_when_saving_fails_and_is_saved_by_itself_afterwards(
    company: Any, builder: Any, expected_faults: Callable[[], None]
) -> None:
    expected_faults()
    server = Server(builder, "**/edit/")
    server.abort()
    builder.locator("#id_title").fill("Typed meanwhile")
    told = builder.get_by_role("alert").filter(has_text="Not saved yet")
    expect(told).to_contain_text("what you typed is kept here. The server did not answer.")
    expect(builder.locator("#id_title")).to_have_value("Typed meanwhile")
    assert not builder.get_by_text("✓ Saved").is_visible()
    assert saved_title(company) == "As it was"

    server.recover()

    builder.get_by_text("✓ Saved").wait_for()
    expect(told).to_have_count(0)
    assert saved_title(company) == "Typed meanwhile"


def test_who_was_signed_out_keeps_what_is_typed_and_saves_it_after_signing_in(
    company: Any, builder: Any, expected_faults: Callable[[], None]
) -> None:
    expected_faults()
    context = builder.context
    kept = [one for one in context.cookies() if one["name"] == "sessionid"]
    context.clear_cookies(name="sessionid")
    builder.locator("#id_title").fill("Typed while signed out")
    told = builder.get_by_role("alert").filter(has_text="You were signed out.")
    expect(told.get_by_role("link", name="Sign in")).to_be_visible()
    assert builder.get_by_label("Password").count() == 0  # the sign-in page is not swapped in

    context.add_cookies(kept)
    told.get_by_role("button", name="Try again").click()

    builder.get_by_text("✓ Saved").wait_for()
    assert saved_title(company) == "Typed while signed out"


def test_what_is_typed_while_an_answer_is_on_its_way_is_not_called_saved(
    company: Any, builder: Any
) -> None:
    server = Server(builder, "**/edit/")
    server.hold()
    builder.locator("#id_title").fill("First")
    expect(builder.locator("#preview")).to_have_attribute("aria-busy", "true")
    builder.locator("#id_title").press_sequentially("!")
    builder.wait_for_timeout(700)  # the second is asked for, and waits for its turn
    with builder.expect_request("**/edit/"):
        server.held[0].continue_()
    builder.wait_for_timeout(100)
    assert not builder.get_by_text("✓ Saved").is_visible()
    server.held = server.held[1:]
    server.recover()
    builder.get_by_text("✓ Saved").wait_for()
    assert saved_title(company) == "First!"


def test_a_button_pressed_twice_adds_one_phase(builder: Any) -> None:
    server = Server(builder, "**/edit/")
    server.hold()
    button = builder.get_by_role("button", name="Add phase")
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    button.click()
    server.recover()
    builder.locator("#id_phases-1-name").wait_for()
    builder.wait_for_load_state("networkidle")
    assert builder.locator("#id_phases-2-name").count() == 0


def test_a_button_pressed_while_a_change_is_saved_waits_for_its_turn(builder: Any) -> None:
    server = Server(builder, "**/edit/")
    server.hold()
    builder.locator("#id_title").fill("Typed before")
    expect(builder.locator("#preview")).to_have_attribute("aria-busy", "true")
    button = builder.get_by_role("button", name="Add phase")
    button.click()
    button.click()
    server.recover()
    builder.locator("#id_phases-1-name").wait_for()
    builder.wait_for_load_state("networkidle")
    assert builder.locator("#id_phases-2-name").count() == 0
    expect(builder.locator("#id_title")).to_have_value("Typed before")
