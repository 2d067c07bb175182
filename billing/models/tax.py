"""Which rate a legal entity charges on what, where; and how it adds tax up."""

from django.db import models
from django.db.models import Q

from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel


class TaxRate(TenantModel):
    """The tax on products of one category for customers of one country, or of all the others.

    From a day on, until the next of the same place begins.
    """

    class Treatment(models.TextChoices):
        TAXABLE = "taxable", "Taxable"
        REVERSE_CHARGE = "reverse_charge", "Reverse charge"
        EXEMPT = "exempt", "Exempt"

    legal_entity = TenantForeignKey(LegalEntity, related_name="tax_rates", db_index=False)
    country = models.CharField(max_length=2, blank=True)  # ISO 3166-1; empty: every other one
    category = models.SlugField(max_length=20)  # of products
    treatment = models.CharField(max_length=14, choices=Treatment, default=Treatment.TAXABLE)
    name = models.CharField(max_length=40)  # as the invoice says it: VAT, GST
    percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    valid_from = models.DateField(null=True, blank=True)  # first tax date; null: since ever

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "legal_entity", "country", "category", "valid_from"],
                name="tax_rate_once_a_day",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="tax_rate_percent_in_range",
                condition=Q(treatment="taxable", percent__gte=0, percent__lte=100) | Q(percent=0),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.name} {self.percent} % on {self.category}"


class CustomerTaxRate(TenantModel):
    """A customer's own tax from a day on, until the next one begins.

    Before the first of them, what the customer's profile says.
    """

    customer = TenantForeignKey(
        Customer, on_delete=models.CASCADE, related_name="own_tax_rates", db_index=False
    )
    valid_from = models.DateField()  # first tax date
    treatment = models.CharField(
        max_length=14, choices=TaxRate.Treatment, default=TaxRate.Treatment.TAXABLE
    )
    name = models.CharField(max_length=40)  # as the invoice says it: VAT, GST
    percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "customer", "valid_from"], name="customer_tax_rate_once_a_day"
            ),
            models.CheckConstraint(
                name="customer_tax_rate_percent_in_range",
                condition=Q(treatment="taxable", percent__gte=0, percent__lte=100) | Q(percent=0),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.name} {self.percent} % from {self.valid_from}"


class TaxSetting(TenantModel):
    """How a legal entity adds tax up, and whether its prices contain it."""

    class Method(models.TextChoices):
        PER_LINE = "per_line", "Rounded on every line, then added up"
        PER_CATEGORY = "per_category", "Rounded once per rate (EN 16931)"

    class Point(models.TextChoices):
        EARLIER = "earlier", "The billing date, or the end of the service if that is earlier"
        SERVICE_END = "service_end", "The last day of the service"

    legal_entity = TenantForeignKey(LegalEntity, related_name="tax_settings", db_index=False)
    method = models.CharField(max_length=12, choices=Method, default=Method.PER_LINE)
    prices_include_tax = models.BooleanField(default=False)
    tax_point = models.CharField(  # which day's rate a line has
        max_length=11, choices=Point, default=Point.EARLIER, db_default=Point.EARLIER
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "legal_entity"], name="tax_setting_once"),
            models.CheckConstraint(
                name="tax_included_is_rounded_per_line",
                condition=Q(prices_include_tax=False) | Q(method="per_line"),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.method} of {self.legal_entity_id}"
