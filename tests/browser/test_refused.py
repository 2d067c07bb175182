"""What was typed into a form is still there when it was refused, with the reason beside it."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from billing.domain.manual_lines import ManualEntry
from billing.services.drafts import create_one_off
from billing.services.invoicing import issue_invoice
from monetization.ledger.services import close_period
from monetization.tenancy.context import tenant_context
from tests.browser.test_slow_server import company
from tests.factories import make_member
from tests.factories_billing import make_customer

__all__ = ["company"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def invoice(company: Any) -> Any:
    now = timezone.now()
    with tenant_context(company.id, actor="test"):
        made = create_one_off(
            customer_id=make_customer().id,
            entries=[ManualEntry(description="Setup", amount=Decimal(100))],
            bill_on=date(2026, 1, 5),
            now=now,
        )
        issued = issue_invoice(invoice_id=made.id, issued_on=date(2026, 1, 5), now=now)
        close_period(month=date(2026, 1, 1), now=now)
        return issued


def test_a_dialog_that_is_refused_is_open_again_with_what_was_typed(
    company: Any, invoice: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(make_member(company, "owner"))
    page.goto(f"/billing/invoices/{invoice.id}/")
    dialog = page.get_by_role("dialog", name="Write off")

    page.locator("[data-dialog=write-off]").first.click()
    dialog.get_by_label("Reason").fill("They went bankrupt in spring")
    dialog.get_by_label("Date").fill("2026-01-31")  # its books are closed
    dialog.get_by_role("button", name="Write off").click()

    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("alert")).to_contain_text("closed")
    expect(dialog.get_by_label("Reason")).to_have_value("They went bankrupt in spring")
    expect(dialog.get_by_label("Date")).to_have_value("2026-01-31")

    page.reload()
    expect(dialog).to_be_hidden()
    page.locator("[data-dialog=write-off]").first.click()
    expect(dialog.get_by_label("Reason")).to_have_value("")
    dialog.get_by_label("Reason").fill("They went bankrupt in spring")
    dialog.get_by_role("button", name="Write off").click()
    expect(page.locator("#alerts .good")).to_be_visible()
    expect(dialog).to_be_hidden()


def test_what_was_typed_and_not_sent_is_not_brought_back(
    company: Any, invoice: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(make_member(company, "owner"))
    page.goto(f"/billing/invoices/{invoice.id}/")
    page.locator("[data-dialog=write-off]").first.click()
    page.get_by_role("dialog", name="Write off").get_by_label("Reason").fill("Bankrupt")
    page.keyboard.press("Escape")

    page.goto("/billing/invoices/")
    page.goto(f"/billing/invoices/{invoice.id}/")

    expect(page.get_by_role("dialog", name="Write off")).to_be_hidden()


def test_a_form_on_the_page_keeps_what_was_typed(
    company: Any, invoice: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(make_member(company, "owner"))
    page.goto(f"/billing/invoices/{invoice.id}/")
    comment = page.get_by_label("Comment", exact=True)
    comment.evaluate("field => field.removeAttribute('maxlength')")
    comment.fill("They said so. " * 1000)
    page.get_by_role("button", name="Comment", exact=True).click()

    expect(page.locator("#alerts .bad")).to_be_visible()
    expect(comment).to_have_value("They said so. " * 1000)
