"""What the API and the pages remember: idempotency keys and saved views."""

from django.db import models
from django.db.models import Q

from monetization.tenancy.models import TenantModel


class IdempotencyKey(TenantModel):
    """The answer to an unsafe call, kept so that its repeat gets the same answer."""

    key = models.CharField(max_length=200)
    principal = models.CharField(max_length=200)
    method_and_path = models.CharField(max_length=300)
    body_sha256 = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.BinaryField(default=b"")
    content_type = models.CharField(max_length=100, default="application/json")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "principal", "key"], name="idempotency_once")
        ]

    def __str__(self) -> str:
        return self.key


class SavedView(TenantModel):
    """A named set of filters, sorting and columns of one page."""

    page = models.CharField(max_length=40)  # "invoices"
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=2000, blank=True)  # query string of the page
    owner_id = models.UUIDField(null=True)  # a user; null: comes with the product
    is_shared = models.BooleanField(default=False)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "page", "owner_id", "name"],
                nulls_distinct=False,
                name="saved_view_name_once",
            ),
            models.UniqueConstraint(
                fields=["tenant", "page", "owner_id"],
                condition=Q(is_default=True),
                nulls_distinct=False,
                name="saved_view_one_default",
            ),
        ]

    def __str__(self) -> str:
        return self.name
