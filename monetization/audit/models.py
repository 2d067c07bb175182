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


# A row that came or went has every column in it. It is made a document once: what names the
# document more than once has Postgres make it again for each mention, and each column.
_WRITE_DOWN = """
    INSERT INTO audit_auditentry (id, tenant_id, "table", row_id, action, actor, at, changes)
    SELECT gen_random_uuid(), r.tenant_id, TG_TABLE_NAME, r.id, TG_OP,
           COALESCE(NULLIF(current_setting('app.actor', true), ''), 'database'),
           clock_timestamp(), d.differing
      FROM {rows} r
     CROSS JOIN LATERAL (
       SELECT jsonb_object_agg(c.key, jsonb_build_array({pair})) AS differing
         FROM jsonb_each(to_jsonb(r){without}) c) d;
    RETURN NULL;
"""
_ROWS = {"insert": ("new_rows", "NULL, c.value"), "delete": ("old_rows", "c.value, NULL")}
# Old and new versions meet by id; a row whose id changed is written down as gone and as new. Each
# column is compared as what it is: to make documents of both rows and to look every key up in
# them took half of what an invoice's new totals cost.
_WRITE_DOWN_UPDATES = """
    INSERT INTO audit_auditentry (id, tenant_id, "table", row_id, action, actor, at, changes)
    SELECT gen_random_uuid(), r.tenant_id, TG_TABLE_NAME, r.id, TG_OP,
           COALESCE(NULLIF(current_setting('app.actor', true), ''), 'database'),
           clock_timestamp(), concat('{{', r.differing, '}}')::jsonb
      FROM (SELECT COALESCE(n.tenant_id, o.tenant_id) AS tenant_id, COALESCE(n.id, o.id) AS id,
                   concat_ws(', ', {columns}) AS differing
              FROM old_rows o FULL JOIN new_rows n ON n.id = o.id OFFSET 0) r
     WHERE r.differing <> '';
    RETURN NULL;
"""
_DIFFERING = (
    """CASE WHEN o."{column}" IS DISTINCT FROM n."{column}" THEN"""
    """ concat('"{column}": ', jsonb_build_array(o."{column}", n."{column}")) END"""
)
_OPERATIONS = {
    "insert": (pgtrigger.Insert, None, "new_rows"),
    "update": (pgtrigger.Update, "old_rows", "new_rows"),
    "delete": (pgtrigger.Delete, "old_rows", None),
}


class _InSets(pgtrigger.Trigger):
    """Writes down what one statement did to the rows of a table."""

    def __init__(self, operation: str, derived: Sequence[str]) -> None:
        self.kind, self.derived = operation, derived
        happened, old, new = _OPERATIONS[operation]
        super().__init__(
            name=f"audited_{operation}",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=happened,
            referencing=pgtrigger.Referencing(old=old, new=new),
        )

    def get_func(self, model: models.Model) -> str:
        if self.kind == "update":
            columns = [field.column for field in model._meta.concrete_fields]
            compared = [_DIFFERING.format(column=c) for c in columns if c not in self.derived]
            return _WRITE_DOWN_UPDATES.format(columns=", ".join(compared))
        rows, pair = _ROWS[self.kind]
        without = "".join(f" - '{column}'" for column in self.derived)
        return _WRITE_DOWN.format(rows=rows, pair=pair, without=without)


def audited_in_sets(*, derived: Sequence[str] = ()) -> list[pgtrigger.Trigger]:
    """Record the same as ``audited``, once per statement: for tables written many rows at once.

    :param derived: columns the database itself keeps from others, of which nobody is the author.
    """
    return [_InSets(operation, derived) for operation in _OPERATIONS]
