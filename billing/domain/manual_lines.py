"""Lines people write by hand: an amount, or a quantity at a price. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money, MoneyError
from monetization.kernel.period import Period

LARGEST = Decimal(10) ** 14


class EntryInvalid(Refusal):
    """A manual line cannot be what was written; the message names the field."""


@dataclass(frozen=True, slots=True)
class ManualEntry:
    """A line as a person writes it. Either ``amount``, or ``quantity`` and ``unit_price``."""

    description: str
    amount: Decimal | None = None  # net; negative takes something off
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    product_code: str = ""
    service: Period | None = None  # None: the invoice's
    note: str = ""


@dataclass(frozen=True, slots=True)
class PricedEntry:
    """What a manual line comes to: exact inside, rounded once."""

    exact: Decimal
    amount: Money


def price_entry(entry: ManualEntry, currency: str) -> PricedEntry:
    """Price a manual line.

    :raises EntryInvalid: without a description, with neither or both of amount and price, or
        with an amount that the currency cannot express.

    >>> entry = ManualEntry("Training", quantity=Decimal("1.5"), unit_price=Decimal("333.33"))
    >>> str(price_entry(entry, "USD").amount)
    '500.00 USD'
    """
    if not entry.description.strip():
        raise EntryInvalid("description: say what it is for")
    by_price = entry.quantity is not None or entry.unit_price is not None
    if (entry.amount is not None) == by_price:
        raise EntryInvalid("amount: give either an amount, or a quantity and a unit price")
    if entry.amount is not None:
        try:
            priced = PricedEntry(entry.amount, Money(entry.amount, currency))
        except MoneyError:
            raise EntryInvalid(f"amount: has more decimals than {currency} has") from None
    else:
        if entry.quantity is None:
            raise EntryInvalid("quantity: a unit price needs a quantity")
        if entry.unit_price is None:
            raise EntryInvalid("unit_price: a quantity needs a unit price")
        exact = Fraction(entry.quantity) * Fraction(entry.unit_price)
        rounded = Money.rounded(exact, currency)
        priced = PricedEntry(entry.quantity * entry.unit_price, rounded)
    if abs(priced.amount.amount) >= LARGEST:
        raise EntryInvalid("amount: must have at most 14 digits before the point")
    return priced
