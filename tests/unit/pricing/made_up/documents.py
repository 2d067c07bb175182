"""Commitments, discounts, credits, tax and credit notes, step by step."""

import random
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.unit.pricing.made_up.drawing import (
    SCALES,
    Case,
    a_ladder,
    any_day,
    money,
    near,
    of,
    slices,
    some,
    text,
)

NOTHING = Fraction(0)


def a_part(draw: random.Random) -> tuple[dict[str, str], Fraction]:
    """Return a part of a period as a case says it, and as a fraction."""
    start, days = any_day(draw), draw.choice([7, 28, 29, 30, 31, 92, 365, 366])
    first = draw.randrange(days)
    last = draw.randint(first, days)
    given = {
        "service_from": f"{start + timedelta(days=first)}",
        "service_to": f"{start + timedelta(days=last)}",
        "period_from": f"{start}",
        "period_to": f"{start + timedelta(days=days)}",
    }
    return given, Fraction(last - first, days)


def amounts(draw: random.Random, scale: int, most: int = 4) -> list[Fraction]:
    return [Fraction(draw.randrange(10**6), 10**scale) for _ in range(draw.randint(0, most))]


def a_percent(draw: random.Random) -> Fraction:
    usual = draw.choice([Fraction(0), Fraction(20), Fraction(15, 2)])
    return draw.choice([usual, Fraction(draw.randrange(5000), 100)])


@of("commitment.line_minimum_prorated")
def line_minimum(draw: random.Random) -> Case:
    scale, whole = draw.choice(SCALES), draw.randint(1, 366)
    days, minimum, fees = draw.randint(0, whole), some(draw, 10**5, 4), amounts(draw, scale)
    missing = money(minimum * Fraction(days, whole), scale) - sum(fees)
    given = {
        "minimum": text(minimum), "days": days, "period_days": whole,
        "usage_fees": [text(fee) for fee in fees], "scale": scale,
    }  # fmt: skip
    return given, {"true_up": text(max(NOTHING, missing))}


@of("commitment.plan_minimum")
def plan_minimum(draw: random.Random) -> Case:
    scale, (span, part) = draw.choice(SCALES), a_part(draw)
    minimum, fee, usage = some(draw, 10**6, 4), some(draw, 10**4, 4), amounts(draw, scale)
    by_day, fee_by_day = draw.choice([True, False]), draw.choice([True, False])
    due = money(minimum * (part if by_day else 1), scale)
    charged = money(fee * (part if fee_by_day else 1), scale) + sum(usage)
    given = {
        **span, "minimum": text(minimum), "plan_fee": text(fee), "scale": scale,
        "usage_fees": [text(amount) for amount in usage],
        "prorate_minimum": by_day, "prorate_plan_fee": fee_by_day,
    }  # fmt: skip
    return given, {"true_up": text(max(NOTHING, due - charged))}


@of("commitment.overage_factor")
def overage(draw: random.Random) -> Case:
    units, unit, least = some(draw), some(draw, 5, 6), some(draw, 10**4, 2)
    factor = Fraction(draw.choice([100, 120, 150, 200]), 100)
    used = units * unit
    given = {
        "quantity": text(units), "unit": text(unit), "commitment": text(least),
        "overage_factor": text(factor),
    }  # fmt: skip
    return given, {"amount": text(least + max(NOTHING, used - least) * factor)}


@of("commitment.usage_minimum_timing")
def minimum_timing(draw: random.Random) -> Case:
    least, charges = some(draw, 1000, 2), amounts(draw, 2)
    as_it_comes = draw.choice([True, False])
    billed: list[Fraction] = []
    used = NOTHING
    for charge in charges:
        before, used = (max(least, used) if billed else NOTHING), used + charge
        billed.append(charge if as_it_comes else max(least, used) - before)
    left = max(NOTHING, least - used) if as_it_comes else (NOTHING if charges else least)
    given = {
        "minimum": text(least), "period_usage_charges": [text(charge) for charge in charges],
        "charge_commit_on_usage": as_it_comes,
    }  # fmt: skip
    return given, {"charges": [text(charge) for charge in billed], "period_end": text(left)}


@of("credit_note.unused_period")
def unused_period(draw: random.Random) -> Case:
    scale, (span, _) = draw.choice(SCALES), a_part(draw)
    start, first, end = (
        date.fromisoformat(span[name]) for name in ("period_from", "service_from", "period_to")
    )
    amount, percent = some(draw, 10**6, 2), a_percent(draw)
    net = money(amount * Fraction((end - first).days, (end - start).days), scale)
    tax = money(net * percent / 100, scale)
    given = {
        "amount": text(amount), "unused_from": span["service_from"], "scale": scale,
        "period_from": span["period_from"], "period_to": span["period_to"],
        "tax_pct": text(percent),
    }  # fmt: skip
    return given, {"sub_total": text(net), "taxes": text(tax), "total": text(net + tax)}


