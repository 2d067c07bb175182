"""The revenue pages: figures that tie, who may see and do what, and a bounded number of queries."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from billing.services.invoicing import issue_invoice
from monetization.kernel.period import Frequency
from monetization.ledger.models import AccountingPeriod
from monetization.pricing.prices import Flat
from monetization.tenancy.context import tenant_context
from revrec import services
from tests.factories import make_member, make_tenant
from tests.factories_billing import PLATFORM, billed, deal, make_customer

APRIL = datetime(2026, 4, 3, 12, tzinfo=UTC)
JAN, FEB, MAR = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
YEARLY = replace(PLATFORM, model=Flat(Decimal(1200)), frequency=Frequency.YEARLY)
PAGES = (
    "/revenue/",
    "/revenue/deferred/",
    "/revenue/positions/",
    "/revenue/trial-balance/",
    "/revenue/journal/",
    "/revenue/months/",
    "/revenue/months/2026-02/",
)


@pytest.fixture
def seller(db: None) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: APRIL)


@pytest.fixture
def signed_in(seller: Any) -> Callable[[str], Client]:
    def sign_in(role: str) -> Client:
        client = Client()
        client.force_login(make_member(seller, role))
        return client

    return sign_in


def contract(*, customer: str = "Acme", recognized: tuple[date, ...] = (JAN,)) -> Any:
    """A prepaid year of 1,200 from January, issued, with some months recognized."""
    schedule = billed(deal(YEARLY), now=APRIL, customer=make_customer(customer))
    services.plan_revenue(schedule_id=schedule.id)
    invoice = schedule.invoices.get(status="draft")
    issue_invoice(invoice_id=invoice.id, issued_on=JAN, now=APRIL)
    for month in recognized:
        services.recognize_month(month=month, now=APRIL)
    return schedule


class TestWaterfall:
    def test_past_months_show_the_ledger_and_later_ones_the_plan(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()

        response = signed_in("finance").get("/revenue/?start=2026-01&count=3")

        revenue = response.context["revenue"]
        assert revenue.planned_from == FEB
        # 1,200 x 31/365, x 28/365 and x 31/365.
        assert [revenue.totals[month] for month in (JAN, FEB, MAR)] == [
            Decimal("101.92"),
            Decimal("92.05"),
            Decimal("101.92"),
        ]
        assert revenue.recognized == Decimal("101.92")

    def test_by_customer_names_the_customer(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract(customer="Globex")

        page = signed_in("finance").get("/revenue/?start=2026-01&count=3&by=customer")

        assert "Globex" in page.content.decode()

    def test_currencies_are_never_added_up(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()
            euro = billed(
                deal(PLATFORM, currency="EUR"),
                now=APRIL,
                customer=make_customer("Euro", currency="EUR"),
            )
            services.plan_revenue(schedule_id=euro.id)

        client = signed_in("finance")
        dollars = client.get("/revenue/?start=2026-01&count=3&currency=USD").context["revenue"]
        euros = client.get("/revenue/?start=2026-01&count=3&currency=EUR").context["revenue"]

        assert dollars.total == Decimal("295.89")
        assert euros.totals[FEB] == Decimal("460.27")  # 6,000 x 28/365

    def test_exports_what_it_shows(self, seller: Any, signed_in: Callable[[str], Client]) -> None:
        with tenant_context(seller.id):
            contract()

        response = signed_in("finance").get("/revenue/?start=2026-01&count=3&export=csv")

        text = response.getvalue().decode()
        assert "Platform,USD,2026-01,recognized,101.92" in text
        assert "Platform,USD,2026-02,planned,92.05" in text

    def test_a_filter_nobody_offers_falls_back_to_the_default(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()

        response = signed_in("finance").get("/revenue/?start=x&count=9999&currency=ZZZ&by=moon")

        assert response.status_code == 200
        assert response.context["revenue"].currency == "USD"


class TestTies:
    def test_the_roll_forward_closes_where_the_ledger_stands(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract(recognized=(JAN, FEB))

        response = signed_in("finance").get("/revenue/deferred/?start=2026-01&count=3")

        tie = response.context["ties"][0]
        assert (tie["closing"], tie["ledger"]) == (Decimal("1006.03"), Decimal("1006.03"))
        assert tie["holds"]
        assert response.context["tie_out"][0].holds

    def test_the_trial_balance_is_zero_on_any_day(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()

        response = signed_in("finance").get("/revenue/trial-balance/?as_of=2026-01-15")

        books = response.context["currencies"][0]
        assert (books["debit"], books["credit"], books["balance"]) == (1200, 1200, 0)

    def test_a_position_is_what_is_billed_ahead(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()

        response = signed_in("finance").get("/revenue/positions/")

        row = response.context["page"][0]
        assert (row.customer, row.line) == ("Acme", "Platform")
        assert (row.liability, row.asset) == (Decimal("1098.08"), 0)


class TestJournal:
    def test_shows_legs_cause_and_document(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()

        response = signed_in("finance").get("/revenue/journal/?rule=invoice_issued")

        (entry,) = response.context["entries"]
        assert entry.why == "Invoice issued"
        assert [(leg.account, leg.debit, leg.credit) for leg in entry.legs] == [
            ("Accounts receivable", Decimal(1200), None),
            ("Deferred revenue", None, Decimal(1200)),
        ]
        assert entry.link_label == "NW-INV-000001"

    def test_filters_by_month_account_and_customer(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()
            other = contract(customer="Globex", recognized=())
            customer_id = other.customer_id
        client = signed_in("finance")

        def count(query: str) -> int:
            return len(client.get(f"/revenue/journal/?{query}").context["entries"])

        assert count("month=2026-01") == 3
        assert count("month=2026-02") == 0
        assert count("account=revenue") == 1
        assert count(f"customer={customer_id}") == 1
        assert count("customer=nonsense") == 3


class TestMonthClose:
    def test_names_what_blocks(self, seller: Any, signed_in: Callable[[str], Client]) -> None:
        with tenant_context(seller.id):
            contract()
            billed(deal(PLATFORM), now=APRIL, customer=make_customer("Drafty"))

        response = signed_in("finance").get("/revenue/months/2026-02/")

        says = {check.label: check.says for check in response.context["checks"]}
        assert says["Earlier months are closed"] == "Close January 2026 first."
        assert "1 draft over $500.00" in says["Every invoice of the month is issued"]
        assert not response.context["can_close"]
        links = {check.label: check.link for check in response.context["checks"]}
        for label in ("Earlier months are closed", "Every invoice of the month is issued"):
            assert f'href="{escape(links[label])}"' in response.content.decode()
            assert signed_in("finance").get(links[label]).status_code == 200

    def test_says_what_is_earned_and_not_posted(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract(recognized=())
        client = signed_in("finance")

        before = client.get("/revenue/months/2026-01/").content.decode()
        client.post("/revenue/months/2026-01/recognize/")
        after = client.get("/revenue/months/2026-01/").content.decode()

        assert "$101.92 earned and not posted" in before
        assert "Nothing earned is missing" in after

    def test_a_contract_without_a_plan_is_not_an_all_clear(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            billed(deal(YEARLY), now=APRIL)  # the plan is owed by the event, not made yet
            contract(customer="Other", recognized=())

        response = signed_in("finance").get("/revenue/months/2026-01/")

        says = {check.label: check.says for check in response.context["checks"]}
        assert "1 contract is not planned yet" in says["Revenue is recognized"]

    def test_closes_and_reopens_with_a_reason(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()
        client = signed_in("finance")

        client.post("/revenue/months/2026-01/close/")
        with tenant_context(seller.id):
            assert AccountingPeriod.objects.get(month=JAN).status == "closed"

        without = client.post("/revenue/months/2026-01/reopen/", {"reason": " "})
        assert without.status_code == 422
        assert "This field is required" in without.content.decode()
        client.post("/revenue/months/2026-01/reopen/", {"reason": "Wrong tax"})
        with tenant_context(seller.id):
            assert AccountingPeriod.objects.get(month=JAN).status == "open"

    def test_a_refusal_is_said_and_nothing_closes(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()

        page = signed_in("finance").post("/revenue/months/2026-02/close/", follow=True)

        assert "close January 2026 first" in page.content.decode()
        with tenant_context(seller.id):
            assert not AccountingPeriod.objects.filter(status="closed").exists()

    def test_a_month_without_books_is_not_found(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        assert signed_in("finance").get("/revenue/months/1999-01/").status_code == 404


class TestContract:
    def test_shows_obligations_planned_and_posted(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            schedule = contract()
        client = signed_in("finance")

        page = client.get(f"/revenue/contracts/{schedule.id}/")
        part = client.get(f"/revenue/contracts/{schedule.id}/summary/")

        line = page.context["revenue"].lines[0]
        assert (line.price, line.recognized, line.remaining, line.deferred) == (
            Decimal(1200),
            Decimal("101.92"),
            Decimal("1098.08"),
            Decimal("1098.08"),
        )
        assert (line.months[0].planned, line.months[0].posted) == (
            Decimal("101.92"),
            Decimal("101.92"),
        )
        assert "<html" not in part.content.decode()

    def test_another_company_s_contract_is_not_found(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        stranger = make_tenant("Stranger")
        with tenant_context(stranger.id):
            schedule = contract()

        assert signed_in("finance").get(f"/revenue/contracts/{schedule.id}/").status_code == 404


class TestWhoMay:
    def test_finance_and_auditors_read_others_do_not(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(seller.id):
            contract()
        clients = {role: signed_in(role) for role in ("owner", "auditor", "engineer", "revops")}

        for path in PAGES:
            assert clients["owner"].get(path).status_code == 200, path
            assert clients["auditor"].get(path).status_code == 200, path
            assert clients["engineer"].get(path).status_code == 403, path
            assert clients["revops"].get(path).status_code == 403, path

    @pytest.mark.parametrize("action", ["recognize", "close", "reopen"])
    def test_an_auditor_changes_nothing(
        self, seller: Any, signed_in: Callable[[str], Client], action: str
    ) -> None:
        with tenant_context(seller.id):
            contract(recognized=())

        assert signed_in("auditor").post(f"/revenue/months/2026-01/{action}/").status_code == 403

    def test_nobody_sees_another_company_s_books(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        stranger = make_tenant("Stranger")
        with tenant_context(stranger.id):
            contract(customer="Secretive")
        client = signed_in("finance")

        for path in PAGES[:-1]:
            assert "Secretive" not in client.get(path).content.decode(), path


@pytest.mark.parametrize("path", PAGES)
def test_more_contracts_do_not_mean_more_queries(
    seller: Any,
    signed_in: Callable[[str], Client],
    django_assert_max_num_queries: Any,
    path: str,
) -> None:
    with tenant_context(seller.id):
        for name in ("One", "Two", "Three", "Four"):
            contract(customer=name, recognized=())
        services.recognize_month(month=JAN, now=APRIL)
    client = signed_in("finance")
    client.get(path)

    with django_assert_max_num_queries(30):
        client.get(path)
