"""Who changed what, written by the database itself.

A trigger, not the ORM, writes the trail: raw SQL, bulk updates and the admin cannot
escape it. Models take part by naming ``audited()`` in ``Meta.triggers``.
"""

import pgtrigger
from django.db import models

from monetization.tenancy.models import TenantModel


class AuditEntry(TenantModel):
    """One row inserted, updated or deleted. Append-only."""

    table = models.CharField(max_length=63)
    row_id = models.UUIDField()
    action = models.CharField(max_length=6)  # INSERT, UPDATE, DELETE
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    changes = models.JSONField()  # {column: [before, after]}; only columns that differ

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "row_id", "at"], name="audit_by_row"),
            models.Index(fields=["tenant", "-at"], name="audit_by_time"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="audit_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.table} {self.row_id} by {self.actor}"


def audited() -> pgtrigger.Trigger:
    """Record every change of the model's rows in the audit trail."""
    return pgtrigger.Trigger(
        name="audited",
        when=pgtrigger.After,
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        func="PERFORM record_audit(TG_TABLE_NAME::text, TG_OP, "
        "CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END, "
        "CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END); RETURN NULL;",
    )
