"""What is counted, and the quantities taken for bills.

Usage events themselves live in partitioned tables that the ORM does not manage
(``metering/stores/``).
"""

from django.db import models
from django.db.models import F, Q

from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.kernel.ids import uuid7
from monetization.tenancy.models import TenantForeignKey, TenantModel, TenantPart


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
        WEIGHTED_SUM = "weighted_sum", "Level weighted by time"
        PRORATED_SUM = "prorated_sum", "Level weighted by days"

    key = models.SlugField(max_length=60, db_index=False)  # how prices and the API name it
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=40, default="units")  # plural, as people read it
    # The type of the usage events that count.
    event_type = models.SlugField(max_length=100, db_index=False)
    aggregation = models.CharField(max_length=12, choices=Aggregation)
    value_property = models.CharField(max_length=100, blank=True)  # not for count
    expression = models.CharField(max_length=500, blank=True)  # the value, instead of a property
    filters = models.JSONField(
        default=dict, blank=True
    )  # property -> allowed values; all must match
    group_by = models.JSONField(default=list, blank=True)  # properties it is told apart by
    carries_over = models.BooleanField(default=False)  # a level goes on from before the window
    version = models.PositiveIntegerField(default=1)  # the one that counts now
    rollup_id = models.UUIDField(null=True, editable=False)  # of its hourly sums, if not its id
    is_archived = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "key"], name="meter_key_once"),
            models.CheckConstraint(
                name="meter_value_unless_count",
                condition=Q(aggregation="count") | ~Q(value_property="", expression=""),
            ),
        ]
        indexes = [models.Index(fields=["tenant", "event_type"], name="meter_by_event_type")]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name


class MeterVersion(TenantModel):
    """A definition a meter had, has, or will have once its history is counted.

    Bills go on being made with the active one while the next is built.
    """

    class Status(models.TextChoices):
        BUILDING = "building", "Being built"
        ACTIVE = "active", "Active"
        REPLACED = "replaced", "Replaced"
        CANCELLED = "cancelled", "Cancelled"

    meter = TenantForeignKey(Meter, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status)
    event_type = models.SlugField(max_length=100)
    aggregation = models.CharField(max_length=12, choices=Meter.Aggregation)
    value_property = models.CharField(max_length=100, blank=True)
    expression = models.CharField(max_length=500, blank=True)
    filters = models.JSONField(default=dict, blank=True)
    group_by = models.JSONField(default=list, blank=True)
    carries_over = models.BooleanField(default=False)
    rollup_id = models.UUIDField(default=uuid7, editable=False)
    snapshot = models.TextField(blank=True)  # what was there before is counted by the rebuild
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "meter", "number"], name="version_once"),
            models.UniqueConstraint(
                fields=["tenant", "meter"],
                condition=Q(status="building"),
                name="one_version_building",
            ),
            models.UniqueConstraint(
                fields=["tenant", "meter"], condition=Q(status="active"), name="one_version_active"
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.meter_id} version {self.number}"


class UsageReading(TenantPart):
    """A meter's quantity for a customer over a window, with the snapshot it was taken at.

    Usage that is not in it is exactly: in the window and not visible in ``snapshot``.
    """

    meter = TenantForeignKey(Meter, related_name="+")
    meter_version = models.PositiveIntegerField(default=1)  # whose definition it was taken by
    customer = TenantForeignKey(Customer, related_name="+", db_index=False)
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()  # exclusive
    time_zone = models.CharField(max_length=60, default="UTC")  # whose days a level counts
    quantity = models.DecimalField(max_digits=60, decimal_places=12)
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


class UsageStore(TenantModel):
    """Where a company's raw events are read from. None: Postgres."""

    class Kind(models.TextChoices):
        POSTGRES = "postgres", "Postgres"
        CLICKHOUSE = "clickhouse", "ClickHouse"

    reads_from = models.CharField(max_length=10, choices=Kind, default=Kind.POSTGRES)
    snapshot = models.TextField(blank=True)  # what ClickHouse is known to have

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_usage_store")]
        triggers = [audited()]

    def __str__(self) -> str:
        return str(self.reads_from)
