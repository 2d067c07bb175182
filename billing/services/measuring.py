"""What was used in billing periods, in the detail their prices ask for."""

from collections.abc import Sequence

from metering.models import UsageReading
from metering.selectors.breakdown import Breakdown, BreakdownRequest, break_down
from monetization.pricing.estimate import Measured
from monetization.pricing.prices import Capacity, ChargeModel, Matrix, Percentage, TimeOfUse
from monetization.pricing.terms import OrderTerms
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
