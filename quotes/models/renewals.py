"""Contracts that renew by themselves: until when they can be ended, who was told, what became."""

import pgtrigger
from django.db import models
from django.db.models import Q

from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel
from quotes.models.quotes import Quote
from quotes.models.signing import OrderForm


class ContractRenewal(TenantModel):
    """The end of one signed term and what follows it. A contract renews at most once."""

    class Status(models.TextChoices):
        UPCOMING = "upcoming", "Upcoming"
        RENEWED = "renewed", "Renewed"
        ENDED = "ended", "Not renewed"

    order_form = TenantForeignKey(OrderForm, related_name="+", db_index=False)
    ends_on = models.DateField()  # exclusive: the first day of the next term
    decide_by = models.DateField()  # the last day on which either side can end it
    months = models.PositiveSmallIntegerField()
    uplift_percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    status = models.CharField(max_length=8, choices=Status, default=Status.UPCOMING)
    quote = TenantForeignKey(Quote, null=True, blank=True, related_name="+")  # the next term
    problem = models.CharField(max_length=300, blank=True)  # why it is not renewed yet
    reason = models.CharField(max_length=1000, blank=True)  # why it ended
    decided_by = models.CharField(max_length=300, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "order_form"], name="contract_renewal_once"),
            models.CheckConstraint(
                name="contract_renewal_decided",
                condition=Q(status="upcoming") | Q(decided_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["tenant", "status", "decide_by"], name="renewal_due")]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.order_form_id} on {self.ends_on}"


class RenewalNotice(TenantModel):
    """A mail that said a contract renews, with a secret address to end it at. Stored hashed."""

    class Kind(models.TextChoices):
        FIRST = "first", "First notice"
        LAST = "last", "Last notice"

    renewal = TenantForeignKey(
        ContractRenewal, on_delete=models.CASCADE, related_name="notices", db_index=False
    )
    kind = models.CharField(max_length=5, choices=Kind)
    sent_to = models.EmailField()
    token_sha256 = models.CharField(max_length=64)
    sent_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "renewal", "kind"], name="renewal_notice_once"
            ),
            models.UniqueConstraint(
                fields=["tenant", "token_sha256"], name="renewal_notice_token_once"
            ),
        ]
        triggers = [pgtrigger.Protect(name="renewal_notice_immutable", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.kind} to {self.sent_to}"
