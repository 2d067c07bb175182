"""What was decided about usage that came after its invoice was issued."""

from django.db import models
from django.db.models import Q

from billing.models.documents import CreditNote
from billing.models.invoices import Invoice, InvoiceLine
from monetization.tenancy.models import TenantForeignKey, TenantModel


class LateUsageDecision(TenantModel):
    """A difference between an issued line and its usage as it is now, and where it went.

    One that went to an open invoice counts as long as its line is there: who removes the line
    makes the difference open again.
    """

    class Action(models.TextChoices):
        NEXT_INVOICE = "next_invoice", "On the next invoice"
        CREDIT_NOTE = "credit_note", "Credited"
        LEFT = "left", "Left as it is"

    invoice = TenantForeignKey(Invoice, related_name="late_usage", db_index=False)
    line_key = models.CharField(max_length=160)  # of the issued line, or of one it should have
    action = models.CharField(max_length=12, choices=Action)
    amount = models.DecimalField(max_digits=19, decimal_places=4)  # net, what is owed more
    quantity_billed = models.DecimalField(max_digits=60, decimal_places=12, null=True)
    quantity_now = models.DecimalField(max_digits=60, decimal_places=12, null=True)
    target_line = TenantForeignKey(
        InvoiceLine, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    credit_note = TenantForeignKey(CreditNote, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=300)
    actor = models.CharField(max_length=200)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="late_usage_credit_has_a_note",
                condition=Q(action="credit_note", credit_note__isnull=False)
                | (~Q(action="credit_note") & Q(credit_note__isnull=True)),
            )
        ]
        indexes = [models.Index(fields=["tenant", "invoice"], name="late_usage_by_invoice")]

    def __str__(self) -> str:
        return f"{self.line_key} {self.amount}"
