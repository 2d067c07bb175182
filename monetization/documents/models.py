"""Files we made and must be able to show again, byte for byte."""

import pgtrigger
from django.db import models

from monetization.tenancy.models import TenantModel


class Document(TenantModel):
    """A stored file, known by its SHA-256. Immutable."""

    filename = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100, default="application/pdf")
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "sha256"], name="document_by_hash")]
        triggers = [pgtrigger.Protect(name="document_immutable", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return self.filename
