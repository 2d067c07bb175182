"""What a company may offer: every kind of line, price and modifier, drawn from one number."""

from random import Random
from typing import Any

from tests.scenarios.life.company import FIXED, METERS, PACK, SEATS

RHYTHMS = ("monthly", "monthly", "quarterly", "half_yearly", "yearly")
PLACES = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}


def offer(number: int, currency: str) -> dict[str, Any]:
    """Return what the builder posts: phases with lines, a zone, a day periods begin on."""
    draw = Random(number)  # noqa: S311
    codes = draw.sample([*METERS, *FIXED, *SEATS, PACK], draw.randint(1, 4))
    phases = [_phase(draw, codes, currency) for _ in range(draw.choice((1, 1, 2, 3)))]
    if draw.random() < 0.15:
        phases[-1]["months"] = None
    return {
        "currency": currency,
        "phases": phases,
        "anchor_day": draw.choice((1, 1, 1, 15, 31, 29)),
        "time_zone": draw.choice(("UTC", "UTC", "America/New_York", "Pacific/Apia")),
        "payment_terms_days": draw.choice((0, 14, 30)),
    }


def _phase(draw: Random, codes: list[str], currency: str) -> dict[str, Any]:
    kept = codes if draw.random() < 0.7 else codes[: draw.randint(1, len(codes))]
    row: dict[str, Any] = {
        "months": draw.choice((1, 2, 3, 3, 6, 12)),
        "lines": [_line(draw, code, currency) for code in kept],
    }
    if draw.random() < 0.2:
        row["discount_percent"] = draw.choice(("10", "33.33", "100"))
    if draw.random() < 0.25:
        row["minimum_amount"] = money(draw, currency, 900)
        row["minimum_frequency"] = draw.choice(("monthly", "quarterly"))
    return row


def _line(draw: Random, code: str, currency: str) -> dict[str, Any]:
    row: dict[str, Any] = {"product": code, "frequency": draw.choice(RHYTHMS)}
    timing = draw.choice(("in_advance", "in_arrears"))
    if draw.random() < 0.2:
        row["discount_percent"] = draw.choice(("5", "12.5", "50"))
    if code in METERS:
        row |= {"meter_key": code, "timing": "in_arrears", "model": usage_model(draw, currency)}
        row["frequency"] = draw.choice(("monthly", "monthly", "quarterly"))
        row["modifiers"] = _modifiers(draw, currency)
    elif code in SEATS:
        row |= {"timing": timing, "quantity": str(draw.randint(0, 20))}
        row["model"] = {
            "model": "seat",
            "price": usage_model(draw, currency, only=("per_unit", "graduated", "volume")),
            "mode": draw.choice(("prorate_increments", "prorate_all", "peak", "period_start")),
            "contracted_minimum": str(draw.choice((0, 0, 5))),
        }
    elif code == PACK:
        row |= {"timing": "in_advance", "quantity": "1"}
        row["model"] = {"model": "flat", "amount": money(draw, currency, 400)}
        row["modifiers"] = {"credits": {} if draw.random() < 0.5 else {"expires_after_months": 2}}
    else:
        once = code == "setup"
        row |= {"timing": timing, "quantity": str(draw.choice((1, 1, 3)))}
        row["frequency"] = "one_time" if once else row["frequency"]
        row["model"] = {"model": "flat", "amount": money(draw, currency, 3000)}
        if code == "support" and draw.random() < 0.3:
            row["model"] = {"model": "percent_of", "percent": "10"}
    return row


def usage_model(
    draw: Random,
    currency: str,
    only: tuple[str, ...] = ("per_unit", "graduated", "volume", "package", "stair_step"),
) -> dict[str, Any]:
    """Return a price by quantity."""
    name = draw.choice(only)
    if name == "per_unit":
        return {"model": name, "unit_price": unit_price(draw)}
    if name == "package":
        return {
            "model": name,
            "size": str(draw.choice((10, 100))),
            "package_price": money(draw, currency, 50),
            "free_units": str(draw.choice((0, 50))),
        }
    steps = sorted(draw.sample(range(10, 1500), draw.randint(1, 2)))
    tiers = []
    for up_to in [*map(str, steps), None]:
        fee = money(draw, currency, 60) if name == "stair_step" or draw.random() < 0.3 else "0"
        price = "0" if name == "stair_step" else unit_price(draw)
        tiers.append({"up_to": up_to, "unit_price": price, "flat_fee": fee})
    return {"model": name, "tiers": tiers}


def _modifiers(draw: Random, currency: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if draw.random() < 0.2:
        found["included"] = {"units": "100", "is_prorated": draw.random() < 0.5}
    if draw.random() < 0.15:
        found["minimum"] = {"amount": money(draw, currency, 200)}
        if draw.random() < 0.4:
            found["minimum"] |= {"window": "over_contract", "overage_factor": "1.2"}
    if draw.random() < 0.15:
        found["cap"] = {"amount": money(draw, currency, 400)}
    if draw.random() < 0.15:
        found["accumulation"] = draw.choice(("over_contract", "over_contract_year"))
    if draw.random() < 0.15:
        found["discounts"] = [draw.choice(({"percent": "10"}, {"free_units": "50"}))]
    return found


def money(draw: Random, currency: str, most: int) -> str:
    """Return an amount the currency has, up to so much."""
    places = PLACES[currency]
    return f"{draw.randint(0, most * 10**places) / 10**places:.{places}f}"


def unit_price(draw: Random) -> str:
    """Return a price each, with more decimals than money has."""
    return draw.choice(("0.1", "0.035", "1", "0.333333", "2.75"))
