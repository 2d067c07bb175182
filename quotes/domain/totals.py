"""What a quote is worth, how far below the list it is, and what remains after its cost. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.money import Money, total
from monetization.kernel.period import Frequency, add_months
from monetization.pricing.estimate import Estimate, estimate, price_periods
from monetization.pricing.prices import ChargeModel
from monetization.pricing.terms import OrderTerms, PhaseTerms
from monetization.pricing.timeline import charge_periods, minimum_of


@dataclass(frozen=True, slots=True)
class YearTotal:
    """What one contract year brings, with the assumed usage."""

    label: str
    amount: Money


@dataclass(frozen=True, slots=True)
class QuoteTotals:
    """The numbers beside a quote. ``priced`` holds the lines they add up from."""

    priced: Estimate
    years: tuple[YearTotal, ...]
    at_list: Money  # the lines at list prices, without any discount
    below_list: Decimal | None  # percent, two places; negative above list; None without a list
    recurring: Money  # ARR: what a year like the last phase commits, without what is billed once
    margin: Decimal | None = None  # percent, two places; None where a cost is not known

    @property
    def is_above_list(self) -> bool:
        return self.below_list is not None and self.below_list < 0

    @property
    def from_list(self) -> Decimal | None:
        """Return how far the agreed prices are from the list, either way, in percent."""
        return None if self.below_list is None else abs(self.below_list)


def quote_totals(
    terms: OrderTerms,
    list_prices: Mapping[str, ChargeModel],
    cost_percents: Mapping[str, Decimal] | None = None,
) -> QuoteTotals:
    """Price a quote with its assumed usage and compare its lines with the list.

    The discount is over the whole term: free months, agreed prices, line and phase discounts
    all count. Minimums are left out on both sides, because a top-up is not a price.

    :param list_prices: by price version id. A line without one counts as agreed at list.
    :param cost_percents: what a product costs, in percent of its list price, by product code.
    """
    priced, priced_at_list = estimate(terms), estimate(at_list_prices(terms, list_prices))
    agreed, listed = _lines_total(priced), _lines_total(priced_at_list)
    below = None
    if listed:
        share = Fraction((listed - agreed).amount) / Fraction(listed.amount) * 100
        below = two_places(share)
    return QuoteTotals(
        priced=priced,
        years=tuple(
            YearTotal(_year_label(terms, number), amount)
            for number, amount in enumerate(priced.by_year)
        ),
        at_list=listed,
        below_list=below,
        recurring=annual_recurring(terms),
        margin=margin_percent(terms, priced, priced_at_list, cost_percents or {}),
    )


def annual_recurring(terms: OrderTerms) -> Money:
    """Return the committed recurring amount of twelve months like the last phase (ARR).

    Fees billed once and assumed usage are left out, committed minimums of a period or a year
    count. A ramp is worth what it ends at, a term under a year what it would be over a whole one.
    """
    if not terms.phases:
        return Money.zero(terms.currency)
    last = terms.phases[-1]
    start, end = last.start_on, add_months(last.start_on, 12, anchor_day=last.start_on.day)
    year = replace(last, end_on=end)
    keys = {item.key for item in last.items}
    # From its own day on, so that every billing period of the year is a whole one.
    alone = replace(
        terms,
        start_on=start,
        end_on=end,
        anchor_day=start.day,
        phases=(year,),
        minimums=tuple(one for one in terms.minimums if keys >= set(one.item_keys or ())),
        caps=tuple(one for one in terms.caps if keys >= set(one.item_keys or ())),
    )
    periods = charge_periods(alone)
    whole_term = {
        period.item_key
        for period in periods
        if period.kind == "minimum" and minimum_of(alone, period)[0].window == "over_contract"
    }
    once = {item.key for item in last.items if item.frequency is Frequency.ONE_TIME}
    committed = (
        line.amount
        for line in price_periods(alone, periods, {})
        if line.item_key not in (whole_term if line.kind == "minimum" else once)
    )
    return total(committed, terms.currency)


def margin_percent(
    terms: OrderTerms, agreed: Estimate, at_list: Estimate, cost_percents: Mapping[str, Decimal]
) -> Decimal | None:
    """Return the margin over the whole term, in percent of the agreed price, two places.

    A product costs its percentage of the list price, however it is sold.

    :param cost_percents: by product code.
    :returns: None if nothing is charged, or a product that costs something is not known.
    """
    earned = sum(_by_product(terms, agreed).values(), Fraction(0))
    if earned <= 0:
        return None
    cost = Fraction(0)
    for code, amount in _by_product(terms, at_list).items():
        if not amount:
            continue
        if code not in cost_percents:
            return None
        cost += amount * Fraction(cost_percents[code]) / 100
    return two_places((earned - cost) / earned * 100)


def _by_product(terms: OrderTerms, priced: Estimate) -> dict[str, Fraction]:
    sums: dict[str, Fraction] = {}
    for line in priced.lines:
        if line.kind == "item":
            code = terms.phase(line.phase_key).item(line.item_key).product_code
            sums[code] = sums.get(code, Fraction(0)) + Fraction(line.amount.amount)
    return sums


def at_list_prices(terms: OrderTerms, list_prices: Mapping[str, ChargeModel]) -> OrderTerms:
    """Return the terms as the list would have them: list prices, no discounts, caps or minimums."""

    def phase_at_list(phase: PhaseTerms) -> PhaseTerms:
        items = tuple(
            replace(item, model=list_prices.get(item.price_version_id or "", item.model))
            for item in phase.items
        )
        return replace(phase, items=items, discounts=(), minimum=None, further_minimums=(), caps=())

    phases = tuple(map(phase_at_list, terms.phases))
    return replace(terms, phases=phases, minimums=(), caps=())


def list_price_ids(terms: OrderTerms) -> set[str]:
    """Return the ids of the price versions the lines started from."""
    items = (item for phase in terms.phases for item in phase.items)
    return {item.price_version_id for item in items if item.price_version_id}


def _lines_total(priced: Estimate) -> Money:
    lines: Iterable[Money] = (line.amount for line in priced.lines if line.kind == "item")
    return total(lines, priced.currency)


def two_places(percent: Fraction) -> Decimal:
    """Round half away from zero.

    >>> two_places(Fraction(1, 3)), two_places(Fraction(-1, 8))
    (Decimal('0.33'), Decimal('-0.13'))
    """
    hundredths = int(abs(percent) * 100 + Fraction(1, 2))
    return Decimal(hundredths if percent >= 0 else -hundredths).scaleb(-2)


def _year_label(terms: OrderTerms, number: int) -> str:
    start = add_months(terms.start_on, 12 * number, anchor_day=terms.start_on.day)
    return f"Year {number + 1}, from {start:%b} {start.year}"
