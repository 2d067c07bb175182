"""What was overdrawn is covered by the grants that come next; amounts worked by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.models import CreditGrant, CreditTransaction
from billing.selectors.credits import standings
from billing.services.corrections import void_invoice
from billing.services.credits import clock, granting
from billing.services.credits.covering import cover_overdrafts, overdrawn_customers
from billing.services.credits.granting import CreditWords
from billing.services.credits.recurring import PlanRhythm, plan_credits
from billing.tasks import advance_credits
from monetization.catalog.services import create_product
from tests.factories_credits import (
    MARCH,
    ZERO,
    assert_sound,
    books,
    fresh,
    give,
    held,
    issue,
    on,
)


@pytest.fixture
def overdrawn(tenant: Any, march: Any, acme: Any) -> CreditGrant:
    """An invoice of 110.00 paid by a gift of 20.00 that may go below zero: it stands at -90."""
    grant = give(acme, "20", name="deep", allows_overdraft=True)
    issue(fresh(on(march, date(2026, 3, 1))))
    assert held(grant) == Decimal(-90)
    return grant


def sold(acme: Any, amount: str, price: str) -> CreditGrant:
    words = CreditWords(customer_id=acme.id, name="Pack", amount=Decimal(amount))
    draft = granting.sell_credits(words=words, price=Decimal(price), now=MARCH)
    issue(draft)
    found: CreditGrant = CreditGrant.objects.get(invoice=draft)
    return found


def test_a_gift_covers_what_was_overdrawn_before_it_is_used(
    tenant: Any, acme: Any, overdrawn: CreditGrant
) -> None:
    small = give(acme, "30", name="small")
    assert (held(overdrawn), held(small)) == (Decimal(-60), ZERO)
    large = give(acme, "100", name="large")

    assert (held(overdrawn), held(large)) == (ZERO, Decimal(40))
    used = {one.grant.name: one.burned for one in standings([overdrawn, small, large], now=MARCH)}
    assert used == {"deep": Decimal(20), "small": Decimal(30), "large": Decimal(60)}
    assert books()["promotional_credits"] == Decimal(110)  # all of it was given
    assert overdrawn_customers() == []
    assert_sound(tenant)


def test_credits_that_were_paid_for_release_what_the_overdraft_cost(
    tenant: Any, acme: Any, overdrawn: CreditGrant
) -> None:
    pack = sold(acme, "120", "60")
    assert held(overdrawn) == Decimal(-90), "what is sold covers at the next tick"
    assert overdrawn_customers() == [acme.id]

    assert cover_overdrafts(customer_id=acme.id, now=MARCH) == 1
    assert cover_overdrafts(customer_id=acme.id, now=MARCH) == 0

    assert (held(overdrawn), held(pack)) == (ZERO, Decimal(30))
    # 90 of 120 units at 60.00: 45.00 are no gift any more; 15.00 are still owed.
    assert books()["promotional_credits"] == Decimal(65)
    assert books()["customer_credits"] == Decimal(-15)
    assert_sound(tenant)


def test_the_clock_covers_with_a_grant_when_it_begins(
    tenant: Any, acme: Any, overdrawn: CreditGrant
) -> None:
    begins = datetime.now(UTC) - timedelta(days=1)
    later = CreditGrant.objects.get(id=give(acme, "100", effective_at=begins).id)
    assert held(overdrawn) == Decimal(-90), "it had not begun in January"

    advance_credits()

    assert (held(overdrawn), held(later)) == (ZERO, Decimal(10))
    assert_sound(tenant)


def test_a_month_of_a_plan_begins_with_what_the_last_one_was_overdrawn_by(
    tenant: Any, march: Any, acme: Any
) -> None:
    words = CreditWords(
        customer_id=acme.id, name="Monthly", amount=Decimal(100), allows_overdraft=True
    )
    plan = plan_credits(
        words=words, rhythm=PlanRhythm(every="monthly", starts_on=date(2026, 2, 1)), now=MARCH
    )
    clock.grant_by_plan(plan_id=plan.id, now=datetime(2026, 2, 1, 12, tzinfo=UTC))
    issue(fresh(on(march, date(2026, 3, 1))))

    (march_grant,) = clock.grant_by_plan(plan_id=plan.id, now=MARCH)

    assert held(CreditGrant.objects.get(plan_on="2026-02-01")) == ZERO  # 100 - 110 + 10
    assert held(march_grant) == Decimal(90)
    assert_sound(tenant)


@pytest.mark.parametrize(
    "other",
    [
        {"taxed_at": "grant"},
        {"products": ("other",)},
        {"kind": "unit", "unit_code": "AI credits"},
        {"currency": "EUR"},
        {"effective_at": datetime(2026, 5, 1, tzinfo=UTC)},
    ],
)
def test_credits_that_could_not_have_paid_for_it_do_not_cover(
    tenant: Any, acme: Any, overdrawn: CreditGrant, other: dict[str, Any]
) -> None:
    create_product(code="other", name="Other", kind="usage", recognition="usage")
    grant = give(acme, "100", **other)

    assert cover_overdrafts(customer_id=acme.id, now=MARCH) == 0

    assert (held(overdrawn), held(grant)) == (Decimal(-90), Decimal(100))


def test_an_invoice_voided_after_its_overdraft_was_covered_gives_the_units_back(
    tenant: Any, acme: Any, march: Any, overdrawn: CreditGrant
) -> None:
    give(acme, "100", name="large")
    invoice = march.invoices.get(bill_on="2026-03-01")

    void_invoice(invoice_id=invoice.id, reason="wrong", now=MARCH)

    # 20 of its own and the 90 the other one lent: nothing is lost to the customer.
    assert held(overdrawn) == Decimal(110)
    assert sum(CreditTransaction.objects.values_list("units", flat=True)) == Decimal(120)
    assert_sound(tenant)
