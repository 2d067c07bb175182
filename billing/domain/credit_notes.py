"""Giving amounts of an issued line back, partly or wholly, to the last minor unit. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from billing.domain.tax import line_tax
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money, total


class MoreThanInvoiced(Refusal):
    """A line cannot give back more than is left of it."""


@dataclass(frozen=True, slots=True)
class LineCredit:
    """A line of a credit note."""

    net: Money
    tax: Money

    @property
    def gross(self) -> Money:
        return self.net + self.tax


def credit_line(
    net: Money, tax: Money, credited: Sequence[LineCredit], amount: Money
) -> LineCredit:
    """Credit part of an issued line: the base first, then its share of the issued tax.

    The credit that uses the line up takes the tax that is left, so all credits of a line add
    up to it whatever their sizes.

    :param credited: what earlier credit notes gave back of the same line.
    :raises MoreThanInvoiced: if less than ``amount`` is left.
    """
    left = net - total((credit.net for credit in credited), net.currency)
    tax_left = tax - total((credit.tax for credit in credited), net.currency)
    if abs(amount.amount) > abs(left.amount) or amount.amount * left.amount < 0:
        raise MoreThanInvoiced(f"{amount} is more than the {left} left of the line")
    if amount == left:
        return LineCredit(left, tax_left)
    if not net:
        return LineCredit(amount, Money.zero(net.currency))
    share = Fraction(tax.amount) * Fraction(amount.amount) / Fraction(net.amount)
    part = Money.rounded(share, net.currency)
    # Rounding up many small credits must not give back more tax than was charged.
    return LineCredit(amount, min(part, tax_left) if tax.amount >= 0 else max(part, tax_left))


def credit_unused(
    invoiced: Decimal, unused: Fraction, percent: Decimal, currency: str
) -> LineCredit:
    """Credit the unused part of what was invoiced ahead: round the base, then its tax.

    >>> from fractions import Fraction
    >>> credit = credit_unused(Decimal("50.00"), Fraction(20, 28), Decimal(20), "EUR")
    >>> str(credit.net), str(credit.tax), str(credit.gross)
    ('35.71 EUR', '7.14 EUR', '42.85 EUR')
    """
    net = Money.rounded(Fraction(invoiced) * unused, currency)
    return LineCredit(net, line_tax(net, percent))
