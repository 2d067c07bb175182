"""Models, changes, seats, dates and events beyond the common ones, one after another."""

import calendar
import random
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any

from tests.unit.pricing.made_up.charges import a_stack, blocks, in_blocks
from tests.unit.pricing.made_up.drawing import (
    MAKERS,
    SCALES,
    Case,
    a_ladder,
    any_day,
    money,
    moved,
    near,
    of,
    some,
    stepped,
    text,
)

NOTHING = Fraction(0)


@of("charge.per_unit")
def per_unit(draw: random.Random) -> Case:
    unit, units = some(draw, 100, 6), some(draw)
    return {"unit": text(unit), "quantity": text(units)}, {"amount": text(unit * units)}


@of("charge.stair_step")
def stair_step(draw: random.Random) -> Case:
    bounds = sorted({some(draw, 500, 1) for _ in range(draw.randint(1, 4))} - {NOTHING})
    steps = [
        {"up_to": text(bound), "amount": text(some(draw, 500, 2))}
        for bound in bounds or [Fraction(1)]
    ]
    last = Fraction(str(steps[-1]["up_to"]))
    units = min(near(draw, steps), last)
    amount = next(row["amount"] for row in steps if units <= Fraction(row["up_to"]))
    return {"steps": steps, "quantity": text(units)}, {"amount": amount}


@of("charge.package_min_one")
def package_min_one(draw: random.Random) -> Case:
    size, price = some(draw, 500, 2) + 1, some(draw, 50, 2)
    units = draw.choice([NOTHING, size, 3 * size, some(draw)])
    given = {
        "package_size": text(size), "package_amount": text(price), "quantity": text(units),
    }  # fmt: skip
    return given, {"amount": text(max(1, ceil(units / size)) * price)}


@of("charge.graduated_percentage_delta")
def percentage_delta(draw: random.Random) -> Case:
    rows = [{**row, "rate_pct": row.pop("unit")} for row in a_ladder(draw)]
    low, high = sorted([near(draw, rows), near(draw, rows)])
    before = stepped(rows, low, "rate_pct") if low else NOTHING
    given = {"tiers": rows, "from": text(low), "to": text(high)}
    return given, {"amount": text(stepped(rows, high, "rate_pct") - before)}


@of("charge.per_unit_minmax")
def per_unit_minmax(draw: random.Random) -> Case:
    unit, units = some(draw, 100, 6), some(draw, 100)
    low, high = sorted([some(draw, 5000, 2), some(draw, 5000, 2)])
    least, most = draw.choice([None, low]), draw.choice([None, high])
    used = unit * units
    kept = used if most is None else min(used, most)
    missing = NOTHING if least is None else max(NOTHING, least - kept)
    given = {
        "unit": text(unit), "quantity": text(units),
        "minimum": None if least is None else text(least),
        "maximum": None if most is None else text(most),
    }  # fmt: skip
    return given, {"usage": text(used), "true_up": text(missing), "total": text(kept + missing)}


@of("charge.capacity_tier")
def capacity(draw: random.Random) -> Case:
    names, rungs = ["unit1", "unit2", "unit3"], draw.randint(1, 3)
    columns = {name: sorted(draw.sample(range(1, 500), rungs)) for name in names}
    tiers: list[dict[str, Any]] = [
        {
            "price": text(some(draw, 100, 2)),
            "limits": {name: str(columns[name][place]) for name in names},
        }
        for place in range(rungs)
    ]
    tiers.append({"price": text(some(draw, 100, 2)), "limits": dict.fromkeys(names)})
    usage = {
        name: draw.choice([*columns[name], draw.randrange(600)])
        for name in draw.sample(names, draw.randint(1, 3))
    }
    price = next(
        tier["price"]
        for tier in tiers
        if all(
            tier["limits"][name] is None or units <= int(tier["limits"][name])
            for name, units in usage.items()
        )
    )
    given = {"tiers": tiers, "usage": {name: str(units) for name, units in usage.items()}}
    return given, {"amount": price}


