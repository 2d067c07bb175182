"""An estimate is billed this month; the next invoice carries what the actual usage differs.

The price is graduated: 1,000 calls at 0.10, the others at 0.08.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.models import Invoice, InvoiceLine, LateUsageDecision, UsageEstimate
from billing.services.estimates import (
    EstimateInvalid,
    due_true_ups,
    set_estimate,
    true_up_estimates,
)
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from billing.services.late_usage import late_invoices
from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from monetization.config.verify import verify_tenant
from monetization.pricing.prices import Matrix, MatrixCell
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key, make_member
from tests.factories_billing import CALLS, billed, deal, make_calls_meter

FEBRUARY = datetime(2026, 2, 1, 1, tzinfo=UTC)
MARCH, APRIL, MAY = (datetime(2026, month, 3, 12, tzinfo=UTC) for month in (3, 4, 5))


def contract(start: date = date(2026, 2, 1), item: Any = CALLS) -> Any:
    make_calls_meter(FEBRUARY)
    return billed(deal(item, start=start), now=FEBRUARY)


def estimate(
    schedule: Any, basis: str = "fixed", quantity: Any = Decimal(1000), **more: Any
) -> Any:
    return set_estimate(
        schedule_id=schedule.id,
        item_key="calls",
        basis=basis,
        quantity=quantity if basis == "fixed" else None,
        now=FEBRUARY,
        **more,
    )


def use(calls: int, month: int = 2, now: datetime = MAY) -> None:
    at = datetime(2026, month, 20, tzinfo=UTC)
    event = UsageEvent("t", f"{month}-{calls}", "api", "acme", at, {"n": Decimal(calls)})
    record_usage_events([event], now=now)


def draft(schedule: Any, now: datetime) -> Invoice:
    """Bring everything up to date, as the clock does, and return the last closed invoice."""
    ids = advance_schedule(schedule_id=schedule.id, now=now)
    recalculate_invoices(invoice_ids=ids, now=now)
    true_up_estimates(schedule_id=schedule.id, now=now)
    found: Invoice = Invoice.objects.get(schedule=schedule, bill_on=now.date().replace(day=1))
    return found


def issue(schedule: Any, now: datetime) -> Invoice:
    found: Invoice = issue_invoice(
        invoice_id=draft(schedule, now).id, issued_on=now.date(), now=now, ignore_grace=True
    )
    return found


def lines(invoice: Invoice) -> list[tuple[str, Decimal | None, Decimal]]:
    rows = invoice.lines.order_by("is_manual", "position")
    return [(row.description, row.quantity, row.amount) for row in rows]


@pytest.mark.usefixtures("tenant")
class TestEstimates:
    def test_more_than_estimated_is_billed_with_the_next_invoice(self) -> None:
        schedule = contract()
        estimate(schedule)

        first = issue(schedule, MARCH)
        use(1200)  # 1,000 at 0.10 and 200 at 0.08 are 116.00
        use(10, month=3)
        second = issue(schedule, APRIL)

        assert lines(first) == [("API calls (estimated)", 1000, Decimal("100.00"))]
        assert lines(second) == [
            ("API calls", 10, Decimal("1.00")),
            (
                f"API calls, actual usage less the estimate on {first.number}",
                None,
                Decimal("16.00"),
            ),
        ]
        carried = second.lines.get(is_manual=True)
        assert carried.note == "1200 measured, 1000 estimated"
        assert (carried.service_start, carried.service_end) == (date(2026, 2, 1), date(2026, 3, 1))
        assert first.subtotal_amount + second.subtotal_amount == Decimal("117.00")

    def test_less_than_estimated_is_taken_off(self) -> None:
        schedule = contract()
        estimate(schedule)
        issue(schedule, MARCH)
        use(700)
        use(900, month=3)

        second = draft(schedule, APRIL)

        assert [amount for *_, amount in lines(second)] == [Decimal("90.00"), Decimal("-30.00")]

    def test_as_long_as_nothing_comes_the_estimate_stands(self) -> None:
        schedule = contract()
        estimate(schedule)
        issue(schedule, MARCH)

        second = draft(schedule, APRIL)

        assert lines(second) == [("API calls (estimated)", 1000, Decimal("100.00"))]
        assert not LateUsageDecision.objects.exists()
        assert late_invoices(since=date(2026, 2, 1), until=date(2026, 6, 1), now=APRIL) == []

    def test_what_comes_in_time_is_billed_as_measured(self) -> None:
        schedule = contract()
        estimate(schedule)
        draft(schedule, MARCH)
        use(900)

        assert lines(draft(schedule, MARCH.replace(hour=13))) == [
            ("API calls (estimated)", 1000, Decimal("100.00"))
        ]  # not computed again by itself
        recalculate_invoices(invoice_ids=[draft(schedule, MARCH).id], now=MARCH)
        assert lines(draft(schedule, MARCH)) == [("API calls", 900, Decimal("90.00"))]

    def test_one_that_always_holds_is_trued_up_from_what_was_measured_then(self) -> None:
        schedule = contract()
        estimate(schedule, is_always=True)
        use(400)
        first = issue(schedule, MARCH)

        second = draft(schedule, APRIL)

        assert first.subtotal_amount == Decimal("100.00")
        assert first.lines.get().explanation["estimate"]["measured"] == "400"
        assert second.lines.get(is_manual=True).amount == Decimal("-60.00")

    def test_what_comes_after_a_true_up_is_trued_up_after_it_and_only_that(self) -> None:
        schedule = contract()
        estimate(schedule)
        issue(schedule, MARCH)
        use(900)  # 90.00
        issue(schedule, APRIL)
        use(50)  # 95.00

        third = draft(schedule, MAY)
        true_up_estimates(schedule_id=schedule.id, now=MAY)

        assert third.lines.get(is_manual=True, service_start=date(2026, 2, 1)).amount == 5
        taken = LateUsageDecision.objects.order_by("decided_at", "id")
        assert [one.amount for one in taken] == [Decimal(-10), Decimal(5)]

    def test_a_part_of_a_period_takes_its_days_part(self) -> None:
        schedule = contract(start=date(2026, 2, 15))
        estimate(schedule)

        first = draft(schedule, MARCH)

        assert lines(first) == [("API calls (estimated)", 500, Decimal("50.00"))]  # 14 of 28 days

    @pytest.mark.parametrize(("basis", "quantity"), [("previous", 600), ("average", 750)])
    def test_periods_before_are_looked_at(self, basis: str, quantity: int) -> None:
        schedule = contract()
        use(900)
        use(600, month=3)
        estimate(schedule, basis)
        issue(schedule, MARCH)
        issue(schedule, APRIL)

        assert lines(draft(schedule, MAY))[0][1] == quantity

    def test_without_any_usage_before_nothing_is_estimated(self) -> None:
        schedule = contract()
        estimate(schedule, "previous")

        assert lines(draft(schedule, MARCH)) == [("API calls", 0, Decimal(0))]

    def test_only_contracts_with_an_estimate_and_a_draft_are_due(self) -> None:
        schedule = contract()
        estimate(schedule)
        issue(schedule, MARCH)
        assert due_true_ups() == []

        draft(schedule, APRIL)

        assert due_true_ups() == [schedule.id]

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"item_key": "other"}, "item_key"),
            ({"basis": "guess"}, "basis"),
            ({"quantity": None}, "quantity"),
            ({"quantity": Decimal(-1)}, "quantity"),
            ({"basis": "previous"}, "quantity"),
        ],
    )
    def test_what_cannot_be_is_refused_at_its_field(self, wrong: Any, field: str) -> None:
        schedule = contract()
        good = {"item_key": "calls", "basis": "fixed", "quantity": Decimal(5)}

        with pytest.raises(EstimateInvalid, match=f"^{field}: "):
            set_estimate(schedule_id=schedule.id, now=FEBRUARY, **{**good, **wrong})

    def test_a_price_of_single_events_is_not_estimated(self) -> None:
        from dataclasses import replace

        cells = (MatrixCell((("model", ("small",)),), Decimal("0.5")),)
        schedule = contract(item=replace(CALLS, model=Matrix(cells, Decimal(0))))

        with pytest.raises(EstimateInvalid, match="single events"):
            estimate(schedule)


@pytest.mark.django_db
class TestDoors:
    @pytest.fixture
    def company(self, make_tenant: Any) -> Any:
        return make_tenant()

    def test_rest_sets_it_shows_it_and_takes_it_off(self, company: Any) -> None:
        with tenant_context(company.id, actor="test"):
            schedule = contract()
        key = make_api_key(company, "schedules:read", "schedules:write")
        path = f"/api/v1/schedules/{schedule.id}"

        def put(idempotency: str, **body: Any) -> Any:
            return Client().put(
                f"{path}/estimate",
                {"item_key": "calls", **body},
                content_type="application/json",
                headers={"Authorization": f"Bearer {key}", "Idempotency-Key": idempotency},
            )

        made = put("a", basis="fixed", quantity="1000")
        wrong = put("b", basis="previous", quantity="1")
        gone = put("c", basis="")

        assert made.status_code == 200, made.content
        assert made.json()["estimates"] == [
            {"item_key": "calls", "basis": "fixed", "quantity": "1000", "is_always": False}
        ]
        assert (wrong.status_code, wrong.json()["code"]) == (409, "estimate_invalid")
        assert gone.json()["estimates"] == []

    def test_the_schedules_page_sets_it_and_the_invoice_says_so(self, company: Any) -> None:
        with tenant_context(company.id, actor="test"):
            schedule = contract()
        browser = Client()
        browser.force_login(
            make_member(company, "finance"), backend="django.contrib.auth.backends.ModelBackend"
        )
        asked = {"action": "estimate", "item_key": "calls", "basis": "fixed"}
        browser.post(f"/billing/schedules/{schedule.id}/do", {**asked, "estimate_quantity": "1000"})
        with tenant_context(company.id, actor="test"):
            assert UsageEstimate.objects.get().quantity == 1000
            invoice = draft(schedule, MARCH)
            line = InvoiceLine.objects.get(invoice=invoice)

        page = browser.get(f"/billing/schedules/{schedule.id}/").content.decode()
        paper = browser.get(f"/billing/invoices/{invoice.id}/").content.decode()
        why = browser.get(f"/billing/invoices/{invoice.id}/lines/{line.id}").content.decode()

        assert "1,000 a period" in page
        assert "Estimated" in paper
        assert "0 measured then from 0 events" in why


@pytest.mark.django_db(transaction=True)
def test_the_books_stay_sound(make_tenant: Any) -> None:
    company = make_tenant()
    with tenant_context(company.id, actor="test"):
        schedule = contract()
        estimate(schedule)
        issue(schedule, MARCH)
    with tenant_context(company.id, actor="test"):
        use(1200)
    with tenant_context(company.id, actor="test"):
        issue(schedule, APRIL)

    report = verify_tenant(company.id, company.slug)

    off = {o.check.id: o.found.samples for o in report.outcomes if not o.is_ok}
    off.pop("I18.1", None)  # the factory numbers its quotes by itself
    assert off == {}
