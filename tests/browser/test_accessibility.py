"""Every page and what stands on it can be named, reached by keyboard and read: axe-core looks.

The demo company in small is walked through as people do. What axe finds of WCAG 2.2 AA or of its
best practices, of any impact, fails, in the light and in the dark theme.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.core.cache import cache
from django.core.management import call_command
from django.db import models
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from billing.models import Invoice, InvoiceLine
from integrations.models import Connection
from integrations.stripe.links import token_of
from monetization.config.demo import company
from monetization.jobs.models import Job
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant
from monetization.users.models import Membership
from quotes.models import ContractRenewal, OrderForm, QuoteVersion
from quotes.services.approval_rules import save_rule
from quotes.services.renewals import send_notices
from tests.browser.accessibility import AXE, Reader

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: `npm ci`"),
]
CUSTOMERS = 8
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def demo(site: str, settings: Any, tmp_path: Path) -> Any:
    """The demo company with a few customers: a year of books, and quotes in every state."""
    cache.clear()  # no limit reached by other tests
    settings.VAR_DIR = tmp_path
    call_command("load_demo", customers=CUSTOMERS, verbosity=0)
    return Tenant.objects.get(slug="tidewater")


@pytest.fixture
def as_role(demo: Any, site: str, open_page: Callable[..., Any]) -> Callable[..., Reader]:
    """Open pages as a member of the demo company."""

    def enter(role: str) -> Reader:
        client = Client()
        user = Membership.objects.get(tenant=demo, role=role).user
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        page = open_page()
        session = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}
        page.context.add_cookies([session])
        return Reader(page)

    return enter


def test_every_page_one_gets_to(demo: Any, as_role: Callable[..., Reader]) -> None:
    reader = as_role("owner")

    reader.follow("/")

    assert not reader.problems, "\n".join(reader.problems)
    assert len(reader.kinds) > 85, sorted(reader.kinds)


def test_what_people_bring_pages_into(
    demo: Any,
    as_role: Callable[..., Reader],
    open_page: Callable[..., Any],
    expected_faults: Callable[[], None],
    tmp_path: Path,
) -> None:
    owner, finance, engineer = as_role("owner"), as_role("finance"), as_role("engineer")
    on_a_phone, at_a_desk = Reader(open_page(viewport=PHONE)), Reader(open_page())

    a_renewal_to_come(demo)
    what_customers_see(on_a_phone, demo)
    what_customers_see(at_a_desk, demo)
    a_code_by_mail(on_a_phone, demo)
    what_customers_pay(on_a_phone, demo)
    signing_in(on_a_phone)
    the_month_end_desk(owner)
    invoices_in_every_state(owner, demo)
    quotes_in_every_state(owner, demo)
    an_approval_asked_for(owner, finance, demo)
    a_file_of_usage(owner, tmp_path)
    a_job_that_runs(owner, demo)
    forms_that_say_what_is_wrong(owner)
    settings_that_show_a_secret(owner)
    a_second_factor(owner)
    expected_faults()  # from here on the server refuses
    pages_that_are_none(engineer)

    found = [reader.problems for reader in (on_a_phone, at_a_desk, owner, finance, engineer)]
    assert not any(found), "\n".join(problem for each in found for problem in each)


def press(reader: Reader, name: str, *, within: str = "main") -> None:
    """Press a button that leads to another page."""
    button = reader.page.locator(within).get_by_role("button", name=name, exact=True).first
    with reader.page.expect_navigation():
        button.click()


def the_month_end_desk(reader: Reader) -> None:
    """The long grid with rows picked, grouped, searched; what bulk actions ask and answer."""
    page = reader.page
    page.goto("/billing/invoices/?status=issued")
    page.locator(".desk-grid input[data-at]").nth(1).check()
    page.locator("#selection-totals:not(:empty)").wait_for()
    reader.look("the grid with a row picked")
    page.keyboard.press("Control+k")
    page.locator("#palette-input").press_sequentially("in")
    page.locator("#palette-results a").first.wait_for()
    reader.check("the search with results", within="#palette")
    page.keyboard.press("Escape")
    for group in page.locator("#f-group option").evaluate_all("all => all.map((e) => e.value)"):
        if group:
            reader.goto(f"/billing/invoices/?group={group}")
    reader.goto("/billing/invoices/?q=nobody-of-this-name")
    for action in ("Issue", "Send", "Approve", "Recalculate"):
        in_bulk(page, "issued" if action == "Send" else "draft", action)
        reader.look(f"{action} asks")
    press(reader, page.locator("main form button.btn-primary").first.inner_text())
    reader.look("a job that is done")
    in_bulk(page, "draft", "Review changes")
    page.locator("table.review, .empty").first.wait_for()
    reader.look("what a recalculation would change")


def in_bulk(page: Any, status: str, action: str) -> None:
    """Pick everything in a view and press what to do with it."""
    page.goto(f"/billing/invoices/?status={status}")
    page.get_by_label(re.compile("Select all (on this page|in this view)")).check()
    with page.expect_navigation():
        page.locator(f".bulkbar button:text-is('{action}')").click()


def invoices_in_every_state(reader: Reader, demo: Any) -> None:
    """Invoices with an explanation open, a comment, a correction asked for, a line by hand."""
    page = reader.page
    with tenant_context(demo.id):
        by_status = {each.status: each.id for each in Invoice.objects.order_by("bill_on")}
        usage = InvoiceLine.objects.filter(invoice__status="issued", reading__isnull=False)
        explained = usage.latest("id").invoice_id
    assert {"draft", "in_progress", "issued"} <= set(by_status)
    for invoice_id in by_status.values():
        reader.goto(f"/billing/invoices/{invoice_id}/")
    page.goto(f"/billing/invoices/{explained}/")
    page.get_by_role("link", name="Explain").first.click()
    page.get_by_text("the same to the cent").first.wait_for()
    reader.look("an amount explained")
    page.get_by_label("Comment").fill("@ann Less than last month")
    press(reader, "Comment")
    reader.look("a comment")
    for part in ("mail", "credit", "supplement"):
        reader.goto(f"/billing/invoices/{explained}/{part}")
    page.goto(f"/billing/invoices/{by_status['draft']}/lines/new")
    press(reader, page.locator("main form button.btn-primary").first.inner_text())
    reader.look("a line without what it needs")
    page.locator("#id_description").fill("Two seats given back")
    page.locator("#id_quantity").fill("-2")
    page.locator("#id_unit_price").fill("29.90")
    press(reader, page.locator("main form button.btn-primary").first.inner_text())
    reader.look("a line by hand")
    page.locator("a[href$='/edit']").first.click()
    page.wait_for_url("**/edit")
    reader.look("a line to edit")


def quotes_in_every_state(reader: Reader, demo: Any) -> None:
    """Quotes from draft to signed; the builder with its menus, then with something wrong."""
    page = reader.page
    with tenant_context(demo.id):
        versions = QuoteVersion.objects.order_by("created_at")
        by_status = {each.status: each.quote_id for each in versions}
    assert {"draft", "sent", "declined", "expired", "accepted"} <= set(by_status)
    for quote_id in by_status.values():
        reader.goto(f"/quotes/{quote_id}/")
    draft = f"/quotes/{by_status['draft']}"
    for part in ("edit", "send", "agreeing", "signed-elsewhere", "expected-bill", "template"):
        reader.goto(f"{draft}/{part}/")
    page.goto(f"{draft}/edit/")
    page.locator("#builder .cell input.n").first.fill("much")
    page.locator("#builder .cell input.n").first.press("Tab")
    page.locator("[aria-invalid]").first.wait_for()
    reader.look("the builder with something wrong")
    page.locator("#builder button[value='undo']").wait_for()


def an_approval_asked_for(reader: Reader, approver: Reader, demo: Any) -> None:
    """A quote that needs one, asked for, in the inbox of who decides, decided."""
    page = reader.page
    with tenant_context(demo.id, actor="test"):
        draft = QuoteVersion.objects.filter(status="draft").earliest("created_at")
        save_rule(values={"name": "Any", "payment_over_days": 1, "approver_role": "finance"})
    page.goto(f"/quotes/{draft.quote_id}/")
    reader.look("a quote that needs an approval")
    page.get_by_role("button", name="Ask for approval").click()
    page.get_by_role("button", name="Ask for approval").wait_for(state="detached")
    reader.look("a quote that waits for an approval")
    reader.goto("/quotes/approvals/")
    approver.goto("/quotes/approvals/")
    approver.page.get_by_role("button", name="Approve").first.click()
    approver.page.get_by_text("Nothing waits for you").first.wait_for()
    approver.look("a decision")


def a_file_of_usage(reader: Reader, folder: Path) -> None:
    """A file chosen, its columns named, its first rows judged, taken in with rows refused."""
    page = reader.page
    path = folder / "usage.csv"
    now = timezone.now().isoformat()
    path.write_text(
        "id,customer,time,type,units\n"
        f"1,nobody-known,{now},ai.tokens,5\n2,x,not a time,ai.tokens,5\n"
    )
    page.goto("/usage/import")
    page.locator("input[type=file]").set_input_files(path)
    press(reader, "Next: columns")
    reader.look("the columns of a file")
    press(reader, "Start import")
    reader.look("a file taken in")
    for part in ("unmatched", "quarantine", "conflicts", "health", "?by=customer", "?show=trend"):
        reader.goto(f"/usage/{part}")


def a_job_that_runs(reader: Reader, demo: Any) -> None:
    with tenant_context(demo.id):
        job = Job.objects.latest("created_at")
        job.status, job.total, job.done, job.failed = Job.Status.RUNNING, 8, 4, 1
        job.lease_until, job.finished_at = timezone.now() + timedelta(hours=1), None
        job.save()
    reader.goto(f"/jobs/{job.id}")
    reader.goto("/jobs/")
    reader.page.goto("about:blank")  # whose progress is asked for no more
    with tenant_context(demo.id):
        Job.objects.filter(id=job.id).update(status=Job.Status.ATTENTION, done=8)
    reader.goto(f"/jobs/{job.id}")


def forms_that_say_what_is_wrong(reader: Reader) -> None:
    for path in (
        "/customers/new",
        "/quotes/new/",
        "/catalog/products/new",
        "/billing/payments/new",
        "/usage/meters/new",
        "/alerts/rules/new/",
        "/catalog/term-discounts/new",
        "/quotes/approval-rules/new/",
        "/settings/",
    ):
        reader.page.goto(path)
        submit = reader.page.locator("main form[method=post] button.btn-primary:visible").first
        reader.page.evaluate(
            "document.querySelectorAll('form').forEach((e) => { e.noValidate = true })"
        )
        with reader.page.expect_navigation():
            submit.click()
        reader.look(f"{path} with nothing filled in")


def settings_that_show_a_secret(reader: Reader) -> None:
    """A key and a webhook's secret, shown once; people invited."""
    page = reader.page
    page.goto("/settings/api-keys/")
    page.locator("[data-dialog='new-key']").click()
    page.locator("dialog[open] #id_name").fill("Ingest")
    page.locator("dialog[open] input[type=checkbox]").first.check()
    press(reader, "Create key", within="dialog[open]")
    reader.look("a key shown once")
    page.goto("/settings/webhooks/")
    page.locator("[data-dialog='new-endpoint']").click()
    page.locator("dialog[open] #id_url").fill("https://hooks.example.com/in")
    page.locator("dialog[open] #id_event_types").select_option(index=0)
    press(reader, "Add endpoint", within="dialog[open]")
    reader.look("an endpoint")
    press(reader, "Send a test")
    reader.look("an endpoint with a delivery")
    reader.goto(page.locator("main a[href*='/deliveries/']").first.get_attribute("href"))


