"""What follows an invoice: numbers, credit notes, payments."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from billing.models.invoices import Invoice, InvoiceLine
from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.documents.models import Document
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel


class DocumentSequence(TenantModel):
    """The next number of one series of one legal entity. Locked, so numbers have no gaps."""

    class Series(models.TextChoices):
        INVOICE = "invoice", "Invoices"
        CREDIT_NOTE = "credit_note", "Credit notes"
        SCHEDULE = "schedule", "Schedules"

    legal_entity = TenantForeignKey(LegalEntity, related_name="+", db_index=False)
    series = models.CharField(max_length=12, choices=Series)
    next_number = models.PositiveIntegerField(default=1)
    prefix = models.CharField(max_length=20, blank=True)  # empty: the entity's code and the kind
    digits = models.PositiveSmallIntegerField(default=6)  # at least; longer numbers are not cut

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "legal_entity", "series"], name="document_sequence_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.series} {self.next_number}"


class CreditNote(TenantModel):
    """The correction of an issued invoice. Issued at once, numbered, immutable."""

    invoice = TenantForeignKey(Invoice, related_name="credit_notes")
    customer = TenantForeignKey(Customer, related_name="credit_notes")
    legal_entity = TenantForeignKey(LegalEntity, related_name="+", db_index=False)
    number = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    currency = models.CharField(max_length=3)
    issued_on = models.DateField()
    subtotal_amount = models.DecimalField(max_digits=19, decimal_places=4)
    tax_amount = models.DecimalField(max_digits=19, decimal_places=4)
    total_amount = models.DecimalField(max_digits=19, decimal_places=4)
    document = TenantForeignKey(Document, null=True, blank=True, related_name="+")
    sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "legal_entity", "number"], name="credit_note_number_once"
            ),
            models.CheckConstraint(
                name="credit_note_total_is_subtotal_plus_tax",
                condition=Q(total_amount=F("subtotal_amount") + F("tax_amount")),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.number


class CreditNoteLine(TenantModel):
    """What of which invoice line is credited; positive amounts."""

    credit_note = TenantForeignKey(
        CreditNote, on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    invoice_line = TenantForeignKey(InvoiceLine, related_name="credits")
    position = models.PositiveIntegerField()
    description = models.CharField(max_length=300)
    item_key = models.CharField(max_length=100, blank=True)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    tax_amount = models.DecimalField(max_digits=19, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "credit_note", "invoice_line"], name="credit_note_line_once"
            )
        ]
        triggers = [
            pgtrigger.Protect(
                name="credit_lines_frozen", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return self.description


class Payment(TenantModel):
    """Money received from a customer."""

    customer = TenantForeignKey(Customer, related_name="payments", db_index=False)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    received_on = models.DateField()
    method = models.CharField(max_length=40, default="bank transfer")
    reference = models.CharField(max_length=200)  # the bank's or provider's; once per customer
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "customer", "reference"], name="payment_reference_once"
            ),
            models.CheckConstraint(name="payment_is_positive", condition=Q(amount__gt=0)),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} {self.reference}"


class PaymentAllocation(TenantModel):
    """Which invoice a payment settles, and by how much."""

    payment = TenantForeignKey(
        Payment, on_delete=models.CASCADE, related_name="allocations", db_index=False
    )
    invoice = TenantForeignKey(Invoice, related_name="allocations")
    amount = models.DecimalField(max_digits=19, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "payment", "invoice"], name="allocation_once_per_invoice"
            ),
            models.CheckConstraint(name="allocation_is_positive", condition=Q(amount__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.amount} of {self.payment_id}"


class PaymentRefund(TenantModel):
    """Money of a payment that went back to the customer."""

    payment = TenantForeignKey(
        Payment, on_delete=models.CASCADE, related_name="refunds", db_index=False
    )
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    refunded_on = models.DateField()
    reference = models.CharField(max_length=200)  # the bank's or provider's; once per payment
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "payment", "reference"], name="refund_reference_once"
            ),
            models.CheckConstraint(name="refund_is_positive", condition=Q(amount__gt=0)),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.amount} of {self.payment_id}"
