"""Contracts that renew by themselves: customers are told in time, and each is renewed once.

A year of 2027 at 999.99 a month, renewed for 24 months 5% higher unless ended 60 days before:
the first day of the next term is 1 January 2028, the last day to end it 2 November 2027.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.handlers import on_order_form_signed
from billing.models import BillingSchedule
from billing.services.amendments import end_schedule
from monetization.events.models import Event
from monetization.mail.models import OutgoingMail
from monetization.pricing.terms import terms_from_data
from quotes import services
from quotes.domain.evidence import evidence_hash
from quotes.handlers import on_schedule_ended
from quotes.models import ContractRenewal, OrderForm, SignatureEvidence
from quotes.services.evidence import facts_of
from quotes.services.following import draft_amendment, draft_renewal
from quotes.services.renewals import (
    RenewalDecided,
    opt_out,
    plan_renewals,
    renew_contract,
    send_notices,
)
from tests.scenarios.deals import Deal, line, make_products, phase, sell

D = Decimal
DECIDE_BY = date(2027, 11, 2)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _catalog(tenant: Any) -> None:
    make_products()


@pytest.fixture
def deal() -> Deal:
    return sell(
        phase(line("platform", "999.99")),
        start=date(2027, 1, 1),
        auto_renew=True,
        renewal_months=24,
        renewal_uplift_percent="5",
        renewal_notice_days=60,
    )


@pytest.fixture
def renewal(deal: Deal) -> ContractRenewal:
    assert plan_renewals(today=date(2027, 1, 2)) == 1
    assert plan_renewals(today=date(2027, 1, 2)) == 0
    return ContractRenewal.objects.get()


def renew(renewal: ContractRenewal, on: date) -> ContractRenewal:
    return renew_contract(renewal_id=renewal.id, today=on, now=noon(on))


def notify(on: date) -> int:
    return send_notices(today=on, now=noon(on))


def link_in_last_mail() -> str:
    text = OutgoingMail.objects.filter(text__contains="/sign/renewal/").latest("id").text
    return "/sign/renewal/" + str(text.partition("/sign/renewal/")[2].split()[0])


class TestNotices:
    def test_the_customer_is_told_thirty_and_seven_days_before_the_last_day_once_each(
        self, renewal: ContractRenewal
    ) -> None:
        assert renewal.decide_by == DECIDE_BY
        days = [date(2027, 10, 2), date(2027, 10, 3), date(2027, 10, 4), date(2027, 10, 26)]
        days += [date(2027, 10, 26), date(2027, 11, 2), date(2027, 11, 3)]

        assert [notify(day) for day in days] == [0, 1, 0, 1, 0, 0, 0]

        mails = OutgoingMail.objects.filter(text__contains="/sign/renewal/")
        assert {mail.to for mail in mails} == {"ann@example.com"}
        assert "renews on 1 January 2028 for 24 months, at prices 5% higher" in mails[0].text
        assert "until 2 November 2027" in mails[0].text

    def test_a_contract_signed_late_gets_the_last_notice_alone(
        self, renewal: ContractRenewal
    ) -> None:
        assert [notify(date(2027, 11, 1)), notify(date(2027, 11, 2))] == [1, 0]
        assert renewal.notices.get().kind == "last"


class TestEndingIt:
    def test_reading_the_customers_page_ends_nothing_and_the_ticked_box_does(
        self, renewal: ContractRenewal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        notify(date(2027, 10, 3))
        monkeypatch.setattr("quotes.web.renewals.tenant_today", lambda: DECIDE_BY)
        page, customer = link_in_last_mail(), Client()

        for method in (customer.get, customer.head):
            answer = method(page)
            assert (answer.status_code, answer["Referrer-Policy"]) == (200, "no-referrer")
        assert customer.post(page, {"reason": "x"}).status_code == 422
        renewal.refresh_from_db()
        assert renewal.status == "upcoming"

        answer = customer.post(page, {"reason": "We were bought", "sure": "on"})

        assert "It does not renew" in answer.content.decode()
        renewal.refresh_from_db()
        assert (renewal.status, renewal.reason) == ("ended", "We were bought")
        assert renewal.decided_by == "ann@example.com (customer)"
        assert renew(renewal, date(2027, 11, 3)).status == "ended"
        assert OrderForm.objects.count() == 1

    def test_after_the_last_day_the_page_only_says_so(
        self, renewal: ContractRenewal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        notify(date(2027, 10, 3))
        monkeypatch.setattr("quotes.web.renewals.tenant_today", lambda: date(2027, 11, 3))

        answer = Client().post(link_in_last_mail(), {"sure": "on"})

        assert answer.status_code == 409
        assert "could be ended until 2 November 2027" in answer.content.decode()
        with pytest.raises(RenewalDecided):
            opt_out(renewal_id=renewal.id, today=date(2027, 11, 3), now=noon(DECIDE_BY))

    def test_a_guessed_link_reads_like_any_other_that_is_none(
        self, renewal: ContractRenewal
    ) -> None:
        answers = [
            Client().get(f"/sign/renewal/{token}")
            for token in (services.make_token(), services.make_token(), "short")
        ]

        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1

    def test_a_contract_that_ended_early_or_was_amended_does_not_renew(self, deal: Deal) -> None:
        end_schedule(schedule_id=deal.schedule.id, end=date(2027, 6, 1), now=noon(DECIDE_BY))
        on_schedule_ended(Event.objects.get(type="schedule.ended"))

        assert ContractRenewal.objects.get().status == "ended"
        assert plan_renewals(today=date(2027, 6, 2)) == 0


class TestRenewing:
    def test_nobody_ended_it_so_it_goes_on_at_the_agreed_prices_once_and_is_billed(
        self, deal: Deal, renewal: ContractRenewal
    ) -> None:
        assert renew(renewal, DECIDE_BY).status == "upcoming"  # it can still be ended today

        found = renew(renewal, date(2027, 11, 3))
        again = renew(renewal, date(2027, 11, 4))

        assert (found.status, again.quote_id) == ("renewed", found.quote_id)
        form = OrderForm.objects.exclude(id=deal.form.id).get()
        terms = terms_from_data(form.terms)
        assert (terms.start_on, terms.end_on) == (date(2028, 1, 1), date(2030, 1, 1))
        for _ in range(2):
            on_order_form_signed(
                Event.objects.get(type="order_form.signed", data__order_form_id=str(form.id))
            )
        schedule = BillingSchedule.objects.get(order_form=form)
        following = Deal(form.version, form, schedule)
        # 999.99 x 1.05 = 1,049.9895, to the cent 1,049.99.
        assert following.invoices(date(2028, 2, 2)) == {
            "2028-01-01": D("1049.99"),
            "2028-02-01": D("1049.99"),
            "2028-03-01": D("1049.99"),
        }
        # 24 x 1,049.99 = 25,199.76
        assert following.value == D("25199.76")
        assert deal.invoices(date(2028, 1, 5)).keys() == {
            f"2027-{month:02}-01" for month in range(1, 13)
        }

    def test_its_evidence_names_the_signature_it_stands_on_and_is_in_the_chain(
        self, deal: Deal, renewal: ContractRenewal
    ) -> None:
        renew(renewal, date(2027, 11, 3))

        before, row = SignatureEvidence.objects.order_by("sequence")
        assert row.kind == "advance"
        assert deal.form.terms_sha256 in row.consent_text
        assert row.previous_sha256 == before.sha256
        assert row.sha256 == evidence_hash(facts_of(row), before.sha256)

    def test_the_renewed_term_renews_by_itself_again(self, renewal: ContractRenewal) -> None:
        renew(renewal, date(2027, 11, 3))

        assert plan_renewals(today=date(2027, 11, 3)) == 1
        assert ContractRenewal.objects.latest("ends_on").ends_on == date(2030, 1, 1)

    def test_a_renewal_that_people_negotiate_is_left_to_them(
        self, deal: Deal, renewal: ContractRenewal
    ) -> None:
        quote = draft_renewal(order_form_id=deal.form.id, now=noon(date(2027, 9, 1)))

        found = renew(renewal, date(2027, 11, 3))

        assert (found.status, found.quote_id) == ("upcoming", quote.id)
        assert found.problem == f"{quote.number} renews it and is not signed yet"
        assert OrderForm.objects.count() == 1

    def test_an_amended_contract_is_not_renewed_what_followed_it_is(self, deal: Deal) -> None:
        quote = draft_amendment(
            order_form_id=deal.form.id, effective_on=date(2027, 7, 1), now=noon(date(2027, 6, 1))
        )
        services.import_order_form(
            version_id=quote.versions.get().id,
            signed_at=noon(date(2027, 6, 2)),
            signer_name="Ann Lee",
            signer_email="ann@example.com",
        )

        plan_renewals(today=date(2027, 6, 3))

        assert ContractRenewal.objects.get().order_form.version.quote_id == quote.id
