"""How events spread over time and groups: counted or measured by a meter, every one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.domain.counting import MeterDefinition
from metering.selectors import event_conditions
from metering.stores.aggregates import aggregate_sql
from metering.stores.postgres import bulk_cursor

DAY, HOUR = "day", "hour"
CUSTOMER, SOURCE, TYPE = "customer", "source", "type"
OTHERS = -1  # the place of all groups that are not told apart

_COLUMNS = {CUSTOMER: "e.customer_id::text", SOURCE: "e.source", TYPE: "e.type"}


@dataclass(frozen=True, slots=True)
class Measured:
    """A quantity, of a meter or of events, and the events behind it."""

    quantity: Decimal
    events: int


@dataclass(frozen=True, slots=True)
class Group:
    """What a group comes to; ``value`` is None for events without it."""

    value: str | None
    measured: Measured


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured, of which events, and how it is told apart.

    :param filters: of ``event_conditions``.
    :param meter: whose quantity is told; None: the number of events. Not a weighted one, whose
        quantity is of a whole period.
    :param group_by: ``customer``, ``source``, ``type``, ``data.`` and a property, or nothing.
    """

    filters: Mapping[str, Any] = field(default_factory=dict)
    meter: MeterDefinition | None = None
    group_by: str = ""
    zone: str = "UTC"
    unit: str = DAY  # of time: local days, or hours

    def value(self) -> tuple[str, list[Any]]:
        """Return SQL of the quantity, with its parameters."""
        return aggregate_sql(self.meter) if self.meter else ("count(*)::numeric", [])

    def source(self) -> tuple[str, list[Any]]:
        """Return SQL of the events ``e``, each with its group ``g``, with its parameters."""
        column, named = _COLUMNS.get(self.group_by, "e.data ->> %b"), []
        if not self.group_by:
            column = "NULL::text"
        elif self.group_by not in _COLUMNS:
            named = [self.group_by.removeprefix("data.")]
        where, parameters = event_conditions(**self.filters)
        sql = f"(SELECT e.*, {column} AS g FROM metering_usageevent e WHERE {where}) e"
        return sql, [*named, *parameters]


def groups_of(asked: Asked, *, limit: int) -> tuple[Measured, list[Group], int]:
    """Return what all events come to, the groups with most, and how many groups there are."""
    value, named = asked.value()
    source, parameters = asked.source()
    with bulk_cursor() as cursor:
        cursor.execute(
            "WITH found AS MATERIALIZED ("
            f" SELECT e.g, {value} AS q, count(*) AS n, grouping(e.g) = 1 AS whole"
            f" FROM {source} GROUP BY GROUPING SETS ((e.g), ()))"
            " (SELECT g, q, n, whole, 0 FROM found WHERE whole)"
            " UNION ALL (SELECT g, q, n, whole, count(*) OVER ()"
            "  FROM found WHERE NOT whole ORDER BY q DESC, n DESC, g NULLS LAST LIMIT %b)",
            [*named, *parameters, limit],
        )
        rows = cursor.fetchall()
    (total,) = [Measured(row[1], row[2]) for row in rows if row[3]]
    if not asked.group_by:
        return total, [], 0
    groups = [Group(row[0], Measured(row[1], row[2])) for row in rows if not row[3]]
    return total, groups, max(row[4] for row in rows)


def over_time(
    asked: Asked, *, groups: Sequence[str | None] = ()
) -> dict[tuple[datetime, int], Measured]:
    """Return what each local day or hour comes to, by the place of its group in ``groups``.

    All other groups together are at ``OTHERS``, and so is everything without groups. What has
    no events is left out.
    """
    value, named = asked.value()
    source, parameters = asked.source()
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc(%b, e.occurred_at, %b) AS at,"
            f" COALESCE(array_position(%b::text[], e.g), 0) - 1 AS place, {value}, count(*)"
            f" FROM {source} GROUP BY 1, 2",
            [asked.unit, asked.zone, list(groups), *named, *parameters],
        )
        return {
            (at, place): Measured(quantity, events)
            for at, place, quantity, events in cursor.fetchall()
        }


def every_cell(asked: Asked, *, limit: int) -> list[tuple[datetime, str | None, Measured]]:
    """Return each day or hour of each group, in order: as a file has them."""
    value, named = asked.value()
    source, parameters = asked.source()
    with bulk_cursor() as cursor:
        cursor.execute(
            f"SELECT date_trunc(%b, e.occurred_at, %b), e.g, {value}, count(*)"
            f" FROM {source} GROUP BY 1, 2 ORDER BY 1, 2 LIMIT %b",
            [asked.unit, asked.zone, *named, *parameters, limit],
        )
        return [(at, name, Measured(q, n)) for at, name, q, n in cursor.fetchall()]
