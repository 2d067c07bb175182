"""Rows of any table in words: what they are called, and what changed about them."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from monetization.audit.models import AuditEntry
from monetization.interface.templatetags.money import day, moment

# The first prefix that fits says which permission shows changes of a table.
_NEEDED = (
    ("billing_payment", "payments:read"),
    ("billing_billingschedule", "schedules:read"),
    ("billing_", "invoices:read"),
    ("revrec_", "revenue:read"),
    ("quotes_", "quotes:read"),
    ("customers_", "customers:read"),
    ("catalog_", "catalog:read"),
    ("metering_", "usage:read"),
    ("integrations_", "integrations:read"),
    ("webhooks_", "webhooks:read"),
    ("alerts_", "alerts:read"),
)
_HIDDEN = {
    "id",
    "tenant_id",
    "created_at",
    "updated_at",
    "credentials",
    "secret",
    "previous_secret",
}
_NAMES = ("number", "name", "title", "alias", "email", "reference", "provider", "key", "code")
_LONGEST = 90
_EMPTY: tuple[Any, ...] = (None, "", [], {}, "(,)")  # the last is a range without ends


@dataclass(frozen=True, slots=True)
class Change:
    """One column before and after, as people read it."""

    label: str
    before: str
    after: str


def model_of(table: str) -> type[models.Model] | None:
    return next((one for one in apps.get_models() if one._meta.db_table == table), None)


def table_label(table: str) -> str:
    model = model_of(table)
    return str(model._meta.verbose_name).capitalize() if model else table.replace("_", " ")


def audited_tables(permissions: frozenset[str]) -> list[str]:
    """Return the audited tables whose changes a person may see."""
    found = [
        model._meta.db_table
        for model in apps.get_models()
        if any(
            getattr(trigger, "name", "") == "audited"
            for trigger in getattr(model._meta, "triggers", ())
        )
    ]
    return sorted(
        (table for table in found if permission_of(table) in permissions), key=table_label
    )


def permission_of(table: str) -> str:
    return next(
        (needed for prefix, needed in _NEEDED if table.startswith(prefix)), "settings:write"
    )


def names_of(entries: Iterable[AuditEntry]) -> dict[UUID, str]:
    """Return what the changed rows are called now; one query per table."""
    ids: dict[str, set[UUID]] = {}
    for entry in entries:
        ids.setdefault(entry.table, set()).add(entry.row_id)
    return names_of_rows(ids)


def names_of_rows(ids: Mapping[str, Collection[UUID]]) -> dict[UUID, str]:
    """Return what rows are called, given their ids by table; one query per table."""
    names: dict[UUID, str] = {}
    for table, wanted in ids.items():
        model = model_of(table)
        if model is None:
            continue
        columns = {field.name for field in model._meta.concrete_fields}
        column = next((name for name in _NAMES if name in columns), None)
        if column is not None:
            found = model._default_manager.filter(pk__in=wanted).values_list("pk", column)
            names.update({pk: str(value) for pk, value in found if value})
    return names


def changes_of(entry: AuditEntry, zone: str) -> list[Change]:
    """Return what changed, in words; columns that say nothing to people drop out.

    A new row shows what it began with; ids and documents only say that they changed.
    """
    model = model_of(entry.table)
    found = []
    for column, (before, after) in sorted(entry.changes.items()):
        if column in _HIDDEN or column.endswith("sha256"):
            continue
        if entry.action == "INSERT" and (after in _EMPTY or column.endswith("_id")):
            continue
        label = column.removesuffix("_id").replace("_", " ").capitalize()
        if column.endswith("_id") or isinstance(before or after, dict | list):
            found.append(Change(label, "", "changed"))
            continue
        found.append(
            Change(label, _text(model, column, before, zone), _text(model, column, after, zone))
        )
    return found


def _text(model: type[models.Model] | None, column: str, value: Any, zone: str) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    field: Any = None
    if model is not None:
        try:
            field = model._meta.get_field(column)
        except FieldDoesNotExist:
            field = None
    choices = dict(getattr(field, "flatchoices", None) or ())
    if value in choices:
        return str(choices[value])
    if isinstance(field, models.DateTimeField):
        return moment(datetime.fromisoformat(str(value)), str(ZoneInfo(zone)))
    if isinstance(field, models.DateField):
        return day(date.fromisoformat(str(value)))
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