@of("charge.discount_schedule")
def discount_schedule(draw: random.Random) -> Case:
    list_price, kind = some(draw, 200, 2), draw.choice(["range", "slab"])
    rows = [
        {"up_to": row["up_to"], "discount_pct": str(draw.randint(0, 100))} for row in a_ladder(draw)
    ]
    units = near(draw, rows)
    priced = [
        {
            "up_to": row["up_to"],
            "flat": "0",
            "unit": list_price * (100 - int(str(row["discount_pct"]))) / 100,
        }
        for row in rows
    ]
    if kind == "slab":
        amount = stepped(priced, units)
    else:
        row = next(r for r in priced if r["up_to"] is None or units <= Fraction(str(r["up_to"])))
        amount = units * Fraction(row["unit"])
    given = {
        "type": kind, "list_price": text(list_price), "tiers": rows, "quantity": text(units),
    }  # fmt: skip
    return given, {"amount": text(amount)}


@of("charge.already_billed_delta")
def already_billed(draw: random.Random) -> Case:
    rows = a_stack(draw)
    units = Fraction(draw.randrange(300))
    rated = sum((blocks(row, part) for row, part in in_blocks(rows, units)), start=NOTHING)
    billed = draw.choice([NOTHING, rated, rated / 2])
    given = {"tiers": rows, "quantity": text(units), "already_billed": text(billed)}
    return given, {"rated": text(rated), "to_bill": text(rated - billed)}


@of("charge.graduated_prorated_events")
def prorated_events(draw: random.Random) -> Case:
    """Hold whole units one by one, each in its tier; the last that came is the first to go."""
    rows = a_ladder(draw)
    for row in rows:
        row["up_to"] = None if row["up_to"] is None else str(min(80, ceil(Fraction(row["up_to"]))))
    bounds = [row["up_to"] for row in rows]
    rows = [row for n, row in enumerate(rows) if row["up_to"] not in bounds[:n]]
    full, part = [], []
    level, most, amount = 0, 0, NOTHING
    for place in range(draw.randint(1, 5)):
        step = draw.randint(1, 40) if not place else draw.randint(-level, 40) or 1
        share = Fraction(draw.randint(1, 30), draw.choice([32, 40]))
        low, high = sorted([level, level + step])
        each = sum(_unit_at(rows, unit) for unit in range(low + 1, high + 1))
        amount += (share if step > 0 else -share) * each
        level += step
        most = max(most, level)
        full.append(str(step))
        part.append(text(step * share))
    entered = [rows[0], *(row for below, row in pairwise(rows) if _over(below, most))]
    given = {"tiers": rows, "events_full": full, "events_prorated": part}
    total = amount + sum((Fraction(row["flat"]) for row in entered), start=NOTHING)
    return given, {"amount_2dp": text(money(total, 2))}


def _unit_at(rows: list[dict[str, Any]], number: int) -> Fraction:
    row = next(r for r in rows if r["up_to"] is None or number <= int(r["up_to"]))
    return Fraction(row["unit"])


def _over(row: dict[str, Any], level: int) -> bool:
    return row["up_to"] is not None and level > int(row["up_to"])


@of("charge.matrix")
def matrix(draw: random.Random) -> Case:
    words = {"cloud": ["aws", "gcp", "azure"], "region": ["us", "europe", "asia"]}
    cells = []
    for _ in range(draw.randint(1, 4)):
        names = draw.sample(sorted(words), draw.randint(1, 2))
        match = {name: draw.sample(words[name], draw.randint(1, 2)) for name in names}
        cells.append({"match": match, "unit": text(some(draw, 20, 3))})
    other, total = some(draw, 20, 3), NOTHING
    events, lines = [], dict[str, Fraction]()
    for _ in range(draw.randint(0, 8)):
        event = {name: draw.choice([*values, "none"]) for name, values in words.items()}
        if draw.random() < 0.7:
            event["country"] = draw.choice(["fr", "de"])
        units = some(draw, 50)
        cell = next(
            (c for c in cells if all(event[n] in v for n, v in c["match"].items())),  # type: ignore[attr-defined]
            None,
        )
        cost = units * (other if cell is None else Fraction(str(cell["unit"])))
        group = "(default)" if cell is None else event.get("country", "(none)")
        lines[group] = lines.get(group, NOTHING) + cost
        total += cost
        events.append({**event, "value": text(units)})
    given = {
        "default_unit": text(other), "cells": cells, "group_by": ["country"], "events": events,
    }  # fmt: skip
    return given, {
        "total": text(total),
        "lines": {name: text(amount) for name, amount in lines.items()},
    }


