"""Lines written by hand: priced once, refused with the field named."""

from decimal import Decimal

import pytest

from billing.domain.manual_lines import EntryInvalid, ManualEntry, price_entry
from monetization.kernel.money import Money


def test_a_quantity_at_a_price_is_rounded_once_half_away_from_zero() -> None:
    entry = ManualEntry("Hours", quantity=Decimal("2.5"), unit_price=Decimal("33.33"))
    priced = price_entry(entry, "USD")
    assert (priced.exact, priced.amount) == (Decimal("83.325"), Money(Decimal("83.33"), "USD"))


def test_an_amount_may_take_something_off() -> None:
    assert price_entry(ManualEntry("Goodwill", amount=Decimal(-20)), "USD").amount.amount == -20


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (ManualEntry(" ", amount=Decimal(1)), "description"),
        (ManualEntry("x"), "amount"),
        (ManualEntry("x", amount=Decimal(1), quantity=Decimal(1)), "amount"),
        (ManualEntry("x", quantity=Decimal(1)), "unit_price"),
        (ManualEntry("x", unit_price=Decimal(1)), "quantity"),
        (ManualEntry("x", amount=Decimal("0.001")), "amount"),
        (ManualEntry("x", amount=Decimal(10) ** 14), "amount"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(entry: ManualEntry, field: str) -> None:
    with pytest.raises(EntryInvalid, match=f"^{field}: "):
        price_entry(entry, "USD")
