"""What people want to be told of, and what they were told."""

from django.db import models
from django.db.models import Q

from billing.models import BillingSchedule
from metering.models import Meter
from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.events.models import Event
from monetization.tenancy.models import TenantForeignKey, TenantModel


class AlertRule(TenantModel):
    """A limit on a figure of a customer, or of every customer.

    ``revision`` counts what the rule asks: a rule that asks something else may alert again in
    a period it alerted in already.
    """

    class Metric(models.TextChoices):
        USAGE = "usage", "Usage of a meter"
        SPEND = "spend", "Accrued amount"
        CREDITS = "credits", "Balance of credits"

    class Basis(models.TextChoices):
        AMOUNT = "amount", "An amount"
        PERCENT = "percent", "A percentage"

    class Direction(models.TextChoices):
        UP = "up", "At or above"
        DOWN = "down", "At or below"

    name = models.CharField(max_length=120)
    metric = models.CharField(max_length=10, choices=Metric)
    meter = TenantForeignKey(Meter, null=True, blank=True, related_name="+")  # of usage
    customer = TenantForeignKey(Customer, null=True, blank=True, related_name="+")  # null: all
    basis = models.CharField(max_length=7, choices=Basis, default=Basis.AMOUNT)
    # Units, currency or percent: of the units included, the commitment, the credits granted.
    threshold = models.DecimalField(max_digits=60, decimal_places=12)
    currency = models.CharField(max_length=3, blank=True)  # of an amount of money
    credit_unit = models.CharField(max_length=60, blank=True)  # of credits: empty is any
    direction = models.CharField(max_length=4, choices=Direction, default=Direction.UP)
    emails = models.JSONField(default=list)
    revision = models.PositiveIntegerField(default=1)
    asked_at = models.DateTimeField()  # of the revision; what was over by then is history
    is_active = models.BooleanField(default=True)
    is_removed = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="alert_rule_usage_has_a_meter",
                condition=Q(metric="usage", meter__isnull=False)
                | (~Q(metric="usage") & Q(meter__isnull=True)),
            ),
            models.CheckConstraint(
                name="alert_rule_money_has_a_currency",
                condition=(~Q(currency="") & Q(metric="spend", basis="amount"))
                | (Q(currency="") & ~Q(metric="spend", basis="amount")),
            ),
            models.CheckConstraint(name="alert_rule_threshold", condition=Q(threshold__gte=0)),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name


class Alert(TenantModel):
    """A rule's figure of a customer has crossed its limit, once in a period."""

    rule = TenantForeignKey(AlertRule, related_name="alerts", db_index=False)
    revision = models.PositiveIntegerField()  # of the rule
    customer = TenantForeignKey(Customer, related_name="+", db_index=False)
    schedule = TenantForeignKey(BillingSchedule, null=True, blank=True, related_name="+")
    period_key = models.CharField(max_length=200)  # what the period is of
    period_start = models.DateField()
    period_end = models.DateField()  # exclusive
    value = models.DecimalField(max_digits=60, decimal_places=12)
    limit = models.DecimalField(max_digits=60, decimal_places=12)
    base = models.DecimalField(max_digits=60, decimal_places=12, null=True)  # of a percentage
    unit = models.CharField(max_length=40)  # a meter's, or a currency
    event = TenantForeignKey(Event, null=True, blank=True, related_name="+")
    triggered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "rule", "revision", "customer", "period_key"],
                name="alert_once_per_period",
            )
        ]
        indexes = [models.Index(fields=["tenant", "customer", "-id"], name="alert_by_customer")]

    def __str__(self) -> str:
        return f"{self.rule_id} of {self.customer_id}"


class AlertWatch(TenantModel):
    """How far the arrival of usage was looked at, and whether rules changed since."""

    seen_until = models.DateTimeField(null=True, blank=True)
    has_new_rules = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="alert_watch_once")]

    def __str__(self) -> str:
        return f"seen until {self.seen_until}"
