"""Who signs, at which secret address, with which evidence; and what was signed."""

import pgtrigger
from django.db import models

from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.documents.models import Document
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel
from quotes.models.quotes import QuoteVersion

APPEND_ONLY = pgtrigger.Update | pgtrigger.Delete


class Signer(TenantModel):
    """One of the people who sign a version, in their turn."""

    class Side(models.TextChoices):
        CUSTOMER = "customer", "Customer"
        SELLER = "seller", "Us"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waits for its turn"
        INVITED = "invited", "Invited"
        VIEWED = "viewed", "Viewed"
        SIGNED = "signed", "Signed"
        DECLINED = "declined", "Declined"

    version = TenantForeignKey(
        QuoteVersion, on_delete=models.CASCADE, related_name="signers", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    side = models.CharField(max_length=8, choices=Side, default=Side.CUSTOMER)
    name = models.CharField(max_length=200)
    email = models.EmailField()
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    invited_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    signed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "version", "position"], name="signer_position_once"
            )
        ]
        ordering = ["position"]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class SigningLink(TenantModel):
    """A secret address at which one person may sign one version. Stored hashed."""

    version = TenantForeignKey(QuoteVersion, on_delete=models.CASCADE, related_name="links")
    signer = TenantForeignKey(Signer, on_delete=models.CASCADE, null=True, related_name="links")
    token_sha256 = models.CharField(max_length=64)
    signer_name = models.CharField(max_length=200)
    signer_email = models.EmailField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    first_viewed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    code_sha256 = models.CharField(max_length=64, blank=True)  # of the code mailed last
    code_expires_at = models.DateTimeField(null=True, blank=True)
    code_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "token_sha256"], name="signing_link_once")
        ]

    def __str__(self) -> str:
        return self.signer_email


class OrderForm(TenantModel):
    """The signed document and its frozen terms, with the evidence of the signature. Immutable."""

    number = models.CharField(max_length=20)  # the quote's number and version
    version = TenantForeignKey(QuoteVersion, related_name="order_forms", db_index=False)
    customer = TenantForeignKey(Customer, related_name="order_forms")
    legal_entity = TenantForeignKey(LegalEntity, related_name="+")
    terms = models.JSONField()
    terms_sha256 = models.CharField(max_length=64)
    document = TenantForeignKey(Document, related_name="+")  # what was shown to the signer
    document_sha256 = models.CharField(max_length=64)
    signed_document = TenantForeignKey(Document, null=True, related_name="+")  # with evidence page
    signer_name = models.CharField(max_length=200)
    signer_email = models.EmailField()
    signer_title = models.CharField(max_length=120, blank=True)
    consent_text = models.TextField()
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=500, blank=True)
    signed_at = models.DateTimeField()
    signed_document_sha256 = models.CharField(max_length=64, blank=True)
    evidence_sha256 = models.CharField(max_length=64, blank=True)  # of the last signature

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "version"], name="order_form_once")
        ]
        triggers = [pgtrigger.Protect(name="order_form_immutable", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return self.number


class SignatureEvidence(TenantModel):
    """One signature with everything that proves it, chained to the one before. Append-only.

    ``sha256`` covers the row's facts and ``previous_sha256``, so that no row can be changed,
    removed or put in between without breaking the chain of the tenant.
    """

    class Kind(models.TextChoices):
        SIGNED = "signed", "Signed here"
        PROVIDER = "provider", "Signed at a provider"
        IMPORTED = "imported", "Signed elsewhere"
        ADVANCE = "advance", "Agreed in advance"

    sequence = models.PositiveIntegerField()  # from 1, without gaps, per tenant
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.SIGNED)
    version = TenantForeignKey(QuoteVersion, related_name="evidence", db_index=False)
    position = models.PositiveSmallIntegerField()  # of the signer in the order of signing
    side = models.CharField(max_length=8, choices=Signer.Side)
    name = models.CharField(max_length=200)
    email = models.EmailField()
    title = models.CharField(max_length=120, blank=True)
    consent_text = models.TextField()
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=500, blank=True)
    has_email_code = models.BooleanField(default=False)  # the mailbox was proven by a code
    signed_at = models.DateTimeField()
    document_sha256 = models.CharField(max_length=64)
    terms_sha256 = models.CharField(max_length=64)
    previous_sha256 = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "sequence"], name="evidence_sequence_once"),
            models.UniqueConstraint(
                fields=["tenant", "version", "position"], name="evidence_once_per_signer"
            ),
        ]
        triggers = [pgtrigger.Protect(name="evidence_immutable", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.email}"
