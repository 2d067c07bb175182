"""What was used in billing periods, in the detail their prices ask for."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from billing.models import SeatBalance
from metering.models import UsageReading
from metering.selectors.breakdown import Breakdown, BreakdownRequest, break_down
from monetization.pricing.estimate import Measured, SeatBalances
from monetization.pricing.prices import (
    Capacity,
    ChargeModel,
    Matrix,
    Percentage,
    Seat,
    TimeOfUse,
)
from monetization.pricing.seats import BalanceChange
from monetization.pricing.terms import ItemTerms, OrderTerms
from monetization.pricing.timeline import ChargePeriod


def breakdown_of(model: ChargeModel, zone: str) -> Breakdown | None:
    """Return how a price tells usage apart; None where the quantity is enough."""
    match model:
        case Matrix(cells, _, group_by):
            named = {name for cell in cells for name, _ in cell.match}
            return Breakdown(tuple(sorted({*named, *group_by})))
        case Capacity():
            return Breakdown((model.dimension,))
        case TimeOfUse():
            return Breakdown(zone=zone)
        case Percentage():
            by_event = (
                model.fixed_fee or model.free_events or model.minimum or model.maximum is not None
            )
            return Breakdown(by_event=True) if by_event else None
        case _:
            return None


def looks_at_events(terms: OrderTerms) -> bool:
    """Say whether a contract has a price for which a quantity is not enough."""
    return any(
        breakdown_of(item.model, terms.time_zone) is not None
        for phase in terms.phases
        for item in phase.items
    )


def detail_usage(
    rows: Sequence[tuple[OrderTerms, ChargePeriod, UsageReading]],
) -> list[Measured]:
    """Return what readings counted, broken down where the price looks at events."""
    found: list[Measured] = [reading.quantity for _, _, reading in rows]
    wanted: dict[int, BreakdownRequest] = {}
    for index, (terms, charge, reading) in enumerate(rows):
        model = terms.phase(charge.phase_key).item(charge.item_key).model
        by = breakdown_of(model, terms.time_zone)
        if by is not None and reading.event_count:
            wanted[index] = BreakdownRequest(reading, by)
    for index, usage in zip(wanted, break_down(list(wanted.values())), strict=True):
        found[index] = usage
    return found


def held_seats(schedules: Mapping[UUID, OrderTerms]) -> dict[tuple[UUID, str], list[BalanceChange]]:
    """Return the numbers of seats said of contracts with seat prices, by line, oldest first."""
    wanted = [
        schedule_id
        for schedule_id, terms in schedules.items()
        if any(isinstance(item.model, Seat) for phase in terms.phases for item in phase.items)
    ]
    found: dict[tuple[UUID, str], list[BalanceChange]] = defaultdict(list)
    if wanted:
        rows = SeatBalance.objects.filter(schedule__in=wanted).order_by("effective_on")
        for row in rows.values_list("schedule_id", "item_key", "effective_on", "balance"):
            found[row[0], row[1]].append(BalanceChange(row[2], row[3]))
    return found


def balances_in(
    changes: Sequence[BalanceChange], item: ItemTerms, charge: ChargePeriod
) -> SeatBalances:
    """Return what is held in a period: the number it opens with, and the changes within it.

    Before the first number that was said, the number of the contract holds.
    """
    before = [one for one in changes if one.on <= charge.service.start]
    within = tuple(one for one in changes if charge.service.start < one.on < charge.service.end)
    return SeatBalances(before[-1].balance if before else item.quantity, within)
