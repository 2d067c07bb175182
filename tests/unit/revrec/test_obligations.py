"""What a contract earns is what its fixed lines bill, with the rules over several lines."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from monetization.kernel.period import Frequency
from monetization.pricing.prices import Flat, PercentOf, PerUnit, Seat
from monetization.pricing.terms import ItemTerms, OrderTerms, PhaseTerms
from monetization.pricing.terms.model import CapTerms
from revrec.domain.obligations import plan_obligations

START, END = date(2026, 1, 1), date(2026, 4, 1)
FEE = ItemTerms("fee", "fee", "Fee", "fixed", Flat(Decimal(100)), Frequency.MONTHLY, "in_advance")
SUPPORT = replace(FEE, key="support", product_code="support", model=PercentOf(Decimal(10)))
PHASE = PhaseTerms("p1", "Term", "standard", START, END, (FEE, SUPPORT))


def prices(phase: PhaseTerms) -> dict[str, Decimal]:
    terms = OrderTerms("Deal", "USD", "UTC", START, END, 1, 30, (phase,))
    planned = plan_obligations(terms, until=END)
    return {obligation.item_key: obligation.price.amount for obligation in planned}


def test_a_percentage_of_other_lines_is_earned_like_them() -> None:
    assert prices(PHASE) == {"fee": Decimal(300), "support": Decimal(30)}


def test_a_cap_over_fixed_lines_lowers_what_is_earned() -> None:
    """Three months of 100 under a cap of 80 a month, and a tenth of each."""
    cap = CapTerms(Decimal(80), Frequency.MONTHLY, ("fee",), includes_fixed=True)

    assert prices(replace(PHASE, caps=(cap,))) == {"fee": Decimal(240), "support": Decimal(24)}


def test_seats_beyond_the_minimum_are_earned_under_the_key_that_bills_them() -> None:
    """Five of eight seats at 300 a quarter; the other three at 100 a month, three times."""
    seats = replace(
        FEE,
        key="seats",
        kind="seat",
        model=Seat(PerUnit(Decimal(300)), "prorate_increments", Decimal(5)),
        quantity=Decimal(8),
        frequency=Frequency.QUARTERLY,
        overage_frequency=Frequency.MONTHLY,
    )

    found = prices(replace(PHASE, items=(seats,)))

    assert found == {"seats": Decimal(1500), "seats+overage": Decimal(900)}