@of("invoice.sum_charges")
def sum_charges(draw: random.Random) -> Case:
    charges, total = [], NOTHING
    for _ in range(draw.randint(0, 4)):
        kind = draw.choice(["charge.volume_blocks", "charge.graduated", "charge.per_unit"])
        given, expected = MAKERS[kind](draw)
        charges.append({"kind": kind, **given})
        total += Fraction(expected["amount"])
    return {"charges": charges}, {"amount": text(total)}


@of(
    "aggregation.count",
)
def count(draw: random.Random) -> Case:
    events, kept = _events(draw)
    return {"field": "n", "events": events, "filter": kept[0]}, {"value": str(len(kept[1]))}


@of("aggregation.max")
def largest(draw: random.Random) -> Case:
    events, (filters, rows) = _events(draw)
    if not rows:
        filters, rows = None, [*events, {"n": "7"}]
        events = rows
    return {"field": "n", "events": events, "filter": filters}, {
        "value": text(max(Fraction(row["n"]) for row in rows))
    }


def _events(draw: random.Random) -> tuple[list[dict[str, str]], tuple[Any, list[dict[str, str]]]]:
    events = [
        {"n": text(some(draw) * draw.choice([1, 1, -1])), "region": draw.choice("abc")}
        for _ in range(draw.randint(0, 9))
    ]
    filters = draw.choice([None, {"region": ["a"]}, {"region": ["a", "b"]}])
    return events, (filters, [e for e in events if not filters or e["region"] in filters["region"]])


@of("events.dedupe")
def dedupe(draw: random.Random) -> Case:
    events = [
        {
            "transaction_id": f"t{draw.randint(1, 4)}",
            "timestamp": f"2024-01-0{draw.randint(1, 2)}T00:00:00Z",
            "region": draw.choice(["europe", "asia"]),
            "received": place,
        }
        for place in range(draw.randint(0, 9))
    ]
    draw.shuffle(events)
    last: dict[tuple[Any, Any], dict[str, Any]] = {}
    for event in sorted(events, key=lambda one: int(str(one["received"]))):
        last[event["transaction_id"], event["timestamp"]] = event
    found = sum(event["region"] == "asia" for event in last.values())
    given = {
        "key": ["transaction_id", "timestamp"], "events": events, "filter": {"region": ["asia"]},
    }  # fmt: skip
    return given, {"count": str(found)}


@of("meter.unit_conversion")
def unit_conversion(draw: random.Random) -> Case:
    op, factor = draw.choice(["divide", "multiply"]), some(draw, 2000, 2) + 1
    rounding, places = draw.choice(["half_up", "ceiling", "floor"]), draw.choice([0, 0, 2])
    units = some(draw)
    exact = (units / factor if op == "divide" else units * factor) * 10**places
    half_up = floor(exact + Fraction(1, 2))
    whole = {"half_up": half_up, "ceiling": ceil(exact), "floor": floor(exact)}
    given = {
        "op": op, "factor": text(factor), "rounding": rounding, "quantity": text(units),
        "precision": places,
    }  # fmt: skip
    return given, {"quantity": text(Fraction(whole[rounding], 10**places))}


@of("proration.ratio")
def ratio(draw: random.Random) -> Case:
    start = any_day(draw)
    length = calendar.monthrange(start.year, start.month)[1]
    end = start.replace(day=draw.randint(start.day, length))
    method = draw.choice(["actual", "actual_360", "strict_30_360"])
    days, whole = range(start.day, end.day + 1), {"actual": length}.get(method, 30)
    worth = [1] * (length + 1)
    if method == "strict_30_360":  # no time from a 30th to a 31st; February's last day lasts
        worth[30:31] = [0 if length == 31 else 1] if length >= 30 else []
        worth[length] += max(0, 30 - length)
    given = {"service_from": f"{start}", "service_to_inclusive": f"{end}", "method": method}
    return given, {"ratio": text(Fraction(sum(worth[n] for n in days), whole))}


