"""The figures rules look at, taken from what has accrued: one computation with the invoice."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from alerts.domain.crossing import Condition, Figure, has_crossed, limit_of, percent_of
from alerts.models import AlertRule
from billing.models import BillingSchedule, InvoiceLine
from billing.selectors.credits import Standing
from billing.services.accrued import AccruedBill, accrued_of_customers
from billing.services.credits.live import live_standings
from metering.models import Meter
from metering.selectors import ReadingRequest, read_usage
from monetization.customers.models import Customer
from monetization.kernel.period import add_months, local_day, start_instant
from monetization.pricing.terms.codec import conversion_from_data

_LEVELS = (
    Meter.Aggregation.LATEST,
    Meter.Aggregation.MIN,
    Meter.Aggregation.AVERAGE,
)


@dataclass(frozen=True, slots=True)
class Watched:
    """A rule's figure of a customer in a period, and where it stands."""

    rule: AlertRule
    customer: Customer
    schedule: BillingSchedule | None
    period_key: str
    start: date
    end: date  # exclusive
    figure: Figure
    unit: str  # a meter's, or a currency

    @property
    def condition(self) -> Condition:
        return Condition(self.rule.threshold, self.rule.basis, self.rule.direction)

    @property
    def limit(self) -> Decimal | None:
        return limit_of(self.condition, self.figure.base)

    @property
    def has_crossed(self) -> bool:
        return has_crossed(self.condition, self.figure)

    @property
    def is_money(self) -> bool:
        return bool(self.rule.metric == AlertRule.Metric.SPEND)

    @property
    def percent(self) -> Decimal | None:
        """How much of the limit is reached."""
        return percent_of(self.figure.value, self.limit)


def watch(
    rules: Sequence[AlertRule], customer_ids: Sequence[UUID], *, now: datetime
) -> list[Watched]:
    """Measure what rules look at, for some customers. Nothing is stored.

    The coming invoices are computed once, whatever the number of rules.
    """
    if not rules or not customer_ids:
        return []
    customers = {row.id: row for row in Customer.objects.filter(id__in=list(customer_ids))}
    bills = accrued_of_customers(customer_ids=list(customers), now=now)
    found = [one for rule in rules for bill in bills for one in _of_bill(rule, bill, now)]
    metered = {(one.rule.id, one.customer.id) for one in found}
    found += _balances(rules, customers, now)
    found += _outside_contracts(rules, customers, metered, now)
    return _once(found)


def _once(found: Sequence[Watched]) -> list[Watched]:
    """Two lines of one meter over one period are one figure."""
    kept = {(one.rule.id, one.customer.id, one.period_key): one for one in found}
    return list(kept.values())


def _of_bill(rule: AlertRule, bill: AccruedBill, now: datetime) -> Iterator[Watched]:
    if rule.customer_id not in (None, bill.schedule.customer_id):
        return
    lines = [row.line for row in bill.lines if row.has_begun]
    if rule.metric == AlertRule.Metric.CREDITS:
        return
    if rule.metric == AlertRule.Metric.USAGE:
        for line in lines:
            if (
                line.reading is not None
                and line.reading.meter_id == rule.meter_id
                and line.reading.window_end > rule.asked_at
            ):
                yield _usage(rule, bill, line, now)
    elif rule.basis == AlertRule.Basis.PERCENT:
        for line in lines:
            if line.kind == "minimum" and line.service_end > _asked_on(rule, bill):
                yield _commitment(rule, bill, line, now)
    elif rule.currency == bill.schedule.currency and bill.bill_on > _asked_on(rule, bill):
        yield _spend(rule, bill, lines, now)


def _asked_on(rule: AlertRule, bill: AccruedBill) -> date:
    return local_day(rule.asked_at, bill.schedule.time_zone)


def _usage(rule: AlertRule, bill: AccruedBill, line: InvoiceLine, now: datetime) -> Watched:
    explanation, reading = line.explanation, line.reading
    value, base, key = reading.quantity, None, f"{line.service_start}/{line.service_end}"
    if rule.basis == AlertRule.Basis.PERCENT:
        included = explanation.get("included")
        base = None if included is None else Decimal(included)
        value = _converted(explanation, value)
        key = f"{bill.schedule.id}:{line.key}"
    figure = Figure(
        value, base, reading.window_end > now, _is_level(rule) and reading.event_count > 0
    )
    return _watched(rule, bill, line, figure, key, rule.meter.unit)


def _is_level(rule: AlertRule) -> bool:
    return rule.meter.aggregation in _LEVELS


def _converted(explanation: dict[str, Any], quantity: Decimal) -> Decimal:
    held = explanation.get("conversion")
    return conversion_from_data(held).convert(quantity) if held else quantity


