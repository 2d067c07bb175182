"""What a check is, what it found, and the two shapes nearly all of them have."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import connection

from billing.models import BillingSchedule
from monetization.pricing.terms import OrderTerms, terms_from_data

SAMPLES = 10  # differences named in words; all of them are counted


@dataclass(frozen=True, slots=True)
class Figure:
    """Two sums that must be equal, in one currency (or one unit)."""

    unit: str
    compared: int
    left: Decimal
    right: Decimal

    @property
    def difference(self) -> Decimal:
        return self.left - self.right


@dataclass(frozen=True, slots=True)
class Found:
    """What one check compared, and what did not agree."""

    compared: int
    of: str  # what was compared, plural
    differing: int = 0
    sides: tuple[str, str] = ("", "")  # what the two sums of every figure are
    figures: tuple[Figure, ...] = ()
    samples: tuple[str, ...] = ()  # the first differences, in words
    notes: tuple[str, ...] = ()  # figures that are not a difference


class Books:
    """What the checks of one tenant share, read once."""

    @cached_property
    def schedules(self) -> list[BillingSchedule]:
        return list(BillingSchedule.objects.select_related("order_form").order_by("id"))

    @cached_property
    def terms(self) -> dict[UUID, OrderTerms]:
        """Return the parsed terms of every schedule."""
        return {schedule.id: terms_from_data(schedule.terms) for schedule in self.schedules}


CheckFunction = Callable[[Books], Found]


@dataclass(frozen=True, slots=True)
class Check:
    """One identity of the books, by the invariant it belongs to."""

    id: str
    name: str
    run: CheckFunction


CHECKS: dict[str, Check] = {}


def check(id: str, name: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function as a check.

    :param id: the invariant (docs/verify.md) and a number within it: ``I01.2``.
    :param name: the identity as a sentence that is true of sound books.
    :raises ValueError: if another check has the id.
    """

    def register(function: CheckFunction) -> CheckFunction:
        if id in CHECKS:  # the second would take the first one's place, and that never ran again
            raise ValueError(f"{id} is the check {CHECKS[id].name!r} already; choose another id")
        CHECKS[id] = Check(id, name, function)
        return function

    return register


Parameters = Sequence[Any] | Mapping[str, Any]


def rows(sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
    """Run a query as the bound tenant. Row-level security keeps every other tenant out."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall())


def compare(pairs: str, *, of: str, sides: tuple[str, str], parameters: Parameters = ()) -> Found:
    """Compare two numbers per subject, wherever Postgres can find both.

    :param pairs: a query of the columns ``subject``, ``unit``, ``a`` and ``b``; a missing side
        counts as zero.
    """
    differ = "COALESCE(a, 0) <> COALESCE(b, 0)"
    totals = rows(
        f"WITH pairs AS ({pairs}) SELECT unit, count(*), COALESCE(sum(a), 0),"
        f" COALESCE(sum(b), 0), count(*) FILTER (WHERE {differ})"
        " FROM pairs GROUP BY unit ORDER BY unit",
        parameters,
    )
    differing = sum(row[4] for row in totals)
    samples: tuple[str, ...] = ()
    if differing:
        samples = tuple(
            f"{subject}: {sides[0]} {number(a, unit)}, {sides[1]} {number(b, unit)} {unit}".strip()
            for subject, unit, a, b in rows(
                f"WITH pairs AS ({pairs}) SELECT subject, unit, COALESCE(a, 0), COALESCE(b, 0)"
                f" FROM pairs WHERE {differ} ORDER BY subject LIMIT {SAMPLES}",
                parameters,
            )
        )
    return Found(
        compared=sum(row[1] for row in totals),
        of=of,
        differing=differing,
        sides=sides,
        figures=tuple(Figure(row[0], row[1], row[2], row[3]) for row in totals),
        samples=samples,
    )


def violations(
    sql: str, *, of: str, count: str, parameters: Parameters = (), notes: Sequence[str] = ()
) -> Found:
    """List what breaks a rule.

    :param sql: a query of one column, a sentence per violation.
    :param count: a query of one number: how many were looked at.
    """
    found = [str(row[0]) for row in rows(sql, parameters)]
    return listed(found, of=of, compared=int(rows(count)[0][0]), notes=notes)


def listed(found: Iterable[str], *, of: str, compared: int, notes: Sequence[str] = ()) -> Found:
    """Report differences that were found one by one."""
    sentences = list(found)
    return Found(
        compared=compared,
        of=of,
        differing=len(sentences),
        samples=tuple(sentences[:SAMPLES]),
        notes=tuple(notes),
    )


def number(value: Decimal | None, unit: str = "") -> str:
    """Write a number for people; amounts of a currency keep at least two places."""
    if value is None:
        return "nothing"
    text = f"{value:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(unit) == 3 and unit.isupper() and value == value.to_integral_value():
        return text
    whole, _, places = text.partition(".")
    return f"{whole}.{places:0<2}" if places else text
