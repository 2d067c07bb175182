"""Charge models: slices, blocks, packages and events, one after another."""

import random
from fractions import Fraction
from math import ceil
from typing import Any

from tests.unit.pricing.made_up.drawing import (
    Case,
    a_ladder,
    near,
    of,
    slices,
    some,
    stepped,
    text,
)


@of("charge.graduated")
def graduated(draw: random.Random) -> Case:
    rows = a_ladder(draw)
    units = near(draw, rows)
    parts = [Fraction(r["flat"]) + part * Fraction(r["unit"]) for r, part in slices(rows, units)]
    given = {"tiers": rows, "quantity": text(units)}
    return given, {"amount": text(sum(parts)), "tier_amounts": [text(part) for part in parts]}


@of("charge.volume")
def volume(draw: random.Random) -> Case:
    rows = a_ladder(draw)
    units = near(draw, rows)
    *_, (row, _) = slices(rows, units)
    whole = Fraction(row["flat"]) + units * Fraction(row["unit"])
    return {"tiers": rows, "quantity": text(units)}, {"amount": text(whole)}


@of("charge.graduated_delta")
def graduated_delta(draw: random.Random) -> Case:
    rows = a_ladder(draw)
    low, high = sorted([near(draw, rows), near(draw, rows)])
    before = stepped(rows, low) if low else Fraction(0)
    given = {"tiers": rows, "from": text(low), "to": text(high)}
    return given, {"amount": text(stepped(rows, high) - before)}


@of("charge.graduated_percentage")
def graduated_percentage(draw: random.Random) -> Case:
    rows = [{**row, "rate_pct": row.pop("unit")} for row in a_ladder(draw)]
    units = near(draw, rows)
    given = {"tiers": rows, "quantity": text(units)}
    return given, {"amount": text(stepped(rows, units, "rate_pct"))}


def a_stack(draw: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "block_size": draw.choice(["1", "10", "100", "2.5"]),
            "max_blocks": str(draw.randint(1, 50)),
            "price": text(some(draw, 20, 2)),
        }
        for _ in range(draw.randint(1, 3))
    ]


def in_blocks(rows: list[dict[str, Any]], units: Fraction) -> list[tuple[dict[str, Any], Fraction]]:
    found, below = [], Fraction(0)
    for place, row in enumerate(rows):
        width = Fraction(row["block_size"]) * int(row["max_blocks"])
        is_last = place == len(rows) - 1
        part = units - below if is_last else min(width, units - below)
        found.append((row, part))
        below += width
        if is_last or units <= below:
            break
    return found


def blocks(row: dict[str, Any], part: Fraction) -> Fraction:
    return ceil(part / Fraction(row["block_size"])) * Fraction(row["price"])


@of("charge.graduated_blocks")
def graduated_blocks(draw: random.Random) -> Case:
    rows, units = a_stack(draw), some(draw, 3000, 1)
    amount = sum(blocks(row, part) for row, part in in_blocks(rows, units))
    return {"tiers": rows, "quantity": text(units)}, {"amount": text(amount)}


@of("charge.volume_blocks")
def volume_blocks(draw: random.Random) -> Case:
    rows, units = a_stack(draw), some(draw, 3000, 1)
    row, _ = in_blocks(rows, units)[-1]
    return {"tiers": rows, "quantity": text(units)}, {"amount": text(blocks(row, units))}


@of("charge.package")
def package(draw: random.Random) -> Case:
    size, price, free = some(draw, 100, 1) or Fraction(1), some(draw, 50, 2), some(draw, 100, 0)
    units = draw.choice([some(draw), free, free + size, free + size + Fraction(1, 100)])
    count = ceil(max(Fraction(0), units - free) / size)
    given = {"package_size": text(size), "package_amount": text(price), "quantity": text(units)}
    given["free_units"] = text(free)
    return given, {"amount": text(count * price)}


@of("charge.percentage")
def percentage(draw: random.Random) -> Case:
    low, high = sorted([some(draw, 20, 2), some(draw, 20, 2)])
    rate, fee = some(draw, 30, 4), draw.choice([Fraction(0), some(draw, 3, 2)])
    least, most = draw.choice([(None, None), (low, None), (None, high), (low, high)])
    free = draw.choice([None, 1, 2, 3])
    amounts = [some(draw, 1000, 2) for _ in range(draw.randint(0, 5))]
    whole = Fraction(0)
    for amount in amounts[free or 0 :]:
        price = amount * rate / 100 + fee
        price = price if least is None else max(price, least)
        whole += price if most is None else min(price, most)
    given = {
        "rate_pct": text(rate),
        "fixed_per_event": text(fee),
        "free_events": free,
        "free_amount": None,
        "min_per_event": None if least is None else text(least),
        "max_per_event": None if most is None else text(most),
        "events": [text(amount) for amount in amounts],
    }
    return given, {"amount": text(whole)}


@of("charge.volume_minmax")
def volume_minmax(draw: random.Random) -> Case:
    given, expected = volume(draw)
    usage = Fraction(expected["amount"])
    least, most = sorted([some(draw), some(draw)])
    kept = min(usage, most)
    total = max(kept, least)
    given |= {"minimum": text(least), "maximum": text(most)}
    return given, {
        "usage": text(usage),
        "max_discount": text(usage - kept),
        "true_up": text(total - kept),
        "total": text(total),
    }


@of("charge.per_unit_delta_max")
def per_unit_delta_max(draw: random.Random) -> Case:
    unit, units, before, most = some(draw, 20, 4), some(draw, 50), some(draw, 100), some(draw, 500)
    usage = unit * units
    kept = max(Fraction(0), min(usage, most - before))
    given = {"unit": text(unit), "quantity": text(units)}
    given |= {"previously_billed": text(before), "maximum": text(most)}
    return given, {"usage": text(usage), "max_discount": text(usage - kept), "total": text(kept)}
