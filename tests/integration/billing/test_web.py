"""The month-end desk in a browser's words: filters, views, bulk work, one invoice's life."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.domain.manual_lines import ManualEntry
from billing.models import Invoice, Payment, ReminderPlan
from billing.services.drafts import create_one_off
from billing.services.invoicing import issue_invoice
from billing.web import grid
from metering.domain.events import UsageEvent
from metering.services import create_meter, record_usage_events
from monetization.interface.models import SavedView
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import claim_job, run_next_batch
from tests.factories import make_member
from tests.factories import make_tenant as new_tenant
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)


@pytest.fixture
def finance(tenant: Any, client: Client) -> Client:
    client.force_login(make_member(tenant, "finance"))
    return client


def use(alias: str, *, month: int, units: int) -> None:
    record_usage_events(
        [
            UsageEvent(
                source="test",
                id=f"{alias}-{month}",
                type="api.call",
                subject=alias,
                time=datetime(2026, month, 5, tzinfo=UTC),
                data={"calls": Decimal(units)},
            )
        ],
        now=NOW,
    )


@pytest.fixture
def books(tenant: Any) -> dict[str, Any]:
    """Two customers billed since January: one flat, one whose usage doubled in February."""
    create_meter(
        key="calls",
        name="API calls",
        event_type="api.call",
        aggregation="sum",
        value_property="calls",
        now=NOW,
    )
    for name in ("Acme", "Beta <b>Labs</b>"):
        make_customer(name)
    acme, beta = (_customer(name) for name in ("Acme", "Beta <b>Labs</b>"))
    use(acme.name.lower(), month=1, units=100)
    use(acme.name.lower(), month=2, units=200)
    return {
        "acme": billed(deal(PLATFORM, CALLS), now=NOW, customer=acme),
        "beta": billed(deal(PLATFORM), now=NOW, customer=beta),
    }


def _customer(name: str) -> Any:
    from monetization.customers.models import Customer

    return Customer.objects.get(name=name)


def test_the_grid_shows_last_month_the_change_and_its_cause(
    finance: Client, books: dict[str, Any]
) -> None:
    page = finance.get(reverse("billing:invoice-list"), {"month": "2026-03"}).content.decode()
    row = page[page.index("Acme") :][:3000]
    assert "$520.00" in row
    assert "$510.00" in row
    assert "+$10.00" in row
    assert "Usage" in row


def test_names_are_text_and_never_markup(finance: Client, books: dict[str, Any]) -> None:
    page = finance.get(reverse("billing:invoice-list"), {"month": "2026-03"}).content.decode()
    assert "<b>Labs</b>" not in page
    assert "&lt;b&gt;Labs" in page


def test_filters_narrow_and_nonsense_filters_nothing(
    finance: Client, books: dict[str, Any]
) -> None:
    url = reverse("billing:invoice-list")
    only = finance.get(url, {"q": "acme", "month": "2026-03"}).content.decode()
    assert "Acme" in only
    assert "Labs" not in only
    higher = finance.get(url, {"changed": "up", "month": "2026-03"}).content.decode()
    assert "Labs" not in higher
    odd = finance.get(
        url, {"month": "2026-99", "status": "'; --", "customer": "x", "sort": "\x00", "page": "z"}
    )
    assert odd.status_code == 200


def test_the_grid_needs_the_same_queries_for_many_rows_as_for_few(
    finance: Client, books: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(24):
        finance.get(reverse("billing:invoice-list"), {"sort": "-bill_on"})
    for number in range(6):
        billed(deal(PLATFORM), now=NOW, customer=make_customer(f"More {number}"))
    with django_assert_max_num_queries(24):
        finance.get(reverse("billing:invoice-list"), {"sort": "-bill_on"})


def test_the_default_view_opens_by_itself(finance: Client, books: dict[str, Any]) -> None:
    finance.post(
        reverse("billing:invoice-view-save"),
        {"name": "Drafts", "query": "status=draft", "default": "on"},
    )
    assert SavedView.objects.get().query == "status=draft"
    answer = finance.get(reverse("billing:invoice-list"))
    assert answer.status_code == 302
    assert answer["Location"].endswith("?status=draft")


@pytest.mark.parametrize(("role", "is_shared"), [("auditor", False), ("finance", True)])
def test_a_view_for_everybody_is_given_by_who_works_on_invoices(
    tenant: Any, client: Client, role: str, is_shared: bool
) -> None:
    client.force_login(make_member(tenant, role))
    page = client.get(reverse("billing:invoice-list"), {"sort": "-bill_on"}).content.decode()
    assert ("Everybody sees it" in page) is is_shared

    client.post(reverse("billing:invoice-view-save"), {"name": "Drafts", "shared": "on"})
    client.post(reverse("billing:invoice-view-save"), {"name": "Mine"})

    shared = SavedView.objects.filter(is_shared=True)
    assert [view.name for view in shared] == (["Drafts"] if is_shared else [])
    assert SavedView.objects.filter(name="Mine").exists()


def test_bulk_issue_says_what_it_will_do_and_then_does_it_once(
    finance: Client, books: dict[str, Any]
) -> None:
    url = reverse("billing:invoice-bulk")
    asked = {"action": "issue", "scope": "view", "query": "month=2026-02"}
    confirm = finance.post(url, asked).content.decode()
    assert "Issue 2 invoices?" in confirm
    assert "$1,010.00" in confirm
    assert not Job.objects.exists()
    ids = re.findall(r'name="id_list" value="([^"]+)"', confirm)
    sure = {"action": "issue", "confirmed": "yes", "id_list": ids, "issued_on": "2026-02-28"}
    assert finance.post(url, sure).status_code == 302
    finance.post(url, sure)
    job = Job.objects.get()
    _run(job)
    issued = Invoice.objects.filter(status="issued").order_by("number")
    assert [row.number for row in issued] == ["NW-INV-000001", "NW-INV-000002"]
    assert JobItem.objects.filter(job=job, status="done").count() == 2


def _run(job: Job) -> None:
    token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    while run_next_batch(job_id=job.id, token=token, now=NOW):
        pass


def test_a_long_view_gives_its_rows_where_one_looks(
    finance: Client, books: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "PER_PAGE", 2)
    view = "sort=-bill_on"
    page = finance.get(f"{reverse('billing:invoice-list')}?{view}").content.decode()
    count = int(re.findall(r'data-count="(\d+)"', page)[0])
    assert count == Invoice.objects.count() > 4
    seen: list[str] = []
    for start in range(0, count, 2):
        rows = finance.get(f"{reverse('billing:invoice-rows')}?{view}&since=1&start={start}")
        seen += re.findall(r'name="ids" value="([^"]+)"', rows.content.decode())
    in_order = Invoice.objects.order_by("-bill_on", "customer__name", "id")
    assert seen == [str(row.id) for row in in_order]
    beyond = finance.get(f"{reverse('billing:invoice-rows')}?{view}&since=1&start=99999")
    assert "<tr" not in beyond.content.decode()
    odd = finance.get(f"{reverse('billing:invoice-rows')}?{view}&since=x&start=-1'")
    assert odd.status_code == 200


def test_the_sums_of_a_long_view_are_asked_for_once_it_is_there(
    finance: Client, books: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{reverse('billing:invoice-list')}?month=2026-02"
    at_once = finance.get(address).content.decode()
    monkeypatch.setattr(grid, "SUMMED_AT_ONCE", 1)
    later = finance.get(address).content.decode()
    sums = finance.get(f"{reverse('billing:invoice-totals')}?month=2026-02").content.decode()
    assert "$1,010.00" in at_once
    assert "Adding up" in later
    assert "$1,010.00" in sums
    assert "last " in sums
    every = finance.get(f"{reverse('billing:invoice-totals')}?sort=-bill_on").content.decode()
    assert "last " not in every


def test_many_are_chosen_in_one_field(finance: Client, books: dict[str, Any]) -> None:
    ids = ",".join(str(row.id) for row in Invoice.objects.filter(status="draft"))
    asked = {"action": "issue", "scope": "selected", "id_list": ids, "query": ""}
    confirm = finance.post(reverse("billing:invoice-bulk"), asked).content.decode()
    assert f"Issue {Invoice.objects.filter(status='draft').count()} invoices?" in confirm
    asked["id_list"] = f"{ids},nonsense"
    answer = finance.post(reverse("billing:invoice-bulk"), asked, follow=True)
    assert "ids: must be invoices" in answer.content.decode()


def test_bulk_issue_of_nothing_says_why(finance: Client, books: dict[str, Any]) -> None:
    answer = finance.post(
        reverse("billing:invoice-bulk"),
        {"action": "send", "scope": "view", "query": "month=2026-02"},
        follow=True,
    )
    assert "none of the selected invoices can be sent: 2 draft" in answer.content.decode()


def test_an_invoice_is_issued_explained_and_voided_from_its_page(
    finance: Client, books: dict[str, Any]
) -> None:
    invoice = books["acme"].invoices.get(bill_on=date(2026, 2, 1))
    page = reverse("billing:invoice-detail", args=[invoice.id])
    act = reverse("billing:invoice-action", args=[invoice.id])
    answer = finance.post(act, {"action": "issue", "issued_on": "no day"}, follow=True)
    assert "issued_on: give a date" in answer.content.decode()
    finance.post(act, {"action": "issue", "issued_on": "2026-02-28"})
    shown = finance.get(page).content.decode()
    assert "NW-INV-000001" in shown
    assert "Accounts receivable" in shown
    line = invoice.lines.get(item_key="calls")
    explained = finance.get(
        reverse("billing:invoice-explain", args=[invoice.id, line.id])
    ).content.decode()
    assert "the same to the cent" in explained
    assert "acme-1" in explained
    event = re.search(r'href="(/usage/events/[^"]+)"', explained)
    assert event, "an event leads to its story"
    assert "acme-1" in finance.get(event[1]).content.decode()
    finance.post(act, {"action": "void", "reason": ""}, follow=True)
    invoice.refresh_from_db()
    assert invoice.status == "issued"
    finance.post(act, {"action": "void", "reason": "Wrong address"})
    invoice.refresh_from_db()
    assert (invoice.status, invoice.void_reason) == ("void", "Wrong address")


def test_a_payment_is_recorded_and_its_mistakes_are_named_at_the_field(
    finance: Client, books: dict[str, Any]
) -> None:
    invoice = books["acme"].invoices.get(bill_on=date(2026, 2, 1))
    issue_invoice(invoice_id=invoice.id, issued_on=date(2026, 2, 28), now=NOW)
    form = {
        "customer": str(books["beta"].customer_id),
        "amount": "10.001",
        "received_on": "2026-03-01",
        "method": "bank transfer",
        "reference": "B-1",
        "invoice": str(invoice.id),
    }
    url = reverse("billing:payment-create")
    refused = finance.post(url, form)
    assert refused.status_code == 422
    assert "belongs to Acme" in refused.content.decode()
    assert "more decimals than USD" in refused.content.decode()
    good = {**form, "customer": str(invoice.customer_id), "amount": "10"}
    assert finance.post(url, good).status_code == 302
    assert "recorded already" in finance.post(url, good).content.decode()
    assert Payment.objects.get().amount == 10
    invoice.refresh_from_db()
    assert invoice.payment_status == "partially_paid"


@pytest.mark.parametrize("role", ["engineer", "revops", "auditor"])
def test_only_finance_changes_invoices(
    tenant: Any, client: Client, books: dict[str, Any], role: str
) -> None:
    client.force_login(make_member(tenant, role))
    invoice = Invoice.objects.all()[0]
    act = reverse("billing:invoice-action", args=[invoice.id])
    assert client.post(act, {"action": "recalculate"}).status_code == 403
    expected = 403 if role == "engineer" else 200
    assert client.get(reverse("billing:invoice-list"), {"q": "a"}).status_code == expected


@pytest.mark.django_db(transaction=True)
def test_another_companys_invoice_is_as_unknown_as_any(client: Client) -> None:
    from monetization.tenancy.context import tenant_context

    ours, theirs = new_tenant("Ours"), new_tenant("Theirs")
    with tenant_context(theirs.id):
        foreign = billed(deal(PLATFORM), now=NOW).invoices.first()
    client.force_login(make_member(ours, "owner"))
    for name in ("billing:invoice-detail", "billing:invoice-pdf"):
        assert client.get(reverse(name, args=[foreign.id])).status_code == 404
    foreign_schedule = reverse("billing:schedule-detail", args=[foreign.schedule_id])
    assert client.get(foreign_schedule).status_code == 404


def test_exported_names_never_run_as_formulas(finance: Client, tenant: Any) -> None:
    billed(deal(PLATFORM), now=NOW, customer=make_customer("=SUM(A1)"))
    answer = finance.get(reverse("billing:invoice-export", args=["csv"]), {"sort": "-bill_on"})
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert "'=SUM(A1)" in text


@pytest.mark.parametrize(
    ("view", "where"),
    [
        ("late-usage", "Usage"),
        ("reminders", "Invoices"),
        ("credit-note-list", "Invoices"),
        ("tax-settings", "Settings"),
    ],
)
def test_the_navigation_says_where_a_page_is_looked_for(
    finance: Client, books: dict[str, Any], view: str, where: str
) -> None:
    shown = finance.get(reverse(f"billing:{view}"))

    assert [item.label for item, is_current in shown.context["nav"] if is_current] == [where]


def test_only_who_sets_reminders_makes_a_plan_of_them(
    finance: Client, books: dict[str, Any]
) -> None:
    here = reverse("billing:reminders")
    assert finance.get(here).context["plan"].days == [-3, 1, 7, 14, 30]
    assert not ReminderPlan.objects.exists()

    for days in ("1, 10", "2, 20"):
        assert finance.post(here, {"is_enabled": "on", "days": days}).status_code == 302
    plan = ReminderPlan.objects.get()
    assert (plan.is_enabled, plan.days) == (True, [2, 20])
    assert finance.post(here, {"days": "x"}).status_code == 422
    assert ReminderPlan.objects.get().days == [2, 20]


def test_what_is_open_is_named_with_the_currency_s_own_decimals(
    finance: Client, tenant: Any
) -> None:
    invoice = create_one_off(
        customer_id=make_customer("Yamato", currency="JPY").id,
        bill_on=date(2026, 3, 1),
        entries=[ManualEntry("Help", amount=Decimal(1500))],
        now=NOW,
    )
    issue_invoice(invoice_id=invoice.id, issued_on=date(2026, 3, 1), now=NOW)

    shown = finance.get(reverse("billing:payment-create")).content.decode()

    assert "Yamato · ¥1,500 open" in shown
    assert "1500.00 JPY" not in shown
