"""The clock looks at the schedules something is due for: no other has anything to do."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.models import BillingPeriod, BillingSchedule, Invoice
from billing.selectors.clock import schedules_to_advance
from billing.services.corrections import void_invoice
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from billing.services.schedules import activate_schedule, change_status, create_schedule
from tests.factories_billing import CALLS, PLATFORM, deal, make_calls_meter, make_customer, signed

BEGIN = datetime(2025, 12, 30, 0, 30, tzinfo=UTC)


def active(terms: Any, name: str) -> UUID:
    schedule = create_schedule(order_form_id=signed(terms, make_customer(name)).id, now=BEGIN)
    activate_schedule(schedule_id=schedule.id, now=BEGIN)
    return schedule.id


@pytest.fixture
def schedules(tenant: Any) -> list[UUID]:
    make_calls_meter(BEGIN)
    far_east = replace(deal(PLATFORM, CALLS), time_zone="Pacific/Auckland")
    far_west = replace(deal(PLATFORM, start=date(2026, 3, 1)), time_zone="Pacific/Honolulu")
    return [
        active(deal(PLATFORM, CALLS, end=None), "Open"),
        active(far_east, "East"),
        active(far_west, "West"),
        active(deal(PLATFORM, end=date(2026, 3, 1)), "Short"),
    ]


def state() -> Any:
    return (
        sorted(BillingSchedule.objects.values_list("id", "status", "periods_until")),
        sorted(Invoice.objects.values_list("id", "status")),
        BillingPeriod.objects.filter(invoice=None).count(),
    )


def moments() -> list[datetime]:
    """Every tenth day of fourteen months, and hours around the months' ends in all zones."""
    found = {BEGIN + timedelta(days=10 * n) for n in range(43)}
    for month in (1, 2, 3, 4, 12):
        first = datetime(2026, month, 1, tzinfo=UTC)
        found |= {first + timedelta(hours=hours) for hours in (-13, -1, 1, 9, 11)}
    return sorted(found)


def test_what_is_not_selected_has_nothing_to_do_and_what_was_done_is_not_selected_again(
    schedules: list[UUID],
) -> None:
    worked = 0
    for number, now in enumerate(moments()):
        if number == 20:
            change_status(schedule_id=schedules[0], action="suspend", now=now)
        if number == 23:
            change_status(schedule_id=schedules[0], action="resume", now=now)
        if number == 26:
            draft = Invoice.objects.filter(schedule=schedules[1], status="draft").earliest(
                "bill_on"
            )
            recalculate_invoices(invoice_ids=[draft.id], now=now)
            issue_invoice(invoice_id=draft.id, issued_on=now.date(), now=now)
            void_invoice(invoice_id=draft.id, reason="wrong", now=now)
        if number == 30:  # as an amendment leaves it
            running = Invoice.objects.get(schedule=schedules[1], status="in_progress")
            BillingPeriod.objects.filter(invoice=running).update(invoice=None)
            running.delete()

        due = schedules_to_advance(now=now)
        for schedule_id in schedules:
            if schedule_id in due:
                advance_schedule(schedule_id=schedule_id, now=now)
                worked += 1
            else:
                before = state()
                assert advance_schedule(schedule_id=schedule_id, now=now) == []
                assert state() == before, f"{schedule_id} at {now}"
        assert schedules_to_advance(now=now) == []
    assert 20 < worked < 80
