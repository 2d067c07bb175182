"""A deal in three versions: built, asked about, approved, signed, counter-signed, billed.

All of it in the browser: a seller, an approver, two signers on phones and an owner.
"""

from collections.abc import Callable
from typing import Any

import pytest

from billing.models import BillingSchedule
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from quotes.models import OrderForm, SignatureEvidence
from quotes.services.approval_rules import save_rule
from tests.browser.test_quotes import add, seller, type_into
from tests.factories import make_member
from tests.integration.quotes.conftest import make_quote

__all__ = ["seller"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 800}
SUE = {"name": "Sue Seller", "email": "sue@northwind.example", "side": "seller"}


def test_three_versions_are_approved_signed_counter_signed_and_billed(
    seller: Any, sign_in: Callable[..., Any], open_page: Callable[..., Any]
) -> None:
    def link_of(email: str) -> str:
        with tenant_context(seller.id, actor="test"):
            mails = OutgoingMail.objects.filter(to=email, text__contains="/sign/")
            return f"/sign/{mails.latest('id').text.partition('/sign/')[2].split()[0]}"

    def name_counter_signer(page: Any) -> None:
        page.goto(here)
        page.get_by_role("link", name="Signers and renewal").click()
        page.locator("#id_signers-0-name").fill(SUE["name"])
        page.locator("#id_signers-0-email").fill(SUE["email"])
        page.locator("#id_signers-0-side").select_option(SUE["side"])
        page.get_by_role("button", name="Save").click()
        page.get_by_text(f"Counter-signed by {SUE['name']}").wait_for()

    def send(page: Any) -> None:
        page.goto(here)
        page.get_by_role("link", name="Send for signature").click()
        page.get_by_role("button", name="Send to ann@example.com").click()
        page.locator("#signing-link").wait_for()

    def sign(address: str, button: str = "Sign this order form") -> Any:
        phone = open_page(java_script_enabled=False, viewport=PHONE)
        phone.goto(address)
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
        phone.get_by_label("I have read this order form").check()
        phone.get_by_role("button", name=button).click()
        return phone

    with tenant_context(seller.id, actor="rep@example.com"):
        quote = make_quote("Negotiated")
        save_rule(values={"name": "Slow pay", "payment_over_days": 40, "approver_role": "finance"})
    here = f"/quotes/{quote.id}/"
    page = sign_in(make_member(seller, "revops"))
    page.goto(f"{here}edit/")
    add(page, "Platform")
    # Twelve months of 500.
    page.locator("#preview").get_by_text("$6,000.00").first.wait_for()
    name_counter_signer(page)
    send(page)
    phone = open_page(java_script_enabled=False, viewport=PHONE)
    phone.goto(link_of("ann@example.com"))
    phone.get_by_label("Your question").fill("Could we pay after 60 days?")
    phone.get_by_role("button", name="Ask Northwind").click()
    phone.locator(".said", has_text="Could we pay after 60 days?").wait_for()

    for days in (20, 60):
        page.goto(here)
        page.get_by_role("button", name="Revise").click()
        page.wait_for_url("**/edit/")
        type_into(page, "payment_terms_days", str(days))
        if days == 20:
            send(page)
    page.goto(here)
    page.get_by_text("Payment is due after 60 days, more than 40.").first.wait_for()
    page.get_by_role("button", name="Ask for approval").click()
    finance = sign_in(make_member(seller, "finance"))
    finance.goto("/quotes/approvals/")
    finance.get_by_role("button", name="Approve").click()
    finance.get_by_text("Nothing waits for you").first.wait_for()
    send(page)

    phone = sign(link_of("ann@example.com"))
    phone.get_by_text("Thank you, you have signed").wait_for()
    phone = sign(link_of("sue@northwind.example"))
    phone.get_by_text("Everybody has signed").wait_for()
    page.goto(here)
    page.get_by_text("counter-signature").first.wait_for()

    with tenant_context(seller.id, actor="test"):
        form = OrderForm.objects.get()
        assert form.version.number == 3
        assert (form.terms["payment_terms_days"], form.version.total_contract_value) == (60, 6000)
        assert SignatureEvidence.objects.count() == 2
    owner = sign_in(make_member(seller, "owner"))
    owner.goto(here)
    owner.get_by_role("button", name="Create billing schedule").click()
    owner.get_by_text("Bills what was signed").wait_for()
    owner.locator("#drift").wait_for()
    with tenant_context(seller.id, actor="test"):
        assert BillingSchedule.objects.get().terms_sha256 == form.terms_sha256