@of("credits.apply_to_lines")
def apply_to_lines(draw: random.Random) -> Case:
    rows = a_ladder(draw)
    units = near(draw, rows)
    lines = [Fraction(row["flat"]) + n * Fraction(row["unit"]) for row, n in slices(rows, units)]
    lines = [line for line in lines if line]
    least = draw.choice([None, some(draw, 5000, 2)])
    if least is not None and least > sum(lines):
        lines.append(least - sum(lines))
    purses = [some(draw, 2000, 2) + 1 for _ in range(draw.randint(0, 3))]
    left, rest = list(purses), []
    for line in lines:
        due, taken = line, []
        for place, held in enumerate(left):
            use = min(held, due)
            if use:
                taken.append(use)
                left[place] -= use
                due -= use
        rest.append({"amount": text(line), "credits": [text(n) for n in taken], "total": text(due)})
    given = {
        "tiers": rows, "quantity": text(units), "minimum": None if least is None else text(least),
        "credits": [text(purse) for purse in purses],
    }  # fmt: skip
    return given, {"lines": rest}


HALF_HOUR = timedelta(minutes=30)


@of("credits.grant_engine")
def grant_engine(draw: random.Random) -> Case:
    """Walk every half hour: what ends, what is filled, what begins, what is owed, what is used."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    end = start + timedelta(hours=draw.randint(1, 200))

    def said(at: datetime) -> str:
        return f"{at:%Y-%m-%dT%H:%M:%SZ}"

    def hour(low: int, high: int) -> datetime:
        return start + timedelta(hours=draw.randint(low, high))

    grants: list[dict[str, Any]] = []
    for place in range(draw.randint(0, 4)):
        row: dict[str, Any] = {
            "id": f"g{place}",
            "amount": str(draw.randint(1, 200)),
            "priority": draw.randint(1, 3),
            "effective_at": hour(-100, 100),
            "expires_after_days": draw.choice([1, 3, 30, 365]),
        }
        if draw.random() < 0.4:
            row["recurs_every_days"] = draw.choice([1, 2, 7])
            row["recurrence_anchor"] = hour(-50, 50) + HALF_HOUR
        if row["effective_at"] < start and draw.random() < 0.5:
            row["balance_at_start"] = str(draw.randint(0, int(row["amount"])))
        grants.append(row)
    uses = [(hour(0, 220), Fraction(draw.randint(0, 900), 10)) for _ in range(draw.randint(0, 6))]
    balances, owed = _walk(grants, uses, start, end)
    given = {
        "from": said(start),
        "until": said(end),
        "grants": [
            {name: said(v) if isinstance(v, datetime) else v for name, v in row.items()}
            for row in grants
        ],
        "usage": [{"at": said(at), "quantity": text(n)} for at, n in uses],
        "resets": [],
        "preserve_overage": None,
    }
    return given, {
        "balances": {name: text(value) for name, value in balances.items()},
        "overage": text(owed),
    }


def _walk(
    grants: list[dict[str, Any]],
    uses: list[tuple[datetime, Fraction]],
    start: datetime,
    end: datetime,
) -> tuple[dict[str, Fraction], Fraction]:
    balances = {row["id"]: NOTHING for row in grants}
    owed = NOTHING
    ends = {
        row["id"]: row["effective_at"] + timedelta(days=row["expires_after_days"]) for row in grants
    }
    order = sorted(grants, key=lambda row: (row["priority"], ends[row["id"]], row["id"]))
    now = start
    while now < end:
        for row in grants:
            key, begins = row["id"], row["effective_at"]
            whole = Fraction(row["amount"])
            if now >= ends[key]:
                balances[key] = NOTHING
            elif now == start and begins < now:
                balances[key] = Fraction(row.get("balance_at_start", whole))
            elif now == begins or _recurs(row, now):
                balances[key] = whole
        for wanted in [owed, *(units for at, units in uses if at == now)]:
            owed, rest = (NOTHING if wanted is owed else owed), wanted
            for row in order:
                used = min(rest, balances[row["id"]])
                balances[row["id"]] -= used
                rest -= used
            owed += rest
        now += HALF_HOUR
    return balances, owed


def _recurs(row: dict[str, Any], now: datetime) -> bool:
    if "recurs_every_days" not in row or now < row["effective_at"]:
        return False
    every = timedelta(days=row["recurs_every_days"])
    return not (now - row["recurrence_anchor"]) % every


@of("discount.stack")
def stack(draw: random.Random) -> Case:
    subtotal = Fraction(draw.randrange(1, 10**6) * 1000)
    coupons: list[dict[str, str]] = [
        {"pct": draw.choice(["10", "25", "50", "100", "0"])}
        if draw.random() < 0.6
        else {"amount": text(Fraction(draw.randrange(10**6)))}
        for _ in range(draw.randint(0, 3))
    ]
    left = subtotal
    for coupon in coupons:
        left -= left * Fraction(coupon.get("pct", "0")) / 100
    for coupon in coupons:
        left -= min(left, Fraction(coupon.get("amount", "0")))
    given = {
        "subtotal": text(subtotal), "coupons": coupons, "precedence": "percentage_then_fixed",
        "scale": 0,
    }  # fmt: skip
    return given, {"discount": text(money(subtotal - left, 0))}


@of("discount.usage_quantity")
def usage_quantity(draw: random.Random) -> Case:
    units, before, free = (some(draw, 50) for _ in range(3))
    taken = min(before, free)
    here = min(units, free - taken)
    given = {
        "quantity": text(units), "pre_line_quantity": text(before), "free_quantity": text(free),
    }  # fmt: skip
    return given, {
        "billable_quantity": text(units - here),
        "billable_pre_line": text(before - taken),
        "discounted_quantity": text(here),
    }


@of("discount.sequential_fixed_coupons")
def sequential_coupons(draw: random.Random) -> Case:
    scale = draw.choice(SCALES)
    lines = [
        {
            "id": f"p{place}",
            "amount": text(Fraction(draw.randrange(1, 10**6), 10**scale)),
            "tax_pct": draw.choice(["0", "10", "20", "5.5"]),
        }
        for place in range(draw.randint(1, 4))
    ]
    left = {line["id"]: Fraction(line["amount"]) for line in lines}
    coupons = []
    for _ in range(draw.randint(0, 3)):
        scope = draw.choice([None, draw.sample(sorted(left), draw.randint(1, len(left)))])
        amount = Fraction(draw.randrange(10**6), 10**scale)
        coupons.append({"amount": text(amount), "applies_to": scope})
        base = sum(left[key] for key in scope or left)
        for key in scope or left:
            if base:
                left[key] -= left[key] * min(amount, base) / base
    by_rate: dict[str, Fraction] = {}
    for line in lines:
        by_rate[line["tax_pct"]] = by_rate.get(line["tax_pct"], NOTHING) + left[line["id"]]
    taxes = sum(money(base * Fraction(rate) / 100, scale) for rate, base in by_rate.items())
    net = money(sum(left.values(), start=NOTHING), scale)
    given = {"lines": lines, "coupons": coupons, "scale": scale}
    return given, {
        "line_discounts_5dp": {
            line["id"]: text(money(Fraction(line["amount"]) - left[line["id"]], 5))
            for line in lines
        },
        "line_taxes": {
            line["id"]: text(money(left[line["id"]] * Fraction(line["tax_pct"]) / 100, scale))
            for line in lines
        },
        "sub_total": text(net),
        "taxes": text(taxes),
        "total": text(net + taxes),
    }


@of("invoice.tax_order")
def tax_order(draw: random.Random) -> Case:
    fees = [Fraction(draw.randrange(1, 10**5), 100) for _ in range(draw.randint(1, 4))]
    whole = sum(fees, start=NOTHING)
    coupons = money(whole * draw.randint(0, 40) / 100, 2)
    credit = money(whole * draw.randint(0, 40) / 100, 2)
    early_coupons, early_credit = draw.choice([True, False]), draw.choice([True, False])
    percent = a_percent(draw)
    base = whole - (coupons if early_coupons else 0) - (credit if early_credit else 0)
    tax = money(base * percent / 100, 2)
    late = (0 if early_coupons else coupons) + (0 if early_credit else credit)
    given = {
        "fees": [text(fee) for fee in fees], "coupons": text(coupons),
        "prepaid_credits": text(credit), "tax_pct": text(percent),
        "coupons_before_tax": early_coupons, "credits_before_tax": early_credit,
    }  # fmt: skip
    return given, {"taxable": text(base), "taxes": text(tax), "total": text(base + tax - late)}


@of("invoice.total_with_tax")
def total_with_tax(draw: random.Random) -> Case:
    scale, (span, part) = draw.choice(SCALES), a_part(draw)
    amount, percent = some(draw, 10**6, 4), a_percent(draw)
    base = money(amount * part, scale)
    tax = money(base * percent / 100, scale)
    given = {**span, "amount": text(amount), "tax_pct": text(percent), "scale": scale}
    return given, {"base": text(base), "taxes": text(tax), "total": text(base + tax)}
