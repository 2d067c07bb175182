"""ClickHouse's own engine in this process, where the optional group ``clickhouse`` is installed."""

import atexit
from functools import lru_cache
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import pytest


class ChdbEngine:
    """Runs what a server would."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def rows(self, sql: str, parameter: str) -> bytes:
        found = self.session.query(sql, "JSONCompactEachRow", params={"p": parameter})
        return bytes(found.bytes())

    def insert(self, table: str, lines: bytes) -> None:
        self.session.query(f"INSERT INTO {table} FORMAT JSONEachRow\n{lines.decode()}")

    def command(self, sql: str) -> None:
        self.session.query(sql)


@lru_cache(maxsize=1)
def make_engine() -> ChdbEngine:
    """Return the engine of this process: ClickHouse allows one."""
    chdb = pytest.importorskip(
        "chdb.session",
        reason="ClickHouse's engine is not installed (requirements-clickhouse.lock)",
    )
    place = mkdtemp(prefix="clickhouse-")
    session = chdb.Session(place)
    atexit.register(rmtree, place, ignore_errors=True)
    atexit.register(session.cleanup)  # runs first
    session.query("CREATE DATABASE IF NOT EXISTS usage")
    session.query("USE usage")
    return ChdbEngine(session)
