"""``bench rating``: lines rated per second on one core, by the engine and by hand."""

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import median
from typing import Any

from monetization.config.benches import byhand
from monetization.kernel.period import Frequency
from monetization.pricing.estimate import Pricer, price_charge_period, pricer
from monetization.pricing.modifiers import Change, cap_change, minimum_change, percent_change
from monetization.pricing.prices import (
    ChargeModel,
    Flat,
    Graduated,
    Package,
    PerUnit,
    StairStep,
    Tier,
    Volume,
)
from monetization.pricing.terms import ItemTerms, OrderTerms, PhaseTerms
from monetization.pricing.timeline import ChargePeriod, charge_periods

Figure = dict[str, Any]
PERCENT, CAP, MINIMUM = Decimal("12.5"), Decimal(400), Decimal(50)
START, END = date(2026, 1, 1), date(2026, 2, 1)
SEED = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """One price, as the engine knows it and as somebody would write it by hand."""

    name: str
    model: ChargeModel
    rule: byhand.Rule


def _decimals(*texts: str | None) -> tuple[Decimal, ...]:
    return tuple(Decimal(text or 0) for text in texts)


def subjects() -> tuple[Subject, ...]:
    """Return the prices of the mix; quantities run from 0 to 30,000 units."""
    bounds: list[Decimal | None] = [*_decimals("1000", "5000", "20000"), None]
    unit_prices = _decimals("0.012", "0.0105", "0.0093", "0.008125")
    fees = _decimals("5", "0", "2.50", "0")
    steps = _decimals("49", "199", "349", "999")
    tiers = [Tier(*row) for row in zip(bounds, unit_prices, fees, strict=True)]
    rows = list(zip(bounds, unit_prices, fees, strict=True))
    stairs = list(zip(bounds, _decimals("0", "0", "0", "0"), steps, strict=True))
    size, package_price, free = _decimals("1000", "9.90", "250")
    return (
        Subject("flat", Flat(steps[0]), byhand.flat(steps[0])),
        Subject("per_unit", PerUnit(unit_prices[0]), byhand.per_unit(unit_prices[0])),
        Subject("graduated, 4 tiers", Graduated(tuple(tiers)), byhand.graduated(rows)),
        Subject("volume, 4 tiers", Volume(tuple(tiers)), byhand.volume(rows)),
        Subject(
            "stair_step, 4 tiers",
            StairStep(tuple(Tier(*row) for row in stairs)),
            byhand.volume(stairs),
        ),
        Subject(
            "package",
            Package(size, package_price, free),
            byhand.package(size, package_price, free),
        ),
    )


def rating(options: dict[str, Any]) -> Iterator[Figure]:
    """Yield rates per model, for the mix, with modifiers, and for whole explained lines."""
    lines, rounds = options["lines"], options["rounds"]
    gc.collect()  # what others left is not ours to collect while we are timed
    quantities = _quantities(lines)
    prices = subjects()
    for subject in prices:
        pairs = [(subject, quantity) for quantity in quantities]
        yield _measured(f"rating: {subject.name}", pairs, _by_engine, _by_hand, rounds)
    mix = [(prices[place % len(prices)], quantity) for place, quantity in enumerate(quantities)]
    yield _measured("rating: mix of models", mix, _by_engine, _by_hand, rounds)
    name = "rating: mix with discount, cap and minimum"
    yield _measured(name, mix, _by_engine_modified, _by_hand_modified, rounds)
    name = "rating: mix as invoice lines with their explanation"
    yield _measured(name, mix, _as_lines, _by_hand, rounds)


Pairs = Sequence[tuple[Subject, Decimal]]
Pricing = Callable[[Pairs], list[Any]]  # of every pair: amount, parts and, ours, the exact amount


def _quantities(count: int) -> list[Decimal]:
    draw = random.Random(SEED)  # noqa: S311 -- the same numbers in every run
    return [Decimal(draw.randrange(30_000 * 1000)) / 1000 for _ in range(count)]


def _by_hand(pairs: Pairs) -> list[Any]:
    return [byhand.line(subject.rule, quantity) for subject, quantity in pairs]


def _by_hand_modified(pairs: Pairs) -> list[Any]:
    rules = {
        name: byhand.modified(rule, PERCENT, CAP, MINIMUM)
        for name, rule in {subject.name: subject.rule for subject, _ in pairs}.items()
    }
    return [byhand.line(rules[subject.name], quantity) for subject, quantity in pairs]


def _by_engine(pairs: Pairs) -> list[Any]:
    prices = _pricers(pairs)
    return [prices[subject.name](quantity) for subject, quantity in pairs]


def _by_engine_modified(pairs: Pairs) -> list[Any]:
    prices = _pricers(pairs)
    changes = (
        Change("discount", "Discount", percent_change(PERCENT)),
        Change("cap", "Cap", cap_change(CAP)),
        Change("minimum", "Minimum", minimum_change(MINIMUM)),
    )
    return [prices[subject.name](quantity, changes) for subject, quantity in pairs]


def _pricers(pairs: Pairs) -> dict[str, Pricer]:
    models = {subject.name: subject.model for subject, _ in pairs}
    return {name: pricer(model, "USD") for name, model in models.items()}


def _as_lines(pairs: Pairs) -> list[Any]:
    subjects_by_name = {subject.name: subject for subject, _ in pairs}
    terms = {name: _terms(subject) for name, subject in subjects_by_name.items()}
    lines = [price_charge_period(*terms[subject.name], quantity) for subject, quantity in pairs]
    return [(line.amount, line.components, line.exact) for line in lines]


def _terms(subject: Subject) -> tuple[OrderTerms, ChargePeriod]:
    item = ItemTerms(
        key="usage",
        product_code="usage",
        product_name="Usage",
        kind="usage",
        model=subject.model,
        frequency=Frequency.MONTHLY,
        timing="in_arrears",
        meter="usage",
        recognition="usage",
    )
    phase = PhaseTerms("p1", "Term", "standard", START, END, (item,))
    terms = OrderTerms("Bench", "USD", "UTC", START, END, 1, 30, (phase,))
    (period,) = charge_periods(terms, until=END)
    return terms, period


def _measured(name: str, pairs: Pairs, engine: Pricing, limit: Pricing, rounds: int) -> Figure:
    """Time both in turn, so that a slow second of the machine meets both; medians count.

    :raises RuntimeError: if the two disagree about a single cent of a line or a part of it.
    """
    for (amount, parts, _), (expected, by_hand) in zip(engine(pairs), limit(pairs), strict=True):
        cents = [part.amount for part in parts]
        if amount.amount != expected or cents != [part[3] for part in by_hand]:
            raise RuntimeError(f"{name}: the engine and the hand-written loop disagree")
    rates, limits = [], []
    for _ in range(rounds):
        limits.append(_rate_of(limit, pairs))
        rates.append(_rate_of(engine, pairs))
    ratios = [one / other for one, other in zip(rates, limits, strict=True)]
    return {
        "name": name,
        "value": round(median(rates)),
        "unit": "lines/s",
        "limit": round(median(limits)),
        "ratio": round(median(ratios), 3),
        "n": len(pairs),
        "min": round(min(rates)),
        "max": round(max(rates)),
    }


def _rate_of(price: Pricing, pairs: Pairs) -> float:
    gc.disable()
    try:
        began = time.process_time()  # of this process alone: what else runs here does not count
        price(pairs)
        took = time.process_time() - began
    finally:
        gc.enable()
    return len(pairs) / took if took else float("inf")
