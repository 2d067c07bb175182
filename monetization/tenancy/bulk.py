"""Write many rows at once. Row-level security refuses COPY, so rows pass through a temporary table.

COPY into a temporary table and ``INSERT ... SELECT`` from it is one statement for any number of
rows: policies, constraints and triggers hold as for any other insert.
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson
import psycopg
from django.db import connection, models

from monetization.tenancy.models import TenantModel

FEW = 50  # rows that are not worth a table


def insert_rows(rows: Sequence[TenantModel]) -> None:
    """Insert model instances of one class, ids and all; nothing else is set on them.

    Fields that are filled on saving (``auto_now``) are not: the database's default must do.
    """
    if not rows:
        return
    model = type(rows[0])
    if len(rows) < FEW:
        model._default_manager.bulk_create(rows)
        return
    names = _written(model)
    insert_records(model, names, map(attrgetter(*names), rows))


def insert_records(
    model: type[TenantModel], names: Sequence[str], records: Iterable[Sequence[Any]]
) -> None:
    """Insert values without a model instance for each; the tenant is the one that is bound.

    :param names: the attributes (``invoice_id``) of the values, among them every one without a
        default in the database.
    """
    own = ("", "") if "tenant_id" in names else ("tenant_id, ", "current_tenant_id(), ")
    _through_a_table(
        model,
        names,
        records,
        f"INSERT INTO {{table}} ({own[0]}{{columns}}) SELECT {own[1]}{{columns}} FROM {{rows}}",  # noqa: S608
    )


def update_records(
    model: type[TenantModel], names: Sequence[str], records: Iterable[Sequence[Any]]
) -> None:
    """Set the named attributes of rows that are there; ``id`` is one of them and finds the row."""
    _through_a_table(
        model,
        names,
        records,
        "UPDATE {table} t SET ({columns}) = ROW ({values}) FROM {rows} WHERE t.id = r.id",
    )


def _through_a_table(
    model: type[TenantModel], names: Sequence[str], records: Iterable[Sequence[Any]], sql: str
) -> None:
    """Run a statement over records: copied into a temporary table, or written out if few."""
    columns, types, documents = _columns(model, tuple(names))
    rows = [_with_text(values, documents) for values in records] if documents else list(records)
    if not rows:
        return
    table = model._meta.db_table
    known = {
        "table": table,
        "columns": ", ".join(columns),
        "values": ", ".join(f"r.{column}" for column in columns),
    }
    with bulk_cursor() as cursor:
        if len(rows) < FEW:
            one = f"({', '.join(f'%s::{type}' for type in types)})"
            listed = f"(VALUES {', '.join([one] * len(rows))}) AS r({known['columns']})"
            cursor.execute(
                sql.format(rows=listed, **known), [value for values in rows for value in values]
            )
            return
        copied = f"rows_of_{table}"
        cursor.execute(
            f"CREATE TEMP TABLE {copied} ON COMMIT DROP AS"  # noqa: S608
            f" SELECT {known['columns']} FROM {table} WITH NO DATA"
        )
        with cursor.copy(f"COPY {copied} ({known['columns']}) FROM STDIN") as copy:
            copy.set_types(_as_copied(types, documents))  # else asked of every value
            for values in rows:
                copy.write_row(values)
        cursor.execute(sql.format(rows=f"{copied} r", **known))
        cursor.execute(f"DROP TABLE {copied}")


def _as_copied(types: Sequence[str], documents: Sequence[int]) -> list[str]:
    """Return the types values are written as: documents are text by now."""
    return ["text" if place in documents else type for place, type in enumerate(types)]


def _with_text(values: Sequence[Any], documents: Sequence[int]) -> list[Any]:
    found = list(values)
    for place in documents:
        found[place] = orjson.dumps(found[place]).decode()
    return found


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Let Python's cycle collector rest during a batch, as a decorator or in a ``with``.

    A batch makes a million small objects that all live until it ends; looking through them
    for cycles again and again takes a quarter of its time and finds none.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def bulk_cursor() -> "psycopg.Cursor[Any]":
    """Return a cursor of the driver itself, in Django's transaction."""
    connection.ensure_connection()
    return psycopg.Cursor(connection.connection)


@lru_cache(maxsize=64)
def _written(model: type[TenantModel]) -> tuple[str, ...]:
    """Return the attributes of a model that are written as they are."""
    return tuple(
        field.attname
        for field in model._meta.concrete_fields
        if not getattr(field, "auto_now_add", False)
    )


@lru_cache(maxsize=64)
def _columns(
    model: type[TenantModel], names: tuple[str, ...]
) -> tuple[list[str], list[str], list[int]]:
    """Return the columns of attributes, their types, and which of them are JSON."""
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    fields = [by_name[name] for name in names]
    # A cast to varchar(9) would cut a text that is too long; the column itself refuses it.
    types = [str(field.rel_db_type(connection)).partition("(")[0] for field in fields]
    return (
        [f'"{field.column}"' for field in fields],
        types,
        [n for n, field in enumerate(fields) if isinstance(field, models.JSONField)],
    )


def current_snapshot() -> str:
    """Return what is committed now, as a condition for later reads."""
    with bulk_cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        row = cursor.fetchone()
        return str(row[0]) if row else ""
