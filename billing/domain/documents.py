"""From lines to what is due: discounts, credits before and after tax, settlement. Pure.

Order: document discounts, each on the running total; promotional credits that reduce the
taxable base; tax; prepaid credits, which settle and leave the base alone; credit notes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from billing.domain.tax import DocumentTax, TaxedBase, TaxRate, tax_document
from monetization.kernel.money import Money, allocate, total

SPLITS = ("minor_units", "exact")


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A line as it was rated, rounded once, before anything that concerns the document."""

    key: str
    amount: Money
    rates: tuple[TaxRate, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentDiscount:
    """A percentage or an amount off the whole document or some of its lines."""

    label: str
    percent: Decimal | None = None
    amount: Money | None = None
    line_keys: frozenset[str] | None = None  # None: every line
    before_tax: bool = True  # else it settles like a payment


@dataclass(frozen=True, slots=True)
class DocumentTotals:
    """Every step of a document, in order."""

    lines: Money
    line_discounts: Mapping[str, Fraction]  # of discounts before tax, exact where split so
    discounts: tuple[Money, ...]  # one per discount, in order
    promotional: Money
    subtotal: Money  # after discounts before tax; also the taxable base less promotional credit
    taxable: Money
    tax: DocumentTax
    total: Money  # subtotal and tax, less discounts after tax
    prepaid: Money
    credit_notes: Money
    due: Money


def spread(
    amounts: Mapping[str, Fraction], discount: Money, split: str = "minor_units"
) -> dict[str, Fraction]:
    """Spread a discount over positive amounts in proportion, at most all of them.

    :param split: ``minor_units`` by largest remainder, so that every line stays payable;
        ``exact`` keeps fractions of a minor unit on the lines and rounds only the totals.
    :raises ValueError: for another split.
    """
    if split not in SPLITS:
        raise ValueError(f"split: must be one of {', '.join(SPLITS)}")
    weights = {key: max(Fraction(0), amount) for key, amount in amounts.items()}
    whole = sum(weights.values(), start=Fraction(0))
    off = min(Fraction(discount.amount), whole)
    if off <= 0:
        return dict.fromkeys(amounts, Fraction(0))
    if split == "exact":
        return {key: off * weight / whole for key, weight in weights.items()}
    parts = allocate(Money.rounded(off, discount.currency), list(weights.values()))
    return {key: Fraction(part.amount) for key, part in zip(weights, parts, strict=True)}


def total_document(
    lines: Sequence[DocumentLine],
    currency: str,
    *,
    discounts: Sequence[DocumentDiscount] = (),
    promotional: Money | None = None,
    prepaid: Money | None = None,
    credit_notes: Money | None = None,
    tax_method: str = "per_line",
    inclusive: bool = False,
    split: str = "minor_units",
) -> DocumentTotals:
    """Compute a document's totals.

    Credits and credit notes settle at most what is left, so the amount due is never negative
    because of them.
    """
    zero = Money.zero(currency)
    running = {line.key: Fraction(line.amount.amount) for line in lines}
    taken: list[Money] = []
    line_discounts = dict.fromkeys(running, Fraction(0))
    for discount in discounts:
        off = _discount_on(running, discount, currency) if discount.before_tax else zero
        taken.append(off)
        # All of an amount: a base with parts of a minor unit is then taken whole, not rounded.
        whole = discount.amount if off.amount > 0 and discount.percent is None else None
        for key, part in spread(_scope(running, discount), whole or off, split).items():
            running[key] -= part
            line_discounts[key] += part
    subtotal = Money.rounded(sum(running.values(), start=Fraction(0)), currency)
    given = _at_most(promotional or zero, subtotal)
    for key, part in spread(running, given, split).items():
        running[key] -= part
    bases = [TaxedBase(line.key, running[line.key], line.rates) for line in lines]
    tax = tax_document(bases, currency, method=tax_method, inclusive=inclusive)
    payable = subtotal - given if inclusive else subtotal - given + tax.total
    for place, discount in enumerate(discounts):
        if not discount.before_tax:
            due = {"": Fraction(payable.amount)}
            taken[place] = _discount_on(due, discount, currency)
            payable = payable - taken[place]
    settled = _at_most(prepaid or zero, payable)
    noted = _at_most(credit_notes or zero, payable - settled)
    return DocumentTotals(
        lines=total((line.amount for line in lines), currency),
        line_discounts=line_discounts,
        discounts=tuple(taken),
        promotional=given,
        subtotal=subtotal,
        taxable=subtotal - given,
        tax=tax,
        total=payable,
        prepaid=settled,
        credit_notes=noted,
        due=payable - settled - noted,
    )


def _scope(running: Mapping[str, Fraction], discount: DocumentDiscount) -> dict[str, Fraction]:
    keys = discount.line_keys
    return {key: amount for key, amount in running.items() if keys is None or key in keys}


def _discount_on(
    running: Mapping[str, Fraction], discount: DocumentDiscount, currency: str
) -> Money:
    keys = discount.line_keys if discount.before_tax else None
    base = sum(
        (max(Fraction(0), amount) for key, amount in running.items() if not keys or key in keys),
        start=Fraction(0),
    )
    if discount.percent is not None:
        return Money.rounded(base * Fraction(discount.percent) / 100, currency)
    return _at_most(discount.amount or Money.zero(currency), Money.rounded(base, currency))


def _at_most(amount: Money, available: Money) -> Money:
    zero = Money.zero(available.currency)
    return max(zero, min(amount, available))
