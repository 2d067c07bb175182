"""Revenue lands in the month it is earned, whatever was billed when. Worked by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.services.corrections import credit_invoice
from billing.services.invoicing import issue_invoice, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from monetization.kernel.period import Frequency
from monetization.ledger.models import JournalEntry
from monetization.ledger.selectors import trial_balance
from monetization.ledger.services import PeriodClosed, close_period, first_open_day
from monetization.pricing.prices import Flat
from monetization.pricing.terms import OrderTerms, PhaseTerms
from revrec import selectors, services
from revrec.models import PerformanceObligation
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_calls_meter, make_customer

APRIL = datetime(2026, 4, 3, 12, tzinfo=UTC)
JAN, FEB, MAR = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
YEARLY = replace(PLATFORM, model=Flat(Decimal(1200)), frequency=Frequency.YEARLY)


def balances() -> dict[str, Decimal]:
    return {row.account.value: row.balance for row in trial_balance() if row.balance}


def issue_all(schedule: Any, on: date) -> None:
    for invoice in schedule.invoices.filter(status="draft").order_by("bill_on"):
        if invoice.total_amount:
            issue_invoice(invoice_id=invoice.id, issued_on=on, now=APRIL, ignore_grace=True)


@pytest.mark.usefixtures("tenant")
class TestRecognizeMonth:
    def test_releases_a_prepaid_year_by_day(self) -> None:
        terms = deal(YEARLY, start=date(2026, 1, 15), end=date(2027, 1, 15))
        terms = replace(terms, anchor_day=15)
        schedule = billed(terms, now=APRIL)
        issue_all(schedule, date(2026, 1, 15))

        services.recognize_month(month=JAN, now=APRIL)

        # 17 of 365 days: 1200 x 17 / 365 = 55.89.
        assert balances() == {
            "accounts_receivable": Decimal(1200),
            "deferred_revenue": Decimal("-1144.11"),
            "revenue": Decimal("-55.89"),
        }

    def test_twice_posts_nothing_more(self) -> None:
        schedule = billed(deal(YEARLY), now=APRIL)
        issue_all(schedule, JAN)
        services.recognize_month(month=FEB, now=APRIL)
        entries = JournalEntry.objects.count()

        assert services.recognize_month(month=FEB, now=APRIL) == 0
        assert JournalEntry.objects.count() == entries

    def test_usage_earned_before_it_is_billed_is_unbilled_until_then(self) -> None:
        make_calls_meter(APRIL)
        customer = make_customer()
        event = UsageEvent(
            "t", "1", "api", "acme", datetime(2026, 2, 9, tzinfo=UTC), {"n": Decimal(1200)}
        )
        record_usage_events([event], now=APRIL)
        schedule = billed(deal(CALLS), now=APRIL, customer=customer)

        services.recognize_month(month=FEB, now=APRIL)
        assert balances() == {
            "unbilled_receivable": Decimal(116),
            "revenue": Decimal(-116),
        }

        issue_all(schedule, MAR)
        assert balances() == {"accounts_receivable": Decimal(116), "revenue": Decimal(-116)}

    def test_a_trial_on_the_same_line_spreads_the_price_over_the_whole_term(self) -> None:
        free = PhaseTerms(
            key="trial",
            name="Trial",
            kind="trial",
            start_on=JAN,
            end_on=FEB,
            items=(replace(PLATFORM, model=Flat(Decimal(0))),),
        )
        paid = PhaseTerms(
            key="paid",
            name="Paid",
            kind="standard",
            start_on=FEB,
            end_on=date(2027, 1, 1),
            items=(replace(PLATFORM, model=Flat(Decimal(365))),),
        )
        terms = OrderTerms("Deal", "USD", "UTC", JAN, date(2027, 1, 1), 1, 30, (free, paid))
        billed(terms, now=APRIL)

        services.recognize_month(month=JAN, now=APRIL)

        # 11 x 365.00 = 4,015.00 over 365 days is 11.00 a day: 341.00 for January.
        assert balances() == {"unbilled_receivable": Decimal(341), "revenue": Decimal(-341)}
        obligation = PerformanceObligation.objects.get()
        assert sum(s.amount for s in obligation.slices.all()) == obligation.transaction_price

    def test_a_credit_note_takes_back_what_is_deferred_then_revenue(self) -> None:
        schedule = billed(deal(YEARLY), now=APRIL)
        issue_all(schedule, JAN)
        for month in (JAN, FEB, MAR):
            services.recognize_month(month=month, now=APRIL)
        invoice = schedule.invoices.get(status="issued")

        credit_invoice(invoice_id=invoice.id, reason="left", issued_on=date(2026, 4, 3), now=APRIL)

        assert balances() == {}
        assert services.recognize_month(month=MAR, now=APRIL) == 0

    def test_late_usage_of_a_closed_month_is_caught_up_in_the_open_one(self) -> None:
        make_calls_meter(APRIL)
        customer = make_customer()
        schedule = billed(deal(CALLS, PLATFORM), now=APRIL, customer=customer)
        services.recognize_month(month=JAN, now=APRIL)
        close_period(month=JAN, now=APRIL)
        event = UsageEvent(
            "t", "1", "api", "acme", datetime(2026, 1, 9, tzinfo=UTC), {"n": Decimal(100)}
        )
        record_usage_events([event], now=APRIL)
        ids = schedule.invoices.values_list("id", flat=True)
        recalculate_invoices(invoice_ids=ids, now=APRIL)

        services.recognize_month(month=JAN, now=APRIL)

        late = JournalEntry.objects.get(period_of_origin=JAN)
        assert late.entry_date == FEB
        assert sum(p.amount for p in late.postings.filter(account="revenue")) == Decimal(-10)

    def test_an_earlier_month_takes_nothing_back_from_the_later_ones(self) -> None:
        schedule = billed(deal(YEARLY), now=APRIL)
        issue_all(schedule, JAN)
        for month in (JAN, FEB, MAR):
            services.recognize_month(month=month, now=APRIL)
        before = balances()

        assert services.recognize_month(month=JAN, now=APRIL) == 0
        assert balances() == before

    def test_a_catch_up_does_not_recognize_the_open_month_it_is_dated_in(self) -> None:
        schedule = billed(deal(YEARLY), now=APRIL)
        issue_all(schedule, JAN)
        services.recognize_month(month=JAN, now=APRIL)
        close_period(month=JAN, now=APRIL)
        billed(deal(PLATFORM), now=APRIL, customer=make_customer("Late"))

        services.recognize_month(month=JAN, now=APRIL)

        assert selectors.latest_recognized_month() == JAN
        # 1,200 x 31/365 = 101.92 and 6,000 x 31/365 = 509.59: January only.
        assert balances()["revenue"] == Decimal("-611.51")

    def test_a_month_is_not_recognized_before_it_is_over(self) -> None:
        with pytest.raises(services.MonthNotOver):
            services.recognize_month(month=date(2026, 4, 1), now=APRIL)


@pytest.mark.usefixtures("tenant")
class TestCloseMonth:
    def test_names_the_drafts_that_block_it(self) -> None:
        billed(deal(PLATFORM), now=APRIL)

        with pytest.raises(services.DraftsWaiting, match="1 draft"):
            services.close_month(month=JAN, now=APRIL)

    def test_a_closed_month_takes_no_entry(self) -> None:
        schedule = billed(deal(PLATFORM), now=APRIL)
        invoice = schedule.invoices.get(bill_on=JAN)
        issue_invoice(invoice_id=invoice.id, issued_on=JAN, now=APRIL)
        services.close_month(month=JAN, now=APRIL)

        assert first_open_day(date(2026, 1, 20)) == FEB
        other = schedule.invoices.get(bill_on=FEB)
        with pytest.raises(PeriodClosed):
            issue_invoice(invoice_id=other.id, issued_on=date(2026, 1, 31), now=APRIL)

    def test_the_roll_forward_closes_where_the_ledger_stands(self) -> None:
        schedule = billed(deal(YEARLY), now=APRIL)
        issue_all(schedule, JAN)
        for month in (JAN, FEB, MAR):
            services.recognize_month(month=month, now=APRIL)

        rows = selectors.deferred_roll_forward(start=JAN, end=date(2026, 4, 1))

        assert [row.closing for row in rows][-1] == -balances()["deferred_revenue"]
        assert rows[0].billed == 1200
        assert rows[1].opening == rows[0].closing
