"""Parts of pages on a slow or failing server: named, kept, asked again; files whose line is cut."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from billing.domain.manual_lines import ManualEntry
from billing.services.drafts import create_one_off
from monetization.jobs.models import Job
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.browser.test_slow_server import Server, company
from tests.factories import make_member
from tests.factories_billing import make_customer

__all__ = ["company"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ROWS = "id,customer,time,count\n" + "".join(f"e{n},acme,2026-11-01,1\n" for n in range(400))


OWNER = "owner@northwind.example"


@pytest.fixture
def people(company: Any, sign_in: Callable[[Any], Any]) -> Any:
    return sign_in(make_member(company, "owner", OWNER))


def test_a_part_that_failed_has_its_name_and_keeps_its_place(
    company: Any, people: Any, expected_faults: Callable[[], None]
) -> None:
    expected_faults()
    with tenant_context(company.id, actor="test"):
        customer = make_customer()
    server = Server(people, "**/usage/customers/**")
    server.fail(500)
    people.goto(f"/customers/{customer.id}?tab=usage")
    told = people.get_by_role("alert").filter(has_text="Usage could not be loaded.")
    expect(told).to_contain_text("Something went wrong on our side.")
    assert people.locator("[data-waits] .bones").is_visible()  # nothing moved

    server.recover()
    told.get_by_role("button", name="Try again").click()

    people.get_by_text("No usage this month or last").wait_for()
    expect(told).to_have_count(0)


def test_progress_says_once_that_it_is_old_asks_ever_less_and_goes_on(
    company: Any, people: Any, expected_faults: Callable[[], None]
) -> None:
    expected_faults()
    with tenant_context(company.id, actor="test"):
        job = Job.objects.create(
            kind="invoices.preview", title="Review 9 invoices", status="running", total=9, done=3
        )
    people.goto(f"/billing/invoices/reviews/{job.id}/")
    people.get_by_role("link", name="details").focus()
    people.get_by_text("3 of 9 done").wait_for()
    with people.expect_response("**/progress"):
        pass
    people.wait_for_timeout(300)
    expect(people.get_by_role("link", name="details")).to_be_focused()  # the card came anew

    asked: list[str] = []
    people.on("request", lambda request: asked.append(request.url))
    before = people.locator(f"#job-{job.id}").bounding_box()
    server = Server(people, "**/progress")
    server.fail(503, **{"Retry-After": "20"})
    told = people.get_by_role("status").filter(has_text="This page is not up to date.")
    expect(told).to_be_visible(timeout=10_000)
    assert people.locator(f"#job-{job.id}").bounding_box() == before
    told.get_by_role("button", name="Try again").focus()
    asked.clear()
    people.wait_for_timeout(5000)
    assert len(asked) <= 2
    expect(told.get_by_role("button", name="Try again")).to_be_focused()

    with tenant_context(company.id, actor="test"):
        Job.objects.update(done=8)
    server.recover()
    told.get_by_role("button", name="Try again").click()

    people.get_by_text("8 of 9 done").wait_for()
    expect(told).to_have_count(0)


def test_a_preview_says_what_it_does_not_show_and_shows_it_by_itself_afterwards(
    company: Any, people: Any, expected_faults: Callable[[], None]
) -> None:
    expected_faults()
    with tenant_context(company.id, actor="test"):
        entity = LegalEntity.objects.get()
    people.set_viewport_size({"width": 390, "height": 400})
    people.goto(f"/billing/settings/documents/{entity.id}/mails/invoice/")
    server = Server(people, "**/preview")
    server.abort()
    people.get_by_label("Subject").fill("Dear friends")
    told = people.get_by_role("status").filter(has_text="does not show your changes yet")
    expect(told).to_be_visible()
    field = people.get_by_label("Subject")
    expect(field).to_have_value("Dear friends")
    below, above = told.bounding_box(), field.bounding_box()
    assert below
    assert above
    assert above["y"] + above["height"] <= below["y"]  # what is typed is not behind it
    server.recover()
    people.locator("#mail").get_by_text("Dear friends").wait_for()
    expect(told).to_have_count(0)


def test_a_file_whose_line_is_cut_is_still_chosen_and_is_sent_again(
    people: Any, tmp_path: Path, expected_faults: Callable[[], None]
) -> None:
    expected_faults()
    path = tmp_path / "usage.csv"
    path.write_text(ROWS)
    people.goto("/usage/import")
    server = Server(people, "**/usage/import")
    server.hold()
    people.get_by_label("File").set_input_files(path)
    people.get_by_label("Source").fill("billing")
    button = people.get_by_role("button", name="Next: columns")
    button.click()
    expect(people.get_by_role("progressbar", name="usage.csv is sent")).to_be_visible()
    button.click()
    assert len(server.held) == 1
    server.held.pop().abort()
    told = people.get_by_role("alert").filter(has_text="The file did not arrive.")
    expect(told).to_be_visible()
    expect(people.get_by_label("Source")).to_have_value("billing")

    server.recover()
    told.get_by_role("button", name="Try again").click()

    people.wait_for_url(re.compile(r"/usage/import/.+"))
    people.get_by_text("What do the columns of usage.csv mean?").wait_for()


def test_a_file_that_is_refused_says_why_at_its_field(people: Any, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("")
    people.goto("/usage/import")
    people.get_by_label("File").set_input_files(path)
    people.get_by_label("Source").fill("billing")
    people.get_by_role("button", name="Next: columns").click()
    people.locator(".field .error").wait_for()
    expect(people.get_by_role("progressbar")).to_have_count(0)


def test_a_form_opened_before_signing_in_again_is_taken(company: Any, people: Any) -> None:
    with tenant_context(company.id, actor="test"):
        invoice = create_one_off(
            customer_id=make_customer().id,
            bill_on=date(2026, 11, 1),
            entries=[ManualEntry("Help", amount=Decimal(9))],
            now=timezone.now(),
        )
    people.goto(f"/billing/invoices/{invoice.id}/")
    people.get_by_label("Comment", exact=True).fill("Written before")
    other = people.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/accounts/**")
    other.goto("/accounts/login/")
    other.get_by_label("E-mail").fill(OWNER)
    other.get_by_label("Password").fill("correct horse")
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/")
    people.get_by_role("button", name="Comment").click()
    people.locator(".comment .text").get_by_text("Written before").wait_for()
