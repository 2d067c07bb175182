"""Tax per line: the base is the rounded net, the tax is rounded once per line. Pure."""

from decimal import Decimal

from monetization.kernel.money import Money


def line_tax(net: Money, percent: Decimal) -> Money:
    """Return the tax on a line, rounded half away from zero.

    Rounding per line and then adding up is what Xero computes; three lines at 15 % of
    25.06, 25.61 and 25.63 owe 11.44 as lines of 3.76, 3.84 and 3.84.

    >>> from decimal import Decimal
    >>> str(line_tax(Money(Decimal("25.06"), "NZD"), Decimal(15)))
    '3.76 NZD'
    """
    return Money.rounded(net.amount * percent / 100, net.currency)


def percent_for(treatment: str, percent: Decimal) -> Decimal:
    """Return the rate that applies: none where the customer is exempt or accounts for it."""
    return percent if treatment == "taxable" else Decimal(0)
