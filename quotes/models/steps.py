"""The steps of editing a draft, to go back and forth between."""

from django.db import models

from monetization.tenancy.models import TenantForeignKey, TenantModel
from quotes.models.quotes import QuoteVersion


class DraftStep(TenantModel):
    """A state a draft had. The version says at which of its steps it stands."""

    version = TenantForeignKey(
        QuoteVersion, on_delete=models.CASCADE, related_name="steps", db_index=False
    )
    number = models.PositiveIntegerField()
    payload = models.JSONField()  # as the builder saves a draft
    what = models.CharField(max_length=200, blank=True)  # that led to it; empty: the first
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "version", "number"], name="draft_step_once")
        ]

    def __str__(self) -> str:
        return self.what or "the first state"
