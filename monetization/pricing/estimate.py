"""The function that prices: quotes, previews, schedules and invoices all call it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.decimals import PRECISION, plain
from monetization.kernel.money import ZERO, Money, total
from monetization.kernel.period import Period, add_months
from monetization.pricing.codec import price_from_data, price_to_data
from monetization.pricing.prices import Flat, PerUnit
from monetization.pricing.rating import rate
from monetization.pricing.terms import DiscountTerms, ItemTerms, OrderTerms, PhaseTerms
from monetization.pricing.timeline import ChargePeriod, charge_periods


@dataclass(frozen=True, slots=True)
class Component:
    """A visible part of a line: a tier, a discount. Components add up to the line."""

    key: str
    label: str
    quantity: Decimal | None
    unit_price: Decimal | None
    exact: Decimal
    amount: Money


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One line of a document: exact inside, rounded once."""

    key: str  # stable: item:service_start, or minimum:service_start
    item_key: str
    phase_key: str
    kind: str  # item, minimum
    label: str
    service: Period
    full: Period
    bill_on: date
    quantity: Decimal | None
    unit_price: Decimal | None  # where one price applies to every unit
    exact: Decimal  # before rounding, at 60 digits
    amount: Money
    components: tuple[Component, ...]
    explanation: dict[str, Any] = field(compare=False)
    is_flagged: bool = False  # the measured quantity was negative and was clamped to zero


def line_key(period: ChargePeriod) -> str:
    """Return the key of the line a charge period becomes, the same at every recalculation."""
    return f"{period.item_key}:{period.phase_key}:{period.service.start.isoformat()}"


def price_charge_period(
    terms: OrderTerms, period: ChargePeriod, quantity: Decimal | None = None
) -> PricedLine:
    """Price one contract line over one stretch of service.

    Order: charge model, proration, percentage discounts on the running total. Rounded once.

    :param quantity: measured units for usage; fixed and seat lines take theirs from the terms.
        Negative measurements (corrections) are clamped to zero and the line is flagged.
    """
    phase = terms.phase(period.phase_key)
    item = phase.item(period.item_key)
    if item.kind == "usage":
        measured = quantity if quantity is not None else ZERO
    else:
        measured = item.quantity
    explanation = {
        "kind": "item",
        "currency": terms.currency,
        "model": price_to_data(item.model),
        "quantity": plain(max(measured, ZERO)),
        "measured": plain(measured),
        "is_usage": item.kind == "usage",
        "factor": [period.factor.numerator, period.factor.denominator],
        "service": [period.service.start.isoformat(), period.service.end.isoformat()],
        "full": [period.full.start.isoformat(), period.full.end.isoformat()],
        "discounts": [
            {"percent": plain(discount.percent), "label": discount.label}
            for discount in _discounts_of(phase, item.key)
        ],
    }
    exact, parts = _compute(explanation)
    amount = Money.rounded(exact, terms.currency)
    components = _components(parts, amount)
    explanation["steps"] = [_step(component) for component in components]
    explanation["exact"] = _decimal_text(exact)
    explanation["amount"] = str(amount.amount)
    return PricedLine(
        key=line_key(period),
        item_key=item.key,
        phase_key=phase.key,
        kind="item",
        label=item.description or item.product_name,
        service=period.service,
        full=period.full,
        bill_on=period.bill_on,
        quantity=max(measured, ZERO) if not isinstance(item.model, Flat) else Decimal(1),
        unit_price=item.model.unit_price if isinstance(item.model, PerUnit) else None,
        exact=_as_decimal(exact),
        amount=amount,
        components=components,
        explanation=explanation,
        is_flagged=measured < 0,
    )


def rerate(explanation: Mapping[str, Any]) -> Money:
    """Compute a line again from its stored inputs alone; it must give the stored amount."""
    exact, _ = _compute(explanation)
    return Money.rounded(exact, explanation["currency"])


_Part = tuple[str, str, Decimal | None, Decimal | None, Fraction]


