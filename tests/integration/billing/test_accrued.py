"""What has accrued by now is what the coming invoice would say now."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.models import Invoice, InvoiceLine
from billing.services.accrued import (
    AccruedBill,
    AccruedTotal,
    accrued_of_customers,
    accrued_of_schedule,
    totals_by_currency,
)
from billing.services.invoicing import advance_schedule, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.models import UsageReading
from metering.services import fold_usage, record_usage_events
from monetization.kernel.money import Money
from monetization.kernel.period import Frequency
from tests.factories import make_api_key, make_member
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_calls_meter, make_customer

MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)


def use(calls: int, id: str, customer: str = "acme", time: datetime = MARCH) -> None:
    event = UsageEvent("t", id, "api", customer, time, {"n": Decimal(calls)})
    record_usage_events([event], now=MARCH)


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


@pytest.fixture
def calls(tenant: Any) -> Any:
    return make_calls_meter(MARCH)


def running(schedule: Any) -> AccruedBill:
    """The bill of March's usage, due on 1 April."""
    bills = accrued_of_schedule(schedule_id=schedule.id, now=MARCH)
    return next(bill for bill in bills if bill.bill_on == date(2026, 4, 1))


@pytest.mark.usefixtures("calls")
class TestAccrued:
    def test_usage_is_priced_through_its_tiers_as_soon_as_it_is_acknowledged(self) -> None:
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)
        assert running(schedule).accrued == usd("0.00")

        use(1200, "a")

        bill = running(schedule)
        assert bill.accrued == usd("116.00")  # 1,000 x 0.10 + 200 x 0.08
        assert bill.to_come == usd("500.00")  # April's platform fee, in advance
        assert bill.status == "in_progress"
        assert [(row.line.item_key, row.has_begun) for row in bill.lines] == [
            ("calls", True),
            ("platform", False),
        ]

    def test_it_is_what_the_invoice_says_once_it_is_calculated(self) -> None:
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)
        use(1200, "a")
        live = running(schedule)
        assert live.invoice_id

        recalculate_invoices(invoice_ids=[live.invoice_id], now=MARCH)

        invoice = Invoice.objects.get(id=live.invoice_id)
        assert invoice.total_amount == live.total.amount
        assert {(line.key, line.amount) for line in invoice.lines.all()} == {
            (row.line.key, row.amount.amount) for row in live.lines
        }

    def test_looking_stores_nothing(self) -> None:
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)
        use(1200, "a")
        before = (
            Invoice.objects.count(),
            InvoiceLine.objects.count(),
            UsageReading.objects.count(),
        )

        accrued_of_customers(customer_ids=[schedule.customer_id], now=MARCH)

        after = (Invoice.objects.count(), InvoiceLine.objects.count(), UsageReading.objects.count())
        assert after == before

    def test_a_new_month_accrues_before_the_clock_opens_its_invoice(self) -> None:
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)
        april = datetime(2026, 4, 1, 0, 1, tzinfo=UTC)  # nobody advanced the schedule yet
        event = UsageEvent("t", "x", "api", "acme", april, {"n": Decimal(10)})
        record_usage_events([event], now=april)

        bills = accrued_of_schedule(schedule_id=schedule.id, now=april)

        may = next(bill for bill in bills if bill.bill_on == date(2026, 5, 1))
        assert (may.accrued, may.invoice_id) == (usd("1.00"), None)
        advance_schedule(schedule_id=schedule.id, now=april)
        again = accrued_of_schedule(schedule_id=schedule.id, now=april)
        opened = next(bill for bill in again if bill.bill_on == date(2026, 5, 1))
        assert opened.invoice_id is not None
        assert [(row.line.key, row.amount) for row in opened.lines] == [
            (row.line.key, row.amount) for row in may.lines
        ]

    def test_a_year_billed_in_arrears_accrues_behind_the_months(self) -> None:
        yearly = replace(CALLS, key="year", frequency=Frequency.YEARLY)
        schedule = billed(deal(PLATFORM, yearly), now=MARCH)
        use(100, "a")

        bills = accrued_of_schedule(schedule_id=schedule.id, now=MARCH)

        end = next(bill for bill in bills if bill.bill_on == date(2027, 1, 1))
        assert end.accrued == usd("10.00")

    def test_what_is_suspended_still_shows_and_what_is_cancelled_opens_nothing(self) -> None:
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)
        type(schedule).objects.filter(id=schedule.id).update(status="cancelled")

        bills = accrued_of_schedule(schedule_id=schedule.id, now=MARCH)

        assert all(bill.invoice_id is not None for bill in bills)

    def test_a_customers_currencies_are_added_up_apart(self) -> None:
        acme = make_customer()
        billed(deal(CALLS), now=MARCH, customer=acme)
        billed(deal(CALLS, currency="EUR"), now=MARCH, customer=acme)
        use(10, "a")

        bills = accrued_of_customers(customer_ids=[acme.id], now=MARCH)

        assert [total.running for total in totals_by_currency(bills)] == [
            Money(Decimal("1.00"), "EUR"),
            usd("1.00"),
        ]

    def test_what_waits_for_review_is_told_apart_from_what_runs(self) -> None:
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)  # January to March: three drafts
        use(10, "a")

        bills = accrued_of_customers(customer_ids=[schedule.customer_id], now=MARCH)

        assert totals_by_currency(bills) == [AccruedTotal(usd("1.00"), usd("1500.00"))]

    def test_the_number_of_queries_does_not_grow_with_customers(self) -> None:
        ids = []
        counts = []
        for name in ("Acme", "Globex", "Initech"):
            customer = make_customer(name)
            billed(deal(CALLS), now=MARCH, customer=customer)
            use(100, name, name.lower())
            ids.append(customer.id)
            with CaptureQueriesContext(connection) as queries:
                found = accrued_of_customers(customer_ids=ids, now=MARCH)
            counts.append(len(queries))
            assert totals_by_currency(found)[0].running == usd(f"{10 * len(ids)}.00")

        assert counts[0] == counts[2] <= 15

    def test_sums_are_read_without_looking_at_the_events(self) -> None:
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)
        use(1200, "a")
        fold_usage()
        with connection.cursor() as cursor:  # what is not there cannot be read
            cursor.execute("DELETE FROM metering_usageevent")

        assert running(schedule).accrued == usd("116.00")


