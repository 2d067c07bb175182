"""Payable amounts: whole minor units of one currency, and how they are split."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache

import moneyed

ZERO = Decimal(0)


class MoneyError(ValueError):
    """An amount that is not money, or amounts that cannot be combined."""


class AllocationError(ValueError):
    """Weights over which nothing can be split."""


@lru_cache(maxsize=512)
def minor_unit(currency: str) -> Decimal:
    """Return the smallest payable amount: 0.01 for USD, 1 for JPY, 0.001 for KWD.

    :raises MoneyError: if ISO 4217 does not know the currency.
    """
    try:
        sub_unit = moneyed.get_currency(currency).sub_unit
    except moneyed.CurrencyDoesNotExist:
        raise MoneyError(f"{currency!r} is not an ISO 4217 currency") from None
    return Decimal(1) / Decimal(sub_unit)


@lru_cache(maxsize=1)
def currencies_in_use() -> dict[str, str]:
    """Return the currencies somebody pays in today, by code, with their English names."""
    shared = ("XAF", "XCD", "XOF", "XPF")  # other codes with an X are metals and accounting units
    return {
        code: str(one.name)
        for code, one in sorted(moneyed.CURRENCIES.items())
        if one.countries and (code in shared or not code.startswith("X"))
    }


@dataclass(frozen=True, slots=True)
class Money:
    """A whole number of minor units of one currency, e.g. ``Money(Decimal("12.34"), "USD")``."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise MoneyError(f"money needs a Decimal, got {type(self.amount).__name__}")
        if not self.amount.is_finite():
            raise MoneyError(f"{self.amount} is not an amount")
        if self.amount % minor_unit(self.currency) != 0:
            raise MoneyError(f"{self.amount} {self.currency} is not a whole number of minor units")
        # One spelling per amount, so that equal money prints and hashes alike.
        object.__setattr__(self, "amount", self.amount.quantize(minor_unit(self.currency)) + ZERO)

    @classmethod
    def rounded(
        cls, amount: Decimal | Fraction, currency: str, *, rounding: str = ROUND_HALF_UP
    ) -> "Money":
        """Round an exact amount to the currency's minor unit. Halves go away from zero.

        A fraction is rounded exactly: it is never first cut to a decimal.
        """
        unit = minor_unit(currency)
        if isinstance(amount, Decimal):
            if not amount.is_finite():
                raise MoneyError(f"{amount} is not an amount")
            money: Money = _new(cls)
            _set_amount(money, amount.quantize(unit, rounding) + ZERO)
            _set_currency(money, currency)
            return money
        if rounding != ROUND_HALF_UP:
            raise MoneyError("fractions round half away from zero only")
        numerator, denominator = amount.numerator, amount.denominator
        doubled = 2 * abs(numerator) * int(1 / unit)
        whole = (doubled + denominator) // (2 * denominator)
        return whole_money((whole if numerator >= 0 else -whole) * unit + ZERO, currency)

    @classmethod
    def zero(cls, currency: str) -> "Money":
        return _zero(currency)

    def __add__(self, other: "Money") -> "Money":
        return whole_money(self.amount + self._same_currency(other).amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return whole_money(self.amount - self._same_currency(other).amount, self.currency)

    def __neg__(self) -> "Money":
        return whole_money(ZERO - self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same_currency(other).amount

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._same_currency(other).amount

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def _same_currency(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise MoneyError(f"cannot combine {self.currency} with {other.currency}")
        return other


_new = object.__new__
_set_amount = Money.__dict__["amount"].__set__  # the slots themselves: the class is frozen
_set_currency = Money.__dict__["currency"].__set__


def whole_money(amount: Decimal, currency: str) -> Money:
    """Make money of an amount known to be whole minor units in its one spelling; unchecked."""
    money: Money = _new(Money)
    _set_amount(money, amount)
    _set_currency(money, currency)
    return money


@lru_cache(maxsize=512)
def _zero(currency: str) -> Money:
    return Money(ZERO, currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Add up money of one currency; nothing adds up to zero."""
    result = Money.zero(currency)
    for amount in amounts:
        result = result + amount
    return result


def rounded_parts(parts: Sequence[Decimal | Fraction], whole: Money) -> list[Decimal]:
    """Round every part and put the residue on the last, so that the parts add up to the whole.

    :returns: amounts of the whole's currency.

    >>> thirds = [Decimal("1.006"), Decimal("1.006"), Decimal("1.006")]
    >>> [str(part) for part in rounded_parts(thirds, Money(Decimal("3.02"), "USD"))]
    ['1.01', '1.01', '1.00']
    """
    if not parts:
        return []
    unit = minor_unit(whole.currency)
    try:
        amounts = [part.quantize(unit, ROUND_HALF_UP) + ZERO for part in parts[:-1]]  # type: ignore[union-attr]
    except AttributeError:  # fractions are among them
        amounts = [Money.rounded(part, whole.currency).amount for part in parts[:-1]]
    amounts.append(whole.amount - sum(amounts, start=ZERO))
    return amounts


def allocate(amount: Money, weights: Sequence[Decimal | Fraction]) -> tuple[Money, ...]:
    """Split money in proportion to weights, losing and inventing nothing.

    Largest-remainder method: every share is first rounded towards zero, then the
    minor units left over go one each to the largest remainders; ties go to the
    earlier share. Used for discounts over lines, tax over lines and revenue over
    months, so all three reconcile to the document total by construction.

    :param amount: the money to split; may be negative (credit notes).
    :param weights: non-negative, not all zero; any unit (days, amounts, points).
    :raises AllocationError: if a weight is negative or they add up to zero.

    >>> [str(part.amount) for part in allocate(Money(Decimal("10.00"), "USD"), [Decimal(1)] * 3)]
    ['3.34', '3.33', '3.33']
    """
    if any(weight < 0 for weight in weights) or not any(weights):
        raise AllocationError(f"cannot allocate over weights {list(map(str, weights))}")

    # Fractions, because products of long Decimals are silently cut to the context's digits.
    unit = minor_unit(amount.currency)
    sign, units = (-1 if amount.amount < 0 else 1), int(abs(amount.amount) / unit)
    parts = [Fraction(weight) for weight in weights]
    whole = sum(parts, start=Fraction(0))
    shares = [divmod(units * part, whole) for part in parts]
    spare = units - sum(quotient for quotient, _ in shares)
    by_remainder = sorted(range(len(shares)), key=lambda i: (-shares[i][1], i))
    winners = frozenset(by_remainder[:spare])
    return tuple(
        Money(sign * (quotient + (i in winners)) * unit, amount.currency)
        for i, (quotient, _) in enumerate(shares)
    )
