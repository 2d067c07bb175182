"""What remains of a quote after the cost to deliver it. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from monetization.pricing.estimate import Estimate, estimate
from monetization.pricing.prices import ChargeModel
from monetization.pricing.terms import OrderTerms
from quotes.domain.totals import at_list_prices, two_places


def margin_percent(
    terms: OrderTerms,
    list_prices: Mapping[str, ChargeModel],
    cost_percents: Mapping[str, Decimal],
) -> Decimal | None:
    """Return the margin over the whole term, in percent of the agreed price, two places.

    A product costs its percentage of the list price, however it is sold.

    :param cost_percents: by product code.
    :returns: None if nothing is charged, or a product that costs something is not known.
    """
    agreed = sum(_by_product(terms, estimate(terms)).values(), Fraction(0))
    if agreed <= 0:
        return None
    at_list = at_list_prices(terms, list_prices)
    cost = Fraction(0)
    for code, amount in _by_product(at_list, estimate(at_list)).items():
        if not amount:
            continue
        if code not in cost_percents:
            return None
        cost += amount * Fraction(cost_percents[code]) / 100
    return two_places((agreed - cost) / agreed * 100)


def _by_product(terms: OrderTerms, priced: Estimate) -> dict[str, Fraction]:
    sums: dict[str, Fraction] = {}
    for line in priced.lines:
        if line.kind == "item":
            code = terms.phase(line.phase_key).item(line.item_key).product_code
            sums[code] = sums.get(code, Fraction(0)) + Fraction(line.amount.amount)
    return sums
