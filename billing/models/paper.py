"""What customers receive: how they want it, in which words, with which files."""

import pgtrigger
from django.db import models
from django.db.models import Q

from billing.models.documents import CreditNote
from billing.models.invoices import Invoice
from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.documents.models import Document
from monetization.documents.words import LANGUAGES
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel


class DocumentRecipient(TenantModel):
    """What a customer's documents need beyond its profile; empty says: as everybody's."""

    class Category(models.TextChoices):  # UNCL 5305, where no tax is charged
        AUTOMATIC = "", "By the customer's tax treatment"
        ZERO = "Z", "Z, zero rated"
        EXEMPT = "E", "E, exempt"
        REVERSE = "AE", "AE, reverse charge"
        INTRA_COMMUNITY = "K", "K, intra-community supply"
        EXPORT = "G", "G, export outside the EU"
        OUT_OF_SCOPE = "O", "O, outside the scope of tax"

    customer = TenantForeignKey(
        Customer, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    language = models.CharField(max_length=2, choices=LANGUAGES, blank=True)
    street = models.CharField(max_length=200, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100, blank=True)
    endpoint_scheme = models.CharField(max_length=4, blank=True)  # EAS code list
    endpoint_id = models.CharField(max_length=100, blank=True)  # BT-49
    buyer_reference = models.CharField(max_length=100, blank=True)  # BT-10
    tax_category = models.CharField(max_length=2, choices=Category, blank=True)
    exemption_reason = models.CharField(max_length=200, blank=True)  # BT-120

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "customer"], name="document_recipient_once")
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"documents for {self.customer_id}"


class MailText(TenantModel):
    """A legal entity's own words for one kind of mail, with merge fields."""

    legal_entity = TenantForeignKey(
        LegalEntity, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=20)  # a key of billing.domain.mail_texts.KINDS
    subject = models.CharField(max_length=200)
    body = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "legal_entity", "kind"], name="mail_text_once_per_kind"
            )
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.kind


class DocumentFile(TenantModel):
    """A file that goes with an issued invoice or credit note, made once and kept."""

    class Kind(models.TextChoices):
        UBL = "ubl", "Electronic invoice (UBL)"
        CII = "cii", "Electronic invoice (CII)"
        USAGE = "usage", "Usage by day"

    invoice = TenantForeignKey(Invoice, null=True, blank=True, related_name="files", db_index=False)
    credit_note = TenantForeignKey(
        CreditNote, null=True, blank=True, related_name="files", db_index=False
    )
    kind = models.CharField(max_length=5, choices=Kind)
    document = TenantForeignKey(Document, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "invoice", "kind"], name="document_file_once_per_invoice"
            ),
            models.UniqueConstraint(
                fields=["tenant", "credit_note", "kind"], name="document_file_once_per_note"
            ),
            models.CheckConstraint(
                name="document_file_of_one",
                condition=Q(invoice__isnull=True, credit_note__isnull=False)
                | Q(invoice__isnull=False, credit_note__isnull=True),
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="document_files_stay", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.invoice_id or self.credit_note_id}"
