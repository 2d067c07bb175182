"""Tell of figures that have crossed their limits, once in a period."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from alerts.domain.crossing import percent_of
from alerts.models import Alert, AlertRule, AlertWatch
from alerts.services.figures import Watched, watch
from metering.selectors.arrivals import customers_with_new_usage
from monetization.customers.models import Customer
from monetization.events.services import append_event
from monetization.kernel.decimals import plain
from monetization.mail.services import queue_mail

OVERLAP = timedelta(seconds=30)  # batches that were under way when arrivals were last looked at


def active_rules() -> list[AlertRule]:
    return list(AlertRule.objects.filter(is_active=True).select_related("meter", "customer"))


@transaction.atomic
def evaluate(*, customer_ids: Sequence[UUID], now: datetime) -> list[Alert]:
    """Trigger the alerts of some customers that are due; safe to repeat at any time."""
    rules = active_rules()
    crossed = [one for one in watch(rules, customer_ids, now=now) if one.has_crossed]
    known = set(
        Alert.objects.filter(customer__in={one.customer.id for one in crossed}).values_list(
            "rule_id", "revision", "customer_id", "period_key"
        )
    )
    new = [
        one
        for one in crossed
        if (one.rule.id, one.rule.revision, one.customer.id, one.period_key) not in known
    ]
    return [alert for one in new if (alert := _trigger(one, now)) is not None]


def _trigger(one: Watched, now: datetime) -> Alert | None:
    """Write the alert, its event and its mails together; None if another worker was first."""
    limit = one.limit
    if limit is None:
        return None
    alert, is_new = Alert.objects.get_or_create(
        rule=one.rule,
        revision=one.rule.revision,
        customer=one.customer,
        period_key=one.period_key,
        defaults={
            "schedule": one.schedule,
            "period_start": one.start,
            "period_end": one.end,
            "value": one.figure.value,
            "limit": limit,
            "base": one.figure.base,
            "unit": one.unit,
            "triggered_at": now,
        },
    )
    if not is_new:
        return None
    alert.event = append_event(
        type="alert.triggered",
        subject=f"customer/{one.customer.id}",
        data=_event_data(alert, one),
        occurred_at=now,
    )
    alert.save(update_fields=["event"])
    _mail(alert, one, now)
    return alert


def _event_data(alert: Alert, one: Watched) -> dict[str, str]:
    data = {
        "alert_id": str(alert.id),
        "rule_id": str(one.rule.id),
        "rule": one.rule.name,
        "customer_id": str(one.customer.id),
        "customer": one.customer.name,
        "metric": one.rule.metric,
        "direction": one.rule.direction,
        "value": plain(one.figure.value),
        "limit": plain(alert.limit),
        "unit": one.unit,
        "period_start": str(one.start),
        "period_end": str(one.end),
    }
    percent = percent_of(one.figure.value, one.figure.base)
    if one.figure.base is not None and percent is not None:
        data |= {"base": plain(one.figure.base), "percent": plain(percent)}
    if one.schedule is not None:
        data["schedule_id"] = str(one.schedule.id)
    if one.rule.meter is not None:
        data["meter"] = one.rule.meter.key
    return data


def _mail(alert: Alert, one: Watched, now: datetime) -> None:
    address = f"{settings.PUBLIC_BASE_URL}{reverse('customers:detail', args=[one.customer.id])}"
    context = {"alert": alert, "one": one, "address": f"{address}?tab=alerts"}
    for email in one.rule.emails:
        queue_mail(
            dedupe_key=f"alert/{alert.id}/{email}"[:200],
            to=email,
            subject=f"{one.customer.name}: {one.rule.name}",
            text=render_to_string("alerts/emails/alert.txt", context),
            subject_ref=f"customer/{one.customer.id}",
            now=now,
        )


@transaction.atomic
def customers_to_watch(*, now: datetime) -> list[UUID]:
    """Return customers whose usage came in since the last time; everybody after a rule changed.

    Cheap when nothing arrived; without rules there is nothing to look at. What a crash leaves
    unevaluated is found by the look at everybody.
    """
    if not AlertRule.objects.filter(is_active=True).exists():
        return []
    AlertWatch.objects.get_or_create()
    seen = AlertWatch.objects.select_for_update(of=("self",)).get()
    since, has_new_rules = seen.seen_until or now, seen.has_new_rules
    seen.seen_until, seen.has_new_rules = now, False
    seen.save()
    if has_new_rules:
        return watched_customers()
    return customers_with_new_usage(since=min(since, now) - OVERLAP)


def watched_customers() -> list[UUID]:
    """Return every customer a rule looks at."""
    named = set(AlertRule.objects.filter(is_active=True).values_list("customer_id", flat=True))
    if not named:
        return []
    rows = Customer.objects.filter(is_archived=False)
    if None not in named:
        rows = rows.filter(id__in=named)
    return list(rows.order_by("id").values_list("id", flat=True))
