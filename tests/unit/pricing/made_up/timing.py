"""Part periods and dates, day by day."""

import calendar
import random
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.unit.pricing.made_up.drawing import (
    MONTHS,
    SCALES,
    Case,
    any_day,
    money,
    moved,
    of,
    some,
    text,
)


@of("proration.flat")
def proration_flat(draw: random.Random) -> Case:
    start, scale = any_day(draw), draw.choice(SCALES)
    days = draw.choice([1, 7, 28, 29, 30, 31, 90, 181, 365, 366])
    first, length = draw.randrange(days), draw.randint(0, days + 3)
    sign = draw.choice([1, -1])
    amount = some(draw, 10**6, 4)
    given = {
        "amount": text(amount),
        "service_from": f"{start + timedelta(days=first)}",
        "service_to": f"{start + timedelta(days=first + length)}",
        "period_from": f"{start}",
        "period_to": f"{start + timedelta(days=days)}",
        "basis": draw.choice(["days", "duration"]),
        "scale": scale,
        "cap_at_full": draw.choice([True, False]),
        "sign": sign,
    }
    part = Fraction(length, days)
    part = min(part, Fraction(1)) if given["cap_at_full"] else part
    return given, {"amount": text(sign * money(amount * part, scale))}


@of("proration.change")
def proration_change(draw: random.Random) -> Case:
    scale = draw.choice(SCALES)
    sides, amounts = [], []
    for _ in range(2):
        given, _ = proration_flat(draw)
        whole = date.fromisoformat(given["period_to"]) - date.fromisoformat(given["period_from"])
        part = date.fromisoformat(given["service_to"]) - date.fromisoformat(given["service_from"])
        factor = min(Fraction(1), Fraction(part.days, whole.days))
        names = ("amount", "service_from", "service_to", "period_from", "period_to")
        sides.append({name: given[name] for name in names})
        amounts.append(money(Fraction(given["amount"]) * factor, scale))
    credit, charge = amounts
    given = {"scale": scale, "credit": sides[0], "charge": sides[1]}
    return given, {
        "credit": text(-credit),
        "charge": text(charge),
        "net": text(charge - credit),
    }


@of("proration.fixed_30_day_month")
def fixed_month(draw: random.Random) -> Case:
    start = any_day(draw)
    end = start + timedelta(days=draw.randrange(400))
    months = (end.year - start.year) * 12 + end.month - start.month
    part = max(Fraction(0), Fraction(months * 30 + end.day - start.day, 30))
    given = {"from": f"{start}", "to": f"{end}", "month_days": 30}
    return given, {"fraction_9dp": text(money(part, 9))}


@of("proration.billing_cycles")
def billing_cycles(draw: random.Random) -> Case:
    start, anchor = any_day(draw), draw.randint(1, 31)
    name = draw.choice(["monthly", "quarterly", "yearly"])
    end = draw.choice([None, start + timedelta(days=draw.randint(1, 500))])
    target = start + timedelta(days=draw.randrange(700))
    is_ahead = draw.random() < 0.7
    first = moved(start, 0, anchor)
    first = first if first >= start else moved(start, 1, anchor)
    cycles, number = [], 0 if first > start else 1
    while True:
        begins, ends = (moved(first, MONTHS[name] * n, anchor) for n in (number - 1, number))
        since, until = max(begins, start), ends if end is None else min(ends, end)
        if (end is not None and since >= end) or (since if is_ahead else until) > target:
            break
        cycles.append(text(Fraction((until - since).days, (ends - begins).days)))
        number += 1
    given = {
        "start": f"{start}",
        "end": None if end is None else f"{end}",
        "target": f"{target}",
        "billing_cycle_day": anchor,
        "period": name,
        "mode": "in_advance" if is_ahead else "in_arrears",
    }
    return given, {"cycles": cycles}


@of("schedule.anniversary_dates")
def anniversary_dates(draw: random.Random) -> Case:
    name, count = draw.choice(sorted(MONTHS)), draw.randint(1, 6)
    anchor = moved(any_day(draw), 0, draw.choice([1, 28, 29, 30, 31]))
    after = anchor + timedelta(days=draw.randrange(1500))
    dates = [moved(anchor, MONTHS[name] * n, anchor.day) for n in range(200)]
    given = {"anchor": f"{anchor}", "period": name, "first_on_or_after": f"{after}", "count": count}
    return given, {"dates": [f"{day}" for day in dates if day >= after][:count]}


@of("schedule.first_anchor")
def first_anchor(draw: random.Random) -> Case:
    start, anchor = any_day(draw), draw.randint(1, 31)
    day = start
    while day.day != min(anchor, calendar.monthrange(day.year, day.month)[1]):
        day += timedelta(days=1)
    return {"start": f"{start}", "billing_cycle_day": anchor, "period": "monthly"}, {
        "date": f"{day}"
    }


@of("schedule.whole_periods")
def whole_periods(draw: random.Random) -> Case:
    start, name = any_day(draw), draw.choice(sorted(MONTHS))
    end = start + timedelta(days=draw.randrange(1200))
    count = sum(moved(start, MONTHS[name] * n, start.day) <= end for n in range(1, 60))
    return {"from": f"{start}", "to": f"{end}", "period": name}, {"count": count}


@of("schedule.is_billing_day")
def is_billing_day(draw: random.Random) -> Case:
    zone = draw.choice(
        ["Asia/Kolkata", "America/Los_Angeles", "Pacific/Apia", "UTC", "Africa/Cairo"]
    )
    began = datetime.combine(any_day(draw), datetime.min.time(), UTC)
    name, mode = draw.choice(sorted(MONTHS)), draw.choice(["calendar", "anniversary"])
    first = began.astimezone(ZoneInfo(zone)).date()
    anchor = first if mode == "anniversary" else date(first.year, 1, 1)
    on = {moved(anchor, MONTHS[name] * n, anchor.day) for n in range(80)}
    around = sorted(day for day in on if day > first)[:3]
    instants = [
        datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=draw.randint(-30, 30))
        for day in around
    ]
    given = {
        "timezone": zone,
        "start_utc": f"{began:%Y-%m-%dT%H:%M:%SZ}",
        "mode": mode,
        "period": name,
        "instants": [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in instants],
    }
    days = [at.astimezone(ZoneInfo(zone)).date() for at in instants]
    return given, {"billing_day": [day in on and day > first for day in days]}
