"""What signing, opening, planning and closing cost does not grow with what is signed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Invoice
from billing.services.invoicing import advance_schedule
from billing.services.schedules import activate_schedule, create_schedule
from monetization.catalog.services import create_product
from monetization.customers.models import Customer
from monetization.tenancy.context import tenant_context
from monetization.tenancy.joining import joined
from monetization.tenancy.models import LegalEntity
from quotes.services import create_quote, save_draft
from revrec.services import plan_revenue, recognize_month
from tests.factories_billing import PLATFORM, billed, deal, make_customer, signed

MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)
JANUARY = date(2026, 1, 1)


def statements(use_case: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as seen:
        use_case()
    return len(seen)


def customer() -> Customer:
    return make_customer(f"Customer {Customer.objects.count()}")


def activated(*items: Any) -> Any:
    schedule = create_schedule(order_form_id=signed(deal(*items), customer()).id, now=MARCH)
    return activate_schedule(schedule_id=schedule.id, now=MARCH)


def several(count: int) -> list[Any]:
    return [replace(PLATFORM, key=f"platform-{n}") for n in range(count)]


@pytest.mark.usefixtures("tenant")
class TestStatements:
    def test_opening_twelve_invoices_takes_no_more_than_opening_one(self) -> None:
        short, long = activated(PLATFORM), activated(PLATFORM)
        january = datetime(2025, 12, 31, 12, tzinfo=UTC)

        one = statements(lambda: advance_schedule(schedule_id=short.id, now=january))
        many = statements(
            lambda: advance_schedule(schedule_id=long.id, now=MARCH + timedelta(days=300))
        )

        assert (short.invoices.count(), long.invoices.count()) == (1, 12)
        assert many <= one

    def test_what_is_opened_once_is_opened_with_its_periods_and_not_again(self) -> None:
        schedule = activated(PLATFORM)
        advance_schedule(schedule_id=schedule.id, now=MARCH)
        first = {row.bill_on: row.id for row in schedule.invoices.all()}
        schedule.periods.filter(bill_on=JANUARY).update(invoice=None)

        opened = advance_schedule(schedule_id=schedule.id, now=MARCH)

        assert opened == [first[JANUARY]]
        assert Invoice.objects.count() == len(first) == 4  # January to March, and what runs next
        for bill_on, invoice_id in first.items():
            assert {p.bill_on for p in schedule.periods.filter(invoice=invoice_id)} == {bill_on}

    def test_planning_what_five_items_earn_takes_no_more_than_one(self) -> None:
        one, five = activated(PLATFORM), activated(*several(5))

        few = statements(lambda: plan_revenue(schedule_id=one.id))
        many = statements(lambda: plan_revenue(schedule_id=five.id))

        assert (one.obligations.count(), five.obligations.count()) == (1, 5)
        assert many <= few

    def test_recognizing_four_contracts_takes_no_more_than_two(self) -> None:
        contracts = [billed(deal(PLATFORM), now=MARCH, customer=customer()) for _ in range(2)]
        for contract in contracts:
            plan_revenue(schedule_id=contract.id)
        few = statements(lambda: recognize_month(month=JANUARY, now=MARCH))
        for contract in [billed(deal(PLATFORM), now=MARCH, customer=customer()) for _ in range(4)]:
            plan_revenue(schedule_id=contract.id)

        many = statements(lambda: recognize_month(month=JANUARY, now=MARCH))

        assert many <= few

    def test_a_draft_of_six_lines_takes_no_more_than_one_of_two(self) -> None:
        for n in range(6):
            create_product(code=f"p{n}", name=f"Product {n}", kind="fixed", recognition="")
        buyer = customer()

        def saved(count: int) -> int:
            quote = create_quote(customer_id=buyer.id, title="D", start_on=JANUARY, now=MARCH)
            version = quote.versions.get()
            model = {"model": "flat", "amount": "100"}
            lines = [{"product": f"p{n}", "model": model} for n in range(count)]
            payload = {"phases": [{"months": 12, "lines": lines}]}
            return statements(lambda: save_draft(version_id=version.id, payload=payload))

        saved(1)
        assert saved(6) <= saved(2)


class TestJoined:
    def test_inside_a_transaction_a_step_costs_no_savepoint(self, tenant: Any) -> None:
        step = joined(LegalEntity.objects.count)

        assert statements(step) == 1

    @pytest.mark.django_db(transaction=True)
    def test_alone_it_is_a_transaction_of_its_own(self, make_tenant: Callable[..., Any]) -> None:
        tenant = make_tenant("Northwind Software")
        seen = []

        @joined
        def step() -> None:
            seen.append(connection.in_atomic_block)

        step()
        assert not connection.in_atomic_block
        assert seen == [True]

        @joined
        def fail() -> None:
            LegalEntity.objects.create(name="Second", code="S2")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), tenant_context(tenant.id):
            fail()
        with tenant_context(tenant.id):
            assert not LegalEntity.objects.filter(code="S2").exists()