def _commitment(rule: AlertRule, bill: AccruedBill, line: InvoiceLine, now: datetime) -> Watched:
    explanation = line.explanation
    factor = Fraction(*explanation.get("factor", (1, 1)))
    committed = Fraction(Decimal(explanation["committed"])) * factor
    base = (Decimal(committed.numerator) / committed.denominator).quantize(Decimal("1e-12"))
    figure = Figure(Decimal(explanation["charged"]), base, _is_running(line, bill, now))
    key = f"{bill.schedule.id}:{line.key}"
    return _watched(rule, bill, line, figure, key, bill.schedule.currency)


def _is_running(line: InvoiceLine, bill: AccruedBill, now: datetime) -> bool:
    return bool(local_day(now, bill.schedule.time_zone) < line.service_end)


def _spend(
    rule: AlertRule, bill: AccruedBill, lines: Sequence[InvoiceLine], now: datetime
) -> Watched:
    """Add up what was used and served before the billing date.

    A top-up to a minimum is no spending, and fees of the next period are not spent yet.
    """
    counted = [
        line
        for line in lines
        if line.is_manual or (line.kind == "item" and line.service_start < bill.bill_on)
    ]
    value = sum((line.amount for line in counted), Decimal(0))
    start = min((line.service_start for line in counted), default=bill.period_start)
    return Watched(
        rule=rule,
        customer=bill.schedule.customer,
        schedule=bill.schedule,
        period_key=f"{bill.schedule.id}:{bill.bill_on}",
        start=start,
        end=max((line.service_end for line in counted), default=bill.bill_on),
        figure=Figure(value, is_running=local_day(now, bill.schedule.time_zone) < bill.bill_on),
        unit=bill.schedule.currency,
    )


def _watched(
    rule: AlertRule, bill: AccruedBill, line: InvoiceLine, figure: Figure, key: str, unit: str
) -> Watched:
    return Watched(
        rule=rule,
        customer=bill.schedule.customer,
        schedule=bill.schedule,
        period_key=key[:200],
        start=line.service_start,
        end=line.service_end,
        figure=figure,
        unit=unit,
    )


def _balances(
    rules: Sequence[AlertRule], customers: dict[UUID, Customer], now: datetime
) -> list[Watched]:
    """Return what customers hold of credits, usage by now taken off: a level, at any moment.

    A new grant begins a new period, so that a rule alerts again after a top-up.
    """
    wanted = [rule for rule in rules if rule.metric == AlertRule.Metric.CREDITS]
    if not wanted:
        return []
    pools: dict[tuple[UUID, str], list[Standing]] = defaultdict(list)
    for one in live_standings(customer_ids=list(customers), now=now):
        if one.state in ("active", "used_up"):
            pools[one.grant.customer_id, one.grant.unit].append(one)
    result = []
    for rule in wanted:
        for (customer_id, unit), grants in pools.items():
            if rule.customer_id not in (None, customer_id) or rule.credit_unit not in ("", unit):
                continue
            customer, newest = customers[customer_id], max(grants, key=lambda one: one.grant.id)
            start = local_day(newest.grant.effective_at, customer.time_zone)
            today = local_day(now, customer.time_zone)
            figure = Figure(
                sum((one.left for one in grants), Decimal(0)),
                sum((one.grant.amount for one in grants), Decimal(0)),
                is_level=True,
            )
            key = f"credits:{unit}:{newest.grant.id}"
            end = max(start, today) + timedelta(days=1)
            result.append(Watched(rule, customer, None, key, start, end, figure, unit[:40]))
    return result


def _outside_contracts(
    rules: Sequence[AlertRule],
    customers: dict[UUID, Customer],
    metered: set[tuple[UUID, UUID]],
    now: datetime,
) -> list[Watched]:
    """Usage that no contract bills, by calendar month of the customer's zone."""
    places = [
        (rule, rule.meter_id, customer)
        for rule in rules
        if rule.meter_id is not None and rule.basis == AlertRule.Basis.AMOUNT
        for customer in customers.values()
        if rule.customer_id in (None, customer.id) and (rule.id, customer.id) not in metered
    ]
    months = {customer.id: _month(customer.time_zone, now) for _, _, customer in places}
    requests = [
        ReadingRequest(
            customer.id,
            meter_id,
            *_instants(months[customer.id], customer.time_zone),
            customer.time_zone,
        )
        for _, meter_id, customer in places
    ]
    result = []
    for (rule, _, customer), read in zip(places, read_usage(requests), strict=True):
        start, end = months[customer.id]
        figure = Figure(read.quantity, is_level=_is_level(rule) and read.event_count > 0)
        key = f"{start}/{end}"
        result.append(Watched(rule, customer, None, key, start, end, figure, rule.meter.unit))
    return result


def _instants(days: tuple[date, date], zone: str) -> tuple[datetime, datetime]:
    return start_instant(days[0], zone), start_instant(days[1], zone)


def _month(zone: str, now: datetime) -> tuple[date, date]:
    first = local_day(now, zone).replace(day=1)
    return first, add_months(first, 1, anchor_day=1)
