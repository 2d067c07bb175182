"""The explorer's charts and table of groups."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from metering.selectors.exploring import Health
from metering.selectors.spread import CUSTOMER, HOUR, OTHERS, Measured, groups_of, over_time
from metering.web.explorer_form import Exploration
from monetization.customers.models import Customer
from monetization.interface.templatetags.money import day as day_text
from monetization.kernel.decimals import plain
from monetization.kernel.period import local_day, start_instant

DRAWN = 7  # groups with a color of their own; the palette has one more for all others
LISTED = 50


def spread(exploration: Exploration) -> dict[str, Any]:
    """Return what the page shows of how events spread: total, chart and groups."""
    asked = exploration.asked()
    total, groups, count = groups_of(asked, limit=LISTED)
    names = group_names(exploration, [group.value for group in groups])
    found: dict[str, Any] = {
        "total": total,
        "groups": [(names[group.value], group.measured) for group in groups],
        "group_count": count,
        "unit_name": exploration.measure.unit if exploration.measure else "events",
    }
    if exploration.is_dated:
        drawn = [group.value for group in groups[:DRAWN]]
        cells = over_time(asked, groups=drawn)
        labels = [names[value] for value in drawn]
        found["chart"] = _chart(exploration, cells, labels, count, total)
    return found


def group_names(exploration: Exploration, values: Iterable[str | None]) -> dict[str | None, str]:
    """Return what people call the groups; customers are named in one query."""
    known = set(values)
    if exploration.group_by != CUSTOMER:
        return {value: "without" if value is None else value or "empty" for value in known}
    customers = Customer.objects.in_bulk([UUID(value) for value in known if value])
    return {
        value: customers[UUID(value)].name if value and UUID(value) in customers else "Unmatched"
        for value in known
    }


def _chart(
    exploration: Exploration,
    cells: dict[tuple[datetime, int], Measured],
    drawn: Sequence[str],
    count: int,
    total: Measured,
) -> dict[str, Any]:
    if exploration.unit != HOUR:  # a day that has no midnight begins when Postgres says otherwise
        zone = exploration.zone
        cells = {
            (start_instant(local_day(at, zone), zone), place): one
            for (at, place), one in cells.items()
        }
    moments = _moments(exploration, {at for at, _ in cells})
    named = list(enumerate(drawn))
    if count > len(drawn) or not drawn:
        alone = exploration.measure.unit.capitalize() if exploration.measure else "Events"
        named.append((OTHERS, f"{count - len(drawn):,} others" if drawn else alone))
    return {
        "type": "bar" if _adds_up(exploration) else "line",
        "stacked": _adds_up(exploration) and len(named) > 1,
        "labels": [_label(exploration, at) for at in moments],
        "series": [
            {
                "name": name,
                "values": [_value(exploration, cells.get((at, place))) for at in moments],
            }
            for place, name in named
        ],
        "total": total.events,
    }


def _adds_up(exploration: Exploration) -> bool:
    measure = exploration.measure
    return measure is None or measure.aggregation in ("count", "sum")


def _value(exploration: Exploration, cell: Measured | None) -> int | str | None:
    if exploration.measure is None:
        return cell.events if cell else 0
    if cell is None:
        return "0" if _adds_up(exploration) else None
    return plain(cell.quantity)


def _moments(exploration: Exploration, known: set[datetime]) -> list[datetime]:
    """Return every day or hour of the days looked at, those without events too."""
    days, zone = exploration.days, exploration.zone
    if exploration.unit == HOUR:
        start, end = (moment.astimezone(UTC) for moment in days.instants(zone))
        hours = {
            start + timedelta(hours=number) for number in range((end - start) // timedelta(hours=1))
        }
        # Where clocks are set by half an hour, the day has an hour that begins off the grid.
        return sorted(hours | {at.astimezone(UTC) for at in known})
    return [start_instant(days.first + timedelta(days=n), zone) for n in range(days.count)]


def _label(exploration: Exploration, at: datetime) -> str:
    local = at.astimezone(ZoneInfo(exploration.zone))
    if exploration.unit != HOUR:
        return day_text(local.date())
    return f"{local:%H:%M}" if exploration.days.count == 1 else f"{local.day} {local:%b %H:%M}"


def hours_chart(found: Health, zone: str) -> dict[str, Any]:
    """Return the events received in each of the last 24 hours."""
    info = ZoneInfo(zone)
    return {
        "type": "bar",
        "labels": [f"{hour.astimezone(info):%H:%M}" for hour, _ in found.by_hour],
        "series": [{"name": "Events received", "values": [count for _, count in found.by_hour]}],
    }
