"""Who is billed, and under which names the tenant's systems know them."""

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from monetization.audit.models import audited
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel

__all__ = [
    "BillingContact",
    "ContactReference",
    "Customer",
    "CustomerAlias",
    "CustomerReference",
    "ExternalReference",
]


class ExternalReference(TenantModel):
    """What another system, such as a CRM, calls one of our rows, which a subclass names ``object``.

    A system knows a row under one id, and an id names one row: both are unique.
    """

    source = models.CharField(max_length=40)  # the system: "salesforce"
    external_id = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "source", "external_id"], name="%(class)s_id_once"
            ),
            models.UniqueConstraint(
                fields=["tenant", "object", "source"], name="%(class)s_object_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.external_id}"


class Customer(TenantModel):
    """A company the tenant bills. Its terms are defaults for new quotes and invoices."""

    class TaxTreatment(models.TextChoices):
        TAXABLE = "taxable", "Taxable"
        EXEMPT = "exempt", "Exempt"
        REVERSE_CHARGE = "reverse_charge", "Reverse charge"

    name = models.CharField(max_length=200)
    legal_name = models.CharField(max_length=200, blank=True)
    external_id = models.CharField(max_length=200, blank=True)  # the CRM's id
    legal_entity = TenantForeignKey(LegalEntity, related_name="+")  # who sells to them
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=63, default="UTC")
    address = models.TextField(blank=True)
    country = models.CharField(max_length=2, blank=True)
    tax_id = models.CharField(max_length=40, blank=True)
    tax_treatment = models.CharField(
        max_length=14, choices=TaxTreatment, default=TaxTreatment.TAXABLE
    )
    tax_name = models.CharField(max_length=40, blank=True)  # "VAT", "Sales tax"
    tax_percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    payment_terms_days = models.PositiveSmallIntegerField(default=30)
    purchase_order = models.CharField(max_length=60, blank=True)
    notes = models.TextField(blank=True)
    is_archived = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "external_id"],
                condition=~Q(external_id=""),
                name="customer_external_id_once",
            ),
            models.CheckConstraint(
                name="customer_tax_percent_in_range",
                condition=Q(tax_percent__gte=0, tax_percent__lte=100),
            ),
        ]
        indexes = [models.Index("tenant", Lower("name"), name="customer_by_name")]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name


class CustomerAlias(TenantModel):
    """A name that usage events use for a customer, valid for a stretch of time.

    Two customers cannot hold the same alias at the same moment: an exclusion constraint
    (laid in the migration, on a 64-bit hash of tenant and alias) refuses the overlap.
    """

    customer = TenantForeignKey(Customer, on_delete=models.CASCADE, related_name="aliases")
    alias = models.CharField(max_length=200)  # case-sensitive, as the events carry it
    valid = DateTimeRangeField()  # half-open [from, until); unbounded ends allowed

    class Meta:
        indexes = [models.Index(fields=["tenant", "alias"], name="alias_by_name")]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.alias


class BillingContact(TenantModel):
    """Somebody at the customer who receives documents."""

    customer = TenantForeignKey(
        Customer, on_delete=models.CASCADE, related_name="contacts", db_index=False
    )
    name = models.CharField(max_length=200)
    email = models.EmailField()
    is_primary = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "customer"],
                condition=Q(is_primary=True),
                name="billing_contact_one_primary",
            ),
            models.UniqueConstraint(
                fields=["tenant", "customer", "email"], name="billing_contact_email_once"
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class CustomerReference(ExternalReference):
    """A customer as another system's account."""

    object = TenantForeignKey(
        Customer, on_delete=models.CASCADE, related_name="references", db_index=False
    )


class ContactReference(ExternalReference):
    """A billing contact as another system's contact."""

    object = TenantForeignKey(
        BillingContact, on_delete=models.CASCADE, related_name="references", db_index=False
    )
