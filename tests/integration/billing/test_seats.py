"""Seats: the tenant says how many there are from a day on, and invoices follow."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.models import BillingSchedule, InvoiceLine, SeatBalance
from billing.services.invoicing import issue_invoice
from billing.services.seats import NotASeatLine, SeatsAlreadyInvoiced, record_seats
from monetization.events.models import Event
from monetization.kernel.period import Frequency
from monetization.pricing.estimate import rerate
from monetization.pricing.prices import PerUnit, Seat
from monetization.pricing.terms import ItemTerms
from tests.factories import make_api_key, make_member
from tests.factories_billing import PLATFORM, billed, deal

D = Decimal
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HALF = date(2026, 2, 15)  # fourteen of February's twenty-eight days are left


def contract(mode: str = "prorate_increments", **fields: Any) -> BillingSchedule:
    """Twelve seats at 30 a month, at least ten, billed in arrears, since January."""
    item = ItemTerms(
        key="seats",
        product_code="seats",
        product_name="Seats",
        kind="seat",
        model=Seat(PerUnit(D(30)), mode, contracted_minimum=D(10)),
        frequency=Frequency.MONTHLY,
        timing=fields.pop("timing", "in_arrears"),
        quantity=D(12),
        **fields,
    )
    schedule: BillingSchedule = billed(deal(item, PLATFORM), now=NOW)
    return schedule


def say(schedule: BillingSchedule, seats: int | str, on: date, line: str = "seats") -> None:
    record_seats(schedule_id=schedule.id, item_key=line, effective_on=on, balance=D(seats), now=NOW)


def february(schedule: BillingSchedule, line: str = "seats") -> InvoiceLine:
    return InvoiceLine.objects.get(
        invoice__schedule=schedule, item_key=line, service_start=date(2026, 2, 1)
    )


@pytest.mark.usefixtures("tenant")
class TestSeatsOfAPeriod:
    def test_until_a_number_is_said_the_contract_holds(self) -> None:
        assert february(contract()).amount == 360

    @pytest.mark.parametrize(
        ("mode", "more", "fewer"),
        [
            # 12 x 30 + 4 x 30 / 2; what is removed waits for the next period.
            ("prorate_increments", 420, 360),
            # The same; 8 are fewer than the contracted ten: (12 + 10) / 2 x 30.
            ("prorate_all", 420, 330),
            ("peak", 480, 360),
            ("period_start", 360, 360),
        ],
    )
    def test_a_change_within_it_is_charged_by_the_mode(
        self, mode: str, more: int, fewer: int
    ) -> None:
        schedule = contract(mode)

        say(schedule, 16, HALF)
        grown = february(schedule)
        say(schedule, 8, HALF)  # the last word on a day counts

        assert (grown.amount, february(schedule).amount) == (more, fewer)
        assert SeatBalance.objects.get().balance == 8
        assert rerate(grown.explanation).amount == more

    def test_the_number_stays_until_another_is_said(self) -> None:
        schedule = contract()
        say(schedule, 20, date(2026, 1, 20))

        # February opens with twenty.
        assert february(schedule).amount == 600

    def test_seats_beyond_the_minimum_have_a_rhythm_of_their_own(self) -> None:
        schedule = contract(timing="in_advance", overage_frequency=Frequency.MONTHLY)
        say(schedule, 16, HALF)

        # In advance the ten; in arrears (12 - 10) and 4 more for half the month: 4 x 30.
        assert february(schedule).amount == 300
        assert february(schedule, "seats+overage").amount == 120

    def test_it_is_on_the_stream(self) -> None:
        schedule = contract()
        say(schedule, "16.5", HALF)

        event = Event.objects.get(type="seats.recorded")
        assert event.data["balance"] == "16.5"
        assert event.subject == f"schedule/{schedule.id}"


@pytest.mark.usefixtures("tenant")
class TestRefusals:
    def test_only_a_seat_line_that_runs_on_that_day_has_seats(self) -> None:
        schedule = contract()
        for line, day in (("platform", HALF), ("other", HALF), ("seats", date(2025, 12, 31))):
            with pytest.raises(NotASeatLine):
                say(schedule, 5, day, line)
        with pytest.raises(NotASeatLine):
            say(schedule, 5, date(2027, 1, 1))

    def test_what_is_on_an_issued_invoice_is_not_said_anew(self) -> None:
        schedule = contract()
        january = schedule.invoices.get(bill_on=date(2026, 2, 1))
        first = schedule.invoices.get(bill_on=date(2026, 1, 1))
        for invoice in (first, january):
            issue_invoice(
                invoice_id=invoice.id, issued_on=date(2026, 2, 3), now=NOW, ignore_grace=True
            )

        with pytest.raises(SeatsAlreadyInvoiced, match="credit it"):
            say(schedule, 15, date(2026, 1, 31))
        say(schedule, 15, date(2026, 2, 1))  # the day the next period begins

        assert february(schedule).amount == 450


class TestInterfaces:
    def test_over_rest(self, tenant: Any, client: Client) -> None:
        schedule = contract()
        key = make_api_key(tenant, "schedules:read", "schedules:write")
        headers = {"Authorization": f"Bearer {key}"}
        url = f"/api/v1/schedules/{schedule.id}/seats"

        def post(**body: Any) -> Any:
            return client.post(url, body, content_type="application/json", headers=headers)

        made = post(item_key="seats", effective_on="2026-02-15", balance="16")
        assert made.status_code == 201, made.content
        assert february(schedule).amount == 420
        [listed] = client.get(url, headers=headers).json()["results"]
        assert (listed["effective_on"], listed["balance"]) == ("2026-02-15", "16")
        refused = post(item_key="platform", effective_on="2026-02-15", balance="16")
        assert (refused.status_code, refused.json()["code"]) == (409, "not_a_seat_line")
        for wrong in ({"balance": "-1"}, {"effective_on": "soon"}, {"balance": None}):
            body = {"item_key": "seats", "effective_on": "2026-02-15", "balance": "1", **wrong}
            assert post(**body).status_code == 422

    def test_on_the_page_of_the_schedule(self, tenant: Any, client: Client) -> None:
        schedule = contract()
        client.force_login(make_member(tenant, "finance"))
        page = f"/billing/schedules/{schedule.id}/"
        typed = {"item_key": "seats", "effective_on": "2026-02-15", "balance": "16"}

        done = client.post(f"{page}seats", typed, follow=True)
        wrong = client.post(f"{page}seats", {**typed, "balance": "many"})
        early = client.post(f"{page}seats", {**typed, "effective_on": "2020-01-01"})

        assert "The number of seats is recorded" in done.content.decode()
        assert february(schedule).amount == 420
        assert (wrong.status_code, early.status_code) == (422, 422)
        assert "no seat line" in early.content.decode()
        with_no_seats = billed(deal(PLATFORM), now=NOW, customer=schedule.customer)
        assert (
            'id="seats"'
            not in client.get(f"/billing/schedules/{with_no_seats.id}/").content.decode()
        )