def a_second_factor(reader: Reader) -> None:
    """Set up with an app, asked for at the next sign-in, given up for a recovery code."""
    page = reader.page
    reader.goto("/accounts/password/change/")
    reader.goto("/accounts/2fa/")
    page.get_by_role("link", name="Activate").click()
    page.wait_for_load_state()
    if "reauthenticate" in page.url:
        reader.look("who one is, asked again")
        page.locator("input[type=password]").fill(company.PASSWORD)
        press(reader, "Confirm")
    page.locator("input[name=code]").fill("000000")
    press(reader, "Activate")
    reader.look("a code that is wrong")
    secret = page.locator("#authenticator_secret").input_value()
    counter = next(iter(totp.yield_hotp_counters_from_time()))
    page.locator("input[name=code]").fill(totp.format_hotp_value(totp.hotp_value(secret, counter)))
    press(reader, "Activate")
    reader.look("recovery codes")
    code = page.locator("#recovery_codes").input_value().split()[0]
    for part in ("", "recovery-codes/generate/", "totp/deactivate/"):
        reader.goto(f"/accounts/2fa/{part}")
    page.context.clear_cookies()
    give_name_and_password(reader, company.PASSWORD)
    reader.look("a second factor, asked for")
    page.locator("input[name=code]").fill(code)
    press(reader, "Sign In")
    assert page.url.endswith("/")
    assert page.locator(".rail").count() == 1


