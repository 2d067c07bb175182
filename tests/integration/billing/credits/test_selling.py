"""Credits that are sold, planned, rolled over and guarded, with amounts worked by hand."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from billing.models import (
    CreditGrant,
    CreditPlan,
    CreditSale,
    CreditTransaction,
    Invoice,
    InvoiceCredit,
)
from billing.services.collections import record_payment
from billing.services.corrections import credit_invoice, credit_lines, void_invoice
from billing.services.credits import clock, granting
from billing.services.credits.burning import CreditsChanged
from billing.services.credits.granting import CreditWords
from billing.services.credits.live import live_standings
from billing.services.credits.recurring import (
    PlanRhythm,
    Selling,
    plan_credits,
    set_top_up,
    stop_plan,
)
from billing.services.credits.selling import CreditsAlreadyUsed
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from monetization.tenancy.context import tenant_context
from revrec.services import recognize_month
from tests.factories_billing import PLATFORM, billed, deal, make_customer
from tests.factories_credits import (
    AI,
    JANUARY,
    MARCH,
    MARCH_3,
    PACK,
    PLAIN,
    ZERO,
    assert_sound,
    books,
    fresh,
    give,
    held,
    issue,
    on,
    use,
)


class TestSelling:
    def test_credits_sold_are_owed_until_used_and_breakage_at_the_end(
        self, tenant: Any, calls: Any, acme: Any
    ) -> None:
        use(1000)  # 3,000 AI credits: 45.00
        schedule = billed(deal(AI, PACK), now=MARCH, customer=acme)
        sale = issue(fresh(on(schedule, date(2026, 1, 1))))
        grant = CreditGrant.objects.get()
        assert (grant.amount, grant.cost_amount) == (Decimal(100000), Decimal(800))
        assert grant.expires_at == datetime(2027, 1, 1, tzinfo=UTC)
        assert books() == {
            "accounts_receivable": Decimal(880),
            "customer_credits": Decimal(-800),
            "tax_payable": Decimal(-80),
        }

        invoice = issue(fresh(on(schedule, date(2026, 3, 1))))

        assert sale.prepaid_amount == ZERO, "credits do not pay for credits"
        assert invoice.prepaid_amount == Decimal(45)
        found = books()
        assert found["customer_credits"] == Decimal(-776)  # 97,000 of 100,000 at 800
        assert found["promotional_credits"] == Decimal(21)  # worth 45, sold for 24
        assert recognize_month(month=date(2026, 2, 1), now=MARCH) == 1
        assert books()["revenue"] == Decimal(-45)
        assert_sound(tenant)

        later = datetime(2027, 1, 5, tzinfo=UTC)
        assert clock.due_to_expire(now=later) == [grant.id]
        clock.expire_grant(grant_id=grant.id, now=later)
        found = books()
        assert found["breakage_revenue"] == Decimal(-776)
        assert "customer_credits" not in found
        assert clock.due_to_expire(now=later) == []
        assert_sound(tenant)

    def test_an_invoice_whose_credits_were_used_is_credited_not_voided(
        self, tenant: Any, calls: Any, acme: Any
    ) -> None:
        use(1000)
        schedule = billed(deal(AI, PACK), now=MARCH, customer=acme)
        sale = issue(fresh(on(schedule, date(2026, 1, 1))))
        issue(fresh(on(schedule, date(2026, 3, 1))))
        line = sale.lines.get(kind="prepaid")

        with pytest.raises(CreditsAlreadyUsed):
            void_invoice(invoice_id=sale.id, reason="wrong", now=MARCH)
        with pytest.raises(CreditsAlreadyUsed, match="97000"):
            credit_invoice(invoice_id=sale.id, reason="wrong", issued_on=MARCH_3, now=MARCH)
        credit_lines(
            invoice_id=sale.id, amounts={line.id: Decimal(400)}, reason="half",
            issued_on=MARCH_3, now=MARCH,
        )  # fmt: skip

        grant = CreditGrant.objects.get()
        assert held(grant) == Decimal(47000)
        assert books()["customer_credits"] == Decimal(-376)
        assert_sound(tenant)

    def test_a_sale_that_is_voided_unused_leaves_nothing(
        self, tenant: Any, calls: Any, acme: Any
    ) -> None:
        schedule = billed(deal(AI, PACK), now=MARCH, customer=acme)
        sale = issue(fresh(on(schedule, date(2026, 1, 1))))

        void_invoice(invoice_id=sale.id, reason="wrong", now=MARCH)

        assert books() == {}
        assert CreditGrant.objects.get().voided_at == MARCH
        assert_sound(tenant)

    def test_what_was_sold_is_not_voided_by_hand(self, calls: Any, acme: Any) -> None:
        schedule = billed(deal(AI, PACK), now=MARCH, customer=acme)
        issue(fresh(on(schedule, date(2026, 1, 1))))

        with pytest.raises(granting.GrantWasSold, match="NW-"):
            granting.void_grant(grant_id=CreditGrant.objects.get().id, reason="x", now=MARCH)


class TestClock:
    def test_a_plan_grants_each_step_once_and_rolls_a_part_over(
        self, tenant: Any, acme: Any
    ) -> None:
        plan = plan_credits(
            words=CreditWords(customer_id=acme.id, name="Monthly", amount=Decimal(100)),
            rhythm=PlanRhythm(
                every="monthly", starts_on=date(2026, 1, 31), roll_over_fraction=Decimal("0.25")
            ),
            now=JANUARY,
        )
        february = datetime(2026, 2, 1, tzinfo=UTC)
        clock.grant_by_plan(plan_id=plan.id, now=february)
        clock.grant_by_plan(plan_id=plan.id, now=february)
        first = CreditGrant.objects.get()
        assert first.expires_at == datetime(2026, 2, 28, tzinfo=UTC)

        clock.expire_grant(grant_id=first.id, now=MARCH)
        clock.grant_by_plan(plan_id=plan.id, now=MARCH)
        clock.expire_grant(grant_id=first.id, now=MARCH)

        rolled = CreditGrant.objects.get(origin="roll_over")
        second = CreditGrant.objects.get(plan_on=date(2026, 2, 28), origin="plan")
        assert (held(first), held(rolled), held(second)) == (ZERO, Decimal(25), Decimal(100))
        assert rolled.expires_at == second.expires_at == datetime(2026, 3, 31, tzinfo=UTC)
        assert_sound(tenant)
        stop_plan(plan_id=plan.id, now=MARCH)
        assert clock.grant_by_plan(plan_id=plan.id, now=MARCH + timedelta(days=90)) == []
        assert CreditPlan.objects.get().stopped_at == MARCH

    def test_credits_an_open_invoice_needs_do_not_expire_under_it(
        self, tenant: Any, march: Any, acme: Any
    ) -> None:
        grant = give(acme, "200", expires_at=datetime(2026, 3, 1, tzinfo=UTC))

        clock.expire_grant(grant_id=grant.id, now=MARCH)
        assert held(grant) == Decimal(110)  # what the draft of February will use
        issue(fresh(on(march, date(2026, 3, 1))))
        clock.expire_grant(grant_id=grant.id, now=MARCH)

        assert held(grant) == ZERO
        grant.refresh_from_db()
        assert grant.ended_at == MARCH
        assert_sound(tenant)

    def test_a_top_up_sells_once_while_its_draft_waits(
        self, tenant: Any, calls: Any, acme: Any
    ) -> None:
        use(1000, month=3, day=2)
        give(acme, "3500", kind="unit", unit_code="AI credits")
        billed(deal(AI), now=MARCH, customer=acme)
        rule = set_top_up(
            words=CreditWords(
                customer_id=acme.id, name="Top-up", amount=Decimal(10000), kind="unit",
                unit_code="AI credits",
            ),
            selling=Selling(threshold=Decimal(1000), unit_cost=Decimal("0.01")), now=MARCH,
        )  # fmt: skip

        draft = clock.top_up(rule_id=rule.id, now=MARCH)  # 500 are left of 3,500

        assert draft is not None
        assert draft.total_amount == Decimal(110)
        assert clock.top_up(rule_id=rule.id, now=MARCH) is None
        issue(draft)
        bought = CreditGrant.objects.get(origin="top_up")
        assert (bought.amount, bought.cost_amount) == (Decimal(10000), Decimal(100))
        assert clock.top_up(rule_id=rule.id, now=MARCH) is None, "above the threshold again"
        assert not CreditSale.objects.filter(is_open=True).exists()
        assert_sound(tenant)

    def test_the_live_balance_counts_usage_before_any_invoice_does(
        self, calls: Any, acme: Any
    ) -> None:
        give(acme, "100")
        billed(deal(PLAIN), now=MARCH, customer=acme)
        use(300, month=3, day=2)

        (found,) = live_standings(customer_ids=[acme.id], now=MARCH)

        assert (found.balance, found.planned, found.left) == (100, 33, 67)


class TestGuards:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE billing_credittransaction SET units = 5",
            "DELETE FROM billing_credittransaction",
            "UPDATE billing_creditgrant SET amount = 5",
            "DELETE FROM billing_creditgrant",
            "UPDATE billing_invoicecredit SET value = 1",
        ],
    )
    def test_what_became_of_credits_is_never_rewritten(
        self, march: Any, acme: Any, statement: str
    ) -> None:
        give(acme, "30")
        issue(fresh(on(march, date(2026, 3, 1))))

        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    def test_the_database_refuses_a_balance_below_zero(self, march: Any, acme: Any) -> None:
        grant = give(acme, "30")
        event = grant.transactions.get().event

        with pytest.raises(DatabaseError, match="which is less than"), transaction.atomic():
            CreditTransaction.objects.create(
                grant=grant, kind="expired", units=Decimal(-31), event=event, happened_at=MARCH
            )

    @pytest.mark.parametrize(
        ("field", "more"),
        [
            ("amount", {"amount": Decimal(0)}),
            ("amount", {"amount": Decimal("1.001")}),
            ("kind", {"kind": "beans"}),
            ("unit_code", {"kind": "unit"}),
            ("meter", {"kind": "meter"}),
            ("products", {"products": ("nothing",)}),
            ("currency", {"currency": "XXY"}),
            ("priority", {"priority": -1}),
            ("taxed_at", {"taxed_at": "never"}),
            ("name", {"name": " "}),
        ],
    )
    def test_what_is_wrong_is_named(self, acme: Any, field: str, more: dict[str, Any]) -> None:
        words = {"name": "Gift", "amount": Decimal(1), **more}

        with pytest.raises(granting.CreditsInvalid, match=f"^{field}: "):
            granting.grant_credits(words=CreditWords(customer_id=acme.id, **words), now=MARCH)


@pytest.mark.django_db(transaction=True)
def test_four_at_once_never_spend_a_grant_twice(make_tenant: Any) -> None:
    """Each of twelve drafts was planned with the same 100; what was there is spent once."""
    tenant = make_tenant("Northwind")
    with tenant_context(tenant.id, actor="test"):
        acme = make_customer()
        drafts = []
        for number in range(12):
            schedule = billed(deal(PLATFORM), now=JANUARY, customer=acme)
            drafts.append(schedule.invoices.get(bill_on=date(2026, 1, 1)).id)
            assert number + 1 == len(drafts)
        grant = give(acme, "100")
        for draft in drafts:  # as if each had been calculated when the grant was still whole
            Invoice.objects.filter(id=draft).update(prepaid_amount=Decimal(30))
            InvoiceCredit.objects.create(
                invoice_id=draft, grant=grant, line_key="platform:2026-01-01", position=1,
                reduces_base=False, units=Decimal(30), value=Decimal(30),
            )  # fmt: skip

    def work(draft: Any) -> bool:
        try:
            with tenant_context(tenant.id, actor="test"):
                issue_invoice(invoice_id=draft, issued_on=date(2026, 1, 1), now=JANUARY)
        except CreditsChanged:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        issued = list(pool.map(work, drafts))

    with tenant_context(tenant.id, actor="test"):
        assert issued.count(True) == 3
        assert held(grant) == Decimal(10)


def test_a_payment_settles_only_what_credits_left_open(march: Any, acme: Any) -> None:
    give(acme, "30")
    invoice = issue(fresh(on(march, date(2026, 3, 1))))

    payment = record_payment(
        customer_id=acme.id, currency="USD", amount=Decimal(100), received_on=MARCH_3,
        reference="wire", now=MARCH,
    )  # fmt: skip

    assert payment.allocations.get().amount == Decimal(80)
    invoice.refresh_from_db()
    assert invoice.payment_status == "paid"


def test_a_new_month_opens_with_credits_planned(march: Any, acme: Any) -> None:
    give(acme, "30")
    later = datetime(2026, 4, 2, tzinfo=UTC)

    opened = advance_schedule(schedule_id=march.id, now=later)
    recalculate_invoices(invoice_ids=opened, now=later)

    assert advance_schedule(schedule_id=march.id, now=later) == []