@of("proration.change_same_item")
def change_same_item(draw: random.Random) -> Case:
    scale, days = draw.choice(SCALES), draw.randint(1, 366)
    left, new = draw.randint(1, days), some(draw, 10**6, 2)
    fresh = money(new * Fraction(left, days), scale)
    paid_days = draw.randint(left, days)
    paid = money(fresh * draw.randint(0, 100) / 100, scale)
    unused = money(paid * Fraction(left, paid_days), scale)
    given = {
        "old_paid": text(paid), "old_paid_days": paid_days, "new_amount": text(new),
        "remaining_days": left, "period_days": days, "scale": scale,
    }  # fmt: skip
    return given, {
        "new_prorated": text(fresh),
        "old_unused": text(unused),
        "to_bill": text(fresh - unused),
    }


@of("proration.change_with_intervals")
def change_with_intervals(draw: random.Random) -> Case:
    months = {"month": 1, "quarter": 3, "year": 12}
    scale, start = draw.choice(SCALES), any_day(draw)
    old, new = draw.choice(sorted(months)), draw.choice(sorted(months))
    end = moved(start, months[old], start.day)
    at = start + timedelta(days=draw.randrange((end - start).days))
    left = Fraction((end - at).days, (end - start).days)
    was, becomes = some(draw, 10**6, 2), some(draw, 10**6, 2)
    given = {
        "old_amount": text(was), "old_interval": old, "new_amount": text(becomes),
        "new_interval": new, "cycle_start": f"{start}", "at": f"{at}", "scale": scale,
    }  # fmt: skip
    return given, {
        "credit": text(money(was * left, scale)),
        "debit": text(money(becomes * (left if old == new else 1), scale)),
    }


@of("schedule.dates")
def schedule_dates(draw: random.Random) -> Case:
    days = {"daily": 1, "weekly": 7, "thirty_days": 30}
    months = {"monthly": 1, "quarterly": 3, "half_yearly": 6, "yearly": 12}
    anchor, many = any_day(draw), draw.randint(0, 14)
    anchor = moved(anchor, 0, draw.choice([anchor.day, 29, 30, 31]))
    name = draw.choice([*days, *months])
    dates = [
        anchor + timedelta(days=days[name] * n)
        if name in days
        else moved(anchor, months[name] * n, anchor.day)
        for n in range(many)
    ]
    given = {"anchor": f"{anchor}", "period": name, "count": many}
    return given, {"dates": [f"{day}" for day in dates]}


@of("seats.advance_delta_no_refund")
def seats_in_advance(draw: random.Random) -> Case:
    unit, held = some(draw, 100, 2), draw.randint(0, 50)
    changes = [draw.randint(0, 80) for _ in range(draw.randint(0, 5))]
    invoices, paid = [unit * held], held
    for seats in changes:
        invoices.append(unit * max(0, seats - paid))
        paid = max(paid, seats)
    given = {"unit": text(unit), "initial": str(held), "changes": [str(n) for n in changes]}
    return given, {"invoices": [text(amount) for amount in invoices]}


@of("seats.change_prorated")
def seats_changed(draw: random.Random) -> Case:
    scale, start, days = draw.choice(SCALES), any_day(draw), draw.choice([28, 30, 31, 365])
    on = draw.randrange(days)
    unit, following = some(draw, 5000, 2), draw.choice([None, some(draw, 5000, 2)])
    old, new = draw.randint(0, 30), draw.randint(0, 30)
    exact = unit * (new - old) * Fraction(days - on, days)
    moved_by = money(exact, scale)
    given = {
        "unit": text(unit), "old_seats": old, "new_seats": new, "scale": scale,
        "period_from": f"{start}", "period_to": f"{start + timedelta(days=days)}",
        "at": f"{start + timedelta(days=on)}",
        "next_unit": None if following is None else text(following),
    }  # fmt: skip
    return given, {
        "amount": text(abs(moved_by)),
        "direction": "debit" if moved_by > 0 else "credit" if moved_by < 0 else "none",
        "next_cycle_amount": text(new * (unit if following is None else following)),
    }
