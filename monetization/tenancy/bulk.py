"""Write many rows at once. Row-level security refuses COPY, so rows pass through a temporary table.

COPY into a temporary table and ``INSERT ... SELECT`` from it is one statement for any number of
rows: policies, constraints and triggers hold as for any other insert.
"""

import gc
from collections.abc import Iterator, Sequence
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
    columns, attributes, documents = _layout(model)
    values = attrgetter(*attributes)
    table = f"rows_of_{model._meta.db_table}"
    with bulk_cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE {table} (LIKE {model._meta.db_table}) ON COMMIT DROP")
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                record = list(values(row))
                for place in documents:
                    record[place] = orjson.dumps(record[place]).decode()
                copy.write_row(record)
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({columns}) SELECT {columns} FROM {table}"  # noqa: S608
        )
        cursor.execute(f"DROP TABLE {table}")


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
def _layout(model: type[TenantModel]) -> tuple[str, list[str], list[int]]:
    """Return a model's columns, the attributes that hold them, and which of them are JSON."""
    fields = [
        field for field in model._meta.concrete_fields if not getattr(field, "auto_now_add", False)
    ]
    return (
        ", ".join(f'"{field.column}"' for field in fields),
        [field.attname for field in fields],
        [place for place, field in enumerate(fields) if isinstance(field, models.JSONField)],
    )
