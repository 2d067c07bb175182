"""Who sells, and how the customer is taxed, as a contract says it; and as JSON-safe data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from monetization.kernel.decimals import plain
from monetization.pricing.prices import PriceError
from monetization.pricing.reader import Reader

TREATMENTS = ("taxable", "reverse_charge", "exempt")


@dataclass(frozen=True, slots=True)
class SellerTerms:
    """The legal entity that sells and invoices."""

    code: str
    name: str
    country: str = ""  # ISO 3166-1
    tax_id: str = ""


@dataclass(frozen=True, slots=True)
class TaxShare:
    """One tax on the first invoice: on which products, on how much, and what it comes to."""

    name: str
    percent: Decimal
    treatment: str
    base: Decimal  # net
    tax: Decimal
    products: tuple[str, ...] = ()  # their names


@dataclass(frozen=True, slots=True)
class TaxTerms:
    """How the customer is taxed, with what that comes to on the first invoice.

    An estimate: the rates are those known when the terms were written; an invoice has those of
    its own day.
    """

    treatment: str  # of the customer
    shares: tuple[TaxShare, ...]  # the highest first
    is_included: bool = False  # prices contain it
    customer_tax_id: str = ""
    bill_on: date | None = None  # of the first invoice that costs something; None: usage alone

    @property
    def net(self) -> Decimal:
        return sum((share.base for share in self.shares), start=Decimal(0))

    @property
    def tax(self) -> Decimal:
        return sum((share.tax for share in self.shares), start=Decimal(0))

    @property
    def total(self) -> Decimal:
        return self.net + self.tax

    @property
    def charged(self) -> tuple[TaxShare, ...]:
        """Return the taxes that are charged at all."""
        return tuple(share for share in self.shares if share.percent)


def seller_to_data(seller: SellerTerms) -> dict[str, Any]:
    """Write a seller as JSON-safe data."""
    return {
        "code": seller.code,
        "name": seller.name,
        "country": seller.country,
        "tax_id": seller.tax_id,
    }


def seller_from_data(reader: Reader) -> SellerTerms:
    """Read a seller.

    :raises PriceError: naming the field.
    """
    seller = SellerTerms(
        reader.text("code"),
        reader.text("name"),
        reader.text("country", ""),
        reader.text("tax_id", ""),
    )
    reader.done()
    return seller


def tax_to_data(tax: TaxTerms) -> dict[str, Any]:
    """Write how a customer is taxed as JSON-safe data: numbers as plain strings."""
    return {
        "treatment": tax.treatment,
        "is_included": tax.is_included,
        "customer_tax_id": tax.customer_tax_id,
        "bill_on": tax.bill_on.isoformat() if tax.bill_on else None,
        "shares": [
            {
                "name": share.name,
                "percent": plain(share.percent),
                "treatment": share.treatment,
                "base": plain(share.base),
                "tax": plain(share.tax),
                "products": list(share.products),
            }
            for share in tax.shares
        ],
    }


def tax_from_data(reader: Reader) -> TaxTerms:
    """Read how a customer is taxed.

    :raises PriceError: naming the field.
    """
    tax = TaxTerms(
        treatment=_treatment(reader),
        shares=tuple(_share(row) for row in reader.rows("shares")),
        is_included=reader.flag("is_included", default=False),
        customer_tax_id=reader.text("customer_tax_id", ""),
        bill_on=_day(reader),
    )
    reader.done()
    return tax


def _share(row: Reader) -> TaxShare:
    share = TaxShare(
        row.text("name"),
        row.number("percent"),
        _treatment(row),
        row.number("base"),
        row.number("tax"),
        _names(row),
    )
    row.done()
    return share


def _treatment(reader: Reader) -> str:
    found = reader.text("treatment")
    if found not in TREATMENTS:
        raise PriceError(f"{reader.at('treatment')}: must be one of {', '.join(TREATMENTS)}")
    return found


def _names(reader: Reader) -> tuple[str, ...]:
    value: Any = reader.raw("products", ())
    if not isinstance(value, Sequence) or not all(isinstance(name, str) for name in value):
        raise PriceError(f"{reader.at('products')}: must be a list of names")
    return tuple(value)


def _day(reader: Reader) -> date | None:
    if reader.raw("bill_on", None) is None:
        return None
    try:
        return date.fromisoformat(reader.text("bill_on"))
    except ValueError:
        raise PriceError(f"{reader.at('bill_on')}: must be a date like 2026-01-31") from None
