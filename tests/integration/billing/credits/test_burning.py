"""Credits through the life of an invoice, with amounts worked by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.models import (
    InvoiceCredit,
)
from billing.services.collections import open_amount
from billing.services.corrections import credit_invoice, credit_lines, void_invoice
from billing.services.credits import granting
from billing.services.credits.burning import CreditsChanged
from billing.services.invoicing import recalculate_invoices
from monetization.catalog.services import create_product
from tests.factories_billing import billed, deal
from tests.factories_credits import (
    AI,
    MARCH,
    MARCH_3,
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
