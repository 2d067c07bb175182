"""What turns out otherwise than it was signed, and further modifiers, are no difference."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from billing.services.seats import record_seats
from monetization.config.verify import verify_tenant
from monetization.kernel.period import Frequency
from monetization.pricing.prices import PercentOf, PerUnit, Seat
from monetization.pricing.terms import DiscountTerms, ItemTerms, MinimumTerms
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_calls_meter

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SEATS = ItemTerms(
    key="seats",
    product_code="seats",
    product_name="Seats",
    kind="seat",
    model=Seat(PerUnit(Decimal(30))),
    frequency=Frequency.MONTHLY,
    timing="in_arrears",
    quantity=Decimal(12),
)
SUPPORT = replace(PLATFORM, key="support", product_code="support", model=PercentOf(Decimal(10)))
FREE = DiscountTerms(free_units=Decimal(50), item_keys=("calls",))
LESS = DiscountTerms(amount=Decimal(20), item_keys=("platform",))


def test_lines_are_priced_as_signed_whatever_was_sold(tenant: Any) -> None:
    make_calls_meter(NOW)
    terms = deal(
        SEATS,
        SUPPORT,
        PLATFORM,
        CALLS,
        discounts=(FREE, LESS),
        minimum=MinimumTerms(Decimal(100), Frequency.MONTHLY),
        further_minimums=(MinimumTerms(Decimal(70), Frequency.MONTHLY, is_prorated=False),),
    )
    schedule = billed(terms, now=NOW)
    record_seats(
        schedule_id=schedule.id,
        item_key="seats",
        effective_on=date(2026, 3, 4),
        balance=Decimal(15),
        now=NOW,
    )

    (outcome,) = verify_tenant(tenant.id, tenant.slug, only=["I16.2"]).outcomes

    assert outcome.found.samples == ()
    assert outcome.found.compared
