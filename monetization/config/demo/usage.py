"""Thirteen months of usage: weekdays busier than weekends, slow growth, a few odd days."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random

from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from monetization.config.demo.contracts import Deal
from monetization.config.demo.customers import Company

BATCH = 10_000


def events_of(company: Company, deal: Deal, until: date, random: Random) -> Iterator[UsageEvent]:
    """Yield a customer's events from the contract's start up to a day."""
    start = date.fromisoformat(deal.payload["start_on"])
    growth = random.uniform(0.0, 0.06)
    for type, name, base in (
        ("invoice.processed", "count", deal.invoices_per_day),
        ("api.called", "calls", deal.calls_per_day),
    ):
        if not base:
            continue
        for offset in range((until - start).days):
            day = start + timedelta(days=offset)
            factor = (0.35 if day.weekday() > 4 else 1.15) * (1 + growth * offset / 30)
            if random.random() < 0.004:
                factor *= 3
            quantity = int(base * factor * random.uniform(0.8, 1.2))
            yield UsageEvent(
                source="billing-core" if name == "count" else "gateway",
                id=f"{company.slug}-{name}-{day:%Y%m%d}",
                type=type,
                subject=company.slug,
                time=datetime.combine(day, time(15, random.randint(0, 59)), tzinfo=UTC),
                data={name: Decimal(quantity), "region": random.choice(("eu-1", "us-1", "ap-1"))},
            )


def unmatched_events(until: date) -> Iterator[UsageEvent]:
    """Yield events of two accounts nobody has mapped to a customer yet."""
    for alias, base in (("acct_9f31c0", 210), ("sandbox-eu-7", 35)):
        for back in range(1, 13):
            day = until - timedelta(days=back)
            yield UsageEvent(
                source="billing-core",
                id=f"{alias}-{day:%Y%m%d}",
                type="invoice.processed",
                subject=alias,
                time=datetime.combine(day, time(11, 30), tzinfo=UTC),
                data={"count": Decimal(base + back), "region": "eu-1"},
            )


def record(events: Iterator[UsageEvent], now: datetime) -> int:
    """Take events in, in batches; return how many."""
    batch: list[UsageEvent] = []
    count = 0
    for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            record_usage_events(batch, now=now)
            count += len(batch)
            batch = []
    if batch:
        record_usage_events(batch, now=now)
    return count + len(batch)
