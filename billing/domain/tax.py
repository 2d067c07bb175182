"""Tax on lines and on categories, on top of prices or inside them. Pure."""

import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.decimals import PRECISION
from monetization.kernel.money import ZERO, Money, allocate, total

METHODS = ("per_line", "per_category")
_EXACT = decimal.Context(PRECISION, traps=[decimal.Inexact, decimal.InvalidOperation])
TREATMENTS = ("taxable", "reverse_charge", "exempt")


def line_tax(net: Money, percent: Decimal) -> Money:
    """Return the tax on a line, rounded half away from zero.

    Rounding per line and then adding up is what Xero computes; three lines at 15 % of
    25.06, 25.61 and 25.63 owe 11.44 as lines of 3.76, 3.84 and 3.84.

    >>> from decimal import Decimal
    >>> str(line_tax(Money(Decimal("25.06"), "NZD"), Decimal(15)))
    '3.76 NZD'
    """
    try:
        return Money.rounded(_EXACT.multiply(net.amount, percent).scaleb(-2), net.currency)
    except decimal.Inexact:  # more digits than decimals keep
        return Money.rounded(Fraction(net.amount) * Fraction(percent) / 100, net.currency)


def percent_for(treatment: str, percent: Decimal) -> Decimal:
    """Return the rate that applies: none where the customer is exempt or accounts for it."""
    return percent if treatment == "taxable" else Decimal(0)


def included_tax(gross: Money, percent: Decimal) -> Money:
    """Return the tax inside a price that includes it; the net is the rest.

    >>> str(included_tax(Money(Decimal("119.00"), "EUR"), Decimal(19)))
    '19.00 EUR'
    """
    factor = Fraction(percent) / (100 + Fraction(percent))
    return Money.rounded(Fraction(gross.amount) * factor, gross.currency)


@dataclass(frozen=True, slots=True)
class LineTax:
    """A line's net and its tax; together what the line costs."""

    net: Money
    tax: Money


def tax_lines(
    lines: Sequence[tuple[str, Money, Decimal]],
    *,
    currency: str,
    method: str = "per_line",
    inclusive: bool = False,
    settled: Sequence[tuple[Money, Decimal, Money]] = (),
) -> dict[str, LineTax]:
    """Tax an invoice's lines, each with its own rate.

    By category, the tax of a rate is rounded once on the sum of its lines; lines that are not to
    be touched keep theirs, and the others share the rest, so that all add up to it.

    :param lines: key, amount and percentage; the amount contains the tax where ``inclusive``.
    :param settled: net, percentage and tax of lines that keep what they have.
    """
    if inclusive:
        parts = {key: included_tax(amount, percent) for key, amount, percent in lines}
        return {key: LineTax(amount - parts[key], parts[key]) for key, amount, _ in lines}
    if method == "per_line":
        return {key: LineTax(net, line_tax(net, percent)) for key, net, percent in lines}
    found: dict[str, LineTax] = {}
    for percent in dict.fromkeys(percent for _, _, percent in lines):
        own = [(key, net) for key, net, rate in lines if rate == percent]
        kept = [(net, tax) for net, rate, tax in settled if rate == percent]
        base = total((net for net in (*(n for _, n in own), *(n for n, _ in kept))), currency)
        owed = line_tax(base, percent) - total((tax for _, tax in kept), currency)
        for (key, net), tax in zip(own, _shared([n for _, n in own], owed, percent), strict=True):
            found[key] = LineTax(net, tax)
    return found


def _shared(nets: Sequence[Money], owed: Money, percent: Decimal) -> list[Money]:
    """Split a category's tax over its lines: by largest remainder, the rest on the largest line."""
    exact = [Fraction(net.amount) * Fraction(percent) / 100 for net in nets]
    signs = {tax < 0 for tax in exact if tax}
    if len(signs) == 1 and (owed.amount < 0) in signs:
        return list(allocate(owed, [abs(tax) for tax in exact]))
    shares = [Money.rounded(tax, owed.currency) for tax in exact]
    largest = max(range(len(nets)), key=lambda place: abs(nets[place].amount))
    shares[largest] = shares[largest] + owed - total(shares, owed.currency)
    return shares


