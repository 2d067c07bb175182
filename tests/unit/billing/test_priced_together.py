"""A contract says in words why its lines stay on one invoice."""

from dataclasses import replace
from decimal import Decimal

from billing.domain.priced_together import why_together
from monetization.kernel.period import Frequency
from monetization.pricing.prices import PercentOf
from monetization.pricing.terms.model import CapTerms, MinimumTerms
from tests.factories_billing import CALLS, PLATFORM, deal


def test_lines_on_their_own_have_no_reason() -> None:
    assert why_together(deal(PLATFORM, CALLS)) == []


def test_every_reason_is_named_with_what_it_covers() -> None:
    minimum = MinimumTerms(amount=Decimal("900.00"), frequency=Frequency.MONTHLY)
    cap = CapTerms(amount=Decimal(5000), frequency=Frequency.MONTHLY, item_keys=("calls",))
    running = replace(CALLS, key="more", product_name="Storage", accumulation="over_contract_year")
    support = replace(
        PLATFORM, key="support", product_name="Support", model=PercentOf(Decimal(10), ("platform",))
    )
    terms = deal(PLATFORM, CALLS, running, support, minimum=minimum, caps=(cap,))
    assert why_together(terms) == [
        "a minimum of 900 USD covers its usage",
        "a cap of 5000 USD covers API calls",
        "the tiers of Storage run on over several invoices",
        "Support is a percentage of other lines",
    ]