def _compute(explanation: Mapping[str, Any]) -> tuple[Fraction, list[_Part]]:
    """Return the exact amount and its parts from the inputs of a line."""
    if explanation["kind"] == "minimum":
        committed = Fraction(Decimal(explanation["committed"])) * _factor(explanation)
        charged = Fraction(Decimal(explanation["charged"]))
        due = max(Fraction(0), committed - charged)
        return due, [("minimum", "Top-up to the minimum", None, None, due)]
    model = price_from_data(explanation["model"])
    factor = _factor(explanation)
    if explanation["is_usage"]:
        factor = Fraction(1)  # what was used is used, however short the period
    quantity = Decimal(explanation["quantity"])
    parts: list[_Part] = [
        (c.key, c.label, c.quantity, c.unit_price, Fraction(c.amount) * factor)
        for c in rate(model, quantity)
    ]
    running = sum((part[4] for part in parts), start=Fraction(0))
    for number, discount in enumerate(explanation["discounts"], start=1):
        percent = Decimal(discount["percent"])
        off = -running * Fraction(percent) / 100
        if off:
            label = f"{discount['label']} {plain(percent)}%"
            parts.append((f"discount-{number}", label, None, None, off))
            running += off
    return running, parts


def _factor(explanation: Mapping[str, Any]) -> Fraction:
    numerator, denominator = explanation["factor"]
    return Fraction(numerator, denominator)


def _discounts_of(phase: PhaseTerms, item_key: str) -> Iterable[DiscountTerms]:
    return (
        discount
        for discount in phase.discounts
        if discount.item_keys is None or item_key in discount.item_keys
    )


def _components(parts: Sequence[_Part], amount: Money) -> tuple[Component, ...]:
    """Round every part and put the residue on the last, so that parts add up to the line."""
    rounded = [Money.rounded(part[4], amount.currency) for part in parts]
    if rounded:
        rounded[-1] = rounded[-1] + (amount - total(rounded, amount.currency))
    return tuple(
        Component(key, label, quantity, unit_price, _as_decimal(exact), money)
        for (key, label, quantity, unit_price, exact), money in zip(parts, rounded, strict=True)
    )


def _step(component: Component) -> dict[str, Any]:
    return {
        "key": component.key,
        "label": component.label,
        "quantity": None if component.quantity is None else plain(component.quantity),
        "unit_price": None if component.unit_price is None else plain(component.unit_price),
        "exact": plain(component.exact),
        "amount": str(component.amount.amount),
    }


def _as_decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _decimal_text(value: Fraction) -> str:
    return f"{plain(_as_decimal(value))[:PRECISION]}"


def price_minimum(
    terms: OrderTerms, period: ChargePeriod, lines: Sequence[PricedLine]
) -> PricedLine:
    """Top a phase's charges up to its minimum for one period.

    :param lines: priced lines of the contract; those of the phase and the minimum's scope
        whose service ends within the period count, as rounded on the document.
    """
    phase = terms.phase(period.phase_key)
    minimum = phase.minimum
    if minimum is None:
        raise ValueError(f"phase {phase.key} has no minimum")
    counted = [line for line in lines if _counts(line, phase, period)]
    charged = total((line.amount for line in counted), terms.currency)
    explanation: dict[str, Any] = {
        "kind": "minimum",
        "currency": terms.currency,
        "committed": plain(minimum.amount),
        "charged": plain(charged.amount),
        "counted": [line.key for line in counted],
        "factor": [period.factor.numerator, period.factor.denominator],
        "service": [period.service.start.isoformat(), period.service.end.isoformat()],
        "full": [period.full.start.isoformat(), period.full.end.isoformat()],
    }
    exact, parts = _compute(explanation)
    amount = Money.rounded(exact, terms.currency)
    components = _components(parts, amount)
    explanation["steps"] = [_step(component) for component in components]
    explanation["exact"] = _decimal_text(exact)
    explanation["amount"] = str(amount.amount)
    return PricedLine(
        key=line_key(period),
        item_key=period.item_key,
        phase_key=phase.key,
        kind="minimum",
        label="Top-up to the minimum",
        service=period.service,
        full=period.full,
        bill_on=period.bill_on,
        quantity=None,
        unit_price=None,
        exact=_as_decimal(exact),
        amount=amount,
        components=components,
        explanation=explanation,
    )


