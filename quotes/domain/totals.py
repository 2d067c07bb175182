"""What a quote is worth, and how far below the list it is. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.money import Money, total
from monetization.kernel.period import add_months
from monetization.pricing.estimate import Estimate, estimate
from monetization.pricing.prices import ChargeModel
from monetization.pricing.terms import OrderTerms, PhaseTerms


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

    @property
    def is_above_list(self) -> bool:
        return self.below_list is not None and self.below_list < 0

    @property
    def from_list(self) -> Decimal | None:
        """Return how far the agreed prices are from the list, either way, in percent."""
        return None if self.below_list is None else abs(self.below_list)


def quote_totals(terms: OrderTerms, list_prices: Mapping[str, ChargeModel]) -> QuoteTotals:
    """Price a quote with its assumed usage and compare its lines with the list.

    The discount is over the whole term: free months, agreed prices, line and phase discounts
    all count. Minimums are left out on both sides, because a top-up is not a price.

    :param list_prices: by price version id. A line without one counts as agreed at list.
    """
    priced = estimate(terms)
    agreed = _lines_total(priced)
    listed = _lines_total(estimate(at_list_prices(terms, list_prices)))
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
    )


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