class TestOverRestAndOnPages:
    @pytest.fixture
    def schedule(self, tenant: Any, calls: Any) -> Any:
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)
        use(1200, "a")
        return schedule

    def test_the_api_answers_with_exact_strings(self, tenant: Any, schedule: Any) -> None:
        key = make_api_key(tenant, "invoices:read")
        with time_machine.travel(MARCH, tick=False):
            answers = [
                Client().get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {key}"}).json()
                for path in (
                    f"customers/{schedule.customer_id}/accrued",
                    f"schedules/{schedule.id}/accrued",
                )
            ]

        assert answers[0] == answers[1]
        assert answers[0]["totals"] == [
            {"currency": "USD", "running_amount": "116.00", "under_review_amount": "1500.00"}
        ]
        bill = answers[0]["bills"][-1]
        assert bill["accrued_amount"] == "116.00"
        assert bill["lines"][0]["quantity"] == "1200"
        assert bill["lines"][0]["amount"] == "116.00"

    def test_the_parts_show_the_lines(self, tenant: Any, schedule: Any) -> None:
        client = Client()
        client.force_login(
            make_member(tenant, "finance"), backend="django.contrib.auth.backends.ModelBackend"
        )
        with time_machine.travel(MARCH, tick=False):
            for path in (
                f"/billing/parts/customer/{schedule.customer_id}/accrued",
                f"/billing/parts/schedule/{schedule.id}/accrued",
            ):
                page = client.get(path).content.decode()
                assert "116.00" in page
                assert "API calls" in page

    def test_who_may_not_see_invoices_does_not_see_it(self, tenant: Any, schedule: Any) -> None:
        client = Client()
        client.force_login(
            make_member(tenant, "engineer"), backend="django.contrib.auth.backends.ModelBackend"
        )

        answer = client.get(f"/billing/parts/schedule/{schedule.id}/accrued")

        assert answer.status_code == 403
