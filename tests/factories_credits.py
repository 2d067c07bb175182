"""Credits to give, use and count in tests."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from billing.models import (
    CreditGrant,
    Invoice,
)
from billing.selectors.credits import balances_of
from billing.services.credits import granting
from billing.services.credits.granting import CreditWords
from billing.services.invoicing import issue_invoice, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.kernel.period import Frequency
from monetization.ledger.selectors import trial_balance
from monetization.pricing.prices import Flat, PerUnit
from monetization.pricing.terms import ItemTerms, PricingUnit
from monetization.pricing.terms.model import CreditsSold
from revrec.selectors import tie_out
from tests.factories_billing import CALLS

MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_3 = date(2026, 3, 3)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
ZERO = Decimal(0)
PLAIN = replace(CALLS, model=PerUnit(Decimal("0.10")))
AI = replace(
    PLAIN, model=PerUnit(Decimal(3)), pricing_unit=PricingUnit("AI credits", Decimal("0.015"))
)
PACK = ItemTerms(
    key="pack",
    product_code="pack",
    product_name="AI credits",
    kind="fixed",
    model=Flat(Decimal(800)),
    frequency=Frequency.YEARLY,
    timing="in_advance",
    credits=CreditsSold(Decimal(100000), "AI credits", expires_after_months=12),
)


def books() -> dict[str, Decimal]:
    return {row.account.value: row.balance for row in trial_balance() if row.balance}


def use(calls: int, day: int = 10, month: int = 2) -> None:
    time = datetime(2026, month, day, 6, tzinfo=UTC)
    event = UsageEvent("t", f"e{month}-{day}", "api", "acme", time, {"n": Decimal(calls)})
    record_usage_events([event], now=MARCH)


def give(customer: Any, amount: str, **more: Any) -> CreditGrant:
    begins = more.pop("effective_at", JANUARY)
    ends = more.pop("expires_at", None)
    words = CreditWords(
        customer_id=customer.id, name=more.pop("name", "Gift"), amount=Decimal(amount), **more
    )
    return granting.grant_credits(words=words, now=JANUARY, effective_at=begins, expires_at=ends)


def on(schedule: Any, bill_on: date) -> Invoice:
    found: Invoice = schedule.invoices.get(bill_on=bill_on)
    return found


def fresh(invoice: Invoice) -> Invoice:
    recalculate_invoices(invoice_ids=[invoice.id], now=MARCH)
    return Invoice.objects.get(id=invoice.id)


def issue(invoice: Invoice) -> Invoice:
    return issue_invoice(invoice_id=invoice.id, issued_on=MARCH_3, now=MARCH, ignore_grace=True)


def held(grant: CreditGrant) -> Decimal:
    return balances_of([grant.id])[grant.id]


MONEY_CHECKS = ("I01", "I02", "I03", "I05.2", "I05.3", "I08", "I16")


def assert_sound(tenant: Any) -> None:
    for one in CHECKS.values():
        if one.id.startswith(MONEY_CHECKS):
            found = one.run(Books())
            assert not found.differing, (one.id, one.name, found.samples)
    assert all(tie.holds for tie in tie_out()), (
        "the revenue pages say that books and documents agree"
    )
