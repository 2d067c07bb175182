"""Seats: the tenant says how many there are from a day on; invoices follow."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing.models import BillingSchedule, CalculationMark, Invoice, SeatBalance
from billing.services.invoicing import OPEN_STATES, recalculate_invoices
from monetization.events.services import append_event
from monetization.kernel.decimals import plain
from monetization.kernel.errors import Refusal
from monetization.pricing.prices import Seat
from monetization.pricing.terms import ItemTerms, OrderTerms, terms_from_data

CLOSED = (BillingSchedule.Status.COMPLETED, BillingSchedule.Status.CANCELLED)


class NotASeatLine(Refusal):
    """The contract has no seat line of this name on that day."""


class SeatsAlreadyInvoiced(Refusal):
    """The seats of that day are on an issued invoice."""


@transaction.atomic
def record_seats(
    *, schedule_id: UUID, item_key: str, effective_on: date, balance: Decimal, now: datetime
) -> SeatBalance:
    """Say how many seats a line has from a day on; the last word on a day counts.

    Open invoices are computed again. A line billed in advance charges what is known when its
    invoice is issued; what is added later in its period is billed where the price has an
    overage rhythm, else from the next period on.

    :raises NotASeatLine: if no seat line of this name runs on that day, or the contract ended.
    :raises SeatsAlreadyInvoiced: if that day is on an issued invoice in arrears.
    """
    schedule = BillingSchedule.objects.select_for_update(of=("self",)).get(id=schedule_id)
    terms = terms_from_data(schedule.terms)
    if schedule.status in CLOSED:
        raise NotASeatLine(f"item_key: {schedule.number} is {schedule.status}")
    lines = [line for key, line in seat_lines(terms) if key == item_key]
    if not any(_runs(terms, line, effective_on) for line in lines):
        raise NotASeatLine(f"item_key: {item_key!r} is no seat line on {effective_on}")
    _refuse_issued(schedule, item_key, effective_on)
    found, _ = SeatBalance.objects.update_or_create(
        schedule=schedule,
        item_key=item_key,
        effective_on=effective_on,
        defaults={"balance": balance, "recorded_at": now},
    )
    append_event(
        type="seats.recorded",
        subject=f"schedule/{schedule.id}",
        data={
            "schedule_id": str(schedule.id),
            "item_key": item_key,
            "effective_on": effective_on.isoformat(),
            "balance": plain(balance),
        },
        occurred_at=now,
    )
    waiting = Invoice.objects.filter(schedule=schedule, status__in=OPEN_STATES)
    CalculationMark.objects.filter(invoice__in=waiting).delete()
    recalculate_invoices(invoice_ids=list(waiting.values_list("id", flat=True)), now=now)
    return found


def seat_lines(terms: OrderTerms) -> Sequence[tuple[str, ItemTerms]]:
    """Return the lines of a contract whose price follows a balance, phase by phase."""
    return [
        (item.key, item)
        for phase in terms.phases
        for item in phase.items
        if isinstance(item.model, Seat)
    ]


def _runs(terms: OrderTerms, line: ItemTerms, day: date) -> bool:
    return any(
        phase.start_on <= day and (phase.end_on is None or day < phase.end_on)
        for phase in terms.phases
        if line in phase.items
    )


def _refuse_issued(schedule: BillingSchedule, item_key: str, day: date) -> None:
    """Refuse a day whose seats were billed after the fact: the invoice says them already."""
    issued = (
        schedule.periods.filter(
            item_key__startswith=item_key,
            service_end__gt=day,
            service_start__lte=day,
            invoice__status=Invoice.Status.ISSUED,
        )
        .select_related("invoice")
        .order_by("bill_on")
    )
    for row in issued:
        if row.bill_on == row.service_end:
            raise SeatsAlreadyInvoiced(
                f"effective_on: the seats of {day} are on invoice {row.invoice.number}; credit it,"
                " or say the number from the day its period ends"
            )
