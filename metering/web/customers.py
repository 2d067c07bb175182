"""A customer's usage as it stands now: the part of the customer's page that metering draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from metering.models import Meter
from metering.selectors import ReadingRequest, read_usage, usage_by_day
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.templatetags.money import day as day_text
from monetization.kernel.period import add_months, local_day, start_instant

DAYS = 30


@dataclass(frozen=True, slots=True)
class MeterRow:
    """A meter's usage this month so far, in the same stretch of last month, and in all of it."""

    meter: Meter
    this_month: Decimal
    same_stretch: Decimal
    last_month: Decimal
    events: int  # of this month

    @property
    def change(self) -> Decimal:
        return self.this_month - self.same_stretch

    @property
    def change_percent(self) -> Decimal | None:
        """Return the change against the same stretch of last month; None from nothing."""
        if not self.same_stretch:
            return None
        return (self.change * 100 / self.same_stretch).quantize(Decimal("0.1"))


@dataclass(frozen=True, slots=True)
class Months:
    """The months compared, in the customer's time zone."""

    last_start: datetime
    same_until: datetime  # as far into last month as now is into this one
    this_start: datetime
    now: datetime


def months(now: datetime, zone: str) -> Months:
    """Return this month up to now, and last month."""
    first = local_day(now, zone).replace(day=1)
    this_start = start_instant(first, zone)
    last_start = start_instant(add_months(first, -1, anchor_day=1), zone)
    return Months(last_start, min(last_start + (now - this_start), this_start), this_start, now)


def meter_rows(customer: Customer, meters: Sequence[Meter], span: Months) -> list[MeterRow]:
    """Read three stretches of every meter, in one query and one per meter that is no sum."""
    stretches = (
        (span.this_start, span.now),
        (span.last_start, span.same_until),
        (span.last_start, span.this_start),
    )
    requests = [
        ReadingRequest(customer.id, meter.id, start, end, customer.time_zone)
        for meter in meters
        for start, end in stretches
    ]
    found = read_usage(requests)
    return [
        MeterRow(
            meter,
            found[3 * at].quantity,
            found[3 * at + 1].quantity,
            found[3 * at + 2].quantity,
            found[3 * at].event_count,
        )
        for at, meter in enumerate(meters)
    ]


@require_GET
@member_required("usage:read")
def customer_usage(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """Show every meter of a customer, and thirty days of one of them."""
    customer = get_object_or_404(Customer, id=customer_id)
    meters = list(Meter.objects.filter(is_archived=False).order_by("name"))
    now = timezone.now()
    rows = meter_rows(customer, meters, months(now, customer.time_zone))
    used = [row for row in rows if row.this_month or row.last_month]
    chosen = _chosen(rows, used, request.GET.get("meter", ""))
    context: dict[str, Any] = {
        "customer": customer,
        "rows": used,
        "unused": [row.meter for row in rows if row not in used],
        "chosen": chosen,
        "now": now,
    }
    if chosen is not None:
        context["chart"] = _chart(customer, chosen, now)
    return render(request, "metering/_customer_usage.html", context)


def _chosen(rows: Sequence[MeterRow], used: Sequence[MeterRow], key: str) -> Meter | None:
    for row in rows:
        if row.meter.key == key:
            return row.meter
    return used[0].meter if used else None


def _chart(customer: Customer, meter: Meter, now: datetime) -> dict[str, Any]:
    zone = customer.time_zone
    today = local_day(now, zone)
    days: list[date] = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    found = dict(
        usage_by_day(
            customer_id=customer.id,
            meter_id=meter.id,
            window_start=start_instant(days[0], zone),
            window_end=start_instant(today + timedelta(days=1), zone),
            zone=zone,
        )
    )
    values = [str(found.get(day, Decimal(0))) for day in days]
    return {
        "type": "bar",
        "labels": [day_text(day) for day in days],
        "series": [{"name": f"{meter.name}, {meter.unit}", "values": values}],
    }
