"""A running contract is amended, renewed or ended by what was signed, to the cent and the day.

Every amount is worked by hand in the comment above it.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import ProgrammingError, transaction
from django.test import Client

from billing.models import BillingSchedule, Invoice, UnusedTime
from billing.services.amendments import (
    ScheduleCannotEnd,
    apply_amendment,
    end_schedule,
    preview_amendment,
)
from billing.services.corrections import UnusedTimeGivenBack, credit_lines, void_invoice
from billing.services.invoicing import advance_schedule, issue_invoice
from billing.services.reissue import void_and_reissue
from billing.services.seats import record_seats
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.ledger.accounts import Account
from monetization.ledger.selectors import line_positions, trial_balance
from monetization.pricing.terms import terms_from_data
from quotes import selectors, services
from quotes.models import OrderForm, Quote, QuoteVersion
from quotes.services.following import (
    ContractCannotFollow,
    clone_quote,
    draft_amendment,
    draft_renewal,
)
from revrec.selectors import recognized
from revrec.services import recognize_month, replan_ended
from tests.factories import make_api_key
from tests.factories_billing import make_customer
from tests.scenarios.deals import Deal, line, make_products, phase, sell

D = Decimal
APRIL_16 = date(2027, 4, 16)
NOW = datetime(2027, 4, 16, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _catalog(tenant: Any) -> None:
    make_products()


@pytest.fixture
def deal() -> Deal:
    """3,000 a month in advance for 2027; January to April are issued."""
    found = sell(phase(line("platform", "3000")), start=date(2027, 1, 1), auto_renew=True)
    found.invoices(date(2027, 4, 2))
    for invoice in found.schedule.invoices.filter(status="draft"):
        issue_invoice(invoice_id=invoice.id, issued_on=invoice.bill_on, now=NOW, ignore_grace=True)
    return found


def amended(deal: Deal, price: str, on: date = APRIL_16, **options: Any) -> QuoteVersion:
    """Draft an amendment that charges another price from a day on."""
    quote = draft_amendment(order_form_id=deal.form.id, effective_on=on, now=NOW, **options)
    return services.save_draft(
        version_id=quote.versions.get().id,
        payload={"expires_on": "2027-12-31", "phases": [phase(line("platform", price))]},
    )


def sign(version: QuoteVersion) -> OrderForm:
    address = services.send_version(version_id=version.id, now=NOW)
    form = services.sign_version(
        token=address.rpartition("/")[2],
        name="Ann Lee",
        email="ann@example.com",
        title="",
        consent=True,
        ip_address=None,
        user_agent="",
        now=NOW,
    )
    assert form is not None
    return form


def applied(version: QuoteVersion) -> Deal:
    form = sign(version)
    schedule = apply_amendment(order_form_id=form.id, now=NOW)
    assert schedule is not None
    return Deal(version, form, schedule)


class TestAmending:
    def test_the_rest_of_april_is_credited_and_charged_anew(self, deal: Deal) -> None:
        new = applied(amended(deal, "3600"))

        # 15 of 30 days of April unused: 3,000 x 15/30 = 1,500 back. The same days at 3,600:
        # 1,800. Together 300; from May on 3,600 a month to the same end.
        assert new.invoices(date(2027, 5, 1)) == {
            "2027-04-16": D(300),
            "2027-05-01": D(3600),
            "2027-06-01": D(3600),
        }
        assert new.schedule.end_on == date(2028, 1, 1)
        assert [row.amount for row in UnusedTime.objects.all()] == [D(1500)]
        old = BillingSchedule.objects.get(id=deal.schedule.id)
        assert (old.ended_on, old.end_on, old.ended_by_id) == (APRIL_16, APRIL_16, new.form.id)
        assert not old.invoices.exclude(status="issued").exists()

    def test_a_full_reset_starts_a_whole_period_that_day(self, deal: Deal) -> None:
        new = applied(amended(deal, "3600", change_rule="now_full_reset"))

        # 1,500 back, a whole new month at 3,600: 2,100; the next on 16 May.
        assert new.invoices(date(2027, 5, 16)) == {
            "2027-04-16": D(2100),
            "2027-05-16": D(3600),
            "2027-06-16": D(3600),
        }

    def test_a_change_at_the_period_end_costs_nothing_before_it(self, deal: Deal) -> None:
        version = amended(deal, "3600", change_rule="at_period_end")
        new = applied(version)

        assert version.start_on == date(2027, 5, 1)
        assert not UnusedTime.objects.exists()
        assert new.invoices(date(2027, 5, 1))["2027-05-01"] == D(3600)

    def test_what_is_given_back_by_one_that_begins_later_waits_for_its_first_bill(
        self, deal: Deal
    ) -> None:
        quote = draft_amendment(order_form_id=deal.form.id, effective_on=date(2027, 4, 21), now=NOW)
        arrears = phase(line("platform", "3600", timing="in_arrears"))
        new = applied(
            services.save_draft(
                version_id=quote.versions.get().id,
                payload={"expires_on": "2027-12-31", "phases": [arrears]},
            )
        )

        # 10 of 30 days of April: 3,600 x 10/30 = 1,200, less the 1,000 that were paid ahead.
        first = new.schedule.invoices.get()
        assert (first.period_start, first.period_end) == (date(2027, 4, 21), date(2027, 5, 1))
        assert new.invoices(date(2027, 5, 1))["2027-05-01"] == D(200)

    def test_applying_again_changes_nothing(self, deal: Deal) -> None:
        new = applied(amended(deal, "3600"))

        again = apply_amendment(order_form_id=new.form.id, now=NOW)

        assert again == new.schedule
        assert new.schedule.invoices.get(bill_on=APRIL_16).lines.filter(is_manual=True).count() == 1

    def test_lines_are_added_and_the_term_is_extended(self, deal: Deal) -> None:
        quote = draft_amendment(order_form_id=deal.form.id, effective_on=date(2027, 5, 1), now=NOW)
        version = services.save_draft(
            version_id=quote.versions.get().id,
            payload={
                "expires_on": "2027-12-31",
                "phases": [
                    phase(line("platform", "3000"), line("support", "400")),
                    phase(line("platform", "3100"), line("support", "400")),
                ],
            },
        )
        new = applied(version)

        # Months count from January, where the phase began: two phases end with 2028.
        assert new.schedule.end_on == date(2029, 1, 1)
        # 8 x 3,400 in 2027 and 12 x 3,500 in 2028.
        assert new.value is None or selectors.totals_of(
            selectors.terms_of(version)
        ).priced.total_contract_value.amount == D(8 * 3400 + 12 * 3500)
        assert new.invoices(date(2027, 5, 1))["2027-05-01"] == D(3400)

    def test_the_preview_says_what_signing_does(self, deal: Deal) -> None:
        version = amended(deal, "3600")

        seen = preview_amendment(schedule=deal.schedule, terms=selectors.terms_of(version))

        assert (seen.credit.amount, seen.first_bill.amount, seen.net.amount) == (-1500, 1800, 300)
        # Before: May to December at 3,000. After: 1,800 and eight months at 3,600, less 1,500.
        assert seen.remaining_before.amount == D(24000)
        assert seen.remaining_after.amount == D(1800 + 8 * 3600 - 1500)

    def test_revenue_is_earned_by_day_under_the_contract_of_the_day(self, deal: Deal) -> None:
        new = applied(amended(deal, "3600"))
        replan_ended(schedule_id=deal.schedule.id)
        first = new.schedule.invoices.get(bill_on=APRIL_16)
        issue_invoice(invoice_id=first.id, issued_on=APRIL_16, now=NOW, ignore_grace=True)

        recognize_month(month=date(2027, 4, 1), now=datetime(2027, 5, 2, tzinfo=UTC))

        earned = {row.account: row.balance for row in trial_balance()}
        # Before: 105 days for 9,000 + 1,500, all earned. After: 260 days for 1,800 + 8 x 3,600 =
        # 30,600, of which 15 in April: 1,765.39 with the cent its share leaves over. The 1,500
        # given back and the 1,500 billed before are the same days, and cancel out.
        assert abs(earned[Account.REVENUE]) == D("12265.39")

    def test_an_amendment_is_for_a_day_of_the_contract_and_follows_the_last_one(
        self, deal: Deal
    ) -> None:
        with pytest.raises(ContractCannotFollow, match="after 2027-01-01"):
            amended(deal, "3600", on=date(2025, 3, 7), change_rule="at_period_end")
        for day in (date(2027, 1, 1), date(2028, 1, 1)):
            with pytest.raises(ContractCannotFollow, match="effective_on"):
                draft_amendment(order_form_id=deal.form.id, effective_on=day, now=NOW)
        applied(amended(deal, "3600"))

        with pytest.raises(ContractCannotFollow, match="was amended"):
            amended(deal, "4000", on=date(2027, 6, 1))

    def test_what_was_billed_once_is_not_billed_again(self) -> None:
        found = sell(
            phase(line("platform", "100"), line("setup", "900", frequency="one_time")),
            start=date(2027, 1, 1),
        )

        quote = draft_amendment(order_form_id=found.form.id, effective_on=APRIL_16, now=NOW)

        items = selectors.terms_of(quote.versions.get()).phases[0].items
        assert [item.key for item in items] == ["platform"]


class TestEnding:
    def test_a_contract_that_ends_early_bills_nothing_more(self, deal: Deal) -> None:
        unused = end_schedule(schedule_id=deal.schedule.id, end=date(2027, 4, 21), now=NOW)

        # 10 of 30 days of April: 1,000 were paid for nothing.
        assert [part.amount.amount for part in unused] == [D(1000)]
        assert deal.invoices(date(2027, 8, 1)).keys() == {
            f"2027-0{month}-01" for month in range(1, 5)
        }
        with pytest.raises(ScheduleCannotEnd):
            end_schedule(schedule_id=deal.schedule.id, end=date(2027, 4, 22), now=NOW)

    def test_a_month_billed_afterwards_is_cut_by_day(self) -> None:
        found = sell(phase(line("support", "3000", timing="in_arrears")), start=date(2027, 1, 1))
        found.invoices(date(2027, 4, 10))

        end_schedule(schedule_id=found.schedule.id, end=APRIL_16, now=NOW)

        # 15 of 30 days: 1,500, billed when it ends.
        assert found.invoices(APRIL_16)["2027-04-16"] == D(1500)
        assert not Invoice.objects.filter(bill_on__gt=APRIL_16).exists()

    def test_what_is_left_of_an_open_invoice_is_its_total(self) -> None:
        found = sell(
            phase(line("platform", "3000"), line("support", "400", timing="in_arrears")),
            start=date(2027, 1, 1),
        )
        assert found.invoices(date(2027, 4, 10))["2027-05-01"] == D(3400)

        end_schedule(schedule_id=found.schedule.id, end=date(2027, 5, 1), now=NOW)

        # Support of April stays on the invoice of 1 May; the platform's May is not owed any more.
        assert found.schedule.invoices.get(bill_on=date(2027, 5, 1)).subtotal_amount == D(400)
        assert sum(found.lines(date(2027, 5, 1)).values()) == D(400)

    def test_an_invoice_voided_after_the_end_is_billed_up_to_it(self, deal: Deal) -> None:
        end_schedule(schedule_id=deal.schedule.id, end=APRIL_16, now=NOW)
        april = deal.schedule.invoices.get(bill_on=date(2027, 4, 1))

        void_invoice(invoice_id=april.id, reason="wrong", now=NOW)

        # 15 of 30 days of April: 3,000 x 15/30. May was never owed.
        deal.invoices(date(2027, 8, 1))
        [draft] = deal.schedule.invoices.filter(status="draft")
        assert (draft.bill_on, draft.subtotal_amount) == (date(2027, 4, 1), D(1500))
        books_agree()

    def test_what_was_void_before_does_not_keep_a_contract_from_ending(self, deal: Deal) -> None:
        for bill_on in (date(2027, 4, 1), date(2027, 2, 1)):
            void = deal.schedule.invoices.get(bill_on=bill_on)
            void_invoice(invoice_id=void.id, reason="wrong", now=NOW)

        end_schedule(schedule_id=deal.schedule.id, end=APRIL_16, now=NOW)

        open_ones = deal.schedule.invoices.filter(status="draft").order_by("bill_on")
        assert [one.subtotal_amount for one in open_ones] == [D(3000), D(1500)]
        books_agree()
        with pytest.raises(ProgrammingError, match="never change"), transaction.atomic():
            void.lines.update(amount=1, billing_period=None)

    def test_days_billed_past_the_end_and_not_given_back_are_still_to_be_earned(self) -> None:
        found = sell(phase(line("platform", "12000", frequency="yearly")), start=date(2027, 1, 1))
        found.invoices(date(2027, 1, 2))
        for invoice in found.schedule.invoices.filter(status="draft"):
            issue_invoice(invoice_id=invoice.id, issued_on=APRIL_16, now=NOW, ignore_grace=True)
        end_schedule(schedule_id=found.schedule.id, end=APRIL_16, now=NOW)
        advance_schedule(schedule_id=found.schedule.id, now=NOW)
        assert BillingSchedule.objects.get().status == "completed"

        for month in range(1, 5):
            recognize_month(month=date(2027, month, 1), now=datetime(2027, 5, 2, tzinfo=UTC))

        assert not CHECKS["I05.6"].run(Books()).differing

    def test_one_issued_again_after_the_end_is_cut_too(self, deal: Deal) -> None:
        end_schedule(schedule_id=deal.schedule.id, end=APRIL_16, now=NOW)
        april = deal.schedule.invoices.get(bill_on=date(2027, 4, 1))

        draft = void_and_reissue(invoice_id=april.id, reason="wrong", now=NOW)

        assert draft.subtotal_amount == D(1500)
        assert draft.periods.get().service_end == APRIL_16
        books_agree()

    def test_days_given_back_by_an_amendment_are_not_withdrawn_once_more(self, deal: Deal) -> None:
        applied(amended(deal, "3600"))
        april = deal.schedule.invoices.get(bill_on=date(2027, 4, 1))

        for withdraw in (void_invoice, void_and_reissue):
            with pytest.raises(UnusedTimeGivenBack, match="given back when its contract was"):
                withdraw(invoice_id=april.id, reason="wrong", now=NOW)
        march = deal.schedule.invoices.get(bill_on=date(2027, 3, 1))
        void_invoice(invoice_id=march.id, reason="wrong", now=NOW)
        books_agree()


def books_agree() -> None:
    """Ask everything that `verify` asks, once the months that are over are recognized.

    But I16.4: it asks which transaction came after which, and a test is one.
    """
    for month in range(1, 4):
        recognize_month(month=date(2027, month, 1), now=NOW)
    books = Books()
    for id, check in CHECKS.items():
        found = check.run(books)
        assert id == "I16.4" or not found.differing, (id, found.samples)


class TestFollowing:
    def test_a_renewal_raises_prices_as_was_agreed(self) -> None:
        found = sell(
            phase(line("platform", "999.99")),
            start=date(2027, 1, 1),
            renewal_months=24,
            renewal_uplift_percent="5",
        )

        quote = draft_renewal(order_form_id=found.form.id, now=NOW)
        terms = selectors.terms_of(quote.versions.get())

        # 999.99 x 1.05 = 1,049.9895, to the cent 1,049.99.
        assert (terms.start_on, terms.end_on) == (date(2028, 1, 1), date(2030, 1, 1))
        assert terms.phases[0].items[0].model.amount == D("1049.99")  # type: ignore[union-attr]
        assert draft_renewal(order_form_id=found.form.id, now=NOW) == quote

    def test_a_copy_offers_the_same_to_somebody_else(self, deal: Deal) -> None:
        other = make_customer(name="Globex")
        quote = clone_quote(
            quote_id=deal.version.quote_id,
            customer_id=other.id,
            title="For Globex",
            start_on=date(2028, 1, 1),
            now=NOW,
        )

        terms = selectors.terms_of(quote.versions.get())
        assert terms.phases[0].items == terms_from_data(deal.form.terms).phases[0].items
        assert Quote.objects.get(id=quote.id).customer_id == other.id


def test_seats_added_before_an_amendment_leave_nothing_deferred_on_the_old_contract() -> None:
    seats = {
        "model": "seat",
        "price": {"model": "per_unit", "unit_price": "30"},
        "mode": "prorate_increments",
        "contracted_minimum": "10",
    }
    deal = sell(
        phase(line("crm", quantity="12", model=seats, timing="in_advance")),
        start=date(2027, 1, 1),
    )
    record_seats(
        schedule_id=deal.schedule.id,
        item_key="crm",
        effective_on=date(2027, 3, 1),
        balance=D(16),
        now=datetime(2027, 2, 1, tzinfo=UTC),
    )
    # 12 x 30 for January and February, 16 x 30 from March on.
    assert list(deal.invoices(date(2027, 4, 2)).values())[:4] == [D(360), D(360), D(480), D(480)]
    for invoice in deal.schedule.invoices.filter(bill_on__lt=date(2027, 5, 1)):
        issue_invoice(invoice_id=invoice.id, issued_on=invoice.bill_on, now=NOW, ignore_grace=True)
    quote = draft_amendment(order_form_id=deal.form.id, effective_on=APRIL_16, now=NOW)
    applied(
        services.save_draft(
            version_id=quote.versions.get().id,
            payload={
                "expires_on": "2027-12-31",
                "phases": [phase(line("crm", quantity="20", model=seats, timing="in_advance"))],
            },
        )
    )
    replan_ended(schedule_id=deal.schedule.id)

    recognize_month(month=date(2027, 3, 1), now=datetime(2027, 5, 2, tzinfo=UTC))
    # Planned: 105 days for 3 x 360 + 180 = 1,260, 12.00 a day: 1,080 to the end of March. The
    # four seats more earn their 120 of March.
    assert revenue_of(deal) == 1200
    recognize_month(month=date(2027, 4, 1), now=datetime(2027, 5, 2, tzinfo=UTC))

    # All of 1,680 that was billed: the 240 for the rest of April is given back on the new one.
    assert revenue_of(deal) == 1680
    position = line_positions(contract_ids=[deal.schedule.id])[deal.schedule.id, "crm"]
    assert (position.deferred.amount, position.unbilled.amount) == (0, 0)


def revenue_of(deal: Deal) -> Decimal:
    return sum((one.amount for one in recognized([deal.schedule.id]).values()), start=D(0))


def test_what_an_early_end_leaves_unused_is_read_over_rest_before_it_ends(
    deal: Deal, tenant: Any
) -> None:
    secret = make_api_key(tenant, "schedules:read")
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    address = f"/api/v1/schedules/{deal.schedule.id}/end"

    seen = client.get(address, {"end": "2027-04-16"}).json()
    late = client.get(address, {"end": "2029-01-01"})
    unsaid = client.get(address)

    # 15 of April's 30 days at 3,000.
    assert (seen["end"], seen["credit"]) == ("2027-04-16", "1500.00")
    [part] = seen["credits"]
    assert (part["service_start"], part["service_end"]) == ("2027-04-16", "2027-05-01")
    assert (late.status_code, late.json()["code"]) == (409, "schedule_cannot_end")
    assert unsaid.status_code == 422
    deal.schedule.refresh_from_db()
    assert deal.schedule.ended_on is None


class TestRevenueOfAnEarlyEnd:
    """Ten a day, a year paid ahead; it ends on 21 April: 110 days, 2,550 are not used."""

    @pytest.fixture
    def ended(self) -> Deal:
        found = sell(phase(line("platform", "3650", frequency="yearly")), start=date(2027, 1, 1))
        found.invoices(date(2027, 1, 2))
        [invoice] = found.schedule.invoices.all()
        issue_invoice(invoice_id=invoice.id, issued_on=invoice.bill_on, now=NOW, ignore_grace=True)
        end_schedule(schedule_id=found.schedule.id, end=date(2027, 4, 21), now=NOW)
        replan_ended(schedule_id=found.schedule.id)
        return found

    def credit(self, deal: Deal, amount: str) -> None:
        invoice = deal.schedule.invoices.get(status="issued")
        [charged] = invoice.lines.all()
        credit_lines(
            invoice_id=invoice.id,
            amounts={charged.id: D(amount)},
            reason="left",
            issued_on=date(2027, 4, 21),
            now=NOW,
        )

    def by_end_of(self, deal: Deal, month: date) -> Decimal:
        recognize_month(month=month, now=datetime(2028, 2, 2, tzinfo=UTC))
        return revenue_of(deal)

    def test_what_nobody_gives_back_is_earned_by_day(self, ended: Deal) -> None:
        assert self.by_end_of(ended, date(2027, 3, 1)) == 900
        assert self.by_end_of(ended, date(2027, 4, 1)) == 1200
        assert self.by_end_of(ended, date(2027, 12, 1)) == 3650

    def test_what_is_given_back_is_not_earned_and_the_days_of_use_are(self, ended: Deal) -> None:
        self.credit(ended, "2550")

        assert self.by_end_of(ended, date(2027, 4, 1)) == 1100
        assert self.by_end_of(ended, date(2027, 12, 1)) == 1100
        position = line_positions(contract_ids=[ended.schedule.id])[ended.schedule.id, "platform"]
        assert (position.deferred.amount, position.unbilled.amount) == (0, 0)

    def test_a_part_given_back_leaves_the_rest_to_the_days_after(self, ended: Deal) -> None:
        self.credit(ended, "2000")

        # 550 over 255 days, ten of them in April: 21.57.
        assert self.by_end_of(ended, date(2027, 4, 1)) == D("1121.57")
        assert self.by_end_of(ended, date(2027, 12, 1)) == 1650

    def test_more_than_the_unused_part_is_a_lower_price_of_the_days_of_use(
        self, ended: Deal
    ) -> None:
        self.credit(ended, "2915")

        # 365 beyond the unused part: one a day of the line's 365 days, 120 by the end of April.
        assert self.by_end_of(ended, date(2027, 4, 1)) == D(980)
        assert self.by_end_of(ended, date(2027, 12, 1)) == D(735)