def tax_day(bill_on: date, service_end: date, point: str = "earlier") -> date:
    """Return the day whose rate a line has.

    :param service_end: exclusive.
    :param point: ``earlier`` of the billing date and the last day of service, which is when the
        tax on a continuous supply falls due; or ``service_end``, whatever was billed ahead.

    >>> from datetime import date
    >>> june = date(2026, 7, 1)  # of usage, billed when the month is over
    >>> str(tax_day(date(2026, 7, 1), june)), str(tax_day(date(2026, 1, 1), june))
    ('2026-06-30', '2026-01-01')
    >>> str(tax_day(date(2026, 1, 1), june, "service_end"))
    '2026-06-30'

    Source: Council Directive 2006/112/EC, articles 63 to 66 and 95.
    """
    last = service_end - timedelta(days=1)
    return last if point == "service_end" else min(bill_on, last)


TAX_INCLUDED = "tax_included"  # in a line's explanation: the percentage its price contains


def without_tax(explanation: Mapping[str, Any], priced: Money) -> Money:
    """Return the net of what a line's explanation prices; some prices contain their tax."""
    percent = explanation.get(TAX_INCLUDED)
    return priced if percent is None else priced - included_tax(priced, Decimal(str(percent)))


@dataclass(frozen=True, slots=True)
class TaxRate:
    """One tax on a base: a name, a percentage, why it may be none."""

    code: str
    percent: Decimal
    treatment: str = "taxable"

    @property
    def effective(self) -> Decimal:
        return percent_for(self.treatment, self.percent)


@dataclass(frozen=True, slots=True)
class TaxedBase:
    """A line's amount after discounts, exact or rounded, and every tax on it.

    The amount excludes tax, or includes it where the document's prices do. Several rates each
    apply to the same base.
    """

    key: str
    amount: Fraction
    rates: tuple[TaxRate, ...]


@dataclass(frozen=True, slots=True)
class CategoryTax:
    """One row of a document's tax summary."""

    rate: TaxRate
    base: Money
    tax: Money


@dataclass(frozen=True, slots=True)
class DocumentTax:
    """Taxes of a document: per line, per category, and in all."""

    by_line: dict[str, Money]
    by_category: tuple[CategoryTax, ...]
    total: Money


def tax_document(
    bases: Sequence[TaxedBase], currency: str, *, method: str = "per_line", inclusive: bool = False
) -> DocumentTax:
    """Compute the taxes of a document.

    :param method: ``per_line`` rounds every line's tax and adds up (Xero); ``per_category``
        rounds once per rate on the sum of its bases (EN 16931, BR-CO-17) and shows the
        lines' shares by largest remainder, so that they add up to it.
    :param inclusive: amounts contain the tax; it is taken out, not added.
    :raises ValueError: for another method.
    """
    if method not in METHODS:
        raise ValueError(f"method: must be one of {', '.join(METHODS)}")
    by_line = {base.key: Money.zero(currency) for base in bases}
    categories = []
    for rate in dict.fromkeys(rate for base in bases for rate in base.rates):
        members = [base for base in bases if rate in base.rates]
        exact = [_exact_tax(base, rate, inclusive=inclusive) for base in members]
        whole = sum((base.amount for base in members), start=Fraction(0))
        if method == "per_line":
            shares = [Money.rounded(tax, currency) for tax in exact]
        else:
            owed = Money.rounded(sum(exact, start=Fraction(0)), currency)
            weights = [abs(tax) for tax in exact]
            shares = [Money.zero(currency)] * len(members)
            if any(weights) and len({tax < 0 for tax in exact if tax}) == 1:
                shares = list(allocate(owed, weights))
            elif members:
                shares = [Money.rounded(tax, currency) for tax in exact[:-1]]
                shares.append(owed - total(shares, currency))
        for base, share in zip(members, shares, strict=True):
            by_line[base.key] = by_line[base.key] + share
        categories.append(
            CategoryTax(rate, Money.rounded(whole, currency), total(shares, currency))
        )
    return DocumentTax(by_line, tuple(categories), total(by_line.values(), currency))


def _exact_tax(base: TaxedBase, rate: TaxRate, *, inclusive: bool) -> Fraction:
    percent = Fraction(rate.effective)
    if not inclusive:
        return base.amount * percent / 100
    # Taxes inside one price share it: each has its part of the sum of all rates.
    together = sum((Fraction(other.effective) for other in base.rates), start=Fraction(ZERO))
    return base.amount * percent / (100 + together)
