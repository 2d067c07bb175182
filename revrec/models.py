"""What is promised and when it is earned. The contract is the billing schedule."""

from django.db import models
from django.db.models import F, Q

from billing.models import BillingSchedule
from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel, TenantPart


class PerformanceObligation(TenantModel):
    """A promise of a contract: its price, and the days over which it is satisfied."""

    schedule = TenantForeignKey(BillingSchedule, related_name="obligations", db_index=False)
    item_key = models.CharField(max_length=100)
    run = models.PositiveSmallIntegerField()
    product_code = models.CharField(max_length=60)
    name = models.CharField(max_length=120)
    method = models.CharField(max_length=13)
    start_on = models.DateField()
    end_on = models.DateField()  # exclusive; moves as an open-ended contract goes on
    currency = models.CharField(max_length=3)
    transaction_price = models.DecimalField(max_digits=19, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "schedule", "item_key", "run"], name="obligation_once"
            ),
            models.CheckConstraint(
                name="obligation_period_not_empty", condition=Q(start_on__lt=F("end_on"))
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.name} of {self.schedule_id}"


class RevenueSlice(TenantPart):
    """What an obligation plans to earn in one month."""

    obligation = TenantForeignKey(
        PerformanceObligation,
        on_delete=models.CASCADE,
        related_name="slices",
        db_index=False,
    )
    month = models.DateField()
    amount = models.DecimalField(max_digits=19, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "obligation", "month"], name="revenue_slice_once"
            )
        ]
        indexes = [models.Index(fields=["tenant", "month"], name="revenue_slice_by_month")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.amount}"
