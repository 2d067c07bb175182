"""Credits through the life of an invoice, with amounts worked by hand."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
from billing.selectors.credits import balances_of
from billing.services.collections import open_amount, record_payment
from billing.services.corrections import credit_invoice, credit_lines, void_invoice
from billing.services.credits import clock, granting
from billing.services.credits.burning import CreditsChanged
from billing.services.credits.granting import CreditWords, PlanRhythm
from billing.services.credits.live import live_standings
from billing.services.credits.selling import CreditsAlreadyUsed
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.services import create_meter, record_usage_events
from monetization.catalog.services import create_product
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.kernel.period import Frequency
from monetization.ledger.selectors import trial_balance
from monetization.pricing.prices import Flat, PerUnit
from monetization.pricing.terms import ItemTerms, PricingUnit
from monetization.pricing.terms.model import CreditsSold
from monetization.tenancy.context import tenant_context
from revrec.services import recognize_month
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_3 = date(2026, 3, 3)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
ZERO = Decimal(0)
PLAIN = replace(CALLS, model=PerUnit(Decimal("0.10")))
AI = replace(
    PLAIN, model=PerUnit(Decimal(3)), pricing_unit=PricingUnit("AI credits", Decimal("0.015"))
)
PACK = ItemTerms(
    key="pack",
    product_code="pack",
    product_name="AI credits",
    kind="fixed",
    model=Flat(Decimal(800)),
    frequency=Frequency.YEARLY,
    timing="in_advance",
    credits=CreditsSold(Decimal(100000), "AI credits", expires_after_months=12),
)


def books() -> dict[str, Decimal]:
    return {row.account.value: row.balance for row in trial_balance() if row.balance}


def use(calls: int, day: int = 10, month: int = 2) -> None:
    time = datetime(2026, month, day, 6, tzinfo=UTC)
    event = UsageEvent("t", f"e{month}-{day}", "api", "acme", time, {"n": Decimal(calls)})
    record_usage_events([event], now=MARCH)


def give(customer: Any, amount: str, **more: Any) -> CreditGrant:
    begins = more.pop("effective_at", JANUARY)
    ends = more.pop("expires_at", None)
    words = CreditWords(
        customer_id=customer.id, name=more.pop("name", "Gift"), amount=Decimal(amount), **more
    )
    return granting.grant_credits(words=words, now=JANUARY, effective_at=begins, expires_at=ends)


def on(schedule: Any, bill_on: date) -> Invoice:
    found: Invoice = schedule.invoices.get(bill_on=bill_on)
    return found


def fresh(invoice: Invoice) -> Invoice:
    recalculate_invoices(invoice_ids=[invoice.id], now=MARCH)
    return Invoice.objects.get(id=invoice.id)


def issue(invoice: Invoice) -> Invoice:
    return issue_invoice(invoice_id=invoice.id, issued_on=MARCH_3, now=MARCH, ignore_grace=True)


def held(grant: CreditGrant) -> Decimal:
    return balances_of([grant.id])[grant.id]


MONEY_CHECKS = ("I01", "I02", "I03", "I05.2", "I05.3", "I08", "I16")


def assert_sound(tenant: Any) -> None:
    for one in CHECKS.values():
        if one.id.startswith(MONEY_CHECKS):
            found = one.run(Books())
            assert not found.differing, (one.id, one.name, found.samples)


@pytest.fixture
def calls(tenant: Any) -> Any:
    return create_meter(
        key="calls", name="Calls", event_type="api", aggregation="sum", value_property="n",
        now=MARCH,
    )  # fmt: skip


@pytest.fixture
def acme(tenant: Any) -> Any:
    return make_customer(tax_treatment="taxable", tax_name="VAT", tax_percent=Decimal(10))


@pytest.fixture
def march(calls: Any, acme: Any) -> Any:
    """A contract that used 1,000 calls in February: 100.00, with tax 110.00, billed 1 March."""
    use(1000)
    return billed(deal(PLAIN), now=MARCH, customer=acme)


class TestBurning:
    def test_credits_settle_the_taxed_total_and_leave_the_base_alone(
        self, tenant: Any, march: Any, acme: Any
    ) -> None:
        grant = give(acme, "30")

        draft = fresh(on(march, MARCH_3.replace(day=1)))
        assert (draft.total_amount, draft.tax_amount) == (Decimal(110), Decimal(10))
        assert draft.prepaid_amount == Decimal(30)
        assert held(grant) == Decimal(30), "a draft only plans"

        invoice = issue(draft)
        assert open_amount(invoice) == Decimal(80)
        assert invoice.payment_status == "partially_paid"
        assert held(grant) == ZERO
        assert books() == {
            "accounts_receivable": Decimal(80),
            "deferred_revenue": Decimal(-100),
            "tax_payable": Decimal(-10),
            "promotional_credits": Decimal(30),
        }
        assert_sound(tenant)

    def test_credits_taxed_when_granted_reduce_the_taxable_base(
        self, tenant: Any, march: Any, acme: Any
    ) -> None:
        give(acme, "30", taxed_at="grant")

        invoice = issue(fresh(on(march, date(2026, 3, 1))))

        assert (invoice.subtotal_amount, invoice.tax_amount) == (Decimal(70), Decimal(7))
        assert open_amount(invoice) == Decimal(77)
        line = invoice.lines.get(kind="credit")
        assert (line.amount, line.tax_amount) == (Decimal(-30), Decimal(-3))
        assert books()["accounts_receivable"] == Decimal(77)
        assert_sound(tenant)

    def test_units_of_a_meter_pay_the_average_price(
        self, tenant: Any, march: Any, acme: Any, calls: Any
    ) -> None:
        grant = give(acme, "400", kind="meter", meter_id=calls.id)

        invoice = issue(fresh(on(march, date(2026, 3, 1))))

        assert invoice.prepaid_amount == Decimal(40)  # 400 of 1,000 calls for 100.00
        assert held(grant) == ZERO
        assert_sound(tenant)

    def test_custom_units_pay_at_the_rate_of_the_price(
        self, tenant: Any, calls: Any, acme: Any
    ) -> None:
        use(1000)
        grant = give(acme, "5000", kind="unit", unit_code="AI credits")
        schedule = billed(deal(AI), now=MARCH, customer=acme)

        invoice = issue(fresh(on(schedule, date(2026, 3, 1))))

        assert invoice.prepaid_amount == Decimal(45)  # 3,000 credits at 0.015; the tax stays due
        assert open_amount(invoice) == Decimal("4.50")
        assert held(grant) == Decimal(2000)
        assert_sound(tenant)

    def test_what_ends_first_burns_first_and_scopes_hold(
        self, tenant: Any, march: Any, acme: Any
    ) -> None:
        create_product(code="other", name="Other", kind="usage", recognition="usage")
        never = give(acme, "50", name="never")
        soon = give(acme, "50", name="soon", expires_at=datetime(2026, 4, 1, tzinfo=UTC))
        give(acme, "50", name="elsewhere", products=("other",), priority=1)

        invoice = issue(fresh(on(march, date(2026, 3, 1))))

        paid = list(
            InvoiceCredit.objects.filter(invoice=invoice)
            .order_by("position")
            .values_list("grant__name", "value")
        )
        assert paid == [("soon", Decimal(50)), ("never", Decimal(50))]
        assert (held(never), held(soon)) == (ZERO, ZERO)

    def test_usage_after_a_grant_has_ended_is_not_paid_by_it(
        self, tenant: Any, calls: Any, acme: Any
    ) -> None:
        use(300, day=5)
        use(700, day=20)
        give(acme, "500", expires_at=datetime(2026, 2, 15, tzinfo=UTC))
        schedule = billed(deal(PLAIN), now=MARCH, customer=acme)

        draft = fresh(on(schedule, date(2026, 3, 1)))

        assert draft.prepaid_amount == Decimal(30)  # 300 of 1,000 calls

    def test_two_drafts_never_plan_the_same_credits(
        self, tenant: Any, calls: Any, acme: Any
    ) -> None:
        use(1000, month=1)
        use(1000, month=2)
        give(acme, "150")
        schedule = billed(deal(PLAIN), now=MARCH, customer=acme)
        first, second = on(schedule, date(2026, 2, 1)), on(schedule, date(2026, 3, 1))

        assert fresh(second).prepaid_amount == Decimal(40)
        assert fresh(first).prepaid_amount == Decimal(110)
        issue(second)
        issue(first)

        assert_sound(tenant)

    def test_recalculating_again_changes_nothing(self, march: Any, acme: Any) -> None:
        give(acme, "30")
        give(acme, "10", taxed_at="grant")
        draft = fresh(on(march, date(2026, 3, 1)))

        assert recalculate_invoices(invoice_ids=[draft.id], now=MARCH) == []

    def test_a_draft_whose_credits_are_gone_is_not_issued(self, march: Any, acme: Any) -> None:
        grant = give(acme, "30")
        draft = fresh(on(march, date(2026, 3, 1)))
        granting.void_grant(grant_id=grant.id, reason="a mistake", now=MARCH)

        with pytest.raises(CreditsChanged, match="Gift holds less"):
            issue(draft)

        assert fresh(draft).prepaid_amount == ZERO
        issue(draft)

    def test_an_invoice_paid_in_full_by_credits_is_paid(self, march: Any, acme: Any) -> None:
        give(acme, "1000")

        invoice = issue(fresh(on(march, date(2026, 3, 1))))

        assert invoice.payment_status == "paid"
        assert open_amount(invoice) == ZERO

    def test_overdraft_goes_below_zero_only_after_every_other_grant(
        self, tenant: Any, march: Any, acme: Any
    ) -> None:
        deep = give(acme, "20", name="deep", allows_overdraft=True, priority=1)
        other = give(acme, "30", name="other")

        issue(fresh(on(march, date(2026, 3, 1))))

        assert (held(deep), held(other)) == (Decimal(-60), ZERO)
        assert_sound(tenant)


class TestUnwinding:
    def test_void_gives_everything_back(self, tenant: Any, march: Any, acme: Any) -> None:
        one, two = give(acme, "30"), give(acme, "20", taxed_at="grant")
        invoice = issue(fresh(on(march, date(2026, 3, 1))))

        void_invoice(invoice_id=invoice.id, reason="wrong", now=MARCH)

        assert (held(one), held(two)) == (Decimal(30), Decimal(20))
        assert books() == {}
        assert_sound(tenant)

    def test_a_full_credit_note_gives_everything_back(
        self, tenant: Any, march: Any, acme: Any
    ) -> None:
        one, two = give(acme, "30"), give(acme, "20", taxed_at="grant")
        invoice = issue(fresh(on(march, date(2026, 3, 1))))

        credit_invoice(invoice_id=invoice.id, reason="wrong", issued_on=MARCH_3, now=MARCH)

        assert (held(one), held(two)) == (Decimal(30), Decimal(20))
        assert books() == {}
        assert_sound(tenant)

    def test_a_credit_note_takes_what_is_open_before_credits_return(
        self, tenant: Any, march: Any, acme: Any
    ) -> None:
        first = give(acme, "20", name="first", priority=1)
        second = give(acme, "60", name="second")
        invoice = issue(fresh(on(march, date(2026, 3, 1))))  # 110, of it 80 by credits
        line = invoice.lines.get()

        credit_lines(
            invoice_id=invoice.id, amounts={line.id: Decimal(50)}, reason="less",
            issued_on=MARCH_3, now=MARCH,
        )  # fmt: skip

        invoice.refresh_from_db()  # 55 credited: 30 were open, 25 return, the first burned first
        assert invoice.prepaid_amount == Decimal(55)
        assert open_amount(invoice) == ZERO
        assert (held(first), held(second)) == (Decimal(20), Decimal(5))
        assert_sound(tenant)


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
        plan = granting.plan_credits(
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
        granting.stop_plan(plan_id=plan.id, now=MARCH)
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
        rule = granting.set_top_up(
            words=CreditWords(
                customer_id=acme.id, name="Top-up", amount=Decimal(10000), kind="unit",
                unit_code="AI credits",
            ),
            threshold=Decimal(1000), unit_cost=Decimal("0.01"), now=MARCH,
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