def give_name_and_password(reader: Reader, password: str) -> None:
    reader.page.goto("/accounts/login/")
    reader.page.get_by_label("E-mail").fill(company.PEOPLE[0][0])
    reader.page.get_by_label("Password").fill(password)
    press(reader, "Sign in")


def signing_in(reader: Reader) -> None:
    reader.goto("/accounts/login/")
    give_name_and_password(reader, "not it")
    reader.look("a password that is wrong")
    reader.goto("/accounts/password/reset/")
    reader.page.get_by_label("E-mail").fill("somebody@tidewater.example")
    press(reader, "Send link")
    reader.look("a link that was sent")
    reader.goto("/accounts/password/reset/key/1-x/")


def a_renewal_to_come(demo: Any) -> None:
    """Contracts of the first months do not renew: one is made to, and its customer is told."""
    today = timezone.now().date()
    with tenant_context(demo.id):
        form = OrderForm.objects.order_by("id").first()
        last = today + timedelta(days=20)
        ContractRenewal.objects.create(
            order_form=form, ends_on=last + timedelta(days=30), decide_by=last, months=12
        )
        assert send_notices(today=today, now=timezone.now()) == 1


def what_customers_see(reader: Reader, demo: Any) -> None:
    """The offers to sign and the renewals in the mail; a question, a refusal, a signature."""
    page = reader.page
    with tenant_context(demo.id):
        texts = OutgoingMail.objects.order_by("id").values_list("text", flat=True)
        paths = [path for text in texts for path in re.findall(r"/sign/\S+", text)]
    assert any("/renewal/" in path for path in paths)
    open_ones = []
    for path in paths:
        if page.request.get(path).status == 200:  # others were taken back
            reader.goto(path)
            if page.get_by_role("button", name="Sign this order form").count():
                open_ones.append(path)
    page.goto(open_ones[-1])
    press(reader, "Sign this order form")
    reader.look("a signature without a name")
    page.locator("input[name=name]").first.fill("Ann Lee")
    page.locator("input[name=email]").first.fill("ann@acme.example")
    page.locator("input[name=consent]").check()
    press(reader, "Sign this order form")
    reader.look("a signature")


