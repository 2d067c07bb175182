"""Which drafts were split or merged, so that it can be seen and undone."""

from django.db import models
from django.db.models import Q

from billing.models.invoices import Invoice
from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel


class DraftChange(TenantModel):
    """Lines went from one draft to another: some of them, or all, and the draft with them."""

    class Kind(models.TextChoices):
        SPLIT = "split", "Split"
        MERGE = "merge", "Merge"

    kind = models.CharField(max_length=5, choices=Kind)
    # Who keeps the lines when it is undone, and who got them. A draft that was merged is gone.
    origin = TenantForeignKey(
        Invoice,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="given_away",
        db_index=False,
    )
    target = TenantForeignKey(
        Invoice,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="received",
        db_index=False,
    )
    origin_fields = models.JSONField(default=dict)  # of a merged draft, to draft it again
    periods = models.JSONField(default=list)  # ids
    manual_keys = models.JSONField(default=list)  # keys of manual lines
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="draft_change_undone_by_somebody",
                condition=Q(undone_at__isnull=True) | ~Q(undone_by=""),
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "target"], name="draft_change_by_target"),
            models.Index(fields=["tenant", "origin"], name="draft_change_by_origin"),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"
