"""How many seats a customer holds, as the tenant says it."""

from django.db import models
from django.db.models import Q

from billing.models.schedules import BillingSchedule
from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel


class SeatBalance(TenantModel):
    """The number of seats of a contract line from a day on; the last word on a day counts."""

    schedule = TenantForeignKey(
        BillingSchedule,
        on_delete=models.CASCADE,
        related_name="seat_balances",
        db_index=False,
    )
    item_key = models.CharField(max_length=100)  # of the terms' seat line
    effective_on = models.DateField()  # the day itself has the new number
    balance = models.DecimalField(max_digits=24, decimal_places=12)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "schedule", "item_key", "effective_on"],
                name="seat_balance_once_a_day",
            ),
            models.CheckConstraint(name="seat_balance_not_negative", condition=Q(balance__gte=0)),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.item_key} {self.effective_on}"
