"""What is counted, and the quantities taken for bills.

Usage events themselves live in partitioned tables that the ORM does not manage
(``metering/stores/``).
"""

from django.db import models
from django.db.models import F, Q

from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.tenancy.models import TenantForeignKey, TenantModel


class Meter(TenantModel):
    """What is counted and how: which events, which value, which aggregation."""

    class Aggregation(models.TextChoices):
        COUNT = "count", "Count of events"
        SUM = "sum", "Sum"
        MAX = "max", "Maximum"
        MIN = "min", "Minimum"
        LATEST = "latest", "Latest value"
        AVERAGE = "average", "Average"
        COUNT_UNIQUE = "count_unique", "Count of distinct values"

    key = models.SlugField(max_length=60)  # how prices and the API name it
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=40, default="units")  # plural, as people read it
    event_type = models.SlugField(max_length=100)  # type of the usage events that count
    aggregation = models.CharField(max_length=12, choices=Aggregation)
    value_property = models.CharField(max_length=100, blank=True)  # not for count
    filters = models.JSONField(
        default=dict, blank=True
    )  # property -> allowed values; all must match
    is_archived = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "key"], name="meter_key_once"),
            models.CheckConstraint(
                name="meter_value_property_unless_count",
                condition=Q(aggregation="count") | ~Q(value_property=""),
            ),
        ]
        indexes = [models.Index(fields=["tenant", "event_type"], name="meter_by_event_type")]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name


class UsageReading(TenantModel):
    """A meter's quantity for a customer over a window, with the snapshot it was taken at.

    Usage that is not in it is exactly: in the window and not visible in ``snapshot``.
    """

    meter = TenantForeignKey(Meter, related_name="+")
    customer = TenantForeignKey(Customer, related_name="+")
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()  # exclusive
    quantity = models.DecimalField(max_digits=38, decimal_places=12)
    event_count = models.BigIntegerField(default=0)
    snapshot = models.TextField()  # pg_current_snapshot()
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="reading_window_not_empty", condition=Q(window_start__lt=F("window_end"))
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "customer", "meter", "window_start"], name="reading_by_window"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.meter_id} for {self.customer_id}"
