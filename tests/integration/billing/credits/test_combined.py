"""Credits beside thresholds, estimates, splits and lines below zero; amounts worked by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.manual_lines import ManualEntry
from billing.models import Invoice
from billing.services import splitting
from billing.services.collections import open_amount
from billing.services.drafts import add_manual_line
from billing.services.invoicing import issue_invoice, recalculate_invoices
from billing.services.thresholds import bill_threshold
from metering.models import Meter
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer
from tests.factories_credits import ZERO, assert_sound, give, held
from tests.integration.billing import test_estimates as estimates
from tests.integration.billing import test_thresholds as thresholds

D = Decimal


def computed(invoice: Invoice, now: datetime) -> Invoice:
    recalculate_invoices(invoice_ids=[invoice.id], now=now)
    return Invoice.objects.get(id=invoice.id)


def reached(schedule: Any, calls: int, day: int) -> Invoice:
    thresholds.use(calls, day, f"day-{day}")
    found = bill_threshold(schedule_id=schedule.id, now=thresholds.on(day))
    assert found is not None
    return found


class TestThresholds:
    """1,000 calls at 0.10, those beyond at 0.08, 20 % tax; billed whenever 100.00 accrued."""

    def test_credits_settle_what_is_claimed_on_the_way_and_the_rest_at_the_end(
        self, tenant: Any
    ) -> None:
        schedule = thresholds.contract(CALLS)
        grant = give(schedule.customer, "150")

        first = thresholds.issue(reached(schedule, 1000, 10), 10)
        assert (first.total_amount, first.prepaid_amount) == (D(120), D(120))
        assert (first.payment_status, held(grant)) == ("paid", D(30))

        second = thresholds.issue(reached(schedule, 2000, 20), 20)
        assert (second.total_amount, second.prepaid_amount) == (D(192), D(30))
        assert (open_amount(second), held(grant)) == (D(162), ZERO)

        thresholds.use(500, 28, "last")
        later = give(schedule.customer, "20", name="later")
        last = thresholds.close(schedule)
        # 300.00 in all, less 260.00 claimed before: 40.00 and the tax.
        assert (last.total_amount, last.prepaid_amount) == (D(48), D(20))
        thresholds.issue(last, 3, 2)
        assert held(later) == ZERO
        assert_sound(tenant)

    def test_credits_before_tax_wait_for_the_invoice_of_the_period_and_lower_its_rest(
        self, tenant: Any
    ) -> None:
        schedule = thresholds.contract(CALLS)
        offer = give(schedule.customer, "150", taxed_at="grant")

        first = thresholds.issue(reached(schedule, 1000, 10), 10)
        assert (first.subtotal_amount, first.prepaid_amount) == (D(100), ZERO)
        thresholds.use(500, 28, "last")

        # 140.00 in all, less 100.00: the offer pays the 40.00 that are left, no more.
        last = thresholds.issue(thresholds.close(schedule), 3, 2)
        assert (last.subtotal_amount, last.total_amount) == (ZERO, ZERO)
        assert held(offer) == D(110)
        assert_sound(tenant)

    def test_units_of_the_meter_pay_only_what_was_not_claimed(self, tenant: Any) -> None:
        schedule = thresholds.contract(CALLS)
        thresholds.issue(reached(schedule, 1000, 10), 10)
        thresholds.use(1000, 28, "last")
        pack = give(schedule.customer, "100", kind="meter", meter_id=Meter.objects.get().id)

        # 180.00 for 2,000; 80.00 of it is left, 888.88... units: a hundred of them pay 9.00.
        last = thresholds.issue(thresholds.close(schedule), 3, 2)
        assert (last.total_amount, last.prepaid_amount) == (D(96), D("9.00"))
        assert held(pack) == ZERO
        assert_sound(tenant)


class TestEstimates:
    def test_what_was_estimated_too_high_lowers_what_credits_pay_next(self, tenant: Any) -> None:
        schedule = estimates.contract()
        grant = give(schedule.customer, "120")
        estimates.estimate(schedule)

        march = estimates.issue(schedule, estimates.MARCH)
        assert (march.total_amount, march.prepaid_amount) == (D(100), D(100))
        estimates.use(600)

        april = estimates.issue(schedule, estimates.APRIL)
        # 600 calls were 60.00, so 40.00 come off the 100.00 estimated for March.
        assert (april.total_amount, april.prepaid_amount) == (D(60), D(20))
        assert (open_amount(april), held(grant)) == (D(40), ZERO)
        assert_sound(tenant)

    def test_what_was_estimated_too_low_is_paid_by_credits_too(self, tenant: Any) -> None:
        schedule = estimates.contract()
        grant = give(schedule.customer, "300")
        estimates.estimate(schedule)
        estimates.issue(schedule, estimates.MARCH)
        estimates.use(1500)

        april = estimates.issue(schedule, estimates.APRIL)

        # 1,500 calls are 140.00: 40.00 more, beside the 100.00 estimated for March.
        assert (april.total_amount, april.prepaid_amount) == (D(140), D(140))
        assert held(grant) == D(60)
        assert_sound(tenant)


class TestEstimatesAtThresholds:
    def test_usage_beyond_the_estimate_that_was_claimed_on_the_way_is_not_owed_again(
        self, tenant: Any
    ) -> None:
        schedule = thresholds.contract(CALLS)
        grant = give(schedule.customer, "150")
        estimates.set_estimate(
            schedule_id=schedule.id,
            item_key="calls",
            basis="fixed",
            quantity=D(1000),
            now=thresholds.START,
        )

        # 1,200 calls: 100.00 and 16.00, with the tax 139.20.
        first = thresholds.issue(reached(schedule, 1200, 10), 10)
        assert (first.total_amount, first.prepaid_amount) == (D("139.20"), D("139.20"))

        last = thresholds.issue(thresholds.close(schedule), 3, 2)
        assert (last.total_amount, last.prepaid_amount) == (ZERO, ZERO)
        assert held(grant) == D("10.80")
        assert_sound(tenant)


class TestDrafts:
    NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)

    @pytest.fixture
    def draft(self, tenant: Any) -> Invoice:
        """500.00 for the platform and 20.00 by hand, with 10 % tax."""
        customer = make_customer(tax_treatment="taxable", tax_name="VAT", tax_percent=D(10))
        schedule = billed(deal(PLATFORM), now=self.NOW, customer=customer)
        made: Invoice = schedule.invoices.get(bill_on=date(2026, 3, 1))
        add_manual_line(invoice_id=made.id, entry=ManualEntry("Help", amount=D(20)), now=self.NOW)
        return Invoice.objects.get(id=made.id)

    def test_a_split_draft_and_its_part_never_use_the_same_credits(
        self, tenant: Any, draft: Invoice
    ) -> None:
        grant = give(draft.customer, "560", effective_at=datetime(2026, 3, 1, tzinfo=UTC))
        draft = computed(draft, self.NOW)
        assert (draft.total_amount, draft.prepaid_amount) == (D(572), D(560))

        lines = list(draft.lines.filter(description="Help").values_list("id", flat=True))
        part = splitting.split_draft(invoice_id=draft.id, line_ids=lines, now=self.NOW)
        recalculate_invoices(invoice_ids=[draft.id, part.id], now=self.NOW)

        rows = Invoice.objects.filter(id__in=[draft.id, part.id])
        paid = {row.total_amount: row.prepaid_amount for row in rows}
        assert sum(paid.values()) == D(560)
        assert set(paid) == {D(550), D(22)}
        assert all(used <= whole for whole, used in paid.items())
        for row in rows:
            issue_invoice(invoice_id=row.id, issued_on=date(2026, 3, 3), now=self.NOW)
        assert held(grant) == ZERO
        assert_sound(tenant)

    def test_credits_before_tax_leave_a_draft_at_nothing_not_below(
        self, tenant: Any, draft: Invoice
    ) -> None:
        add_manual_line(
            invoice_id=draft.id, entry=ManualEntry("Goodwill", amount=D(-60)), now=self.NOW
        )
        offer = give(
            draft.customer, "1000", taxed_at="grant", effective_at=datetime(2026, 3, 1, tzinfo=UTC)
        )

        draft = computed(draft, self.NOW)

        # 520.00 less 60.00: the offer pays 460.00.
        assert (draft.subtotal_amount, draft.tax_amount, draft.total_amount) == (ZERO, ZERO, ZERO)
        used = sum(-line.amount for line in draft.lines.filter(kind="credit"))
        assert (used, held(offer)) == (D(460), D(1000))
        assert_sound(tenant)
