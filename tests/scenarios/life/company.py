"""One company with its customers, its clock, and what its systems said was used."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.models import CreditPlan, CreditTopUp, Invoice
from billing.selectors.clock import schedules_to_advance
from billing.services.automatic import advance_automatically, due_automatically
from billing.services.credits.clock import due_to_expire, expire_grant, grant_by_plan, top_up
from billing.services.credits.covering import cover_overdrafts, overdrawn_customers
from billing.services.estimates import due_true_ups, true_up_estimates
from billing.services.invoicing import advance_schedule, recalculate_invoices
from billing.services.thresholds import bill_threshold, due_thresholds
from metering.services import create_meter, fold_usage
from monetization.catalog.services import create_product
from monetization.customers.models import Customer
from monetization.events.models import EventDelivery
from monetization.events.services import deliver
from monetization.kernel.errors import Refusal
from monetization.pricing.prices import PriceError
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.factories import make_tenant
from tests.factories_billing import make_customer

BEGINS = datetime(2026, 1, 5, 9, tzinfo=UTC)
METERS = {"calls": "sum", "storage": "sum", "peak": "max", "people": "count_unique"}
FIXED = {"platform": "", "support": "", "setup": "point_in_time"}
SEATS = ("crm", "analytics")
PACK = "pack"  # sells credits
CUSTOMERS = (
    ("acme", "USD", Decimal(0)),
    ("berta", "EUR", Decimal(20)),
    ("chika", "JPY", Decimal(10)),
    ("dana", "KWD", Decimal("7.5")),
)


@dataclass
class Said:
    """An event as the company's systems sent it, kept beside the product."""

    id: str
    meter: str
    alias: str
    at: datetime
    units: Decimal
    counts: bool = True


@dataclass
class Company:
    """A tenant and its clock. Every step is a transaction of its own."""

    tenant_id: UUID
    slug: str
    now: datetime = BEGINS
    said: list[Said] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)  # alias -> customer's name
    refused: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    number: int = 0

    @property
    def today(self) -> date:
        return self.now.date()

    def clock(self) -> datetime:
        return self.now

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def do(self, name: str, step: Callable[..., object], *arguments: Any) -> None:
        """Take a step as a request does: all of it or, refused in words, nothing of it."""
        before = (self.now, list(self.said), dict(self.aliases))
        try:
            with tenant_context(self.tenant_id, actor="test"):
                step(self, *arguments)
        except (Refusal, PriceError) as why:
            self.now, self.said, self.aliases = before
            self.refused[f"{name}: {type(why).__name__}"] += 1
        else:
            self.done[name] += 1
        self.deliver()

    def deliver(self) -> None:
        """Let handlers see what was said on the stream, until there is nothing more to see."""
        while True:
            with tenant_context(self.tenant_id):
                waiting = EventDelivery.objects.filter(delivered_at__isnull=True)
                ids = list(waiting.order_by("id").values_list("id", flat=True))
            if not ids:
                return
            for each in ids:
                with tenant_context(self.tenant_id):
                    deliver(delivery_id=each, now=self.now)

    def wait(self, days: int) -> None:
        """Let days pass; the clock is looked at every few of them."""
        end = self.now + timedelta(days=days)
        while self.now < end:
            self.now = min(end, self.now + timedelta(days=16))
            self.tick()

    def tick(self) -> None:
        """Do what the clock's tasks do, each piece in its transaction as there."""
        for find, act in self._due():
            with tenant_context(self.tenant_id):
                ids = find()
            for each in ids:
                try:
                    with tenant_context(self.tenant_id):
                        act(each)
                except Refusal as why:
                    self.refused[f"clock: {type(why).__name__}"] += 1
                self.deliver()
        with tenant_context(self.tenant_id):
            fold_usage()

    def _due(self) -> list[tuple[Callable[[], list[UUID]], Callable[[UUID], object]]]:
        now, today = self.now, self.today
        running: dict[str, Any] = {"stopped_at": None, "paused_at": None}
        return [
            (lambda: schedules_to_advance(now=now), self._advance),
            (
                lambda: list(CreditPlan.objects.filter(**running).values_list("id", flat=True)),
                lambda each: grant_by_plan(plan_id=each, now=now),
            ),
            (
                lambda: list(overdrawn_customers()),
                lambda each: cover_overdrafts(customer_id=each, now=now),
            ),
            (
                lambda: due_to_expire(now=now),
                lambda each: expire_grant(grant_id=each, now=now),
            ),
            (
                lambda: list(CreditTopUp.objects.filter(**running).values_list("id", flat=True)),
                lambda each: top_up(rule_id=each, now=now),
            ),
            (
                lambda: due_thresholds(now=now),
                lambda each: bill_threshold(schedule_id=each, now=now),
            ),
            (due_true_ups, lambda each: true_up_estimates(schedule_id=each, now=now)),
            (
                lambda: due_automatically(today=today),
                lambda each: advance_automatically(invoice_id=each, today=today, now=now),
            ),
        ]

    def _advance(self, schedule_id: UUID) -> None:
        touched = advance_schedule(schedule_id=schedule_id, now=self.now)
        recalculate_invoices(invoice_ids=touched, now=self.now)


def found() -> Company:
    """Found a company: its catalog, its meters, its customers and a second legal entity."""
    tenant = make_tenant("Life")
    company = Company(tenant.id, tenant.slug)
    with tenant_context(tenant.id, actor="test"):
        for key, aggregation in METERS.items():
            create_product(code=key, name=key.title(), kind="usage")
            create_meter(
                key=key,
                name=key.title(),
                event_type=key,
                aggregation=aggregation,
                value_property="who" if aggregation == "count_unique" else "n",
                now=BEGINS,
            )
        for code, recognition in FIXED.items():
            create_product(code=code, name=code.title(), kind="fixed", recognition=recognition)
        for code in SEATS:
            create_product(code=code, name=code.title(), kind="seat")
        create_product(code=PACK, name="Credit pack", kind="fixed")
        LegalEntity.objects.create(name="Life GmbH", code="LG", country="DE")
        for name, currency, percent in CUSTOMERS:
            customer = make_customer(
                name, currency, tax_name="VAT" if percent else "", tax_percent=percent
            )
            company.aliases[name] = customer.name
            customer.contacts.create(name="Ann", email=f"{name}@example.com", is_primary=True)
    return company


def customer_named(name: str) -> Customer:
    found: Customer = Customer.objects.get(name=name)
    return found


def chosen(rows: Any, number: int) -> Any:
    """Return one of some rows, in the order they came to be; none if there is none."""
    ids = list(rows.order_by("id").values_list("id", flat=True))
    return rows.get(id=ids[number % len(ids)]) if ids else None


def open_invoices() -> Any:
    return Invoice.objects.filter(status__in=["in_progress", "draft"])
