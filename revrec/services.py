"""Plan what contracts earn; recognize it month by month; close the month."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction

from billing.models import BillingSchedule, Invoice
from monetization.events.models import Event
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.ledger.accounts import Leg
from monetization.ledger.models import AccountingPeriod
from monetization.ledger.selectors import LinePosition, line_positions, trial_balance
from monetization.ledger.services import (
    NewEntry,
    close_period,
    first_open_day,
    month_of,
    post_entries,
)
from monetization.tenancy.joining import joined
from revrec import selectors
from revrec.domain.obligations import Obligation, plan_obligations
from revrec.domain.posting_rules import LineToRecognize, revenue_recognized
from revrec.models import PerformanceObligation, RevenueSlice


class MonthNotOver(Refusal):
    """A month is recognized and closed when it is over."""


class DraftsWaiting(Refusal):
    """Invoices of the month are not issued yet."""


class BooksOutOfBalance(Refusal):
    """The trial balance is not zero."""


@joined
def plan_revenue(*, schedule_id: UUID) -> list[PerformanceObligation]:
    """Write a contract's obligations and slices; running it again writes only what is new.

    A contract that was cancelled owes nothing any more, so nothing is planned.
    """
    schedule = BillingSchedule.objects.select_for_update(of=("self",)).get(id=schedule_id)
    if schedule.status == BillingSchedule.Status.CANCELLED:
        return []
    terms, until = selectors.terms_to_plan(schedule)
    return _write_obligations(schedule, plan_obligations(terms, until=until))


@transaction.atomic
def replan_ended(*, schedule_id: UUID) -> list[PerformanceObligation]:
    """Plan a contract that ended early over the days it ran; postings are caught up next month.

    One that was cancelled has no plan any more: it earns what is issued.

    What was issued for days after its end is earned by those days and taken back by the same
    on the contract that follows: see ``billing.UnusedTime``.
    """
    PerformanceObligation.objects.filter(schedule_id=schedule_id).delete()
    return plan_revenue(schedule_id=schedule_id)


def _write_obligations(
    schedule: BillingSchedule, planned: Sequence[Obligation]
) -> list[PerformanceObligation]:
    """Write obligations there are not yet, or that go on longer, with their slices."""
    known = {(row.item_key, row.run): row for row in schedule.obligations.all()}
    rows = {(one.item_key, one.run): one for one in planned}
    new = {key: _obligation(schedule, one) for key, one in rows.items() if key not in known}
    longer = [
        key for key, one in rows.items() if key in known and one.period.end > known[key].end_on
    ]
    PerformanceObligation.objects.bulk_create(new.values())
    for key in longer:
        known[key].end_on = rows[key].period.end
        known[key].transaction_price = rows[key].price.amount
    PerformanceObligation.objects.bulk_update(
        [known[key] for key in longer], ["end_on", "transaction_price"]
    )
    found = known | new
    RevenueSlice.objects.bulk_create(
        [
            RevenueSlice(obligation=found[key], month=part.month, amount=part.amount.amount)
            for key in (*new, *longer)
            for part in rows[key].slices
        ],
        update_conflicts=True,
        unique_fields=["tenant", "obligation", "month"],
        update_fields=["amount"],
    )
    return [found[key] for key in rows]


def _obligation(schedule: BillingSchedule, planned: Obligation) -> PerformanceObligation:
    return PerformanceObligation(
        schedule=schedule,
        item_key=planned.item_key,
        run=planned.run,
        product_code=planned.product_code,
        name=planned.name,
        method=planned.method,
        start_on=planned.period.start,
        end_on=planned.period.end,
        currency=schedule.currency,
        transaction_price=planned.price.amount,
    )


@transaction.atomic
def recognize_month(*, month: date, now: datetime) -> int:
    """Post what every contract line earned by the end of a month and was not posted yet.

    Compute and compare: running it twice posts nothing; late usage, credits and corrections
    are caught up. A closed month is never touched: the catch-up lands in the first open one
    and names the month it belongs to. Once a later month is recognized, an earlier one is
    caught up as of that later one.

    :returns: the number of journal entries posted.
    :raises MonthNotOver: before the month's last day is over.
    """
    first = month_of(month)
    end = selectors.month_end(first)
    if now.date() < end:
        raise MonthNotOver(f"{first:%B %Y} is not over yet")
    latest = selectors.latest_recognized_month()
    if latest is not None and first < latest:
        # All postings are compared, so an earlier month must not take the later ones back.
        first, end = latest, selectors.month_end(latest)
    schedules = list(
        BillingSchedule.objects.select_for_update(of=("self",))
        .filter(activated_at__isnull=False, start_on__lt=end)
        .order_by("id")
    )
    _plan_missing(schedules, end)
    ids = [schedule.id for schedule in schedules]
    should = selectors.should_be_recognized(schedules, first)
    posted = selectors.recognized(ids)
    positions = line_positions(contract_ids=ids)
    differing = _differences(should, posted)
    if not differing:
        return 0
    day = first_open_day(end - timedelta(days=1))
    event = append_event(
        type="revenue.recognized",
        subject=f"month/{first:%Y-%m}",
        data={"month": f"{first:%Y-%m}"},
        occurred_at=now,
    )
    gaps: dict[UUID, dict[str, Money]] = {}
    for (owner, key), gap in differing.items():
        gaps.setdefault(owner, {})[key] = gap
    earned = [
        _entry(schedule, gaps[schedule.id], positions, event, day, first)
        for schedule in schedules
        if schedule.id in gaps
    ]
    post_entries(earned)
    return len(earned)


def _plan_missing(schedules: Sequence[BillingSchedule], end: date) -> None:
    planned = set(
        PerformanceObligation.objects.filter(schedule__in=schedules).values_list(
            "schedule_id", flat=True
        )
    )
    for schedule in schedules:
        if schedule.status == BillingSchedule.Status.CANCELLED:
            if schedule.id in planned:  # cancelled when its plan still went on
                replan_ended(schedule_id=schedule.id)
        elif schedule.id not in planned or schedule.end_on is None:
            plan_revenue(schedule_id=schedule.id)


def _differences(
    should: dict[selectors.LineKey, Money], posted: dict[selectors.LineKey, Money]
) -> dict[selectors.LineKey, Money]:
    gaps = {}
    for key in {*should, *posted}:
        zero = Money.zero((should[key] if key in should else posted[key]).currency)
        gap = should.get(key, zero) - posted.get(key, zero)
        if gap:
            gaps[key] = gap
    return gaps


def _entry(
    schedule: BillingSchedule,
    lines: dict[str, Money],
    positions: dict[selectors.LineKey, LinePosition],
    event: Event,
    day: date,
    month: date,
) -> NewEntry:
    legs: list[Leg] = []
    for key, amount in sorted(lines.items()):
        zero = Money.zero(schedule.currency)
        position = positions.get((schedule.id, key), LinePosition(zero, zero))
        legs += revenue_recognized(
            LineToRecognize(
                schedule.customer_id,
                schedule.id,
                key,
                amount,
                position.deferred,
                position.unbilled,
            )
        )
    return NewEntry(
        event=event,
        rule=f"revenue_recognized:{schedule.number}"[:60],
        entry_date=day,
        legal_entity_id=schedule.legal_entity_id,
        legs=legs,
        memo=f"Revenue of {month:%B %Y}, {schedule.number}",
        period_of_origin=month if month_of(day) != month else None,
    )


@transaction.atomic
def close_month(*, month: date, now: datetime) -> AccountingPeriod:
    """Recognize a month's revenue and close its books.

    :raises MonthNotOver: before the month is over.
    :raises DraftsWaiting: if an invoice for days of the month is still a draft.
    :raises BooksOutOfBalance: if the trial balance is not zero.
    :raises EarlierPeriodOpen: if an earlier month with entries is open.
    """
    first = month_of(month)
    end = selectors.month_end(first)
    recognize_month(month=first, now=now)
    waiting = Invoice.objects.filter(
        status=Invoice.Status.DRAFT, bill_on__gte=first, bill_on__lt=end, total_amount__gt=0
    ).count()
    if waiting:
        raise DraftsWaiting(f"{waiting} draft invoices of {first:%B %Y} are not issued yet")
    sums: dict[str, Money] = {}
    for row in trial_balance():
        zero = Money.zero(row.currency)
        sums[row.currency] = sums.get(row.currency, zero) + Money(row.balance, row.currency)
    off = [str(amount) for amount in sums.values() if amount]
    if off:
        raise BooksOutOfBalance(f"the trial balance is off by {', '.join(off)}")
    return close_period(month=first, now=now)
