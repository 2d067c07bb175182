"""How signed terms are billed: schedules and their phases."""

from django.db import models
from django.db.models import Q

from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel
from quotes.models import OrderForm


class BillingSchedule(TenantModel):
    """How a signed order form is billed. Its terms are those that were signed, hash included."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PENDING = "pending", "Pending"  # activated, starts later
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        COMPLETED = "completed", "Completed"
        CANCELLED = "cancelled", "Cancelled"

    number = models.CharField(max_length=20)
    customer = TenantForeignKey(Customer, related_name="schedules", db_index=False)
    legal_entity = TenantForeignKey(LegalEntity, related_name="+")
    order_form = TenantForeignKey(OrderForm, null=True, blank=True, related_name="schedules")
    title = models.CharField(max_length=200)
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT)
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=63)  # frozen with the terms
    start_on = models.DateField()
    end_on = models.DateField(null=True, blank=True)  # exclusive; null: open-ended
    payment_terms_days = models.PositiveSmallIntegerField()
    purchase_order = models.CharField(max_length=60, blank=True)
    grace_hours = models.PositiveSmallIntegerField(default=24)
    auto_issue = models.BooleanField(default=False)  # drafts go out by themselves when they pass
    auto_send = models.BooleanField(default=False)
    # Usage is billed ahead of its period whenever this much has accrued; null: at its end only.
    threshold_amount = models.DecimalField(max_digits=19, decimal_places=4, null=True, blank=True)
    terms = models.JSONField()  # monetization.pricing.terms
    terms_sha256 = models.CharField(max_length=64)  # of the signed terms
    periods_until = models.DateField(null=True, blank=True)  # period rows exist up to this day
    ended_on = models.DateField(null=True, blank=True)  # exclusive; before its term, if earlier
    ended_by = TenantForeignKey(OrderForm, null=True, blank=True, related_name="+")  # or nobody
    activated_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="schedule_number_once"),
            models.UniqueConstraint(
                fields=["tenant", "order_form"],
                condition=Q(order_form__isnull=False) & ~Q(status="cancelled"),
                name="schedule_once_per_order_form",
            ),
            models.CheckConstraint(
                name="schedule_threshold_positive",
                condition=Q(threshold_amount__isnull=True) | Q(threshold_amount__gt=0),
            ),
        ]
        indexes = [models.Index(fields=["tenant", "customer"], name="schedule_by_customer")]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.number


class Phase(TenantModel):
    """A stretch of a schedule with the same prices."""

    schedule = TenantForeignKey(
        BillingSchedule, on_delete=models.CASCADE, related_name="phases", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=40)  # of the terms' phase
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=8)
    start_on = models.DateField()
    end_on = models.DateField(null=True, blank=True)  # exclusive

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "schedule", "key"], name="phase_key_once")
        ]

    def __str__(self) -> str:
        return self.name


class UnusedTime(TenantModel):
    """What of an issued line was for days after its contract ended; given back elsewhere."""

    schedule = TenantForeignKey(BillingSchedule, related_name="unused_time")
    invoice_line = TenantForeignKey(
        "billing.InvoiceLine", related_name="unused_time", db_index=False
    )
    item_key = models.CharField(max_length=100)
    service_start = models.DateField()
    service_end = models.DateField()  # exclusive
    amount = models.DecimalField(max_digits=19, decimal_places=4)  # net, as invoiced
    given_back_line = models.UUIDField()  # the manual line, on the contract that follows

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "invoice_line"], name="unused_time_once"),
            models.CheckConstraint(name="unused_time_not_negative", condition=Q(amount__gte=0)),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.item_key} from {self.service_start}"