def a_code_by_mail(reader: Reader, demo: Any) -> None:
    """An offer that only its signer's mailbox opens, and a code that is wrong."""
    page = reader.page
    path = ""
    with tenant_context(demo.id, actor="test"):
        texts = OutgoingMail.objects.order_by("id").values_list("text", flat=True)
        for each in (path for text in texts for path in re.findall(r"/sign/[\w-]+(?=\s)", text)):
            path = each if page.request.get(each).status == 200 else path
        QuoteVersion.objects.filter(status__in=("sent", "accepted")).update(asks_email_code=True)
    page.context.clear_cookies()
    reader.goto(path)
    press(reader, "Mail me a code", within="body")
    reader.look("a code was mailed")
    page.locator("#code").fill("000000")
    press(reader, "Open the order form", within="body")
    page.get_by_role("alert").wait_for()
    reader.look("a code that is wrong, by mail")


def what_customers_pay(reader: Reader, demo: Any) -> None:
    """An invoice to pay by transfer, by card, paid."""
    with tenant_context(demo.id, actor="test"):
        issued = Invoice.objects.filter(status="issued")
        paid = issued.filter(paid_amount=models.F("total_amount")).latest("total_amount")
        unpaid = issued.filter(paid_amount=0, total_amount__gt=0).latest("number")
        to_pay, no_more = (f"/pay/{token_of(demo.id, each.id)}" for each in (unpaid, paid))
        Connection.objects.update_or_create(
            provider="stripe",
            defaults={"status": "disconnected", "connected_at": timezone.now()},
        )
    reader.goto(to_pay)
    reader.goto(no_more)
    with tenant_context(demo.id, actor="test"):
        Connection.objects.filter(provider="stripe").update(status="connected")
    reader.goto(to_pay)
    reader.page.get_by_role("button", name=re.compile("^Pay ")).wait_for()
    reader.goto(f"{to_pay}?paid=1")
    with tenant_context(demo.id, actor="test"):
        Connection.objects.filter(provider="stripe").update(status="disconnected")


def pages_that_are_none(reader: Reader) -> None:
    """What is not there, what one may not see, what broke."""
    assert reader.goto("/nowhere/") == 404
    assert reader.goto("/sign/no-such-token") == 404
    assert reader.goto("/revenue/months/") == 403
    reader.page.set_content(render_to_string("500.html"))
    reader.look("something broke")
