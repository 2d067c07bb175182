"""Credits and voids that wait for a second person."""

from django.db import models
from django.db.models import Q

from billing.models.documents import CreditNote
from billing.models.invoices import Invoice
from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel, is_number


class CreditRequest(TenantModel):
    """A credit or a void somebody asks for and somebody else answers. Nothing happens before."""

    class Kind(models.TextChoices):
        CREDIT = "credit", "Credit"
        VOID = "void", "Void"
        REISSUE = "reissue", "Void and draft again"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    invoice = TenantForeignKey(Invoice, related_name="credit_requests")
    kind = models.CharField(max_length=7, choices=Kind, default=Kind.CREDIT, db_default=Kind.CREDIT)
    status = models.CharField(max_length=9, choices=Status, default=Status.WAITING)
    amounts = models.JSONField(null=True, blank=True)  # line id -> net; null: all that is left
    total_amount = models.DecimalField(max_digits=19, decimal_places=4)  # with tax, as asked for
    issued_on = models.DateField()  # of the credit note; of a void, when it was asked for
    reason = models.CharField(max_length=300)  # printed on the credit note, kept with the void
    requested_by = models.CharField(max_length=200)
    requested_at = models.DateTimeField()
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=300, blank=True)  # why it was declined
    credit_note = TenantForeignKey(CreditNote, null=True, blank=True, related_name="requests")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "invoice"],
                condition=Q(status="waiting"),
                name="credit_request_waits_once",
            ),
            models.UniqueConstraint(
                fields=["tenant", "credit_note"],
                condition=Q(credit_note__isnull=False),
                name="credit_request_of_note_once",
            ),
            models.CheckConstraint(
                name="credit_request_of_void_is_whole",
                condition=Q(kind="credit") | Q(amounts__isnull=True, credit_note__isnull=True),
            ),
            models.CheckConstraint(
                name="credit_request_above_zero",
                condition=Q(total_amount__gt=0) & is_number("total_amount"),
            ),
            models.CheckConstraint(
                name="credit_request_decided_when_answered",
                condition=Q(status="waiting", decided_at__isnull=True)
                | (~Q(status="waiting") & Q(decided_at__isnull=False)),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.total_amount} of {self.invoice_id}"