def _counts(line: PricedLine, phase: PhaseTerms, period: ChargePeriod) -> bool:
    minimum = phase.minimum
    if minimum is None or line.kind != "item" or line.phase_key != phase.key:
        return False
    if not (period.service.start < line.service.end <= period.service.end):
        return False
    if minimum.item_keys is not None:
        return line.item_key in minimum.item_keys
    return phase.item(line.item_key).kind == "usage" or minimum.includes_fixed


def price_periods(
    terms: OrderTerms,
    periods: Sequence[ChargePeriod],
    quantities: Mapping[tuple[str, date], Decimal],
) -> tuple[PricedLine, ...]:
    """Price charge periods together: items first, then the minimums over them.

    :param quantities: measured usage by (item key, service start); absent means none.
    """
    items = [
        price_charge_period(terms, period, quantities.get((period.item_key, period.service.start)))
        for period in periods
        if period.kind == "item"
    ]
    minimums = [
        price_minimum(terms, period, items) for period in periods if period.kind == "minimum"
    ]
    return tuple(items + minimums)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A whole order form priced for assumed usage."""

    currency: str
    lines: tuple[PricedLine, ...]
    by_phase: dict[str, Money]
    by_year: tuple[Money, ...]  # contract years, by start of service
    by_bill_date: dict[date, Money]
    total: Money
    total_contract_value: Money  # what is committed: without assumed usage
    annual_contract_value: Money


def estimate(terms: OrderTerms, usage: Mapping[str, Decimal] | None = None) -> Estimate:
    """Price an order form over its term; open-ended terms over their first twelve months.

    :param usage: assumed units per full billing period by item key; the terms' own
        ``expected_quantity`` where not given.

    The total contract value counts fixed and seat lines, one-time fees and minimums in full,
    as billed with no usage at all. The annual contract value is that divided by the years of
    the term: months / 12 for whole months, else days / 365.
    """
    until = terms.end_on or add_months(terms.start_on, 12, anchor_day=terms.start_on.day)
    periods = charge_periods(terms, until=until)
    lines = price_periods(terms, periods, _assumed(terms, periods, usage))
    committed = total((line.amount for line in price_periods(terms, periods, {})), terms.currency)
    years = _years(terms.start_on, until)
    by_year = [
        Money.zero(terms.currency) for _ in range(max(1, -(-years.numerator // years.denominator)))
    ]
    by_phase = {phase.key: Money.zero(terms.currency) for phase in terms.phases}
    by_bill_date: dict[date, Money] = {}
    for line in lines:
        by_phase[line.phase_key] = by_phase[line.phase_key] + line.amount
        year = _year_of(terms.start_on, line.service.start, len(by_year))
        by_year[year] = by_year[year] + line.amount
        before = by_bill_date.get(line.bill_on, Money.zero(terms.currency))
        by_bill_date[line.bill_on] = before + line.amount
    return Estimate(
        currency=terms.currency,
        lines=lines,
        by_phase=by_phase,
        by_year=tuple(by_year),
        by_bill_date=dict(sorted(by_bill_date.items())),
        total=total((line.amount for line in lines), terms.currency),
        total_contract_value=committed,
        annual_contract_value=Money.rounded(Fraction(committed.amount) / years, terms.currency),
    )


def _assumed(
    terms: OrderTerms, periods: Sequence[ChargePeriod], usage: Mapping[str, Decimal] | None
) -> dict[tuple[str, date], Decimal]:
    assumed: dict[tuple[str, date], Decimal] = {}
    for period in periods:
        if period.kind != "item":
            continue
        item: ItemTerms = terms.phase(period.phase_key).item(period.item_key)
        if item.kind != "usage":
            continue
        per_period = (usage or {}).get(item.key, item.expected_quantity)
        if per_period is not None:
            share = Fraction(period.service.days, period.full.days)
            assumed[period.item_key, period.service.start] = _as_decimal(
                Fraction(per_period) * share
            ).quantize(Decimal("1e-12"))
    return assumed


def _years(start: date, end: date) -> Fraction:
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and add_months(start, months, anchor_day=start.day) == end:
        return Fraction(months, 12)
    return Fraction((end - start).days, 365)


def _year_of(start: date, day: date, years: int) -> int:
    for year in range(years - 1, 0, -1):
        if day >= add_months(start, 12 * year, anchor_day=start.day):
            return year
    return 0
