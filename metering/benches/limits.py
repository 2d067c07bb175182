"""The limit: the same rows by raw COPY, as the owner, in a schema of its own without policies."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from psycopg import sql

from metering.benches.workload import Batch

_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TAIL = b"\xff\xff"
EVENT_COLUMNS = (
    "tenant_id, id, source, source_event_id, type, subject, customer_id, occurred_at, data,"
    " quarantine"
)
KEY_COLUMNS = "tenant_id, key_hash, payload_hash, event_id"


EVENTS_AND_KEYS = ("metering_usageevent", "metering_usagekey")


@contextmanager
def scratch_schema(name: str, tables: Sequence[str] = EVENTS_AND_KEYS) -> Iterator[None]:
    """Make a schema with plain tables that are indexed like the real ones of these names."""
    with psycopg.connect(settings.DATABASE_OWNER_URL, autocommit=True) as connection:
        schema = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        try:
            for table in tables:
                connection.execute(
                    sql.SQL(
                        "CREATE TABLE {}.{} (LIKE public.{} INCLUDING DEFAULTS INCLUDING INDEXES)"
                    ).format(schema, sql.Identifier(table), sql.Identifier(table))
                )
            yield
        finally:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))


def _write(schema: str, batches: Sequence[Batch], gate: Any) -> None:
    with psycopg.connect(settings.DATABASE_OWNER_URL) as connection:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
        connection.commit()
        statements = [
            f"COPY metering_usageevent ({EVENT_COLUMNS}) FROM STDIN (FORMAT binary)",
            f"COPY metering_usagekey ({KEY_COLUMNS}) FROM STDIN (FORMAT binary)",
        ]
        gate.wait()
        with aborted_on_error(gate):
            for batch in batches:
                for statement, rows in zip(
                    statements, (batch.event_rows, batch.key_rows), strict=True
                ):
                    with connection.cursor() as cursor, cursor.copy(statement) as copy:
                        copy.write(_HEAD + rows + _TAIL)
                connection.commit()
        gate.wait()


@contextmanager
def aborted_on_error(gate: Any) -> Iterator[None]:
    """Let whoever waits at the gate fail too, instead of waiting for ever."""
    try:
        yield
    except BaseException:
        gate.abort()
        raise


def copy_rate(schema: str, batches: Sequence[Batch], writers: int = 2) -> float:
    """Return events per second of raw COPY, a commit per batch, into events and identities."""
    fork = multiprocessing.get_context("fork")
    gate = fork.Barrier(writers + 1)
    processes = [
        fork.Process(target=_write, args=(schema, batches[number::writers], gate))
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    gate.wait(60)
    began = time.perf_counter()
    gate.wait(600)
    took = time.perf_counter() - began
    for process in processes:
        process.join()
    return sum(batch.events for batch in batches) / took
