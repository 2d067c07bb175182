"""Over its whole life a contract earns what it billed: nothing stays deferred or unbilled."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.manual_lines import ManualEntry
from billing.services.corrections import credit_lines
from billing.services.drafts import add_manual_line
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from billing.services.reissue import void_and_reissue
from billing.services.schedules import change_status
from billing.services.seats import record_seats
from billing.services.taxing import set_tax_method
from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.kernel.period import Frequency, Period
from monetization.ledger.selectors import trial_balance
from monetization.pricing.prices import Flat, PercentOf, PerUnit, Seat
from monetization.pricing.terms import CapTerms, DiscountTerms, ItemTerms, MinimumTerms, OrderTerms
from monetization.tenancy.models import LegalEntity
from revrec import services
from revrec.selectors import contract_revenue, recognized
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_calls_meter, make_customer

D = Decimal
JAN, END = date(2026, 1, 1), date(2026, 7, 1)
SIGNED = datetime(2026, 1, 2, 12, tzinfo=UTC)
AFTER = datetime(2026, 7, 10, 12, tzinfo=UTC)
SEATS = ItemTerms(
    key="seats",
    product_code="seats",
    product_name="Seats",
    kind="seat",
    model=Seat(PerUnit(D(30)), "prorate_increments", contracted_minimum=D(10)),
    frequency=Frequency.MONTHLY,
    timing="in_arrears",
    quantity=D(12),
)
SUPPORT = replace(
    PLATFORM,
    key="support",
    product_code="support",
    product_name="Support",
    model=PercentOf(D(10), None),
    timing="in_arrears",
)


@pytest.fixture
def meter(tenant: Any) -> None:
    make_calls_meter(AFTER)


def used(customer: Any, *days: tuple[date, int]) -> None:
    events = [
        UsageEvent("t", str(day), "api", customer.name.lower(), at(day), {"n": D(count)})
        for day, count in days
    ]
    record_usage_events(events, now=AFTER)


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def months(until: date = END) -> list[date]:
    return [date(2026, month, 1) for month in range(1, until.month)]


def whole_life(schedule: Any) -> tuple[dict[str, Decimal], Decimal]:
    """Issue everything, recognize every month; returns the balances and what was billed."""
    for invoice in schedule.invoices.filter(status="draft").order_by("bill_on"):
        if invoice.total_amount:
            issue_invoice(
                invoice_id=invoice.id, issued_on=AFTER.date(), now=AFTER, ignore_grace=True
            )
    for month in months():
        services.recognize_month(month=month, now=AFTER)
    left = {row.account.value: row.balance for row in trial_balance() if row.balance}
    return left, sum(
        (one.total_amount for one in schedule.invoices.filter(status="issued")), start=D(0)
    )


CONTRACTS: dict[str, OrderTerms] = {
    "seats in arrears": deal(SEATS, PLATFORM, end=END),
    "seats in advance": deal(replace(SEATS, timing="in_advance"), PLATFORM, end=END),
    "all seats prorated": deal(
        replace(SEATS, model=Seat(PerUnit(D(30)), "prorate_all", contracted_minimum=D(10))), end=END
    ),
    "seats beyond the minimum at their own rhythm": deal(
        replace(
            SEATS,
            frequency=Frequency.QUARTERLY,
            timing="in_advance",
            overage_frequency=Frequency.MONTHLY,
        ),
        end=END,
    ),
    "seats earned at once": deal(replace(SEATS, recognition="point_in_time"), end=END),
    "a percentage of usage": deal(SUPPORT, PLATFORM, CALLS, end=END),
    "a cap that usage fills first": deal(
        replace(PLATFORM, timing="in_arrears"),
        CALLS,
        end=END,
        caps=(CapTerms(D(550), Frequency.MONTHLY, item_keys=("platform", "calls")),),
    ),
    "a fee at once, a minimum over everything": deal(
        replace(
            PLATFORM,
            key="setup",
            product_code="setup",
            model=Flat(D(400)),
            frequency=Frequency.ONE_TIME,
            recognition="point_in_time",
        ),
        PLATFORM,
        CALLS,
        end=END,
        minimum=MinimumTerms(D(2000), Frequency.QUARTERLY, includes_fixed=True),
    ),
    "a dearer overage beyond a commitment over the term, less a discount": replace(
        deal(
            PLATFORM,
            CALLS,
            end=END,
            discounts=(DiscountTerms(percent=D("12.5"), label="Commitment", item_keys=None),),
        ),
        minimums=(
            MinimumTerms(
                D(4000), Frequency.MONTHLY, window="over_contract", overage_factor=D("1.2")
            ),
        ),
    ),
    "free units and a stub": replace(
        deal(
            CALLS,
            replace(PLATFORM, frequency=Frequency.QUARTERLY),
            start=date(2026, 1, 12),
            end=date(2026, 6, 20),
        ),
        anchor_day=1,
    ),
    "a cap over fixed and usage": deal(
        PLATFORM,
        CALLS,
        end=END,
        caps=(CapTerms(D(550), Frequency.MONTHLY, item_keys=("platform", "calls")),),
    ),
}


@pytest.mark.usefixtures("tenant", "meter")
class TestWholeLife:
    @pytest.mark.parametrize("name", list(CONTRACTS))
    def test_earns_what_it_billed(self, name: str) -> None:
        customer = make_customer()
        used(customer, (date(2026, 2, 9), 1200), (date(2026, 4, 30), 70_000))
        schedule = billed(CONTRACTS[name], now=SIGNED, customer=customer)
        if "seats" in name:
            for day, balance in ((date(2026, 2, 15), 16), (date(2026, 4, 1), 11)):
                record_seats(
                    schedule_id=schedule.id,
                    item_key="seats",
                    effective_on=day,
                    balance=D(balance),
                    now=SIGNED,
                )
        opened = advance_schedule(schedule_id=schedule.id, now=AFTER)
        recalculate_invoices(invoice_ids=opened, now=AFTER)

        left, invoiced = whole_life(schedule)

        assert left == {"accounts_receivable": invoiced, "revenue": -invoiced}

    def test_earns_what_is_left_after_credits_and_lines_by_hand(self) -> None:
        customer = make_customer()
        used(customer, (date(2026, 2, 9), 1200), (date(2026, 4, 30), 70_000))
        schedule = billed(deal(PLATFORM, CALLS, end=END), now=AFTER, customer=customer)
        february, march = schedule.invoices.order_by("bill_on")[1:3]
        for entry in (
            ManualEntry("Help", amount=D("99.99"), service=Period(JAN, date(2026, 4, 1))),
            ManualEntry("Goodwill", amount=D("-20")),
        ):
            add_manual_line(invoice_id=march.id, entry=entry, now=AFTER)
        issue_invoice(invoice_id=february.id, issued_on=AFTER.date(), now=AFTER, ignore_grace=True)
        void_and_reissue(invoice_id=february.id, reason="Wrong number", now=AFTER)
        advance_schedule(schedule_id=schedule.id, now=AFTER)
        recalculate_invoices(
            invoice_ids=[row.id for row in schedule.invoices.filter(status="draft")], now=AFTER
        )
        whole_life(schedule)
        issued = schedule.invoices.filter(status="issued").order_by("bill_on")
        amounts = {line.id: line.amount / 3 for line in issued[3].lines.all() if line.amount}
        amounts = {place: round(amount, 2) for place, amount in amounts.items()}
        note = credit_lines(
            invoice_id=issued[3].id,
            amounts=amounts,
            reason="Slow",
            issued_on=AFTER.date(),
            now=AFTER,
        )

        left, invoiced = whole_life(schedule)

        kept = invoiced - note.total_amount
        assert left == {"accounts_receivable": kept, "revenue": -kept}

    def test_tax_inside_the_prices_is_no_revenue(self) -> None:
        set_tax_method(
            legal_entity_id=LegalEntity.objects.get(is_default=True).id,
            method="per_line",
            prices_include_tax=True,
            now=SIGNED,
        )
        customer = make_customer(tax_name="VAT", tax_percent=D(20))
        schedule = billed(deal(PLATFORM, end=END), now=AFTER, customer=customer)

        left, invoiced = whole_life(schedule)

        # 500.00 a month with 20 % inside: 416.67 and 83.33, six times.
        assert invoiced == D(3000)
        assert left == {
            "accounts_receivable": D(3000),
            "revenue": D("-2500.02"),
            "tax_payable": D("-499.98"),
        }

    def test_added_seats_earn_in_the_days_they_were_billed_for(self) -> None:
        schedule = billed(CONTRACTS["seats in arrears"], now=SIGNED)
        record_seats(
            schedule_id=schedule.id,
            item_key="seats",
            effective_on=date(2026, 2, 15),
            balance=D(16),
            now=SIGNED,
        )
        recalculate_invoices(
            invoice_ids=advance_schedule(schedule_id=schedule.id, now=AFTER), now=AFTER
        )

        for month in (1, 2, 3):
            services.recognize_month(month=date(2026, month, 1), now=AFTER)
        line = {one.item_key: one for one in contract_revenue(schedule).lines}["seats"]

        # Planned: 12 x 30 x 6 = 2,160 over 181 days, 90 of them by the end of March: 1,074.04 with
        # the cent its shares leave over.
        # Added: half of February for four seats, 60; all of March, 120.
        assert line.recognized == D("1254.04")
        # 60 and four months of 120 were billed since: 540 more than was signed.
        assert (line.price, line.since_signing) == (D(2700), D(540))


def test_a_cancelled_contract_earns_what_is_issued_and_no_more(tenant: Any) -> None:
    """500.00 a month in advance: two are issued, the third is drafted, the rest never billed."""
    schedule = billed(deal(PLATFORM, end=END), now=at(date(2026, 3, 2)))
    january, february, march = schedule.invoices.filter(status="draft").order_by("bill_on")
    for invoice in (january, february):
        issue_invoice(invoice_id=invoice.id, issued_on=AFTER.date(), now=AFTER, ignore_grace=True)
    services.plan_revenue(schedule_id=schedule.id)
    for month in months(date(2026, 5, 1)):
        services.recognize_month(month=month, now=AFTER)
    assert recognized_by([schedule]) == D("1988.95")  # by the plan: 3,000 x 120/181 days

    change_status(schedule_id=schedule.id, action="cancel", now=AFTER)
    for month in months():
        services.recognize_month(month=month, now=AFTER)

    assert recognized_by([schedule]) == D(1000)
    assert not schedule.obligations.exists()
    left = {row.account.value: row.balance for row in trial_balance() if row.balance}
    assert left == {"accounts_receivable": D(1000), "revenue": D(-1000)}

    issue_invoice(invoice_id=march.id, issued_on=AFTER.date(), now=AFTER, ignore_grace=True)
    services.recognize_month(month=date(2026, 6, 1), now=AFTER)
    assert recognized_by([schedule]) == D(1500)
    found = CHECKS["I05.5"].run(Books())
    assert not found.differing, found.samples


def recognized_by(schedules: list[Any]) -> Decimal:
    found = recognized([one.id for one in schedules]).values()
    return sum((amount.amount for amount in found), start=D(0))
