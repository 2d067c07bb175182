"""Every kind of amendment: what it credits, charges and earns, said before and done after signing.

Every amount is worked by hand in the comment above it.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from billing.services.invoicing import issue_invoice
from quotes import selectors, services
from quotes.models import QuoteVersion
from quotes.services.following import draft_amendment
from revrec.models import RevenueSlice
from revrec.selectors import effect_of
from revrec.services import plan_revenue, recognize_month, replan_ended
from tests.scenarios.deals import Deal, line, make_products, phase, sell
from tests.scenarios.test_amendments import applied

D = Decimal
NOW = datetime(2027, 4, 16, 9, tzinfo=UTC)
APRIL_16, MAY_1 = date(2027, 4, 16), date(2027, 5, 1)


@pytest.fixture
def deal(tenant: Any) -> Deal:
    """Platform 3,000 and support 400 a month in advance for 2027; January to April are issued."""
    make_products()
    found = sell(phase(line("platform", "3000"), line("support", "400")), start=date(2027, 1, 1))
    found.invoices(date(2027, 4, 2))
    for invoice in found.schedule.invoices.filter(status="draft"):
        issue_invoice(invoice_id=invoice.id, issued_on=invoice.bill_on, now=NOW, ignore_grace=True)
    return found


def amendment(deal: Deal, on: date, *phases: dict[str, Any]) -> QuoteVersion:
    quote = draft_amendment(order_form_id=deal.form.id, effective_on=on, now=NOW)
    payload = {"expires_on": "2027-12-31", "phases": list(phases)}
    return services.save_draft(version_id=quote.versions.get().id, payload=payload)


BASE = line("platform", "3000"), line("support", "400")


@pytest.mark.parametrize(
    ("on", "phases", "credit", "first", "after", "earned"),
    [
        # Swap at a boundary: nothing to credit; 20 seats at 200 instead of platform: 8 x 4,400.
        # Earned: 4 x 3,400 before it and 35,200 after.
        (
            MAY_1,
            [phase(line("crm", "200", quantity="20"), line("support", "400"))],
            D(0),
            D(4400),
            D(35200),
            D(48800),
        ),
        # Co-termed add-on: 15 of 30 days of 3,400 back, the same days with analytics at 600 a
        # month: 1,700 + 300; eight months at 4,000. Earned: 3.5 x 3,400 + 2,000 + 32,000.
        (
            APRIL_16,
            [phase(*BASE, line("analytics", "60", quantity="10"))],
            D(-1700),
            D(2000),
            D(2000 + 32000 - 1700),
            D(45900),
        ),
        # Another price: 1,700 back, (3,600 + 400) / 2 charged, eight months at 4,000.
        (
            APRIL_16,
            [phase(line("platform", "3600"), line("support", "400"))],
            D(-1700),
            D(2000),
            D(2000 + 32000 - 1700),
            D(45900),
        ),
        # Support is removed: 1,700 back, 1,500 charged: less than nothing. Eight times 3,000.
        (
            APRIL_16,
            [phase(line("platform", "3000"))],
            D(-1700),
            D(1500),
            D(1500 + 24000 - 1700),
            D(11900 + 1500 + 24000),
        ),
        # A year longer at 3,500: 8 x 3,400 and 12 x 3,500. Months count from January.
        (
            MAY_1,
            [phase(*BASE), phase(line("platform", "3100"), line("support", "400"))],
            D(0),
            D(3400),
            D(27200 + 42000),
            D(13600 + 27200 + 42000),
        ),
    ],
    ids=["swap", "co-termed add-on", "price", "removal", "extension"],
)
def test_the_preview_says_what_is_credited_charged_and_earned(
    deal: Deal,
    on: date,
    phases: list[dict[str, Any]],
    credit: Decimal,
    first: Decimal,
    after: Decimal,
    earned: Decimal,
) -> None:
    version = amendment(deal, on, *phases)

    seen = effect_of(deal.schedule, selectors.terms_of(version))

    said = seen.billing
    assert (said.credit.amount, said.first_bill.amount) == (credit, first)
    assert said.remaining_before.amount == D(8 * 3400)
    assert said.remaining_after.amount == after
    # 12 x 3,400 = 40,800 without it.
    assert (seen.before.amount, seen.after.amount) == (D(40800), earned)


def test_months_earn_after_signing_what_the_preview_said(deal: Deal) -> None:
    recognize_month(month=date(2027, 2, 1), now=datetime(2027, 3, 2, tzinfo=UTC))
    terms = [phase(line("platform", "3600"), line("support", "400"))]
    version = amendment(deal, APRIL_16, *terms)
    seen = effect_of(deal.schedule, selectors.terms_of(version))

    new = applied(version)
    replan_ended(schedule_id=deal.schedule.id)
    plan_revenue(schedule_id=new.schedule.id)

    rows = RevenueSlice.objects.values_list("month").annotate(total=Sum("amount"))
    planned = dict(rows)
    said = {one.month: one.after.amount for one in seen.months}
    january, february = date(2027, 1, 1), date(2027, 2, 1)
    # February is recognized and open: what January should have earned is caught up there.
    assert said[january] + said[february] == planned[january] + planned[february]
    assert {m: a for m, a in said.items() if m > february} == {
        m: a for m, a in planned.items() if m > february
    }
    # 40,800 / 365 x 31 = 3,465.21 in January, with the cents that are left over.
    assert abs(said[january] - D("3465.21")) <= D("0.02")
