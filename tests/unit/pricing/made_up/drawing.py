"""Numbers, days and tiers drawn for made-up cases, and how a kind of them is registered."""

import calendar
import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

Case = tuple[dict[str, Any], dict[str, Any]]  # input, expected
Maker = Callable[[random.Random], Case]
MAKERS: dict[str, Maker] = {}
SCALES = (0, 2, 3, 4)
MONTHS = {"monthly": 1, "quarterly": 3, "half_yearly": 6, "yearly": 12}


def of(kind: str) -> Callable[[Maker], Maker]:
    def keep(maker: Maker) -> Maker:
        MAKERS[kind] = maker
        return maker

    return keep


def money(exact: Fraction, scale: int) -> Fraction:
    whole = floor(abs(exact) * 10**scale + Fraction(1, 2))
    return Fraction(whole if exact >= 0 else -whole, 10**scale)


def text(value: Fraction | int) -> str:
    value = Fraction(value)
    places = next((n for n in range(60) if (value * 10**n).denominator == 1), None)
    if places is None:
        return str(value)
    whole = int(value * 10**places)
    return f"{Decimal(whole).scaleb(-places):f}" if abs(whole) < 10**27 else str(value)


def some(draw: random.Random, most: int = 10_000, places: int = 3) -> Fraction:
    kind = draw.random()
    if kind < 0.1:
        return Fraction(0)
    if kind < 0.2:
        return Fraction(draw.randrange(10**25), 10**3)
    return Fraction(draw.randrange(1, most * 10**places), 10 ** draw.randint(0, places))


def any_day(draw: random.Random) -> date:
    if draw.random() < 0.3:
        return date(
            draw.choice([2020, 2023, 2024]), draw.choice([1, 2, 3, 12]), draw.choice([1, 28])
        )
    return date(2019, 1, 1) + timedelta(days=draw.randrange(3000))


def moved(day: date, months: int, anchor: int) -> date:
    place = day.year * 12 + day.month - 1 + months
    year, month = place // 12, place % 12 + 1
    return date(year, month, min(anchor, calendar.monthrange(year, month)[1]))


def a_ladder(draw: random.Random) -> list[dict[str, Any]]:
    bounds = sorted({some(draw, 500, 1) for _ in range(draw.randint(0, 4))} - {Fraction(0)})
    return [
        {
            "up_to": None if bound is None else text(bound),
            "unit": text(some(draw, 20, 6)),
            "flat": text(some(draw, 100, 2)),
        }
        for bound in [*bounds, None]
    ]


def near(draw: random.Random, rows: list[dict[str, Any]], name: str = "up_to") -> Fraction:
    """Return a quantity on a bound, just beside it, or anywhere."""
    bounds = [Fraction(row[name]) for row in rows if row[name] is not None]
    if bounds and draw.random() < 0.6:
        beside = draw.choice([0, 0, 1, -1])
        return max(Fraction(0), draw.choice(bounds) + Fraction(beside, 1000))
    return some(draw, 1000)


def slices(
    rows: list[dict[str, Any]], units: Fraction
) -> Iterator[tuple[dict[str, Any], Fraction]]:
    below = Fraction(0)
    for row in rows:
        bound = None if row["up_to"] is None else Fraction(row["up_to"])
        if bound is None or units <= bound:
            yield row, units - below
            return
        yield row, bound - below
        below = bound


def stepped(rows: list[dict[str, Any]], units: Fraction, rate: str = "unit") -> Fraction:
    scale = 100 if rate == "rate_pct" else 1
    return sum(
        (
            Fraction(row["flat"]) + part * Fraction(row[rate]) / scale
            for row, part in slices(rows, units)
        ),
        start=Fraction(0),
    )
