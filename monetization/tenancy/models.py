"""Who uses the platform, and the base of every row that belongs to one of them."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Q
from django.utils import timezone

from monetization.kernel.ids import uuid7
from monetization.tenancy.context import current_tenant_id


class Tenant(models.Model):
    """A company that uses the platform to sell. The one global business table."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=63, unique=True)
    time_zone = models.CharField(max_length=63, default="UTC")  # IANA; the seller's dates
    locale = models.CharField(max_length=10, default="en_US")  # how people read amounts and dates
    default_currency = models.CharField(max_length=3, default="USD")
    event_age_limit_days = models.PositiveIntegerField(null=True, blank=True)  # null: no limit
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


def tenant_today() -> date:
    """Return the day it is where the bound tenant keeps its books."""
    zone = Tenant.objects.values_list("time_zone", flat=True).get(id=current_tenant_id())
    return timezone.localdate(timezone=ZoneInfo(zone))


class TenantManager(models.Manager[Any]):
    """Refuses to query without a bound tenant; row-level security does the filtering."""

    def get_queryset(self) -> models.QuerySet[Any]:
        current_tenant_id()
        return super().get_queryset()

    def none(self) -> models.QuerySet[Any]:
        """Return no rows: nobody's, so no tenant is needed. The API schema is built with it."""
        return super().get_queryset().none()


def is_number(*fields: str) -> Q:
    """Return a check that amounts are not NaN, which Postgres sorts above every number."""
    return Q(**{f"{field}__lt": 10**15 for field in fields})


class TenantForeignKey(models.ForeignKey[Any, Any]):
    """A foreign key checked by Postgres on ``(tenant_id, id)``.

    Postgres checks foreign keys without row-level security, so a plain one would accept
    another tenant's row. ``IsolateTables`` lays the composite constraint; Django lays none.
    """

    def __init__(self, to: Any, on_delete: Any = models.PROTECT, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        super().__init__(to, on_delete, **kwargs)


def _tenant(*, db_constraint: bool = True) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        default=current_tenant_id,
        editable=False,
        db_index=False,  # (tenant_id, id) is unique and serves
        db_constraint=db_constraint,
        related_name="+",
    )


class TenantModel(models.Model):
    """A row of one tenant. Its migration must run ``IsolateTables`` (an architecture test asks)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = _tenant()

    objects = TenantManager()

    class Meta:
        abstract = True


class TenantPart(TenantModel):
    """A row that belongs to another row of its tenant, as a line does to its invoice.

    The composite reference to that row says that the tenant is there: a reference of its own
    would be checked for every row written, a tenth of what writing an invoice line costs. It must
    have a required ``TenantForeignKey`` (an architecture test asks).
    """

    tenant = _tenant(db_constraint=False)

    class Meta:
        abstract = True


class LegalEntity(TenantModel):
    """The company of the tenant that sells and invoices: name on the paper, numbering series."""

    name = models.CharField(max_length=200)
    code = models.CharField(max_length=12)  # prefix of document numbers
    address = models.TextField(blank=True)
    country = models.CharField(max_length=2, default="US")  # ISO 3166-1 alpha-2
    tax_id = models.CharField(max_length=40, blank=True)
    email = models.EmailField(blank=True)
    bank_details = models.TextField(blank=True)
    footer = models.TextField(blank=True)
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "code"], name="legal_entity_code_unique"),
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(is_default=True), name="legal_entity_one_default"
            ),
        ]

    def __str__(self) -> str:
        return self.name
