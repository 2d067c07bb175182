"""What fixed lines billed beyond or below their plan: seats, percentages, caps, early ends."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Q

from billing.models import BillingSchedule, Invoice, InvoiceLine, SeatBalance, UnusedTime
from billing.selectors.claimed import credited_of
from monetization.kernel.money import Money
from monetization.pricing.estimate import PricedLine
from monetization.pricing.prices import PercentOf, Seat
from monetization.pricing.terms import OrderTerms, terms_from_data, terms_until
from revrec.domain.obligations import planned_lines

# What was drafted of a contract that was cancelled is not owed until somebody issues it.
NEVER_ISSUED = Q(
    invoice__schedule__status=BillingSchedule.Status.CANCELLED,
    invoice__status__in=[Invoice.Status.IN_PROGRESS, Invoice.Status.DRAFT],
)


@dataclass(frozen=True, slots=True)
class BeyondPlan:
    """What a fixed line billed for one period other than what signing planned."""

    schedule: BillingSchedule
    item_key: str
    service_start: date
    service_end: date  # exclusive
    amount: Money  # negative: less than planned
    is_earned_at_once: bool
    line_id: UUID
    absorbed: Money  # of what was credited of the line: it gave up this much of the unused part


def terms_to_plan(schedule: BillingSchedule) -> tuple[OrderTerms, date]:
    """Return the terms a contract's revenue is planned by, and how far if they have no end."""
    until = schedule.end_on or schedule.periods_until or schedule.start_on + timedelta(days=366)
    terms = terms_from_data(schedule.terms)
    if schedule.ended_on is not None:
        terms = terms_until(terms, schedule.ended_on)
    return terms, until


def beyond_plan(schedules: Iterable[BillingSchedule], *, before: date) -> Iterator[BeyondPlan]:
    """Yield where fixed lines, draft or issued, billed something else than was planned.

    Signing fixes a quantity and knows no usage. Seats that were added or removed since, a
    percentage of usage and a fixed line that usage left no room under a cap are billed as they
    turn out; of a price that contains tax the tax is no revenue. Added seats are distinct services
    at their own price (ASC 606-10-25-12), earned over the days they were billed for; so is what
    else differs.

    What a contract that ended early had billed for days after its end is earned over those days
    unless it is given back: on the contract that follows, or by credits, which give up the
    unused part of a line first. A contract that was cancelled has no plan any more: it earns what
    is issued.

    :param before: lines whose service starts earlier.
    """
    told = {
        schedule.id: (schedule, *terms_to_plan(schedule)) for schedule in _may_differ(schedules)
    }
    given_back = _given_back(told)
    billed: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in (
        InvoiceLine.objects.filter(
            billing_period__schedule__in=list(told),
            kind="item",
            reading__isnull=True,
            service_start__lt=before,
        )
        .exclude(invoice__status=Invoice.Status.VOID)
        .exclude(NEVER_ISSUED)
        .select_related("billing_period__phase")
        .order_by("service_start", "item_key")
    ):
        billed[line.billing_period.schedule_id].append(line)
    credited = credited_of(
        line.id
        for schedule_id, lines in billed.items()
        for line in lines
        if _outlives(line, told[schedule_id][0])
    )
    for schedule_id, lines in billed.items():
        schedule, terms, until = told[schedule_id]
        is_planned = schedule.status != BillingSchedule.Status.CANCELLED
        planned = planned_lines(terms, until=until) if is_planned else []
        yield from _differences(schedule, planned, lines, given_back, credited)


def _may_differ(schedules: Iterable[BillingSchedule]) -> list[BillingSchedule]:
    following: list[BillingSchedule] = []
    with_seats: dict[UUID, BillingSchedule] = {}
    schedules = list(schedules)
    taxed = Invoice.objects.filter(schedule__in=schedules, prices_include_tax=True)
    inclusive = set(taxed.order_by().values_list("schedule_id", flat=True).distinct())
    for schedule in schedules:
        terms = terms_from_data(schedule.terms)
        is_cut = schedule.ended_on is not None or schedule.status == schedule.Status.CANCELLED
        if is_cut or schedule.id in inclusive or _looks_at_usage(terms):
            following.append(schedule)
        elif any(isinstance(one.model, Seat) for phase in terms.phases for one in phase.items):
            with_seats[schedule.id] = schedule
    if with_seats:
        told = SeatBalance.objects.filter(schedule__in=list(with_seats))
        ids = told.order_by().values_list("schedule_id", flat=True).distinct()
        following.extend(with_seats[schedule_id] for schedule_id in ids)
    return following


def _looks_at_usage(terms: OrderTerms) -> bool:
    return any(
        phase.caps or any(isinstance(item.model, PercentOf) for item in phase.items)
        for phase in terms.phases
    ) or bool(terms.caps)


def _outlives(line: InvoiceLine, schedule: BillingSchedule) -> bool:
    return schedule.ended_on is not None and line.service_end > schedule.ended_on


def _given_back(told: Mapping[UUID, object]) -> dict[UUID, Decimal]:
    """Return what of issued lines the contract that follows gave back, by line."""
    rows = UnusedTime.objects.filter(schedule__in=list(told))
    return dict(rows.values_list("invoice_line", "amount"))


def _differences(
    schedule: BillingSchedule,
    planned: Iterable[PricedLine],
    lines: Iterable[InvoiceLine],
    given_back: Mapping[UUID, Decimal],
    credited: Mapping[UUID, Decimal],
) -> Iterator[BeyondPlan]:
    signed = terms_from_data(schedule.terms)
    amounts = {(one.phase_key, one.item_key, one.service.start): one.amount for one in planned}
    zero = Money.zero(schedule.currency)
    for line in lines:
        period = line.billing_period
        item = signed.phase(period.phase.key).item(period.item_key)
        if item.kind == "usage" or item.credits is not None:
            continue
        plan = amounts.get((period.phase.key, period.item_key, period.service_start), zero)
        kept = Money(line.amount - given_back.get(line.id, Decimal(0)), schedule.currency)
        start, absorbed = line.service_start, zero
        if schedule.ended_on is not None and _outlives(line, schedule):
            start = max(start, schedule.ended_on)
            given_up = Money(credited.get(line.id, Decimal(0)), schedule.currency)
            absorbed = max(zero, min(kept - plan, given_up))
        if kept != plan:
            yield BeyondPlan(
                schedule,
                line.item_key,
                start,
                line.service_end,
                kept - plan - absorbed,
                item.recognition == "point_in_time",
                line.id,
                absorbed,
            )
