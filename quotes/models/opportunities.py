"""Sales that may become quotes, as a CRM knows them."""

from django.db import models
from django.db.models import Q

from monetization.audit.models import audited
from monetization.customers.models import Customer, ExternalReference
from monetization.tenancy.models import TenantForeignKey, TenantModel


class Opportunity(TenantModel):
    """A sale somebody works on. Its quotes say whether it was won; until then the CRM does."""

    class Outcome(models.TextChoices):
        OPEN = "open", "Open"
        WON = "won", "Won"
        LOST = "lost", "Lost"

    customer = TenantForeignKey(Customer, related_name="opportunities")
    name = models.CharField(max_length=200)
    stage = models.CharField(max_length=80, blank=True)  # in the CRM's words
    amount = models.DecimalField(max_digits=19, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)  # of the amount
    close_on = models.DateField(null=True, blank=True)
    owner_label = models.CharField(max_length=200, blank=True)  # who sells
    outcome = models.CharField(max_length=4, choices=Outcome, default=Outcome.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "opportunities"
        constraints = [
            models.CheckConstraint(
                name="opportunity_amount_has_currency",
                condition=Q(amount__isnull=True) | ~Q(currency=""),
            ),
            models.CheckConstraint(
                name="opportunity_amount_in_range",
                condition=Q(amount__isnull=True) | Q(amount__gte=0, amount__lt=10**15),
            ),
        ]
        indexes = [models.Index(fields=["tenant", "outcome"], name="opportunity_by_outcome")]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name

    @property
    def quote_numbers(self) -> list[str]:
        return [quote.number for quote in self.quotes.all()]

    @property
    def badge(self) -> str:
        """The state whose badge it wears: an open one is under way, not achieved."""
        return "in_progress" if self.outcome == self.Outcome.OPEN else self.outcome


class OpportunityReference(ExternalReference):
    """An opportunity as another system's."""

    object = TenantForeignKey(
        Opportunity, on_delete=models.CASCADE, related_name="references", db_index=False
    )


class QuoteReference(ExternalReference):
    """A quote as another system's."""

    object = TenantForeignKey(
        "quotes.Quote", on_delete=models.CASCADE, related_name="references", db_index=False
    )
