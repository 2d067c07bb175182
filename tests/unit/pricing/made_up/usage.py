"""Usage and documents: minute by minute, day by day, cent by cent."""

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any

from tests.unit.pricing.made_up.drawing import (
    SCALES,
    Case,
    any_day,
    money,
    of,
    slices,
    some,
    text,
)


@of("aggregation.weighted_sum")
def weighted_sum(draw: random.Random) -> Case:
    start = datetime.combine(any_day(draw), datetime.min.time(), UTC)
    hours = draw.choice([24, 24 * 28, 24 * 31])
    opening = some(draw, 50, 1)
    events = [
        (
            start + timedelta(minutes=draw.randrange(hours * 60)),
            some(draw, 50, 1) * draw.choice([1, -1]),
        )
        for _ in range(draw.randint(0, 5))
    ]
    end = start + timedelta(hours=hours)
    whole = opening + sum(
        (delta * Fraction((end - at) // timedelta(minutes=1), hours * 60) for at, delta in events),
        start=Fraction(0),
    )
    given = {
        "period_from": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "period_to": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "initial": text(opening),
        "events": [
            {"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "delta": text(delta)} for at, delta in events
        ],
    }
    return given, {"value_5dp": text(money(whole, 5))}


@of("aggregation.prorated_unique_count")
def prorated_unique(draw: random.Random) -> Case:
    start, length = any_day(draw), draw.choice([1, 16, 28, 31])
    end = start + timedelta(days=length)
    items, days = [], 0
    for _ in range(draw.randint(0, 5)):
        add = draw.choice([None, start + timedelta(days=draw.randint(-5, length - 1))])
        remove = draw.choice([None, max(start, add or start) + timedelta(days=draw.randint(0, 20))])
        items.append({"add": add and f"{add}", "remove": remove and f"{remove}"})
        days += sum(
            (add is None or day >= add) and (remove is None or day <= remove)
            for day in (start + timedelta(days=n) for n in range(length))
        )
    given = {
        "period_from": f"{start}",
        "period_to": f"{end}",
        "full_period_days": 31,
        "items": items,
    }
    value = Fraction(ceil(Fraction(days, 31) * 10**5), 10**5)
    return given, {"value_ceil_5dp": text(value)}


@of("aggregation.prorated_sum_days")
def prorated_sum(draw: random.Random) -> Case:
    start, opening = any_day(draw), some(draw, 50, 1)
    rows = [(draw.randrange(31), some(draw, 20, 1)) for _ in range(draw.randint(0, 5))]
    whole = opening + sum((v * Fraction(31 - n, 31) for n, v in rows), start=Fraction(0))
    given = {
        "period_from": f"{start}",
        "period_to": f"{start + timedelta(days=31)}",
        "full_period_days": 31,
        "initial": text(opening),
        "events": [{"day": f"{start + timedelta(days=n)}", "value": text(v)} for n, v in rows],
    }
    return given, {"value_ceil_5dp": text(Fraction(ceil(whole * 10**5), 10**5))}


@of("rounding.units")
def rounding(draw: random.Random) -> Case:
    value = some(draw, 10**4, 4) * draw.choice([1, -1])
    mode, places = draw.choice(["round", "ceil", "floor"]), draw.randint(-3, 4)
    scaled = value * Fraction(10) ** places
    halves = money(scaled, 0)
    whole = halves if mode == "round" else Fraction((ceil if mode == "ceil" else floor)(scaled))
    given = {"value": text(value), "mode": mode, "precision": places}
    return given, {"value": text(whole / Fraction(10) ** places)}


@of("discount.distribute")
def distribute(draw: random.Random) -> Case:
    scale = draw.choice(SCALES)
    lines = [Fraction(draw.randint(1, 10**6), 10**scale) for _ in range(draw.randint(1, 6))]
    off = Fraction(draw.randint(0, int(sum(lines) * 10**scale)), 10**scale)
    shares = [divmod(off * 10**scale * line, sum(lines)) for line in lines]
    spare = int(off * 10**scale) - sum(int(whole) for whole, _ in shares)
    first = sorted(range(len(lines)), key=lambda n: (-shares[n][1], n))[:spare]
    nets = [
        line - Fraction(int(shares[n][0]) + (n in first), 10**scale) for n, line in enumerate(lines)
    ]
    given = {"lines": [text(line) for line in lines], "discount": text(off), "scale": scale}
    return given, {"net_lines": [text(net) for net in nets]}


@of("credits.wallet_fifo")
def wallet(draw: random.Random) -> Case:
    grants = [
        {
            "id": f"g{n}",
            "amount": text(some(draw, 50, 2)),
            "priority": draw.randint(1, 3),
            "created": n,
        }
        for n in draw.sample(range(1, 9), draw.randint(1, 5))
    ]
    left = {str(grant["id"]): Fraction(str(grant["amount"])) for grant in grants}
    order = sorted(grants, key=lambda grant: (grant["priority"], grant["created"]))
    uses, fundings = [some(draw, 60, 2) for _ in range(draw.randint(1, 4))], []
    for use in uses:
        funding, wanted = {}, use
        for grant in order:
            taken = min(left[str(grant["id"])], wanted)
            left[str(grant["id"])] -= taken
            wanted -= taken
            if taken:
                funding[str(grant["id"])] = text(taken)
        fundings.append(funding)
    given = {"grants": grants, "uses": [text(use) for use in uses]}
    return given, {"fundings": fundings, "remaining": {k: text(v) for k, v in left.items()}}


@of("seats.graduated_prorated")
def seats_prorated(draw: random.Random) -> Case:
    """Follow single seats: each is priced by its place, for the days it is taken."""
    rows: list[dict[str, Any]] = [
        {"up_to": "5", "unit": text(some(draw, 10, 2)), "flat": text(some(draw, 50, 2))},
        {"up_to": "15", "unit": text(some(draw, 10, 2)), "flat": text(some(draw, 50, 2))},
        {"up_to": None, "unit": text(some(draw, 10, 2)), "flat": text(some(draw, 50, 2))},
    ]
    start, days = any_day(draw), draw.choice([28, 30, 31])
    opening, peak, whole = draw.randint(0, 20), 0, Fraction(0)
    events = sorted((draw.randrange(days), draw.randint(-6, 9)) for _ in range(draw.randint(0, 5)))
    level, rows_of_day = opening, []
    for day in range(days):
        for on, delta in events:
            if on == day:
                level = max(0, level + delta)
                peak = max(peak, level)
        rows_of_day.append(level)
    peak = max(peak, opening)
    for level in rows_of_day:
        for row, part in slices(rows, Fraction(level)):
            whole += part * Fraction(row["unit"]) / days
    fees = sum(
        (Fraction(row["flat"]) for row, _ in slices(rows, Fraction(peak))), start=Fraction(0)
    )
    given = {
        "tiers": rows,
        "period_from": f"{start}",
        "period_to": f"{start + timedelta(days=days)}",
        "initial": str(opening),
        "events": [
            {"day": f"{start + timedelta(days=on)}", "delta": str(delta)} for on, delta in events
        ],
    }
    return given, {"amount_2dp": text(money(whole + fees, 2))}


@of("invoice.totals")
def totals(draw: random.Random) -> Case:
    scale = draw.choice(SCALES)
    lines = [Fraction(draw.randrange(10**6), 10**scale) for _ in range(draw.randint(1, 5))]
    percent = some(draw, 30, 2) % 30
    fees = sum(lines)
    taxes = money(fees * percent / 100, scale)
    notes = Fraction(draw.randint(0, int((fees + taxes) * 10**scale)), 10**scale)
    given = {
        "lines": [text(line) for line in lines],
        "tax_pct": text(percent),
        "credit_notes_applied": text(notes),
        "scale": scale,
    }
    return given, {"fees": text(fees), "taxes": text(taxes), "total": text(fees + taxes - notes)}
