"""Refuse to run as a database role that row-level security does not bind."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections


@register(Tags.database)
def role_is_bound_by_row_level_security(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    if not databases or "default" not in databases:
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT rolname FROM pg_roles"
            " WHERE rolname = current_user AND (rolsuper OR rolbypassrls)"
        )
        row = cursor.fetchone()
    if row is None:
        return []
    return [
        Error(
            f"The database role {row[0]} bypasses row-level security.",
            hint="Connect as a role without SUPERUSER and BYPASSRLS (docs/operations.md).",
            id="tenancy.E001",
        )
    ]
