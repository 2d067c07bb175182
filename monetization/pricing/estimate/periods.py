"""Charge periods priced together: lines that look at other lines, caps, minimums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.decimals import plain
from monetization.kernel.money import ZERO, Money, total
from monetization.kernel.period import Period
from monetization.pricing.arithmetic import as_decimal, exact_sum
from monetization.pricing.estimate.computing import compute, measured_total
from monetization.pricing.estimate.items import (
    Context,
    Measured,
    SeatBalances,
    price_charge_period,
    scope_of,
)
from monetization.pricing.estimate.lines import PricedLine, explain, line_key, span_data
from monetization.pricing.prices import PercentOf
from monetization.pricing.proration import prorate_factor
from monetization.pricing.terms import CapTerms, OrderTerms, PhaseTerms
from monetization.pricing.timeline import (
    ChargePeriod,
    contract_window,
    minimum_of,
    window_around,
)
from monetization.pricing.usage import Usage

Quantities = Mapping[tuple[str, date], Measured]


def price_periods(
    terms: OrderTerms,
    periods: Sequence[ChargePeriod],
    quantities: Quantities,
    earlier: Sequence[PricedLine] = (),
) -> tuple[PricedLine, ...]:
    """Price charge periods together: items first, then the minimums over them.

    :param quantities: measured usage by (item key, service start); absent means none. Where a
        price accumulates, also what was measured earlier in the window.
    :param earlier: lines billed before that share a window of a cap or minimum with these.
    """
    items: dict[int, PricedLine] = {}
    ordered = [place for place, period in enumerate(periods) if period.kind == "item"]
    for place in ordered:
        if not isinstance(_model(terms, periods[place]), PercentOf):
            items[place] = _price_item(terms, periods[place], quantities)
    _apply_caps(terms, periods, quantities, items, earlier)
    for place in ordered:
        if place not in items:
            base = _base(terms, periods[place], list(items.values()))
            items[place] = price_charge_period(terms, periods[place], None, Context(base=base))
    lines = [items[place] for place in ordered]
    known = [*earlier, *lines]
    minimums = [
        price_minimum(terms, period, known) for period in periods if period.kind == "minimum"
    ]
    return tuple(lines + minimums)


def _model(terms: OrderTerms, period: ChargePeriod) -> Any:
    return terms.phase(period.phase_key).item(period.item_key).model


def _price_item(
    terms: OrderTerms,
    period: ChargePeriod,
    quantities: Quantities,
    caps: tuple[tuple[str, Fraction], ...] = (),
) -> PricedLine:
    quantity = quantities.get((period.item_key, period.service.start))
    item = terms.phase(period.phase_key).item(period.item_key)
    before = None
    if item.accumulation != "per_period":
        before = _used_before(terms, period, quantities, item.accumulation)
    return price_charge_period(terms, period, quantity, Context(before=before, caps=caps))


def _used_before(
    terms: OrderTerms, period: ChargePeriod, quantities: Quantities, accumulation: str
) -> Decimal:
    """Sum what was measured earlier in the window a price accumulates over."""
    window = contract_window(terms, period.service.start, accumulation)
    return exact_sum(
        max(ZERO, _units(measured))
        for (key, start), measured in quantities.items()
        if key == period.item_key and window.start <= start < period.service.start
    )


def _units(measured: Measured) -> Decimal:
    if isinstance(measured, SeatBalances):
        return measured.opening
    return measured_total(measured) if isinstance(measured, Usage) else measured


def _base(terms: OrderTerms, period: ChargePeriod, lines: Sequence[PricedLine]) -> Decimal:
    """Sum the lines a percentage is taken of: those of the phase that are billed with it."""
    model = _model(terms, period)
    return exact_sum(
        line.amount.amount
        for line in lines
        if line.phase_key == period.phase_key
        and line.bill_on == period.bill_on
        and line.kind == "item"
        and not isinstance(terms.phase(line.phase_key).item(line.item_key).model, PercentOf)
        and (model.item_keys is None or line.item_key in model.item_keys)
    )


@dataclass(frozen=True, slots=True)
class _Cap:
    """A cap and the phase it belongs to; None for one over the whole contract."""

    terms: CapTerms
    phase: PhaseTerms | None


def _apply_caps(
    terms: OrderTerms,
    periods: Sequence[ChargePeriod],
    quantities: Quantities,
    items: dict[int, PricedLine],
    earlier: Sequence[PricedLine],
) -> None:
    """Price lines again with the room that caps leave them, in order of billing."""
    caps = [_Cap(cap, phase) for phase in terms.phases for cap in phase.caps]
    caps.extend(_Cap(cap, None) for cap in terms.caps)
    if not caps:
        return
    done = list(earlier)
    for place in sorted(items, key=lambda p: (periods[p].bill_on, periods[p].service.start, p)):
        line = items[place]
        rooms = []
        for cap in caps:
            if not _in_scope(terms, cap.terms, cap.phase, line):
                continue
            window = _window(terms, cap.terms, cap.phase, line.service)
            used = _charged(terms, cap.terms, cap.phase, window, done)
            limit = _limit(cap, window)
            rooms.append((cap.terms.label, max(Fraction(0), limit - Fraction(used.amount))))
        if rooms:
            items[place] = _price_item(terms, periods[place], quantities, tuple(rooms))
        done.append(items[place])


def _limit(cap: _Cap, window: tuple[Period, Period]) -> Fraction:
    amount = Fraction(cap.terms.amount)
    return amount * prorate_factor(*window) if cap.terms.is_prorated else amount


def _window(
    terms: OrderTerms, rule: CapTerms, phase: PhaseTerms | None, service: Period
) -> tuple[Period, Period]:
    """Return the part of the rule's window that counts, and the whole window, around a line."""
    if rule.window != "per_period":
        whole = contract_window(terms, service.start, rule.window)
        return whole, whole
    return window_around(terms, phase, rule.frequency, service.start)


