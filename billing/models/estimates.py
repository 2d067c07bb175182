"""What is billed for usage that nobody has reported yet."""

from django.db import models
from django.db.models import Q

from billing.models.schedules import BillingSchedule
from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel


class UsageEstimate(TenantModel):
    """How a contract's usage line is estimated when its period is over; the actuals follow."""

    class Basis(models.TextChoices):
        FIXED = "fixed", "A fixed quantity"
        PREVIOUS = "previous", "As in the period before"
        AVERAGE = "average", "Average of the three periods before"

    schedule = TenantForeignKey(
        BillingSchedule, on_delete=models.CASCADE, related_name="estimates", db_index=False
    )
    item_key = models.CharField(max_length=100)  # of the terms' usage line
    basis = models.CharField(max_length=8, choices=Basis)
    quantity = models.DecimalField(max_digits=60, decimal_places=12, null=True)  # a full period's
    is_always = models.BooleanField(default=False)  # also where something was measured by then
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "schedule", "item_key"], name="usage_estimate_once"
            ),
            models.CheckConstraint(
                name="usage_estimate_quantity_if_fixed",
                condition=Q(basis="fixed", quantity__gte=0)
                | (~Q(basis="fixed") & Q(quantity__isnull=True)),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.item_key} {self.basis}"
