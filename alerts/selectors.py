"""Rules and alerts as people look for them."""

from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q

from alerts.models import Alert, AlertRule


def rules(*, with_money: bool = True) -> Any:
    """Return the rules there are, with how often and when last they triggered.

    :param with_money: false for those who may not read invoices: rules on usage alone.
    """
    rows = AlertRule.objects.filter(is_removed=False)
    if not with_money:
        rows = rows.filter(metric=AlertRule.Metric.USAGE)
    return (
        rows.select_related("meter", "customer")
        .annotate(triggered=Count("alerts"), last_at=Max("alerts__triggered_at"))
        .order_by("name", "id")
    )


def alerts(
    *,
    rule_id: UUID | None = None,
    customer_id: UUID | None = None,
    text: str = "",
    with_money: bool = True,
) -> Any:
    """Return alerts, newest first."""
    rows = Alert.objects.select_related("rule", "rule__meter", "customer", "schedule")
    if not with_money:
        rows = rows.filter(rule__metric=AlertRule.Metric.USAGE)
    if rule_id:
        rows = rows.filter(rule=rule_id)
    if customer_id:
        rows = rows.filter(customer=customer_id)
    if text:
        rows = rows.filter(Q(customer__name__icontains=text) | Q(rule__name__icontains=text))
    return rows.order_by("-id")
