"""Who changed what, written by the database itself.

A trigger, not the ORM, writes the trail: raw SQL, bulk updates and the admin cannot
escape it. Models take part by naming ``audited()`` in ``Meta.triggers``.
"""

from collections.abc import Sequence

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


# Old and new versions meet by id; a row whose id changed is written down as gone and as new.
_WRITE_DOWN = """
    INSERT INTO audit_auditentry (id, tenant_id, "table", row_id, action, actor, at, changes)
    SELECT gen_random_uuid(), r.tenant_id, TG_TABLE_NAME, r.id, TG_OP,
           COALESCE(NULLIF(current_setting('app.actor', true), ''), 'database'),
           clock_timestamp(), d.differing
      FROM ({rows}) r
     CROSS JOIN LATERAL (
       SELECT jsonb_object_agg(c.key, jsonb_build_array(r.was -> c.key, r.now -> c.key))
                AS differing
         FROM jsonb_each(COALESCE(r.now, r.was)) c
        WHERE r.was -> c.key IS DISTINCT FROM r.now -> c.key) d
     WHERE d.differing IS NOT NULL;
    RETURN NULL;
"""
_ROWS = {
    "insert": "SELECT n.tenant_id, n.id, NULL::jsonb AS was, to_jsonb(n) AS now FROM new_rows n",
    "update": "SELECT COALESCE(n.tenant_id, o.tenant_id) AS tenant_id, COALESCE(n.id, o.id) AS id,"
    " to_jsonb(o) AS was, to_jsonb(n) AS now FROM old_rows o FULL JOIN new_rows n ON n.id = o.id"
    " OFFSET 0",
    "delete": "SELECT o.tenant_id, o.id, to_jsonb(o) AS was, NULL::jsonb AS now FROM old_rows o",
}
_OPERATIONS = {
    "insert": (pgtrigger.Insert, None, "new_rows"),
    "update": (pgtrigger.Update, "old_rows", "new_rows"),
    "delete": (pgtrigger.Delete, "old_rows", None),
}


def audited_in_sets(*, derived: Sequence[str] = ()) -> list[pgtrigger.Trigger]:
    """Record the same as ``audited``, once per statement: for tables written many rows at once.

    :param derived: columns the database itself keeps from others, of which nobody is the author.
    """
    without = "".join(f" - '{column}'" for column in derived)
    return [
        pgtrigger.Trigger(
            name=f"audited_{name}",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=pgtrigger.Referencing(old=old, new=new),
            func=_WRITE_DOWN.format(
                rows=_ROWS[name]
                .replace("to_jsonb(o)", f"to_jsonb(o){without}")
                .replace("to_jsonb(n)", f"to_jsonb(n){without}")
            ),
        )
        for name, (operation, old, new) in _OPERATIONS.items()
    ]
