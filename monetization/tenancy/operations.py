"""Migration operations that make a table a tenant's table.

Every migration that creates ``TenantModel`` tables ends with ``IsolateTables("A", "B")``;
a later ``TenantForeignKey`` on an existing table adds ``AddCompositeForeignKey``.
"""

from typing import Any

from django.db.migrations.operations.base import Operation, OperationCategory

from monetization.tenancy.models import TenantForeignKey

POLICY = "tenant_isolation"


def isolation_sql(table: str) -> tuple[str, ...]:
    """Return the statements that isolate one table; for tables the ORM does not manage too."""
    return (
        f'CREATE UNIQUE INDEX "{table[:50]}_tenant_id" ON "{table}" (tenant_id, id)',
        *row_level_security_sql(table),
    )


def row_level_security_sql(table: str) -> tuple[str, ...]:
    """Return the statements that force row-level security alone (no ``id`` column needed)."""
    return (
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY',
        f'CREATE POLICY {POLICY} ON "{table}" '
        "USING (tenant_id = (SELECT current_tenant_id())) "
        "WITH CHECK (tenant_id = (SELECT current_tenant_id()))",
    )


def _fk_name(table: str, column: str) -> str:
    return f"{table[:36]}_{column[:20]}_tfk"


def _composite_fk_sql(model: Any, field: Any) -> str:
    table, column = model._meta.db_table, field.column
    target = field.remote_field.model._meta.db_table
    return (
        f'ALTER TABLE "{table}" ADD CONSTRAINT "{_fk_name(table, column)}" '
        f'FOREIGN KEY (tenant_id, "{column}") REFERENCES "{target}" (tenant_id, id)'
    )


def tenant_foreign_keys(model: Any) -> list[Any]:
    return [field for field in model._meta.local_fields if isinstance(field, TenantForeignKey)]


class IsolateTables(Operation):
    """Force row-level security on models' tables, then lay their composite foreign keys."""

    category = OperationCategory.SQL
    reversible = True

    def __init__(self, *model_names: str) -> None:
        self.model_names = model_names

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__qualname__, list(self.model_names), {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(self, app_label: str, schema_editor: Any, _from: Any, to: Any) -> None:
        models = [to.apps.get_model(app_label, name) for name in self.model_names]
        for model in models:
            for sql in isolation_sql(model._meta.db_table):
                schema_editor.execute(sql)
        for model in models:
            for field in tenant_foreign_keys(model):
                schema_editor.execute(_composite_fk_sql(model, field))

    def database_backwards(self, app_label: str, schema_editor: Any, from_: Any, _to: Any) -> None:
        models = [from_.apps.get_model(app_label, name) for name in self.model_names]
        for model in models:
            for field in tenant_foreign_keys(model):
                name = _fk_name(model._meta.db_table, field.column)
                schema_editor.execute(
                    f'ALTER TABLE "{model._meta.db_table}" DROP CONSTRAINT IF EXISTS "{name}"'
                )
        for model in models:
            table = model._meta.db_table
            for sql in (
                f'DROP POLICY IF EXISTS {POLICY} ON "{table}"',
                f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY',
                f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY',
                f'DROP INDEX IF EXISTS "{table[:50]}_tenant_id"',
            ):
                schema_editor.execute(sql)

    def describe(self) -> str:
        return f"Isolate by tenant: {', '.join(self.model_names)}"


class AddCompositeForeignKey(Operation):
    """Lay the composite constraint of one ``TenantForeignKey`` added after isolation."""

    category = OperationCategory.SQL
    reversible = True

    def __init__(self, model_name: str, field_name: str) -> None:
        self.model_name, self.field_name = model_name, field_name

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__qualname__, [self.model_name, self.field_name], {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(self, app_label: str, schema_editor: Any, _from: Any, to: Any) -> None:
        model = to.apps.get_model(app_label, self.model_name)
        schema_editor.execute(_composite_fk_sql(model, model._meta.get_field(self.field_name)))

    def database_backwards(self, app_label: str, schema_editor: Any, from_: Any, _to: Any) -> None:
        model = from_.apps.get_model(app_label, self.model_name)
        column = model._meta.get_field(self.field_name).column
        name = _fk_name(model._meta.db_table, column)
        schema_editor.execute(
            f'ALTER TABLE "{model._meta.db_table}" DROP CONSTRAINT IF EXISTS "{name}"'
        )

    def describe(self) -> str:
        return f"Check {self.model_name}.{self.field_name} within its tenant"
