"""What is sold and at which list price."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from metering.models import Meter
from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel


class Product(TenantModel):
    """Something the tenant sells."""

    class Kind(models.TextChoices):
        FIXED = "fixed", "Fixed fee"
        SEAT = "seat", "Seats"
        USAGE = "usage", "Usage"

    class Recognition(models.TextChoices):
        STRAIGHT_LINE = "straight_line", "Straight line by day"
        USAGE = "usage", "As used"
        POINT_IN_TIME = "point_in_time", "At a point in time"

    code = models.SlugField(max_length=60, db_index=False)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=5, choices=Kind)
    recognition = models.CharField(max_length=13, choices=Recognition)
    # What it costs to deliver, in percent of its list price; for margins on quotes.
    cost_percent = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    # Decides the tax rate with the selling entity and the customer's country.
    tax_category = models.SlugField(max_length=20, default="standard", db_default="standard")
    is_archived = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "code"], name="product_code_once"),
            models.CheckConstraint(
                name="product_usage_is_recognized_as_used",
                condition=Q(kind="usage", recognition="usage")
                | (~Q(kind="usage") & ~Q(recognition="usage")),
            ),
            models.CheckConstraint(
                name="product_cost_in_range",
                condition=Q(cost_percent__isnull=True)
                | Q(cost_percent__gte=0, cost_percent__lte=999),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name


class Price(TenantModel):
    """How a product is charged in one currency and rhythm; its versions carry the numbers."""

    class Frequency(models.TextChoices):
        ONE_TIME = "one_time", "One time"
        WEEKLY = "weekly", "Weekly"
        MONTHLY = "monthly", "Monthly"
        QUARTERLY = "quarterly", "Quarterly"
        HALF_YEARLY = "half_yearly", "Half-yearly"
        YEARLY = "yearly", "Yearly"

    class Timing(models.TextChoices):
        IN_ADVANCE = "in_advance", "In advance"
        IN_ARREARS = "in_arrears", "In arrears"

    product = TenantForeignKey(Product, related_name="prices")
    code = models.SlugField(max_length=80, db_index=False)
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    frequency = models.CharField(max_length=11, choices=Frequency)
    timing = models.CharField(max_length=10, choices=Timing)
    proration = models.CharField(max_length=16, default="daily")
    meter = TenantForeignKey(Meter, null=True, blank=True, related_name="prices")
    is_archived = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "code"], name="price_code_once")]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name


class PriceVersion(TenantModel):
    """The numbers of a price. A draft may change; a published version never does."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"

    price = TenantForeignKey(Price, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT)
    model = models.JSONField()  # monetization.pricing.codec
    modifiers = models.JSONField(default=dict, blank=True)  # monetization.pricing.terms.modifiers
    published_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "price", "number"], name="price_version_number_once"
            ),
            models.UniqueConstraint(
                fields=["tenant", "price"],
                condition=Q(status="draft"),
                name="price_version_one_draft",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="published_price_immutable",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__status="published"),
            ),
            audited(),
        ]

    def __str__(self) -> str:
        return f"{self.price_id} v{self.number}"


class TermDiscount(TenantModel):
    """What a term of at least so many months takes off list prices on quotes."""

    name = models.CharField(max_length=120)  # the customer reads it
    min_months = models.PositiveSmallIntegerField()
    percent = models.DecimalField(max_digits=9, decimal_places=6)
    # Codes; empty: every list price that recurs.
    products = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    currency = models.CharField(max_length=3, blank=True)  # empty: all
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="term_discount_name_once"),
            models.CheckConstraint(
                name="term_discount_in_range",
                condition=Q(percent__gt=0, percent__lte=100, min_months__gte=1),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name
