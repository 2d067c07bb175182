"""A ClickHouse server, by clickhouse-connect."""

from functools import lru_cache
from importlib import import_module
from typing import Any

from monetization.kernel.errors import Refusal


class UsageStoreUnreachable(Refusal):
    """ClickHouse, which holds the company's raw events, cannot be asked now."""


class ClickHouseServer:
    """Runs SQL on a server; one HTTP connection pool per process."""

    def __init__(self, url: str) -> None:
        """Connect.

        :param url: ``http://user:password@host:8123/database``.
        :raises UsageStoreUnreachable: if nothing answers there.
        """
        try:
            self._client: Any = import_module("clickhouse_connect").get_client(
                dsn=url, autogenerate_session_id=False
            )
        except ImportError:
            raise UsageStoreUnreachable(
                "the package clickhouse-connect is not installed here; install it, or move the"
                " company back to Postgres"
            ) from None
        except Exception as error:
            raise _unreachable(error) from error

    def rows(self, sql: str, parameter: str) -> bytes:
        try:
            return bytes(
                self._client.raw_query(
                    sql, parameters={"p": parameter}, fmt="JSONCompactEachRow", use_database=True
                )
            )
        except Exception as error:
            raise _unreachable(error) from error

    def insert(self, table: str, lines: bytes) -> None:
        try:
            self._client.raw_insert(table, insert_block=lines, fmt="JSONEachRow")
        except Exception as error:
            raise _unreachable(error) from error

    def command(self, sql: str) -> None:
        try:
            self._client.command(sql)
        except Exception as error:
            raise _unreachable(error) from error


def _unreachable(error: Exception) -> UsageStoreUnreachable:
    first = (str(error).splitlines() or [""])[0][:200]
    return UsageStoreUnreachable(f"the store of raw events does not answer: {first}; try again")


@lru_cache(maxsize=2)
def server(url: str) -> ClickHouseServer:
    """Return this process's connection to a server."""
    return ClickHouseServer(url)
