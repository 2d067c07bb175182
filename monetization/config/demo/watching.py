"""Limits that are watched, and usage that waits for somebody."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from alerts.services.rules import RuleTerms, create_rule
from billing.models import BillingSchedule, Invoice, InvoiceLine
from billing.services.accrued import accrued_of_schedules
from billing.services.invoicing import issue_invoice
from billing.services.thresholds import bill_threshold, set_threshold
from metering.domain.events import UsageEvent
from metering.models import Meter
from metering.services import record_usage_events
from monetization.customers.models import CustomerAlias

HELD, CONFLICTING, LATE = 12, 3, 4


def create_rules(now: datetime) -> None:
    """Watch a commitment, a spend and a meter; what has crossed is told of by the worker."""
    asked = now - timedelta(days=20)
    meter = Meter.objects.order_by("created_at", "key")[0]
    for terms in (
        RuleTerms(
            name="80 % of the commitment reached",
            metric="spend",
            basis="percent",
            threshold=Decimal(80),
        ),
        RuleTerms(
            name="Spend above 4,000 dollars",
            metric="spend",
            threshold=Decimal(4000),
            currency="USD",
            emails=["revops@tidewater.example"],
        ),
        RuleTerms(
            name=f"{meter.name} above 20,000",
            metric="usage",
            meter_id=meter.id,
            threshold=Decimal(20_000),
        ),
        RuleTerms(
            name="10 % of the AI credits left",
            metric="credits",
            basis="percent",
            threshold=Decimal(10),
            credit_unit="AI credits",
            direction="down",
            emails=["revops@tidewater.example"],
        ),
    ):
        create_rule(terms, now=asked)


def bill_ahead(now: datetime) -> None:
    """Bill the usage of the contract with most of it ahead of the month's end, at a threshold."""
    running = BillingSchedule.objects.filter(
        status=BillingSchedule.Status.ACTIVE,
        currency="USD",
        invoices__lines__reading__isnull=False,
    ).distinct()
    used: dict[UUID, Decimal] = defaultdict(Decimal)
    for bill in accrued_of_schedules(schedule_ids=[row.id for row in running], now=now):
        if bill.status == Invoice.Status.IN_PROGRESS:
            for row in bill.lines:
                used[bill.schedule.id] += row.amount.amount if row.line.reading else 0
    if not used:
        return
    most = max(used, key=lambda id: used[id])
    amount = used[most].quantize(Decimal(1), ROUND_DOWN) // 100 * 100
    if amount <= 0:
        return
    set_threshold(schedule_id=most, amount=amount, now=now)
    made = bill_threshold(schedule_id=most, now=now)
    if made is not None:
        issue_invoice(invoice_id=made.id, issued_on=made.bill_on, now=now)


def hold_usage(now: datetime) -> None:
    """Send usage with a wrong clock, the same id twice with two values, and usage too late."""
    meter = Meter.objects.order_by("created_at", "key")[0]
    aliases = list(CustomerAlias.objects.order_by("id").values_list("alias", flat=True)[:HELD])
    days = [now + timedelta(days=30 + number) for number in range(len(aliases))]
    early = [
        _event(meter, "gateway", f"clock-{alias}", alias, day, 40)
        for alias, day in zip(aliases, days, strict=True)
    ]
    twice = [
        _event(meter, "gateway", f"retry-{alias}", alias, now - timedelta(hours=3), count)
        for alias in aliases[:CONFLICTING]
        for count in (18, 21)
    ]
    record_usage_events([*early, *twice, *_late(now)], now=now)


def _late(now: datetime) -> Iterator[UsageEvent]:
    lines = (
        InvoiceLine.objects.filter(invoice__status=Invoice.Status.ISSUED, reading__isnull=False)
        .select_related("invoice", "reading", "reading__meter")
        .order_by("-invoice__bill_on", "invoice__number", "position")[:LATE]
    )
    for line in lines:
        alias = CustomerAlias.objects.filter(customer=line.invoice.customer_id).first()
        reading = line.reading
        if alias is not None and reading is not None:
            moment = reading.window_start + timedelta(days=3)
            id = f"late-{line.invoice.number}-{line.item_key}"
            yield _event(reading.meter, "late-feed", id, alias.alias, moment, 640)


def _event(
    meter: Meter, source: str, id: str, alias: str, moment: datetime, count: int
) -> UsageEvent:
    data = {meter.value_property: Decimal(count)} if meter.value_property else {}
    return UsageEvent(source, id, meter.event_type, alias, moment, data)