def _in_scope(
    terms: OrderTerms, rule: CapTerms, phase: PhaseTerms | None, line: PricedLine
) -> bool:
    if line.kind != "item" or (phase is not None and line.phase_key != phase.key):
        return False
    fixed = rule.includes_fixed
    return scope_of(rule.item_keys, terms.phase(line.phase_key), line.item_key, fixed=fixed)


def _charged(
    terms: OrderTerms,
    rule: CapTerms,
    phase: PhaseTerms | None,
    window: tuple[Period, Period],
    lines: Sequence[PricedLine],
) -> Money:
    return total(
        (
            line.amount
            for line in lines
            if _in_scope(terms, rule, phase, line) and line.service.start in window[0]
        ),
        terms.currency,
    )


def price_minimum(
    terms: OrderTerms, period: ChargePeriod, lines: Sequence[PricedLine]
) -> PricedLine:
    """Top charges up to their minimum for one period, or surcharge what lies beyond it.

    :param lines: priced lines of the contract; those of the minimum's scope whose service
        ends within the period count, as rounded on the document.
    """
    minimum, phase = minimum_of(terms, period)
    counted = [
        line
        for line in lines
        if line.kind == "item"
        and (phase is None or line.phase_key == phase.key)
        and period.service.start < line.service.end <= period.service.end
        and scope_of(
            minimum.item_keys,
            terms.phase(line.phase_key),
            line.item_key,
            fixed=minimum.includes_fixed,
        )
    ]
    charged = total((line.amount for line in counted), terms.currency)
    explanation: dict[str, Any] = {
        "kind": "minimum",
        "currency": terms.currency,
        "committed": plain(minimum.amount),
        "charged": plain(charged.amount),
        "counted": [line.key for line in counted],
        **span_data(period if minimum.is_prorated else replace(period, factor=Fraction(1))),
    }
    if minimum.overage_factor is not None:
        explanation["overage_factor"] = plain(minimum.overage_factor)
    amount, components, exact = compute(explanation)
    explain(explanation, amount, components, exact)
    return PricedLine(
        key=line_key(period),
        item_key=period.item_key,
        phase_key=period.phase_key,
        kind="minimum",
        label=components[-1].label,
        service=period.service,
        full=period.full,
        bill_on=period.bill_on,
        quantity=None,
        unit_price=None,
        exact=as_decimal(exact),
        amount=amount,
        components=components,
        explanation=explanation,
    )
