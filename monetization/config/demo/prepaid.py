"""Customers who pay ahead: AI credits that burn down, one pack nearly gone, one that expired."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.models import CreditPlan, Invoice
from billing.services.credits import clock, granting
from billing.services.credits.granting import CreditWords
from billing.services.credits.recurring import PlanRhythm, Selling, plan_credits, set_top_up
from billing.services.invoicing import issue_invoice, recalculate_invoices
from monetization.config.demo.contracts import Deal
from monetization.config.demo.history import noon
from monetization.customers.models import Customer
from monetization.kernel.money import Money
from monetization.kernel.period import add_months
from revrec.selectors import month_end

UNIT = "AI credits"
RATE = Decimal("0.0004")  # dollars a credit; a call is one
DISCOUNT = Decimal("0.8")
# index of the customer -> months ago it bought, months of usage it bought, days it lasts
PACKS = {15: (4, "9", 400), 23: (4, "4.2", 365), 31: (8, "9", 180), 39: (6, "14", 400)}
GIFTED, MONTHLY, LOW = 39, 55, 23
BUYERS = (*PACKS, MONTHLY)


def with_credits(index: int, deal: Deal) -> Deal:
    """Let the calls of some customers be priced in AI credits."""
    if index not in BUYERS:
        return deal
    for phase in deal.payload["phases"]:
        for line in phase["lines"]:
            if line["product"] == "api-calls":
                line["model"] = {"model": "per_unit", "unit_price": "1"}
                line["modifiers"] = {"pricing_unit": {"code": UNIT, "rate": f"{RATE:f}"}}
    return deal


class Prepaid:
    """Sells and grants month by month, beside the history."""

    def __init__(self, this_month: date, today: date) -> None:
        self._this_month, self._now = this_month, noon(today)
        self._customers: dict[int, tuple[Customer, Decimal]] = {}

    def know(self, index: int, customer: Customer, deal: Deal) -> None:
        if index in BUYERS:
            self._customers[index] = (customer, Decimal(deal.calls_per_day) * 30)

    def month(self, month: date) -> None:
        """Sell what is bought in a month, grant what is due, end what is over by its end."""
        for index, (customer, monthly) in self._customers.items():
            ago, months, days = PACKS.get(index, (0, "0", 0))
            if ago and month == add_months(self._this_month, -ago, anchor_day=1):
                units = (monthly * Decimal(months)).quantize(Decimal(1000))
                self._sell(customer, units, month, days)
        if month == add_months(self._this_month, -3, anchor_day=1):
            self._give(month)
        end = noon(month_end(month)) - timedelta(days=1)
        self._tick(end)
        self._compute([customer.id for customer, _ in self._customers.values()])

    def today(self, now: datetime) -> None:
        """Watch the pack that is nearly gone, and bring everything up to date."""
        if LOW in self._customers:
            customer, monthly = self._customers[LOW]
            set_top_up(
                words=CreditWords(
                    customer_id=customer.id,
                    name="Top-up of AI credits",
                    amount=(monthly * 2).quantize(Decimal(1000)),
                    kind="unit",
                    unit_code=UNIT,
                ),
                selling=Selling(
                    threshold=(monthly / 4).quantize(Decimal(1000)), unit_cost=RATE * DISCOUNT
                ),
                now=now,
            )
        self._tick(now)
        self._compute([customer.id for customer, _ in self._customers.values()])

    def _sell(self, customer: Customer, units: Decimal, month: date, days: int) -> None:
        at = noon(month)
        price = Money.rounded(units * RATE * DISCOUNT, customer.currency).amount
        words: dict[str, Any] = {"kind": "unit", "unit_code": UNIT}
        invoice = granting.sell_credits(
            words=CreditWords(
                customer_id=customer.id, name=f"{UNIT}, prepaid", amount=units, **words
            ),
            price=price,
            expires_after_days=days,
            now=at,
        )
        issue_invoice(invoice_id=invoice.id, issued_on=month, now=at)

    def _give(self, month: date) -> None:
        at = noon(month)
        if GIFTED in self._customers:
            customer, _ = self._customers[GIFTED]
            granting.grant_credits(
                words=CreditWords(
                    customer_id=customer.id,
                    name="Migration gift",
                    amount=Decimal(500),
                    taxed_at="grant",
                    priority=10,
                ),
                effective_at=at,
                expires_at=at + timedelta(days=365),
                now=at,
            )
        if MONTHLY in self._customers:
            customer, monthly = self._customers[MONTHLY]
            plan_credits(
                words=CreditWords(
                    customer_id=customer.id,
                    name="Included AI credits",
                    amount=(monthly / 2).quantize(Decimal(1000)),
                    kind="unit",
                    unit_code=UNIT,
                ),
                rhythm=PlanRhythm(
                    every="monthly", starts_on=month, roll_over_fraction=Decimal("0.25")
                ),
                now=at,
            )

    def _tick(self, now: datetime) -> None:
        for plan in CreditPlan.objects.filter(stopped_at=None):
            clock.grant_by_plan(plan_id=plan.id, now=now)
        for grant_id in clock.due_to_expire(now=now):
            clock.expire_grant(grant_id=grant_id, now=now)

    def _compute(self, customer_ids: list[UUID]) -> None:
        """Compute what is open as of today: usage of the months to come is known already."""
        waiting = Invoice.objects.filter(
            customer__in=customer_ids, status__in=["draft", "in_progress"]
        )
        recalculate_invoices(invoice_ids=list(waiting.values_list("id", flat=True)), now=self._now)
